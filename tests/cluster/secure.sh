# shellcheck shell=bash
# Who may reach a cluster that is secured from its first start, and how; to be sourced after brokers.sh, whose
# write_cluster_broker is replaced here, and after security.sh.
#
# All is SASL_SSL with SCRAM-SHA-512. Controller and brokers are the user `node` to each other, and whoever uses the
# tools is `admin`: these two are made with the metadata log, and may do everything. What others may do is in ACLs.
#
# Set before: CLUSTER_DIR  a directory for this cluster     INTERNAL_PORTS  of broker N, where others copy from it

KEYS=$CLUSTER_DIR/keys
CONTROLLER_USERS="SCRAM-SHA-512=[name=node,password=node-secret] SCRAM-SHA-512=[name=admin,password=admin-secret]"
COMMAND_CONFIG=$CLUSTER_DIR/admin.properties

make_cluster_keys() {
    local authority
    mkdir "$KEYS"
    for authority in ca other; do
        make_authority "$KEYS" "$authority"
        make_certificate "$KEYS" "$authority" "node-of-$authority" ec
        cat "$KEYS/node-of-$authority.key" "$KEYS/node-of-$authority.pem" >"$KEYS/store-of-$authority.pem"
    done
}

secure_controller() {
    CONTROLLER_SETTINGS+="
listener.security.protocol.map=CONTROLLER:SASL_SSL
listener.name.controller.sasl.enabled.mechanisms=SCRAM-SHA-512
$(print_node_security ca)"
}

# write_cluster_broker ID CONTROLLER_PORT PORT
write_cluster_broker() {
    cat >"$CLUSTER_DIR/broker-$1.properties" <<END
process.roles=broker
node.id=$1
controller.quorum.bootstrap.servers=127.0.0.1:$2
controller.listener.names=CONTROLLER
listeners=INTERNAL://127.0.0.1:${INTERNAL_PORTS[$1]},CLIENTS://127.0.0.1:$3
listener.security.protocol.map=CONTROLLER:SASL_SSL,INTERNAL:SASL_SSL,CLIENTS:SASL_SSL
inter.broker.listener.name=INTERNAL
log.dirs=$CLUSTER_DIR/broker-$1
offsets.topic.replication.factor=3
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.internal.scram-sha-512.sasl.jaas.config=$(scram_login node node-secret)
$(print_node_security ca)
$CLUSTER_BROKER_SETTINGS
END
}

# print_node_security AUTHORITY: of a controller and of a broker; who vouches for it is whom it trusts.
print_node_security() {
    cat <<END
ssl.keystore.type=PEM
ssl.keystore.location=$KEYS/store-of-$1.pem
ssl.truststore.type=PEM
ssl.truststore.location=$KEYS/$1.pem
sasl.mechanism.controller.protocol=SCRAM-SHA-512
listener.name.controller.scram-sha-512.sasl.jaas.config=$(scram_login node node-secret)
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:node;User:admin
END
}

# write_login USER PASSWORD: the file of settings by which the tools log in as this user.
write_login() {
    cat >"$CLUSTER_DIR/$1.properties" <<END
security.protocol=SASL_SSL
ssl.truststore.type=PEM
ssl.truststore.location=$KEYS/ca.pem
sasl.mechanism=SCRAM-SHA-512
sasl.jaas.config=$(scram_login "$1" "$2")
END
}

scram_login() {
    echo "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"$1\" password=\"$2\";"
}

# as USER COMMAND...: the tools of the command log in as this user.
as() {
    local COMMAND_CONFIG=$CLUSTER_DIR/$1.properties
    shift
    "$@"
}
