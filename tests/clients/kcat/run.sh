#!/usr/bin/env bash
# kcat of Debian 12 (1.7.1, librdkafka 2.0.2): the client of today. Every step compares what comes
# out with what went in.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh

CODECS="none gzip snappy lz4 zstd"
WORK=$RUN_DIR/kcat
KCAT=(kcat -F "$LIBRDKAFKA_CONF" -b "$BROKER")
# It ends when all brokers are down, and when it starts these may be those of its list that librdkafka has come to:
# the first, which is being restarted.
[[ $BROKER != *,* ]] || KCAT+=(-E)
mkdir -p "$WORK"

main() {
    case $STEPS in
        attempt) attempt ;;
        few) version && few_steps ;;
        all) version && all_steps ;;
    esac
}

version() {
    echo "VERSION $(kcat -V | sed -n 's/^Version \([^ ]*\) (.* librdkafka \([0-9.]*\) .*/\1 (librdkafka \2)/p')"
}

# One record, and what kcat says if it cannot send it.
attempt() {
    echo hello | kc -P -t fresh 2>&1 || true
}

few_steps() {
    write_records "$RECORDS" >"$WORK/records"
    step "list" list
    step "auto-create by a producer" auto_create_by_a_producer
    step "none: $RECORDS records in and out" in_and_out none
    step "resume: after a commit" resume_after_a_commit
}

all_steps() {
    write_records "$RECORDS" >"$WORK/records"
    step "list" list
    step "auto-create by a producer" auto_create_by_a_producer
    step "unknown topic for a consumer" unknown_topic_for_a_consumer
    step "keys and partitioner" keys_and_partitioner
    step "chosen partitions" chosen_partitions
    step "headers" headers
    step "null and empty keys and values" nulls
    step "acks 0, 1 and all" acks
    step "timestamps" timestamps
    step "offset: from the middle, the beginning and the end" offsets
    step "offsets out of range" offsets_out_of_range
    step "timestamp: from each and up to one" offsets_by_timestamp
    local codec
    for codec in $CODECS; do
        step "$codec: $RECORDS records in and out" in_and_out "$codec"
    done
    step "small fetches" small_fetches
    step "four consumers beside a producer" consumers_beside_a_producer
    step "long poll" long_poll
    step "record of 900 KB" large_record
    step "record of 2 MB is refused" too_large_record
    # A client this old knows no mechanism that a broker of today has.
    if [ -z "$SASL_MECHANISM" ]; then
        step "as a client of Kafka 0.9" as_an_old_client 0.9.0.1
        step "as a client of Kafka 0.8" as_an_old_client 0.8.2.0
    fi
    step "producer through kill -9" producer_through_kill
    step "retry: through kill -9, none lost, none twice" idempotent_producer_through_kill
    step "resume: after a commit" resume_after_a_commit
    step "resume: after a commit and kill -9" resume_after_kill
    step "group: two members, rebalances, kill -9" group_of_two
    step "wide: 60 partitions, a record of 900 kB in each" many_partitions
    step "restart after kill -9" broker_kill_and_restart
    for codec in $CODECS; do
        step "$codec: all there after kill -9" everything_there "codec-$codec" "$WORK/records"
    done
    step "offsets go on after kill -9" offsets_go_on
}

kc() {
    timeout --foreground "$STEP_SECONDS" "${KCAT[@]}" "$@"
}

# consume TOPIC ARGUMENT...: all that is there, and then the end.
consume() {
    local topic=$1
    shift
    kc -C -t "$topic" -e -q "$@"
}

# COUNT lines of 100 characters, the same in every run: a number, and digits of which every codec
# saves some.
write_records() {
    awk -v count="$1" 'BEGIN {
        srand(9)
        for (i = 0; i < count; i++) {
            line = sprintf("%011d", i)
            for (j = 0; j < 6; j++) line = line (chunk = sprintf("%08d", rand() * 100000000))
            print line chunk chunk chunk chunk chunk "x"
        }
    }'
}

list() {
    kc -L >"$WORK/list"
    local address addresses
    IFS=, read -r -a addresses <<<"$BROKER"
    grep -q "^ ${#addresses[@]} brokers:" "$WORK/list"
    for address in "${addresses[@]}"; do
        grep -q "^  broker [0-9]* at $address" "$WORK/list"
    done
    expect 1 "$(grep -c '^  broker .* (controller)$' "$WORK/list")" "brokers that are the controller"
}

