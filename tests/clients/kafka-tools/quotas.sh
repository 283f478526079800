# Steps of kafka-configs that set quotas; sourced by run.sh.

quota_steps() {
    step "kafka-configs: quotas of a client id" client_quotas
    step "kafka-configs: quotas of all other client ids" default_quotas
    step "kafka-configs: quotas of users, and of client ids of users" user_quotas
    step "kafka-configs: a client beyond its quota is slowed down" throttled
    step "kafka-configs: quotas that are not here are refused" wrong_quotas_are_refused
    step "kafka-configs: delete quotas" delete_quotas
}

client_quotas() {
    kafka-configs --alter --client tools-slow \
        --add-config producer_byte_rate=50000,consumer_byte_rate=150000
    expect_quotas --client tools-slow "Quota configs for client-id 'tools-slow' are\
 consumer_byte_rate=150000.0, producer_byte_rate=50000.0"
    kafka-configs --alter --client tools-slow --add-config consumer_byte_rate=100000
    expect_quotas --client tools-slow "Quota configs for client-id 'tools-slow' are\
 consumer_byte_rate=100000.0, producer_byte_rate=50000.0"
}

# expect_quotas OPTION... TEXT: what is described, of what the options name. The tool has its lines in
# the order of a hash.
expect_quotas() {
    kafka-configs --describe "${@:1:$#-1}" >"$WORK/quotas"
    expect "$(sort <<<"${!#}")" "$(sort "$WORK/quotas")" "the quotas"
}

# So large that it is none for the clients that run beside.
default_quotas() {
    kafka-configs --alter --client-defaults --add-config producer_byte_rate=2000000000
    expect_quotas --client-defaults \
        "Quota configs for the default client-id are producer_byte_rate=2.0E9"
    expect_quotas --entity-type clients "Quota configs for client-id 'tools-slow' are\
 consumer_byte_rate=100000.0, producer_byte_rate=50000.0
Quota configs for the default client-id are producer_byte_rate=2.0E9"
}

# All clients here are the user ANONYMOUS, whose quotas are removed before they could slow one down.
user_quotas() {
    local quota=producer_byte_rate=2000000000
    kafka-configs --alter --user alice --add-config "$quota"
    kafka-configs --alter --user alice --client c --add-config "$quota"
    kafka-configs --alter --user "CN=alice, OU=x" --client-defaults --add-config "$quota"
    kafka-configs --alter --user-defaults --client c --add-config "$quota"
    expect_quotas --user alice --client c \
        "Quota configs for user-principal 'alice', client-id 'c' are producer_byte_rate=2.0E9"
    expect_quotas --entity-type users --entity-type clients \
        "Quota configs for the default user-principal, client-id 'c' are producer_byte_rate=2.0E9
Quota configs for user-principal 'CN=alice, OU=x', the default client-id are\
 producer_byte_rate=2.0E9
Quota configs for user-principal 'alice', client-id 'c' are producer_byte_rate=2.0E9"
    kafka-configs --alter --user alice --delete-config producer_byte_rate
    kafka-configs --alter --user alice --client c --delete-config producer_byte_rate
    kafka-configs --alter --user "CN=alice, OU=x" --client-defaults \
        --delete-config producer_byte_rate
    kafka-configs --alter --user-defaults --client c --delete-config producer_byte_rate
    expect_quotas --entity-type users --entity-type clients ""
}

# A client may be as fast as it likes until it has sent, or got, as much as its quota allows in ten
# seconds. The broker tells it how long it must wait then; another client need not wait.
throttled() {
    kafka-topics --create --topic tools-throttled --partitions 1
    expect_throttled no kafka-producer-perf-test --topic tools-throttled --num-records 6000 \
        --record-size 100 --throughput -1 --command-property client.id=tools-fast
    expect_throttled yes kafka-producer-perf-test --topic tools-throttled --num-records 6000 \
        --record-size 100 --throughput -1 --command-property client.id=tools-slow
    expect_throttled no kafka-consumer-perf-test --topic tools-throttled --num-records 12000 \
        --command-property client.id=tools-fast
    expect_throttled yes kafka-consumer-perf-test --topic tools-throttled --num-records 12000 \
        --command-property client.id=tools-slow
    kafka-get-offsets --topic tools-throttled >"$WORK/offsets"
    expect tools-throttled:0:12000 "$(cat "$WORK/offsets")" "records"
}

# expect_throttled yes|no TOOL ARGUMENT...: by the longest time for which the client had to wait.
expect_throttled() {
    local wanted=$1 longest
    shift
    "$@" --print-metrics >"$WORK/metrics"
    longest=$(sed -nE 's/.*-throttle-time-max:.* : ([0-9.]+)$/\1/p' "$WORK/metrics")
    echo "the longest wait of $*: $longest ms"
    expect "$wanted" "$(awk -v ms="$longest" 'BEGIN { print (ms > 0) ? "yes" : "no" }')" "throttled"
}

wrong_quotas_are_refused() {
    refused "this broker has no request_percentage" \
        kafka-configs --alter --client tools-slow --add-config request_percentage=10
    refused "producer_byte_rate must be a whole number of at least 1" \
        kafka-configs --alter --client tools-slow --add-config producer_byte_rate=0
    refused "this broker has no controller_mutation_rate" \
        kafka-configs --alter --user someone --add-config controller_mutation_rate=10
    refused "quotas per ip are not supported, only per user and client-id" \
        kafka-configs --alter --ip 127.0.0.1 --add-config connection_creation_rate=10
    expect_quotas --client tools-slow "Quota configs for client-id 'tools-slow' are\
 consumer_byte_rate=100000.0, producer_byte_rate=50000.0"
}

delete_quotas() {
    kafka-configs --alter --client tools-slow --delete-config consumer_byte_rate
    expect_quotas --client tools-slow \
        "Quota configs for client-id 'tools-slow' are producer_byte_rate=50000.0"
    kafka-configs --alter --client tools-slow --delete-config producer_byte_rate
    kafka-configs --alter --client-defaults --delete-config producer_byte_rate
    expect_quotas --entity-type clients ""
}
