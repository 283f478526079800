# shellcheck shell=bash
# A producer that writes all day, and the count of what it wrote; to be sourced after tools.sh.
#
# It is Kafka's console producer: idempotent, acks=all. What it is given are the numbers from 1 on, each with one of
# some keys, so a record that is missing, there twice or out of order shows.

LEDGER=ledger
LEDGER_KEYS=50

ledger_start() {
    rm -f "$CLUSTER_DIR/ledger.over"
    ledger_numbers 2>/dev/null 7>&- 8<&- | (console_producer --message-send-max-retries 2147483647 \
        --command-property delivery.timeout.ms=600000 --command-property linger.ms=5) \
        >"$CLUSTER_DIR/ledger.log" 2>&1 7>&- 8<&- &
    echo "$!" >"$CLUSTER_DIR/ledger.pid"
}

# console_producer OPTION...: with acks=all, and in the place of the shell that calls it.
console_producer() {
    # shellcheck disable=SC2086 # Several flags.
    exec java $CONTROLLER_JVM_FLAGS -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$KAFKA_JARS/*" \
        org.apache.kafka.tools.ConsoleProducer --bootstrap-server "$BROKERS" \
        --command-config "$COMMAND_CONFIG" --topic "$LEDGER" \
        --reader-property parse.key=true --reader-property key.separator=: --command-property acks=all "$@"
}

# ledger_refuses TEXT: what a producer is told that does not try again.
ledger_refuses() {
    local said=$CLUSTER_DIR/refused producer status=0
    (console_producer --message-send-max-retries 0 --command-property enable.idempotence=false) \
        <<<"no:0" >"$said" 2>&1 7>&- 8<&- &
    producer=$!
    wait_until "$PATIENCE_SECONDS" "for a producer to be refused with $1" grep -q "$1" "$said" || status=1
    # It may wait for ever for brokers that are gone.
    kill -KILL "$producer" 2>/dev/null || true
    return "$status"
}

# A thousand a second, as long as nobody ends it.
ledger_numbers() {
    local number=0 until
    while [ ! -e "$CLUSTER_DIR/ledger.over" ]; do
        for ((until = number + 50; number < until; )); do
            number=$((number + 1))
            echo "$((number % LEDGER_KEYS)):$number"
        done
        echo "$number" >"$CLUSTER_DIR/ledger.count"
        sleep 0.05
    done
}

# Waits for the producer: it ends when all that it was given is acknowledged.
ledger_stop() {
    touch "$CLUSTER_DIR/ledger.over"
    wait "$(cat "$CLUSTER_DIR/ledger.pid")" || echo "the producer has failed: $(tail -n 3 "$CLUSTER_DIR/ledger.log")"
    rm "$CLUSTER_DIR/ledger.pid"
}

# ledger_goes_on: records come in now.
ledger_goes_on() {
    local before
    before=$(ledger_end)
    wait_until "$PATIENCE_SECONDS" "for records behind the first $before of $LEDGER" ledger_is_beyond "$before"
}

ledger_is_beyond() {
    [ "$(ledger_end)" -gt "$1" ]
}

# ledger_end: how many records are in the topic.
ledger_end() {
    tool kafka-get-offsets --topic "$LEDGER" | awk -F : '{ records += $3 } END { print records + 0 }'
}

ledger_is_whole() {
    local count end
    count=$(cat "$CLUSTER_DIR/ledger.count") end=$(ledger_end)
    expect "$count" "$end" "records in the topic"
    kafka org.apache.kafka.tools.consumer.ConsoleConsumer --bootstrap-server "$BROKERS" \
        --command-config "$COMMAND_CONFIG" --topic "$LEDGER" --from-beginning --max-messages "$end" --timeout-ms 30000 --formatter-property print.key=true \
        --formatter-property key.separator=: >"$CLUSTER_DIR/ledger.read" 2>"$CLUSTER_DIR/ledger.consumer"
    awk -F : -v count="$count" -v keys="$LEDGER_KEYS" '
        { seen[$2]++ }
        $1 != $2 % keys { print "number " $2 " has key " $1; faults++ }
        $2 <= last[$1] { print "number " $2 " comes after " last[$1]; faults++ }
        { last[$1] = $2 }
        END {
            for (number = 1; number <= count; number++)
                if (seen[number] != 1) { print "number " number " is there " seen[number] + 0 " times"; faults++ }
            print count " numbers, " faults + 0 " faults"
            exit faults > 0
        }' "$CLUSTER_DIR/ledger.read" >"$CLUSTER_DIR/ledger.faults" || {
        tail -n 5 "$CLUSTER_DIR/ledger.faults" >&2
        return 1
    }
}
