#!/usr/bin/env bash
# The command line tools of Kafka itself, as an administrator runs them: kafka-topics,
# kafka-consumer-groups, kafka-dump-log and the others, of the release that pom.xml names.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../java/maven.sh
source topics.sh
source console.sh
source groups.sh
source configs.sh
source offsets.sh
source cluster.sh
source dump-log.sh
source quotas.sh
source acls.sh
source security.sh

VERSION=4.3.1
BUILT=$(realpath ../../..)/target/clients/kafka-tools-$VERSION
WORK=$RUN_DIR/kafka-tools
# How long one tool may take before it counts as one that hangs.
TOOL_SECONDS=${TOOL_SECONDS:-120}
mkdir -p "$WORK"

main() {
    echo "VERSION $VERSION"
    step_or_end "build" build
    topic_steps
    console_steps
    group_steps
    config_steps
    offset_steps
    cluster_steps
    quota_steps
    acl_steps
    security_steps
    dump_log_steps
}

# Fetches the jars. Then a tool that is a producer, a consumer and an administrator leaves an
# archive of the classes it loaded, with which the others start in half the time.
build() {
    maven "-Dkafka.version=$VERSION" compile
    ARCHIVE=-XX:ArchiveClassesAtExit kafka-e2e-latency --topic tools-latency --num-records 1 \
        --producer-acks all --record-size 100
    kafka-topics --version >"$WORK/version"
    grep -F "$VERSION" "$WORK/version"
}

# The tools, by the names of their scripts in Kafka's bin directory.

kafka-acls() { client_tool org.apache.kafka.tools.AclCommand "$@"; }
kafka-broker-api-versions() {
    client_tool org.apache.kafka.tools.BrokerApiVersionsCommand "$@"
}
kafka-cluster() { client_tool org.apache.kafka.tools.ClusterTool "$@"; }
kafka-configs() { client_tool kafka.admin.ConfigCommand "$@"; }
kafka-console-consumer() { client_tool org.apache.kafka.tools.consumer.ConsoleConsumer "$@"; }
kafka-console-producer() { client_tool org.apache.kafka.tools.ConsoleProducer "$@"; }
kafka-consumer-groups() {
    client_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "$@"
}
kafka-consumer-perf-test() { client_tool org.apache.kafka.tools.ConsumerPerformance "$@"; }
kafka-delete-records() { client_tool org.apache.kafka.tools.DeleteRecordsCommand "$@"; }
kafka-dump-log() { tool org.apache.kafka.tools.DumpLogSegments "$@"; }
kafka-e2e-latency() { client_tool org.apache.kafka.tools.EndToEndLatency "$@"; }
kafka-get-offsets() { client_tool org.apache.kafka.tools.GetOffsetShell "$@"; }
kafka-groups() { client_tool org.apache.kafka.tools.GroupsCommand "$@"; }
kafka-leader-election() { client_tool org.apache.kafka.tools.LeaderElectionCommand "$@"; }
kafka-log-dirs() { client_tool org.apache.kafka.tools.LogDirsCommand "$@"; }
kafka-metadata-quorum() { tool org.apache.kafka.tools.MetadataQuorumCommand "$@"; }
kafka-producer-perf-test() { client_tool org.apache.kafka.tools.ProducerPerformance "$@"; }
kafka-reassign-partitions() {
    client_tool org.apache.kafka.tools.reassign.ReassignPartitionsCommand "$@"
}
kafka-topics() { client_tool org.apache.kafka.tools.TopicCommand "$@"; }
kafka-transactions() { tool org.apache.kafka.tools.TransactionsCommand "$@"; }
kafka-verifiable-consumer() { client_tool org.apache.kafka.tools.VerifiableConsumer "$@"; }
kafka-verifiable-producer() { client_tool org.apache.kafka.tools.VerifiableProducer "$@"; }

# Two more, which Kafka's own system tests use, and which have no script there.
client-compatibility-test() { client_tool org.apache.kafka.tools.ClientCompatibilityTest "$@"; }
log-compaction-tester() { client_tool org.apache.kafka.tools.LogCompactionTester "$@"; }

client_tool() {
    tool "$@" --bootstrap-server "$BROKER"
}

# tool CLASS ARGUMENT...: the flags for the JVM make it start sooner, and change nothing else.
tool() {
    timeout --foreground --kill-after=5 "$TOOL_SECONDS" java \
        "${ARCHIVE:--XX:SharedArchiveFile}=$WORK/classes.jsa" -Xlog:cds=off -XX:+UseSerialGC \
        -XX:TieredStopAtLevel=1 -Xmx512m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Djava.io.tmpdir="$WORK" -cp "$BUILT/lib/*" "$@"
}

# beside NAME: from here on the functions of lib.sh are about another broker, with its files in a
# directory of that name. To be called in a subshell; the broker ends with it.
beside() {
    BROKER=127.0.0.1:$(free_port)
    BROKER_PROPERTIES=
    RUN_DIR=$WORK/$1
    DATA_DIR=$RUN_DIR/data
    mkdir -p "$DATA_DIR"
    trap 'broker_is_gone || kill -KILL "$(broker_pid)"' EXIT
}

other_stops_cleanly() {
    broker_stop
    expect yes "$([ -e "$DATA_DIR/.kafka_cleanshutdown" ] && echo yes)" "clean-shutdown marker"
    expect 0 "$(grep -c panicked "$RUN_DIR/broker.log" || true)" "panics"
}

# refused SENTENCE TOOL ARGUMENT...: the tool must say the sentence. (Its status is no witness:
# several tools end with 0 whatever the broker answers.)
refused() {
    local sentence=$1
    shift
    "$@" >"$WORK/refused" 2>&1 || true
    has "$WORK/refused" "$sentence"
}

# has FILE TEXT: fails with what the file has, if it has not that text.
has() {
    if ! grep -qF -- "$2" "$1"; then
        printf 'no "%s" in "%s"\n' "$2" "$(head -c 400 "$1")"
        return 1
    fi
}

# columns FILE HEADER: the lines of a table below the one that begins with HEADER, with one blank
# between columns.
columns() {
    awk -v header="$2" 'below && NF { $1 = $1; print } $1 == header { below = 1 }' "$1"
}

# same WANTED FILE: fails with the difference.
same() {
    diff <(printf '%s\n' "$1") "$2"
}

main
