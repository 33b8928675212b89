#!/usr/bin/env bash
#
# ports/build.sh [--native] NAME...     builds ports from pristine source: ../build/NAME.wasm, or ../build/native/NAME
# ports/build.sh --list                 their names
# ports/build.sh --fetch PORT FILE SHA256 PLACE...      fetches one file more, such as a port's tests, and prints where it is
#
# A port is a folder NAME with a `recipe`, a piece of bash that says where its source comes from and how it is built. The
# same commands build the native program that the tests compare with; only the compiler differs. See README.md.
#
# Sources are looked for in the cache (build/.ports/cache), in $REPLICODE_SOURCES (a folder, for machines without a
# network), in the Debian mirror that this machine's apt uses, and at the program's own address; the first file with the
# right checksum is taken. A port whose source cannot be had fails with its name.

set -euo pipefail
export LC_ALL=C

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly PROGRAMS=${HERE%/ports}
readonly BUILD=$PROGRAMS/build
readonly PORTS=$BUILD/.ports
readonly CACHE=$PORTS/cache
SDK=${REPLICODE_SDK:-$BUILD/sdk}

say() { printf 'ports: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }
sha256() { if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1; }
list() { for recipe in "$HERE"/*/recipe; do basename "${recipe%/recipe}"; done; }

# ---------------------------------------------------------------------------------------------------------------------
# what recipes say

# source_file FILE SHA256 PLACE...: a file that is needed. PLACE: `debian:pool/…`, a path below a Debian mirror; a URL; or
# `pypi:NAME==VERSION`, a source package of Python.
# Those that are archives are unpacked, without their top folder, into $SRC, or into the folder named by `into=`.
source_file() {
    files+=("$1")
    sums+=("$2")
    intos+=("${into:-.}")
    shift 2
    places+=("$*")
}
# needs NAME...: other ports that are built first; $DEPS/NAME is their folder.
needs() { required+=("$@"); }
# tools NAME...: commands of this machine that the build uses.
tools() { commands+=("$@"); }

read_recipe() { # NAME
    files=() sums=() places=() intos=() required=() commands=() product=$1
    [ -e "$HERE/$1/recipe" ] || die "there is no port '$1'; ports/build.sh --list names them all"
    # shellcheck source=/dev/null
    . "$HERE/$1/recipe"
}

# ---------------------------------------------------------------------------------------------------------------------
# fetching

# The Debian mirrors of this machine, from either kind of apt's lists.
mirrors() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        sed -nE 's/^(URIs:|deb(-src)?( \[[^]]*\])?)[[:space:]]+([a-z]+:[^[:space:]]+).*/\4/p' |
        grep -i debian | sed 's,/*$,,' | awk '!seen[$0]++'
}

right() { [ -e "$1" ] && [ "$(sha256 <"$1")" = "$2" ]; } # FILE SHA256

# With apt's own settings, and so through its proxy and with its certificates.
from_debian() { # PATH TARGET
    local helper=/usr/lib/apt/apt-helper mirror
    [ -x "$helper" ] || return 1
    for mirror in $(mirrors); do
        if "$helper" -qq download-file "$mirror/$1" "$2" >/dev/null 2>&1; then return; fi
    done
    return 1
}

from_address() { # URL TARGET
    if command -v curl >/dev/null; then
        curl --silent --fail --location --connect-timeout 10 --retry 1 --output "$2" "$1"
    else
        wget --quiet --timeout=10 --tries=2 --output-document="$2" "$1"
    fi 2>/dev/null
}

# pip looks at what it downloads, and so needs some time.
from_pypi() { # NAME==VERSION TARGET
    local folder
    folder=$(mktemp -d)
    python3 -m pip download --quiet --no-deps --no-binary "${1%%=*}" --dest "$folder" "$1" >/dev/null 2>&1 && mv "$folder"/*.tar.gz "$2"
    rm -rf "$folder"
    [ -e "$2" ]
}

fetch() { # PORT FILE SHA256 PLACE...
    local port=$1 file=$2 sum=$3 place part=$CACHE/.$2.$$
    shift 3
    if right "$CACHE/$file" "$sum"; then return; fi
    mkdir -p "$CACHE"
    if [ -n "${REPLICODE_SOURCES:-}" ] && right "$REPLICODE_SOURCES/$file" "$sum"; then
        cp "$REPLICODE_SOURCES/$file" "$CACHE/$file"
        return
    fi
    for place in "$@"; do
        rm -f "$part"
        case $place in
            pypi:*) from_pypi "${place#pypi:}" "$part" || continue ;;
            debian:*) from_debian "${place#debian:}" "$part" || continue ;;
            *) from_address "$place" "$part" || continue ;;
        esac
        if right "$part" "$sum"; then
            mv "$part" "$CACHE/$file"
            return
        fi
        say "warning: $port: $place has another checksum than the recipe and is not used"
    done
    rm -f "$part"
    die "$port: cannot fetch $file (sha256 $sum): none of these answers with it: $*; put it into a folder and name that with REPLICODE_SOURCES"
}

unpack() { # FILE FOLDER
    mkdir -p "$2"
    case $1 in
        *.tar.* | *.tgz) tar -C "$2" --strip-components=1 --no-same-owner -xf "$CACHE/$1" ;;
        *) cp "$CACHE/$1" "$2/" ;;
    esac
}

# ---------------------------------------------------------------------------------------------------------------------
# building

# One digest of all that a port is made from.
digest_of() { # KIND NAME
    local dependency
    {
        echo "$1"
        find "$HERE/$2" -type f -not -name 'test.py' -not -path '*/suite*' -not -name '*.md' | sort | while read -r file; do
            if [ "$1:${file##*/}" = native:patch ]; then continue; fi
            echo "${file#"$HERE"}"
            cat "$file"
        done
        sed -n '/^# building$/,$p' "${BASH_SOURCE[0]}"
        for dependency in "${required[@]}"; do cat "$PORTS/$1/.$dependency.digest"; done
        if [ "$1" = wasm ]; then
            (cd "$SDK" && find bin share sysroot -type f | sort | xargs cat)
        else
            cc --version
        fi
    } | sha256
}

