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
    await "a consumer in the rack of broker 1 reads there what broker 3 leads" reads_in_rack_of 1 3
    await "a consumer in the rack of broker 2 reads there what broker 1 leads" reads_in_rack_of 2 1
    await "a consumer in the rack of broker 3 reads there what broker 2 leads" reads_in_rack_of 3 2
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

# Each as a number of its own, and once, whatever is sent again; some to each partition.
produce() {
    local first=$((produced + 1))
    produced=$((produced + RECORDS_PER_STEP))
    seq "$first" "$produced" | kcat -b "$(addresses)" -t "$TOPIC" -P -X enable.idempotence=true \
        -X sticky.partitioning.linger.ms=0 2>>"$CLUSTER_DIR/kcat.log" ||
        fail "the records from $first to $produced are not acknowledged"
    echo "   acknowledged: the records up to $produced"
}

# reads_in_rack_of FOLLOWER LEADER: whether FOLLOWER sends all of what LEADER leads, and LEADER nothing, to a consumer
# of Kafka's in the rack of FOLLOWER. All comes in any case: a leader keeps the consumer while the follower is fenced,
# as it may be on a busy machine. And a page may be a second old: it may lack what was sent just before.
reads_in_rack_of() {
    local partition records follower_sent leader_sent
    partition=$(partitions | sed -n "s/^partition \([0-9]*\), leader $2,.*/\1/p")
    records=$CLUSTER_DIR/records-$partition
    if [ ! -s "$records" ]; then
        kcat -b "$(addresses)" -t "$TOPIC" -p "$partition" -C -e -q -o beginning >"$records" 2>>"$CLUSTER_DIR/kcat.log"
    fi
    follower_sent=$(bytes_out "$1") leader_sent=$(bytes_out "$2")
    kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$(addresses)" --topic "$TOPIC" \
        --partition "$partition" --offset earliest --command-property "client.rack=rack-$1" \
        --max-messages "$(wc -l <"$records")" --timeout-ms 30000 >"$CLUSTER_DIR/read" 2>"$CLUSTER_DIR/console.log" || true
    cmp -s "$records" "$CLUSTER_DIR/read" ||
        fail "$(wc -l <"$CLUSTER_DIR/read") of $(wc -l <"$records") records came to a consumer in the rack of broker $1"
    { is_kafkas "$2" || [ "$(bytes_out "$2")" = "$leader_sent" ]; } &&
        { is_kafkas "$1" || [ $(($(bytes_out "$1") - follower_sent)) -gt "$(wc -c <"$records")" ]; }
}

# How many bytes of the topic a broker has sent to consumers; nothing for Kafka's, which has no page.
bytes_out() {
    local metric="kafka_server_brokertopicmetrics_bytesout_total{topic=\"$TOPIC\"}"
    is_kafkas "$1" ||
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
