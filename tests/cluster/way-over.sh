#!/usr/bin/env bash
# The recipe "From a single node to a cluster" of docs/en/cluster.md, word for word: the files and the commands are
# read from the page, and only the ports and the directories are others. A producer and a group run through all of
# it; at the end every record is there, once.
#
#   tests/cluster/way-over.sh
#
# Environment: TRANSFERTO  the broker's binary (default: target/release/transferto)
#              PORT        the first of seven ports (default: 19092)
#              KEEP        a directory for what is left, for a look at it; else it is removed
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRANSFERTO=$(realpath "${TRANSFERTO:-$here/../../target/release/transferto}")
PAGE=$here/../../docs/en/cluster.md
HEADING="## From a single node to a cluster"
PORT=${PORT:-19092}
WORK=$(mktemp -d "${TMPDIR:-/tmp}/transferto-way-over.XXXXXX")
CLUSTER_DIR=$WORK
# shellcheck source=controller.sh
source "$here/controller.sh"
# shellcheck source=tools.sh
source "$here/tools.sh"
START_SECONDS=90
STOP_SECONDS=30
PARTITIONS=4

main() {
    trap clean_up EXIT
    trap 'exit 1' INT TERM
    require_java
    fetch_kafka
    cd "$WORK"
    take_recipe
    # One JVM for all that they are asked.
    tools_start
    start_single_node
    start_clients
    local step
    for step in steps/*.sh; do
        say "$(cat "${step%.sh}.title")"
        # shellcheck disable=SC1090 # From the page.
        source "$step"
        must_be_written
    done
    stop_clients
    check_records
    check_moved
    check_rights
    check_disks
    say "nothing is lost, nothing is doubled: $(wc -l <sent) records, $SECONDS s"
}

# The blocks of the section: files of settings by the name on the last line before them that has one, and commands,
# each block with the bold words before it.
take_recipe() {
    mkdir steps
    awk -v heading="$HEADING" '
        $0 == heading { inside = 1; next }
        inside && /^##/ { exit }
        !inside { next }
        /^```/ && kind { close(out); kind = ""; next }
        /^```sh/ { kind = "sh"; out = sprintf("steps/%02d.sh", ++count); print title >(substr(out, 1, 8) ".title"); printf "" >out; next }
        # A second block with the same name adds to the first; of a setting that both have the last one counts.
        /^```properties/ { kind = "properties"; out = file; next }
        /^```/ { kind = "other"; out = "/dev/null"; next }
        kind { print >>out; next }
        /^\*\*[0-9]/ { title = $0; gsub(/\*\*/, "", title) }
        match($0, /`[a-z0-9-]+\.properties`/) { file = substr($0, RSTART + 1, RLENGTH - 2) }
    ' "$PAGE"
    local at is to
    for at in 0 1 2 3; do
        is=$((at + 2)) to=$((PORT + at))
        # And the second listener of each broker.
        sed -i "s/127\.0\.0\.1:909$is/127.0.0.1:$to/g; s/\/:909$is\//\/:$to\//g; s/:919$is/:$((to + 4))/g" \
            steps/*.sh ./*.properties
    done
    sed -i "s|/var/lib/|$WORK/|g" steps/*.sh ./*.properties
    # What would make the test slow.
    echo "group.initial.rebalance.delay.ms=0" >>broker-1.properties
    [ "$(ls steps/*.sh | wc -l)" -ge 7 ] || fail "the page has not the steps that were expected"
}

# What the page takes as given: a single node, with something of everything.
start_single_node() {
    grep -vE '^(process.roles|controller\.|node.id)' broker-1.properties >server.properties
    cat >>server.properties <<EOF
broker.id=0
num.partitions=$PARTITIONS
offsets.topic.num.partitions=5
EOF
    say "A single node on two disks, with topics, a group, ACLs, a user of SCRAM and quotas"
    transferto server.properties
    cp transferto.pid single.pid
    local broker=127.0.0.1:$PORT
    kafka-topics.sh --bootstrap-server "$broker" --create --topic orders --partitions "$PARTITIONS" \
        --config retention.ms=604800001 >out.log
    seq 1000 | kcat -b "$broker" -t orders -P -X enable.idempotence=true
    kcat -b "$broker" -G billing orders -X auto.offset.reset=earliest -e -q >/dev/null 2>kcat.log
    kafka-topics.sh --bootstrap-server "$broker" --create --topic payroll --partitions 1 >out.log
    echo secret | kcat -b "$broker" -t payroll -P
    kafka-acls.sh --bootstrap-server "$broker" --add --allow-principal User:alice --operation Read \
        --topic '*' --group billing >out.log
    kafka-acls.sh --bootstrap-server "$broker" --add --deny-principal User:alice --operation All \
        --topic payroll >out.log
    kafka-configs.sh --bootstrap-server "$broker" --alter --entity-type users --entity-name alice \
        --add-config 'SCRAM-SHA-256=[password=alice-secret]' >out.log
    kafka-configs.sh --bootstrap-server "$broker" --alter --entity-type users --entity-name alice \
        --add-config producer_byte_rate=1048576 >out.log
}

# An idempotent producer and a group, which know of nothing.
start_clients() {
    local broker=127.0.0.1:$PORT,127.0.0.1:$((PORT + 1))
    mkfifo numbers
    kcat -E -b "$broker" -t stream -P -X enable.idempotence=true -X acks=all -X linger.ms=5 <numbers 2>producer.log &
    producer=$!
    (
        number=0
        while [ ! -e enough ]; do
            echo $((++number))
            echo "$number" >>sent
            sleep 0.02
        done
    ) >numbers &
    until [ -s sent ] && kcat -b "127.0.0.1:$PORT" -t stream -C -e -q 2>/dev/null | grep -q .; do sleep 0.1; done
    kcat -E -b "$broker" -G readers stream -X auto.offset.reset=earliest -X auto.commit.interval.ms=500 -q -u \
        >received 2>consumer.log &
    consumer=$!
}

# Before a step is done, a record that was sent after it began has to be there.
must_be_written() {
    # While the node is down nothing can be.
    port_is_open || return 0
    local wanted deadline=$((SECONDS + 60))
    wanted=$(tail -n 1 sent)
    until [ "$(sort -n received | tail -n 1)" -ge "$wanted" ] 2>/dev/null; do
        [ "$SECONDS" -lt "$deadline" ] || fail "record $wanted has not come through: $(tail -n 3 producer.log consumer.log)"
        sleep 0.2
    done
    echo "   record $wanted has come through"
}

port_is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null
}

stop_clients() {
    touch enough
    wait "$producer" || fail "the producer has failed: $(tail -n 3 producer.log)"
    must_be_written
    kill -TERM "$consumer"
    wait "$consumer" || true
}

# Every number once, as it lies in the logs; the group has seen all, and has committed that.
check_records() {
    local brokers=127.0.0.1:$PORT,127.0.0.1:$((PORT + 1)),127.0.0.1:$((PORT + 2))
    kcat -b "$brokers" -t stream -C -e -q | sort -n >stored
    diff -q sent stored >/dev/null || fail "sent $(wc -l <sent), stored $(wc -l <stored): $(diff sent stored | head -n 3)"
    sort -nu received | diff -q sent - >/dev/null || fail "the group has not seen all: $(sort -nu received | diff sent - | head -n 3)"
    kafka-consumer-groups.sh --bootstrap-server "127.0.0.1:$PORT" --describe --offsets --group readers >group.after
    # A partition may have got no record at all, and then has no offset either.
    awk -v sent="$(wc -l <sent)" '$1 == "readers" { behind += $6; committed += $4 }
        END { exit behind != 0 || committed != sent }' group.after ||
        fail "the group has not committed all: $(cat group.after)"
}

# What only the records of the controllers show.
check_moved() {
    "$TRANSFERTO" metadata-log --bootstrap-controller "127.0.0.1:$((PORT + 3))" --skip-record-metadata >metadata
    local record
    for record in '"name":"retention.ms","value":"604800001"' '"principal":"User:alice"' \
        '"name":"alice","mechanism":1' '"key":"producer_byte_rate","value":1048576.0' '"nextProducerId":'; do
        grep -q -- "$record" metadata || fail "$record is not in the metadata log"
    done
}

# What is in force, and not only shown, at each broker.
check_rights() {
    local at alice
    for at in 4 5 6; do
        alice=(kcat -F alice.properties -b "127.0.0.1:$((PORT + at))" -C -e -q)
        "${alice[@]}" -t orders 2>alice.log | sort -n | diff -q - <(seq 1000) >/dev/null || fail "alice cannot read orders"
        ! "${alice[@]}" -t payroll >alice.payroll 2>alice.log || fail "alice can read payroll"
        grep -q 'Topic authorization failed' alice.log || fail "alice is not refused, but: $(cat alice.log)"
        [ ! -s alice.payroll ] || fail "alice has seen what is in payroll"
    done
    kcat -F alice.properties -X sasl.password=wrong -L -m 1 >alice.log 2>&1 || true
    grep -q 'SASL authentication error' alice.log || fail "a wrong password is not refused, but: $(cat alice.log)"
}

# The controllers have the id of the directory in which a log of the single node lies, and the tool finds each
# replica where it is.
check_disks() {
    local log
    for log in transferto/disk-*/*-[0-9]*; do
        echo "$(sed -n 's/^topic_id: //p' "$log/partition.metadata") ${log##*-}" \
            "$(sed -n 's/^directory.id=//p' "$(dirname "$log")/meta.properties")"
    done | sort >disks.found
    sed -nE 's/.*"PARTITION_RECORD".*"partitionId":([0-9]+),"topicId":"([^"]*)".*"directories":\["([^"]*)"\].*/\2 \1 \3/p' \
        metadata | sort | diff - disks.found >disks.diff || fail "the controllers have other directories: $(cat disks.diff)"
    [ "$(cut -d ' ' -f 3 disks.found | sort -u | wc -l)" -eq 2 ] || fail "nothing lies on one of the disks"
    find "$WORK"/transferto{,-2,-3}/disk-* -mindepth 1 -maxdepth 1 -type d -name '*-[0-9]*' | sort >replicas.found
    [ "$(wc -l <replicas.found)" -eq "$((3 * $(cat partitions.before)))" ] || fail "replicas are missing, or lie twice"
    # Each directory stands after what lies in it.
    kafka-log-dirs.sh --bootstrap-server "127.0.0.1:$PORT" --describe --broker-list 1,2,3 >log-dirs
    grep -oE '"(logDir|partition)":"[^"]*"' log-dirs |
        awk -F '"' '$2 == "partition" { held[n++] = $4; next } { while (n) print $4 "/" held[--n] }' |
        sort | diff - replicas.found >disks.diff || fail "kafka-log-dirs has replicas elsewhere: $(cat disks.diff)"
}

