# Steps of kafka-dump-log, which reads the broker's files, and of `transferto dump-log`, which must
# print the same; sourced by run.sh.

DUMPED=tools-dumped

dump_log_steps() {
    step "kafka-dump-log: every codec" dump_codecs
    step "kafka-dump-log: keys, headers, nulls" dump_keyed
    step "kafka-dump-log: segments" dump_segments
    step "kafka-dump-log: indexes of finished segments" dump_finished_indexes
    step "kafka-dump-log: --offsets-decoder" dump_offsets
    step "transferto dump-log prints the same: every codec" codecs_alike
    if command -v kcat >"$WORK/kcat-is-here"; then
        step "transferto dump-log prints the same: keys, headers, bytes that are no text" keyed_alike
    fi
    step "transferto dump-log prints the same: segments and indexes that grow" segments_alike
    step "transferto dump-log prints the same: --offsets-decoder" offsets_alike
    step "transferto dump-log prints the same: what is left of a cut log" cut_alike
    step "kafka-dump-log: indexes after a clean stop" dump_stopped
    step "kafka-dump-log: snapshot of the producers" dump_snapshot
    step "transferto dump-log prints the same: what a clean stop has left" stopped_alike
    old_formats_alike
    step "restart after kafka-dump-log" broker_start
}

# log_files TOPIC SUFFIX: the files of partition 0, with commas.
log_files() {
    echo "$DATA_DIR/$1"-0/*"$2" | tr ' ' ,
}

# The producer has compressed every batch.
dump_codecs() {
    local codec
    for codec in $CODECS; do
        kafka-dump-log --files "$(log_files "tools-$codec" .log)" --print-data-log >"$WORK/dump"
        expect_batches "$codec"
        grep '^| offset: ' "$WORK/dump" | sed 's/.* payload: //' >"$WORK/lines"
        expect_same_file <(lines 1 5000) "$WORK/lines"
    done
}

# All batches of the dump are valid, have that codec, and follow each other without a gap.
expect_batches() {
    awk -v codec="$1" '
        /^Dumping / { position = 0 }
        !/^baseOffset: / { next }
        {
            for (i = 1; i < NF; i++) value[$i] = $(i + 1)
            batches++
        }
        value["isvalid:"] != "true" || value["magic:"] != 2 { print "not valid: " $0; exit 1 }
        value["compresscodec:"] != codec { print "not " codec ": " $0; exit 1 }
        value["baseOffset:"] != next_offset { print "not at " next_offset ": " $0; exit 1 }
        value["position:"] != position { print "not at byte " position ": " $0; exit 1 }
        value["lastOffset:"] != next_offset + value["count:"] - 1 { print "a gap: " $0; exit 1 }
        { next_offset = value["lastOffset:"] + 1; position += value["size:"] }
        END { if (!batches) { print "no batches"; exit 1 } }
    ' "$WORK/dump"
}

dump_keyed() {
    kafka-dump-log --files "$(log_files tools-keyed .log)" --deep-iteration --print-data-log \
        >"$WORK/dump"
    expect_batches none
    sed -nE 's/^\| (offset: [0-9]) CreateTime: [0-9]{13} (.*)/\1 \2|/p' "$WORK/dump" >"$WORK/lines"
    diff - "$WORK/lines" <<'END'
offset: 0 keySize: 3 valueSize: 5 sequence: 0 headerKeys: [one,two] key: key payload: value|
offset: 1 keySize: -1 valueSize: 6 sequence: 1 headerKeys: [] payload: no key|
offset: 2 keySize: 3 valueSize: 0 sequence: 2 headerKeys: [h] key: key payload: |
offset: 3 keySize: 3 valueSize: -1 sequence: 3 headerKeys: [] key: key|
END
}

# Batches of some 2000 bytes in segments of 1 MiB, the smallest that the tool lets pass.
dump_segments() {
    kafka-topics --create --topic "$DUMPED" --partitions 1 --config segment.bytes=1048576
    lines 1 50000 | kafka-console-producer --topic "$DUMPED" --batch-size 2000
    kafka-dump-log --files "$(log_files "$DUMPED" .log)" --deep-iteration --print-data-log \
        >"$WORK/dump"
    expect_batches none
    grep '^| offset: ' "$WORK/dump" | sed 's/.* payload: //' >"$WORK/lines"
    expect_same_file <(lines 1 50000) "$WORK/lines"
    grep '^Log starting offset: ' "$WORK/dump" | sed 's/.*: //' >"$WORK/starts"
    expect "$(cd "$DATA_DIR/$DUMPED-0" && ls ./*.log | sed -E 's/^..0*([0-9]+)\.log/\1/' | xargs)" \
        "$(xargs <"$WORK/starts")" "the segments' first offsets"
    [ "$(wc -l <"$WORK/starts")" -ge 3 ]
}

# The files of the last segment have room for what is to come, which Kafka's own have too: what the
# tool calls a sane index is one of a segment that is finished.
dump_finished_indexes() {
    local finished
    finished=$(finished_indexes)
    kafka-dump-log --files "$finished" --index-sanity-check >"$WORK/dump"
    expect_sane "$finished"
    check_indexes "$finished,$(log_files "$DUMPED" .index),$(log_files "$DUMPED" .timeindex)"
}

finished_indexes() {
    local last
    last=$(cd "$DATA_DIR/$DUMPED-0" && ls ./*.log | tail -n 1)
    ls "$DATA_DIR/$DUMPED"-0/*index | grep -vF "$(basename "$last" .log)" | paste -sd ,
}

expect_sane() {
    local file
    for file in ${1//,/ }; do
        has "$WORK/dump" "$file passed sanity check."
    done
}

# The tool holds each entry against the log. So do we: an entry of an index is the last offset of a
# batch and where it lies, an entry of a time index a batch's greatest timestamp.
check_indexes() {
    kafka-dump-log --files "$1" --verify-index-only >"$WORK/verified"
    expect_no_mismatch "$WORK/verified"
    kafka-dump-log --files "$1" >"$WORK/entries"
    expect_no_mismatch "$WORK/entries"
    kafka-dump-log --files "$(log_files "$DUMPED" .log)" >"$WORK/dump"
    awk '
        FILENAME == ARGV[1] && /^baseOffset: / {
            for (i = 1; i < NF; i++) value[$i] = $(i + 1)
            batch[value["lastOffset:"]] = value["position:"]
            stamp[value["lastOffset:"]] = value["CreateTime:"]
        }
        FILENAME == ARGV[1] { next }
        /^offset: / && batch[$2] != $4 { print "no batch: " $0; exit 1 }
        /^timestamp: / && stamp[$4] != $2 { print "no such timestamp: " $0; exit 1 }
        /^offset: / { offsets++ }
        /^timestamp: / { times++ }
        END { print offsets " offsets, " times " timestamps"; exit !(offsets > 20 && times > 5) }
    ' "$WORK/dump" "$WORK/entries"
}

expect_no_mismatch() {
    local wrong='mismatch|out of order|non-consecutive|not found|exception'
    expect "" "$(grep -iE "$wrong" "$1" || true)" "what the tool has found"
}

# The offsets and the members of one group, out of the topic that holds them.
dump_offsets() {
    local files key assigned
    read_all tools-gzip 10 --group tools-decoded
    files=$(grep -l tools-decoded "$DATA_DIR"/__consumer_offsets-*/*.log | paste -sd ,)
    kafka-dump-log --files "$files" --offsets-decoder >"$WORK/dump"
    expect "" "$(grep 'isvalid: false' "$WORK/dump" || true)" "batches that are not valid"
    key='key: {"type":"1","data":{"group":"tools-decoded","topic":"tools-gzip","partition":0}}'
    grep -F "$key" "$WORK/dump" | tail -n 1 >"$WORK/last"
    has "$WORK/last" 'payload: {"version":"3","data":{"offset":10,'
    grep -F 'key: {"type":"2","data":{"group":"tools-decoded"}}' "$WORK/dump" >"$WORK/generations"
    head -n 1 "$WORK/generations" >"$WORK/first"
    assigned='"assignment":{"assignedPartitions":[{"topic":"tools-gzip","partitions":[0]}]'
    has "$WORK/first" "$assigned"
    tail -n 1 "$WORK/generations" >"$WORK/last"
    has "$WORK/last" '"generation":2,"protocol":null,"leader":null,'
}

