package suite

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The header of every record.
const (
	HeaderKey   = "from"
	headerValue = "the suite"
)

// Time of the first record. Every further one is a millisecond younger.
var firstTimestamp = time.UnixMilli(time.Now().Add(-time.Hour).UnixMilli())

// Record is a record as it was read, or is to be written (then without partition and offset).
type Record struct {
	Partition int32
	Offset    int64
	Time      time.Time
	Key       []byte
	Value     []byte
	Header    []byte // the value of the header HeaderKey
}

// Index is the number that the value begins with, -1 if it has none.
func (r Record) Index() int {
	number, _, _ := strings.Cut(string(r.Value), " ")
	index, err := strconv.Atoi(number)
	if err != nil {
		return -1
	}
	return index
}

// verify compares all that a record carries with what was written.
func (r Record) verify() error {
	wanted := makeRecord(r.Index())
	if string(r.Key) != string(wanted.Key) || string(r.Value) != string(wanted.Value) ||
		string(r.Header) != string(wanted.Header) || !r.Time.Equal(wanted.Time) {
		return fmt.Errorf("wrong record: %s", r)
	}
	return nil
}

func (r Record) String() string {
	return fmt.Sprintf("%d@%d key %q value %q header %q time %d", r.Offset, r.Partition, r.Key,
		r.Value, r.Header, r.Time.UnixMilli())
}

func timestamp(index int) time.Time {
	return firstTimestamp.Add(time.Duration(index) * time.Millisecond)
}

func makeRecord(index int) Record {
	return Record{
		Time:   timestamp(index),
		Key:    fmt.Appendf(nil, "key-%d", index%keys),
		Value:  fmt.Appendf(nil, "%08d %090d", index, index*7919),
		Header: []byte(headerValue),
	}
}

func makeRecords(from, to int) []Record {
	records := make([]Record, 0, to-from)
	for index := from; index < to; index++ {
		records = append(records, makeRecord(index))
	}
	return records
}

// The records of the step with many partitions: one in each, of 900 kB with its headers.
const (
	widePartitions = 60
	wideBytes      = 900_000
)

func makeWideRecord(partition int32) Record {
	return Record{
		Partition: partition,
		Time:      timestamp(int(partition)),
		Key:       fmt.Appendf(nil, "key-%d", partition),
		Value:     fmt.Appendf(nil, "%08d %0*d", partition, wideBytes-9, partition),
		Header:    []byte(headerValue),
	}
}

func makeWideRecords() []Record {
	var records []Record
	for partition := range int32(widePartitions) {
		records = append(records, makeWideRecord(partition))
	}
	return records
}

// wideCheck wants of each partition its one record, once.
type wideCheck struct{ seen [widePartitions]bool }

func (c *wideCheck) add(record Record) error {
	wanted := makeWideRecord(record.Partition)
	if !slices.Equal(record.Value, wanted.Value) || !slices.Equal(record.Key, wanted.Key) ||
		!slices.Equal(record.Header, wanted.Header) || !record.Time.Equal(wanted.Time) {
		record.Value = record.Value[:min(len(record.Value), 100)]
		return fmt.Errorf("wrong record, which begins as %s", record)
	}
	if c.seen[record.Partition] || record.Offset != 0 {
		return fmt.Errorf("partition %d has one record, and its offset %d came", record.Partition,
			record.Offset)
	}
	c.seen[record.Partition] = true
	return nil
}

// finish adds to a reader's error how far it came.
func (c *wideCheck) finish(err error) error {
	var missing []int
	for partition, isSeen := range c.seen {
		if !isSeen {
			missing = append(missing, partition)
		}
	}
	if len(missing) > 0 {
		return errors.Join(fmt.Errorf("nothing read of the partitions %v", missing), err)
	}
	return err
}

// check holds what was read to what was written: no offset missing, the order of each partition
// kept, no record twice.
type check struct {
	start          Start
	mayRepeat      bool // the producer is not idempotent
	anyFirstOffset bool
	next           map[int32]int64
	last           map[int32]int
	seen           []bool
	count          int // different records
}

func newCheck(records int, start Start) *check {
	return &check{start: start, next: map[int32]int64{}, last: map[int32]int{},
		seen: make([]bool, records)}
}

func (c *check) add(record Record) error {
	if err := record.verify(); err != nil {
		return err
	}
	index := record.Index()
	if index >= len(c.seen) {
		return fmt.Errorf("a record that was never sent: %s", record)
	}
	next, isKnown := c.next[record.Partition]
	if !isKnown && c.start.Time.IsZero() && !c.anyFirstOffset {
		next, isKnown = max(c.start.Offset, 0), true
	}
	if isKnown && record.Offset != next {
		return fmt.Errorf("offset %d wanted, got %s", next, record)
	}
	c.next[record.Partition] = record.Offset + 1
	if c.seen[index] {
		if c.mayRepeat {
			return nil
		}
		return fmt.Errorf("record seen before: %s", record)
	}
	if last, isLater := c.last[record.Partition]; isLater && index <= last {
		return fmt.Errorf("record %d before %s", last, record)
	}
	c.last[record.Partition] = index
	c.seen[index] = true
	c.count++
	return nil
}

// finish adds to a reader's error how far it came.
func (c *check) finish(err error, wanted int) error {
	if err == nil && c.count != wanted {
		err = errors.New("the reader ended")
	}
	if err != nil {
		return fmt.Errorf("%d of %d records read: %w", c.count, wanted, err)
	}
	return nil
}
