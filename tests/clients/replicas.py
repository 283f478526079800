"""replicas.py CLUSTER_DIR: whether the replicas of each partition hold the same bytes.

The brokers have stopped, one after the other. What was written after the first had stopped is missing there, so a
log may be the beginning of another; where they differ, or a partition has fewer replicas than brokers, this fails.
"""

import sys
from collections import defaultdict
from pathlib import Path


def main(cluster_dir):
    brokers = sorted(path for path in Path(cluster_dir).glob("broker-*") if path.is_dir())
    replicas = defaultdict(list)
    for broker in brokers:
        for directory in broker.iterdir():
            # Neither deleted ones nor those that were set aside.
            if directory.is_dir() and "." not in directory.name:
                replicas[directory.name].append(directory)
    faults, records_bytes = [], 0
    for partition, directories in sorted(replicas.items()):
        if len(directories) != len(brokers):
            faults.append(f"{partition}: {len(directories)} of {len(brokers)} replicas are there")
        logs = sorted((log_of(directory) for directory in directories), key=len)
        longest = logs[-1]
        records_bytes += len(longest)
        for log in logs[:-1]:
            if not longest.startswith(log):
                faults.append(f"{partition}: the replicas differ, of {[len(it) for it in logs]} bytes")
                break
    for fault in faults:
        print(fault)
    print(f"{len(replicas)} partitions, {records_bytes} bytes each of {len(brokers)} replicas compared")
    if faults or not replicas or not records_bytes:
        sys.exit(1)


def log_of(directory):
    return b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


main(sys.argv[1])
