#!/usr/bin/env python3
"""Asks a worker of Kafka Connect, and prints its answer.

rest.py URL METHOD PATH [JSON]
"""

import sys
import time
import urllib.error
import urllib.request

# The worker's answer while its group rebalances: to be asked again.
CONFLICT = 409
ANSWER_SECONDS = 30


def main():
    url, method, path, *body = sys.argv[1:]
    data = body[0].encode() if body else None
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url + path, data, headers, method=method)
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=ANSWER_SECONDS) as answer:
                print(answer.read().decode())
                return
        except urllib.error.HTTPError as refused:
            if refused.code != CONFLICT or time.monotonic() > deadline:
                sys.exit(f"{method} {path}: {refused.code} {refused.read().decode()}")
            time.sleep(0.2)
        except OSError as failed:
            sys.exit(f"{method} {path}: {failed}")


main()