build() { # KIND NAME
    local kind=$1 name=$2 out folder=$PORTS/$1/$2 log=$PORTS/$1/$2.log digest i dependency
    read_recipe "$name"
    if [ "$kind" = wasm ]; then out=$BUILD/$name.wasm; else out=$BUILD/native/$name; fi
    for dependency in "${required[@]}"; do
        (build "$kind" "$dependency")
    done
    digest=$(digest_of "$kind" "$name")
    if [ -e "$out" ] && [ "$(cat "$PORTS/$kind/.$name.digest" 2>/dev/null)" = "$digest" ]; then return; fi
    for i in "${commands[@]}"; do
        command -v "$i" >/dev/null || die "$name: the build needs the command '$i'"
    done
    for i in "${!files[@]}"; do
        # shellcheck disable=SC2086 # several places
        fetch "$name" "${files[i]}" "${sums[i]}" ${places[i]}
    done
    say "$name ($kind)"
    rm -rf "$folder" "$PORTS/$kind/.$name.digest"
    mkdir -p "$folder" "${out%/*}"
    for i in "${!files[@]}"; do unpack "${files[i]}" "$folder/${intos[i]}"; done
    # What is compared with is the program as its authors wrote it.
    if [ "$kind" = wasm ] && [ -e "$HERE/$name/patch" ]; then patch -s -d "$folder" -p1 <"$HERE/$name/patch" || die "$name: the patch does not apply"; fi
    # In a shell of its own, for what recipes change; not before `||`, where bash would overlook failures.
    set +e
    (
        set -e
        cd "$folder"
        export SRC=$folder DEPS=$PORTS/$kind PORT=$HERE/$name
        if [ "$kind" = wasm ]; then
            export PATH=$SDK/bin:$PATH CC=replicode-cc CXX=replicode-c++ AR=replicode-ar RANLIB=replicode-ranlib STRIP=replicode-strip
            configure=replicode-configure
        else
            export CC=cc CXX=c++ AR=ar RANLIB=ranlib STRIP=strip
            configure=
        fi
        compile
    ) >"$log" 2>&1
    i=$?
    set -e
    if [ $i -ne 0 ] || [ ! -e "$folder/$product" ]; then
        say "error: $name ($kind) does not build; ${log#"$PWD"/} ends so:"
        tail -n 15 "$log" >&2
        exit 1
    fi
    cp "$folder/$product" "$out.part"
    mv "$out.part" "$out"
    echo "$digest" >"$PORTS/$kind/.$name.digest"
}

# ---------------------------------------------------------------------------------------------------------------------

kind=wasm
case ${1:-} in
    --list) list; exit ;;
    --fetch)
        [ $# -ge 5 ] || die "usage: ports/build.sh --fetch PORT FILE SHA256 PLACE..."
        fetch "${@:2}" && echo "$CACHE/$3"
        exit ;;
    --native) kind=native; shift ;;
    -*) die "unknown option '$1'; usage: ports/build.sh [--native] NAME... | --list | --fetch" ;;
esac
[ $# -gt 0 ] || die "usage: ports/build.sh [--native] NAME... | --list"
mkdir -p "$PORTS/$kind"
if command -v flock >/dev/null; then
    exec 8>"$PORTS/.lock"
    flock 8
fi
if [ $kind = wasm ] && [ -z "${REPLICODE_SDK:-}" ]; then "$PROGRAMS/build.sh" --sdk; fi
[ $kind = native ] || [ -x "$SDK/bin/replicode-cc" ] || die "there is no replicode-cc in $SDK/bin"
for name in "$@"; do (build $kind "$name"); done