# The commands of the page. What stays in the foreground there is put into the background here.
transferto() {
    case ${1:-} in
        *.properties) ;;
        *)
            "$TRANSFERTO" "$@"
            return
            ;;
    esac
    local name port
    name=$(basename "$1" .properties)
    port=$(sed -n 's/^listeners=PLAINTEXT:[^,]*:\([0-9]*\).*/\1/p' "$1" | tail -n 1)
    setsid "$TRANSFERTO" "$1" </dev/null >>"$name.log" 2>&1 &
    echo "$!" | tee "$name.pid" >transferto.pid
    wait_for_port "$port" "$!" "$1" "$name.log" "$START_SECONDS"
}

systemctl() {
    [ "$*" = "stop transferto" ] || fail "systemctl $*: the page stops the node, and nothing else"
    stop_process single.pid "$STOP_SECONDS"
}

kafka-server-start.sh() {
    KAFKA_LOG_LEVEL=warn start_controller "$((PORT + 3))"
}

kafka-storage.sh() { run_tool kafka-storage "$@"; }
kafka-log-dirs.sh() { run_tool kafka-log-dirs "$@"; }
kafka-topics.sh() { run_tool kafka-topics "$@"; }
kafka-get-offsets.sh() { run_tool kafka-get-offsets "$@"; }
kafka-consumer-groups.sh() { run_tool kafka-consumer-groups "$@"; }
kafka-acls.sh() { run_tool kafka-acls "$@"; }
kafka-configs.sh() { run_tool kafka-configs "$@"; }
kafka-reassign-partitions.sh() { run_tool kafka-reassign-partitions "$@"; }
kafka-leader-election.sh() { run_tool kafka-leader-election "$@"; }

say() {
    printf '%4d s  %s\n' "$SECONDS" "$*"
}

fail() {
    echo "way-over: $*" >&2
    exit 1
}

# By process id, each of them started here.
clean_up() {
    local status=$? file
    [ "$status" -eq 0 ] || tail -n 5 ./tools.log ./*.log >&2 2>/dev/null || true
    touch "$WORK/enough"
    kill "${consumer:-}" "${producer:-}" 2>/dev/null || true
    for file in "$WORK"/*.pid; do
        [ -e "$file" ] || continue
        stop_process "$file" "$STOP_SECONDS" 2>/dev/null || true
    done
    if [ -n "${KEEP:-}" ]; then
        mkdir -p "$KEEP" && cp -a "$WORK/." "$KEEP/"
    fi
    rm -rf "$WORK"
    exit "$status"
}

main
