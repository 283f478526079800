"""The steps that every client in Python goes through.

A client's main.py brings two classes. `Client` has

    name, version, codecs
    create_topic(topic, partitions), partition_count(topic), delete_topic(topic), topics()
    producer(codec="none", idempotent=False)
        .send(topic, message)    may return before the message is sent
        .close()                 returns when the broker has all of them, else raises
    assigned(topic, start, count)
        the records from `start` on: "beginning" of every partition, an (offset), or
        {"timestamp_ms": t}; `count` of them are expected, and it returns what has come when the
        topic seems to end
    member(group, topic)
        .poll()  a list of records     .assignment()  a set of partitions
        .commit()                      .close()

Everything waits for a bounded time. It takes the way to the broker from SECURITY, or from
LIBRDKAFKA_SETTINGS.
"""

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

BROKER = os.environ["BROKER"]


@dataclass(frozen=True)
class Security:
    """The way to the broker, as security.sh describes it; None stands for what it has not."""

    protocol: str = os.environ["SECURITY_PROTOCOL"]
    mechanism: str = os.environ["SASL_MECHANISM"] or None
    username: str = os.environ["SASL_USERNAME"] or None
    password: str = os.environ["SASL_PASSWORD"] or None
    authority: str = os.environ["TLS_CA"] or None
    certificate: str = os.environ["TLS_CERTIFICATE"] or None
    key: str = os.environ["TLS_KEY"] or None


SECURITY = Security()
LIBRDKAFKA_SETTINGS = dict(
    line.split("=", 1) for line in Path(os.environ["LIBRDKAFKA_CONF"]).read_text().splitlines()
)
STEPS = os.environ["STEPS"]
# Of the topics that a client creates itself: 3 in a cluster.
REPLICATION_FACTOR = int(os.environ.get("REPLICATION_FACTOR", "1"))
WIDE_PARTITIONS, WIDE_BYTES = 60, 900_000
COUNT = max(1000, int(os.environ["RECORDS"]) // 10)
STEP_SECONDS = 90


@dataclass(frozen=True)
class Message:
    """What is sent, and what is expected to come back."""

    key: bytes
    value: bytes
    headers: tuple = ()
    partition: int = field(default=None, compare=False)
    timestamp_ms: int = field(default=None, compare=False)
    offset: int = field(default=None, compare=False)


def messages(first, end, **fields):
    return [message(index, **fields) for index in range(first, end)]


def message(index, **fields):
    headers = (("number", b"%d" % index), ("empty", b""), ("number", b"again"))
    return Message(b"key-%d" % (index % 100), b"value-%08d" % index, headers, **fields)


def wide_message(partition):
    value = b"%0*d" % (WIDE_BYTES, partition)
    return Message(b"key-%d" % partition, value, (("number", b"%d" % partition),), partition)


def run(make_client):
    if STEPS == "attempt":
        attempt(make_client)
    elif STEPS == "few":
        run_few(Suite(make_client()))
    else:
        run_all(Suite(make_client()))
    # A thread of a client that hangs must not keep the program.
    sys.stdout.flush()
    os._exit(0)


def run_all(suite):
    client = suite.client
    step("create: a topic of 4 partitions", suite.create_topic)
    for codec in client.codecs:
        step(f"{codec}: {COUNT} records in and out", suite.in_and_out, codec)
    step("offset: by assignment", suite.from_an_offset)
    step("timestamp: by assignment", suite.from_a_timestamp)
    step("retry: through kill -9, none lost, none twice", suite.idempotent_through_kill)
    step("group: two members, rebalances, kill -9", suite.group_of_two)
    step("resume: after a commit", suite.commit_and_resume)
    step("wide: 60 partitions, a record of 900 kB in each", suite.many_partitions)
    step("delete: the topic, which is not listed then", suite.delete_topic)


def run_few(suite):
    step("create: a topic of 4 partitions", suite.create_topic)
    step(f"none: {COUNT} records in and out", suite.in_and_out, "none")
    step("resume: after a commit", suite.read_commit_and_resume)
    step("delete: the topic, which is not listed then", suite.delete_topic)


def attempt(make_client):
    """Sends one record, and shows what the client says, or logs, if it cannot."""
    logging.basicConfig()
    try:
        client = make_client()
        producer = client.producer()
        producer.send(f"{client.name}-none", message(0))
        producer.close()
        print("it worked")
    except Exception as error:
        print(f"{type(error).__name__}: {error}")


def step(name, function, *arguments):
    """Prints `PASS name [seconds]` or `FAIL name: why`; a step out of time fails."""
    started = time.monotonic()
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(STEP_SECONDS)
    try:
        function(*arguments)
        print(f"PASS {name} [{time.monotonic() - started:.1f} s]", flush=True)
    except BaseException as error:  # also what a client raises in place of an Exception
        traceback.print_exc()
        why = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"FAIL {name}: {why[:500]}", flush=True)
    finally:
        signal.alarm(0)


