#!/usr/bin/env bash
# Starts all nodes of hosts.txt that do not run, or those whose numbers are given, and waits until the cluster serves.
#   cluster/start.sh hosts.txt [ID …]
usage='[ID …]'
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ $# -gt 0 ] || set -- "${nodes[@]}"
for id in "$@"; do
    [ -n "${host[$id]:-}" ] || die "$hosts lists no node $id"
    # A session of its own: it outlives this connection, and its number names the whole group.
    on "${host[$id]}" "cd ${folder[$id]} || exit 1
        if [ -e node.pid ] && $alive \$(cat node.pid); then echo 'node $id runs already'; exit; fi
        setsid ./paxos-host run --node $id config.yaml >>node.log 2>&1 </dev/null &
        echo \$! >node.pid; echo 'node $id started'" </dev/null
done
code=0
ask get ready? --deadline 60 >/dev/null 2>&1 || code=$?
# 1: there is no such key, which is an answer too.
[ $code -le 1 ] || die "the cluster does not serve within a minute; cluster/collect.sh $hosts fetches the logs"
echo "the cluster serves; node $(leader) leads"
