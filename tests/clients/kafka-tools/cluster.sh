# Steps of the tools that look at the whole broker, or work it; sourced by run.sh.

cluster_steps() {
    step "kafka-broker-api-versions: every API is usable" api_versions
    step "kafka-cluster: the cluster's id and endpoints" cluster
    step "kafka-producer-perf-test: $RECORDS records of 100 bytes" producer_perf
    step "kafka-consumer-perf-test: $RECORDS records of 100 bytes" consumer_perf
    step "kafka-e2e-latency: 200 records there and back" e2e_latency
    step "kafka-verifiable-producer and -consumer" verifiable
    step "ClientCompatibilityTest of Kafka's system tests" client_compatibility
    compaction_steps
    step "tools for what is left out say so" left_out
}

# A tool of today finds a version that it shares with the broker for each of the broker's APIs.
api_versions() {
    local api unusable
    kafka-broker-api-versions >"$WORK/apis"
    has "$WORK/apis" "$BROKER (id: 0 rack: null isFenced: false) -> ("
    unusable=$(grep '): ' "$WORK/apis" | grep -vE ': UNSUPPORTED|usable: [0-9]+\]' || true)
    expect "" "$unusable" "APIs of the broker that the tool cannot use"
    for api in "Produce(0): 0 to 11 [usable: 11]" "Fetch(1): 0 to 18 [usable: 18]" \
        "Metadata(3): 0 to 12 [usable: 12]" "JoinGroup(11): 0 to 9 [usable: 9]" \
        "CreateTopics(19): 0 to 7 [usable: 7]" "IncrementalAlterConfigs(44): 0 to 1 [usable: 1]"; do
        has "$WORK/apis" $'\t'"$api"
    done
}

cluster() {
    local id
    kafka-cluster cluster-id >"$WORK/cluster"
    grep -qxE 'Cluster ID: [A-Za-z0-9_-]{22,}' "$WORK/cluster"
    kafka-cluster cluster-id | cmp - "$WORK/cluster"
    kafka-cluster list-endpoints >"$WORK/endpoints"
    columns "$WORK/endpoints" ID >"$WORK/columns"
    same "0 ${BROKER%:*} ${BROKER#*:} null unfenced broker" "$WORK/columns"
}

producer_perf() {
    kafka-topics --create --topic tools-perf --partitions 3
    kafka-producer-perf-test --topic tools-perf --num-records "$RECORDS" --record-size 100 \
        --throughput -1 >"$WORK/perf"
    tail -n 1 "$WORK/perf"
    grep -q "^$RECORDS records sent, " "$WORK/perf"
    kafka-get-offsets --topic tools-perf >"$WORK/offsets"
    expect "$RECORDS" "$(awk -F : '{ sum += $3 } END { print sum }' "$WORK/offsets")" "records"
}

# The fifth column is the count of records, the third their size in MiB.
consumer_perf() {
    kafka-consumer-perf-test --topic tools-perf --num-records "$RECORDS" >"$WORK/perf"
    tail -n 1 "$WORK/perf"
    expect "$(awk -v n="$RECORDS" 'BEGIN { printf "%.4f, %d", n * 100 / 1048576, n }')" \
        "$(tail -n 1 "$WORK/perf" | awk -F ', ' '{ print $3 ", " $5 }')" "size and count"
}

e2e_latency() {
    kafka-e2e-latency --topic tools-latency --num-records 200 --producer-acks all \
        --record-size 100 >"$WORK/latency"
    has "$WORK/latency" "Percentiles: "
    kafka-get-offsets --topic tools-latency >"$WORK/offsets"
    expect tools-latency:0:201 "$(cat "$WORK/offsets")" "records"
}

verifiable() {
    kafka-topics --create --topic tools-verified --partitions 3
    kafka-verifiable-producer --topic tools-verified --max-messages 1000 >"$WORK/produced"
    has "$WORK/produced" '"sent":1000,"acked":1000'
    kafka-verifiable-consumer --topic tools-verified --group-id tools-verifier --max-messages 1000 \
        --reset-policy earliest --verbose >"$WORK/consumed"
    sed -nE 's/.*"name":"record_data".*"value":"([0-9]+)".*/\1/p' "$WORK/consumed" >"$WORK/values"
    expect_same_file <(seq 0 999) <(sort -n "$WORK/values")
}

# It ends with SUCCESS if each feature is there that is said to be.
client_compatibility() {
    client-compatibility-test --topic tools-compatible --num-cluster-nodes 1 \
        --cluster-id-supported True --create-topics-supported True \
        --describe-acls-supported True --describe-configs-supported True \
        --expect-record-too-large-exception False --idempotent-producer-supported True \
        --offsets-for-times-supported True >"$WORK/compatible"
    has "$WORK/compatible" "SUCCESS."
}

# A broker that soon has something to compact, and soon does it.
compaction_steps() (
    beside cleaner
    step "start a broker that compacts small segments" broker_start \
        --override log.segment.bytes=200000 --override log.cleaner.backoff.ms=500
    step "LogCompactionTester of Kafka's system tests" log_compaction
    step "stop the broker that compacts small segments" other_stops_cleanly
)

# Twenty values for each key, and a fifth of them takes the key away. What is read afterwards must
# be less than what was written, and the last value of each key must be among it.
log_compaction() {
    log-compaction-tester --messages 50000 --duplicates 20 --percent-deletes 20 --sleep 4 \
        >"$WORK/compacted"
    cat "$WORK/compacted"
    has "$WORK/compacted" " values, 0 mismatches."
    has "$WORK/compacted" "Data verification is completed"
    awk '/ rows of data produced/ { exit !($1 == 50000 && $6 < 50000) }' "$WORK/compacted"
}

# No tool may hang, or report a success, where the broker has nothing to answer with.
left_out() {
    refused "does not support LIST_TRANSACTIONS" \
        kafka-transactions --bootstrap-server "$BROKER" list
    refused "does not support LIST_PARTITION_REASSIGNMENTS" kafka-reassign-partitions --list
    refused "does not support ELECT_LEADERS" \
        kafka-leader-election --election-type preferred --all-topic-partitions
    refused "does not support DESCRIBE_QUORUM" \
        kafka-metadata-quorum --bootstrap-server "$BROKER" describe --status
    refused "does not support the broker unregistration API" kafka-cluster unregister --id 0
}
