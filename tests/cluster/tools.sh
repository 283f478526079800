# shellcheck shell=bash
# Kafka's command line tools in one JVM; to be sourced after controller.sh.
#
# Set before: CLUSTER_DIR  a directory for this cluster     BROKERS  what the tools are given as --bootstrap-server
#             COMMAND_CONFIG  the file that they are given as --command-config
#
# What the last tool has printed is in the file $PRINTED, and all that they were asked in $CLUSTER_DIR/tools.log.

TOOL_SECONDS=${TOOL_SECONDS:-60}
PRINTED=$CLUSTER_DIR/printed

declare -A TOOL_CLASSES=(
    [kafka-storage]=kafka.tools.StorageTool
    [kafka-topics]=org.apache.kafka.tools.TopicCommand
    [kafka-acls]=org.apache.kafka.tools.AclCommand
    [kafka-configs]=org.apache.kafka.tools.ConfigCommand
    [kafka-reassign-partitions]=org.apache.kafka.tools.reassign.ReassignPartitionsCommand
    [kafka-leader-election]=org.apache.kafka.tools.LeaderElectionCommand
    [kafka-metadata-quorum]=org.apache.kafka.tools.MetadataQuorumCommand
    [kafka-features]=org.apache.kafka.tools.FeatureCommand
    [kafka-cluster]=org.apache.kafka.tools.ClusterTool
    [kafka-log-dirs]=org.apache.kafka.tools.LogDirsCommand
    [kafka-broker-api-versions]=org.apache.kafka.tools.BrokerApiVersionsCommand
    [kafka-consumer-groups]=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
    [kafka-get-offsets]=org.apache.kafka.tools.GetOffsetShell
    [kafka-delete-records]=org.apache.kafka.tools.DeleteRecordsCommand
    [kafka-producer-perf-test]=org.apache.kafka.tools.ProducerPerformance
    [kafka-consumer-perf-test]=org.apache.kafka.tools.ConsumerPerformance
    [kafka-console-consumer]=org.apache.kafka.tools.consumer.ConsoleConsumer
)

# tools_start: the JVM is asked through file descriptor 7, and answers through 8.
tools_start() {
    mkfifo "$CLUSTER_DIR/tools.in" "$CLUSTER_DIR/tools.out"
    # shellcheck disable=SC2086 # Several flags.
    setsid java $CONTROLLER_JVM_FLAGS "-Dorg.slf4j.simpleLogger.defaultLogLevel=error" -cp "$KAFKA_JARS/*" \
        "$cluster_top/tests/cluster/KafkaTools.java" \
        <"$CLUSTER_DIR/tools.in" >"$CLUSTER_DIR/tools.out" 2>"$CLUSTER_DIR/tools.err" 9>&- &
    echo "$!" >"$CLUSTER_DIR/tools.pid"
    disown "$!"
    exec 7>"$CLUSTER_DIR/tools.in" 8<"$CLUSTER_DIR/tools.out"
}

tools_stop() {
    exec 7>&- 8<&-
    stop_process "$CLUSTER_DIR/tools.pid" 20
}

# tool NAME ARGUMENT...: asks one of Kafka's tools about the brokers, prints what it prints, and ends with its status.
tool() {
    local name=$1
    shift
    # This one alone wants what it is to do first.
    case $name in
        kafka-cluster) set -- "$@" --bootstrap-server "$BROKERS" --command-config "$COMMAND_CONFIG" ;;
        *) set -- --bootstrap-server "$BROKERS" --command-config "$COMMAND_CONFIG" "$@" ;;
    esac
    run_tool "$name" "$@"
}

# run_tool NAME ARGUMENT...: the same with these arguments and no others.
run_tool() {
    local name=$1 status IFS=$'\t'
    shift
    printf '%s\t%s\t%s\n' "$PRINTED" "${TOOL_CLASSES[$name]}" "$*" >&7
    if ! read -r -t "$TOOL_SECONDS" status <&8; then
        echo "$name has not ended within $TOOL_SECONDS s, or has ended the JVM: $* $(tail -n 3 "$CLUSTER_DIR/tools.err")" >&2
        return 1
    fi
    { echo "$EPOCHREALTIME \$ $name $*" && cat "$PRINTED" && echo "[$status]"; } >>"$CLUSTER_DIR/tools.log"
    cat "$PRINTED"
    return "$status"
}

# refused TEXT NAME ARGUMENT...: the tool fails, or says of a part that it has failed, and why.
refused() {
    local text=$1 status=0
    shift
    tool "$@" >/dev/null || status=$?
    if [ "$status" -eq 0 ] && ! grep -qi 'error' "$PRINTED"; then
        echo "$* was not refused" >&2
        return 1
    fi
    printed "$text"
}

# printed TEXT: what the last tool has printed has it.
printed() {
    if ! grep -qF -- "$1" "$PRINTED"; then
        echo "wanted \"$1\", got: $(tail -c 500 "$PRINTED")" >&2
        return 1
    fi
}

# not_printed TEXT
not_printed() {
    if grep -F -- "$1" "$PRINTED"; then
        echo "nobody wanted \"$1\"" >&2
        return 1
    fi
}
