# Steps of the tools over SASL_SSL; sourced by run.sh. They are run against a broker of their own, which
# has an authorizer. Alice is its super user, whom `transferto add-scram` has made; she makes bob.

BOB_PASSWORD=bobs-secret

security_steps() (
    beside secured
    source ../security.sh
    choose_listeners
    enter_way sasl-ssl-scram-512
    BROKER_PROPERTIES=$RUN_DIR/broker.properties
    step "start a broker with SASL_SSL and an authorizer" start_secured
    step "kafka-configs: make a user of SCRAM over SASL_SSL" make_bob
    step "kafka-acls: allow the user one topic and one group" allow_bob
    step "console tools: what the user may do works over SASL_SSL" bob_may
    step "console tools: what the user may not do is refused" bob_may_not
    step "kafka-topics: a wrong password is refused" wrong_password_is_refused
    step "kafka-configs: a user that was removed is refused" removed_user_is_refused
    step "stop the broker with SASL_SSL" other_stops_cleanly
)

start_secured() {
    write_broker_properties "$BROKER_PROPERTIES"
    printf '%s\n' "$AUTHORIZER" super.users=User:alice >>"$BROKER_PROPERTIES"
    add_users
    broker_start
}

# as USER TOOL ARGUMENT...
as() {
    local user=$1 password=$BOB_PASSWORD tool=$2
    shift 2
    case $user in
        alice) password=$ALICE_PASSWORD ;;
        nobody) user=bob password=wrong ;;
    esac
    SASL_USERNAME=$user SASL_PASSWORD=$password
    write_client_files
    "$tool" --command-config "$CLIENT_PROPERTIES" "$@"
}

make_bob() {
    as alice kafka-configs --alter --entity-type users --entity-name bob \
        --add-config "SCRAM-SHA-512=[iterations=8192,password=$BOB_PASSWORD]"
    as alice kafka-configs --describe --entity-type users --entity-name bob >"$WORK/bob"
    has "$WORK/bob" "SCRAM credential configs for user-principal 'bob' are SCRAM-SHA-512=iterations=8192"
    expect 0 "$(grep -c "$BOB_PASSWORD" "$WORK/bob" || true)" "places that show the password"
}

allow_bob() {
    as alice kafka-topics --create --topic tools-open --partitions 1
    as alice kafka-topics --create --topic tools-closed --partitions 1
    as alice kafka-acls --add --allow-principal User:bob --producer --topic tools-open
    as alice kafka-acls --add --allow-principal User:bob --consumer --topic tools-open \
        --group tools-readers
}

bob_may() {
    lines 1 100 | as bob kafka-console-producer --topic tools-open
    as bob read_all_of tools-open 100 --group tools-readers >"$WORK/lines"
    expect_same_file <(lines 1 100) "$WORK/lines"
    as bob kafka-topics --list >"$WORK/list"
    same tools-open "$WORK/list"
}

# read_all_of --command-config FILE TOPIC COUNT ARGUMENT...
read_all_of() {
    read_all "$3" "$4" "$1" "$2" "${@:5}"
}

bob_may_not() {
    refused "Not authorized to access topics: [tools-closed]" \
        as bob kafka-console-producer --topic tools-closed <<<"a record"
    refused "Not authorized to access group: tools-others" \
        as bob read_all_of tools-open 1 --group tools-others
    refused "TopicAuthorizationException" as bob kafka-topics --delete --topic tools-open
    refused "ClusterAuthorizationException" as bob kafka-acls --list
}

wrong_password_is_refused() {
    refused "SaslAuthenticationException: Authentication failed" as nobody kafka-topics --list
}

removed_user_is_refused() {
    as alice kafka-configs --alter --entity-type users --entity-name bob --delete-config SCRAM-SHA-512
    refused "SaslAuthenticationException: Authentication failed" as bob kafka-topics --list
}
