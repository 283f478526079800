#!/usr/bin/env bash
# Builds Main.java with a release of kafka-clients, and runs it. Called by the run.sh of every Java
# client since 2.8, in its directory:
#
#   build-and-run.sh VERSION
set -euo pipefail
export LC_ALL=C
source ../lib.sh
source ../java/maven.sh

VERSION=$1
BUILT=$(realpath ../../..)/target/clients/java-$VERSION
CLIENT=$(basename "$PWD")
LOG=$RUN_DIR/$CLIENT

# Main has a watchdog of its own for every step; the limit is for the case that the machine itself
# stands still.
main() {
    build_or_end "build" maven -f ../java/pom.xml "-Dkafka.version=$VERSION" compile
    timeout --foreground --kill-after=5 1800 java -Xmx512m \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -Dorg.slf4j.simpleLogger.logFile="$LOG.log" \
        -cp "$BUILT/classes:$BUILT/lib/*" Main "$CLIENT" "$VERSION" "$BROKER" "$RECORDS" \
        2>"$LOG.stderr" ||
        echo "FAIL $CLIENT: status $?: $(tail -n 4 "$LOG.stderr" | tr '\n' '|')"
}

main
