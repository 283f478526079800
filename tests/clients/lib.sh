# Functions for the scripts of this directory; to be sourced.
#
# A client's run.sh finds in its environment:
#   BROKER   host:port of the broker        DATA_DIR  the broker's log directory
#   RUN_DIR  a directory for this run       RECORDS   how many records the large steps move
#   STEPS    `all`, `few` (a topic, records in and out, a group), or `attempt`: to send one record, and
#            to print what the client says if it cannot
# and the way to the broker, which security.sh describes,
# and prints one line per step, `PASS step [seconds]` or `FAIL step: why`, and one `VERSION version`.
# A step whose name begins with that of a column of the grid and a colon, as in `gzip: small fetches`,
# belongs to that column; grid.py has their names.

# How long a single step may take, in seconds, before it fails.
STEP_SECONDS=${STEP_SECONDS:-300}
# The same for a step that may have to compile librdkafka.
BUILD_SECONDS=${BUILD_SECONDS:-900}
START_SECONDS=60
STOP_SECONDS=60

# step NAME COMMAND...: runs the command and prints PASS or FAIL. What it wrote goes into the FAIL
# line, and all of it into a file of the run's directory. Must not be called where `set -e` is off
# (in an `if`, before `&&`).
step() {
    local name=$1 started=$EPOCHREALTIME output
    shift
    output=$RUN_DIR/$(basename "$PWD").${name//[^A-Za-z0-9.]/_}.out
    set +e
    (set -euo pipefail; "$@") >"$output" 2>&1
    STEP_STATUS=$?
    set -e
    if [ "$STEP_STATUS" -eq 0 ]; then
        printf 'PASS %s [%s]\n' "$name" "$(seconds_since "$started")"
    else
        printf 'FAIL %s: status %d: %s\n' "$name" "$STEP_STATUS" \
            "$(tail -n 4 "$output" | tr '\n' '|' | cut -c1-600)"
    fi
}

# step_or_end NAME COMMAND...: a step that all others rest on. The script ends if it fails, so that
# they do not run with what an earlier run has built.
step_or_end() {
    step "$@"
    if [ "$STEP_STATUS" -ne 0 ]; then
        exit 0
    fi
}

# build_or_end NAME COMMAND...: a step_or_end that is needed only once in a run. Of two ways that run at
# a time, one waits for what the other one builds.
build_or_end() {
    local lock built=$TOP_DIR/built.$(basename "$PWD")
    exec {lock}>"$TOP_DIR/building"
    flock "$lock"
    if [ ! -e "$built" ]; then
        step_or_end "$@"
        touch "$built"
    fi
    exec {lock}>&-
}

# expect WANTED GOT WHAT: fails with a sentence if the two texts differ.
expect() {
    if [ "$1" != "$2" ]; then
        printf '%s: wanted "%s", got "%s"\n' "$3" "${1:0:300}" "${2:0:300}" >&2
        return 1
    fi
}

# expect_same_file WANTED GOT: fails and says where the two files differ.
expect_same_file() {
    if ! cmp "$1" "$2"; then
        echo "$1 has $(wc -l <"$1") lines, $2 has $(wc -l <"$2")"
        return 1
    fi
}

# wait_until SECONDS WHAT COMMAND...: repeats the command until it succeeds.
wait_until() {
    local seconds=$1 what=$2 deadline=$((SECONDS + $1))
    shift 2
    until "$@"; do
        if [ "$SECONDS" -ge "$deadline" ]; then
            echo "waited $seconds s in vain: $what" >&2
            return 1
        fi
        sleep 0.02
    done
}

seconds_since() {
    awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'
}

# The broker. Its pid lies in a file, because a client's script may have started the one that runs
# now.

broker_pid() {
    cat "$RUN_DIR/broker.pid"
}

# A port below the range from which the kernel takes the ports of outgoing connections, so that the
# broker finds it free again when it is restarted.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((${PORTS_FROM:-20000} + RANDOM % 6000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    echo "no free port found" >&2
    return 1
}

# free_ports COUNT TAKEN...: as many different ones, and none of those.
free_ports() {
    local count=$(($1 + $# - 1)) port
    shift
    local ports=("$@")
    while [ "${#ports[@]}" -lt "$count" ]; do
        port=$(free_port)
        [[ " ${ports[*]} " == *" $port "* ]] || ports+=("$port")
    done
    printf '%s\n' "${ports[@]:$#}"
}

# broker_start ARGUMENT...: starts the broker, with these arguments too, on the ports and the data of
# this run, and waits until it accepts connections. Where the variable is empty, it has no file of
# properties, and only the listener at BROKER.
broker_start() {
    local listeners=("$BROKER_PROPERTIES")
    [ -n "$BROKER_PROPERTIES" ] || listeners=(--override "listeners=PLAINTEXT://$BROKER")
    "$TRANSFERTO" "${listeners[@]}" --override "log.dirs=$DATA_DIR" --override num.partitions=3 "$@" \
        </dev/null >>"$RUN_DIR/broker.log" 2>&1 &
    echo "$!" >"$RUN_DIR/broker.pid"
    # Or the shell would tell of its death.
    disown "$!"
    wait_until "$START_SECONDS" "for the broker at $BROKER to accept" broker_accepts_or_is_gone
    if broker_is_gone; then
        echo "the broker has ended: $(tail -n 3 "$RUN_DIR/broker.log")" >&2
        return 1
    fi
}

# Stops the broker as an administrator does, with SIGTERM.
broker_stop() {
    kill -TERM "$(broker_pid)"
    wait_until "$STOP_SECONDS" "for the broker to stop" broker_is_gone
}

# Ends the broker as a power cut would end it for its clients, and starts it again on what it left.
broker_kill_and_restart() {
    broker_memory VmHWM >>"$RUN_DIR/memory"
    kill -KILL "$(broker_pid)"
    wait_until "$STOP_SECONDS" "for the broker to be gone after kill -9" broker_is_gone
    broker_start
}

broker_accepts() {
    (exec 3<>"/dev/tcp/${BROKER%:*}/${BROKER#*:}") 2>/dev/null
}

broker_is_alive() {
    ! broker_is_gone
}

# A process that has ended stays as a zombie until its parent asks for it. It holds its port and its
# directory as long as one of its threads is left, which may be after the first one has become a
# zombie.
broker_is_gone() {
    local pid threads
    pid=$(broker_pid)
    threads=(/proc/"$pid"/task/*)
    [ "${#threads[@]}" -le 1 ] && ! grep -qs '^State:.[^Z]' "/proc/$pid/status"
}

broker_accepts_or_is_gone() {
    broker_accepts || broker_is_gone
}

# create_topic NAME PARTITIONS: for a client that has no admin.
create_topic() {
    python3 "$(dirname "${BASH_SOURCE[0]}")/create_topic.py" "$PLAIN_BROKER" "$1" "$2"
}

# broker_memory FIELD: VmRSS (now) or VmHWM (the most since its start) of the broker, in KiB. The
# file `memory` of the run has the VmHWM of the brokers that were killed.
broker_memory() {
    awk -v field="$1:" '$1 == field { print $2 }' "/proc/$(broker_pid)/status"
}

# In a cluster the next of three brokers is meant.
if [ -n "${CLUSTER_DIR:-}" ]; then
    lib_dir=$(dirname "${BASH_SOURCE[0]}")
    # shellcheck source=../cluster/controller.sh
    source "$lib_dir/../cluster/controller.sh"
    # shellcheck source=../cluster/brokers.sh
    source "$lib_dir/../cluster/brokers.sh"
    broker_kill_and_restart() {
        cluster_restart KILL
    }
fi