def out_of_time(_signal, _frame):
    raise TimeoutError(f"not done after {STEP_SECONDS} s")


class Suite:
    def __init__(self, client):
        print(f"VERSION {client.version}", flush=True)
        self.client = client
        self.created = f"{client.name}-created"
        self.grouped = f"{client.name}-grouped"
        self.group = f"{client.name}-group"

    def create_topic(self):
        self.client.create_topic(self.created, 4)
        # In a cluster another broker than the one that was asked may hear of it a little later.
        self.await_listed(self.created, True)
        equal(4, self.client.partition_count(self.created), "partitions")

    def in_and_out(self, codec):
        topic = f"{self.client.name}-{codec}"
        sent = messages(0, COUNT)
        self.send(topic, sent, codec=codec)
        got = self.client.assigned(topic, "beginning", len(sent))
        exactly_once(sent, got)
        in_order(got)
        if codec != "none":
            equal({codec}, codecs(topic), "codecs of the batches in the log")

    def from_an_offset(self):
        topic = f"{self.client.name}-offsets"
        sent = messages(0, 100, partition=0)
        self.send(topic, sent)
        equal(sent[37:], self.client.assigned(topic, 37, 63), "records from offset 37")

    def from_a_timestamp(self):
        topic = f"{self.client.name}-timestamps"
        start = int(time.time() * 1000) - 1_000_000
        sent = [message(n, partition=0, timestamp_ms=start + 1000 * n) for n in range(100)]
        self.send(topic, sent)
        got = self.client.assigned(topic, {"timestamp_ms": start + 41_500}, 58)
        equal(sent[42:], got, "records from after the 42nd")
        equal([m.timestamp_ms for m in sent[42:]], [m.timestamp_ms for m in got], "timestamps")

    def idempotent_through_kill(self):
        topic = f"{self.client.name}-idempotent"
        sent = messages(0, 3000)
        producer = self.client.producer(idempotent=True)
        for position, one in enumerate(sent):
            producer.send(topic, one)
            time.sleep(0.001)
            if position == 1000:
                killer = threading.Thread(target=broker_kill_and_restart)
                killer.start()
        killer.join()
        producer.close()
        got = self.client.assigned(topic, "beginning", len(sent))
        exactly_once(sent, got)
        in_order(got)
        if any(number(batch[43:51]) < 0 for batch in batches(topic)):
            raise AssertionError("a batch in the log has no producer id")

    def group_of_two(self):
        """One member reads, a second one joins, the broker dies and comes back, one leaves."""
        sent, got, members = messages(0, 300), [], []
        self.send(self.grouped, sent)
        try:
            members.append(self.client.member(self.group, self.grouped))
            self.read_all(members, sent, got, "one member")

            members.append(self.client.member(self.group, self.grouped))
            poll_until_shared(members, got)
            self.send_more(sent, 300)
            self.read_all(members, sent, got, "two members")

            broker_kill_and_restart()
            self.send_more(sent, 300)
            self.read_all(members, sent, got, "two members after kill -9")

            members.pop().close()
            poll_until_shared(members, got)
            self.send_more(sent, 300)
            self.read_all(members, sent, got, "the member that is left")
            exactly_once(sent, got)
        finally:
            for member in members:
                member.close()

    def read_all(self, members, sent, got, who):
        poll_until(members, got, len(sent), who)
        for member in members:
            member.commit()

    def commit_and_resume(self):
        """A new member goes on where the last one has committed."""
        got, after = [], messages(1200, 1400)
        self.send(self.grouped, after)
        member = self.client.member(self.group, self.grouped)
        try:
            self.read_all([member], after, got, "a new member")
            exactly_once(after, got)
        finally:
            member.close()

    def read_commit_and_resume(self):
        """The same without the steps before it."""
        got, sent = [], messages(0, 200)
        self.send(self.grouped, sent)
        for more in (200, 0):
            member = self.client.member(self.group, self.grouped)
            try:
                self.read_all([member], sent, got, "a member")
            finally:
                member.close()
            if more:
                self.send_more(sent, more)
        exactly_once(sent, got)

    def many_partitions(self):
        """There is more than the clients take with one fetch: the turn of each partition must come."""
        topic = f"{self.client.name}-wide"
        self.client.create_topic(topic, WIDE_PARTITIONS)
        sent = [wide_message(partition) for partition in range(WIDE_PARTITIONS)]
        self.send(topic, sent)
        got = self.client.assigned(topic, "beginning", len(sent))
        exactly_once(sent, got)
        equal([(n, 0) for n in range(WIDE_PARTITIONS)],
              sorted((one.partition, one.offset) for one in got), "where they lay")
        self.client.delete_topic(topic)

    def delete_topic(self):
        self.client.delete_topic(self.created)
        self.await_listed(self.created, False)

    def await_listed(self, topic, wanted):
        deadline = time.monotonic() + 20
        while (topic in self.client.topics()) != wanted:
            if time.monotonic() > deadline:
                raise AssertionError(f"{topic} is {'not' if wanted else 'still'} listed after 20 s")
            time.sleep(0.2)

    def send(self, topic, sent, **settings):
        producer = self.client.producer(**settings)
        for one in sent:
            producer.send(topic, one)
        producer.close()

    def send_more(self, sent, count):
        more = messages(len(sent), len(sent) + count)
        self.send(self.grouped, more)
        sent += more


