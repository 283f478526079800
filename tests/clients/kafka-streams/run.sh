#!/usr/bin/env bash
# Kafka Streams of the release that pom.xml names. src/main/java/Main.java prints the steps.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../java/maven.sh

VERSION=4.4.0
BUILT=$(realpath ../../..)/target/clients/kafka-streams-$VERSION
WORK=$RUN_DIR/kafka-streams
mkdir -p "$WORK"

# Main has a watchdog of its own for every step; the limit is for the case that the machine itself
# stands still.
step_or_end "build" maven "-Dkafka.version=$VERSION" compile
timeout --foreground --kill-after=5 900 java -Xmx512m \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
    -Dorg.slf4j.simpleLogger.logFile="$WORK/log" -Djava.io.tmpdir="$WORK" \
    -cp "$BUILT/classes:$BUILT/lib/*" Main "$BROKER" "$RECORDS" "$WORK" 2>"$WORK/stderr" ||
    echo "FAIL Main: status $?: $(tail -n 4 "$WORK/stderr" | tr '\n' '|')"
