// Package suite has the steps that every Go client goes through. A client's program says how its
// library does the few things of Client, and calls Run.
package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// Beginning as Start.Offset asks the broker for the first offset there is.
	Beginning = -2

	partitions = 3
	keys       = 100
	// In how many parts a producer sends its records where the broker dies meanwhile.
	parts = 200
	// How many records the producer of the group's step sends at a time.
	fewRecords = 50
)

// Client is what a library must be able to do. Everything must end when its context does.
type Client interface {
	CreateTopic(ctx context.Context, topic string, partitions int) error
	DeleteTopic(ctx context.Context, topic string) error
	Topics(ctx context.Context) ([]string, error)
	// NewProducer returns a producer whose Send has been acknowledged by the broker when it returns.
	NewProducer(topic, codec string) (Producer, error)
	// NewDirectProducer returns one that sends each record to the partition that the record names.
	NewDirectProducer(topic string) (Producer, error)
	// Read reads from Start on in every partition, until `want` records have been handed to `each`
	// or `each` fails.
	Read(ctx context.Context, topic string, partitions int, from Start, want int,
		each func(Record) error) error
	// Join makes a member of a group, which begins at the beginning where nothing is committed.
	Join(group, topic string) (Member, error)
	// Idempotent says whether NewProducer's producer retries without writing a record twice.
	Idempotent() bool
	Codecs() []string
}

// Producer sends to one topic.
type Producer interface {
	Send(ctx context.Context, records []Record) error
	Close() error
}

// Member is a member of a group.
type Member interface {
	// Poll returns what there is, at most `max`, and none if a second or so passes without any.
	Poll(ctx context.Context, max int) ([]Record, error)
	// Commit commits all that Poll has returned.
	Commit(ctx context.Context) error
	Close() error
}

// Start says where a reader begins: at a time if there is one, else at an offset.
type Start struct {
	Offset int64
	Time   time.Time
}

type suite struct {
	name    string
	client  Client
	records int
}

// Run prints the version of `module`, which is the library of the client, and then runs the steps that
// the environment asks for, and prints a line for each. With the arguments `write TOPIC` the program only writes there what
// the steps write, for a reader of another kind.
func Run(module string, client Client) {
	s := &suite{name: filepath.Base(os.Args[0]), client: client, records: recordsFromEnvironment()}
	if len(os.Args) == 3 && os.Args[1] == "write" {
		s.onlyWrite(os.Args[2])
		return
	}
	limit := 40*time.Second + time.Duration(s.records/10_000)*time.Second
	steps := &steps{limit: limit}
	switch os.Getenv("STEPS") {
	case "attempt":
		s.attempt()
	case "few":
		fmt.Println("VERSION", version(module))
		s.runFew(steps)
	default:
		fmt.Println("VERSION", version(module))
		s.runAll(steps)
	}
}

// IsAttempt says that the client is to be refused.
func IsAttempt() bool { return os.Getenv("STEPS") == "attempt" }

// attempt sends one record, and shows what the client says if it cannot.
func (s *suite) attempt() {
	if err := s.send(context.Background(), s.topic("none"), "none", 0, 1); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("it worked")
}

func (s *suite) runFew(steps *steps) {
	from := s.starts("none")[0]
	steps.step("create: topics, which are listed then", s.createTopics)
	steps.step("none: records with keys, headers and timestamps written",
		func(ctx context.Context) error { return s.write(ctx, "none") })
	steps.step(from.name, func(ctx context.Context) error { return s.read(ctx, "none", from) })
	steps.step("resume: after a commit", s.commitAndResume)
	steps.step("delete: topics, which are not listed then", s.deleteTopics)
}

