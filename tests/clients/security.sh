# How a client reaches the broker, in each of the ways that there are; to be sourced after lib.sh.
#
# make_keys makes keys and certificates, write_broker_properties the settings of a broker that listens
# in all ways at once. enter_way says to the clients which way they take: they find in their environment
#
#   BROKER             host:port of the listener
#   SECURITY_PROTOCOL  PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL
#   SASL_MECHANISM     PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, with SASL_USERNAME and SASL_PASSWORD
#   TLS_CA             a file with the certificate of who vouches for the broker
#   TLS_CERTIFICATE    a file with the client's own certificate, and TLS_KEY one with its key
#   CLIENT_PROPERTIES  a file with all of that as the settings of a client in Java
#   LIBRDKAFKA_CONF    the same for librdkafka
#
# each of them empty where the way has no such thing.

# The ways, the columns of the page's second table: the listener and the mechanism, or `certificate`
# where the client must have one.
#
# The clients go through all of their steps in these, and through a few of them in the others.
WAYS_WITH_ALL_STEPS="ssl sasl-ssl-scram-512"
WAYS_WITH_FEW_STEPS="ssl-certificate sasl-plain sasl-scram-256 sasl-scram-512"
WAYS_WITH_FEW_STEPS+=" sasl-ssl-plain sasl-ssl-scram-256"
WAYS="$WAYS_WITH_ALL_STEPS $WAYS_WITH_FEW_STEPS"

# What continuous integration runs: every way of the two whose code most programs use, the newest client
# in Java and librdkafka, and one way of each other client.
CLIENTS_WITH_ALL_WAYS="java-4 confluent-kafka"
SMOKE_WAY=sasl-ssl-scram-256
SMOKE_WAY_WITHOUT_SASL=ssl-certificate

LISTENERS="PLAINTEXT SSL MUTUAL SASL_PLAINTEXT SASL_SSL"
export ALICE=alice
export ALICE_PASSWORD='a \secret of alice'
STORE_PASSWORD=store-secret

# make_keys DIRECTORY: what the broker and the clients show each other. `ca` vouches for both,
# `other` is one that nobody has asked for.
make_keys() {
    local keys=$1 who
    mkdir -p "$keys"
    for who in ca other; do
        make_authority "$keys" "$who"
    done
    make_certificate "$keys" ca broker rsa:2048
    make_certificate "$keys" ca client ec
    make_certificate "$keys" other stranger ec
    cat "$keys/broker.key" "$keys/broker.pem" >"$keys/broker-with-key.pem"
    make_stores "$keys"
}

# make_authority DIRECTORY NAME
make_authority() {
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$2" \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout "$1/$2.key" -out "$1/$2.pem"
}

# make_certificate DIRECTORY AUTHORITY NAME KIND
make_certificate() {
    local keys=$1 authority=$2 name=$3 kind=(-newkey "$4")
    [ "$4" != ec ] || kind=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1)
    openssl req -x509 "${kind[@]}" -nodes -days 2 -subj "/CN=$name" \
        -CA "$keys/$authority.pem" -CAkey "$keys/$authority.key" \
        -addext basicConstraints=critical,CA:FALSE \
        -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$keys/$name.key" -out "$keys/$name.pem"
}

# The same as the stores of Java, all of the kind JKS: every client in Java reads that by default.
make_stores() {
    local keys=$1 who
    for who in ca other; do
        keytool -importcert -noprompt -storetype JKS -alias "$who" -file "$keys/$who.pem" \
            -keystore "$keys/$who.jks" -storepass "$STORE_PASSWORD"
    done
    for who in client stranger; do
        openssl pkcs12 -export -name "$who" -in "$keys/$who.pem" -inkey "$keys/$who.key" \
            -out "$keys/$who.p12" -passout "pass:$STORE_PASSWORD"
        keytool -importkeystore -noprompt -srcstoretype PKCS12 -deststoretype JKS \
            -srckeystore "$keys/$who.p12" -srcstorepass "$STORE_PASSWORD" \
            -destkeystore "$keys/$who.jks" -deststorepass "$STORE_PASSWORD"
    done
}

# choose_listeners: exports ADDRESS_PLAINTEXT and so on, the address of each listener.
choose_listeners() {
    local listener ports=" " port
    for listener in $LISTENERS; do
        port=$(free_port)
        while [[ $ports == *" $port "* ]]; do
            port=$(free_port)
        done
        ports+="$port "
        export "ADDRESS_$listener=127.0.0.1:$port"
    done
}

# write_broker_properties FILE
write_broker_properties() {
    local listener listeners= address
    for listener in $LISTENERS; do
        address=ADDRESS_$listener
        listeners+="${listeners:+,}$listener://${!address}"
    done
    cat >"$1" <<END
listeners=$listeners
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,MUTUAL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,\
SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=$KEYS/broker-with-key.pem
ssl.truststore.type=PEM
ssl.truststore.location=$KEYS/ca.pem
listener.name.mutual.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
END
    for listener in sasl_plaintext sasl_ssl; do
        cat >>"$1" <<END
listener.name.$listener.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required \
user_$ALICE=$(jaas_text "$ALICE_PASSWORD" | properties_text);
listener.name.$listener.scram-sha-256.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.$listener.scram-sha-512.sasl.jaas.config=\
org.apache.kafka.common.security.scram.ScramLoginModule required;
END
    done
}