# A broker that stops cleanly leaves the index files of the last segment without spare room, and a
# snapshot of the producers.
dump_stopped() {
    local all
    broker_memory VmHWM >>"$RUN_DIR/memory"
    broker_stop
    all=$(log_files "$DUMPED" index)
    kafka-dump-log --files "$all" --index-sanity-check >"$WORK/dump"
    expect_sane "$all"
    check_indexes "$all"
}

# One producer has written all of it; the last line of the snapshot has its last batch.
dump_snapshot() {
    local last id first_sequence others
    kafka-dump-log --files "$(log_files "$DUMPED" .log)" >"$WORK/dump"
    last=$(tail -n 1 "$WORK/dump")
    id=$(sed -E 's/.* producerId: ([0-9]+) .*/\1/' <<<"$last")
    kafka-dump-log --files "$DATA_DIR/$DUMPED-0/00000000000000050000.snapshot" >"$WORK/snapshot"
    others=$(grep -v "^Dumping \|^producerId: $id producerEpoch: 0 " "$WORK/snapshot" || true)
    expect "" "$others" "lines of another producer"
    first_sequence=$(sed -E 's/.* baseSequence: ([0-9]+) .*/\1/' <<<"$last")
    tail -n 1 "$WORK/snapshot" >"$WORK/last"
    has "$WORK/last" "firstSequence: $first_sequence lastSequence: 49999 lastOffset: 49999 "
}