func (s *suite) runAll(steps *steps) {
	client := s.client
	steps.step("create: topics, which are listed then", s.createTopics)
	for _, codec := range client.Codecs() {
		written := codec + ": records with keys, headers and timestamps written"
		steps.step(written, func(ctx context.Context) error { return s.write(ctx, codec) })
		for _, from := range s.starts(codec) {
			steps.step(from.name, func(ctx context.Context) error {
				return s.read(ctx, codec, from)
			})
		}
	}
	retry := "producer through kill -9, none lost"
	if client.Idempotent() {
		retry = "retry: through kill -9, none lost, none twice"
	}
	steps.step(retry, s.writeThroughKill)
	steps.step("resume: after a commit", s.commitAndResume)
	steps.step("resume: after a commit and kill -9", s.resumeAfterKill)
	steps.step("group: two members, rebalances, kill -9", s.groupOfTwo)
	steps.step("wide: 60 partitions, a record of 900 kB in each", s.manyPartitions)
	steps.step("delete: topics, which are not listed then", s.deleteTopics)
}

func (s *suite) onlyWrite(topic string) {
	if err := s.send(context.Background(), topic, "none", 0, s.records); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s *suite) topic(of string) string {
	return s.name + "-" + of
}

func (s *suite) topics() []string {
	topics := []string{s.topic("through-kill"), s.topic("resume"), s.topic("group")}
	for _, codec := range s.client.Codecs() {
		topics = append(topics, s.topic(codec))
	}
	return topics
}

func (s *suite) createTopics(ctx context.Context) error {
	for _, topic := range s.topics() {
		if err := s.client.CreateTopic(ctx, topic, partitions); err != nil {
			return fmt.Errorf("creating %s: %w", topic, err)
		}
	}
	if err := s.client.CreateTopic(ctx, s.topic("group"), partitions); err == nil {
		return errors.New("a topic was created a second time")
	}
	return s.awaitListed(ctx, true)
}

func (s *suite) deleteTopics(ctx context.Context) error {
	for _, topic := range s.topics() {
		if err := s.client.DeleteTopic(ctx, topic); err != nil {
			return fmt.Errorf("deleting %s: %w", topic, err)
		}
	}
	return s.awaitListed(ctx, false)
}

// awaitListed waits until all topics are listed, or none: a broker hears of them a moment after the controller.
func (s *suite) awaitListed(ctx context.Context, wanted bool) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := s.expectListed(ctx, wanted)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (s *suite) expectListed(ctx context.Context, wanted bool) error {
	topics, err := s.client.Topics(ctx)
	if err != nil {
		return fmt.Errorf("listing topics: %w", err)
	}
	listed := map[string]bool{}
	for _, topic := range topics {
		listed[topic] = true
	}
	for _, topic := range s.topics() {
		if listed[topic] != wanted {
			return fmt.Errorf("%s in the list of topics: %v", topic, listed[topic])
		}
	}
	return nil
}

// send writes the records from..to-1 with a producer of its own.
func (s *suite) send(ctx context.Context, topic, codec string, from, to int) error {
	producer, err := s.client.NewProducer(topic, codec)
	if err != nil {
		return err
	}
	if err := producer.Send(ctx, makeRecords(from, to)); err != nil {
		return errors.Join(err, producer.Close())
	}
	return producer.Close()
}

func (s *suite) write(ctx context.Context, codec string) error {
	return s.send(ctx, s.topic(codec), codec, 0, s.records)
}

type start struct {
	name        string
	start       Start
	count       int // how many records lie there
	lowestIndex int
}

// starts are the ways to begin, with the names of their steps. With so many keys no partition has less than a tenth of the records:
// an offset of a tenth leaves that many out in each.
func (s *suite) starts(codec string) []start {
	tenth, half := s.records/10, s.records/2
	return []start{
		{codec + ": read from the beginning", Start{Offset: Beginning}, s.records, 0},
		{"offset: " + codec, Start{Offset: int64(tenth)}, s.records - partitions*tenth, 0},
		{"timestamp: " + codec, Start{Time: timestamp(half)}, s.records - half, half},
	}
}

func (s *suite) read(ctx context.Context, codec string, from start) error {
	check := newCheck(s.records, from.start)
	each := func(record Record) error {
		if record.Index() < from.lowestIndex {
			return fmt.Errorf("record %d comes before the timestamp", record.Index())
		}
		return check.add(record)
	}
	err := s.client.Read(ctx, s.topic(codec), partitions, from.start, from.count, each)
	return check.finish(err, from.count)
}

