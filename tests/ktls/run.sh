#!/usr/bin/env bash
# `make ktls`: the tests of TLS once more, with the kernel encrypting; and the exhibit. On this machine
# if its kernel has TLS, or else in a machine of its own for each of KERNELS (kernel.sh, vm.sh).
set -euo pipefail
cd "$(dirname "$0")/../.."

read -r -a kernels <<< "${KERNELS:-stock rekey}"
modules=(transport::kernel_tls transport::plaintext_transport_layer)

missing=()
need() { # program, and the package that has it
    command -v "$1" >/dev/null || PATH=$PATH:/usr/sbin command -v "$1" >/dev/null || missing+=("$2")
}

# The binary of a test, built.
test_binary() {
    cargo test --no-run --quiet --message-format=json --test "$1" |
        sed -nE 's/.*"executable":"([^"]*\/deps\/'"$1"'-[^"]*)".*/\1/p' | tail -n 1
}

echo "Building the tests; the first time takes a minute or two."
network=$(test_binary network)
command="KTLS=required $network --test-threads 2 ${modules[*]}"

modprobe tls 2>/dev/null || PATH=$PATH:/usr/sbin modprobe tls 2>/dev/null || true
if grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp; then
    echo "The kernel of this machine ($(uname -r)) has TLS: the tests run here."
    exec sh -c "$command"
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
echo "QEMU, which takes a minute for each. The first time fetches the kernels, 70 MB."
failed=()
for kind in "${kernels[@]}"; do
    version=$(tests/ktls/kernel.sh "$kind" "target/ktls/$kind")
    echo "== Linux $version"
    started=$SECONDS
    tests/ktls/vm.sh "target/ktls/$kind" "$command" "$network" || failed+=("$version")
    echo "Linux $version took $((SECONDS - started)) s."
done
if [ ${#failed[@]} -gt 0 ]; then
    echo "Tests failed on Linux ${failed[*]}." >&2
    exit 1
fi
