#!/usr/bin/env bash
# Builds the Rust program of the directory it is started in, and runs it. Called by the run.sh of
# every Rust client. They share what they build of the same libraries.
set -euo pipefail
export LC_ALL=C
source ../lib.sh

CLIENT=$(basename "$PWD")
BUILT=$(realpath -m ../../../target/clients/rust)
LOG=$RUN_DIR/$CLIENT.stderr

build_or_end "build" env CARGO_TARGET_DIR="$BUILT" timeout --foreground "$BUILD_SECONDS" \
    cargo build --quiet --locked
[ "$STEPS" = attempt ] || echo "VERSION $(awk -F '"' -v name="$CLIENT" '$1 == "name = " { at = $2 }
    $1 == "version = " && at == name { print $2 }' Cargo.lock)"
timeout --foreground --kill-after=5 1800 "$BUILT/debug/$CLIENT-client" 2>"$LOG" ||
    echo "FAIL $CLIENT: status $?: $(tail -n 4 "$LOG" | tr '\n' '|')"
