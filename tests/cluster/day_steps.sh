# shellcheck shell=bash
# The steps of an operator's day; to be sourced by day.sh. Each ends with a status other than 0 if it did not go as it
# has to, and what it prints then is what it saw.

# What is moved with a throttle, and how fast that may be.
BULK_BYTES=4000000
THROTTLE_BYTES_PER_S=1000000
# Of the throttle's window the first second may be gone before it takes hold, and it measures by whole seconds.
THROTTLED_SECONDS_MIN=$((BULK_BYTES / THROTTLE_BYTES_PER_S - 2))

creates_topics() {
    tool kafka-topics --create --topic "$LEDGER" --partitions 6 --replication-factor 3
    BROKERS=$(address_of 2) tool kafka-topics --create --topic bulk --replica-assignment 1:2
    BROKERS=$(address_of 3) tool kafka-topics --create --topic small --partitions 2 --replication-factor 2
    # Where only broker 2 and broker 3 have what two of three lose.
    tool kafka-topics --create --topic careful --replica-assignment 2:3 --config min.insync.replicas=1
    tool kafka-topics --create --topic reckless --replica-assignment 2:3 --config min.insync.replicas=1 \
        --config unclean.leader.election.enable=true
    tool kafka-topics --describe --topic "$LEDGER"
    printed "PartitionCount: 6	ReplicationFactor: 3"
    tool kafka-topics --describe --topic bulk
    printed "Leader: 1	Replicas: 1,2	Isr: 1,2"
    nothing_is_listed --unavailable-partitions
    nothing_is_listed --under-replicated-partitions
    nothing_is_listed --under-min-isr-partitions
    tool kafka-topics --describe --at-min-isr-partitions
    printed "Topic: bulk"
    not_printed "Topic: $LEDGER"
}

refuses_topics() {
    refused "only 3 broker(s) are registered" kafka-topics --create --topic no --partitions 1 --replication-factor 4
    refused "includes broker 9, but no such broker is registered" \
        kafka-topics --create --topic no --replica-assignment 1:9
    refused "duplicate entries: 2" kafka-topics --create --topic no --replica-assignment 1:2:2
    refused "Unknown topic config name: nothing" kafka-topics --create --topic no --partitions 1 --config nothing=1
    refused "Topic '$LEDGER' already exists" kafka-topics --create --topic "$LEDGER" --partitions 1
    refused "Topic 'no' does not exist" kafka-topics --delete --topic no
}

alters() {
    local id
    tool kafka-topics --alter --topic small --partitions 3
    tool kafka-configs --alter --entity-type topics --entity-name small --add-config retention.ms=3600000
    tool kafka-configs --alter --entity-type brokers --entity-name 2 --add-config log.cleaner.threads=2
    tool kafka-configs --alter --entity-type brokers --entity-default --add-config log.segment.bytes=2000000
    for id in 1 2 3; do
        wait_until "$PATIENCE_SECONDS" "for broker $id to show what was altered" shows_what_was_altered "$id"
    done
    tool kafka-configs --alter --entity-type topics --entity-name small --delete-config retention.ms
    tool kafka-configs --describe --entity-type topics --entity-name small
    not_printed "retention.ms=3600000"
}

shows_what_was_altered() {
    local BROKERS
    BROKERS=$(address_of "$1")
    tool kafka-topics --describe --topic small
    printed "PartitionCount: 3" || return 1
    tool kafka-configs --describe --entity-type topics --entity-name small
    printed "retention.ms=3600000" || return 1
    tool kafka-configs --describe --entity-type brokers --entity-name 2
    printed "log.cleaner.threads=2" || return 1
    tool kafka-configs --describe --entity-type topics --entity-name bulk --all
    printed "segment.bytes=2000000" || return 1
}

refuses_alterations() {
    refused "3 partition(s); 2 would not be an increase" kafka-topics --alter --topic small --partitions 2
    refused "The topic 'no' does not exist" \
        kafka-configs --alter --entity-type topics --entity-name no --add-config retention.ms=1
    refused "Value must be at least 1" \
        kafka-configs --alter --entity-type topics --entity-name small --add-config min.insync.replicas=0
    refused "must be a whole number from 1 to 1024" \
        kafka-configs --alter --entity-type brokers --entity-name 1 --add-config log.cleaner.threads=many
    refused "cannot be altered while the broker runs" \
        kafka-configs --alter --entity-type brokers --entity-name 1 --add-config listeners=PLAINTEXT://:1
}

