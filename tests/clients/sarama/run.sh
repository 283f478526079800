#!/usr/bin/env bash
# sarama 1.61.1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../go-suite/build-and-run.sh
