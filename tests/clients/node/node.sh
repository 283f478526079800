# Functions for the run.sh of a client in JavaScript; to be sourced from its directory, after lib.sh.

# run_node_client: installs what package.json names under target/, and runs main.js with it. Node
# looks for modules above the file that asks for them, so the programs are copied there.
run_node_client() {
    local client place status=0
    client=$(basename "$PWD")
    place=$(realpath -m ../../../target/clients)/$client
    build_or_end "install from npm" install_node_client "$place"
    cp ../node/suite.js main.js "$place"
    timeout --foreground --kill-after=5 900 node "$place/main.js" 2>"$RUN_DIR/$client.stderr" ||
        status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAIL main.js: status $status: $(tail -n 4 "$RUN_DIR/$client.stderr" | tr '\n' '|')"
    fi
}

# If npm fails, its lines about the registry or the compiler say why, and not its last ones.
install_node_client() {
    local log=$RUN_DIR/npm.out
    mkdir -p "$1"
    if [ -e "$1/installed" ] && cmp package-lock.json "$1/package-lock.json"; then
        return
    fi
    rm -f "$1/installed"
    cp package.json package-lock.json "$1"
    if ! (cd "$1" && timeout --foreground "$BUILD_SECONDS" npm ci --no-audit --no-fund) \
        >"$log" 2>&1; then
        grep -m 4 -E 'code |reason:|error: |\*\*\*' "$log" || cat "$log"
        return 1
    fi
    touch "$1/installed"
}
