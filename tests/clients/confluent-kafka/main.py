"""confluent-kafka against the broker: the steps are in ../python/suite.py."""

import time
from importlib import metadata

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
    libversion,
)
from confluent_kafka.admin import AdminClient, NewTopic

from suite import BROKER, LIBRDKAFKA_SETTINGS, REPLICATION_FACTOR, Message, run

SETTINGS = {"bootstrap.servers": BROKER} | LIBRDKAFKA_SETTINGS


class Client:
    name = "confluent-kafka"
    version = f"{metadata.version('confluent-kafka')} (librdkafka {libversion()[0]})"
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]

    def __init__(self):
        self.admin = AdminClient(SETTINGS)

    def create_topic(self, topic, partitions):
        self.admin.create_topics([NewTopic(topic, partitions, REPLICATION_FACTOR)])[topic].result(20)

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(20)

    def topics(self):
        return set(self.admin.list_topics(timeout=10).topics)

    def partition_count(self, topic):
        return len(self.admin.list_topics(timeout=10).topics[topic].partitions)

    def producer(self, codec="none", idempotent=False):
        return OneProducer(codec, idempotent)

    def assigned(self, topic, start, count):
        consumer = Consumer(SETTINGS | {"group.id": "not-used", "enable.auto.commit": False})
        partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign(self.starts(consumer, topic, start, partitions))
        got, deadline = [], time.monotonic() + 30
        while len(got) < count and time.monotonic() < deadline:
            got += read(consumer)
        got += read(consumer)
        consumer.close()
        return got

    def starts(self, consumer, topic, start, partitions):
        if start == "beginning":
            return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]
        if isinstance(start, int):
            return [TopicPartition(topic, 0, start)]
        asked = [TopicPartition(topic, 0, start["timestamp_ms"])]
        return consumer.offsets_for_times(asked, timeout=10)

    def member(self, group, topic):
        return Member(group, topic)


class OneProducer:
    def __init__(self, codec, idempotent):
        settings = {"compression.type": codec} if codec != "none" else {}
        if idempotent:
            settings["enable.idempotence"] = True
        self.producer = Producer(SETTINGS | settings)
        self.errors = []

    def send(self, topic, message):
        place = {} if message.partition is None else {"partition": message.partition}
        if message.timestamp_ms is not None:
            place["timestamp"] = message.timestamp_ms
        self.producer.produce(
            topic,
            message.value,
            message.key,
            headers=list(message.headers),
            on_delivery=self.delivered,
            **place,
        )
        self.producer.poll(0)

    def delivered(self, error, _message):
        if error is not None:
            self.errors.append(error)

    def close(self):
        left = self.producer.flush(60)
        if left or self.errors:
            raise AssertionError(f"{left} not sent in 60 s; errors: {self.errors[:3]}")


class Member:
    def __init__(self, group, topic):
        self.consumer = Consumer(SETTINGS | {"group.id": group, "auto.offset.reset": "earliest"})
        self.consumer.subscribe([topic])

    def poll(self):
        return read(self.consumer, 0.2)

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self):
        try:
            self.consumer.commit(asynchronous=False)
        except KafkaException as error:
            # Nothing new since the last commit, which may have been the automatic one.
            if error.args[0].code() != KafkaError._NO_OFFSET:
                raise

    def close(self):
        self.consumer.close()


def read(consumer, seconds=0.5):
    got = []
    for record in consumer.consume(1000, seconds):
        # A broker that is away for a while is no error of the consumer's: it goes on.
        if record.error() is not None and not record.error().retriable():
            raise KafkaException(record.error())
        if record.error() is None:
            got.append(
                Message(
                    record.key(),
                    record.value(),
                    tuple(record.headers() or ()),
                    record.partition(),
                    record.timestamp()[1],
                    record.offset(),
                )
            )
    return got


run(Client)