def poll_until(members, got, count, who):
    """Until `count` records have come; and then a second longer, in which none may come."""
    deadline = time.monotonic() + 40
    while len(got) < count:
        if time.monotonic() > deadline:
            raise AssertionError(f"{who}: {len(got)} of {count} records after 40 s")
        poll_all(members, got)
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        poll_all(members, got)
    equal(count, len(got), f"{who}: records in all")


def poll_until_shared(members, got):
    """Until the members have the three partitions between them, and each has one."""
    deadline = time.monotonic() + 30
    while True:
        shares = [sorted(member.assignment()) for member in members]
        if all(shares) and sorted(sum(shares, [])) == [0, 1, 2]:
            return
        if time.monotonic() > deadline:
            raise AssertionError(f"30 s after a rebalance began the members have {shares}")
        poll_all(members, got)


def poll_all(members, got):
    for member in members:
        got += member.poll()


def exactly_once(sent, got):
    times = Counter(got)
    lost = [one for one in sent if one not in times]
    twice = [one for one, count in times.items() if count > 1]
    strange = set(got) - set(sent)
    if lost or twice or strange:
        raise AssertionError(
            f"{len(sent)} sent, {len(got)} came: {len(lost)} lost, {len(twice)} twice, "
            f"{len(strange)} never sent; for example {short((lost + twice + list(strange))[0])}"
        )


def in_order(got):
    """The records of each partition have the offsets 0, 1, 2 ... and each key its order."""
    next_offset, last, home = Counter(), {}, {}
    for one in got:
        equal(next_offset[one.partition], one.offset, f"next offset of partition {one.partition}")
        next_offset[one.partition] += 1
        equal(home.setdefault(one.key, one.partition), one.partition, f"partition of {one.key}")
        if one.value <= last.get(one.key, b""):
            raise AssertionError(f"{one.value} comes after {last[one.key]}")
        last[one.key] = one.value


def equal(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: wanted {short(wanted)}, got {short(got)}")


def short(thing):
    text = str(thing)
    return text if len(text) < 200 else f"{text[:200]}..."


def codecs(topic):
    """The codecs of a topic's batches: the lowest three bits of the attributes. A batch of one
    record is left out: some clients do not compress what gets larger by it."""
    names = ["none", "gzip", "snappy", "lz4", "zstd"]
    return {names[batch[22] & 7] for batch in batches(topic) if number(batch[57:61]) > 1}


def batches(topic):
    """The batches of a topic as they lie in the log."""
    for partition in range(3):
        # A cluster has the directories of three brokers in there, of which one may be behind.
        path = f"{topic}-{partition}/00000000000000000000.log"
        directory = Path(os.environ["DATA_DIR"])
        with open(max(directory.glob(f"**/{path}"), key=lambda it: it.stat().st_size), "rb") as file:
            log = file.read()
        position = 0
        while position < len(log):
            end = position + 12 + number(log[position + 8 : position + 12])
            yield log[position:end]
            position = end


def number(bytes_of_it):
    return int.from_bytes(bytes_of_it, "big", signed=True)


def broker_kill_and_restart():
    subprocess.run(
        ["bash", "-c", "source ../lib.sh; broker_kill_and_restart"], check=True, timeout=60
    )
