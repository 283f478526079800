#!/usr/bin/env bash
# Runs real Kafka clients, unchanged and with their default settings, against a broker of its own,
# and checks every record: none lost, none twice, in order within a partition. docs/en/clients.md
# tells what the steps are, and has the grid of the last run.
#
#   tests/clients/run.sh [CLIENT...]      the clients are the directories beside this file;
#                                         default: all of them
#
# Environment: TRANSFERTO  the broker's binary (default: target/release/transferto)
#              SECURITY    `none`: only over PLAINTEXT; `some`: only what continuous integration runs
#                          over TLS and with SASL; `all`: all of that; or names of security.sh, such as
#                          "ssl sasl-plain"; by default `none` and `some`; `cluster`: only against three
#                          brokers under Apache's controller
#              RECORDS     how many records the large steps move (default: 100000)
#              KEEP=1      keep the broker's data and log also if all is well
#              CI=true     leave the pages as they are
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$here/lib.sh"
# shellcheck source=security.sh
source "$here/security.sh"
# shellcheck source=cluster.sh
source "$here/cluster.sh"

SECURITY=${SECURITY:-}
# How long a client that is refused may take to say so, its start included.
ATTEMPT_SECONDS=30

main() {
    local clients
    check_names "$@"
    prepare
    trap cleanup EXIT
    if [ "$SECURITY" = cluster ]; then
        mapfile -t clients < <(those_of_the_cluster "$@")
        run_cluster "${clients[@]}"
        sum_up_cluster
    else
        run_ways "$@"
        grid
    fi
}

# run_ways CLIENT...: first over PLAINTEXT, if at all, and then two ways at a time: those with all
# steps, and beside them the others, each of which has a broker and ports of its own.
run_ways() {
    local way lane ways lanes=()
    ways=$(ways_to_run)
    if [[ " $ways " == *" plaintext "* ]]; then
        run_way plaintext "$@"
    fi
    # A process group each, so that none outlives this script.
    set -m
    for lane in "$WAYS_WITH_ALL_STEPS" "$WAYS_WITH_FEW_STEPS"; do
        # What runs beside it looks for free ports at the same moment.
        (PORTS_FROM=$((20000 + 6000 * ${#lanes[@]}))
        for way in $lane; do
            [[ " $ways " != *" $way "* ]] || run_way "$way" "$@"
        done) </dev/null &
        lanes+=("$!")
    done
    set +m
    for lane in "${lanes[@]}"; do
        wait "$lane" || echo "FAIL the run of a way: it ended with status $?" | record broker
    done
}

ways_to_run() {
    case $SECURITY in
        none) echo plaintext ;;
        some | all) echo "$WAYS" ;;
        "") echo "plaintext $WAYS" ;;
        *) echo "$SECURITY" ;;
    esac
}

# run_way WAY CLIENT...: each way has a broker and a directory of its own, so that the clients find
# nothing that they have written before.
run_way() {
    local way=$1 started=$SECONDS client idle_kib
    shift
    RUN_DIR=$TOP_DIR/$way DATA_DIR=$TOP_DIR/$way/data
    export BROKER_PROPERTIES=$RUN_DIR/broker.properties
    mkdir -p "$DATA_DIR"
    choose_listeners
    write_broker_properties "$BROKER_PROPERTIES"
    enter_way "$way"
    add_users >"$RUN_DIR/users.out"
    broker_start
    idle_kib=$(broker_memory VmRSS)
    for client in "$@"; do
        if [ "$way" = plaintext ]; then
            run_client "$client"
        else
            run_client_in_way "$way" "$client"
        fi
    done
    broker_memory VmHWM >>"$RUN_DIR/memory"
    echo "$way: resident memory: $idle_kib KiB at idle, $(broker_memory VmRSS) KiB at the end," \
        "$(sort -n "$RUN_DIR/memory" | tail -n 1) KiB at most"
    check_broker | record broker
    echo "== $way took $((SECONDS - started)) s"
}

# check_names CLIENT...: ends the run if one of them has no directory here.
check_names() {
    local client
    for client in "$@"; do
        if [ ! -x "$here/$client/run.sh" ]; then
            echo "there is no client $client; there are $(all_clients | sed 's/ /, /g')" >&2
            exit 1
        fi
    done
}

