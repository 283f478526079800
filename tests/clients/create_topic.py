#!/usr/bin/env python3
"""Makes a topic with a CreateTopics request of its own making, for the clients that have none.

create_topic.py HOST:PORT NAME PARTITIONS
"""

import socket
import struct
import sys

CREATE_TOPICS, VERSION = 19, 2
TIMEOUT_MS = 30_000


def main():
    address, name, partitions = sys.argv[1:]
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), TIMEOUT_MS / 1000) as connection:
        body = request(name, int(partitions))
        connection.sendall(struct.pack(">i", len(body)) + body)
        with connection.makefile("rb") as answers:
            (length,) = struct.unpack(">i", answers.read(4))
            error = error_of(answers.read(length))
    if error:
        sys.exit(f"creating {name} with {partitions} partitions: the broker's error is {error}")


def request(name, partitions):
    """One topic with one replica, whose assignment and settings are the broker's affair."""
    header = struct.pack(">hhi", CREATE_TOPICS, VERSION, 1) + text("create_topic")
    topic = text(name) + struct.pack(">ihii", partitions, 1, 0, 0)
    is_only_asking = False
    return header + struct.pack(">i", 1) + topic + struct.pack(">i?", TIMEOUT_MS, is_only_asking)


def text(string):
    return struct.pack(">h", len(string)) + string.encode()


def error_of(answer):
    """Behind the correlation id, the throttle time and the count of topics stands the name."""
    _, _, _, length = struct.unpack_from(">iiih", answer)
    (error,) = struct.unpack_from(">h", answer, 14 + length)
    return error


main()
