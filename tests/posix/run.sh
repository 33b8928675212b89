#!/usr/bin/env bash
#
# run.sh [GROUP | GROUP/NAME]...     compare with Linux: all programs here, or those named
# run.sh --check                     only look whether each deviation belongs to a program
#
# Every program GROUP/NAME.c is compiled natively and for replicode, run on both, and what it prints is compared. Where
# the two differ, the difference must stand in `deviations`, word for word and with a reason; one that stands there and
# is not found any more fails as well. A program that prints nothing fails: it has no expectation.
#
# REPLICODE: the binary (default: the release build of this checkout). SDK: the folder of replicode-cc.

set -uo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
REPLICODE=${REPLICODE:-$ROOT/target/release/replicode}
SDK=${SDK:-$ROOT/wasm_programs/build/sdk}
WORK=${WORK:-$ROOT/target/posix}
export HERE SDK REPLICODE WORK
readonly FLAGS='-std=gnu11 -O1 -Wall -Werror -Wno-unused-result -Wno-deprecated-declarations -Wno-stringop-overflow -Wno-infinite-recursion -Wno-unknown-warning-option'
export FLAGS

die() { printf 'run.sh: %s\n' "$*" >&2; exit 2; }

# Programs, one a line: GROUP/NAME.
programs() {
    (cd "$HERE" && find . -mindepth 2 -name '*.c' | sed 's,^\./,,; s,\.c$,,' | sort)
}

chosen() { # NAME...
    if [ $# = 0 ]; then programs; return; fi
    local want
    for want in "$@"; do
        programs | grep -xE "$want(/.*)?" || die "there is no program $want"
    done
}

# Lines `GROUP/NAME - native` and `GROUP/NAME + ours`; a reason is the comment before them.
deviations() { grep -v -e '^#' -e '^$' "$HERE/deviations"; }

check_table() {
    local bad=0 name
    while read -r name; do
        [ -e "$HERE/$name.c" ] || { echo "deviations: there is no program $name"; bad=1; }
    done < <(deviations | cut -d' ' -f1 | sort -u)
    awk '/^#/ { reason = 1; next } /^$/ { reason = 0; next } !reason { print "deviations: no reason for: " $0; bad = 1 } END { exit bad }' \
        "$HERE/deviations" || bad=1
    return $bad
}

NEWEST_HEADER=$(ls -t "$HERE"/*.h | head -n 1)

# Compiles what is older than its sources.
compile() { # NAME
    local out=$WORK/$1 source=$HERE/$1.c
    if [ ! "$out/native" -nt "$source" ] || [ ! "$out/native" -nt "$NEWEST_HEADER" ]; then
        gcc $FLAGS -I "$HERE" "$source" -o "$out/native" -lm || return 1
    fi
    if [ ! "$out/ours.wasm" -nt "$source" ] || [ ! "$out/ours.wasm" -nt "$NEWEST_HEADER" ] || [ ! "$out/ours.wasm" -nt "$SDK/sysroot" ]; then
        "$SDK/bin/replicode-cc" $FLAGS -I "$HERE" "$source" -o "$out/ours.wasm" || return 1
    fi
}

# Runs both and leaves what differs.
compare() { # NAME
    local out=$WORK/$1 status
    mkdir -p "$out"
    compile "$1" >"$out.log" 2>&1 || { echo "$1: does not compile"; sed 's/^/    /' "$out.log"; exit 1; }
    rm -rf "$out/folder"
    mkdir "$out/folder"
    # The brace takes what the shell says of a program that a signal ended.
    { (cd "$out/folder" && env -i PATH=/usr/bin:/bin POSIX=yes timeout 20 "$out/native" one two </dev/null >"$out/native.out"); } 2>"$out/native.err"
    status=$?
    echo "exit $status" >>"$out/native.out"
    rm -rf "$out/folder"
    timeout 20 "$REPLICODE" run "$out/ours.wasm" --env PATH=/usr/bin:/bin --env POSIX=yes -- one two </dev/null >"$out/ours.out" 2>"$out/ours.err"
    status=$?
    echo "exit $status" >>"$out/ours.out"
    if [ "$(wc -l <"$out/native.out")" -lt 2 ]; then echo "$1: prints nothing, so nothing is expected of it"; exit 1; fi
    diff -U 100000 "$out/native.out" "$out/ours.out" | sed -n '3,$p' | grep '^[-+]' | sed "s,^\([-+]\),$1 \1 ," >"$out/differs"
    if ! cmp -s "$out/differs" <(grep -F "$1 " "$HERE/deviations" | awk -v name="$1" '$1 == name'); then
        echo "$1: differs from Linux (-) and from the table of deviations:"
        diff <(grep -F "$1 " "$HERE/deviations" | awk -v name="$1" '$1 == name') "$out/differs" | grep '^[<>]' | sed 's/^</    table: /; s/^>/    found: /'
        tail -3 "$out/ours.err" | sed 's/^/    stderr: /'
        exit 1
    fi
}
export -f compile compare

[ -e "$HERE/deviations" ] || die "deviations is missing"
if [ "${1:-}" = --check ]; then check_table; exit; fi
[ -x "$REPLICODE" ] || die "there is no $REPLICODE; build it, or set REPLICODE"
[ -x "$SDK/bin/replicode-cc" ] || die "there is no SDK; run wasm_programs/build.sh --sdk, or set SDK"
command -v gcc >/dev/null || die "gcc is missing"
check_table || exit 1
names=$(chosen "$@") || exit 2
mkdir -p "$WORK"
# shellcheck disable=SC2016 # for the inner shell
if printf '%s\n' "$names" | xargs -P "$(nproc)" -n 1 bash -c 'compare "$0"'; then
    echo "$(printf '%s\n' "$names" | wc -l) programs: as on Linux, but for $(deviations | cut -d' ' -f1 | sort -u | wc -l) in the table"
else
    exit 1
fi
