"""replicas.py CLUSTER_DIR [PLACEMENT]: whether the replicas of each partition hold the same bytes.

The brokers have stopped, one after the other. What was written after the first had stopped is missing there, so a
log may be the beginning of another; where they differ, or a partition has a replica too few or too many, this fails.

Each broker has a replica of each partition, or those have whom the file PLACEMENT names: lines like `topic-0 1,2`.
"""

import sys
from collections import defaultdict
from pathlib import Path


def main(cluster_dir, placement=None):
    disks = sorted(path for path in Path(cluster_dir).glob("broker-*") if path.is_dir())
    brokers = {broker_of(disk) for disk in disks}
    replicas = defaultdict(dict)
    for disk in disks:
        for directory in disk.iterdir():
            # Neither deleted ones nor those that were set aside.
            if directory.is_dir() and "." not in directory.name:
                replicas[directory.name][broker_of(disk)] = directory
    placed = placed_in(placement) if placement else {partition: brokers for partition in replicas}
    faults, records_bytes = [], 0
    for partition in sorted(replicas.keys() | placed.keys()):
        directories, wanted = replicas[partition], placed.get(partition, set())
        if directories.keys() != wanted:
            faults.append(f"{partition}: brokers {sorted(directories)} have it instead of {sorted(wanted)}")
        logs = sorted((log_of(directory) for directory in directories.values()), key=len)
        if not logs:
            continue
        longest = logs[-1]
        records_bytes += len(longest)
        for log in logs[:-1]:
            if not longest.startswith(log):
                faults.append(f"{partition}: the replicas differ, of {[len(it) for it in logs]} bytes")
                break
    for fault in faults:
        print(fault)
    print(f"{len(replicas)} partitions on {len(brokers)} brokers, {records_bytes} bytes of each replica compared")
    if faults or not replicas or not records_bytes:
        sys.exit(1)


def broker_of(disk):
    """Of broker-4 and broker-4.second: 4."""
    return int(disk.name.removeprefix("broker-").split(".")[0])


def placed_in(placement):
    lines = (line.split() for line in Path(placement).read_text().splitlines())
    return {partition: {int(it) for it in brokers.split(",")} for partition, brokers in lines}


def log_of(directory):
    return b"".join(path.read_bytes() for path in sorted(directory.glob("*.log")))


main(*sys.argv[1:])
