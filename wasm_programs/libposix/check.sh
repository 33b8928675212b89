#!/usr/bin/env bash
#
# check.sh            looks whether functions.tsv is whole, docs/posix.md agrees with it, and every function links
# check.sh --write    writes docs/posix.md
#
# SDK: the folder of replicode-cc; without one the linking is left out, and that is said.

set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
SDK=${SDK:-$ROOT/wasm_programs/build/sdk}
TABLE=$HERE/functions.tsv
DOC=$ROOT/docs/posix.md
BEGIN='<!-- written by wasm_programs/libposix/check.sh; do not edit below -->'

rows() { grep -v -e '^#' -e '^$' "$TABLE"; }
names() { rows | cut -f1 | tr ' ' '\n' | sort; }

# Names of the functions that the overlay headers declare, one declaration a line or two.
declared() {
    find "$HERE/include" -name '*.h' -not -name 'replicode_*' -exec cat {} + |
        awk '/^#/ { next } { line = line " " $0; if (/[;{}]$/ || /^$/) { print line; line = "" } }' |
        sed -n 's/^ *\(extern \)\{0,1\}[a-z_][A-Za-z0-9_ *]*[ *(]\([a-z_][a-z0-9_]*\)(.*);$/\2/p' |
        grep -v -e '^__' -e '^void$' | sort -u
}

generated() {
    awk -v begin="$BEGIN" '{ print } $0 == begin { exit }' "$DOC"
    local class
    for class in served harmless refused; do
        printf '\n## %s\n\n| functions | header | here |\n|---|---|---|\n' "${class^}"
        rows | awk -F'\t' -v class=$class '$3 == class { gsub(/[^ ]+/, "`&`", $1); printf "| %s | `<%s>` | %s |\n", $1, $2, $4 }'
    done
}

if [ "${1:-}" = --write ]; then
    text=$(generated)
    printf '%s\n' "$text" >"$DOC"
    exit
fi

bad=0
complain() { echo "check.sh: $*" >&2; bad=1; }

while read -r name; do complain "$name stands in functions.tsv twice"; done < <(names | uniq -d)
while read -r name; do complain "$name is declared in include/ and not in functions.tsv"; done < <(comm -23 <(declared) <(names | sort -u))
rows | awk -F'\t' '$3 !~ /^(served|harmless|refused)$/ { exit 1 }' || complain "a class in functions.tsv is none of served, harmless, refused"
[ "$(generated)" = "$(cat "$DOC" 2>/dev/null)" ] || complain "docs/posix.md is not what functions.tsv says; run check.sh --write"

if [ -x "$SDK/bin/replicode-cc" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    {
        echo '#define _GNU_SOURCE'
        echo '#include <stdio.h>'
        rows | cut -f2 | sort -u | sed 's/.*/#include <&>/'
        echo 'void *volatile all[] = {'
        names | grep -v -e '^sigsetjmp$' -e '^siglongjmp$' | sed 's/.*/(void *)&,/'
        echo '}; int main(void) { return all[0] == 0; }'
    } >"$work/all.c"
    "$SDK/bin/replicode-cc" -w "$work/all.c" -o "$work/all.wasm" || complain "not every function of functions.tsv is declared by its header and linked"
else
    echo "check.sh: no SDK in $SDK, so nothing was linked" >&2
fi
exit $bad
