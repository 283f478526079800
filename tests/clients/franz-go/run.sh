#!/usr/bin/env bash
# franz-go 1.22.2, with its kadm 1.19.0 for the administration.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
exec ../go-suite/build-and-run.sh
