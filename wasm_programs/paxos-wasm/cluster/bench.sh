#!/usr/bin/env bash
# Load from all machines for clients, at the same time: processes of 50 logical clients each. Sums up; cluster/collect.sh judges.
#   cluster/bench.sh hosts.txt [options of paxos-client bench]     PROCESSES=10 of them on each machine (default), of 100,000 requests each
usage='[options of paxos-client bench]'
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
processes=${PROCESSES:-10}
run="r$(date +%s)"
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
jobs=()
for at in "${!clients[@]}"; do
    # One shell on each machine starts its processes and sends their reports back.
    command="cd ${client_folders[at]} && rm -f history-*.jsonl report-*.json && status=0; jobs=''
        for n in \$(seq 0 $((processes - 1))); do
            ./paxos-client bench --config config.yaml --run $run --first \$(( ($at * $processes + n) * 50 )) \\
                --history history-$at-\$n.jsonl --report report-$at-\$n.json $* >>bench.log 2>&1 &
            jobs=\"\$jobs \$!\"
        done
        for job in \$jobs; do wait \$job || status=1; done
        ./paxos-client sum --config config.yaml report-*.json >/dev/null || status=1
        tar -cf - report-*.json; exit \$status"
    { on "${clients[at]}" "$command" </dev/null | tar -C "$reports" -xf -; } &
    jobs+=($!)
done
status=0
for job in "${jobs[@]}"; do wait "$job" || status=1; done
"$programs/paxos-client" sum "$reports"/report-*.json || status=1
exit $status
