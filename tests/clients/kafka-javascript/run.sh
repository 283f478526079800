#!/usr/bin/env bash
# @confluentinc/kafka-javascript of npm: librdkafka in JavaScript. main.js is the program.
#
# Its npm package brings librdkafka's source. The binaries that it would rather download lie outside
# the registry; where they cannot be had, npm compiles the source with the libraries of the system.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../node/node.sh

export CKJS_LINKING=dynamic

# librdkafka leaves zstd out, without a word, where the header of libzstd is missing. Debian's
# package has it; it is unpacked under target/, beside the library that every Debian has.
provide_zstd() {
    local place
    place=$(realpath -m ../../../target/clients)/zstd
    if [ -e /usr/include/zstd.h ]; then
        return
    fi
    mkdir -p "$place/lib"
    cd "$place"
    if [ ! -e usr/include/zstd.h ]; then
        apt-get download -q libzstd-dev
        dpkg -x libzstd-dev_*.deb .
    fi
    ln -sf "$(ldconfig -p | awk '$1 == "libzstd.so.1" { print $NF; exit }')" lib/libzstd.so
}

step "headers of zstd" provide_zstd
export CPATH=$PWD/../../../target/clients/zstd/usr/include
export LIBRARY_PATH=$PWD/../../../target/clients/zstd/lib
run_node_client
