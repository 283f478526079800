# shellcheck shell=bash
# The steps of an operator's day that are about users, their rights, and nodes that nobody trusts; to be sourced after
# secure.sh and day_steps.sh.

SCRAM=SCRAM-SHA-512
BAD_LOGIN="invalid credentials with SASL mechanism $SCRAM"
NOT_SIGNED="the certificate of the node is not signed by an authority"
STRANGER=5

makes_a_user() {
    local id
    write_login alice alice-secret
    for id in 1 2 3; do
        cannot_log_in "$id" alice
    done
    BROKERS=$(address_of 2) tool kafka-configs --alter --entity-type users --entity-name alice \
        --add-config "$SCRAM=[password=alice-secret]"
    for id in 1 2 3; do
        wait_until "$PATIENCE_SECONDS" "for alice to log in at broker $id" logs_in "$id" alice
    done
    refuses_another_password
    tool kafka-configs --describe --entity-type users --entity-name alice
    printed "$SCRAM=iterations=4096"
}

refuses_another_password() {
    local id
    sed 's/alice-secret/a-guess/' "$CLUSTER_DIR/alice.properties" >"$CLUSTER_DIR/somebody.properties"
    for id in 1 2 3; do
        cannot_log_in "$id" somebody
    done
}

logs_in() {
    BROKERS=$(address_of "$1") as "$2" tool kafka-broker-api-versions
}

cannot_log_in() {
    BROKERS=$(address_of "$1") as "$2" refused "$BAD_LOGIN" kafka-broker-api-versions
}

# Each broker leads one of the topics.
refuses_without_rights() {
    tool kafka-topics --create --topic guarded-1 --replica-assignment 1:2
    tool kafka-topics --create --topic guarded-2 --replica-assignment 2:3
    tool kafka-topics --create --topic guarded-3 --replica-assignment 3:1
    may_not_write guarded-1 guarded-2 guarded-3
    may_not_read guarded-1 hers "Not authorized to access topics: [guarded-1]"
    as alice refused "Authorization failed" kafka-topics --create --topic hers --partitions 1
    as alice refused "Topic 'guarded-1' does not exist" kafka-topics --describe --topic guarded-1
    may_not_manage
}

# What a broker decides, and what it hands on.
may_not_manage() {
    local denied=ClusterAuthorizationException
    as alice refused "$denied" kafka-acls --list
    as alice refused "$denied" \
        kafka-configs --alter --entity-type brokers --entity-default --add-config log.segment.bytes=3000000
    as alice refused "$denied" \
        kafka-configs --alter --entity-type users --entity-name admin --add-config "$SCRAM=[password=hers]"
    as alice refused "$denied" kafka-cluster unregister --id 1
}

gives_rights() {
    local topic
    BROKERS=$(address_of 1) tool kafka-acls --add --allow-principal User:alice --producer \
        --topic guarded- --resource-pattern-type prefixed
    BROKERS=$(address_of 2) tool kafka-acls --add --allow-principal User:alice --consumer \
        --topic guarded- --group hers --resource-pattern-type prefixed
    for topic in guarded-1 guarded-2 guarded-3; do
        wait_until "$PATIENCE_SECONDS" "for alice to write $topic" may_write "$topic"
        reads "$topic" hers
    done
    has_no_other_rights
}

has_no_other_rights() {
    may_not_write "$LEDGER"
    may_not_read small hers "Not authorized to access topics: [small]"
    may_not_read guarded-1 readers "Not authorized to access group: readers"
    as alice refused TopicAuthorizationException kafka-topics --delete --topic guarded-1
    may_not_manage
}

takes_a_right() {
    local topic
    BROKERS=$(address_of 3) tool kafka-acls --remove --force --allow-principal User:alice --operation Write \
        --topic guarded- --resource-pattern-type prefixed
    for topic in guarded-1 guarded-2 guarded-3; do
        wait_until "$PATIENCE_SECONDS" "for alice not to write $topic" may_not_write "$topic"
        reads "$topic" "hers-$topic"
    done
}

