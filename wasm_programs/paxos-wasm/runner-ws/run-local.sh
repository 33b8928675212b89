#!/usr/bin/env bash
# A whole cluster on this machine.
#   runner-ws/run-local.sh [start] [config.yaml]    every node in a tab where there is tmux (inside a session) or wt.exe (WSL); else in
#                                                   the background, with a log file each and a live table in the terminal
#   runner-ws/run-local.sh status [config.yaml]     the table, once
#   runner-ws/run-local.sh stop [config.yaml]       asks every node to stop and waits for it
# Without a terminal `start` returns when all nodes are ready. Exit code 1: a node did not start; its log is shown.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
host=${CARGO_TARGET_DIR:-$here/target}/release/paxos-host

command=start
case ${1:-} in
start | status | stop)
    command=$1
    shift
    ;;
esac
config=${1:-${PAXOS_CONFIG:-$here/runner-ws/config.yaml}}
[ -x "$host" ] || {
    echo "run-local.sh: $host is missing: run 'cargo build --release' in $here first" >&2
    exit 2
}
# One line per node: id, folder, client address.
nodes=$("$host" nodes "$config")

# The coordinator of a node, if it runs: its pid file is locked while it does.
running() {
    local file=$1/coordinator.pid
    [ -s "$file" ] && ! flock --nonblock "$file" true && cat "$file"
}

start_nodes() {
    # Checks all components and compiles them once, so that not every process does.
    "$host" check "$config" >/dev/null
    local id folder client
    while read -r id folder client; do
        if running "$folder" >/dev/null; then
            echo "node $id runs already"
            continue
        fi
        mkdir -p "$folder"
        if [ -n "${TMUX:-}" ] && command -v tmux >/dev/null; then
            tmux new-window -d -n "paxos-$id" "'$host' run --node $id '$config' 2>&1 | tee -a '$folder/node.log'"
        elif command -v wt.exe >/dev/null; then
            wt.exe -w paxos new-tab --title "paxos node $id" \
                wsl.exe --exec bash -c "'$host' run --node $id '$config' 2>&1 | tee -a '$folder/node.log'"
        else
            setsid --fork "$host" run --node "$id" "$config" >>"$folder/node.log" 2>&1 </dev/null
        fi
    done <<<"$nodes"
}

# Waits until everything is ready; shows the log of a node that has ended.
await() {
    local id folder client tries
    for ((tries = 0; tries < 300; tries++)); do
        "$host" status "$config" >/dev/null && return 0
        sleep 0.1
        [ "$tries" -ge 20 ] || continue
        while read -r id folder client; do
            running "$folder" >/dev/null || {
                echo "run-local.sh: node $id has ended; the end of $folder/node.log:" >&2
                tail -n 5 "$folder/node.log" >&2
                return 1
            }
        done <<<"$nodes"
    done
    echo "run-local.sh: not all processes are ready after 30 s" >&2
    return 1
}

stop_nodes() {
    local id folder client pid waited=0
    while read -r id folder client; do
        if pid=$(running "$folder"); then
            kill -TERM "$pid" 2>/dev/null || true
        fi
    done <<<"$nodes"
    while read -r id folder client; do
        while running "$folder" >/dev/null; do
            sleep 0.1
            waited=$((waited + 1))
            [ "$waited" -lt 150 ] || {
                echo "run-local.sh: node $id does not stop" >&2
                return 1
            }
        done
        echo "node $id is stopped"
    done <<<"$nodes"
}

case $command in
start)
    start_nodes
    await || {
        "$host" status "$config" >&2 || true
        exit 1
    }
    "$host" status "$config"
    if [ -t 1 ] && [ -z "${TMUX:-}" ] && ! command -v wt.exe >/dev/null; then
        echo "Logs: node.log in the folders of the nodes. Ctrl-C leaves the table, the nodes go on: run-local.sh stop ends them."
        sleep 2
        exec "$host" status --watch "$config"
    fi
    ;;
status) exec "$host" status "$config" ;;
stop) stop_nodes ;;
esac
