#!/usr/bin/env bash
# kafka-clients 3.9.2.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../java/build-and-run.sh 3.9.2
