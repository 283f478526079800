"""kafka-python against the broker: the steps are in ../python/suite.py."""

import time
from importlib import metadata

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from suite import BROKER, SECURITY, Message, run

SETTINGS = {
    "bootstrap_servers": BROKER,
    "security_protocol": SECURITY.protocol,
    "ssl_cafile": SECURITY.authority,
    "ssl_certfile": SECURITY.certificate,
    "ssl_keyfile": SECURITY.key,
    "sasl_mechanism": SECURITY.mechanism,
    "sasl_plain_username": SECURITY.username,
    "sasl_plain_password": SECURITY.password,
}


class Client:
    name = "kafka-python"
    version = metadata.version("kafka-python")
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]

    def create_topic(self, topic, partitions):
        with_admin(lambda admin: admin.create_topics([NewTopic(topic, partitions, 1)]))

    def delete_topic(self, topic):
        with_admin(lambda admin: admin.delete_topics([topic]))

    def topics(self):
        return set(with_admin(lambda admin: admin.list_topics()))

    def partition_count(self, topic):
        return len(with_admin(lambda admin: admin.describe_topics([topic]))[0]["partitions"])

    def producer(self, codec="none", idempotent=True):
        return OneProducer(codec)

    def assigned(self, topic, start, count):
        consumer = KafkaConsumer(**SETTINGS)
        try:
            self.assign(consumer, topic, start)
            got, deadline = [], time.monotonic() + 30
            while len(got) < count and time.monotonic() < deadline:
                got += read(consumer)
            return got + read(consumer)
        finally:
            consumer.close()

    def assign(self, consumer, topic, start):
        if start == "beginning":
            consumer.assign([TopicPartition(topic, p) for p in consumer.partitions_for_topic(topic)])
            consumer.seek_to_beginning()
            return
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        if isinstance(start, dict):
            start = consumer.offsets_for_times({partition: start["timestamp_ms"]})[partition].offset
        consumer.seek(partition, start)

    def member(self, group, topic):
        return Member(group, topic)


def with_admin(function):
    admin = KafkaAdminClient(**SETTINGS)
    try:
        return function(admin)
    finally:
        admin.close()


class OneProducer:
    """Idempotent by default, so there is nothing to say for it."""

    def __init__(self, codec):
        settings = {"compression_type": codec} if codec != "none" else {}
        self.producer = KafkaProducer(**SETTINGS, **settings)
        self.sent = []

    def send(self, topic, message):
        self.sent.append(
            self.producer.send(
                topic,
                message.value,
                message.key,
                list(message.headers),
                message.partition,
                message.timestamp_ms,
            )
        )

    def close(self):
        self.producer.flush(60)
        for future in self.sent:
            future.get(10)
        self.producer.close(10)


class Member:
    def __init__(self, group, topic):
        self.consumer = KafkaConsumer(
            topic, **SETTINGS, group_id=group, auto_offset_reset="earliest"
        )

    def poll(self):
        return read(self.consumer, 200)

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


def read(consumer, timeout_ms=500):
    return [
        Message(
            record.key,
            record.value,
            tuple(record.headers),
            record.partition,
            record.timestamp,
            record.offset,
        )
        for records in consumer.poll(timeout_ms).values()
        for record in records
    ]


run(Client)
