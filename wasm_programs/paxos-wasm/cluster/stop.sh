#!/usr/bin/env bash
# Stops all nodes of hosts.txt, and waits for them; kills what has not ended after ten seconds.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
status=0
for id in "${nodes[@]}"; do
    on "${host[$id]}" "cd ${folder[$id]} 2>/dev/null && [ -e node.pid ] || { echo 'node $id does not run'; exit 0; }
        pid=\$(cat node.pid); kill \$pid 2>/dev/null || { echo 'node $id had ended already'; rm -f node.pid; exit 0; }
        for n in \$(seq 100); do $alive \$pid || { rm -f node.pid; echo 'node $id stopped'; exit 0; }; sleep 0.1; done
        kill -s KILL -- -\$pid; rm -f node.pid; echo 'node $id had to be killed'; exit 1" </dev/null || status=1
done
exit $status
