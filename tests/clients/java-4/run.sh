#!/usr/bin/env bash
# kafka-clients 4.4.0.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../java/build-and-run.sh 4.4.0
