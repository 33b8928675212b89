#!/usr/bin/env bash
# A load of many logical clients from one process on one connection, as `paxos-client bench`, judged afterwards where --history names a file:
#   paxos-ws-client/run.sh --clients 50 --requests 100000 --mix put=50,get=40,cas=10 --history out.jsonl
# The cluster is the one of runner-ws/config.yaml, of PAXOS_CONFIG or of --config. All options: paxos-client bench --help
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
programs=${CARGO_TARGET_DIR:-$here/target}/release
for program in paxos-client paxos-check; do
    [ -x "$programs/$program" ] || {
        echo "run.sh: $programs/$program is missing: run 'cargo build --release' in $here first" >&2
        exit 2
    }
done
export PAXOS_CONFIG=${PAXOS_CONFIG:-$here/runner-ws/config.yaml}

history=''
arguments=("$@")
for at in "${!arguments[@]}"; do
    case ${arguments[at]} in
    --history) history=${arguments[at + 1]:-} ;;
    --history=*) history=${arguments[at]#--history=} ;;
    esac
done
code=0
"$programs/paxos-client" bench "$@" || code=$?
# What was answered is judged even when something was not.
if [ -n "$history" ] && [ $code -le 1 ]; then
    "$programs/paxos-check" --unanswered-ok "$history" || code=$?
fi
exit $code
