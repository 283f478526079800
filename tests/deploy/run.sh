#!/usr/bin/env bash
# `make installation`: installs the binary from a clean clone by the steps of docs/deploy/Dockerfile,
# puts it alone into an empty root, and runs it there as the Dockerfile's user, in a network of its own.
# Where a container engine runs, the image is built and tried, too.
set -euo pipefail
cd "$(dirname "$0")/../.."

dockerfile=docs/deploy/Dockerfile
work=$PWD/target/installation
image=$work/image

main() {
    local missing=()
    for tool in git kcat unshare chroot mount ip; do
        command -v "$tool" >/dev/null || missing+=("$tool")
    done
    ((${#missing[@]} == 0)) || fail "make installation needs ${missing[*]}, for example: apt-get install git kcat util-linux iproute2"
    ((UID == 0)) || fail "make installation needs root: it mounts and changes its root, in namespaces of its own"
    install_from_clone
    check_what_it_prints
    check_unit
    if unshare --mount --net true; then
        echo "In an empty root:"
        unshare --mount --net --pid --fork --kill-child "$0" in-empty-root
    else
        echo "MISSING: the right to make namespaces, the binary was not run in an empty root"
    fi
    try_engine
    echo "The installation works."
}

fail() {
    echo "tests/deploy/run.sh: $*" >&2
    exit 1
}

# What stands after an instruction of the Dockerfile, a line each.
instruction() {
    sed -n "s/^$1 //p" "$dockerfile"
}

# Runs the steps of the first stage. The cache of the build stays in target/installation.
install_from_clone() {
    rm -rf "$work/clone" "$image"
    mkdir -p "$work"
    if git clone --quiet . "$work/clone"; then
        git diff --quiet HEAD || echo "What is not committed is not installed: this is $(git rev-parse --short HEAD)."
    else
        echo "MISSING: a repository to clone, its files are copied"
        mkdir -p "$work/clone"
        tar -c --exclude=./target --exclude=./data . | tar -x -C "$work/clone"
    fi
    local steps
    steps=$(instruction RUN)
    [[ $steps == *"cargo install"* ]] || fail "$dockerfile has no step with cargo install"
    (cd "$work/clone" && IMAGE=$image CARGO_TARGET_DIR=$work/build PATH="$PATH:$image/usr/bin" sh -ec "$steps")
    # As the COPY instructions of the second stage say.
    local options from to
    while read -r options from to; do
        if [[ $options == --chown=* ]]; then
            chown -R "${options#--chown=}" "$image${from#/image}"
        else
            to=$from from=$options
        fi
        [[ $from == "/image$to" ]] || fail "$dockerfile copies $from to $to, which this script does not know"
    done < <(instruction "COPY --from=build")
}

transferto() {
    "$image/usr/bin/transferto" "$@"
}

check_what_it_prints() {
    [[ $(transferto --version) == "transferto $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)" ]] ||
        fail "--version does not say the version of Cargo.toml"
    local shell
    for shell in bash zsh fish; do
        transferto --completion "$shell" >"$work/completion.$shell"
        if command -v "$shell" >/dev/null; then
            "$shell" -n "$work/completion.$shell" || fail "$shell does not take its completion"
        else
            echo "MISSING: $shell, its completion was not read"
        fi
    done
    mkdir -p "$work/man/man1"
    transferto --man >"$work/man/man1/transferto.1"
    if command -v mandoc >/dev/null; then
        # A date would make each build another page.
        local complaints
        complaints=$(mandoc -T lint "$work/man/man1/transferto.1" | grep -v "missing date") && fail "the manual page: $complaints"
    else
        echo "MISSING: mandoc, the manual page was not checked"
    fi
    transferto --check docs/deploy/server.properties >/dev/null
    transferto --check docs/deploy/container.properties >/dev/null
    echo "The binary prints its help, its version, its completions and its manual page."
}

# The unit names files of an installation; here they lie elsewhere.
check_unit() {
    if ! command -v systemd-analyze >/dev/null; then
        echo "MISSING: systemd-analyze, the unit was not checked"
        return
    fi
    local unit=$work/transferto.service complaints
    sed -e "s|/usr/local/bin/transferto|$image/usr/bin/transferto|" -e '/^Documentation=/d' docs/deploy/transferto.service >"$unit"
    complaints=$(systemd-analyze verify "$unit" 2>&1) || fail "the unit: $complaints"
    [[ -z $complaints ]] || fail "the unit: $complaints"
    echo "systemd-analyze verify takes the unit."
}

# Runs in namespaces of its own, so that nothing is left of it.
in_empty_root() {
    local root=$work/root user command log=$work/log
    user=$(instruction USER)
    command=$(instruction ENTRYPOINT | tr -d '[],"')
    ip link set lo up
    rm -rf "$root" "$work/volume"
    mkdir -p "$root"
    # What every engine brings: the devices, /proc, and a volume; everything else can only be read.
    cp -a "$image/." "$root/"
    mkdir -p "$root/dev" "$root/proc"
    touch "$root/dev/null" "$root/dev/urandom"
    cp -a "$root$(instruction VOLUME)" "$work/volume"
    mount --bind "$root" "$root"
    mount -o remount,bind,ro "$root"
    mount -t proc proc "$root/proc"
    mount --bind /dev/null "$root/dev/null"
    mount --bind /dev/urandom "$root/dev/urandom"
    mount --bind "$work/volume" "$root$(instruction VOLUME)"
    # shellcheck disable=SC2086
    chroot --userspec="$user" "$root" $command 2>"$log" &
    local broker=$!
    talk "$broker" 127.0.0.1:9092 || { cat "$log"; fail "the broker in the empty root does not serve"; }
    local uid
    uid=$(stat -c %u "$root/proc/$broker")
    [[ $uid == "${user%%:*}" ]] || fail "the broker runs as $uid and not as $user"
    exec 3<>/dev/tcp/127.0.0.1/9404
    printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    grep -q '^ready' <&3 || fail "/readyz does not say that the broker is ready"
    kill -TERM "$broker"
    wait "$broker" || { cat "$log"; fail "the broker did not shut down cleanly"; }
    echo "  $(du -h "$image/usr/bin/transferto" | cut -f1) and nothing else, as $user: ready, produced, consumed, shut down."
}

# Waits until the broker serves, and gets back what it was given.
talk() {
    local broker=$1 address=$2 tries=0
    until kcat -b "$address" -L -m 1 >/dev/null 2>&1; do
        ((tries += 1)) && ((tries < 60)) && { [[ -z $broker ]] || kill -0 "$broker"; } || return 1
        sleep 0.2
    done
    seq 1000 | kcat -b "$address" -t installation -P -X acks=all &&
        cmp <(seq 1000) <(kcat -q -b "$address" -t installation -C -e) &&
        cmp <(seq 1000) <(kcat -q -b "$address" -G installed -e -X auto.offset.reset=earliest installation 2>/dev/null)
}

try_engine() {
    local engine container port=19092
    for engine in docker podman; do
        if ! command -v "$engine" >/dev/null || ! "$engine" info >/dev/null 2>&1; then
            continue
        fi
        "$engine" build --quiet -f "$dockerfile" -t transferto-installation .
        container=$("$engine" run -d --read-only -p "127.0.0.1:$port:9092" transferto-installation \
            --override "advertised.listeners=PLAINTEXT://127.0.0.1:$port")
        talk "" "127.0.0.1:$port" || { "$engine" logs "$container"; "$engine" rm -fv "$container"; fail "the container does not serve"; }
        "$engine" stop "$container" >/dev/null
        [[ $("$engine" inspect -f '{{.State.ExitCode}}' "$container") == 0 ]] || fail "the container did not shut down cleanly"
        "$engine" rm -v "$container" >/dev/null
        echo "$engine builds the image, and its container serves."
        return
    done
    echo "No container engine runs here: only the steps of the Dockerfile were tried."
}

case ${1:-} in
in-empty-root) in_empty_root ;;
*) main ;;
esac
