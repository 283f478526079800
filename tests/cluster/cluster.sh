#!/usr/bin/env bash
# A cluster on this machine: Apache Kafka's controller and three transferto brokers, until Ctrl-C.
#
#   tests/cluster/cluster.sh
#
# Environment: TRANSFERTO   the broker's binary (default: target/release/transferto)
#              CLUSTER_DIR  what the cluster keeps (default: ./cluster-data); it is there at the next start
#              PORT         the first of four ports (default: 9092): three brokers, and the controller
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRANSFERTO=${TRANSFERTO:-$here/../../target/release/transferto}
PORT=${PORT:-9092}
BROKER_IDS=(1 2 3)
CONTROLLER_PORT=$((PORT + ${#BROKER_IDS[@]}))
mkdir -p "${CLUSTER_DIR:=cluster-data}"
CLUSTER_DIR=$(cd "$CLUSTER_DIR" && pwd)
# shellcheck source=controller.sh
source "$here/controller.sh"

# A topic has a replica on each broker.
CONTROLLER_SETTINGS=default.replication.factor=${#BROKER_IDS[@]}
STOP_SECONDS=30
START_SECONDS=30

main() {
    require_java
    check_ports
    trap stop_all EXIT
    trap 'exit 0' INT TERM
    run_controller
    run_brokers
    say_what_to_try
    watch_them
}

# A taken port is found before anything runs.
check_ports() {
    local port
    for port in $(seq "$PORT" "$CONTROLLER_PORT"); do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "port $port of 127.0.0.1 is taken: stop what listens there, or choose others, such as" \
                "make cluster PORT=19092" >&2
            exit 1
        fi
    done
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
        show transferto "$CLUSTER_DIR/broker-$id.properties"
        start_broker "$id"
    done
    for id in "${BROKER_IDS[@]}"; do
        wait_for_port "$(port_of "$id")" "$(cat "$CLUSTER_DIR/broker-$id.pid")" "broker $id" \
            "$CLUSTER_DIR/broker-$id.log" "$START_SECONDS"
        grep -E 'registered|unfenced|listening' "$CLUSTER_DIR/broker-$id.log" | tail -n 3 | cut -c 1-150 |
            sed "s/^/   broker $id: /"
    done
}

port_of() {
    echo $((PORT + $1 - 1))
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
EOF
}

# In a process group of its own, so that Ctrl-C is for this script, which ends the brokers in order.
start_broker() {
    : >"$CLUSTER_DIR/broker-$1.log"
    setsid "$TRANSFERTO" "$CLUSTER_DIR/broker-$1.properties" </dev/null >>"$CLUSTER_DIR/broker-$1.log" 2>&1 &
    echo "$!" >"$CLUSTER_DIR/broker-$1.pid"
    disown "$!"
}

say_what_to_try() {
    local first=127.0.0.1:$PORT
    say "The cluster is up. In another terminal, try:"
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
    say "Logs and data are in $CLUSTER_DIR. Ctrl-C ends what was started here."
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

main