auto_create_by_a_producer() {
    echo hello | kc -P -t fresh
    # In a cluster the leader of one of them may be away for a moment.
    wait_until 30 "for the leaders of three partitions" has_three_leaders fresh
    expect hello "$(consume fresh)" "the record that created the topic"
}

# has_three_leaders TOPIC: each of its three partitions has one. In a cluster it has other replicas, too.
has_three_leaders() {
    kc -L -t "$1" >"$WORK/list" && grep -q "topic \"$1\" with 3 partitions:" "$WORK/list" &&
        [ 3 -eq "$(grep -cE 'partition [0-2], leader [0-9]+, replicas: [0-9,]+, isrs: [0-9,]+$' "$WORK/list")" ]
}

unknown_topic_for_a_consumer() {
    local status=0
    kc -C -t never-created -p 0 -e 2>"$WORK/error" || status=$?
    expect 1 "$status" "kcat's exit status"
    grep -qi "unknown topic or partition\|unknown partition" "$WORK/error"
    kc -L >"$WORK/list"
    expect 0 "$(grep -c never-created "$WORK/list" || true)" "topics created by asking"
}

# 100 keys: each stays in one partition, each in the order it was sent in, and no offset is missing.
keys_and_partitioner() {
    seq 0 2999 | awk '{ print "key-" $1 % 100 "\t" $1 }' >"$WORK/keyed"
    kc -P -t keyed -K '\t' -l "$WORK/keyed"
    consume keyed -f '%p\t%o\t%k\t%s\n' >"$WORK/keyed.out"
    awk -F '\t' '
        $2 != next_offset[$1]++ { print "partition " $1 ": offset " $2 " out of turn"; exit 1 }
        $3 in home && home[$3] != $1 { print $3 " lies in two partitions"; exit 1 }
        $3 in last && $4 != last[$3] + 100 { print $3 ": " $4 " after " last[$3]; exit 1 }
        { home[$3] = $1; last[$3] = $4; used[$1] = 1 }
        END { if (length(used) != 3) { print "not every partition was used"; exit 1 } }
    ' "$WORK/keyed.out"
    cut -f 3- "$WORK/keyed.out" | sort | cmp - <(sort "$WORK/keyed")
}

chosen_partitions() {
    local partition
    for partition in 0 1 2; do
        seq "${partition}000" "${partition}999" | kc -P -t chosen -p "$partition"
    done
    for partition in 0 1 2; do
        consume chosen -p "$partition" -f '%p %s\n' >"$WORK/chosen"
        seq "${partition}000" "${partition}999" | sed "s/^/$partition /" | cmp - "$WORK/chosen"
    done
    echo nowhere | kc -P -t chosen -p 3 -X message.timeout.ms=3000 2>"$WORK/error" || true
    grep -q "Unknown partition" "$WORK/error"
}

headers() {
    echo value | kc -P -t headers -p 0 -H one=1 -H "two=zwei drei" -H empty= -H one=again -H none
    expect "one=1,two=zwei drei,empty=,one=again,none=NULL|value" \
        "$(consume headers -p 0 -f '%h|%s\n')" "headers and value"
}

# kcat's %K and %S are the sizes of key and value, -1 for null.
nulls() {
    printf 'a:\n:b\n:\nc:d\n' | kc -P -t nulls -p 0 -K: -Z
    expect "1,-1 -1,1 -1,-1 1,1" "$(consume nulls -p 0 -f '%K,%S\n' | xargs)" "sizes with nulls"
    printf 'a:\n:b\n' | kc -P -t empties -p 0 -K:
    expect "1,0 0,1" "$(consume empties -p 0 -f '%K,%S\n' | xargs)" "sizes of empty ones"
}

acks() {
    local acks
    for acks in 0 1 all; do
        seq 500 | kc -P -t "acks-$acks" -p 0 -X acks="$acks"
        wait_until 30 "for 500 records with acks=$acks" has_records "acks-$acks" 500
        consume "acks-$acks" -p 0 | cmp - <(seq 500)
    done
}

has_records() {
    [ "$(consume "$1" -p 0 | wc -l)" -eq "$2" ]
}

