# shellcheck shell=bash
# The way `cluster`: three brokers under Apache's controller, one of which ends and comes back in the middle of
# most steps; to be sourced after lib.sh.
#
# The clients find in BROKER the addresses of all three, and in DATA_DIR a directory with the logs of all three.

# Those whose code most programs use, and kcat.
CLUSTER_CLIENTS="kcat java-4 confluent-kafka franz-go"
# Long enough for a client to be in the middle of what it does.
CLUSTER_DELAY_SECONDS=0.4
# For a broker that was killed: its session has to end first.
CLUSTER_BACK_SECONDS=90

# run_cluster CLIENT...
run_cluster() {
    local client started=$SECONDS
    if [ $# -eq 0 ]; then
        echo "none of these clients is driven against a cluster; there are: $CLUSTER_CLIENTS" >&2
        return 1
    fi
    export CLUSTER_DIR=$TOP_DIR/cluster
    RUN_DIR=$CLUSTER_DIR DATA_DIR=$CLUSTER_DIR
    mkdir -p "$RUN_DIR"
    # Once more, now that there is a cluster.
    # shellcheck source=lib.sh
    source "$here/lib.sh"
    require_java
    fetch_kafka
    local ports=("$(free_port)" "$(free_port)" "$(free_port)" "$(free_port)")
    # On topics that the clients create themselves; the controller's default is the same.
    export REPLICATION_FACTOR=3
    export ADDRESS_PLAINTEXT=127.0.0.1:${ports[1]},127.0.0.1:${ports[2]},127.0.0.1:${ports[3]}
    enter_way plaintext
    cluster_start "${ports[@]}"
    for client in "$@"; do
        STEPS=all
        [ "$client" != kcat ] || STEPS=few
        export STEPS
        # It begins with topics of three replicas, which the controller refuses while there are two brokers.
        wait_until "$CLUSTER_BACK_SECONDS" "for all three brokers" no_restart_is_due
        run_client "$client" "cluster: "
    done
    check_cluster | record cluster
    echo "== cluster took $((SECONDS - started)) s"
}

# restart_at_step LINE: what a client has printed. A broker is restarted in the next step, unless that step does so
# itself, and counts on what was committed before, or begins with topics of three replicas, which the controller
# refuses while there are two brokers.
restart_at_step() {
    case $1 in
        *" build"*) ;;
        *": retry: "* | *": resume: "* | *": group: "* | *" timestamp: "*) ;;
        PASS\ *) restart_soon ;;
    esac
}

restart_soon() {
    local signal=TERM due
    # The directory is about to be removed.
    [ ! -e "$CLUSTER_DIR/over" ] || return 0
    if [ -e "$CLUSTER_DIR/was-asked" ]; then
        signal=KILL
        rm "$CLUSTER_DIR/was-asked"
    else
        touch "$CLUSTER_DIR/was-asked"
    fi
    due=$(mktemp "$CLUSTER_DIR/due.XXXXXX")
    (
        trap 'rm "$due"' EXIT
        sleep "$CLUSTER_DELAY_SECONDS"
        cluster_restart "$signal"
    ) </dev/null >>"$CLUSTER_DIR/restarts.log" 2>&1 &
    disown "$!"
}

no_restart_is_due() {
    ! compgen -G "$CLUSTER_DIR/due.*" >/dev/null
}

# those_of_the_cluster CLIENT...: of these the ones that are driven against a cluster.
those_of_the_cluster() {
    local client
    for client in "$@"; do
        [[ " $CLUSTER_CLIENTS " != *" $client "* ]] || echo "$client"
    done
}

# sum_up_cluster: how many steps each client passed; fails if a step failed, or a client had none.
sum_up_cluster() {
    local client passed failed status=0
    while read -r client; do
        passed=$(awk -F '\t' -v c="$client" '$1 == c && $2 == "PASS"' "$TOP_DIR/results" | wc -l)
        failed=$(awk -F '\t' -v c="$client" '$1 == c && $2 == "FAIL"' "$TOP_DIR/results" | wc -l)
        echo "cluster: $client: $passed steps passed, $failed failed"
        [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ] || status=1
    done < <(cut -f 1 "$TOP_DIR/results" | sort -u)
    grep '.' "$CLUSTER_DIR/restarts.log" && status=1
    echo "cluster: $(wc -l <"$CLUSTER_DIR/restarted") restarts of a broker"
    return "$status"
}

check_cluster() {
    cd "$RUN_DIR"
    step "stops in order after all of it" cluster_stops
    step "nothing panicked" no_broker_panicked
    step "the replicas hold the same bytes" python3 "$here/replicas.py" "$CLUSTER_DIR"
}

cluster_stops() {
    local id
    # Whoever restarts one at this moment is waited for, and nobody does so from now on.
    touch "$CLUSTER_DIR/over"
    flock "$CLUSTER_DIR/restarting" true
    cluster_stop
    for id in $CLUSTER_BROKERS; do
        expect yes "$([ -e "$CLUSTER_DIR/broker-$id/.kafka_cleanshutdown" ] && echo yes)" \
            "clean-shutdown marker of broker $id"
    done
}

no_broker_panicked() {
    ! grep -n -A3 panicked "$CLUSTER_DIR"/broker-*.log
}
