#!/usr/bin/env bash
# confluent-kafka of PyPI: librdkafka of today, in Python. main.py is the program.
set -euo pipefail
export LC_ALL=C
cd "$(dirname "${BASH_SOURCE[0]}")"
source ../lib.sh
source ../python/python.sh

run_python_client
