#!/usr/bin/env bash
# Measures this system on this machine, beside etcd, beside its own cores compiled natively, and beside other ways of putting it together.
# Prints a table; exit code 1 when something wanted is missed. docs/performance.md says what the figures mean.
#   wasm_programs/paxos-wasm/bench.sh [--requests N] [--rounds N] [--kills N] [memory|sync|etcd|native|network|made|failover ...]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-target}
command -v etcd >/dev/null || {
    sudo=''
    [ "$(id -u)" -eq 0 ] || sudo=sudo
    echo "bench.sh: installing etcd-server" >&2
    # A server that starts by itself would take its default port.
    $sudo apt-get update -qq && $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends etcd-server >/dev/null
}
cargo build --locked >&2
cargo build --release --locked >&2
# Where cargo build --release builds host and client: nothing is compiled twice.
cargo build --release --locked --target-dir "$target/native" -p paxos-tests --bin paxos-bench >&2
cargo build --release --locked --target-dir "$target/native" -p paxos-sim --example native >&2
exec "$target/native/release/paxos-bench" "$@"