# dumps_alike FILES ARGUMENT...: Kafka's tool and ours print the same of these files, and complain
# of the same, which Kafka's does in the order of a hash table. Ours exits with DAMAGED, 0 without it.
dumps_alike() {
    local files=$1 status=0
    shift
    # Or Java would print a question mark for each letter that is not ASCII.
    LC_ALL=C.UTF-8 kafka-dump-log --files "$files" "$@" >"$WORK/theirs" 2>"$WORK/theirs.err"
    "$TRANSFERTO" dump-log --files "$files" "$@" >"$WORK/ours" 2>"$WORK/ours.err" || status=$?
    expect "${DAMAGED:-0}" "$status" "the exit status"
    expect_same_file "$WORK/theirs" "$WORK/ours"
    diff <(sort "$WORK/theirs.err") <(sort "$WORK/ours.err")
    [ "$(wc -l <"$WORK/ours")" -gt "$(tr ',' '\n' <<<"$files" | wc -l)" ]
}

codecs_alike() {
    local codec files=
    for codec in $CODECS; do
        files+=,$(log_files "tools-$codec" .log)
    done
    dumps_alike "${files#,}"
    dumps_alike "${files#,}" --print-data-log
    dumps_alike "${files#,}" --deep-iteration --skip-record-metadata
    dumps_alike "${files#,}" --max-bytes 20000 --print-data-log
}

keyed_alike() {
    kafka-topics --create --topic tools-bytes --partitions 1
    printf '%b\n' 'caf\xc3\xa9\t\xe2\x82\xac' '\xff\xfe\t\xed\xa0\x80\xf0\x9f\x98' '\x01\t\x1b[1m"' |
        kcat -P -b "$BROKER" -t tools-bytes -p 0 -K '\t' -H $'h\xc3\xa9=1' -H two=
    dumps_alike "$(log_files tools-bytes .log),$(log_files tools-keyed .log)" --print-data-log
    dumps_alike "$(log_files tools-bytes .log),$(log_files tools-keyed .log)" --print-data-log \
        --skip-record-metadata
}

segments_alike() {
    dumps_alike "$(log_files "$DUMPED" .log),$(log_files "$DUMPED" index)"
    dumps_alike "$(log_files "$DUMPED" .log),$(log_files "$DUMPED" index)" --verify-index-only
    dumps_alike "$(finished_indexes)" --index-sanity-check
}

offsets_alike() {
    local files
    files=$(find "$DATA_DIR"/__consumer_offsets-* -name '*.log' -size +0 | sort | paste -sd ,)
    dumps_alike "$files" --offsets-decoder
    dumps_alike "$files" --print-data-log
}

# The beginning of a segment, with an index that points behind its end.
cut_alike() {
    local first=00000000000000000000 cut=$WORK/cut
    mkdir -p "$cut"
    cp "$DATA_DIR/$DUMPED-0/$first".* "$cut"
    truncate -s 123456 "$cut/$first.log"
    DAMAGED=1 dumps_alike "$cut/$first.log" --deep-iteration
    head -c 100000 /dev/zero | tr '\0' '\177' >"$cut/1.log"
    DAMAGED=1 dumps_alike "$cut/1.log"
    if "$TRANSFERTO" dump-log "$cut/$first.index" "$cut/2.log" >"$WORK/ours" 2>"$WORK/ours.err"; then
        echo "no error for an index that points behind the log"
        return 1
    fi
    has "$WORK/ours.err" "$cut/$first.index is corrupt at position "
    has "$WORK/ours.err" "cannot open $cut/2.log"
}

stopped_alike() {
    local files
    files=$(find "$DATA_DIR" -name '*.snapshot' -size +0 | sort | paste -sd ,)
    dumps_alike "$files,$(log_files "$DUMPED" index)"
    dumps_alike "$(log_files "$DUMPED" index)" --index-sanity-check
}

# Messages of magic 0 and 1, alone and in wrappers, by brokers that store all topics so.
old_formats_alike() {
    old_format_steps 0.9.0 0
    old_format_steps 0.10.0 1
}

old_format_steps() (
    local version=$1 magic=$2
    beside "format-$version"
    step "start a broker with log.message.format.version=$version" broker_start \
        --override "log.message.format.version=$version"
    step "transferto dump-log prints the same: magic $magic" old_format_alike "$magic"
    step "stop the broker with log.message.format.version=$version" other_stops_cleanly
)

old_format_alike() {
    local magic=$1 codec files=
    for codec in none gzip snappy lz4; do
        kafka-topics --create --topic "old-$codec" --partitions 1
        lines 1 500 | kafka-console-producer --topic "old-$codec" --compression-codec "$codec" \
            --command-property enable.idempotence=false
        files+=,$(log_files "old-$codec" .log),$(log_files "old-$codec" .index)
    done
    files=${files#,}
    dumps_alike "$files" --print-data-log
    for codec in none gzip snappy lz4; do
        has "$WORK/ours" " magic: $magic compresscodec: $codec "
    done
    dumps_alike "$files" --deep-iteration
    dumps_alike "$files"
}
