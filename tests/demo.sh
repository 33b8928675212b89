#!/usr/bin/env bash
# The main job, end to end: an ordinary C server, compiled to wasm, on three nodes in lockstep; the leader is killed; nothing
# that was answered is lost; the recorded run replays bit for bit. Installs what is missing, takes about a minute after that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
tests/setup.sh build

replicode=target/release/replicode
port=${PORT:-7379}
data=$(mktemp -d)
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# One command to a port, over bash's own TCP: kv speaks the Redis protocol, inline commands included.
ask() {
    local reply
    exec 9<>"/dev/tcp/127.0.0.1/$1" || return 1
    printf '%s\r\n' "$2" >&9
    IFS= read -r -t 5 reply <&9 || { exec 9>&-; return 1; }
    case $reply in \$[0-9]*) IFS= read -r -t 5 reply <&9 ;; esac
    exec 9>&-
    printf '%s\n' "${reply%$'\r'}"
}
field() { "$replicode" status --admin "$data/c/node-$1" --json | sed "s/.*\"$2\":\"\{0,1\}\([^,\"}]*\).*/\1/"; }

say "\$ replicode up wasm_programs/build/kv.wasm --nodes 3 --publish $port:6379 --data $data/c"
"$replicode" up wasm_programs/build/kv.wasm --nodes 3 --publish "$port:6379" --data "$data/c" >"$data/up.log" 2>&1 &
up=$!
trap 'kill $up 2>/dev/null; wait $up 2>/dev/null; rm -rf "$data"' EXIT
for node in 0 1 2; do
    for _ in $(seq 300); do ask $((port + node)) PING >/dev/null 2>&1 && break; sleep 0.1; done
done

say "a client of node 1 writes, a client of node 3 reads"
echo "SET greeting hello-from-wasm  →  $(ask "$port" 'SET greeting hello-from-wasm')"
echo "GET greeting                  →  $(ask $((port + 2)) 'GET greeting')"
for i in $(seq 100); do ask "$port" "INCR counter" >/dev/null; done

leader=$(field 1 leader)
say "kill -9 the leader, node $leader"
kill -9 "$(cat "$data/c/node-$leader/pid")"
alive=$((leader % 3 + 1))
for _ in $(seq 100); do
    value=$(ask $((port + alive - 1)) "INCR counter" 2>/dev/null) && break
    sleep 0.05
done
echo "INCR counter on node $alive       →  $value   (100 before, none lost)"

say "start node $leader again: it catches up from its log and its peers"
"$replicode" node --data "$data/c/node-$leader" >"$data/revived.log" 2>&1 &
revived=$!
for _ in $(seq 300); do ask $((port + leader - 1)) PING >/dev/null 2>&1 && break; sleep 0.1; done
echo "GET counter on node $leader        →  $(ask $((port + leader - 1)) 'GET counter')"
for node in 1 2 3; do echo "node $node: $(field $node role), batch $(field $node applied_index), digest $(field $node digest | cut -c1-16)"; done

kill -INT $revived; wait $revived || true
kill -INT $up; wait $up || true
trap 'rm -rf "$data"' EXIT
say "\$ replicode replay $data/c/node-$alive"
"$replicode" replay "$data/c/node-$alive"
say "\$ replicode replay $data/c/node-$alive --trace | tail"
"$replicode" replay "$data/c/node-$alive" --trace | grep -F '(' | tail -n 6

say "next: target/release/replicode up wasm_programs/build/kv.wasm --nodes 3 --publish 6379   (and redis-cli -p 6379)"
