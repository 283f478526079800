# Steps of kafka-consumer-groups and kafka-groups; sourced by run.sh.

GROUP=tools-group
TOPIC=tools-grouped

group_steps() {
    step "kafka-consumer-groups: before there is one" no_group_yet
    step "kafka-consumer-groups: describe a group that consumes" describe_consuming
    step "kafka-consumer-groups: a group that consumes is left alone" consuming_is_left_alone
    step "kafka-consumer-groups: list and describe an empty group" describe_empty
    step "kafka-consumer-groups: --dry-run changes nothing" reset_dry_run
    step "kafka-consumer-groups: reset offsets" reset_offsets
    step "kafka-consumer-groups: reset offsets to a time" reset_to_time
    step "kafka-consumer-groups: reset offsets from a file" reset_from_file
    step "kafka-consumer-groups: delete offsets" delete_offsets
    step "kafka-consumer-groups: delete a group" delete_group
}

# Writes 50 records, keeps the time, and writes 50 more: with keys, so that both partitions get
# some.
no_group_yet() {
    kafka-topics --create --topic "$TOPIC" --partitions 2
    keyed 1 50 | produce_keyed
    date -u +%Y-%m-%dT%H:%M:%S.%3N >"$WORK/half-time"
    partition_ends >"$WORK/half-ends"
    keyed 51 100 | produce_keyed
    partition_ends >"$WORK/ends"
    expect 100 "$(all_records)" "records in both partitions"
    refused "Consumer group '$GROUP' does not exist." \
        kafka-consumer-groups --describe --group "$GROUP"
    refused "GroupIdNotFoundException" kafka-consumer-groups --delete --group "$GROUP"
}

keyed() {
    seq "$1" "$2" | awk '{ print "key-" $1 "\t" $1 }'
}

produce_keyed() {
    kafka-console-producer --topic "$TOPIC" --reader-property parse.key=true
}

# The end of partition 0, and on a second line that of partition 1.
partition_ends() {
    kafka-get-offsets --topic "$TOPIC" | cut -d : -f 3
}

end_of() {
    sed -n "$(($1 + 1))p" "$WORK/ends"
}

all_records() {
    echo $(($(end_of 0) + $(end_of 1)))
}

# consuming UNREAD FUNCTION: calls it while a member of the group has read the records that the
# group has not read yet, and has committed that. The next record ends the member.
consuming() {
    local member next
    next=$(($(all_records) + 1))
    kafka-console-consumer --topic "$TOPIC" --group "$GROUP" --from-beginning \
        --max-messages $(($1 + 1)) --command-property auto.commit.interval.ms=100 >"$WORK/member" &
    member=$!
    wait_until 60 "for a member that has committed all" committed_all
    "$2"
    keyed "$next" "$next" | produce_keyed
    partition_ends >"$WORK/ends"
    wait "$member"
}

# Both partitions have a lag of 0 and a member.
committed_all() {
    kafka-consumer-groups --describe --group "$GROUP" >"$WORK/described" 2>&1
    awk -v topic="$TOPIC" '
        $2 == topic && $6 == "0" && $7 != "-" { partitions++ }
        END { exit partitions != 2 }
    ' "$WORK/described"
}

describe_consuming() {
    consuming 100 describe_it
    expect 101 "$(sort -u "$WORK/member" | wc -l)" "records the member has read"
}

describe_it() {
    local id=console-consumer-UUID uuid='[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}'
    kafka-consumer-groups --describe --group "$GROUP" | sed -E "s/$uuid/UUID/" >"$WORK/described"
    columns "$WORK/described" GROUP >"$WORK/columns"
    same "$GROUP $TOPIC 0 $(end_of 0) $(end_of 0) 0 $id /127.0.0.1 console-consumer
$GROUP $TOPIC 1 $(end_of 1) $(end_of 1) 0 $id /127.0.0.1 console-consumer" "$WORK/columns"
    kafka-consumer-groups --describe --group "$GROUP" --members --verbose |
        sed -E "s/$uuid/UUID/" >"$WORK/described"
    columns "$WORK/described" GROUP >"$WORK/columns"
    same "$GROUP $id /127.0.0.1 console-consumer 2 - $TOPIC:0,1 - -" "$WORK/columns"
    kafka-consumer-groups --describe --group "$GROUP" --state >"$WORK/described"
    columns "$WORK/described" GROUP >"$WORK/columns"
    same "$GROUP $BROKER (0) range Stable 1" "$WORK/columns"
    kafka-consumer-groups --list --state stable >"$WORK/list"
    expect "$GROUP Stable" "$(columns "$WORK/list" GROUP | grep "^$GROUP ")" "the list"
}

consuming_is_left_alone() {
    consuming 0 refuse_changes
    kafka-consumer-groups --describe --group "$GROUP" >"$WORK/described"
    expect "$(end_of 0) $(end_of 1)" "$(committed "$WORK/described")" "the offsets after all of it"
}