describes_the_quorum() {
    local id BROKERS
    for id in 1 2 3; do
        BROKERS=$(address_of "$id")
        tool kafka-metadata-quorum describe --status
        printed "LeaderId:               $CONTROLLER_NODE_ID"
        tool kafka-metadata-quorum describe --replication
        expect 3 "$(grep -c Observer "$PRINTED")" "brokers that follow the metadata log"
    done
    tool kafka-cluster cluster-id
    printed "$CLUSTER_ID"
    tool kafka-broker-api-versions
    expect 3 "$(grep -c 'id: ' "$PRINTED")" "brokers that say which versions they have"
}

keeps_the_level() {
    refused "does not support this feature" kafka-features upgrade --release-version 4.0
    printed "Broker "
    tool kafka-features describe
    grep -q 'metadata.version.*FinalizedVersionLevel: 3.9-IV0' "$PRINTED"
}

handles_a_group() {
    tool kafka-producer-perf-test --topic small --num-records 300 --record-size 100 --throughput -1 \
        --command-property acks=all
    tool kafka-consumer-perf-test --topic small --num-records 300 --group readers
    tool kafka-consumer-groups --describe --group readers
    expect 0 "$(lag_of_readers)" "the lag of the group"
    tool kafka-consumer-groups --reset-offsets --group readers --topic small --to-earliest --execute
    tool kafka-consumer-groups --describe --group readers
    expect 300 "$(lag_of_readers)" "the lag of the group"
    tool kafka-consumer-groups --delete --group readers
    printed "was successful"
    refused "The group id does not exist" kafka-consumer-groups --delete --group readers
}

lag_of_readers() {
    awk '$1 == "readers" { lag += $6 } END { print lag }' "$PRINTED"
}

deletes_records() {
    echo '{"partitions":[{"topic":"small","partition":0,"offset":-1},{"topic":"small","partition":1,"offset":-1},
        {"topic":"small","partition":2,"offset":-1}]}' >"$CLUSTER_DIR/records.json"
    tool kafka-delete-records --offset-json-file "$CLUSTER_DIR/records.json"
    expect 300 "$(awk '/low_watermark/ { offsets += $4 } END { print offsets }' "$PRINTED")" "low watermarks"
    tool kafka-get-offsets --topic small --time earliest
    expect 300 "$(awk -F : '{ offsets += $3 } END { print offsets }' "$PRINTED")" "first offsets"
    echo '{"partitions":[{"topic":"small","partition":0,"offset":99999}]}' >"$CLUSTER_DIR/records.json"
    refused "not within the range of offsets" kafka-delete-records --offset-json-file "$CLUSTER_DIR/records.json"
}

reassigns_with_throttle() {
    local started
    tool kafka-producer-perf-test --topic bulk --num-records $((BULK_BYTES / 1000)) --record-size 1000 \
        --throughput -1 --command-property acks=all
    assignment '{"topic":"bulk","partition":0,"replicas":[3,2]}'
    started=$EPOCHREALTIME
    tool kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json" \
        --throttle "$THROTTLE_BYTES_PER_S"
    tool kafka-reassign-partitions --list
    printed "bulk-0: replicas: 3,2,1. adding: 3. removing: 1."
    tool kafka-configs --describe --entity-type brokers --entity-name 1
    printed "leader.replication.throttled.rate=$THROTTLE_BYTES_PER_S"
    tool kafka-configs --describe --entity-type topics --entity-name bulk
    printed "follower.replication.throttled.replicas=0:3"
    moves_are_over
    expect yes "$(awk -v from="$started" -v to="$EPOCHREALTIME" -v min="$THROTTLED_SECONDS_MIN" \
        'BEGIN { print (to - from >= min ? "yes" : to - from " s") }')" "at least $THROTTLED_SECONDS_MIN s"
    printed "Clearing broker-level throttles on brokers 1,2,3"
    tool kafka-configs --describe --entity-type brokers
    not_printed "throttled.rate"
    tool kafka-configs --describe --entity-type topics --entity-name bulk
    not_printed "throttled.replicas"
    wait_until "$PATIENCE_SECONDS" "for broker 1 to delete its replica" has_no_replica 1 bulk-0
}

