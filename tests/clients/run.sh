#!/usr/bin/env bash
# Runs real Kafka clients, unchanged and with their default settings, against a broker of its own,
# and checks every record: none lost, none twice, in order within a partition. docs/en/clients.md
# tells what the steps are, and has the grid of the last run.
#
#   tests/clients/run.sh [CLIENT...]      the clients are the directories beside this file;
#                                         default: all of them
#
# Environment: TRANSFERTO  the broker's binary (default: target/release/transferto)
#              RECORDS     how many records the large steps move (default: 100000)
#              KEEP=1      keep the broker's data and log also if all is well
#              CI=true     leave the pages as they are
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=lib.sh
source "$here/lib.sh"

main() {
    check_names "$@"
    prepare
    trap cleanup EXIT
    broker_start
    local idle_kib
    idle_kib=$(broker_memory VmRSS)
    local client
    for client in "$@"; do
        run_client "$client"
    done
    broker_memory VmHWM >>"$RUN_DIR/memory"
    local end_kib most_kib
    end_kib=$(broker_memory VmRSS)
    most_kib=$(sort -n "$RUN_DIR/memory" | tail -n 1)
    check_broker | record broker
    echo "resident memory: $idle_kib KiB at idle, $end_kib KiB at the end, $most_kib KiB at most"
    grid
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
    RUN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/transferto-clients.XXXXXX")
    export RUN_DIR DATA_DIR=$RUN_DIR/data
    mkdir "$DATA_DIR"
    BROKER=127.0.0.1:$(free_port)
    export BROKER
    : >"$RUN_DIR/results"
}

# A script that ends without a word about why has failed too.
run_client() {
    local client=$1 status=0 started=$SECONDS
    echo "== $client"
    (cd "$here/$client" && ./run.sh </dev/null) | record "$client" || status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAIL the whole script: it ended with status $status" | record "$client"
    fi
    echo "SECONDS $((SECONDS - started))" | record "$client"
}

# Shows what a client prints while it runs, and keeps its lines for the grid.
record() {
    local line
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
            PASS\ * | FAIL\ * | VERSION\ * | SECONDS\ *)
                printf '%s\t%s\t%s\n' "$1" "${line%% *}" "${line#* }" >>"$RUN_DIR/results"
                ;;
        esac
    done
}

grid() {
    local options=()
    [ -z "$is_full" ] || options+=(--full)
    [ -n "${CI:-}" ] || options+=(--write)
    python3 "$here/grid.py" "${options[@]}" "$RUN_DIR/results" \
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
    local status=$?
    if [ -e "$RUN_DIR/broker.pid" ] && broker_is_alive; then
        kill -KILL "$(broker_pid)"
    fi
    if [ "$status" -eq 0 ] && [ -z "${KEEP:-}" ]; then
        rm -rf "$RUN_DIR"
    else
        echo "kept: $RUN_DIR (broker.log, data, one file for each step)"
    fi
}

is_full=
if [ $# -eq 0 ]; then
    is_full=yes
    # shellcheck disable=SC2046 # A name holds no blank.
    set -- $(all_clients)
fi
main "$@"
