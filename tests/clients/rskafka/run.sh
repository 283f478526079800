#!/usr/bin/env bash
# rskafka 0.6.0: all in Rust, asynchronous.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../rust-suite/build-and-run.sh
