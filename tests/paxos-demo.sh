#!/usr/bin/env bash
# Paxos made of components, end to end: builds what is missing, starts three nodes on this machine, asks by hand, then 500 logical clients
# in ten processes send 1,000,000 requests; on the way the leader is killed twice, and started again. Every figure that it prints is also
# checked: the demo ends with an error when a request is lost, doubled or wrong, or when the nodes do not come to the same state.
#
#   tests/paxos-demo.sh           PORT=7100 and up to PORT+203 are used; REQUESTS=1000000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh paxos
cd wasm_programs/paxos-wasm
cargo build --locked
cargo build --release --locked

programs=${CARGO_TARGET_DIR:-$PWD/target}/release
port=${PORT:-7100}
requests=${REQUESTS:-1000000}
data=$(mktemp -d "${TMPDIR:-/tmp}/paxos-demo-XXXXXX")
demo=''

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() {
    echo "paxos-demo.sh: $*" >&2
    tail -n 10 "$data"/data/*/node.log "$data"/demo.* >&2 || true
    exit 1
}
cleanup() {
    trap - EXIT
    [ -z "$demo" ] || kill "$demo" 2>/dev/null || true
    runner-ws/run-local.sh stop "$data/config.yaml" >/dev/null 2>&1 || true
    wait
    rm -rf "$data"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# The configuration as shipped, with data of its own.
sed -e "s|^data-dir:.*|data-dir: $data/data|" -e "s|^components:.*|components: ${CARGO_TARGET_DIR:-$PWD/target}/components|" \
    -e "s|127.0.0.1:71|127.0.0.1:$((port / 100))|" -e "s|127.0.0.1:72|127.0.0.1:$((port / 100 + 1))|" \
    -e "s|127.0.0.1:73|127.0.0.1:$((port / 100 + 2))|" runner-ws/config.yaml >"$data/config.yaml"
export PAXOS_CONFIG=$data/config.yaml
# No tabs: a plain shell, whatever this one runs in.
unset TMUX

expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"
    printf '%-34s → %s\n' "$1" "$3"
}
client() { "$programs/paxos-client" "$@"; }
status() { "$programs/paxos-host" status --json "$PAXOS_CONFIG" || true; }
# Which node leads, as the proposers say. (Nobody but the demo asks while it runs: then each place in the order is one of its requests.)
leader() {
    local node until=$((SECONDS + 30))
    while [ $SECONDS -lt $until ]; do
        node=$(status | python3 -c '
import json, sys
roles = [(process["node"], process.get("roles", {}).get("proposer", {}).get("figures", {})) for process in json.load(sys.stdin)]
print(*[node for node, figures in roles if figures.get("leader") == node][:1])')
        if [ -n "$node" ]; then echo "$node"; return; fi
        sleep 0.1
    done
    fail "nobody leads"
}
# How many requests of the demo are answered.
answered() { tail -n 1 "$data/demo.err" 2>/dev/null | awk '{ print $1 + 0; found = 1 } END { if (!found) print 0 }'; }
await_answered() { # COUNT
    until [ "$(answered)" -ge "$1" ]; do
        kill -0 "$demo" 2>/dev/null || fail "the demo ended after $(answered) requests"
        sleep 0.1
    done
}

say "\$ runner-ws/run-local.sh"
runner-ws/run-local.sh "$PAXOS_CONFIG"

say "by hand"
client put greeting hello-from-components >/dev/null
expect "get greeting" hello-from-components "$(client get greeting)"
client cas greeting hello-from-components agreed >/dev/null
expect "get greeting, after cas" agreed "$(client get greeting)"
expect "cas with another value, exit code" 1 "$(client cas greeting wrong value >/dev/null 2>&1 && echo 0 || echo $?)"

say "\$ runner-ws/run-demo-client.sh        # and kill -9 the leader, twice"
runner-ws/run-demo-client.sh "$PAXOS_CONFIG" --requests "$requests" --progress 0.2 --histories "$data/histories" \
    >"$data/demo.out" 2>"$data/demo.err" &
demo=$!
for part in 25 60; do
    await_answered $((requests * part / 100))
    node=$(leader)
    # Everything that belongs to the node: its coordinator leads a process group.
    kill -9 -- "-$(cat "$data/data/node-$node/coordinator.pid")"
    before=$(answered) began=$(date +%s%N)
    await_answered $((before + requests / 50))
    echo "at $before requests node $node led and was killed; $((requests / 50)) more were answered $((($(date +%s%N) - began) / 1000000)) ms later"
    runner-ws/run-local.sh start "$PAXOS_CONFIG" >/dev/null
done
wait "$demo" || fail "the demo's exit code is $?"
demo=''
cat "$data/demo.out"
field() { sed -n "s/^$1 *//p" "$data/demo.out"; }
expect "requests answered" "$requests answered, 0 unanswered, 0 refused" "$(field requests | cut -d';' -f1)"
expect "histories" "0 unanswered, 0 refused, 0 lost, 0 doubled, 0 stale, 0 wrong" "$(field histories | cut -d: -f2- | sed 's/^ //')"
expect "the checker says so too" "verdict: good" "$("$programs/paxos-check" "$data/histories" | tail -n 1)"
expect "get greeting, after two kills" agreed "$(client get greeting)"

say "\$ runner-ws/run-local.sh status"
# Whoever still has something to catch up does so within a moment; then the three stand still, at the same slot.
slots() { status | python3 -c '
import json, sys
for process in json.load(sys.stdin):
    learner = process.get("roles", {}).get("learner")
    if learner: print(process["node"], learner["figures"]["slot"], learner["figures"].get("digest", ""))'; }
for _ in $(seq 100); do
    [ "$(slots | wc -l) $(slots | cut -d' ' -f2- | sort -u | wc -l)" = "3 1" ] && break
    sleep 0.1
done
runner-ws/run-local.sh status "$PAXOS_CONFIG"
expect "learners" 3 "$(slots | wc -l)"
expect "different states of them" 1 "$(slots | cut -d' ' -f2- | sort -u | wc -l)"

say "\$ runner-ws/run-local.sh stop"
runner-ws/run-local.sh stop "$PAXOS_CONFIG"
say "all is well; next, for as long as you like, in wasm_programs/paxos-wasm:"
echo "  runner-ws/run-local.sh; runner-ws/run-demo-client.sh; runner-ws/run-local.sh stop"
