#!/usr/bin/env bash
# `make ktls`: the tests of TLS once more, with the kernel encrypting; and the exhibit. On this machine
# if its kernel has TLS, or else in a machine of its own for each of KERNELS (kernel.sh, vm.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

read -r -a kernels <<< "${KERNELS:-stock rekey}"
# Of the tests, those to which it makes a difference who encrypts.
network_tests=(transport::kernel_tls transport::plaintext_transport_layer transport::ssl)
broker_tests=(apis::fetch apis::produce apis::largest_answers security::authorization::a_fetch_of)
exhibit=docs/exhibits/strace-session-ktls.txt

missing=()
need() { # program, and the package that has it
    command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing+=("$2")
}

# The binary of a test, built.
test_binary() {
    cargo test --no-run --quiet --message-format=json --test "$1" |
        sed -nE 's/.*"executable":"([^"]*\/deps\/'"$1"'-[^"]*)".*/\1/p' | tail -n 1
}

echo "Building the tests, the broker and what records it; the first time takes a few minutes."
network=$(test_binary network)
broker=$(test_binary broker)
cargo build --quiet --package transferto --package exhibits
exhibits=$PWD/target/debug/exhibits
of_transports="KTLS=required $network --test-threads 2 ${network_tests[*]}"
of_broker="KTLS=required $broker --test-threads 2 ${broker_tests[*]}"
if [ -n "${RECORD:-}" ]; then
    recording="cd $PWD && $exhibits strace tls 2>&1 && echo end of the exhibit"
else
    recording="cd $PWD && $exhibits strace tls --compare"
fi

modprobe tls 2>/dev/null || PATH=$PATH:/usr/sbin modprobe tls 2>/dev/null || true
if grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp; then
    echo "The kernel of this machine ($(uname -r)) has TLS: the tests run here."
    sh -c "$of_transports && $of_broker"
    exec sh -c "$recording"
fi

need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
need depmod kmod
need apt-get "apt, on Debian: the kernels come from there"
if [ ${#missing[@]} -gt 0 ]; then
    echo "The kernel of this machine ($(uname -r)) has no TLS that is loaded (modprobe tls), and for one" >&2
    echo "that has, these packages are missing: ${missing[*]}" >&2
    exit 1
fi
echo "The kernel of this machine ($(uname -r)) has no TLS that is loaded: the tests run in another, under"
echo "QEMU, which takes a minute or two for each. The first time fetches the kernels, 70 MB."
failed=()
for kind in "${kernels[@]}"; do
    version=$(tests/ktls/kernel.sh "$kind" "target/ktls/$kind")
    echo "== Linux $version"
    started=$SECONDS
    # What kernels differ in are the keys; one of them shows the rest.
    all=$of_transports
    [ "$kind" = "${kernels[-1]}" ] && all="$of_transports && $of_broker && $recording"
    if [ -z "${RECORD:-}" ]; then
        tests/ktls/vm.sh "target/ktls/$kind" "$all" \
            "$network" "$broker" "$exhibits" target/debug/transferto strace "$exhibit" ||
            failed+=("$version")
    else
        tests/ktls/vm.sh "target/ktls/$kind" "$recording" "$exhibits" target/debug/transferto strace |
            sed -n '/^The system calls/,/^end of the exhibit$/{/^end of the exhibit$/d; p}' > "$exhibit.new"
        [ -s "$exhibit.new" ] && mv "$exhibit.new" "$exhibit" || failed+=("$version")
    fi
    echo "Linux $version took $((SECONDS - started)) s."
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILURE on Linux ${failed[*]}." >&2
    exit 1
fi
