#!/usr/bin/env bash
# Copies programs, components and a configuration to all machines of hosts.txt.
#   cluster/deploy.sh hosts.txt [config.yaml]     default: runner-ws/config.yaml; its `nodes`, data-dir and components are replaced
usage='[config.yaml]'
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
config=${1:-$here/runner-ws/config.yaml}
[ -r "$config" ] || die "cannot read $config"
for program in paxos-host paxos-client paxos-check; do
    [ -x "$programs/$program" ] || die "$programs/$program is missing: run 'cargo build --release' in $here first"
done
[ -d "$components" ] || die "$components is missing: run 'cargo build' in $here first"

made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
{
    # All but the keys that are ours: a key ends where the next line begins in the first column.
    awk '/^(nodes|data-dir|components):/ { skip = 1; next } /^[^ \t#-]/ { skip = 0 } !skip' "$config"
    printf '\ndata-dir: data\ncomponents: components\nnodes:\n'
    for id in "${nodes[@]}"; do
        port=$((ports + 10 * id))
        printf '  - id: %s\n    proposer: %s:%s\n    acceptor: %s:%s\n    learner: %s:%s\n    client: %s:%s\n' "$id" \
            "${address[$id]}" $port "${address[$id]}" $((port + 1)) "${address[$id]}" $((port + 2)) "${address[$id]}" $((port + 3))
    done
} >"$made/config.yaml"
ln -s "$(cd "$components" && pwd)" "$made/components"
"$programs/paxos-host" check "$made/config.yaml" >/dev/null || die "the configuration for these machines is refused; see above"

copy() { # HOST FOLDER
    { tar -C "$made" -cf - config.yaml && tar -C "$programs" -cf - paxos-host paxos-client paxos-check &&
        tar -C "$(dirname "$components")" -cf - components; } |
        on "$1" "mkdir -p $2 && cd $2 && tar --ignore-zeros -xf -"
}
for id in "${nodes[@]}"; do
    copy "${host[$id]}" "${folder[$id]}"
    echo "node $id: ${host[$id]}:${folder[$id]}"
done
for at in "${!clients[@]}"; do
    copy "${clients[at]}" "${client_folders[at]}"
    echo "clients: ${clients[at]}:${client_folders[at]}"
done
