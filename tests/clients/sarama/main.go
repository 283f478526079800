// Drives sarama through the suite's steps.
package main

import (
	"context"
	"log"
	"os"
	"slices"
	"time"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"

	"transferto/clients/suite"
)

func main() {
	if suite.IsAttempt() { // a client that is refused goes on trying, and without a logger it says nothing
		sarama.Logger = log.New(os.Stderr, "", 0)
	}
	suite.Run("github.com/IBM/sarama", client{})
}

var codecs = map[string]sarama.CompressionCodec{"none": sarama.CompressionNone,
	"gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD}

type client struct{}

func (client) Codecs() []string { return []string{"none", "gzip", "snappy", "lz4", "zstd"} }
func (client) Idempotent() bool { return true }

func (client) CreateTopic(_ context.Context, topic string, partitions int) error {
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1}
	return admin.CreateTopic(topic, detail, false)
}

func (client) DeleteTopic(_ context.Context, topic string) error {
	admin, err := newAdmin()
	if err != nil {
		return err
	}
	defer admin.Close()
	return admin.DeleteTopic(topic)
}

func (client) Topics(context.Context) ([]string, error) {
	admin, err := newAdmin()
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	topics, err := admin.ListTopics()
	var names []string
	for name := range topics {
		names = append(names, name)
	}
	return names, err
}

// Idempotence is off by default, and asks for the two settings below it.
func (client) NewProducer(topic, codec string) (suite.Producer, error) {
	config := newConfig()
	config.Producer.Compression = codecs[codec]
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Net.MaxOpenRequests = 1
	return newProducer(topic, config)
}

func (client) NewDirectProducer(topic string) (suite.Producer, error) {
	config := newConfig()
	config.Producer.Partitioner = sarama.NewManualPartitioner
	return newProducer(topic, config)
}

// By default a producer tries a message three times within 0.3 s, and looks for the leader three
// times within 0.75 s: neither is made for a broker that restarts on the data of the whole suite.
func newProducer(topic string, config *sarama.Config) (suite.Producer, error) {
	config.Producer.Retry.Max = 100
	config.Metadata.Retry.Max = 40
	config.Producer.Return.Successes = true // SyncProducer asks for it
	syncProducer, err := sarama.NewSyncProducer(brokers(), config)
	return producer{syncProducer, topic}, err
}

func (client) Read(ctx context.Context, topic string, partitions int, from suite.Start, want int,
	each func(suite.Record) error) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	cl, err := sarama.NewClient(brokers(), newConfig())
	if err != nil {
		return err
	}
	defer cl.Close()
	consumer, err := sarama.NewConsumerFromClient(cl)
	if err != nil {
		return err
	}
	messages := make(chan *sarama.ConsumerMessage)
	for partition := range int32(partitions) {
		offset := from.Offset // sarama.OffsetOldest is suite.Beginning
		if !from.Time.IsZero() {
			if offset, err = cl.GetOffset(topic, partition, from.Time.UnixMilli()); err != nil {
				return err
			}
		}
		claim, err := consumer.ConsumePartition(topic, partition, offset)
		if err != nil {
			return err
		}
		defer claim.AsyncClose()
		go forward(ctx, claim.Messages(), messages)
	}
	for range want {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case message := <-messages:
			if err := each(toSuite(message)); err != nil {
				return err
			}
		}
	}
	return nil
}

func forward(ctx context.Context, from <-chan *sarama.ConsumerMessage,
	to chan<- *sarama.ConsumerMessage) {
	for message := range from {
		select {
		case <-ctx.Done():
			return
		case to <- message:
		}
	}
}

