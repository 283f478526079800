// Drives franz-go through the suite's steps.
package main

import (
	"context"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"transferto/clients/suite"
)

func main() {
	suite.Run("github.com/twmb/franz-go", client{})
}

type client struct{}

func (client) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }
func (client) Idempotent() bool { return true }

func (client) CreateTopic(ctx context.Context, topic string, partitions int) error {
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	response, err := admin.CreateTopic(ctx, int32(partitions), suite.ReplicationFactor(), nil, topic)
	if err == nil {
		err = response.Err
	}
	return err
}

func (client) DeleteTopic(ctx context.Context, topic string) error {
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	response, err := admin.DeleteTopic(ctx, topic)
	if err == nil {
		err = response.Err
	}
	return err
}

func (client) Topics(ctx context.Context) ([]string, error) {
	admin, err := newAdmin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	topics, err := admin.ListTopics(ctx)
	return topics.Names(), err
}

func (client) NewProducer(topic, codec string) (suite.Producer, error) {
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	cl, err := newClient(kgo.DefaultProduceTopic(topic), kgo.ProducerBatchCompression(codecs[codec]))
	return producer{cl}, err
}

func (client) NewDirectProducer(topic string) (suite.Producer, error) {
	cl, err := newClient(kgo.DefaultProduceTopic(topic),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	return producer{cl}, err
}

func (client) Read(ctx context.Context, topic string, partitions int, from suite.Start, want int,
	each func(suite.Record) error) error {
	offset := kgo.NewOffset().At(from.Offset)
	if from.Offset == suite.Beginning {
		offset = kgo.NewOffset().AtStart()
	}
	if !from.Time.IsZero() {
		offset = kgo.NewOffset().AfterMilli(from.Time.UnixMilli())
	}
	offsets := map[int32]kgo.Offset{}
	for partition := range partitions {
		offsets[int32(partition)] = offset
	}
	cl, err := newClient(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	if err != nil {
		return err
	}
	defer cl.Close()
	for read := 0; read < want; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		for _, record := range fetches.Records() {
			if err := each(toSuite(record)); err != nil {
				return err
			}
			read++
		}
	}
	return nil
}

func (client) Join(group, topic string) (suite.Member, error) {
	cl, err := newClient(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic))
	return member{cl}, err
}

type producer struct{ *kgo.Client }

func (p producer) Send(ctx context.Context, records []suite.Record) error {
	batch := make([]*kgo.Record, 0, len(records))
	for _, record := range records {
		batch = append(batch, &kgo.Record{Key: record.Key, Value: record.Value, Timestamp: record.Time,
			Partition: record.Partition, // only the ManualPartitioner looks at it
			Headers:   []kgo.RecordHeader{{Key: suite.HeaderKey, Value: record.Header}}})
	}
	return p.ProduceSync(ctx, batch...).FirstErr()
}

func (p producer) Close() error {
	p.Client.Close()
	return nil
}

type member struct{ *kgo.Client }

func (m member) Poll(ctx context.Context, max int) ([]suite.Record, error) {
	pollCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	fetches := m.PollRecords(pollCtx, max)
	if err := fetches.Err(); err != nil && pollCtx.Err() == nil {
		return nil, err
	}
	var records []suite.Record
	for _, record := range fetches.Records() {
		records = append(records, toSuite(record))
	}
	return records, ctx.Err()
}

func (m member) Commit(ctx context.Context) error { return m.CommitUncommittedOffsets(ctx) }

func (m member) Close() error {
	m.Client.Close()
	return nil
}

func newAdmin() (*kadm.Client, error) {
	cl, err := newClient()
	return kadm.NewClient(cl), err
}

func newClient(options ...kgo.Opt) (*kgo.Client, error) {
	options = append(options, kgo.SeedBrokers(suite.Brokers()...))
	if suite.IsAttempt() { // a client that is refused goes on trying, and without a logger it says nothing
		options = append(options, kgo.WithLogger(kgo.BasicLogger(os.Stderr, kgo.LogLevelDebug, nil)))
	}
	return kgo.NewClient(append(options, securityOptions()...)...)
}

func securityOptions() []kgo.Opt {
	var options []kgo.Opt
	security := suite.SecurityOfEnvironment()
	if security.TLS != nil {
		options = append(options, kgo.DialTLSConfig(security.TLS))
	}
	user := scram.Auth{User: security.Username, Pass: security.Password}
	switch security.Mechanism {
	case "PLAIN":
		plain := plain.Auth{User: security.Username, Pass: security.Password}
		options = append(options, kgo.SASL(plain.AsMechanism()))
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(user.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(user.AsSha512Mechanism()))
	}
	return options
}

func toSuite(record *kgo.Record) suite.Record {
	result := suite.Record{Partition: record.Partition, Offset: record.Offset,
		Time: record.Timestamp, Key: record.Key, Value: record.Value}
	for _, header := range record.Headers {
		if header.Key == suite.HeaderKey {
			result.Header = header.Value
		}
	}
	return result
}
