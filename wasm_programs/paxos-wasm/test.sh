#!/usr/bin/env bash
# Builds and tests everything in this folder, as tests/run.sh and .ci/run of the project do:
#   wasm_programs/paxos-wasm/test.sh [all|lints]   all: the tests that take minutes, too: every mix of providers, scripts in a terminal, in
#                                                  tmux and over network namespaces (iproute2); lints: clippy instead of tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-target}
# Where `cargo build --release` builds host and client: nothing is compiled twice.
native=(--release --locked --target-dir "$target/native" --workspace)

if [ "${1:-}" = lints ]; then
    # The components are made by the build; here their code is only looked at.
    PAXOS_BUILD=skip cargo clippy "${native[@]}" --all-targets -- -D warnings
    exit
fi

cargo build --locked
cargo build --release --locked
hosts() { { pgrep -x paxos-host || true; } | sort; }
before=$(hosts)
status=0
long=()
if [ "${1:-}" = all ]; then long=(-- --include-ignored); fi
# Clusters of real processes on few processors would disturb each other.
PAXOS_BUILD=skip RUST_TEST_THREADS=1 cargo test "${native[@]}" --no-fail-fast "${long[@]}" || status=1
# The bugs that are planted into the cores must be found. A target folder of their own keeps them out of everything else.
PAXOS_BUILD=skip cargo test --release --locked --target-dir "$target/planted" -p paxos-sim --features planted \
    --test planted --test explore -- planted || status=1
left=$(comm -13 <(echo "$before") <(hosts))
if [ -n "$left" ]; then
    echo "test.sh: the tests left these processes behind:" $left >&2
    exit 1
fi
exit $status