timestamps() {
    local before after stamp
    before=$(date +%s%3N)
    echo now | kc -P -t timestamps -p 0
    after=$(date +%s%3N)
    stamp=$(consume timestamps -p 0 -f '%T')
    echo "$stamp must be within $before..$after"
    [ "$before" -le "$stamp" ]
    [ "$stamp" -le "$after" ]
}

offsets() {
    seq 0 99 | kc -P -t offsets -p 0
    consume offsets -p 0 -o beginning | cmp - <(seq 0 99)
    consume offsets -p 0 -o 0 | cmp - <(seq 0 99)
    consume offsets -p 0 -o 37 -f '%o %s\n' | cmp - <(seq 37 99 | awk '{ print $1, $1 }')
    consume offsets -p 0 -o -5 | cmp - <(seq 95 99)
    expect "" "$(consume offsets -p 0 -o end)" "records after the end"
    expect "10 11 12" "$(kc -C -q -t offsets -p 0 -o 10 -c 3 | xargs)" "three records from 10"
    expect "offsets [0] offset 100" "$(kc -Q -t offsets:0:-1)" "the end, asked for by -Q"
    expect "offsets [0] offset 0" "$(kc -Q -t offsets:0:-2)" "the beginning, asked for by -Q"
}

offsets_out_of_range() {
    local status=0
    consume offsets -p 0 -o 101 -X auto.offset.reset=error 2>"$WORK/error" || status=$?
    expect 1 "$status" "kcat's exit status"
    grep -qi "offset out of range" "$WORK/error"
    consume offsets -p 0 -o 101 -X auto.offset.reset=smallest | cmp - <(seq 0 99)
}

# Three records of three milliseconds: s@ is the first record at or after a time, e@ ends before
# one.
offsets_by_timestamp() {
    local value stamps
    for value in a b c; do
        echo "$value" | kc -P -t by-time -p 0
        sleep 0.05
    done
    read -r -a stamps <<<"$(consume by-time -p 0 -f '%T ')"
    expect "a b c" "$(by_time "s@${stamps[0]}")" "from the first record's time"
    expect "b c" "$(by_time "s@${stamps[1]}")" "from the second record's time"
    expect "b c" "$(by_time "s@$((stamps[0] + 1))")" "from after the first record"
    expect "" "$(by_time "s@$((stamps[2] + 1))")" "from after the last record"
    expect "a b" "$(by_time "s@${stamps[0]}" -o "e@${stamps[2]}")" "up to the third record"
    expect "by-time [0] offset 1" "$(kc -Q -t "by-time:0:${stamps[1]}")" "the second by -Q"
}

by_time() {
    consume by-time -p 0 -o "$@" | xargs
}

# Also looks into the log: what lies there are the batches of the producer, with its codec.
# (librdkafka leaves a batch as it is if the codec does not make it smaller; so it does with the
# first ones, of one record each.)
in_and_out() {
    local codec=$1
    kc -P -t "codec-$codec" -p 0 -z "$codec" -l "$WORK/records"
    expect "$codec" "$(codecs_in_log "codec-$codec-0" | tail -n 1)" "codec of the last batch"
    everything_there "codec-$codec" "$WORK/records"
}

everything_there() {
    consume "$1" -p 0 -o beginning >"$WORK/out"
    expect_same_file "$2" "$WORK/out"
    rm "$WORK/out"
}

# The codecs of a partition's batches: the size of a batch without its first 12 bytes lies at 8, and
# the codec in the lowest three bits of byte 22.
codecs_in_log() {
    local log names size position=0 batch length
    # A cluster has the directories of three brokers in there, of which one may be behind.
    log=$(find "$DATA_DIR" -path "*/$1/00000000000000000000.log" -printf '%s %p\n' | sort -n | tail -n 1 | cut -d ' ' -f 2-)
    names=(none gzip snappy lz4 zstd)
    size=$(stat -c %s "$log")
    while [ "$position" -lt "$size" ]; do
        read -r -a batch <<<"$(od -An -v -tu1 -w15 -j $((position + 8)) -N15 "$log")"
        echo "${names[batch[14] & 7]}"
        length=$(((batch[0] << 24) + (batch[1] << 16) + (batch[2] << 8) + batch[3]))
        position=$((position + 12 + length))
    done
}

