"""aiokafka against the broker: the steps are in ../python/suite.py.

The suite is written for clients that block, so the event loop runs in a thread of its own.
"""

import asyncio
import threading
import time
from importlib import metadata

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.helpers import create_ssl_context

from suite import BROKER, SECURITY, Message, run

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def wait_for(coroutine, seconds=40):
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, seconds), loop).result()


class Client:
    name = "aiokafka"
    version = metadata.version("aiokafka")
    codecs = ["none", "gzip", "snappy", "lz4", "zstd"]

    def create_topic(self, topic, partitions):
        answer = wait_for(self.admin("create_topics", [NewTopic(topic, partitions, 1)]))
        self.check(answer.topic_errors)

    def delete_topic(self, topic):
        answer = wait_for(self.admin("delete_topics", [topic]))
        self.check(answer.topic_error_codes)

    def topics(self):
        return set(wait_for(self.admin("list_topics")))

    def partition_count(self, topic):
        return len(wait_for(self.admin("describe_topics", [topic]))[0]["partitions"])

    def check(self, results):
        for topic, code, *_ in results:
            if code != 0:
                raise AssertionError(f"{topic}: the broker answers with the error {code}")

    async def admin(self, method, *arguments):
        admin = AIOKafkaAdminClient(**settings())
        await admin.start()
        try:
            return await getattr(admin, method)(*arguments)
        finally:
            await admin.close()

    def producer(self, codec="none", idempotent=False):
        return OneProducer(codec, idempotent)

    def assigned(self, topic, start, count):
        return wait_for(self.read_assigned(topic, start, count))

    async def read_assigned(self, topic, start, count):
        consumer = AIOKafkaConsumer(**settings())
        await consumer.start()
        try:
            await self.assign(consumer, topic, start)
            got, deadline = [], time.monotonic() + 30
            while len(got) < count and time.monotonic() < deadline:
                got += await read(consumer)
            return got + await read(consumer)
        finally:
            await consumer.stop()

    async def assign(self, consumer, topic, start):
        partition = TopicPartition(topic, 0)
        if start == "beginning":
            description = await self.admin("describe_topics", [topic])
            partitions = len(description[0]["partitions"])
            consumer.assign([TopicPartition(topic, number) for number in range(partitions)])
            await consumer.seek_to_beginning()
            return
        consumer.assign([partition])
        if isinstance(start, dict):
            found = await consumer.offsets_for_times({partition: start["timestamp_ms"]})
            start = found[partition].offset
        consumer.seek(partition, start)

    def member(self, group, topic):
        return Member(group, topic)


def settings():
    result = {"bootstrap_servers": BROKER, "security_protocol": SECURITY.protocol}
    if SECURITY.authority:
        result["ssl_context"] = create_ssl_context(
            cafile=SECURITY.authority, certfile=SECURITY.certificate, keyfile=SECURITY.key
        )
    if SECURITY.mechanism:
        result["sasl_mechanism"] = SECURITY.mechanism
        result["sasl_plain_username"] = SECURITY.username
        result["sasl_plain_password"] = SECURITY.password
    return result


class OneProducer:
    def __init__(self, codec, idempotent):
        self.sent = []
        wait_for(self.start(codec, idempotent))

    async def start(self, codec, idempotent):
        more = {"compression_type": codec} if codec != "none" else {}
        if idempotent:
            more["enable_idempotence"] = True
        # Without it a broker that answers faster than the suite sends gets batches of one record each,
        # in which the suite cannot look for the codec.
        self.producer = AIOKafkaProducer(**settings(), **more, linger_ms=5)
        await self.producer.start()

    def send(self, topic, message):
        sending = self.producer.send(
            topic,
            message.value,
            message.key,
            message.partition,
            message.timestamp_ms,
            list(message.headers),
        )
        self.sent.append(wait_for(sending))

    def close(self):
        wait_for(self.finish())

    async def finish(self):
        try:
            await asyncio.gather(*self.sent)
        finally:
            await self.producer.stop()


class Member:
    def __init__(self, group, topic):
        wait_for(self.start(group, topic))

    async def start(self, group, topic):
        self.consumer = AIOKafkaConsumer(
            topic, **settings(), group_id=group, auto_offset_reset="earliest"
        )
        await self.consumer.start()

    def poll(self):
        return wait_for(read(self.consumer, 200))

    def assignment(self):
        return {partition.partition for partition in self.consumer.assignment()}

    def commit(self):
        wait_for(self.consumer.commit())

    def close(self):
        wait_for(self.consumer.stop())


async def read(consumer, timeout_ms=500):
    return [
        Message(
            record.key,
            record.value,
            tuple(record.headers),
            record.partition,
            record.timestamp,
            record.offset,
        )
        for records in (await consumer.getmany(timeout_ms=timeout_ms)).values()
        for record in records
    ]


run(Client)
