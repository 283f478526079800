# A function for the run.sh of a client in Java; to be sourced.

# maven ARGUMENT...: what Maven says first is why it failed; what it says last is where to read on.
maven() {
    local log=$RUN_DIR/maven.out
    if ! timeout --foreground "$STEP_SECONDS" mvn -q -B -ntp -Dstyle.color=never "$@" >"$log" 2>&1; then
        grep -m 3 'ERROR' "$log" || cat "$log"
        return 1
    fi
}
