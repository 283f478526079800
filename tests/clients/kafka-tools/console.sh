# Steps of kafka-console-producer and kafka-console-consumer; sourced by run.sh.

CODECS="none gzip snappy lz4 zstd"

console_steps() {
    step "kafka-console-producer: keys, headers, nulls" keys_headers_nulls
    local codec
    for codec in $CODECS; do
        step "kafka-console-producer: $codec" console_codec "$codec"
    done
    step "kafka-console-producer: acks 0 and 1" console_acks
    step "kafka-console-producer: a record too large is refused" console_too_large
    step "kafka-console-consumer: from an offset" console_offsets
    step "kafka-console-consumer: a group goes on where it was" console_group
    step "kafka-console-consumer: topics by pattern, read committed" console_pattern
}

# lines FIRST LAST: lines of some 60 bytes, each another one.
lines() {
    seq "$1" "$2" | awk '{ printf "%07d a line of some length that every codec shortens\n", $1 }'
}

# read_all TOPIC COUNT ARGUMENT...: the first COUNT records.
read_all() {
    local topic=$1 count=$2
    shift 2
    kafka-console-consumer --topic "$topic" --from-beginning --max-messages "$count" "$@"
}

keys_headers_nulls() {
    kafka-topics --create --topic tools-keyed --partitions 1
    printf '%s\n' "one:1,two:zwei drei|key|value" "NULL|NULL|no key" "h:|key|" "NULL|key|NULL" |
        kafka-console-producer --topic tools-keyed --reader-property parse.headers=true \
            --reader-property parse.key=true --reader-property headers.delimiter='|' \
            --reader-property key.separator='|' --reader-property null.marker=NULL
    read_all tools-keyed 4 --formatter-property print.headers=true \
        --formatter-property print.key=true --formatter-property print.offset=true \
        --formatter-property print.partition=true --formatter-property key.separator='|' \
        >"$WORK/keyed"
    same "Partition:0|Offset:0|one:1,two:zwei drei|key|value
Partition:0|Offset:1|NO_HEADERS|null|no key
Partition:0|Offset:2|h:|key|
Partition:0|Offset:3|NO_HEADERS|key|null" "$WORK/keyed"
}

# What lies in the log has the producer's codec; the steps of kafka-dump-log look at it.
console_codec() {
    kafka-topics --create --topic "tools-$1" --partitions 1
    lines 1 5000 | kafka-console-producer --topic "tools-$1" --compression-codec "$1"
    read_all "tools-$1" 5000 >"$WORK/lines"
    expect_same_file <(lines 1 5000) "$WORK/lines"
}

console_acks() {
    local acks
    for acks in 0 1; do
        kafka-topics --create --topic "tools-acks-$acks" --partitions 1
        lines 1 500 |
            kafka-console-producer --topic "tools-acks-$acks" --request-required-acks "$acks"
        read_all "tools-acks-$acks" 500 >"$WORK/lines"
        expect_same_file <(lines 1 500) "$WORK/lines"
    done
}

# 2 MB are more than the broker takes, and the producer is told to send them all the same.
console_too_large() {
    kafka-topics --create --topic tools-large --partitions 1
    head -c 2000000 /dev/zero | tr '\0' 'x' >"$WORK/large"
    refused "RecordTooLargeException" kafka-console-producer --topic tools-large \
        --command-property max.request.size=3000000 <"$WORK/large"
    echo after | kafka-console-producer --topic tools-large
    read_all tools-large 1 >"$WORK/lines"
    same after "$WORK/lines"
}

console_offsets() {
    kafka-console-consumer --topic tools-none --partition 0 --offset 4321 --max-messages 600 \
        --formatter-property print.offset=true >"$WORK/lines"
    expect_same_file \
        <(lines 4322 4921 | awk '{ printf "Offset:%d\t%s\n", NR + 4320, $0 }') "$WORK/lines"
    kafka-console-consumer --topic tools-none --partition 0 --offset earliest --max-messages 1 \
        >"$WORK/lines"
    expect_same_file <(lines 1 1) "$WORK/lines"
    kafka-console-consumer --topic tools-none --partition 0 --offset 4995 --timeout-ms 1000 \
        >"$WORK/lines" 2>"$WORK/timeout"
    expect_same_file <(lines 4996 5000) "$WORK/lines"
}

console_group() {
    read_all tools-gzip 1234 --group tools-reader >"$WORK/lines"
    read_all tools-gzip 3766 --group tools-reader >>"$WORK/lines"
    expect_same_file <(lines 1 5000) "$WORK/lines"
}

# Two topics of one partition each: every record once, and each topic in order.
console_pattern() {
    kafka-console-consumer --include 'tools-(lz4|acks-[01])' --from-beginning --max-messages 6000 \
        --isolation-level read_committed >"$WORK/lines"
    expect_same_file <({ lines 1 500; lines 1 500; lines 1 5000; } | sort) <(sort "$WORK/lines")
}