# jaas_text TEXT: in quotation marks, as a JAAS configuration has it.
jaas_text() {
    local text=${1//\\/\\\\}
    printf '"%s"' "${text//\"/\\\"}"
}

# A file of properties takes a backslash for itself.
properties_text() {
    sed 's/\\/\\\\/g'
}

# enter_way WAY: exports what the head of this file says.
enter_way() {
    local listener protocol
    export SASL_MECHANISM= SASL_USERNAME= SASL_PASSWORD=
    export TLS_CA= TLS_CERTIFICATE= TLS_KEY= TLS_TRUSTSTORE= TLS_KEYSTORE=
    case $1 in
        plaintext) listener=PLAINTEXT protocol=PLAINTEXT ;;
        ssl) listener=SSL protocol=SSL ;;
        ssl-certificate) listener=MUTUAL protocol=SSL ;;
        sasl-ssl-*) listener=SASL_SSL protocol=SASL_SSL ;;
        sasl-*) listener=SASL_PLAINTEXT protocol=SASL_PLAINTEXT ;;
    esac
    case $1 in
        *-plain) SASL_MECHANISM=PLAIN ;;
        *-scram-*) SASL_MECHANISM=SCRAM-SHA-${1##*-} ;;
    esac
    local address=ADDRESS_$listener
    export BROKER=${!address} SECURITY_PROTOCOL=$protocol PLAIN_BROKER=$ADDRESS_PLAINTEXT
    if [ -n "$SASL_MECHANISM" ]; then
        SASL_USERNAME=$ALICE SASL_PASSWORD=$ALICE_PASSWORD
    fi
    case $protocol in
        *SSL) trust ca ;;
    esac
    [ "$1" != ssl-certificate ] || show client
    write_client_files
}

# trust WHO, show WHO: whom the client trusts, and as whom it shows itself.
trust() {
    TLS_CA=$KEYS/$1.pem TLS_TRUSTSTORE=$KEYS/$1.jks
}

show() {
    TLS_CERTIFICATE=$KEYS/$1.pem TLS_KEY=$KEYS/$1.key TLS_KEYSTORE=$KEYS/$1.jks
}

# The ways in which a client is refused.
refusals() {
    case $1 in
        ssl-certificate) echo unknown-authority no-certificate unknown-certificate ;;
        sasl-*) echo wrong-password ;;
    esac
}

# enter_refusal REFUSAL: what the client does wrong, in the way that was entered.
enter_refusal() {
    case $1 in
        unknown-authority) trust other ;;
        no-certificate) TLS_CERTIFICATE='' TLS_KEY='' TLS_KEYSTORE='' ;;
        unknown-certificate) show stranger ;;
        wrong-password) SASL_PASSWORD=wrong ;;
    esac
    write_client_files
}

write_client_files() {
    export CLIENT_PROPERTIES=$RUN_DIR/client.properties LIBRDKAFKA_CONF=$RUN_DIR/librdkafka.conf
    {
        setting security.protocol "$SECURITY_PROTOCOL"
        setting ssl.truststore.location "$TLS_TRUSTSTORE"
        setting ssl.truststore.password "${TLS_TRUSTSTORE:+$STORE_PASSWORD}"
        setting ssl.keystore.location "$TLS_KEYSTORE"
        setting ssl.keystore.password "${TLS_KEYSTORE:+$STORE_PASSWORD}"
        setting ssl.key.password "${TLS_KEYSTORE:+$STORE_PASSWORD}"
        setting sasl.mechanism "$SASL_MECHANISM"
        setting sasl.jaas.config "${SASL_MECHANISM:+$(jaas_config | properties_text)}"
    } >"$CLIENT_PROPERTIES"
    {
        setting security.protocol "$SECURITY_PROTOCOL"
        setting ssl.ca.location "$TLS_CA"
        setting ssl.certificate.location "$TLS_CERTIFICATE"
        setting ssl.key.location "$TLS_KEY"
        setting sasl.mechanism "$SASL_MECHANISM"
        setting sasl.username "$SASL_USERNAME"
        setting sasl.password "$SASL_PASSWORD"
    } >"$LIBRDKAFKA_CONF"
}

setting() {
    [ -z "$2" ] || printf '%s=%s\n' "$1" "$2"
}

jaas_config() {
    local kind=scram.Scram
    [ "$SASL_MECHANISM" != PLAIN ] || kind=plain.Plain
    printf 'org.apache.kafka.common.security.%sLoginModule required username=%s password=%s;' \
        "$kind" "$(jaas_text "$SASL_USERNAME")" "$(jaas_text "$SASL_PASSWORD")"
}

# add_users: the users of SCRAM, for a broker that does not run yet.
add_users() {
    "$TRANSFERTO" add-scram "$BROKER_PROPERTIES" --override "log.dirs=$DATA_DIR" --password-file - \
        "SCRAM-SHA-256=[name=$ALICE]" "SCRAM-SHA-512=[name=$ALICE]" <<<"$ALICE_PASSWORD"
}
