# shellcheck shell=bash
# Apache Kafka's own controller, from the jars of Maven Central; to be sourced.
#
# A cluster of transferto brokers has no controller of ours: Kafka's KRaft controller elects leaders, places
# replicas, hands out ids and keeps the metadata log. One JVM of some 170 MB is enough to try; three are for
# those who do not want to lose it.
#
# Set before: CLUSTER_DIR  a directory for this cluster

KAFKA_VERSION=${KAFKA_VERSION:-4.4.0}
# Any UUID in base64 will do.
CLUSTER_ID=${CLUSTER_ID:-dHJhbnNmZXJ0by1tYWtlLQ}
# The newest release whose metadata log these brokers read: they claim metadata.version up to 21.
RELEASE_VERSION=${RELEASE_VERSION:-3.9}
CONTROLLER_NODE_ID=${CONTROLLER_NODE_ID:-100}
# Small, and quick to start rather than fast.
CONTROLLER_JVM_FLAGS=${CONTROLLER_JVM_FLAGS:--Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1}
CONTROLLER_START_SECONDS=${CONTROLLER_START_SECONDS:-90}

cluster_top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# Where the benchmarks and the recorded sessions keep theirs: each release is fetched once.
KAFKA_JARS=${KAFKA_JARS:-$cluster_top/target/bench/kafka_jars_$KAFKA_VERSION}

# require_java: ends with a sentence if Java or Maven is missing.
require_java() {
    local tool missing=()
    for tool in java mvn; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    if [ "${#missing[@]}" -gt 0 ]; then
        echo "the controller of a cluster is Apache Kafka's, which needs Java 17 and Maven:" \
            "${missing[*]} missing; try: apt-get install openjdk-17-jre-headless maven" >&2
        return 1
    fi
}

# fetch_kafka: brings Kafka's jars, unless an earlier run has.
fetch_kafka() {
    if [ -d "$KAFKA_JARS" ]; then
        return
    fi
    echo "fetching Apache Kafka $KAFKA_VERSION from Maven Central: 70 MB, once"
    mkdir -p "$(dirname "$KAFKA_JARS")"
    # Two that fetch at a time do not meet: each renames a directory of its own.
    local partial=$KAFKA_JARS.$$.partial
    if ! mvn -q -B -ntp -Dstyle.color=never -f "$cluster_top/tests/bench/kafka/pom.xml" \
        dependency:copy-dependencies -DincludeScope=runtime "-Dkafka.version=$KAFKA_VERSION" \
        "-DoutputDirectory=$partial" >"$partial.log" 2>&1; then
        grep -m 3 ERROR "$partial.log" >&2 || cat "$partial.log" >&2
        return 1
    fi
    rm "$partial.log"
    mv -T "$partial" "$KAFKA_JARS" 2>/dev/null || rm -rf "$partial"
}

# kafka CLASS ARGUMENT...: one of Kafka's programs.
kafka() {
    # shellcheck disable=SC2086 # Several flags.
    java $CONTROLLER_JVM_FLAGS "-Dorg.slf4j.simpleLogger.defaultLogLevel=${KAFKA_LOG_LEVEL:-warn}" \
        -cp "$KAFKA_JARS/*" "$@"
}

# write_controller_properties PORT: the file that `kafka-storage format` and the controller read.
write_controller_properties() {
    mkdir -p "$CLUSTER_DIR"
    cat >"$CLUSTER_DIR/controller.properties" <<EOF
process.roles=controller
node.id=$CONTROLLER_NODE_ID
controller.quorum.bootstrap.servers=127.0.0.1:$1
listeners=CONTROLLER://127.0.0.1:$1
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$CLUSTER_DIR/controller
EOF
    # What a test wants otherwise, such as a shorter session of the brokers.
    printf '%s\n' "${CONTROLLER_SETTINGS:-}" >>"$CLUSTER_DIR/controller.properties"
}

# format_controller: gives its directory the id of the cluster, unless it has one.
format_controller() {
    local user users=()
    # Those whom the controller knows before anybody can reach it.
    for user in ${CONTROLLER_USERS:-}; do
        users+=(--add-scram "$user")
    done
    kafka kafka.tools.StorageTool format --ignore-formatted --standalone "${users[@]}" \
        --release-version "$RELEASE_VERSION" -t "$CLUSTER_ID" -c "$CLUSTER_DIR/controller.properties" \
        >"$CLUSTER_DIR/format.log" 2>&1 || {
        cat "$CLUSTER_DIR/format.log" >&2
        return 1
    }
}

# start_controller PORT: in the background, in a process group of its own, so that a Ctrl-C in the terminal is
# for the script that ends it in order. Its process id is in $CLUSTER_DIR/controller.pid.
start_controller() {
    (
        # shellcheck disable=SC2086 # Several flags.
        exec setsid java $CONTROLLER_JVM_FLAGS "-Dorg.slf4j.simpleLogger.defaultLogLevel=${KAFKA_LOG_LEVEL:-warn}" \
            -cp "$KAFKA_JARS/*" kafka.Kafka "$CLUSTER_DIR/controller.properties"
    ) </dev/null >>"$CLUSTER_DIR/controller.log" 2>&1 &
    echo "$!" >"$CLUSTER_DIR/controller.pid"
    disown "$!"
    wait_for_port "$1" "$!" "the controller" "$CLUSTER_DIR/controller.log" "$CONTROLLER_START_SECONDS"
}

# wait_for_port PORT PID NAME LOG SECONDS: until it accepts; ends with the end of its log if it has died.
wait_for_port() {
    local deadline=$((SECONDS + $5))
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        if ! kill -0 "$2" 2>/dev/null; then
            echo "$3 has ended:" >&2
            tail -n 5 "$4" >&2
            return 1
        fi
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "$3 did not open port $1 in $5 s; its log is $4" >&2
            return 1
        fi
        sleep 0.05
    done
}

# stop_process PIDFILE SECONDS: SIGTERM, and SIGKILL to what does not end by it.
stop_process() {
    local pid deadline=$((SECONDS + $2))
    pid=$(cat "$1" 2>/dev/null) || return 0
    kill -TERM "$pid" 2>/dev/null || return 0
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "process $pid does not end: killing it" >&2
            kill -KILL "$pid" 2>/dev/null || true
            return 1
        fi
        sleep 0.05
    done
    rm -f "$1"
}