// The broker dies while a producer is at work. The producer must get over it by itself.
func (s *suite) writeThroughKill(ctx context.Context) error {
	topic := s.topic("through-kill")
	producer, err := s.client.NewProducer(topic, "none")
	if err != nil {
		return err
	}
	restarted := make(chan error, 1)
	for part := range parts {
		if part == parts/4 {
			go func() { restarted <- restartBroker(ctx) }()
		}
		from, to := part*s.records/parts, (part+1)*s.records/parts
		if err := producer.Send(ctx, makeRecords(from, to)); err != nil {
			return fmt.Errorf("sending %d to %d: %w", from, to-1, err)
		}
	}
	if err := errors.Join(producer.Close(), <-restarted); err != nil {
		return err
	}
	check := newCheck(s.records, Start{Offset: Beginning})
	check.mayRepeat = !s.client.Idempotent()
	err = s.client.Read(ctx, topic, partitions, Start{Offset: Beginning}, s.records, check.add)
	if check.mayRepeat {
		return err // what was read twice counts, so that the end may not have been seen
	}
	return check.finish(err, s.records)
}

// There is more in these partitions than most clients take with one fetch: the answer cannot have
// all of them, and the turn of each must come.
func (s *suite) manyPartitions(ctx context.Context) error {
	topic := s.topic("wide")
	if err := s.client.CreateTopic(ctx, topic, widePartitions); err != nil {
		return err
	}
	producer, err := s.client.NewDirectProducer(topic)
	if err != nil {
		return err
	}
	err = producer.Send(ctx, makeWideRecords())
	if err := errors.Join(err, producer.Close()); err != nil {
		return err
	}
	check := &wideCheck{}
	err = s.client.Read(ctx, topic, widePartitions, Start{Offset: Beginning}, widePartitions,
		check.add)
	return errors.Join(check.finish(err), s.client.DeleteTopic(ctx, topic))
}

// A member reads a part and commits it, and leaves. The next one must go on right there.
func (s *suite) commitAndResume(ctx context.Context) error {
	if err := s.send(ctx, s.topic("resume"), "none", 0, s.records); err != nil {
		return err
	}
	check := newCheck(s.records, Start{Offset: Beginning})
	for _, upTo := range []int{s.records / 3, s.records} {
		if err := s.readAsMember(ctx, check, upTo); err != nil {
			return err
		}
	}
	return check.finish(nil, s.records)
}

// What is committed must outlive the broker.
func (s *suite) resumeAfterKill(ctx context.Context) error {
	if err := restartBroker(ctx); err != nil {
		return err
	}
	to := s.records + s.records/10
	if err := s.send(ctx, s.topic("resume"), "none", s.records, to); err != nil {
		return err
	}
	check := newCheck(to, Start{Offset: Beginning})
	check.anyFirstOffset = true
	if err := s.readAsMember(ctx, check, to-s.records); err != nil {
		return err
	}
	return check.finish(nil, to-s.records)
}

func (s *suite) readAsMember(ctx context.Context, check *check, upTo int) error {
	member, err := s.client.Join(s.topic("resume"), s.topic("resume"))
	if err != nil {
		return err
	}
	for check.count < upTo {
		records, err := member.Poll(ctx, 500)
		if err != nil {
			return fmt.Errorf("after %d records: %w", check.count, errors.Join(err, member.Close()))
		}
		for _, record := range records {
			if err := check.add(record); err != nil {
				return errors.Join(err, member.Close())
			}
		}
	}
	if err := member.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", errors.Join(err, member.Close()))
	}
	return member.Close()
}

// A producer writes all the time, while a second member joins, the broker dies and comes back, and
// the first member leaves. After each of them whoever is there must get new records; in the end no
// record may be missing. A record may come twice: one that was not yet committed when its partition
// went to the other member.
func (s *suite) groupOfTwo(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	seen := &union{seen: map[int]bool{}}
	var writer groupWriter
	writer.start(ctx, s.client, s.topic("group"))
	first, err := s.startMember(ctx, seen)
	if err != nil {
		return err
	}
	if err := seeNew(ctx, "the first member, alone", first); err != nil {
		return err
	}
	second, err := s.startMember(ctx, seen)
	if err != nil {
		return err
	}
	if err := seeNew(ctx, "both members", first, second); err != nil {
		return err
	}
	if err := restartBroker(ctx); err != nil {
		return err
	}
	if err := seeNew(ctx, "both members after kill -9", first, second); err != nil {
		return err
	}
	if err := first.leave(); err != nil {
		return fmt.Errorf("the first member: %w", err)
	}
	written, err := writer.finish()
	if err != nil {
		return fmt.Errorf("the producer: %w", err)
	}
	what := fmt.Sprintf("the second member, alone, has read the rest of %d records", written)
	if err := waitFor(ctx, what, func() bool { return seen.len() == written }); err != nil {
		return fmt.Errorf("%w; together they have %d", err, seen.len())
	}
	return second.leave()
}