# After all brokers have been restarted.
keeps_users_and_rights() {
    local id
    for id in 1 2 3; do
        logs_in "$id" alice
    done
    refuses_another_password
    may_not_write guarded-1 guarded-2 guarded-3 "$LEDGER"
    reads guarded-1 hers-again
    has_no_other_rights
    tool kafka-acls --list --principal User:alice
    expect 0 "$(grep -c operation=WRITE "$PRINTED" || true)" "what alice may write"
}

removes_a_user() {
    local id
    BROKERS=$(address_of 1) tool kafka-configs --alter --entity-type users --entity-name alice --delete-config "$SCRAM"
    for id in 1 2 3; do
        wait_until "$PATIENCE_SECONDS" "for alice not to log in at broker $id" cannot_log_in "$id" alice
    done
}

# may_write TOPIC: ten records, as alice.
may_write() {
    as alice tool kafka-producer-perf-test --topic "$1" --num-records 10 --record-size 10 --throughput -1 \
        --command-property acks=all
    printed "10 records sent" && not_printed Exception
}

# Not idempotent, or it would fail before it asks the leader.
may_not_write() {
    local topic
    for topic in "$@"; do
        as alice refused TopicAuthorizationException kafka-producer-perf-test --topic "$topic" --num-records 1 \
            --record-size 10 --throughput -1 --command-property enable.idempotence=false
    done
}

# reads TOPIC GROUP: the ten, as alice.
reads() {
    as alice tool kafka-consumer-perf-test --topic "$1" --num-records 10 --group "$2" --timeout 20000
    not_printed "Exiting before consuming"
}

# may_not_read TOPIC GROUP TEXT
may_not_read() {
    as alice refused "$3" kafka-consumer-perf-test --topic "$1" --num-records 1 --group "$2" --timeout 5000
}

# A broker whose keys and whose trust are of another authority does not come as far as to say who it is.
distrusts_the_controller() {
    write_stranger
    sed -i "s,/store-of-ca.pem,/store-of-other.pem,; s,/ca.pem,/other.pem," \
        "$CLUSTER_DIR/broker-$STRANGER.properties"
    cluster_broker_start "$STRANGER"
    wait_until "$PATIENCE_SECONDS" "for it to say whom it does not trust" \
        its_log_says "$STRANGER" "listener CONTROLLER (SASL_SSL): $NOT_SIGNED of " \
        "ssl.truststore.location"
    ends "$STRANGER" TERM
    tool kafka-cluster list-endpoints --include-fenced-brokers
    expect "1 2 3" "$(awk '$1 ~ /^[0-9]+$/ { print $1 }' "$PRINTED" | sort | xargs)" "brokers that are registered"
}

# One that trusts, and shows a certificate of another authority to the other brokers: the controller, which asks for
# none, lets it in, but nobody copies what it leads.
is_not_trusted() {
    write_stranger
    echo "listener.name.internal.ssl.keystore.location=$KEYS/store-of-other.pem
replica.lag.time.max.ms=2000" >>"$CLUSTER_DIR/broker-$STRANGER.properties"
    starts "$STRANGER"
    tool kafka-topics --create --topic strange --replica-assignment "$STRANGER:1"
    wait_until "$PATIENCE_SECONDS" "for broker 1 to say whom it does not trust" \
        its_log_says 1 "listener INTERNAL (SASL_SSL): $NOT_SIGNED of " \
        "ssl.truststore.location"
    wait_until "$PATIENCE_SECONDS" "for broker 1 to be out of sync" is_listed --under-min-isr-partitions strange
    tool kafka-topics --delete --topic strange
    wait_until "$PATIENCE_SECONDS" "for it to delete its replica" has_no_replica "$STRANGER" strange-0
    ends "$STRANGER" TERM
    tool kafka-cluster unregister --id "$STRANGER"
}

write_stranger() {
    write_cluster_broker "$STRANGER" "${PORTS[0]}" "${PORTS[$STRANGER]}"
}

# its_log_says BROKER TEXT SETTING: in a line that has both.
its_log_says() {
    grep -F "$2" "$CLUSTER_DIR/broker-$1.log" | grep -qF "$3"
}
