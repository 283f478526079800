#!/usr/bin/env bash
# rskafka 0.6.0.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh

BUILT=$(realpath ../../..)/target/clients/rskafka
LOG=$RUN_DIR/rskafka.stderr

step "build" env CARGO_TARGET_DIR="$BUILT" timeout --foreground "$STEP_SECONDS" \
    cargo build --quiet
timeout --foreground --kill-after=5 1800 "$BUILT/debug/rskafka-client" 2>"$LOG" ||
    echo "FAIL rskafka: status $?: $(tail -n 4 "$LOG" | tr '\n' '|')"
