#!/usr/bin/env bash
# rdkafka 0.39.0: librdkafka in Rust. Its build compiles the source of librdkafka that it brings.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../rust-suite/build-and-run.sh
