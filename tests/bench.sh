#!/usr/bin/env bash
# Measures replicode beside etcd and redis on this machine and prints ratios; see docs/performance.md.
#   tests/bench.sh [--seconds N] [--rounds N] [--json] [set-etcd|set-redis|get-redis|latency|replay|calls ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh bench >&2
cargo build --release --locked -p replicode-tests --bins >&2
exec target/release/bench "$@"
