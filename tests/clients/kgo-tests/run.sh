#!/usr/bin/env bash
# franz-go's own tests, those of its package kgo, against our broker: of the version that the client
# of ../franz-go has, which go.sum there vouches for. left-out.txt has the tests that are not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LC_ALL=C
source ../lib.sh

PACKAGE=github.com/twmb/franz-go/pkg/kgo
PROGRAM=$(realpath ../../..)/target/clients/kgo-tests/kgo.test

build() {
    go -C ../franz-go test -c -o "$PROGRAM" "$PACKAGE"
}

echo "VERSION $(go -C ../franz-go list -m -f '{{.Version}}' "${PACKAGE%/pkg/kgo}")"
rm -f "$PROGRAM"
step "build" build
if [ -x "$PROGRAM" ]; then
    exec python3 kgo_tests.py "$PROGRAM" "$(go -C ../franz-go list -f '{{.Dir}}' "$PACKAGE")"
fi
