#!/usr/bin/env bash
# A cluster of two transferto brokers and one of Apache Kafka's, each kind killed and started again under its
# producers: another replica leads, two in sync are enough, and in the end all three logs are the same, byte for
# byte, and hold each record once. A consumer whose rack is that of a follower reads there. `make cluster-mixed TRY=1`
# runs it.
#
#   tests/cluster/mixed_test.sh
#
# Environment: that of cluster.sh; CLUSTER_DIR is a temporary directory, PORT is 29092 if not set
set -euo pipefail

MIXED=1
PORT=${PORT:-29092}
CLUSTER_DIR=$(mktemp -d "${TMPDIR:-/tmp}/transferto-mixed.XXXXXX")
# Brokers that are missed within two seconds, where Kafka takes nine.
CLUSTER_BROKER_SETTINGS="broker.heartbeat.interval.ms=400
replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector"
CLUSTER_RACKS=1
# shellcheck source=cluster.sh
source "$(dirname "${BASH_SOURCE[0]}")/cluster.sh"
CONTROLLER_SETTINGS+="
broker.session.timeout.ms=2000"

PARTITIONS=3
RECORDS_PER_STEP=1000
WAIT_SECONDS=60
produced=0

try_all() {
    require_java
    check_ports
    trap end EXIT
    trap 'exit 1' INT TERM
    run_all
    await "three replicas of each partition are in sync" all_have_in_sync 3
    produce
    read_in_rack_of 3 1
    kill_and_restart 1
    kill_and_restart 3
    check_records
    await "the three logs of each partition are the same" are_logs_same
    echo "passed: $produced records, each once, in three equal logs"
}

# Broker 1 is transferto's, broker 3 is Kafka's.
kill_and_restart() {
    leads "$1" || fail "broker $1 leads nothing"
    say "Broker $1 is killed."
    kill -9 "$(cat "$CLUSTER_DIR/broker-$1.pid")"
    await "others lead what broker $1 led, and two are in sync" is_replaced "$1"
    produce
    start_broker "$1"
    await_broker "$1"
    await "broker $1 is in sync again" all_have_in_sync 3
    elect_preferred_leaders
    await "broker $1 leads again" leads "$1"
}

# Each as a number of its own, and once, whatever is sent again.
produce() {
    local first=$((produced + 1))
    produced=$((produced + RECORDS_PER_STEP))
    seq "$first" "$produced" | kcat -b "$(addresses)" -t "$TOPIC" -P -X enable.idempotence=true 2>>"$CLUSTER_DIR/kcat.log" ||
        fail "the records from $first to $produced are not acknowledged"
    echo "   acknowledged: the records up to $produced"
}

# read_in_rack_of LEADER FOLLOWER: what LEADER leads, by a consumer of Kafka's in the rack of FOLLOWER, which is
# transferto's: that one sends all of it.
read_in_rack_of() {
    local partition before after read
    partition=$(partitions | sed -n "s/^partition \([0-9]*\), leader $1,.*/\1/p")
    read=$CLUSTER_DIR/read
    kcat -b "$(addresses)" -t "$TOPIC" -p "$partition" -C -e -q -o beginning >"$read" 2>>"$CLUSTER_DIR/kcat.log"
    before=$(bytes_out "$2")
    kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$(addresses)" --topic "$TOPIC" \
        --partition "$partition" --offset earliest --command-property "client.rack=rack-$2" \
        --max-messages "$(wc -l <"$read")" --timeout-ms 30000 >"$read.in-rack" 2>"$CLUSTER_DIR/console.log" || true
    cmp -s "$read" "$read.in-rack" ||
        fail "$(wc -l <"$read.in-rack") of $(wc -l <"$read") records came to a consumer in the rack of broker $2"
    after=$(bytes_out "$2")
    [ "$((after - before))" -gt "$(wc -c <"$read")" ] ||
        fail "broker $2 has sent $((after - before)) bytes to a consumer in its rack"
    echo "   read in the rack of broker $2: $(wc -l <"$read") records of partition $partition, which broker $1 leads"
}

bytes_out() {
    local metric="kafka_server_brokertopicmetrics_bytesout_total{topic=\"$TOPIC\"}"
    curl -sS "http://127.0.0.1:$(page_port_of "$1")/metrics" | sed -n "s/^$metric //p" | grep . || echo 0
}

check_records() {
    local consumed
    consumed=$(kcat -b "$(addresses)" -t "$TOPIC" -C -e -q -o beginning 2>>"$CLUSTER_DIR/kcat.log" | sort -n)
    [ "$consumed" = "$(seq 1 "$produced")" ] ||
        fail "$produced records were acknowledged, $(wc -l <<<"$consumed") came, $(uniq <<<"$consumed" | wc -l) of them different"
}

addresses() {
    echo "127.0.0.1:$(port_of 1),127.0.0.1:$(port_of 2),127.0.0.1:$(port_of 3)"
}

# Lines such as: partition 0, leader 3, replicas: 3,1,2, isrs: 3,1,2
partitions() {
    kcat -b "$(addresses)" -L -t "$TOPIC" 2>>"$CLUSTER_DIR/kcat.log" | sed -n 's/^ *partition /partition /p'
}

leads() {
    partitions | grep -q ", leader $1,"
}

all_have_in_sync() {
    [ "$(partitions | grep -cE "isrs: ([0-9]+,){$(($1 - 1))}[0-9]+$")" = "$PARTITIONS" ]
}

is_replaced() {
    local now
    now=$(partitions)
    [ "$(grep -cE 'leader [0-9]+, .*isrs: [0-9]+,[0-9]+$' <<<"$now")" = "$PARTITIONS" ] &&
        ! grep -qE "leader $1,|isrs: (.*,)?$1(,|$)" <<<"$now"
}

elect_preferred_leaders() {
    kafka org.apache.kafka.tools.LeaderElectionCommand --bootstrap-server "127.0.0.1:$PORT" \
        --election-type preferred --all-topic-partitions >"$CLUSTER_DIR/election.log" 2>&1 ||
        fail "no election: $(tail -n 3 "$CLUSTER_DIR/election.log")"
}

are_logs_same() {
    local partition segment id
    for partition in $(seq 0 $((PARTITIONS - 1))); do
        for segment in "$CLUSTER_DIR/broker-1/$TOPIC-$partition"/*.log; do
            [ -s "$segment" ] || return 1
            for id in 2 3; do
                cmp -s "$segment" "$CLUSTER_DIR/broker-$id/$TOPIC-$partition/${segment##*/}" || return 1
            done
        done
    done
}

# await WHAT CONDITION...
await() {
    local what=$1 began=$SECONDS
    shift
    until "$@"; do
        [ $((SECONDS - began)) -lt "$WAIT_SECONDS" ] ||
            fail "not within $WAIT_SECONDS s: $what"$'\n'"$(partitions)"
        sleep 0.2
    done
    echo "   after $((SECONDS - began)) s: $what"
}

fail() {
    echo "FAILED: $*" >&2
    tail -n 5 "$CLUSTER_DIR"/*.log >&2 || true
    exit 1
}

end() {
    stop_all
    rm -rf "$CLUSTER_DIR"
}

try_all