reassigns_under_load() {
    assignment "{\"topic\":\"$LEDGER\",\"partition\":0,\"replicas\":[1,2]}" \
        "{\"topic\":\"$LEDGER\",\"partition\":1,\"replicas\":[3,1,2]}" \
        "{\"topic\":\"$LEDGER\",\"partition\":2,\"replicas\":[2,3]}"
    tool kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json"
    moves_are_over
    tool kafka-topics --describe --topic "$LEDGER"
    printed "Replicas: 1,2	Isr: "
    wait_until "$PATIENCE_SECONDS" "for broker 3 to delete its replica" has_no_replica 3 "$LEDGER-0"
    assignment "{\"topic\":\"$LEDGER\",\"partition\":0,\"replicas\":[2,3,1]}" \
        "{\"topic\":\"$LEDGER\",\"partition\":2,\"replicas\":[3,1,2]}"
    tool kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json"
    moves_are_over
    tool kafka-topics --describe --topic "$LEDGER"
    printed "Replicas: 2,3,1"
    ledger_goes_on
}

cancels_a_move() {
    assignment '{"topic":"bulk","partition":0,"replicas":[3,1]}'
    tool kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json" --throttle 100000
    tool kafka-reassign-partitions --cancel --reassignment-json-file "$CLUSTER_DIR/moves.json"
    printed "Successfully cancelled partition reassignment for: bulk-0"
    tool kafka-reassign-partitions --list
    printed "No partition reassignments found."
    tool kafka-topics --describe --topic bulk
    printed "Replicas: 3,2"
    wait_until "$PATIENCE_SECONDS" "for broker 1 to delete its replica" has_no_replica 1 bulk-0
}

