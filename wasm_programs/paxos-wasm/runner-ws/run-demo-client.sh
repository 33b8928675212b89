#!/usr/bin/env bash
# The demo: 500 logical clients in ten processes send 1,000,000 requests to the leader of the cluster that runner-ws/run-local.sh
# started. One line of progress, then rate, latencies and the verdict on the histories of all clients. Exit code 1 if one request
# was lost, doubled or answered wrong.
#   runner-ws/run-demo-client.sh [config.yaml] [options of paxos-client demo: --processes, --clients, --requests, --mix, --histories …]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
client=${CARGO_TARGET_DIR:-$here/target}/release/paxos-client
[ -x "$client" ] || {
    echo "run-demo-client.sh: $client is missing: run 'cargo build --release' in $here first" >&2
    exit 2
}
config=${PAXOS_CONFIG:-$here/runner-ws/config.yaml}
case ${1:-} in
'' | -*) ;;
*)
    config=$1
    shift
    ;;
esac
exec "$client" demo --config "$config" "$@"
