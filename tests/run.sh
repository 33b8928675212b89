#!/usr/bin/env bash
# Passes all tests: builds the guests and the binary, then the tests of every crate, then those of the whole.
# Real clusters want the machine for themselves, so the tests of the whole run one at a time.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh test

cargo test --release --locked --workspace --exclude replicode-tests
cargo test --release --locked -p replicode-tests -- --test-threads=1 --nocapture 2>&1 | tee target/whole.log
# A cluster or a program that a failed test left behind would disturb the next run; say so instead of hiding it.
if pgrep -x replicode >/dev/null; then
    echo "run.sh: a replicode process is still running after the tests:" >&2
    pgrep -ax replicode >&2
    exit 1
fi
