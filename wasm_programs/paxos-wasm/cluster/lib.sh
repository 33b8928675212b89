# What the scripts of this folder share; sourced by them.
#
# hosts.txt has one line per machine, in words separated by blanks; `#` begins a comment:
#   node ID HOST ADDRESS [FOLDER]     a node: where the others reach it, and a folder there (default paxos-cluster/node-ID)
#   client HOST [FOLDER]              a machine for clients (default folder paxos-cluster/client); several are allowed
#
# A command is run on HOST by `$VIA COMMAND`, where VIA is `ssh {}` unless the variable VIA says otherwise; {} stands for HOST:
#   VIA='sh -c'                       everything on this machine (HOST is only a name)
#   VIA='ip netns exec {} sh -c'      network namespaces
#   VIA='docker exec -i {} sh -c'     containers
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=$(basename "$0")
programs=${CARGO_TARGET_DIR:-$here/target}/release
components=${CARGO_TARGET_DIR:-$here/target}/components
via=${VIA:-ssh {\}}
# Ports of node ID: PORTS + 10 * ID for its proposer, then acceptor, learner, clients.
ports=${PORTS:-7400}

die() {
    echo "$me: $*" >&2
    exit 1
}

hosts=${1:-}
[ -n "$hosts" ] || die "usage: cluster/$me hosts.txt${usage:+ $usage}; cluster/lib.sh says what stands in hosts.txt"
[ -r "$hosts" ] || die "cannot read $hosts: give the file that lists the machines; cluster/lib.sh says what stands in it"
shift

declare -A host address folder
nodes=() clients=() client_folders=()
line=0
while read -r kind rest; do
    line=$((line + 1))
    read -r -a words <<<"${rest%%#*}"
    case $kind in
    '' | '#'*) ;;
    node)
        [ ${#words[@]} -ge 3 ] || die "$hosts:$line: a node is written 'node ID HOST ADDRESS [FOLDER]'"
        id=${words[0]}
        case $id in *[!0-9]*) die "$hosts:$line: '$id' is no number of a node" ;; esac
        [ -z "${host[$id]:-}" ] || die "$hosts:$line: node $id is there twice"
        nodes+=("$id") host[$id]=${words[1]} address[$id]=${words[2]} folder[$id]=${words[3]:-paxos-cluster/node-$id}
        ;;
    client)
        [ ${#words[@]} -ge 1 ] || die "$hosts:$line: a machine for clients is written 'client HOST [FOLDER]'"
        clients+=("${words[0]}") client_folders+=("${words[1]:-paxos-cluster/client}")
        ;;
    *) die "$hosts:$line: a line begins with 'node', 'client' or '#', not '$kind'" ;;
    esac
done <"$hosts"
[ ${#nodes[@]} -gt 0 ] || die "$hosts lists no node"
[ ${#clients[@]} -gt 0 ] || die "$hosts lists no machine for clients"

# Runs a command on a machine; its standard input is ours.
on() { # HOST COMMAND
    local words
    read -r -a words <<<"${via//\{\}/$1}"
    "${words[@]}" "$2"
}

# Whether the process that is named after it runs; for the shells of other machines. One that has ended and was not waited for does not.
alive="f() { [ -e /proc/\$1/status ] && ! grep -q '^State:.Z' /proc/\$1/status; } && f"

# paxos-client on the first machine for clients, with its configuration.
ask() { # ARGUMENTS…
    on "${clients[0]}" "cd ${client_folders[0]} && ./paxos-client $* --config config.yaml" </dev/null
}

# Which node leads: the one that answers.
leader() {
    local id
    for id in "${nodes[@]}" "${nodes[@]}" "${nodes[@]}"; do
        if ask get leader? --node "$id" --deadline 0.5 >/dev/null 2>&1 || [ $? -eq 1 ]; then
            echo "$id"
            return
        fi
    done
    die "no node answers as a leader"
}
