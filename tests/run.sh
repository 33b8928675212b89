#!/usr/bin/env bash
# Passes all tests: builds the guests and the binaries, runs the tests of every crate and those of the whole, then the models of
# the transactional memory, then contracts, then Paxos made of components.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh test
# The build in which a nondeterminism can be planted, for tests/tests/divergence.rs.
cargo build --release --locked --workspace --features replicode/planted-nondeterminism --bin replicode-planted

mkdir -p target
# Names as the kernel keeps them, which is at most 15 characters of them: `replicode-plant` is the planted one.
ours() { { pgrep -x replicode; pgrep -x 'replicode-pl.*'; pgrep -x 'stm-counter.*'; } | sort; }
before=$(ours || true)
# What runs beside these tests would disturb them, and they each other: clusters of real processes on few processors.
failed=0
RUST_TEST_THREADS=1 cargo test --release --locked --workspace --no-fail-fast -- --nocapture 2>&1 | tee target/tests.log || failed=1
# A process that a test left behind would disturb the next run: say so instead of hiding it.
left=$(comm -13 <(echo "$before") <(ours || true))
if [ -n "$left" ]; then
    echo "run.sh: the tests left these processes behind:" $left >&2
    exit 1
fi
if [ $failed != 0 ]; then
    # What failed, and what it said, once more at the end: thousands of lines may lie between.
    echo "== what failed" >&2
    awk '
        /^test .* \.\.\. / { n = 0 }
        { said[n++ % 150] = $0 }
        /(^|\.\.\. )FAILED$/ { for (i = n > 150 ? n - 150 : 0; i < n; i++) print said[i % 150] }
        /^error: [0-9]+ targets? failed/ { targets = 1 } targets { print }
    ' target/tests.log >&2
    exit 1
fi

# The transactional memory once more: engines with a planted mistake, every schedule of small models, many schedules of
# the whole engine. Builds of their own, in places of their own.
models() { cargo test --release --locked --package replicode-stm "$@" 2>&1 | tee -a target/tests.log; }
CARGO_TARGET_DIR=target/mutants models --features mutants --test mutants -- --nocapture
RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS=2 CARGO_TARGET_DIR=target/loom models --lib models
RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle models --test shuttle
# Hand-overs between threads: many schedules.
RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR=target/shuttle cargo test --release --locked --package replicode-handover --test schedules 2>&1 |
    tee -a target/tests.log

# Transforms of contracts with a planted mistake.
CARGO_TARGET_DIR=target/mutants cargo test --release --locked --package replicode-transform --features mutants --test mutants -- --nocapture 2>&1 |
    tee -a target/tests.log

# Contracts and what they are written with: a workspace of its own.
wasm_programs/contracts/test.sh 2>&1 | tee -a target/tests.log

# Functions and what they are written with: a workspace of its own.
wasm_programs/functions/build.sh test 2>&1 | tee -a target/tests.log

# Paxos made of components: a workspace of its own.
wasm_programs/paxos-wasm/test.sh 2>&1 | tee -a target/tests.log
