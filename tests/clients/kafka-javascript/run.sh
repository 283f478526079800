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

# librdkafka leaves zstd out, without a word, where its header is missing.
needs_zstd() {
    if ! cc -E -include zstd.h -x c /dev/null >"$RUN_DIR/zstd.h"; then
        echo "librdkafka is compiled here, with zstd: apt-get install libzstd-dev"
        return 1
    fi
}

step_or_end "header of zstd" needs_zstd
run_node_client