refuse_changes() {
    refused "GroupNotEmptyException: The group is not empty." \
        kafka-consumer-groups --delete --group "$GROUP"
    refused "GroupSubscribedToTopicException" \
        kafka-consumer-groups --delete-offsets --group "$GROUP" --topic "$TOPIC"
    refused "can only be reset if the group '$GROUP' is inactive" kafka-consumer-groups \
        --reset-offsets --group "$GROUP" --topic "$TOPIC" --to-earliest --execute
}

# committed FILE: the offsets of partition 0 and 1 in what --describe printed.
committed() {
    awk -v topic="$TOPIC" '$2 == topic { at[$3] = $4 } END { print at[0], at[1] }' "$1"
}

describe_empty() {
    kafka-consumer-groups --describe --group "$GROUP" >"$WORK/described" 2>&1
    has "$WORK/described" "Consumer group '$GROUP' has no active members."
    columns "$WORK/described" GROUP >"$WORK/columns"
    same "$GROUP $TOPIC 0 $(end_of 0) $(end_of 0) 0 - - -
$GROUP $TOPIC 1 $(end_of 1) $(end_of 1) 0 - - -" "$WORK/columns"
    kafka-consumer-groups --describe --group "$GROUP" --state >"$WORK/described"
    columns "$WORK/described" GROUP >"$WORK/columns"
    same "$GROUP $BROKER (0) - Empty 0" "$WORK/columns"
    kafka-consumer-groups --list >"$WORK/list"
    grep -qx "$GROUP" "$WORK/list"
    kafka-consumer-groups --list --type classic >"$WORK/list"
    expect "$GROUP Classic" "$(columns "$WORK/list" GROUP | grep "^$GROUP ")" "the list by type"
    kafka-groups --list --consumer >"$WORK/list"
    expect "$GROUP Classic consumer" "$(columns "$WORK/list" GROUP | grep "^$GROUP ")" \
        "the list of kafka-groups"
}

reset_dry_run() {
    reset_to "0 0" --to-earliest --dry-run
    expect_committed "$(end_of 0) $(end_of 1)"
}

reset_offsets() {
    reset_to "0 0" --to-earliest --execute
    expect_committed "0 0"
    reset_to "5 5" --to-offset 5 --execute
    expect_committed "5 5"
    reset_to "3 3" --shift-by -2 --execute
    expect_committed "3 3"
    reset_to "$(end_of 0) $(end_of 1)" --to-latest --execute
    expect_committed "$(end_of 0) $(end_of 1)"
    refused "does not host this topic-partition" kafka-consumer-groups --reset-offsets \
        --group "$GROUP" --topic tools-nowhere --to-latest --execute
}

# reset_to OFFSETS ARGUMENT...: resets both partitions, and compares what the tool says it did.
reset_to() {
    local offsets=$1
    shift
    kafka-consumer-groups --reset-offsets --group "$GROUP" --topic "$TOPIC" "$@" >"$WORK/reset"
    expect "$offsets" "$(committed "$WORK/reset")" "the offsets of $*"
}

expect_committed() {
    kafka-consumer-groups --describe --group "$GROUP" >"$WORK/described"
    expect "$1" "$(committed "$WORK/described")" "the committed offsets"
}

# The time lies between the first 50 records and the others.
reset_to_time() {
    reset_to "$(xargs <"$WORK/half-ends")" --to-datetime "$(cat "$WORK/half-time")" --execute
    expect_committed "$(xargs <"$WORK/half-ends")"
    reset_to "0 0" --to-datetime 2001-02-03T04:05:06.789 --dry-run
    reset_to "0 0" --by-duration PT1H --dry-run
}

reset_from_file() {
    printf '%s\n' "$TOPIC,0,7" "$TOPIC,1,8" >"$WORK/reset.csv"
    kafka-consumer-groups --reset-offsets --group "$GROUP" --from-file "$WORK/reset.csv" --execute
    expect_committed "7 8"
    kafka-consumer-groups --reset-offsets --group "$GROUP" --all-topics --to-current --export \
        --dry-run >"$WORK/exported"
    expect_same_file "$WORK/reset.csv" <(grep . "$WORK/exported" | sort)
}

delete_offsets() {
    kafka-consumer-groups --delete-offsets --group "$GROUP" --topic "$TOPIC:0" >"$WORK/deleted"
    columns "$WORK/deleted" TOPIC >"$WORK/columns"
    same "$TOPIC 0 Successful" "$WORK/columns"
    expect_committed " 8"
    refused "UnknownTopicOrPartitionException" \
        kafka-consumer-groups --delete-offsets --group "$GROUP" --topic tools-nowhere
}

delete_group() {
    kafka-consumer-groups --delete --group "$GROUP" >"$WORK/deleted"
    same "Deletion of requested consumer groups ('$GROUP') was successful." "$WORK/deleted"
    kafka-consumer-groups --list >"$WORK/list"
    expect "" "$(grep -x "$GROUP" "$WORK/list" || true)" "the group in the list"
}
