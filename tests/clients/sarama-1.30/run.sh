#!/usr/bin/env bash
# What sarama 1.30.1 of 2021 wrote, sought by time. Like every sarama up to 1.45.0, it leaves the
# largest timestamp out of the header of a batch: the broker has to find it. The other steps are for
# today's sarama: a producer this old gives up when its broker is away for a second.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh

PROGRAM=$(realpath ../../..)/target/clients/sarama-1.30/sarama-1.30
WORK=$RUN_DIR/sarama-1.30
mkdir -p "$WORK"

main() {
    step_or_end "build" timeout --foreground "$STEP_SECONDS" go -C ../sarama build \
        -modfile "$PWD/go.mod" -o "$PROGRAM" .
    echo "VERSION 1.30.1"
    step "kcat asks for the middle of what it wrote, by time" kcat_asks_for_the_middle
}

kcat_asks_for_the_middle() {
    local topic=sarama-1.30-times partition offset time
    "$PROGRAM" write "$topic"
    for partition in 0 1 2; do
        kcat -b "$BROKER" -C -q -e -t "$topic" -p "$partition" -f '%o %T\n' >"$WORK/times"
        read -r offset time <<<"$(sed -n "$(($(wc -l <"$WORK/times") / 2))p" "$WORK/times")"
        expect "$topic [$partition] offset $offset" \
            "$(kcat -b "$BROKER" -Q -t "$topic:$partition:$time")" "the record of $time"
    done
}

main
