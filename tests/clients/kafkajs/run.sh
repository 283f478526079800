#!/usr/bin/env bash
# kafkajs of npm: all in JavaScript. main.js is the program.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../node/node.sh

run_node_client
