#!/usr/bin/env bash
# segmentio/kafka-go 0.4.51. Its producer is not idempotent.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../go-suite/build-and-run.sh
