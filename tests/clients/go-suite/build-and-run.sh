#!/usr/bin/env bash
# Builds the Go program of the directory it is started in, and runs it. Called by the run.sh of
# every Go client:
#
#   build-and-run.sh [DIRECTORY]    the program is in DIRECTORY, and only its go.mod is here
set -euo pipefail
export LC_ALL=C
source ../lib.sh

CLIENT=$(basename "$PWD")
PROGRAM=$(realpath ../../..)/target/clients/$CLIENT/$CLIENT

build_or_end "build" timeout --foreground "$STEP_SECONDS" go -C "${1:-.}" build \
    -modfile "$PWD/go.mod" -o "$PROGRAM" .
timeout --foreground --kill-after=5 1800 "$PROGRAM" 2>"$RUN_DIR/$CLIENT.stderr" ||
    echo "FAIL $CLIENT: status $?: $(tail -n 4 "$RUN_DIR/$CLIENT.stderr" | tr '\n' '|')"
