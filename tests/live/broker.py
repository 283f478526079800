"""A broker in a process of its own, and a client that says no more than these tests need."""

import contextlib
import re
import socket
import struct
import subprocess
import threading
import time
import zlib

PATIENCE_S = 60


class Broker:
    def __init__(self, binary, logs):
        overrides = {
            "listeners": "PLAINTEXT://127.0.0.1:0",
            "transferto.http.listener": "127.0.0.1:0",
            "log.dirs": logs,
            "num.partitions": "1",
            "log.segment.bytes": "200000",
            # So that a client that does not read keeps its response waiting.
            "socket.send.buffer.bytes": "65536",
        }
        arguments = [it for pair in overrides.items() for it in ("--override", "=".join(pair))]
        self._process = subprocess.Popen(
            [binary, *arguments], stderr=subprocess.PIPE, text=True, errors="replace"
        )
        log = ""
        for line in self._process.stderr:
            log += line
            if "watch the path at work" in line:
                break
        try:
            self.port = int(re.search(r"listening on PLAINTEXT://127.0.0.1:(\d+)", log)[1])
            self.page = re.search(r"watch the path at work:\s+(http://\S+)", log)[1]
        except TypeError:
            self.stop()
            raise AssertionError(f"the broker does not say where it listens:\n{log}") from None
        # The pipe must not fill up.
        threading.Thread(target=self._process.stderr.read, daemon=True).start()

    def stop(self):
        self._process.terminate()
        self._process.wait(PATIENCE_S)

    @contextlib.contextmanager
    def load(self, connections, seconds):
        """Several clients that fetch as fast as they can, for a while."""
        until = time.monotonic() + seconds
        stopped = threading.Event()

        def fetch_on(number):
            with contextlib.closing(Client(self.port, f"load-{number}")) as client:
                while time.monotonic() < until and not stopped.is_set():
                    client.fetch("post", 0)

        threads = [threading.Thread(target=fetch_on, args=(it,)) for it in range(connections)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stopped.set()
            for thread in threads:
                thread.join()


def text(value):
    data = value.encode()
    return struct.pack(">h", len(data)) + data


class Client:
    PRODUCE, FETCH, METADATA = 0, 1, 3

    def __init__(self, port, client_id, receive_buffer_bytes=None):
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE_S)
        if receive_buffer_bytes:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
        self._socket.connect(("127.0.0.1", port))
        self._client_id, self._correlation_id = client_id, 0
        # The offset after the last message that it has produced.
        self.end = 0

    def close(self):
        self._socket.close()

    def ask(self, api, version, body):
        self.send(api, version, body)
        size, = struct.unpack(">i", self._take(4))
        return self._take(size)[4:]

    def send(self, api, version, body):
        self._correlation_id += 1
        head = struct.pack(">hhi", api, version, self._correlation_id) + text(self._client_id)
        self._socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)

    def _take(self, count):
        taken = bytearray()
        while len(taken) < count:
            data = self._socket.recv(count - len(taken))
            if not data:
                raise AssertionError("the broker has closed the connection")
            taken += data
        return bytes(taken)

    def create_topic(self, topic):
        """Until it is led: the first request creates it in passing."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            answer = self.ask(self.METADATA, 0, struct.pack(">i", 1) + text(topic))
            # Behind the brokers: one topic, its error, its name, its partitions.
            at = answer.index(text(topic)) - 2
            error, = struct.unpack(">h", answer[at:at + 2])
            if error == 0:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"no topic, but error {error}")

    def produce(self, topic, value):
        message = struct.pack(">bbqii", 1, 0, int(time.time() * 1000), -1, len(value)) + value
        message = struct.pack(">I", zlib.crc32(message)) + message
        messages = struct.pack(">qi", 0, len(message)) + message
        partition = struct.pack(">iii", 1, 0, len(messages)) + messages
        body = struct.pack(">hii", 1, 30_000, 1) + text(topic) + partition
        answer = self.ask(self.PRODUCE, 2, body)
        at = answer.index(text(topic)) + len(text(topic))
        _, _, error, offset = struct.unpack(">iihq", answer[at:at + 18])
        if error != 0:
            raise AssertionError(f"the broker answers a produce with error {error}")
        self.end = offset + 1

    def fetch(self, topic, offset, max_wait_ms=0):
        return self.ask(self.FETCH, 4, self.fetch_of(topic, offset, max_wait_ms))

    def fetch_without_reading(self, topic, offset, max_wait_ms=0):
        self.send(self.FETCH, 4, self.fetch_of(topic, offset, max_wait_ms))

    @staticmethod
    def fetch_of(topic, offset, max_wait_ms):
        partition = struct.pack(">iiqi", 1, 0, offset, 1 << 20)
        return struct.pack(">iiiibi", -1, max_wait_ms, 1, 50 << 20, 0, 1) + text(topic) + partition
