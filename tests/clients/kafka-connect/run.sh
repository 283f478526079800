#!/usr/bin/env bash
# Kafka Connect of the release that pom.xml names: a distributed worker, which keeps its connectors,
# their offsets and their state in topics, and the connectors that come with it, for files.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../java/maven.sh

VERSION=4.3.1
BUILT=$(realpath ../../..)/target/clients/kafka-connect-$VERSION
WORK=$RUN_DIR/kafka-connect
REST=127.0.0.1:$(free_port)
# How many lines each step moves.
FEW=$((RECORDS / 10))
# How long a line may take from file to file, and the worker for its start.
WAIT_SECONDS=60
mkdir -p "$WORK"
trap 'worker_is_gone || kill -KILL "$(cat "$WORK/pid")"' EXIT

main() {
    echo "VERSION $VERSION"
    step_or_end "build" maven "-Dkafka.version=$VERSION" compile
    step_or_end "the worker starts" worker_start
    step "its three topics are compacted" topics_are_compacted
    step "a source and a sink: every line comes out" lines_in_and_out
    step "restarted, it goes on without loss or doubles" restart
    step "paused, stopped and resumed" pause_and_resume
    step "its offsets are read and altered" alter_offsets
    step "through kill -9 of the broker, no line lost" lines_through_kill
    step "the connectors are deleted, also after a restart" delete_connectors
    step "the worker stops" worker_stop
}

# Where there is one broker, a topic cannot have three replicas, which is the default. The default of
# searching every class for plugins costs seconds at each start; all of these say themselves what
# they have.
settings() {
    cat <<END
bootstrap.servers=$BROKER
group.id=connect-workers
config.storage.topic=connect-configs
offset.storage.topic=connect-offsets
status.storage.topic=connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
status.storage.replication.factor=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
listeners=HTTP://$REST
plugin.discovery=service_load
END
}

worker_start() {
    settings >"$WORK/worker.properties"
    java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.io.tmpdir="$WORK" \
        -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$BUILT/lib/*" \
        org.apache.kafka.connect.cli.ConnectDistributed "$WORK/worker.properties" \
        </dev/null >>"$WORK/worker.log" 2>&1 &
    echo "$!" >"$WORK/pid"
    disown "$!"
    wait_until "$WAIT_SECONDS" "for the worker to answer" answers_or_is_gone
    if worker_is_gone; then
        echo "the worker has ended: $(tail -n 3 "$WORK/worker.log")"
        return 1
    fi
}

worker_stop() {
    kill -TERM "$(cat "$WORK/pid")"
    wait_until "$STOP_SECONDS" "for the worker to stop" worker_is_gone
}

worker_is_gone() {
    [ ! -e "$WORK/pid" ] || ! kill -0 "$(cat "$WORK/pid")" 2>/dev/null
}

# It answers for its connectors as soon as it has read its topics and has joined its group.
answers_or_is_gone() {
    worker_is_gone || rest GET /connectors >"$WORK/answer" 2>&1
}

# rest METHOD PATH [JSON]: fails with what the worker says, if it is not satisfied.
rest() {
    python3 rest.py "http://$REST" "$@"
}

topics_are_compacted() {
    local topic
    for topic in configs:1 offsets:25 status:5; do
        tool org.apache.kafka.tools.TopicCommand --describe --topic "connect-${topic%:*}" \
            >"$WORK/topic"
        grep -F "PartitionCount: ${topic#*:}" "$WORK/topic"
        grep -F "cleanup.policy=compact" "$WORK/topic"
    done
}

tool() {
    timeout --foreground --kill-after=5 "$STEP_SECONDS" java -XX:+UseSerialGC \
        -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn \
        -cp "$BUILT/lib/*" "$@" --bootstrap-server "$BROKER"
}

# The topic of the lines is made by the worker too: with one partition, in which they keep their
# order.
lines_in_and_out() {
    more_lines
    rest PUT /connectors/source/config '{"connector.class": "FileStreamSource", "tasks.max": "1",
        "file": "'"$WORK/in"'", "topic": "connect-lines", "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1"}'
    rest PUT /connectors/sink/config '{"connector.class": "FileStreamSink", "tasks.max": "1",
        "file": "'"$WORK/out"'", "topics": "connect-lines"}'
    all_lines_come_out
}

more_lines() {
    local from=0
    [ ! -e "$WORK/in" ] || from=$(wc -l <"$WORK/in")
    seq -f 'line %09.0f' "$((from + 1))" "$((from + FEW))" >>"$WORK/in"
}

all_lines_come_out() {
    wait_until "$WAIT_SECONDS" "for $(wc -l <"$WORK/in") lines in the sink's file" \
        out_has "$(wc -l <"$WORK/in")"
    expect_same_file "$WORK/in" "$WORK/out"
}

out_has() {
    [ -e "$WORK/out" ] && [ "$(wc -l <"$WORK/out")" -ge "$1" ]
}

# The lines that came while it was down come out once, and no other comes again.
restart() {
    worker_stop
    more_lines
    worker_start
    all_lines_come_out
    status_is source RUNNING
    status_is sink RUNNING
}

status_is() {
    wait_until "$WAIT_SECONDS" "for the $1 to be $2" has_status "$1" "$2"
}

has_status() {
    rest GET "/connectors/$1/status" >"$WORK/status"
    grep -qF "\"connector\":{\"state\":\"$2\"" "$WORK/status"
}

pause_and_resume() {
    rest PUT /connectors/source/pause
    status_is source PAUSED
    rest PUT /connectors/sink/stop
    status_is sink STOPPED
    more_lines
    rest PUT /connectors/source/resume
    rest PUT /connectors/sink/resume
    all_lines_come_out
}

# The source's offset is how far it has read its file. The sink's are those of its group: without
# them it begins again, in a new file here.
alter_offsets() {
    rest PUT /connectors/source/stop
    rest PUT /connectors/sink/stop
    status_is source STOPPED
    status_is sink STOPPED
    rest GET /connectors/source/offsets >"$WORK/offsets"
    grep -F "\"position\":$(stat -c %s "$WORK/in")}" "$WORK/offsets"
    rest GET /connectors/sink/offsets >"$WORK/offsets"
    grep -F "\"kafka_offset\":$(wc -l <"$WORK/in")}" "$WORK/offsets"
    rest DELETE /connectors/sink/offsets
    rm "$WORK/out"
    rest PUT /connectors/source/resume
    rest PUT /connectors/sink/resume
    all_lines_come_out
}

# Neither connector promises more than at least once.
lines_through_kill() {
    more_lines
    broker_kill_and_restart
    more_lines
    wait_until "$WAIT_SECONDS" "for every line in the sink's file" every_line_is_out
}

every_line_is_out() {
    sort -u "$WORK/out" | cmp -s - "$WORK/in"
}

delete_connectors() {
    rest DELETE /connectors/source
    rest DELETE /connectors/sink
    expect "[]" "$(rest GET /connectors)" "connectors"
    worker_stop
    worker_start
    expect "[]" "$(rest GET /connectors)" "connectors after a restart"
}

main
