# Functions for the run.sh of a client in Python; to be sourced from its directory, after lib.sh.

# run_python_client: makes a virtual environment under target/ from requirements.txt, and runs
# main.py in it.
run_python_client() {
    local client status=0
    client=$(basename "$PWD")
    local environment
    environment=$(realpath -m ../../../target/clients)/$client
    build_or_end "install from PyPI" install_python_client "$environment"
    PYTHONPATH=../python PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 timeout --foreground \
        --kill-after=5 900 "$environment/bin/python" main.py 2>"$RUN_DIR/$client.stderr" ||
        status=$?
    if [ "$status" -ne 0 ]; then
        echo "FAIL main.py: status $status: $(tail -n 2 "$RUN_DIR/$client.stderr" | tr '\n' '|')"
    fi
}

install_python_client() {
    [ -x "$1/bin/python" ] || python3 -m venv "$1"
    timeout --foreground "$STEP_SECONDS" "$1/bin/python" -m pip install -q --no-input -r requirements.txt
}