// groupWriter writes records all the time, until it is told to finish.
type groupWriter struct {
	done   atomic.Bool
	result chan error
	sent   int
}

func (w *groupWriter) start(ctx context.Context, client Client, topic string) {
	w.result = make(chan error, 1)
	go func() { w.result <- w.write(ctx, client, topic) }()
}

func (w *groupWriter) write(ctx context.Context, client Client, topic string) error {
	producer, err := client.NewProducer(topic, "none")
	if err != nil {
		return err
	}
	for !w.done.Load() {
		if err := producer.Send(ctx, makeRecords(w.sent, w.sent+fewRecords)); err != nil {
			return errors.Join(err, producer.Close())
		}
		w.sent += fewRecords
		time.Sleep(20 * time.Millisecond)
	}
	return producer.Close()
}

func (w *groupWriter) finish() (int, error) {
	w.done.Store(true)
	return w.sent, <-w.result
}

// groupMember polls all the time, until it is told to leave.
type groupMember struct {
	member Member
	done   atomic.Bool
	result chan error
	newest atomic.Int64
}

func (s *suite) startMember(ctx context.Context, seen *union) (*groupMember, error) {
	member, err := s.client.Join(s.topic("group"), s.topic("group"))
	if err != nil {
		return nil, err
	}
	m := &groupMember{member: member, result: make(chan error, 1)}
	m.newest.Store(-1)
	go func() { m.result <- m.poll(ctx, seen) }()
	return m, nil
}

func (m *groupMember) poll(ctx context.Context, seen *union) error {
	for !m.done.Load() {
		records, err := m.member.Poll(ctx, 500)
		if err != nil {
			return errors.Join(err, m.member.Close())
		}
		for _, record := range records {
			if err := record.verify(); err != nil {
				return errors.Join(err, m.member.Close())
			}
			seen.add(record.Index())
			m.newest.Store(max(m.newest.Load(), int64(record.Index())))
		}
	}
	return m.member.Close()
}

func (m *groupMember) leave() error {
	m.done.Store(true)
	return <-m.result
}

// seeNew waits until each member has read something newer than all that was read before.
func seeNew(ctx context.Context, who string, members ...*groupMember) error {
	var before int64 = -1
	for _, member := range members {
		before = max(before, member.newest.Load())
	}
	var ended error
	err := waitFor(ctx, who+" reading new records", func() bool {
		for _, member := range members {
			if ended = member.ended(); ended != nil {
				return true
			}
			if member.newest.Load() <= before {
				return false
			}
		}
		return true
	})
	return errors.Join(err, ended)
}

// ended returns why a member that nobody has asked to leave reads no more.
func (m *groupMember) ended() error {
	select {
	case err := <-m.result:
		m.result <- err
		return fmt.Errorf("a member ended: %w", err)
	default:
		return nil
	}
}

// union is what the members have read together.
type union struct {
	mutex sync.Mutex
	seen  map[int]bool
}

func (u *union) add(index int) {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	u.seen[index] = true
}

func (u *union) len() int {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	return len(u.seen)
}

func waitFor(ctx context.Context, what string, is func() bool) error {
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited in vain for %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// restartBroker ends the broker with kill -9, and starts it again on what it left.
func restartBroker(ctx context.Context) error {
	script := "source ../lib.sh; broker_kill_and_restart"
	output, err := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", script).CombinedOutput()
	if err != nil {
		return fmt.Errorf("restart of the broker: %w: %s", err, output)
	}
	return nil
}
