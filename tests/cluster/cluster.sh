#!/usr/bin/env bash
# A cluster on this machine, until Ctrl-C: Apache Kafka's controller and three brokers, all of them transferto's
# or one of them Kafka's. mixed_test.sh takes its functions from here.
#
#   tests/cluster/cluster.sh
#
# Environment: TRANSFERTO   the broker's binary (default: target/release/transferto)
#              MIXED        if set, broker 3 is Apache Kafka's
#              CLUSTER_DIR  what the cluster keeps (default: ./cluster-data, or ./cluster-mixed-data); it is there
#                           at the next start
#              PORT         the first of seven ports (default: 9092): of three brokers, of the controller, and of
#                           the pages of three brokers; Kafka's has no page
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRANSFERTO=${TRANSFERTO:-$(cd "$here/../.." && pwd)/target/release/transferto}
PORT=${PORT:-9092}
MIXED=${MIXED:-}
BROKER_IDS=(1 2 3)
CONTROLLER_PORT=$((PORT + ${#BROKER_IDS[@]}))
TARGET=cluster${MIXED:+-mixed}
mkdir -p "${CLUSTER_DIR:=$TARGET-data}"
CLUSTER_DIR=$(cd "$CLUSTER_DIR" && pwd)
# shellcheck source=controller.sh
source "$here/controller.sh"

# A topic has a replica on each broker.
CONTROLLER_SETTINGS=default.replication.factor=${#BROKER_IDS[@]}
STOP_SECONDS=30
START_SECONDS=60
TOPIC=post

main() {
    require_java
    check_ports
    trap stop_all EXIT
    trap 'exit 0' INT TERM
    run_all
    say_what_to_try
    watch_them
}

run_all() {
    local began=$SECONDS
    say "This takes some $(usual_seconds) seconds."
    run_controller
    run_brokers
    if [ -n "$MIXED" ]; then
        create_topic
    fi
    say "The cluster is up, after $((SECONDS - began)) s."
}

usual_seconds() {
    if [ -n "$MIXED" ]; then echo 20; else echo 10; fi
}

is_kafkas() {
    [ -n "$MIXED" ] && [ "$1" = 3 ]
}

# A taken port is found before anything runs.
check_ports() {
    local port
    for port in $(all_ports); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "port $port of 127.0.0.1 is taken: stop what listens there, or choose others, such as" \
                "make $TARGET PORT=19092" >&2
            exit 1
        fi
    done
}

all_ports() {
    local id
    for id in "${BROKER_IDS[@]}"; do
        port_of "$id"
        is_kafkas "$id" || page_port_of "$id"
    done
    echo "$CONTROLLER_PORT"
}

port_of() {
    echo $((PORT + $1 - 1))
}

page_port_of() {
    echo $((CONTROLLER_PORT + $1))
}

run_controller() {
    fetch_kafka
    write_controller_properties "$CONTROLLER_PORT"
    say "1. The controller's directory gets the id of the cluster, and the level of the release $RELEASE_VERSION:"
    show kafka-storage format --standalone --release-version "$RELEASE_VERSION" -t "$CLUSTER_ID" \
        -c "$CLUSTER_DIR/controller.properties"
    format_controller
    say "2. The controller, Apache Kafka $KAFKA_VERSION, starts on port $CONTROLLER_PORT; it takes some seconds:"
    show kafka-server-start "$CLUSTER_DIR/controller.properties"
    start_controller "$CONTROLLER_PORT"
}

run_brokers() {
    local id
    say "3. Three brokers read its metadata log, register, and are unfenced:"
    for id in "${BROKER_IDS[@]}"; do
        write_broker_properties "$id"
        if is_kafkas "$id"; then
            format_broker "$id"
            show kafka-server-start "$CLUSTER_DIR/broker-$id.properties" "   # Apache Kafka $KAFKA_VERSION"
        else
            show transferto "$CLUSTER_DIR/broker-$id.properties"
        fi
        start_broker "$id"
    done
    for id in "${BROKER_IDS[@]}"; do
        await_broker "$id"
        say_how_it_started "$id"
    done
}

await_broker() {
    wait_for_port "$(port_of "$1")" "$(cat "$CLUSTER_DIR/broker-$1.pid")" "broker $1" \
        "$CLUSTER_DIR/broker-$1.log" "$START_SECONDS"
}

# Kafka's broker logs no more than warnings here.
say_how_it_started() {
    if is_kafkas "$1"; then
        echo "   broker $1: listening on PLAINTEXT://127.0.0.1:$(port_of "$1")"
        return
    fi
    grep -E 'registered|unfenced|listening' "$CLUSTER_DIR/broker-$1.log" | tail -n 3 | cut -c 1-150 |
        sed "s/^/   broker $1: /"
}

write_broker_properties() {
    cat >"$CLUSTER_DIR/broker-$1.properties" <<EOF
process.roles=broker
node.id=$1
controller.quorum.bootstrap.servers=127.0.0.1:$CONTROLLER_PORT
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$(port_of "$1")
log.dirs=$CLUSTER_DIR/broker-$1
offsets.topic.replication.factor=3
min.insync.replicas=2
group.initial.rebalance.delay.ms=0
${CLUSTER_RACKS:+broker.rack=rack-$1}
${CLUSTER_BROKER_SETTINGS:-}
EOF
    if ! is_kafkas "$1"; then
        echo "transferto.http.listener=$(page_port_of "$1")" >>"$CLUSTER_DIR/broker-$1.properties"
    fi
}

# Kafka's broker does not give an empty directory to the cluster by itself.
format_broker() {
    show kafka-storage format -t "$CLUSTER_ID" -c "$CLUSTER_DIR/broker-$1.properties"
    kafka kafka.tools.StorageTool format --ignore-formatted -t "$CLUSTER_ID" \
        -c "$CLUSTER_DIR/broker-$1.properties" >"$CLUSTER_DIR/format.log" 2>&1 || {
        cat "$CLUSTER_DIR/format.log" >&2
        return 1
    }
}

# In a process group of its own, so that Ctrl-C is for this script, which ends the brokers in order.
start_broker() {
    local command=("$TRANSFERTO")
    if is_kafkas "$1"; then
        # shellcheck disable=SC2206 # Several flags.
        command=(java $CONTROLLER_JVM_FLAGS "-Dorg.slf4j.simpleLogger.defaultLogLevel=${KAFKA_LOG_LEVEL:-warn}"
            -cp "$KAFKA_JARS/*" kafka.Kafka)
    fi
    : >"$CLUSTER_DIR/broker-$1.log"
    setsid "${command[@]}" "$CLUSTER_DIR/broker-$1.properties" </dev/null >>"$CLUSTER_DIR/broker-$1.log" 2>&1 &
    echo "$!" >"$CLUSTER_DIR/broker-$1.pid"
    disown "$!"
}

create_topic() {
    local topic=(--bootstrap-server "127.0.0.1:$PORT" --create --if-not-exists --topic "$TOPIC" --partitions 3
        --replication-factor 3)
    say "4. A topic of three partitions, each with a replica on every broker:"
    show kafka-topics "${topic[@]}"
    kafka org.apache.kafka.tools.TopicCommand "${topic[@]}" | sed 's/^/   /'
}

say_what_to_try() {
    say "In a browser, what each of transferto's brokers does, leads and copies:"
    say_pages
    say "In another terminal, try:"
    if [ -n "$MIXED" ]; then try_mixed; else try_ours; fi
    say "Logs and data are in $CLUSTER_DIR. Ctrl-C ends what was started here."
}

say_pages() {
    local id
    for id in "${BROKER_IDS[@]}"; do
        is_kafkas "$id" ||
            echo "   http://127.0.0.1:$(page_port_of "$id")/live                               # broker $id; /metrics is for Prometheus"
    done
}

try_ours() {
    local first=127.0.0.1:$PORT
    cat <<EOF
   kcat -b $first -L                                         # three brokers, and who leads what
   seq 1000 | kcat -b $first -t post -P                      # the topic is created by the controller
   kcat -b $first -t post -C -e -q | wc -l
   kcat -b $first -o beginning -G readers post               # a group, until Ctrl-C
   $TRANSFERTO metadata-log --bootstrap-controller 127.0.0.1:$CONTROLLER_PORT
   kill -9 \$(cat $CLUSTER_DIR/broker-2.pid)                 # broker 2 dies; after some 9 s others lead what it led
   kcat -b $first -L -t post                                 # "isrs" lacks it
   $TRANSFERTO $CLUSTER_DIR/broker-2.properties              # here again, copies what it missed; its own Ctrl-C ends it
and, if you have Kafka's scripts:
   kafka-topics.sh --bootstrap-server $first --create --topic spread --partitions 6
   kafka-topics.sh --bootstrap-server $first --describe
EOF
}

# With the addresses of all, so that it does not matter which of them is dead.
try_mixed() {
    local all java="java -cp '$KAFKA_JARS/*'"
    all=127.0.0.1:$(port_of 1),127.0.0.1:$(port_of 2),127.0.0.1:$(port_of 3)
    cat <<EOF
   B=$all
   seq 1000 | kcat -b \$B -t $TOPIC -P
   kcat -b \$B -t $TOPIC -C -e -q | sort -u | wc -l           # 1000
   kcat -b \$B -L -t $TOPIC                                   # who leads what; broker 3 is Kafka's
   kill -9 \$(cat $CLUSTER_DIR/broker-1.pid)                 # broker 1 dies; after some 9 s:
   kcat -b \$B -L -t $TOPIC                                   # another leads what it led, and "isrs" lacks it
   seq 1001 2000 | kcat -b \$B -t $TOPIC -P                   # two in sync are enough
   $TRANSFERTO $CLUSTER_DIR/broker-1.properties              # here again, copies what it missed; its own Ctrl-C ends it
   kill -9 \$(cat $CLUSTER_DIR/broker-3.pid)                 # Kafka's dies
   $java kafka.Kafka $CLUSTER_DIR/broker-3.properties        # and is here again
   kcat -b \$B -t $TOPIC -C -e -q | sort -u | wc -l           # 2000
and with Kafka's tools, of whose scripts only the class is needed:
   $java org.apache.kafka.tools.TopicCommand --bootstrap-server \$B --describe --topic $TOPIC
   $java org.apache.kafka.tools.LeaderElectionCommand --bootstrap-server \$B --election-type preferred --all-topic-partitions
EOF
}

# What ends by itself is reported, once each.
watch_them() {
    local id
    while sleep 0.5; do
        for id in "${BROKER_IDS[@]}"; do
            has_gone "broker-$id" || continue
            echo "broker $id has ended: $(tail -n 1 "$CLUSTER_DIR/broker-$id.log" | cut -c 1-150)"
        done
        if has_gone controller; then
            echo "the controller has ended: $(tail -n 1 "$CLUSTER_DIR/controller.log" | cut -c 1-150)"
        fi
    done
}

has_gone() {
    local pid
    pid=$(cat "$CLUSTER_DIR/$1.pid" 2>/dev/null) || return 1
    ! kill -0 "$pid" 2>/dev/null && rm -f "$CLUSTER_DIR/$1.pid"
}

# Brokers first: they ask the controller to take over before they go.
stop_all() {
    local id
    trap '' INT TERM
    say "Stopping the brokers, and then the controller."
    for id in "${BROKER_IDS[@]}"; do
        stop_process "$CLUSTER_DIR/broker-$id.pid" "$STOP_SECONDS" || true
    done
    stop_process "$CLUSTER_DIR/controller.pid" "$STOP_SECONDS" || true
}

say() {
    printf '\n%s\n' "$*"
}

show() {
    echo "   $ $*"
}

# Not in a script that takes the functions from here.
if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    main
fi
