# shellcheck shell=bash
# Three brokers under one controller, for scripts that end and start them again; to be sourced after
# controller.sh.
#
# Set before: TRANSFERTO  the broker's binary     CLUSTER_DIR  a directory for this cluster
#
# Of broker N there are in CLUSTER_DIR: broker-N, its log directory; broker-N.properties, .log and .pid.

CLUSTER_BROKERS="1 2 3"
CLUSTER_START_SECONDS=60
CLUSTER_STOP_SECONDS=60
# A controller and brokers that notice within two seconds who has gone, where Kafka takes nine: what is killed
# is back before a client runs out of patience.
CONTROLLER_SETTINGS="broker.session.timeout.ms=2000
num.partitions=3
default.replication.factor=3"
# It is the leader of a partition that counts the replicas in sync.
CLUSTER_BROKER_SETTINGS="broker.heartbeat.interval.ms=400
min.insync.replicas=2"

# cluster_start CONTROLLER_PORT BROKER_PORT...
cluster_start() {
    local id controller_port=$1
    shift
    write_controller_properties "$controller_port"
    format_controller
    start_controller "$controller_port"
    for id in $CLUSTER_BROKERS; do
        write_cluster_broker "$id" "$controller_port" "${!id}"
        cluster_broker_start "$id"
    done
    for id in $CLUSTER_BROKERS; do
        cluster_broker_await "$id"
    done
}

write_cluster_broker() {
    cat >"$CLUSTER_DIR/broker-$1.properties" <<EOF
process.roles=broker
node.id=$1
controller.quorum.bootstrap.servers=127.0.0.1:$2
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
listeners=PLAINTEXT://127.0.0.1:$3
log.dirs=$CLUSTER_DIR/broker-$1
offsets.topic.replication.factor=3
$CLUSTER_BROKER_SETTINGS
EOF
}

cluster_broker_start() {
    setsid "$TRANSFERTO" "$CLUSTER_DIR/broker-$1.properties" \
        </dev/null >>"$CLUSTER_DIR/broker-$1.log" 2>&1 9>&- &
    echo "$!" >"$CLUSTER_DIR/broker-$1.pid"
    disown "$!"
}

# A broker opens its port when it is unfenced, and not before.
cluster_broker_await() {
    local port
    port=$(sed -n 's/^listeners=.*://p' "$CLUSTER_DIR/broker-$1.properties")
    wait_for_port "$port" "$(cat "$CLUSTER_DIR/broker-$1.pid")" "broker $1" \
        "$CLUSTER_DIR/broker-$1.log" "$CLUSTER_START_SECONDS"
}

# cluster_restart SIGNAL: ends the next broker in turn by it, TERM or KILL, and starts it again. One at a time:
# who calls meanwhile waits, and who calls after the end, of which the file `over` tells, does nothing.
cluster_restart() {
    local id pid
    # The broker that is started does not inherit it.
    exec 9>"$CLUSTER_DIR/restarting"
    flock 9
    if [ -e "$CLUSTER_DIR/over" ]; then
        exec 9>&-
        return
    fi
    id=$(cat "$CLUSTER_DIR/next" 2>/dev/null || echo 1)
    echo $((id % 3 + 1)) >"$CLUSTER_DIR/next"
    pid=$(cat "$CLUSTER_DIR/broker-$id.pid")
    kill "-$1" "$pid"
    if ! wait_for_end "$pid" "$CLUSTER_STOP_SECONDS"; then
        echo "broker $id does not end by SIG$1" >&2
        return 1
    fi
    cluster_broker_start "$id"
    cluster_broker_await "$id"
    echo "$EPOCHSECONDS broker $id SIG$1" >>"$CLUSTER_DIR/restarted"
    exec 9>&-
}

# wait_for_end PID SECONDS: until none of its threads is left, so that its port and its directory are free.
wait_for_end() {
    local threads deadline=$((SECONDS + $2))
    while true; do
        threads=(/proc/"$1"/task/*)
        if [ "${#threads[@]}" -le 1 ] && ! grep -qs '^State:.[^Z]' "/proc/$1/status"; then
            return
        fi
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.05
    done
}

# cluster_stop: the brokers in order, and then the controller. Fails if one had to be killed.
cluster_stop() {
    local id status=0
    for id in $CLUSTER_BROKERS; do
        stop_process "$CLUSTER_DIR/broker-$id.pid" "$CLUSTER_STOP_SECONDS" || status=1
    done
    stop_process "$CLUSTER_DIR/controller.pid" "$CLUSTER_STOP_SECONDS" || status=1
    return "$status"
}

# cluster_kill: all of it, at once.
cluster_kill() {
    local file
    for file in "$CLUSTER_DIR"/*.pid; do
        [ -e "$file" ] || continue
        kill -KILL "$(cat "$file")" 2>/dev/null || true
    done
}