refuses_reassignments() {
    local execute=(kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json")
    assignment '{"topic":"bulk","partition":0,"replicas":[2,9]}'
    refused "Unknown broker id 9" "${execute[@]}"
    assignment '{"topic":"bulk","partition":0,"replicas":[2,2]}'
    refused "bulk-0 contains multiple entries for 2" "${execute[@]}"
    assignment '{"topic":"bulk","partition":7,"replicas":[2,3]}'
    refused "Unable to find partition: bulk-7" "${execute[@]}"
    assignment '{"topic":"no","partition":0,"replicas":[2,3]}'
    refused "Topic no not found" "${execute[@]}"
}

restarts_all() {
    local id
    for id in 1 2 3; do
        ends "$id" TERM
        starts "$id"
        wait_until "$PATIENCE_SECONDS" "for all replicas to be in sync" all_are_in_sync
    done
    ledger_goes_on
}

kills_one() {
    ends 2 KILL
    wait_until "$PATIENCE_SECONDS" "for broker 2 to be out of sync" is_listed --under-replicated-partitions "$LEDGER"
    nothing_is_listed --unavailable-partitions
    ledger_goes_on
    starts 2
    wait_until "$PATIENCE_SECONDS" "for all replicas to be in sync" all_are_in_sync
}

# Broker 3 lacks what broker 2 has taken alone, and is the first that comes back.
kills_two() {
    local topic
    for topic in careful reckless; do
        writes "$topic" 100
    done
    ends 3 KILL
    for topic in careful reckless; do
        wait_until "$PATIENCE_SECONDS" "for $topic to be without broker 3" \
            is_listed --under-replicated-partitions "$topic"
        writes "$topic" 50
    done
    ends 2 KILL
    wait_until "$PATIENCE_SECONDS" "for $LEDGER to have too few replicas" \
        is_listed --under-min-isr-partitions "$LEDGER"
    ledger_refuses "has 1 in-sync replica, min.insync.replicas asks for 2"
    is_listed --unavailable-partitions careful
    starts 3
    wait_until "$PATIENCE_SECONDS" "for broker 3 to lead reckless" has_leader reckless 3
    has_leader careful none
    expect 100 "$(end_of reckless)" "records of reckless that broker 3 has"
    writes reckless 10
    starts 2
    wait_until "$PATIENCE_SECONDS" "for all replicas to be in sync" all_are_in_sync
    expect 110 "$(end_of reckless)" "records of reckless: what broker 2 took alone is gone"
    expect 150 "$(end_of careful)" "records of careful: nothing is gone"
    ledger_goes_on
}

elects_preferred() {
    ends 1 KILL
    wait_until "$PATIENCE_SECONDS" "for another one to lead" has_other_leaders
    starts 1
    wait_until "$PATIENCE_SECONDS" "for all replicas to be in sync" all_are_in_sync
    tool kafka-leader-election --election-type preferred --all-topic-partitions
    printed "Successfully completed leader election (PREFERRED)"
    expect "" "$(leaders_that_are_not_preferred)" "leaders that are not the preferred ones"
    tool kafka-leader-election --election-type preferred --topic "$LEDGER" --partition 1
    printed "Valid replica already elected for partitions $LEDGER-1"
    ledger_goes_on
}

refuses_elections() {
    refused "No such topic as no" kafka-leader-election --election-type preferred --topic no --partition 0
    refused "No such partition as bulk-7" kafka-leader-election --election-type unclean --topic bulk --partition 7
}

# A quota is a mean over ten seconds, and so lets a megabyte pass at once; each broker has its own count of it.
limits_a_client() {
    local started
    tool kafka-configs --alter --entity-type clients --entity-name greedy --add-config producer_byte_rate=100000
    tool kafka-configs --describe --entity-type clients --entity-name greedy
    printed "producer_byte_rate=100000"
    started=$EPOCHREALTIME
    tool kafka-producer-perf-test --topic bulk --num-records 1700 --record-size 1000 --throughput -1 \
        --command-property client.id=greedy
    expect yes "$(awk -v from="$started" -v to="$EPOCHREALTIME" \
        'BEGIN { print (to - from >= 4 ? "yes" : to - from " s") }')" "1.7 MB at 100 kB/s take at least 4 s"
    tool kafka-configs --alter --entity-type clients --entity-name greedy --delete-config producer_byte_rate
}

# All that broker 1 has goes to broker 4, which has two disks, as the tool proposes it.
adds_a_broker() {
    local proposed
    write_cluster_broker 4 "${PORTS[0]}" "${PORTS[4]}"
    sed -i "s,^log.dirs=.*,&\,$CLUSTER_DIR/broker-4.second," "$CLUSTER_DIR/broker-4.properties"
    starts 4
    tool kafka-topics --list
    sed 's/.*/{"topic":"&"}/' "$PRINTED" | paste -sd , | sed 's/.*/{"version":1,"topics":[&]}/' \
        >"$CLUSTER_DIR/topics.json"
    tool kafka-reassign-partitions --generate --topics-to-move-json-file "$CLUSTER_DIR/topics.json" \
        --broker-list 2,3,4
    proposed=$(sed -n '/^Proposed/,$p' "$PRINTED" | grep '^{')
    echo "$proposed" >"$CLUSTER_DIR/moves.json"
    tool kafka-reassign-partitions --execute --reassignment-json-file "$CLUSTER_DIR/moves.json" \
        --throttle $((20 * THROTTLE_BYTES_PER_S))
    moves_are_over
    wait_until "$PATIENCE_SECONDS" "for broker 1 to delete its replicas" has_no_replica 1 '*-[0-9]*'
    tool kafka-log-dirs --describe --broker-list 4
    printed "\"partition\":\"$LEDGER-"
    ledger_goes_on
}

# What is written into the directory fails, as on a disk that is worn out.
fails_a_disk() {
    local disk=$CLUSTER_DIR/broker-4.second calls=openat,write,pwrite64,fsync,fdatasync,rename,renameat2 strace
    strace -f -qq -o "$CLUSTER_DIR/strace" -p "$(cat "$CLUSTER_DIR/broker-4.pid")" \
        -P "$disk/replication-offset-checkpoint" -P "$disk/replication-offset-checkpoint.tmp" \
        -e "trace=$calls" -e "inject=$calls:error=EIO" 7>&- 8<&- &
    strace=$!
    wait_until "$PATIENCE_SECONDS" "for the replicas of the disk to be out of sync" \
        is_listed --under-replicated-partitions Topic || { kill "$strace" && return 1; }
    kill "$strace"
    nothing_is_listed --unavailable-partitions
    tool kafka-log-dirs --describe --broker-list 4
    printed "KafkaStorageException"
    ledger_goes_on
    ends 4 TERM
    # A new disk is an empty one. What the broker has said of the old one is as it has to be.
    rm -r "$disk" && mkdir "$disk"
    mv "$CLUSTER_DIR/broker-4.log" "$CLUSTER_DIR/of-the-disk.log"
    starts 4
    wait_until "$PATIENCE_SECONDS" "for all replicas to be in sync" all_are_in_sync
}

removes_a_broker() {
    refused "Broker ID 9 is not currently registered" kafka-cluster unregister --id 9
    ends 1 TERM
    tool kafka-cluster unregister --id 1
    tool kafka-cluster list-endpoints --include-fenced-brokers
    expect "2 3 4" "$(awk '$1 ~ /^[0-9]+$/ { print $1 }' "$PRINTED" | sort | xargs)" "brokers that are registered"
    nothing_is_listed --under-replicated-partitions
    ledger_goes_on
}

deletes_a_topic() {
    tool kafka-topics --delete --topic small
    wait_until "$PATIENCE_SECONDS" "for all to delete their replicas" no_broker_has small-0
    tool kafka-topics --list
    not_printed small
}

stops_all() {
    tool kafka-topics --describe
    awk -F '\t' '$2 ~ /^Topic: / { split($2, topic, " "); split($3, partition, " "); split($5, replicas, " ")
        print topic[2] "-" partition[2], replicas[2] }' "$PRINTED" >"$CLUSTER_DIR/placement"
    tools_stop
    CLUSTER_BROKERS="2 3 4" cluster_stop
}

