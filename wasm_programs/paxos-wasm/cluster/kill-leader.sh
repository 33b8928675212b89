#!/usr/bin/env bash
# kill -9 of everything that belongs to the node that leads. cluster/start.sh starts it again.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
id=$(leader)
on "${host[$id]}" "cd ${folder[$id]} && kill -s KILL -- -\$(cat node.pid) && rm -f node.pid" </dev/null
echo "node $id led, and is killed"
