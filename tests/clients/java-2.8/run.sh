#!/usr/bin/env bash
# kafka-clients 2.8.2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../java/build-and-run.sh 2.8.2
