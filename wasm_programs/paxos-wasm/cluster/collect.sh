#!/usr/bin/env bash
# Fetches the nodes' logs and the clients' histories into a folder, reads every key once more, and judges the histories.
#   cluster/collect.sh hosts.txt [FOLDER]     default: ./collected. Exit code 1 if a request was lost, doubled or answered wrong.
usage='[FOLDER]'
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
to=${1:-collected}
mkdir -p "$to"
rm -f "$to"/history-*.jsonl
for id in "${nodes[@]}"; do
    on "${host[$id]}" "cat ${folder[$id]}/node.log" </dev/null >"$to/node-$id.log" || echo "$me: node $id has no log" >&2
done
# What nobody has read yet is read once (KEYS, VALUE_BYTES: as the load had them). Its clients have numbers that no others have.
ask bench --audit --keys "${KEYS:-10000}" --value-bytes "${VALUE_BYTES:-32}" --run audit --first 1000000 --history history-audit.jsonl >/dev/null 2>&1 ||
    echo "$me: the cluster does not answer, so the histories are judged without a last look at every key" >&2
for at in "${!clients[@]}"; do
    on "${clients[at]}" "cd ${client_folders[at]} && tar -cf - history-*.jsonl" </dev/null | tar -C "$to" -xf - ||
        die "there are no histories on ${clients[at]}: run cluster/bench.sh $hosts first"
done
"$programs/paxos-check" "$to"/history-*.jsonl
