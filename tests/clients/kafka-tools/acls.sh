# Steps of kafka-acls; sourced by run.sh. They are run against a broker of their own, which has an
# authorizer. Everybody is User:ANONYMOUS there: a super user at first, who may do everything; after
# a restart, one who may do what the ACLs say.

AUTHORIZER=authorizer.class.name=kafka.security.auth.SimpleAclAuthorizer

acl_steps() {
    step "kafka-acls: without an authorizer" without_authorizer
    authorizer_steps
}

without_authorizer() {
    refused "No Authorizer is configured" kafka-acls --list
}

authorizer_steps() (
    beside authorizer
    step "start a broker with an authorizer" broker_start \
        --override "$AUTHORIZER" --override super.users=User:ANONYMOUS
    step "kafka-acls: add and list" add_acls
    step "kafka-acls: list those of a principal or a resource" list_some_acls
    step "kafka-acls: wrong requests are refused" wrong_acls_are_refused
    step "kafka-acls: remove" remove_acls
    step "kafka-acls: allow everybody one topic and one group" grant_topics
    step "restart the broker with an authorizer, without super users" restart_without_super_users
    step "kafka-acls: what is allowed works" allowed_works
    step "kafka-acls: what is not allowed is refused" others_are_refused
    step "stop the broker with an authorizer" other_stops_cleanly
)

# Each ACL is added with one kafka-acls; --producer and --consumer stand for several.
add_acls() {
    kafka-acls --add --allow-principal User:alice --operation Read --operation Alter --topic tools-a
    kafka-acls --add --allow-principal User:bob --producer --topic tools- \
        --resource-pattern-type prefixed
    kafka-acls --add --allow-principal User:carol --consumer --topic tools-a --group tools-g
    kafka-acls --add --deny-principal User:eve --deny-host 10.0.0.1 --operation All --cluster
    kafka-acls --list >"$WORK/acls"
    expect_acls "CLUSTER kafka-cluster LITERAL User:eve 10.0.0.1 ALL DENY
GROUP tools-g LITERAL User:carol * READ ALLOW
TOPIC tools- PREFIXED User:bob * CREATE ALLOW
TOPIC tools- PREFIXED User:bob * DESCRIBE ALLOW
TOPIC tools- PREFIXED User:bob * WRITE ALLOW
TOPIC tools-a LITERAL User:alice * ALTER ALLOW
TOPIC tools-a LITERAL User:alice * READ ALLOW
TOPIC tools-a LITERAL User:carol * DESCRIBE ALLOW
TOPIC tools-a LITERAL User:carol * READ ALLOW"
}

# expect_acls LINES: what is listed, one line for an ACL.
expect_acls() {
    sed -nE '
        s/.*resourceType=(.*), name=(.*), patternType=(.*)\).*/\1 \2 \3/p
        s/.*principal=(.*), host=(.*), operation=(.*), permissionType=(.*)\).*/ \1 \2 \3 \4/p
    ' "$WORK/acls" | awk '/^[A-Z]/ { resource = $0; next } { print resource $0 }' | sort \
        >"$WORK/listed"
    expect "$1" "$(cat "$WORK/listed")" "the ACLs"
}

list_some_acls() {
    kafka-acls --list --principal User:alice >"$WORK/acls"
    expect_acls "TOPIC tools-a LITERAL User:alice * ALTER ALLOW
TOPIC tools-a LITERAL User:alice * READ ALLOW"
    kafka-acls --list --group tools-g >"$WORK/acls"
    expect_acls "GROUP tools-g LITERAL User:carol * READ ALLOW"
    kafka-acls --list --topic tools-b --resource-pattern-type match >"$WORK/acls"
    expect_acls "TOPIC tools- PREFIXED User:bob * CREATE ALLOW
TOPIC tools- PREFIXED User:bob * DESCRIBE ALLOW
TOPIC tools- PREFIXED User:bob * WRITE ALLOW"
    kafka-acls --list --topic tools-b >"$WORK/acls"
    expect_acls ""
}

wrong_acls_are_refused() {
    local long
    long=$(head -c 1025 /dev/zero | tr '\0' x)
    refused "InvalidRequestException: a name is longer than 1024 bytes" \
        kafka-acls --add --allow-principal User:alice --operation Read --topic "$long"
    refused "InvalidRequestException: a name is longer than 1024 bytes" \
        kafka-acls --add --allow-principal User:alice --allow-host "$long" --operation Read \
        --topic tools-a
    kafka-acls --list --principal User:alice >"$WORK/acls"
    expect_acls "TOPIC tools-a LITERAL User:alice * ALTER ALLOW
TOPIC tools-a LITERAL User:alice * READ ALLOW"
}

remove_acls() {
    kafka-acls --remove --force --allow-principal User:alice --operation Alter --topic tools-a
    kafka-acls --remove --force --topic tools- --resource-pattern-type prefixed
    kafka-acls --remove --force --cluster
    kafka-acls --list >"$WORK/acls"
    expect_acls "GROUP tools-g LITERAL User:carol * READ ALLOW
TOPIC tools-a LITERAL User:alice * READ ALLOW
TOPIC tools-a LITERAL User:carol * DESCRIBE ALLOW
TOPIC tools-a LITERAL User:carol * READ ALLOW"
}

grant_topics() {
    kafka-topics --create --topic tools-open --partitions 1
    kafka-topics --create --topic tools-closed --partitions 1
    kafka-acls --add --allow-principal User:ANONYMOUS --producer --topic tools-open
    kafka-acls --add --allow-principal User:ANONYMOUS --consumer --topic tools-open \
        --group tools-readers
}

restart_without_super_users() {
    broker_stop
    broker_start --override "$AUTHORIZER"
}

allowed_works() {
    lines 1 100 | kafka-console-producer --topic tools-open
    read_all tools-open 100 --group tools-readers >"$WORK/lines"
    expect_same_file <(lines 1 100) "$WORK/lines"
    kafka-topics --list >"$WORK/list"
    same tools-open "$WORK/list"
}

others_are_refused() {
    refused "Not authorized to access topics: [tools-closed]" \
        kafka-console-producer --topic tools-closed <<<"a record"
    refused "Not authorized to access topics: [tools-closed]" \
        read_all tools-closed 1 --group tools-readers
    refused "Not authorized to access group: tools-others" \
        read_all tools-open 1 --group tools-others
    refused "TopicAuthorizationException" kafka-topics --delete --topic tools-open
    refused "ClusterAuthorizationException" kafka-acls --list
}
