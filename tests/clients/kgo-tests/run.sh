#!/usr/bin/env bash
# franz-go's own tests, those of its package kgo, against our broker: of the version that the client
# of ../franz-go has, which go.sum there vouches for. left-out.txt has the tests that are not run.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
export LC_ALL=C
source ../lib.sh

MODULE=github.com/twmb/franz-go
PROGRAM=$(realpath ../../..)/target/clients/kgo-tests/kgo.test

franz_go() {
    timeout --foreground "$STEP_SECONDS" go -C ../franz-go "$@"
}

step_or_end "build" franz_go test -c -o "$PROGRAM" "$MODULE/pkg/kgo"
version=$(franz_go list -m -f '{{.Version}}' "$MODULE")
echo "VERSION ${version#v}"
python3 kgo_tests.py "$PROGRAM" "$(franz_go list -f '{{.Dir}}' "$MODULE/pkg/kgo")"