replicas_agree() {
    python3 "$cluster_top/tests/clients/replicas.py" "$CLUSTER_DIR" "$CLUSTER_DIR/placement"
}

nothing_went_wrong() {
    if grep -nE -A 3 'panicked| ERROR ' "$CLUSTER_DIR"/broker-*.log; then
        return 1
    fi
}

# What the steps are made of.

address_of() {
    echo "127.0.0.1:${PORTS[$1]}"
}

# ends BROKER SIGNAL
ends() {
    local pid
    pid=$(cat "$CLUSTER_DIR/broker-$1.pid")
    kill "-$2" "$pid"
    wait_for_end "$pid" "$PATIENCE_SECONDS" || { echo "broker $1 does not end by SIG$2" >&2 && return 1; }
    rm "$CLUSTER_DIR/broker-$1.pid"
}

starts() {
    cluster_broker_start "$1"
    cluster_broker_await "$1"
}

# writes TOPIC COUNT: with acks=all, as far as these are in sync.
writes() {
    tool kafka-producer-perf-test --topic "$1" --num-records "$2" --record-size 10 --throughput -1 \
        --command-property acks=all
    printed "$2 records sent"
    not_printed Exception
}

end_of() {
    tool kafka-get-offsets --topic "$1" | awk -F : '{ records += $3 } END { print records }'
}

# assignment PARTITION...: the file of a reassignment.
assignment() {
    local IFS=,
    echo "{\"version\":1,\"partitions\":[$*]}" >"$CLUSTER_DIR/moves.json"
}

moves_are_over() {
    wait_until "$PATIENCE_SECONDS" "for the moves to be over" verified
}

verified() {
    tool kafka-reassign-partitions --verify --reassignment-json-file "$CLUSTER_DIR/moves.json" >/dev/null
    ! grep -q 'still in progress' "$PRINTED"
}

# has_no_replica BROKER PATTERN: in no directory of its; what is to be removed has another ending.
has_no_replica() {
    [ -z "$(find "$CLUSTER_DIR/broker-$1" -mindepth 1 -maxdepth 1 -name "$2" ! -name '*-delete')" ]
}

no_broker_has() {
    has_no_replica 2 "$1" && has_no_replica 3 "$1" && has_no_replica 4 "$1"
}

# is_listed OPTION TEXT: kafka-topics lists such partitions, and one of them has the text.
is_listed() {
    tool kafka-topics --describe "$1" >/dev/null
    grep -q "$2" "$PRINTED"
}

nothing_is_listed() {
    tool kafka-topics --describe "$1" >/dev/null
    expect "" "$(head -n 3 "$PRINTED")" "what is listed by $1"
}

all_are_in_sync() {
    tool kafka-topics --describe --under-replicated-partitions >/dev/null && [ ! -s "$PRINTED" ]
}

has_leader() {
    tool kafka-topics --describe --topic "$1" >/dev/null
    printed "Leader: $2"
}

has_other_leaders() {
    [ -n "$(leaders_that_are_not_preferred)" ]
}

# The preferred leader of a partition is the first of its replicas.
leaders_that_are_not_preferred() {
    tool kafka-topics --describe | awk -F '\t' '$2 ~ /^Topic: / {
        split($4, leader, " "); split($5, replicas, /[ ,]/)
        if (leader[2] != replicas[2]) print $2, $3, $4, $5 }'
}