# Limits far below a batch: every answer holds one whole batch all the same.
small_fetches() {
    local limit
    write_records 20000 >"$WORK/few"
    kc -P -t small-fetches -p 0 -l "$WORK/few"
    for limit in 1 1000 50000; do
        consume small-fetches -p 0 -X fetch.message.max.bytes="$limit" | cmp - "$WORK/few"
    done
}

consumers_beside_a_producer() {
    local consumer pids=()
    head -n 1 "$WORK/records" | kc -P -t beside -p 0
    for consumer in 1 2 3 4; do
        kc -C -q -t beside -p 0 -o beginning -c "$RECORDS" >"$WORK/beside.$consumer" &
        pids+=("$!")
    done
    tail -n +2 "$WORK/records" | kc -P -t beside -p 0
    for consumer in 1 2 3 4; do
        wait "${pids[consumer - 1]}"
        expect_same_file "$WORK/records" "$WORK/beside.$consumer"
    done
    rm "$WORK"/beside.*
}

# A consumer at the end may wait 40 s for a record. It gets one when it is appended: well before
# those 40 s.
long_poll() {
    local pid acked
    echo first | kc -P -t long-poll -p 0
    kc -C -q -u -t long-poll -p 0 -o end -c 1 -X fetch.wait.max.ms=40000 -d fetch,protocol \
        >"$WORK/long-poll" 2>"$WORK/long-poll.debug" &
    pid=$!
    wait_until 30 "for the consumer's fetch at the end" \
        grep -q "Sent FetchRequest" "$WORK/long-poll.debug"
    echo second | kc -P -t long-poll -p 0
    acked=$EPOCHREALTIME
    wait "$pid"
    expect second "$(cat "$WORK/long-poll")" "the record it waited for"
    awk -v from="$acked" -v to="$EPOCHREALTIME" 'BEGIN {
        printf "the consumer ended %.0f ms after the producer\n", (to - from) * 1000
        exit to - from > 20
    }'
}

large_record() {
    head -c 900000 /dev/urandom >"$WORK/large"
    kc -P -t large -p 0 "$WORK/large"
    consume large -p 0 -f '%s' | cmp - "$WORK/large"
}

too_large_record() {
    head -c 2000000 /dev/urandom >"$WORK/too-large"
    kc -P -t large -p 0 -X message.max.bytes=3000000 "$WORK/too-large" 2>"$WORK/error" || true
    grep -q "Broker: Message size too large" "$WORK/error"
    echo after | kc -P -t large -p 0
    expect "900000 5" "$(consume large -p 0 -f '%S\n' | xargs)" "sizes of what the log holds"
}

# librdkafka with the protocol of an old release: what it writes is converted to record batches,
# what it reads from them. Both ways it must be the same for a client of today, and keep its codec.
as_an_old_client() {
    local version=$1 codec topic old
    old=(-X api.version.request=false -X broker.version.fallback="$version")
    write_records 20000 >"$WORK/few"
    for codec in none gzip snappy lz4; do
        topic=old-$version-$codec
        kc "${old[@]}" -P -t "$topic" -p 0 -z "$codec" -l "$WORK/few"
        expect "$codec" "$(codecs_in_log "$topic-0" | tail -n 1)" "codec of the last batch"
        consume "$topic" -p 0 | cmp - "$WORK/few"
        consume "$topic" -p 0 "${old[@]}" | cmp - "$WORK/few"
        consume "$topic" -p 0 "${old[@]}" -o 12345 -f '%o\n' | cmp - <(seq 12345 19999)
    done
    for codec in none gzip snappy lz4; do
        topic=new-$version-$codec
        kc -P -t "$topic" -p 0 -z "$codec" -l "$WORK/few" -H header=dropped
        consume "$topic" -p 0 "${old[@]}" | cmp - "$WORK/few"
    done
}

# The broker dies in the middle of the work of a producer that waits for acks: after the restart
# nothing is missing. A record may lie there twice, because this producer is not idempotent.
producer_through_kill() {
    write_through_kill through-kill -X acks=all
    consume through-kill -p 0 | sort -u | cmp - "$WORK/records"
}

# This one is: all is there, once, and in order.
idempotent_producer_through_kill() {
    write_through_kill through-kill-once -X enable.idempotence=true
    everything_there through-kill-once "$WORK/records"
}