func (client) Join(group, topic string) (suite.Member, error) {
	config := newConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	consumerGroup, err := sarama.NewConsumerGroup(brokers(), group, config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	m := &member{group: consumerGroup, stop: stop, claimed: make(chan claimed),
		failed: make(chan error, 1), ended: make(chan struct{})}
	go m.consume(ctx, topic)
	return m, nil
}

type producer struct {
	sarama.SyncProducer
	topic string
}

func (p producer) Send(_ context.Context, records []suite.Record) error {
	messages := make([]*sarama.ProducerMessage, 0, len(records))
	for _, record := range records {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: p.topic, Partition: record.Partition, Timestamp: record.Time,
			Key: sarama.ByteEncoder(record.Key), Value: sarama.ByteEncoder(record.Value),
			Headers: []sarama.RecordHeader{{Key: []byte(suite.HeaderKey), Value: record.Header}}})
	}
	return p.SendMessages(messages)
}

// member turns the callbacks of a consumer group into Poll. The channel has no room, so nothing is
// marked that Poll did not return.
type member struct {
	group   sarama.ConsumerGroup
	stop    context.CancelFunc
	claimed chan claimed
	failed  chan error
	ended   chan struct{}
	session sarama.ConsumerGroupSession
}

type claimed struct {
	message *sarama.ConsumerMessage
	session sarama.ConsumerGroupSession
}

// consume joins again after every rebalance, and after an error, as sarama's documentation says.
func (m *member) consume(ctx context.Context, topic string) {
	defer close(m.ended)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{topic}, m); err != nil {
			select {
			case m.failed <- err:
			default:
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
}

func (m *member) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (m *member) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession,
	claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case <-session.Context().Done():
			return nil
		case m.claimed <- claimed{message, session}:
		}
	}
	return nil
}

func (m *member) Poll(ctx context.Context, max int) ([]suite.Record, error) {
	var records []suite.Record
	timeout := time.After(time.Second)
	for len(records) < max {
		select {
		case <-ctx.Done():
			select {
			case err := <-m.failed:
				return nil, err
			default:
				return nil, ctx.Err()
			}
		case <-timeout:
			return records, nil
		case claimed := <-m.claimed:
			m.session = claimed.session
			m.session.MarkMessage(claimed.message, "")
			records = append(records, toSuite(claimed.message))
		}
	}
	return records, nil
}

func (m *member) Commit(context.Context) error {
	m.session.Commit()
	return nil
}

func (m *member) Close() error {
	m.stop()
	<-m.ended
	return m.group.Close()
}

func newAdmin() (sarama.ClusterAdmin, error) {
	return sarama.NewClusterAdmin(brokers(), newConfig())
}

// Before 1.41 the default is the protocol of Kafka 1.0, which has no zstd.
func newConfig() *sarama.Config {
	config := sarama.NewConfig()
	if !config.Version.IsAtLeast(sarama.V2_1_0_0) {
		config.Version = sarama.V2_1_0_0
	}
	secure(config)
	return config
}

// For SCRAM sarama leaves the exchange itself to a library of the program's choice.
func secure(config *sarama.Config) {
	security := suite.SecurityOfEnvironment()
	config.Net.TLS.Enable = security.TLS != nil
	config.Net.TLS.Config = security.TLS
	if security.Mechanism == "" {
		return
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.Mechanism = sarama.SASLMechanism(security.Mechanism)
	config.Net.SASL.User = security.Username
	config.Net.SASL.Password = security.Password
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
		hash := scram.SHA256
		if security.Mechanism == "SCRAM-SHA-512" {
			hash = scram.SHA512
		}
		return &conversation{hash: hash}
	}
}

type conversation struct {
	hash scram.HashGeneratorFcn
	*scram.ClientConversation
}

func (c *conversation) Begin(user, password, authorizationID string) error {
	client, err := c.hash.NewClient(user, password, authorizationID)
	if err == nil {
		c.ClientConversation = client.NewConversation()
	}
	return err
}

func brokers() []string {
	return []string{suite.Broker()}
}

func toSuite(message *sarama.ConsumerMessage) suite.Record {
	record := suite.Record{Partition: message.Partition, Offset: message.Offset,
		Time: message.Timestamp, Key: message.Key, Value: message.Value}
	at := slices.IndexFunc(message.Headers, func(header *sarama.RecordHeader) bool {
		return string(header.Key) == suite.HeaderKey
	})
	if at >= 0 {
		record.Header = message.Headers[at].Value
	}
	return record
}
