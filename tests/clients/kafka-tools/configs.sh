# Steps of kafka-configs; sourced by run.sh.

config_steps() {
    step "kafka-configs: describe a topic" describe_topic_configs
    step "kafka-configs: alter a topic, and the broker obeys" alter_topic_configs
    step "kafka-configs: wrong settings of a topic are refused" wrong_configs_are_refused
    step "kafka-configs: describe a broker" describe_broker_configs
    step "kafka-configs: alter a broker, and it obeys" alter_broker_configs
    step "kafka-configs: what cannot be altered is refused" alter_is_refused
}

describe_topic_configs() {
    kafka-topics --create --topic tools-configured --partitions 1 \
        --config segment.bytes=1048576 --config cleanup.policy=compact
    kafka-configs --describe --topic tools-configured >"$WORK/configs"
    expect "cleanup.policy=compact segment.bytes=1048576" "$(configs_in "$WORK/configs")" \
        "the topic's settings"
    expect_config cleanup.policy=compact DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact \
        DEFAULT_CONFIG:log.cleanup.policy=delete
    kafka-configs --describe --topic tools-configured --all >"$WORK/configs"
    expect_config segment.bytes=1048576 DYNAMIC_TOPIC_CONFIG:segment.bytes=1048576 \
        DEFAULT_CONFIG:log.segment.bytes=1073741824
    expect_config retention.ms=604800000 DEFAULT_CONFIG:log.retention.hours=168
    expect_config max.message.bytes=1048588 DEFAULT_CONFIG:message.max.bytes=1048588
    refused "The topic 'tools-nowhere' doesn't exist" kafka-configs --describe --topic tools-nowhere
}

configs_in() {
    sed -nE 's/^  ([^ ]+) .*/\1/p' "$1" | sort | xargs
}

# expect_config NAME=VALUE SYNONYM...: a line of what was described: who says so, and who would if
# the first did not.
expect_config() {
    local config=$1 synonyms
    shift
    synonyms=$(printf '%s, ' "$@")
    has "$WORK/configs" "  $config sensitive=false synonyms={${synonyms%, }}"
}

# The limit is 500 bytes for a batch: one of 1000 is refused as long as it stands.
alter_topic_configs() {
    local long altered
    long=$(head -c 1000 /dev/zero | tr '\0' 'x')
    kafka-configs --alter --topic tools-configured \
        --add-config 'max.message.bytes=500,cleanup.policy=[delete,compact],retention.ms=7200000'
    kafka-configs --describe --topic tools-configured >"$WORK/configs"
    altered="cleanup.policy=delete,compact max.message.bytes=500 retention.ms=7200000"
    expect "$altered segment.bytes=1048576" "$(configs_in "$WORK/configs")" "the settings altered"
    refused "RecordTooLargeException" kafka-console-producer --topic tools-configured \
        --reader-property parse.key=true <<<"key	$long"
    kafka-configs --alter --topic tools-configured --delete-config max.message.bytes,retention.ms
    kafka-configs --describe --topic tools-configured >"$WORK/configs"
    expect "cleanup.policy=delete,compact segment.bytes=1048576" "$(configs_in "$WORK/configs")" \
        "the settings without those"
    kafka-console-producer --topic tools-configured --reader-property parse.key=true <<<"key	$long"
    read_all tools-configured 1 >"$WORK/lines"
    same "$long" "$WORK/lines"
}

wrong_configs_are_refused() {
    local configure=(kafka-configs --alter --topic tools-configured)
    refused 'InvalidConfigurationException: `no.such.config=1`: unknown topic setting' \
        "${configure[@]}" --add-config no.such.config=1
    "${configure[@]}" --delete-config no.such.config
    refused 'InvalidConfigurationException: `retention.ms=soon`' \
        "${configure[@]}" --add-config retention.ms=soon
    refused '`remote.storage.enable=true`: must be false' \
        "${configure[@]}" --add-config remote.storage.enable=true
    refused "UnknownTopicOrPartitionException: there is no such topic" \
        kafka-configs --alter --topic tools-nowhere --add-config retention.ms=1000
    kafka-configs --describe --topic tools-configured >"$WORK/configs"
    expect "cleanup.policy=delete,compact segment.bytes=1048576" "$(configs_in "$WORK/configs")" \
        "the topic's settings after all of it"
}

