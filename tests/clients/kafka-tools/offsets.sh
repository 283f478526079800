# Steps of kafka-get-offsets, kafka-delete-records and kafka-log-dirs; sourced by run.sh.

offset_steps() {
    step "kafka-get-offsets: latest, earliest, by time" get_offsets
    step "kafka-delete-records: delete up to an offset" delete_records
    step "kafka-delete-records: past the end is refused" delete_past_the_end
    step "kafka-log-dirs: the sizes on disk" log_dirs
}

# 20 records, then at a known time 10 more.
get_offsets() {
    local half_time_ms
    kafka-topics --create --topic tools-offsets --partitions 1
    lines 1 20 | kafka-console-producer --topic tools-offsets
    half_time_ms=$(date +%s%3N)
    lines 21 30 | kafka-console-producer --topic tools-offsets
    expect_offsets "tools-offsets:0:30" --topic tools-offsets
    expect_offsets "tools-offsets:0:0" --topic tools-offsets --time earliest
    expect_offsets "tools-offsets:0:0" --topic tools-offsets --time earliest-local
    expect_offsets "tools-offsets:0:0" --topic tools-offsets --time 0
    expect_offsets "tools-offsets:0:20" --topic tools-offsets --time "$half_time_ms"
    expect_offsets "tools-none:0:5000 tools-zstd:0:5000" \
        --topic-partitions 'tools-none:0,tools-zs.*'
    kafka-get-offsets --topic tools-offsets --time max-timestamp >"$WORK/offsets"
    grep -qE '^tools-offsets:0:2[0-9]$' "$WORK/offsets"
    refused "Could not match any topic-partitions" kafka-get-offsets --topic tools-nowhere
}

# expect_offsets OFFSETS ARGUMENT...
expect_offsets() {
    local offsets=$1
    shift
    kafka-get-offsets "$@" >"$WORK/offsets"
    expect "$offsets" "$(xargs <"$WORK/offsets")" "the offsets of $*"
}

delete_records() {
    offset_json 12
    kafka-delete-records --offset-json-file "$WORK/offset.json" >"$WORK/deleted"
    has "$WORK/deleted" $'partition: tools-offsets-0\tlow_watermark: 12'
    expect_offsets "tools-offsets:0:12" --topic tools-offsets --time earliest
    expect_offsets "tools-offsets:0:30" --topic tools-offsets
    read_all tools-offsets 18 >"$WORK/lines"
    expect_same_file <(lines 13 30) "$WORK/lines"
}

offset_json() {
    printf '{"partitions":[{"topic":"tools-offsets","partition":0,"offset":%s}],"version":1}' "$1" \
        >"$WORK/offset.json"
}

# -1 stands for the end.
delete_past_the_end() {
    offset_json 31
    refused "OffsetOutOfRangeException" kafka-delete-records --offset-json-file "$WORK/offset.json"
    expect_offsets "tools-offsets:0:12" --topic tools-offsets --time earliest
    offset_json -1
    kafka-delete-records --offset-json-file "$WORK/offset.json"
    expect_offsets "tools-offsets:0:30" --topic tools-offsets --time earliest
}

log_dirs() {
    local topic size want=""
    kafka-log-dirs --describe --topic-list tools-none,tools-gzip,tools-nowhere >"$WORK/dirs"
    for topic in tools-gzip tools-none; do
        size=$(stat -c %s "$DATA_DIR/$topic-0/00000000000000000000.log")
        want+="\"partition\":\"$topic-0\",\"size\":$size,\"offsetLag\":0,\"isFuture\":false "
    done
    expect "$want" "$(grep -o '"partition":"[^}]*' "$WORK/dirs" | sort | tr '\n' ' ')" \
        "what lies in the log directory"
    has "$WORK/dirs" "\"error\":null,\"logDir\":\"$DATA_DIR\""
    refused "The given brokers do not exist from --broker-list: 7" \
        kafka-log-dirs --describe --broker-list 7
}
