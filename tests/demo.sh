#!/usr/bin/env bash
# The main job, end to end: an ordinary C server, compiled to wasm, on three nodes in lockstep; the leader is killed; nothing
# that was answered is lost; the recorded run replays bit for bit. Every figure that it prints is also checked: the demo
# ends with an error when one is not what it should be. Installs what is missing; takes ten seconds once all is built.
#
#   tests/demo.sh           PORT=7379 and the two after it must be free, or name another: PORT=9000 tests/demo.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh build

replicode=${CARGO_TARGET_DIR:-target}/release/replicode
kv=wasm_programs/build/kv.wasm
port=${PORT:-7379}
data=$(mktemp -d "${TMPDIR:-/tmp}/replicode-demo-XXXXXX")
up='' revived=''

if [ -t 1 ]; then bold=$'\e[1m' plain=$'\e[0m'; else bold='' plain=''; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
fail() {
    echo "demo.sh: $*" >&2
    tail -n 20 "$data"/*.log >&2
    exit 1
}
cleanup() {
    trap - EXIT
    [ -z "$revived" ] || kill "$revived" 2>/dev/null || true
    [ -z "$up" ] || kill "$up" 2>/dev/null || true
    wait
    rm -rf "$data"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# One command to a node, over bash's own TCP: kv speaks the Redis protocol, inline commands included.
ask() { # NODE COMMAND
    local reply
    exec 9<>"/dev/tcp/127.0.0.1/$((port + $1 - 1))" || return 1
    printf '%s\r\n' "$2" >&9
    IFS= read -r -t "${patience:-30}" reply <&9 || { exec 9>&-; return 1; }
    case $reply in \$[0-9]*) IFS= read -r -t "${patience:-30}" reply <&9 ;; esac
    exec 9>&-
    reply=${reply%$'\r'}
    printf '%s\n' "${reply#[+:]}"
}
# Asks until the node serves: it may still be starting.
await() { # NODE
    local patience=2 until=$((SECONDS + 30))
    while [ $SECONDS -lt $until ]; do
        if [ "$(ask "$1" PING 2>/dev/null)" = PONG ]; then return; fi
        kill -0 "$up" 2>/dev/null || break
        sleep 0.1
    done
    fail "node $1 does not serve on port $((port + $1 - 1))"
}
expect() { # WHAT WANTED GOT
    [ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"
    printf '%-34s → %s\n' "$1" "$3"
}
field() { # NODE FIELD: one field of `replicode status --json`
    "$replicode" status --admin "$data/c/node-$1" --json | sed "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/"
}

say "\$ replicode up $kv --nodes 3 --publish $port:6379 --data $data/c"
"$replicode" up "$kv" --nodes 3 --publish "$port:6379" --data "$data/c" >"$data/up.log" 2>&1 &
up=$!
for node in 1 2 3; do await $node; done
grep 'leads to' "$data/up.log" | sort

say "a client of node 1 writes, a client of node 3 reads"
expect "SET greeting hello-from-wasm" OK "$(ask 1 'SET greeting hello-from-wasm')"
expect "GET greeting" hello-from-wasm "$(ask 3 'GET greeting')"
for _ in $(seq 99); do ask 1 'INCR counter' >/dev/null; done
expect "INCR counter, for the 100th time" 100 "$(ask 1 'INCR counter')"

leader=$(field 1 leader)
alive=$((leader % 3 + 1))
say "kill -9 the leader, node $leader; at once, a client of node $alive goes on"
kill -9 "$(cat "$data/c/node-$leader/pid")"
began=$(date +%s%N)
expect "INCR counter" 101 "$(ask $alive 'INCR counter')"
echo "answered $((($(date +%s%N) - began) / 1000000)) ms after the kill; of the 100 before none is lost, none counted twice"

say "\$ replicode node --data $data/c/node-$leader        # start it again: it catches up"
"$replicode" node --data "$data/c/node-$leader" >"$data/revived.log" 2>&1 &
revived=$!
await "$leader"
expect "GET counter on node $leader" 101 "$(ask "$leader" 'GET counter')"

say "replicode status: all nodes have executed the same batches, and hold the same state"
# Whoever still has something to tell the others does so within a moment; then the three stand still.
for _ in $(seq 100); do
    sleep 0.1
    states=$(for node in 1 2 3; do echo "$(field $node applied_index) $(field $node digest)"; done | sort -u)
    [ "$(wc -l <<<"$states")" -eq 1 ] && break
done
[ "$(wc -l <<<"$states")" -eq 1 ] || fail "the nodes do not come to the same state: $states"
for node in 1 2 3; do
    echo "node $node: $(field $node role), batch $(field $node applied_index), digest $(field $node digest | cut -c1-32)…"
done

kill -INT "$revived" "$up"
wait "$revived" || fail "node $leader did not stop in order"
wait "$up" || fail "the other nodes did not stop in order"
up='' revived=''

say "\$ replicode replay $data/c/node-$alive        # execute the log again, compare with what each node had recorded"
"$replicode" replay "$data/c/node-$alive"
say "\$ replicode replay $data/c/node-$alive --trace | grep '\"INCR counter' -B1 -A1 | tail -3"
"$replicode" replay "$data/c/node-$alive" --trace 2>/dev/null | grep '"INCR counter' -B1 -A1 | tail -n 3

say "next, for as long as you like (Ctrl-C stops it):"
echo "  $replicode up $kv --nodes 3 --publish 6379        # then: redis-cli -p 6379"
