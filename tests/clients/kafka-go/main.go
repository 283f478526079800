// Drives segmentio/kafka-go through the suite's steps.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"transferto/clients/suite"
)

func main() {
	suite.Run("github.com/segmentio/kafka-go", client{})
}

func newTransport() *kafka.Transport {
	return &kafka.Transport{TLS: suite.SecurityOfEnvironment().TLS, SASL: mechanism()}
}

// mechanism is nil without SASL.
func mechanism() sasl.Mechanism {
	security := suite.SecurityOfEnvironment()
	algorithm := scram.SHA256
	switch security.Mechanism {
	case "":
		return nil
	case "PLAIN":
		return plain.Mechanism{Username: security.Username, Password: security.Password}
	case "SCRAM-SHA-512":
		algorithm = scram.SHA512
	}
	mechanism, err := scram.Mechanism(algorithm, security.Username, security.Password)
	if err != nil {
		panic(err)
	}
	return mechanism
}

type client struct{}

func (client) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }
func (client) Idempotent() bool { return false }

func (client) CreateTopic(ctx context.Context, topic string, partitions int) error {
	admin, stop := newAdmin()
	defer stop()
	config := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	request := &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{config}}
	response, err := admin.CreateTopics(ctx, request)
	if err == nil {
		err = response.Errors[topic]
	}
	return err
}

func (client) DeleteTopic(ctx context.Context, topic string) error {
	admin, stop := newAdmin()
	defer stop()
	response, err := admin.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
	if err == nil {
		err = response.Errors[topic]
	}
	return err
}

func (client) Topics(ctx context.Context) ([]string, error) {
	admin, stop := newAdmin()
	defer stop()
	response, err := admin.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, topic := range response.Topics {
		names = append(names, topic.Name)
	}
	return names, nil
}

// A Transport answers from what it asked up to six seconds ago, and may send on a connection to a
// broker that has ended since: a new one has to ask the one that is there.
func newAdmin() (kafka.Client, func()) {
	transport := newTransport()
	return kafka.Client{Addr: kafka.TCP(suite.Broker()), Transport: transport},
		transport.CloseIdleConnections
}

// The zero value of RequiredAcks asks for no answer at all, so that nothing would be known. The
// default of one second to fill a batch would make every step slow; the default of ten attempts is
// kept.
func (client) NewProducer(topic, codec string) (suite.Producer, error) {
	codecs := map[string]kafka.Compression{"gzip": kafka.Gzip, "snappy": kafka.Snappy,
		"lz4": kafka.Lz4, "zstd": kafka.Zstd}
	return producer{&kafka.Writer{
		Addr:         kafka.TCP(suite.Broker()),
		Topic:        topic,
		Balancer:     &kafka.Hash{},
		Compression:  codecs[codec],
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: 10 * time.Millisecond,
		Transport:    newTransport(),
	}}, nil
}

// A Writer takes no partition from a message, but from its Balancer.
func (c client) NewDirectProducer(topic string) (suite.Producer, error) {
	direct, err := c.NewProducer(topic, "none")
	direct.(producer).Balancer = kafka.BalancerFunc(func(message kafka.Message, _ ...int) int {
		return message.WriterData.(int)
	})
	return direct, err
}

func (client) Read(ctx context.Context, topic string, partitions int, from suite.Start, want int,
	each func(suite.Record) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	type result struct {
		message kafka.Message
		err     error
	}
	results := make(chan result)
	var readers []*kafka.Reader
	defer func() { closeAll(readers) }()
	for partition := range partitions {
		reader := newReader(kafka.ReaderConfig{Topic: topic, Partition: partition})
		readers = append(readers, reader)
		if err := seek(ctx, reader, from); err != nil {
			return err
		}
		go func() {
			for ctx.Err() == nil {
				message, err := reader.ReadMessage(ctx)
				select {
				case <-ctx.Done():
				case results <- result{message, err}:
				}
			}
		}()
	}
	for range want {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case result := <-results:
			if err := result.err; err != nil {
				return err
			}
			if err := each(toSuite(result.message)); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeAll waits for all of them at once: each waits for the answer to its fetch.
func closeAll(readers []*kafka.Reader) {
	var closing sync.WaitGroup
	for _, reader := range readers {
		closing.Add(1)
		go func() {
			defer closing.Done()
			reader.Close()
		}()
	}
	closing.Wait()
}

func seek(ctx context.Context, reader *kafka.Reader, from suite.Start) error {
	if !from.Time.IsZero() {
		return reader.SetOffsetAt(ctx, from.Time)
	}
	return reader.SetOffset(from.Offset) // kafka.FirstOffset is suite.Beginning
}

func (client) Join(group, topic string) (suite.Member, error) {
	reader := newReader(kafka.ReaderConfig{Topic: topic, GroupID: group,
		StartOffset: kafka.FirstOffset})
	return &member{reader: reader, newest: map[int]kafka.Message{}}, nil
}

type producer struct{ *kafka.Writer }

func (p producer) Send(ctx context.Context, records []suite.Record) error {
	messages := make([]kafka.Message, 0, len(records))
	for _, record := range records {
		messages = append(messages, kafka.Message{Key: record.Key, Value: record.Value,
			Time: record.Time, WriterData: int(record.Partition),
			Headers: []kafka.Header{{Key: suite.HeaderKey, Value: record.Header}}})
	}
	return p.WriteMessages(ctx, messages...)
}

type member struct {
	reader *kafka.Reader
	newest map[int]kafka.Message // per partition, of what is not committed yet
}

// A Reader reports an error after three attempts to reach the broker, in about a second and a half,
// and goes on trying all the same. A broker on a busy machine takes longer than that to start, so
// only the end of the Reader is an error here; the caller's context bounds all others.
func (m *member) Poll(ctx context.Context, max int) ([]suite.Record, error) {
	pollCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var records []suite.Record
	for len(records) < max {
		message, err := m.reader.FetchMessage(pollCtx)
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if errors.Is(err, io.EOF) {
			return nil, err
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "kafka-go tries again:", err)
			break
		}
		m.newest[message.Partition] = message
		records = append(records, toSuite(message))
	}
	return records, ctx.Err()
}

func (m *member) Commit(ctx context.Context) error {
	for partition, message := range m.newest {
		if err := m.reader.CommitMessages(ctx, message); err != nil {
			return err
		}
		delete(m.newest, partition)
	}
	return nil
}

func (m *member) Close() error { return m.reader.Close() }

// Close waits until the fetch that is under way has been answered: by default up to ten seconds.
func newReader(config kafka.ReaderConfig) *kafka.Reader {
	config.MaxWait = 500 * time.Millisecond
	config.Brokers = []string{suite.Broker()}
	dialer := *kafka.DefaultDialer
	dialer.TLS, dialer.SASLMechanism = suite.SecurityOfEnvironment().TLS, mechanism()
	config.Dialer = &dialer
	return kafka.NewReader(config)
}

func toSuite(message kafka.Message) suite.Record {
	record := suite.Record{Partition: int32(message.Partition), Offset: message.Offset,
		Time: message.Time, Key: message.Key, Value: message.Value}
	for _, header := range message.Headers {
		if header.Key == suite.HeaderKey {
			record.Header = header.Value
		}
	}
	return record
}
