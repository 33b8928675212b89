#!/usr/bin/env bash
# Passes all tests: builds the guests and the binaries, then runs the tests of every crate and those of the whole.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh test
# The build in which a nondeterminism can be planted, for tests/tests/divergence.rs.
cargo build --release --locked --workspace --features replicode/planted-nondeterminism --bin replicode-planted

mkdir -p target
# Names as the kernel keeps them, which is at most 15 characters of them: `replicode-plant` is the planted one.
ours() { { pgrep -x replicode; pgrep -x 'replicode-pl.*'; } | sort; }
before=$(ours || true)
# What runs beside these tests would disturb them, and they each other: clusters of real processes on few processors.
RUST_TEST_THREADS=1 cargo test --release --locked --workspace --no-fail-fast -- --nocapture 2>&1 | tee target/tests.log
# A process that a test left behind would disturb the next run: say so instead of hiding it.
left=$(comm -13 <(echo "$before") <(ours || true))
if [ -n "$left" ]; then
    echo "run.sh: the tests left these processes behind:" $left >&2
    exit 1
fi
