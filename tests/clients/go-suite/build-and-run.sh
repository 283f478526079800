#!/usr/bin/env bash
# Builds the Go program of the directory it is started in, and runs it. Called by the run.sh of
# every Go client.
set -euo pipefail
export LC_ALL=C
source ../lib.sh

CLIENT=$(basename "$PWD")
PROGRAM=$(realpath ../../..)/target/clients/$CLIENT/$CLIENT

step_or_end "build" timeout --foreground "$STEP_SECONDS" go build -o "$PROGRAM" .
timeout --foreground --kill-after=5 1800 "$PROGRAM" 2>"$RUN_DIR/$CLIENT.stderr" ||
    echo "FAIL $CLIENT: status $?: $(tail -n 4 "$RUN_DIR/$CLIENT.stderr" | tr '\n' '|')"
