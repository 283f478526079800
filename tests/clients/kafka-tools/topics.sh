# Steps of kafka-topics; sourced by run.sh.

topic_steps() {
    step "kafka-topics: create, describe, list" create_topic
    step "kafka-topics: --describe --topic-id" describe_by_id
    step "kafka-topics: --if-not-exists" if_not_exists
    step "kafka-topics: add partitions" add_partitions
    step "kafka-topics: replica assignment" replica_assignment
    step "kafka-topics: wrong requests are refused" wrong_topics_are_refused
    step "kafka-topics: delete" delete_topics
}

create_topic() {
    kafka-topics --create --topic tools-topic --partitions 4 --replication-factor 1 \
        --config retention.ms=3600000 --config cleanup.policy=compact >"$WORK/created"
    same "Created topic tools-topic." "$WORK/created"
    expect_topic tools-topic 4 "cleanup.policy=compact,retention.ms=3600000"
    kafka-topics --create --topic tools-default
    expect_topic tools-default 3 ""
    kafka-topics --list >"$WORK/list"
    expect "tools-default tools-latency tools-topic" "$(grep '^tools-' "$WORK/list" | xargs)" \
        "the list"
    kafka-topics --describe --under-replicated-partitions >"$WORK/list"
    kafka-topics --describe --unavailable-partitions >>"$WORK/list"
    expect "" "$(cat "$WORK/list")" "partitions without replica or leader"
}

# By the id the same is described as by the name, and nothing by the id of no topic.
describe_by_id() {
    local id
    kafka-topics --describe --topic tools-topic >"$WORK/by-name"
    id=$(grep -oE 'TopicId: [A-Za-z0-9_-]{22}' "$WORK/by-name" | cut -d ' ' -f 2)
    kafka-topics --describe --topic-id "$id" >"$WORK/by-id"
    diff "$WORK/by-name" "$WORK/by-id"
    refused "TopicId 'CQkJCQkJCQkJCQkJCQkJCQ' does not exist" \
        kafka-topics --describe --topic-id CQkJCQkJCQkJCQkJCQkJCQ
}

# expect_topic TOPIC PARTITIONS CONFIGS: what kafka-topics describes, but for the topic's id.
expect_topic() {
    local topic=$1 partition rest='|Elr: N/A|LastKnownElr: N/A'
    kafka-topics --describe --topic "$topic" | sed -E 's/TopicId: [A-Za-z0-9_-]{22}/TopicId: ID/' \
        >"$WORK/described"
    {
        echo "Topic: $topic|TopicId: ID|PartitionCount: $2|ReplicationFactor: 1|Configs: $3"
        for partition in $(seq 0 $(($2 - 1))); do
            echo "|Topic: $topic|Partition: $partition|Leader: 0|Replicas: 0|Isr: 0$rest"
        done
    } | tr '|' '\t' | diff - "$WORK/described"
}

if_not_exists() {
    refused "topic tools-topic exists already" kafka-topics --create --topic tools-topic
    kafka-topics --create --topic tools-topic --partitions 9 --if-not-exists
    expect_topic tools-topic 4 "cleanup.policy=compact,retention.ms=3600000"
}

add_partitions() {
    kafka-topics --alter --topic tools-topic --partitions 6
    expect_topic tools-topic 6 "cleanup.policy=compact,retention.ms=3600000"
    refused "topic tools-topic has 6 partitions; 2 would not be more" \
        kafka-topics --alter --topic tools-topic --partitions 2
    refused "Topic 'tools-none' does not exist" \
        kafka-topics --alter --topic tools-none --partitions 2
}

replica_assignment() {
    kafka-topics --create --topic tools-assigned --replica-assignment 0,0
    expect_topic tools-assigned 2 ""
    refused "each partition must be assigned to the only broker, 0" \
        kafka-topics --create --topic tools-elsewhere --replica-assignment 0,7
}

wrong_topics_are_refused() {
    refused 'the topic name "no such name!" is illegal' \
        kafka-topics --create --topic "no such name!"
    refused "Unknown topic config name: no.such.config" \
        kafka-topics --create --topic tools-wrong --config no.such.config=1
    refused "Invalid value soon for configuration retention.ms" \
        kafka-topics --create --topic tools-wrong --config retention.ms=soon
    refused "the replication factor is 3, and there is 1 broker" \
        kafka-topics --create --topic tools-wrong --replication-factor 3
    refused "Topic 'tools-none' does not exist" kafka-topics --describe --topic tools-none
    refused "Topic 'tools-none' does not exist" kafka-topics --delete --topic tools-none
    kafka-topics --list >"$WORK/list"
    expect "tools-assigned tools-default tools-latency tools-topic" \
        "$(grep '^tools-' "$WORK/list" | xargs)" "the list, after all of it"
}

# The topic is a regular expression here.
delete_topics() {
    kafka-topics --delete --topic 'tools-(topic|assigned|default)'
    kafka-topics --list >"$WORK/list"
    expect tools-latency "$(grep '^tools-' "$WORK/list")" "what is left"
    kafka-topics --create --topic tools-topic --partitions 1
    expect_topic tools-topic 1 ""
}