all_clients() {
    local script names=()
    for script in "$here"/*/run.sh; do
        names+=("$(basename "$(dirname "$script")")")
    done
    echo "${names[@]}"
}

prepare() {
    export TRANSFERTO=${TRANSFERTO:-$here/../../target/release/transferto}
    export RECORDS=${RECORDS:-100000}
    if [ ! -x "$TRANSFERTO" ]; then
        echo "no broker at $TRANSFERTO: build it, or set TRANSFERTO" >&2
        exit 1
    fi
    TOP_DIR=$(mktemp -d "${TMPDIR:-/tmp}/transferto-clients.XXXXXX")
    export TOP_DIR RUN_DIR DATA_DIR STEPS=all KEYS=$TOP_DIR/keys
    make_keys "$KEYS" >"$TOP_DIR/keys.out" 2>&1 || {
        tail -n 3 "$TOP_DIR/keys.out" >&2
        exit 1
    }
    : >"$TOP_DIR/results"
}

# run_client CLIENT [PREFIX]: a script that ends without a word about why has failed too.
run_client() {
    local client=$1 prefix=${2:-} status=0 started=$SECONDS
    echo "== ${prefix}$client"
    (cd "$here/$client" && ./run.sh </dev/null) | record "$client" "$prefix" || status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAIL the whole script: it ended with status $status" | record "$client" "$prefix"
    fi
    echo "SECONDS $((SECONDS - started))" | record "$client"
}

# run_client_in_way WAY CLIENT: all of its steps or a few, and then in what ways it is refused.
run_client_in_way() {
    local way=$1 client=$2 refusal
    export STEPS=few
    if [[ " $WAYS_WITH_ALL_STEPS " == *" $way "* ]]; then
        STEPS=all
    fi
    if ! takes_way "$client" "$way" || is_left_to_another_run "$client" "$way"; then
        return
    fi
    run_client "$client" "$way: "
    for refusal in $(refusals "$way"); do
        (cd "$here/$client" && enter_refusal "$refusal" && step "$refusal" is_refused "$refusal") |
            record "$client" "$way: "
    done
    enter_way "$way"
}

# takes_way CLIENT WAY: it takes the ways of which its refusals.txt has what it says when it is refused.
takes_way() {
    local file=$here/$1/refusals.txt
    case $2 in
        sasl-*) grep -qs ^wrong-password: "$file" ;;
        *) grep -qs ^unknown-authority: "$file" ;;
    esac
}

# is_left_to_another_run CLIENT WAY: continuous integration takes most clients one way only.
is_left_to_another_run() {
    local smoke_way=$SMOKE_WAY
    [[ $SECURITY =~ ^(some)?$ ]] && [[ " $CLIENTS_WITH_ALL_WAYS " != *" $1 "* ]] || return 1
    takes_way "$1" "$smoke_way" || smoke_way=$SMOKE_WAY_WITHOUT_SASL
    [ "$2" != "$smoke_way" ]
}

# is_refused REFUSAL: the client says, or logs, what its refusals.txt has, and within a time that a person
# would wait. One that ends may try again: where it has sent a request behind its handshake, the reset of
# the connection may overtake the alert.
is_refused() {
    local client words try
    client=$(basename "$PWD")
    words=$(sed -n "s/^$1: //p" refusals.txt)
    local said=("$RUN_DIR/$client.attempt" "$RUN_DIR/$client.stderr" "$RUN_DIR/$client.log")
    for try in 1 2 3; do
        attempt "$client" "$words" "${said[@]}"
        if grep -qsF -- "$words" "${said[@]}"; then
            return
        fi
        echo "attempt $try:"
        tail -qn 4 "${said[@]}" 2>/dev/null | cut -c 1-400 || true
    done
    return 1
}

# attempt CLIENT WORDS FILE...: the client tries until these words are in one of the files that it writes.
# Then it is ended: many a client goes on trying.
attempt() {
    local client=$1 words=$2 pid
    shift 2
    rm -f "$@"
    STEPS=attempt setsid ./run.sh </dev/null >"$1" 2>&1 &
    pid=$!
    wait_until "$ATTEMPT_SECONDS" "for $client to say why" has_said_or_ended "$words" "$pid" "$@" || true
    kill -KILL -- "-$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

# has_said_or_ended WORDS PID FILE...
has_said_or_ended() {
    local words=$1 pid=$2
    shift 2
    grep -qsF -- "$words" "$@" || ! kill -0 "$pid" 2>/dev/null
}

# record CLIENT [PREFIX]: shows what a client prints while it runs, and keeps its lines for the grid,
# where the prefix comes before the names of its steps.
record() {
    local line
    while IFS= read -r line; do
        case $line in
            PASS\ * | FAIL\ *) line="${line%% *} ${2:-}${line#* }" ;;
        esac
        printf '%s\n' "${2:+$1: }$line"
        [ -z "${CLUSTER_DIR:-}" ] || restart_at_step "$line"
        case $line in
            PASS\ * | FAIL\ * | VERSION\ * | SECONDS\ *)
                printf '%s\t%s\t%s\n' "$1" "${line%% *}" "${line#* }" >>"$TOP_DIR/results"
                ;;
        esac
    done
}

grid() {
    local options=()
    [ -z "$is_full" ] || options+=(--full)
    case $SECURITY in
        none) options+=(--plain) ;;
        all) options+=(--secure) ;;
        some) options+=(--smoke) ;;
        "") options+=(--plain --smoke) ;;
    esac
    [ -n "${CI:-}" ] || options+=(--write)
    python3 "$here/grid.py" "${options[@]}" "$TOP_DIR/results" \
        "$here/../../docs/en/clients.md" "$here/../../docs/zh/clients.md"
}

check_broker() {
    cd "$RUN_DIR"
    step "stops cleanly after all of it" stops_cleanly
    step "nothing panicked" nothing_panicked
}

stops_cleanly() {
    broker_stop
    expect yes "$([ -e "$DATA_DIR/.kafka_cleanshutdown" ] && echo yes)" "clean-shutdown marker"
}

nothing_panicked() {
    ! grep -n -A3 panicked "$RUN_DIR/broker.log"
}

cleanup() {
    local status=$? lane way
    [ -z "${CLUSTER_DIR:-}" ] || cluster_kill
    for lane in $(jobs -p); do
        kill -KILL -- "-$lane" 2>/dev/null || true
    done
    for way in plaintext $WAYS; do
        RUN_DIR=$TOP_DIR/$way
        if [ -e "$RUN_DIR/broker.pid" ] && broker_is_alive; then
            kill -KILL "$(broker_pid)"
        fi
    done
    if [ "$status" -eq 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$TOP_DIR"
    else
        echo "kept: $TOP_DIR (in a directory for each way: broker.log, data, one file for each step)"
    fi
}

is_full=
if [ $# -eq 0 ]; then
    is_full=yes
    # shellcheck disable=SC2046 # A name holds no blank.
    set -- $(all_clients)
fi
main "$@"