write_through_kill() {
    local topic=$1 pid
    shift
    (awk 'NR % 20000 == 0 { system("sleep 0.5") } { print }' "$WORK/records") |
        kc -P -E -t "$topic" -p 0 "$@" 2>"$WORK/$topic.error" &
    pid=$!
    wait_until 30 "for the first records" has_some "$topic"
    broker_kill_and_restart
    wait "$pid"
}

has_some() {
    [ -n "$(kc -C -q -t "$1" -p 0 -c 1 -e 2>"$WORK/error")" ]
}

# A member reads a part, commits it as it leaves, and the next one goes on right there.
resume_after_a_commit() {
    seq 0 2999 | kc -P -t resume
    read_as_member 1000 >"$WORK/resume"
    read_as_member 2000 >>"$WORK/resume"
    sort -n "$WORK/resume" | cmp - <(seq 0 2999)
}

resume_after_kill() {
    broker_kill_and_restart
    seq 3000 3999 | kc -P -t resume
    read_as_member 1000 | sort -n | cmp - <(seq 3000 3999)
}

read_as_member() {
    kc -G resume -X auto.offset.reset=earliest -q -c "$1" resume
}

# A producer writes all the time, while a second member joins and the broker dies and comes back; in
# the end the first member leaves. After each of them whoever is there must get new records, and none
# may be missing. A record may come twice: one that was not yet committed when its partition went to
# the other member. The records are long, because kcat reads its input by the kilobyte.
group_of_two() {
    local writer first second number=0
    trap 'jobs -p | xargs -r kill' EXIT
    echo 0 | kc -P -t pair
    (while [ ! -e "$WORK/pair.done" ]; do printf '%01023d\n' "$((++number))" && sleep 0.02; done) |
        tee "$WORK/pair.sent" | kc -P -E -t pair -X enable.idempotence=true &
    writer=$!
    start_member "$WORK/pair.first"
    first=$!
    both_read_new "$WORK/pair.first" "$WORK/pair.first"
    start_member "$WORK/pair.second"
    second=$!
    both_read_new "$WORK/pair.first" "$WORK/pair.second"
    broker_kill_and_restart
    both_read_new "$WORK/pair.first" "$WORK/pair.second"
    : >"$WORK/pair.done"
    wait "$writer"
    wait_until 60 "for both members to read all" pair_has_all
    # Not while the producer is at work: kcat throws away what comes in the moment in which it is
    # told to end, and commits that it has read it.
    kill -TERM "$first"
    wait "$first" || echo "the first member left with status $?"
    seq 100000 100099 | tee -a "$WORK/pair.sent" | kc -P -t pair
    wait_until 60 "for the second member to read the rest" pair_has_all
    kill -TERM "$second"
    wait "$second" || echo "the second member left with status $?"
}

# `timeout` passes the signal on. By default kcat would end when it loses its broker.
start_member() {
    : >"$1"
    timeout --foreground "$STEP_SECONDS" "${KCAT[@]}" -G pair -X auto.offset.reset=earliest \
        -E -q -u pair >>"$1" 2>"$1.error" &
}

both_read_new() {
    local first second
    first=$(wc -l <"$1")
    second=$(wc -l <"$2")
    wait_until 60 "for new records in $1" has_more_lines "$1" "$first"
    wait_until 60 "for new records in $2" has_more_lines "$2" "$second"
}

has_more_lines() {
    [ "$(wc -l <"$1")" -gt "$2" ]
}

pair_has_all() {
    sort -u "$WORK/pair.first" "$WORK/pair.second" | cmp -s - <(echo 0 && cat "$WORK/pair.sent")
}

# There is more than librdkafka takes with one fetch, 50 MiB: the turn of each partition must come. A
# kcat for every partition, because it sends to one.
many_partitions() {
    local partition
    create_topic wide 60
    for partition in {0..59}; do
        wide_value "$partition" | kc -P -t wide -p "$partition"
    done
    STEP_SECONDS=60 consume wide -f '%p %o %s\n' | sort -n >"$WORK/wide"
    for partition in {0..59}; do
        printf '%d 0 %s\n' "$partition" "$(wide_value "$partition")"
    done | cmp - "$WORK/wide"
    rm "$WORK/wide"
}

wide_value() {
    printf '%0900000d\n' "$1"
}

offsets_go_on() {
    echo next | kc -P -t codec-none -p 0
    expect "$RECORDS next" "$(consume codec-none -p 0 -o -1 -f '%o %s\n')" "the last record"
}

main
