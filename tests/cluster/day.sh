#!/usr/bin/env bash
# An operator's day: what is done to a secured cluster of these brokers from its first topic to the removal of a
# broker, with the tools of Apache Kafka alone and while a producer writes. Each step is a claim, and prints PASS or
# FAIL.
#
#   tests/cluster/day.sh
#
# Environment: TRANSFERTO  the broker's binary (default: target/release/transferto)
#              KEEP=1      keep the cluster's directory also if all is well
#              SLOW=N      be N times as patient, on a machine that does something else beside
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TRANSFERTO=$(realpath "${TRANSFERTO:-$here/../../target/release/transferto}")
SLOW=${SLOW:-1}
# What stops in order, and what has to be there again, may take this long.
PATIENCE_SECONDS=$((30 * SLOW))
export CLUSTER_DIR
CLUSTER_DIR=$(mktemp -d)
# With CLUSTER_DIR it brings controller.sh and brokers.sh along.
# shellcheck source=../clients/lib.sh
source "$here/../clients/lib.sh"
# shellcheck source=../clients/security.sh
source "$here/../clients/security.sh"
# Of the controller, and of the brokers 1 to 5.
mapfile -t PORTS < <(free_ports 6)
mapfile -t INTERNAL_PORTS < <(free_ports 6 "${PORTS[@]}")
BROKERS=127.0.0.1:${PORTS[1]},127.0.0.1:${PORTS[2]},127.0.0.1:${PORTS[3]}
# shellcheck source=secure.sh
source "$here/secure.sh"
# shellcheck source=tools.sh
source "$here/tools.sh"
# shellcheck source=ledger.sh
source "$here/ledger.sh"
# shellcheck source=day_steps.sh
source "$here/day_steps.sh"
# shellcheck source=day_secure.sh
source "$here/day_secure.sh"

main() {
    local started=$SECONDS
    require_java
    fetch_kafka
    trap clean_up EXIT
    trap 'exit 1' INT TERM
    tools_start
    make_cluster_keys 2>"$CLUSTER_DIR/keys.log"
    secure_controller
    write_login admin admin-secret
    cluster_start "${PORTS[@]}"
    in_the_morning
    while_a_producer_writes
    in_the_evening
    touch "$CLUSTER_DIR/is-over"
    echo "operator: $PASSED steps passed, $FAILED failed; the day took $((SECONDS - started)) s"
    [ "$FAILED" -eq 0 ]
}

in_the_morning() {
    claim "create: topics by a factor and by a list of replicas, by way of each broker" creates_topics
    claim "create: what cannot be is refused with what is missing" refuses_topics
    claim "alter: partitions, and settings of a topic, of a broker and of all brokers" alters
    claim "alter: what cannot be is refused" refuses_alterations
    claim "quorum: each broker says who votes and who follows" describes_the_quorum
    claim "features: the level is not raised, and the refusal names a broker" keeps_the_level
    claim "groups: a group is described, reset and deleted" handles_a_group
    claim "delete records: a partition begins behind them" deletes_records
    claim "users: one who is made logs in at each broker, and nobody by a guess" makes_a_user
    claim "rights: without one nothing is allowed" refuses_without_rights
    claim "rights: what an ACL allows goes, at each broker, and nothing else" gives_rights
    claim "rights: one that is taken is gone at each broker" takes_a_right
    claim "certificates: a broker of another authority does not join" distrusts_the_controller
    claim "certificates: nobody copies from a broker that shows one of another authority" is_not_trusted
}

while_a_producer_writes() {
    ledger_start
    claim "write: a producer begins" ledger_goes_on
    claim "reassign: a throttle holds, and is gone when all is moved" reassigns_with_throttle
    claim "reassign: replicas of what is written are added, removed and swapped" reassigns_under_load
    claim "reassign: a move is cancelled" cancels_a_move
    claim "reassign: wrong lists are refused" refuses_reassignments
    claim "rolling restart: one broker after the other" restarts_all
    claim "users and rights are what they were before the restarts" keeps_users_and_rights
    claim "users: one who is removed does not log in" removes_a_user
    claim "kill: the others lead, and it comes back in sync" kills_one
    claim "two of three: acks=all is refused, an unclean leader is elected where it may be" kills_two
    claim "elect: the preferred leaders lead again" elects_preferred
    claim "elect: what cannot be elected is refused" refuses_elections
    claim "quotas: of a client, set by the tools, hold" limits_a_client
    claim "add a broker: all replicas of another one move there" adds_a_broker
    claim "disk: one of two fails, and the other goes on" fails_a_disk
    claim "remove a broker: it stops and is unregistered" removes_a_broker
    ledger_stop
}

in_the_evening() {
    claim "delete: a topic goes from all brokers" deletes_a_topic
    claim "every acknowledged record is there once, in order" ledger_is_whole
    claim "stop: all stop in order" stops_all
    claim "the replicas are where the controller has them, and hold the same bytes" replicas_agree
    claim "no broker has logged an error" nothing_went_wrong
}

PASSED=0 FAILED=0

# claim NAME COMMAND...: runs it and prints PASS or FAIL, and what the step saw if it failed.
claim() {
    local name=$1 started=$EPOCHREALTIME saw=$CLUSTER_DIR/saw status
    shift
    set +e
    (set -euo pipefail && "$@") >"$saw" 2>&1
    status=$?
    set -e
    if [ "$status" -eq 0 ]; then
        PASSED=$((PASSED + 1))
        echo "PASS operator: $name [$(seconds_since "$started")]"
    else
        FAILED=$((FAILED + 1))
        echo "FAIL operator: $name [$(seconds_since "$started")]: $(tail -n 6 "$saw" | cut -c 1-250 | tr '\n' '|' | cut -c 1-900)"
    fi
}

clean_up() {
    cluster_kill
    if [ -e "$CLUSTER_DIR/is-over" ] && [ "$FAILED" -eq 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$CLUSTER_DIR"
    else
        echo "operator: logs, and all that the tools were asked, are in $CLUSTER_DIR"
    fi
}

main "$@"
