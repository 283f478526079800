#!/usr/bin/env bash
# The Java producer and consumer of Kafka 0.9.0.1, built from Maven Central: the client of the
# post's own time. src/main/java/Main.java prints the steps; between its two halves the broker dies
# and comes back.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../java/maven.sh

BUILT=$(realpath ../../..)/target/clients/java-0.9.0.1
WORK=$RUN_DIR/java-0.9.0.1
mkdir -p "$WORK"

main() {
    build_or_end "build" maven compile
    if [ "$STEPS" != all ]; then
        java_half "$STEPS"
        return
    fi
    java_half write
    if command -v kcat >"$WORK/kcat-is-here"; then
        step "kcat reads what Java wrote" kcat_reads_what_java_wrote
        step "kcat writes for Java" kcat_writes_for_java
        java_half read-kcat
    fi
    step "restart after kill -9" broker_kill_and_restart
    java_half after-kill
}

# Main has a watchdog of its own for every step; this is for the case that the machine itself stands
# still.
java_half() {
    timeout --foreground --kill-after=5 900 java -Xmx512m \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.logFile="$WORK/$1.log" \
        -cp "$BUILT/classes:$BUILT/lib/*" Main "$1" "$BROKER" "$RECORDS" 2>"$WORK/$1.stderr" || {
        echo "FAIL java $1: status $?: $(tail -n 4 "$WORK/$1.stderr" | tr '\n' '|')"
    }
}

# Whatever way Java takes.
kc() {
    timeout --foreground "$STEP_SECONDS" kcat -b "$PLAIN_BROKER" "$@"
}

# Main writes the values value-00000000, value-00000001, ... round the three partitions.
kcat_reads_what_java_wrote() {
    local codec count
    for codec in none gzip snappy lz4; do
        kc -C -q -e -t "java-$codec" -f '%s\n' | cut -c 1-14 | sort >"$WORK/values"
        count=$(wc -l <"$WORK/values")
        expect "$RECORDS" "$count" "records of java-$codec"
        cmp "$WORK/values" <(seq -f 'value-%08.0f' 0 $((RECORDS - 1)))
    done
}

kcat_writes_for_java() {
    local codec
    for codec in none gzip snappy lz4; do
        seq -f 'value-%08.0f' 0 $((RECORDS - 1)) |
            kc -P -t "kcat-$codec" -p 0 -z "$codec" -H header=dropped
    done
}

main
