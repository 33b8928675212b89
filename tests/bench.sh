#!/usr/bin/env bash
# Measures replicode beside etcd, redis and Wasmtime on this machine and prints ratios; see docs/performance.md.
#   tests/bench.sh ports [NAME ...] [--seconds N] [--rounds N] [--nodes 1|3] [--json]     servers beside native builds of the same source
#   tests/bench.sh functions [--seconds N] [--rounds N] [--json]     the service of functions
#   tests/bench.sh functions-load | functions-peers | functions-beside     loads and starts; processes; a good function beside bad ones
#   tests/bench.sh functions-cluster [--seconds N] [--rounds N] [--pipeline N] [--json]     functions in the log of three nodes
#   tests/bench.sh [--seconds N] [--rounds N] [--json] [set-etcd|set-redis|get-redis|latency|replay|connections|calls ...]
#   tests/bench.sh ab OLD NEW [--turns N] [--seconds N] [--only ROW ...] [--json]     two revisions (or programs) in turn: is the new one slower?
#   tests/bench.sh contract-cluster [--clients 64] [--flight 16] [--seconds 10]     calls of contracts on three nodes, and one client alone
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "${1:-}" = contract-cluster ]; then
    shift
    cargo build --release --locked --workspace --bins >&2
    data=$(mktemp -d)
    target/release/replicode up --contracts --nodes 3 --data "$data/cell" >"$data/up.log" 2>&1 &
    up=$!
    trap 'kill -INT $up; wait $up || true; rm -rf "$data"' EXIT
    listen() { target/release/replicode status "$data/cell/node-$1" --json | python3 -c 'import json, sys; print(json.load(sys.stdin)["contracts"]["listen"])'; }
    nodes=()
    for node in 1 2 3; do
        until address=$(listen $node 2>/dev/null); do sleep 0.2; done
        nodes+=("$address")
    done
    target/release/contract-load "$@" "${nodes[@]}"
    exit
fi
if [ "${1:-}" = ab ]; then
    shift
    case " $* " in *" --help "* | *" -h "*) ;; *)
        tests/setup.sh bench >&2
        cargo build --release --locked --workspace --bins --example callcost --example roundtrip >&2
        cc -O2 -Wall -Wextra -shared -fPIC -o target/own_disk.so tests/bench/own_disk.c
        ;;
    esac
    exec python3 -B tests/bench/ab.py "$@"
fi
if [ "${1:-}" = ports ]; then
    shift
    if [ -z "${REPLICODE:-}" ]; then tests/setup.sh build >&2; fi
    cargo build --release --locked --workspace --bins >&2
    exec python3 -B tests/bench/ports.py "$@"
fi
if [ "${1:-}" = functions ]; then
    shift
    if [ -z "${REPLICODE:-}" ]; then tests/setup.sh build >&2; fi
    exec python3 -B tests/bench/functions.py "$@"
fi
case ${1:-} in functions-load | functions-peers | functions-beside)
    if [ -z "${REPLICODE:-}" ]; then tests/setup.sh build >&2; fi
    exec python3 -B tests/bench/functions_more.py "${1#functions-}"
    ;;
esac
if [ "${1:-}" = functions-cluster ]; then
    shift
    cargo build --release --locked --workspace --bins >&2
    exec python3 -B tests/bench/functions_cluster.py "$@"
fi
tests/setup.sh bench >&2
# The whole workspace, as everywhere: building single crates resolves to other features.
cargo build --release --locked --workspace --bins --example callcost --example roundtrip >&2

# Disks that nodes do not share, for `latency`.
cc -O2 -Wall -Wextra -shared -fPIC -o target/own_disk.so tests/bench/own_disk.c

# Wasmtime with its own WASI is a package of its own, and takes some minutes the first time: only where it is asked for.
measurements=""
value=0
for arg in "$@"; do
    if [ "$value" = 1 ]; then value=0; continue; fi
    case $arg in
    --seconds | --rounds) value=1 ;;
    -*) ;;
    *) measurements+=" $arg" ;;
    esac
done
case "$measurements " in
" " | *" calls "*)
    cargo build --release --locked --manifest-path runtime/wasm/stock/Cargo.toml --target-dir target/stock >&2
    ;;
esac
exec target/release/bench "$@"