describe_broker_configs() {
    kafka-configs --describe --broker 0 >"$WORK/configs"
    same "Dynamic configs for broker 0 are:" "$WORK/configs"
    kafka-configs --describe --broker 0 --all >"$WORK/configs"
    local listeners
    listeners=$(grep ^listeners= "$BROKER_PROPERTIES")
    expect_config "$listeners" "STATIC_BROKER_CONFIG:$listeners" \
        DEFAULT_CONFIG:listeners=PLAINTEXT://127.0.0.1:9092
    expect_config num.partitions=3 STATIC_BROKER_CONFIG:num.partitions=3 \
        DEFAULT_CONFIG:num.partitions=1
    expect_config num.io.threads=8 DEFAULT_CONFIG:num.io.threads=8
}

# A batch of 1000 bytes is refused as long as the limit for all brokers stands at 500, and nobody
# has set another one for this broker.
alter_broker_configs() {
    local long options=(--topic tools-follows --reader-property parse.key=true)
    long=$(head -c 1000 /dev/zero | tr '\0' 'x')
    kafka-topics --create --topic tools-follows --partitions 1
    kafka-configs --alter --broker-defaults \
        --add-config 'message.max.bytes=500,log.cleanup.policy=[compact,delete]'
    refused "RecordTooLargeException" kafka-console-producer "${options[@]}" <<<"key	$long"
    kafka-configs --alter --entity-type brokers --entity-name 0 \
        --add-config message.max.bytes=2000,log.cleaner.threads=2
    kafka-console-producer "${options[@]}" <<<"key	$long"
    read_all tools-follows 1 >"$WORK/lines"
    same "$long" "$WORK/lines"
    kafka-configs --describe --topic tools-follows --all >"$WORK/configs"
    expect_config max.message.bytes=2000 DYNAMIC_BROKER_CONFIG:message.max.bytes=2000 \
        DYNAMIC_DEFAULT_BROKER_CONFIG:message.max.bytes=500 DEFAULT_CONFIG:message.max.bytes=1048588
    kafka-configs --describe --broker 0 >"$WORK/configs"
    expect "log.cleaner.threads=2 message.max.bytes=2000" "$(configs_in "$WORK/configs")" \
        "the settings of the broker"
    expect_config log.cleaner.threads=2 DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2 \
        DEFAULT_CONFIG:log.cleaner.threads=1
    kafka-configs --describe --entity-type brokers --entity-default >"$WORK/configs"
    expect "log.cleanup.policy=compact,delete message.max.bytes=500" \
        "$(configs_in "$WORK/configs")" "the settings of all brokers"
    kafka-configs --alter --broker 0 --delete-config message.max.bytes,log.cleaner.threads
    kafka-configs --alter --broker-defaults --delete-config message.max.bytes,log.cleanup.policy
    kafka-configs --describe --broker 0 --all >"$WORK/configs"
    expect_config message.max.bytes=1048588 DEFAULT_CONFIG:message.max.bytes=1048588
}

alter_is_refused() {
    local fixed="cannot be altered while the broker runs"
    refused "InvalidRequestException: \`queued.max.requests\` $fixed" \
        kafka-configs --alter --broker 0 --add-config queued.max.requests=9,log.retention.ms=1000
    refused "\`log.retention.hours\` $fixed" \
        kafka-configs --alter --broker-defaults --add-config log.retention.hours=1
    refused 'did you mean `num.io.threads`?' \
        kafka-configs --alter --broker 0 --add-config num.oi.threads=9
    refused '`num.io.threads=99`: must be from' \
        kafka-configs --alter --broker 0 --add-config num.io.threads=99
    refused '`log.retention.ms=soon`: must be a whole number' \
        kafka-configs --alter --broker-defaults --add-config log.retention.ms=soon
    kafka-configs --describe --broker 0 >"$WORK/configs"
    same "Dynamic configs for broker 0 are:" "$WORK/configs"
    kafka-configs --describe --broker-defaults >"$WORK/configs"
    same "Default configs for brokers in the cluster are:" "$WORK/configs"
    refused "the levels of the broker's log are set by RUST_LOG, at its start" \
        kafka-configs --alter --broker-logger 0 --add-config kafka=DEBUG
}
