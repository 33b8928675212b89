#!/usr/bin/env bash
#
# build.sh [NAME...]      build all guests, or those named, into build/NAME.wasm
# build.sh PORT...        build ports, ordinary servers from their pristine source (ports/README.md)
# build.sh --sdk          build the SDK, replicode-cc and its siblings, into build/sdk
# build.sh --list         print the names of all guests
# build.sh --clean        remove what was built (the toolchain in .toolchain/ stays)
#
# Needs python3 with pip or venv (for the C compiler, a wheel from PyPI) and, for Rust guests, Rust with rustup. No root,
# nothing is installed outside this folder. Running it again builds only what changed: a guest is rebuilt when the digest
# of its sources, of libposix, of its flags or of the compiler version differs from the one it was built with.
#
# A C guest may have a file NAME/flags: one line of compiler flags that come after the common ones.
#
# On purpose not on the compilers' path: binaryen. clang runs any wasm-opt it finds, and old ones break modern modules.

set -euo pipefail
export LC_ALL=C

readonly ZIGLANG_VERSION=0.17.0
readonly RUST_TARGET=wasm32-wasip1
readonly COMPILE_FLAGS='-std=gnu11 -O2 -g0 -Wall -Wextra -Werror'
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly TOOLCHAIN=$HERE/.toolchain BUILD=$HERE/build STAMPS=$HERE/build/.stamps
readonly ZIG=$TOOLCHAIN/ziglang-$ZIGLANG_VERSION/ziglang/zig

say() { printf 'build.sh: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# ---------------------------------------------------------------------------------------------------------------------
# the list of guests

list() { awk '!/^[ \t]*(#|$)/ { print $1, $2 }' "$HERE/programs.list"; }

language_of() { # NAME
    list | awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }'
}

# ---------------------------------------------------------------------------------------------------------------------
# toolchains

# SHA256 of the wheels we have used. A platform without a line here is used unchecked, with a warning.
wheel_sum() { # FILE NAME
    case $1 in
        *manylinux*_x86_64.whl) echo 97079827064a7492cce5541ceb438ae8003ce1e54e399676da2d62fb7a5dc08b ;;
        *manylinux*_aarch64.whl) echo d2804f94f54f7fcf8169f4b212a619ad688a4e2e6592e976f0cf2e58e2cd8af3 ;;
    esac
}

sha256() { # reads stdin
    if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi | cut -d' ' -f1
}

# `pip download` only writes files where it is told to, so it also works where pip may not install anything.
download_wheel() { # FOLDER
    local pip=(python3 -m pip)
    if ! "${pip[@]}" --version >/dev/null 2>&1; then
        if ! python3 -m venv "$TOOLCHAIN/venv" >/dev/null 2>&1; then
            rm -rf "$TOOLCHAIN/venv"
            die "python3 has neither pip nor venv; on Debian: apt install python3-pip (or python3-venv)"
        fi
        pip=("$TOOLCHAIN/venv/bin/pip")
    fi
    "${pip[@]}" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$1" \
        "ziglang==$ZIGLANG_VERSION" || die "cannot download ziglang==$ZIGLANG_VERSION; is a Python package index reachable?"
}

setup_c() {
    if [ -x "$ZIG" ]; then return; fi
    command -v python3 >/dev/null || die "python3 not found; on Debian: apt install python3 python3-pip"
    say "fetching the C compiler: ziglang $ZIGLANG_VERSION (100 MB, 400 MB unpacked)"
    mkdir -p "$TOOLCHAIN"
    local work=$TOOLCHAIN/incoming wheel want
    rm -rf "$work" "${ZIG%/ziglang/zig}"
    mkdir "$work"
    download_wheel "$work"
    wheel=$(find "$work" -name '*.whl')
    want=$(wheel_sum "$wheel")
    if [ -z "$want" ]; then
        say "warning: no known checksum for ${wheel##*/}"
    elif [ "$(sha256 <"$wheel")" != "$want" ]; then
        die "${wheel##*/} has another checksum than expected; remove any cached copy and try again"
    fi
    python3 -m zipfile -e "$wheel" "$work/unpacked"
    chmod +x "$work/unpacked/ziglang/zig"
    mv "$work/unpacked" "${ZIG%/ziglang/zig}"
    rm -rf "$work" "$TOOLCHAIN/venv"
}

setup_rust() {
    command -v cargo >/dev/null || die "cargo not found; install Rust with rustup (https://rustup.rs)"
    if [ -d "$(cd "$HERE/rust" && rustc --print target-libdir --target "$RUST_TARGET" 2>/dev/null)" ]; then return; fi
    command -v rustup >/dev/null || die "Rust target $RUST_TARGET is missing and there is no rustup to add it"
    say "adding Rust target $RUST_TARGET"
    (cd "$HERE/rust" && rustup target add "$RUST_TARGET")
}

zig() { ZIG_GLOBAL_CACHE_DIR=$TOOLCHAIN/cache ZIG_LOCAL_CACHE_DIR=$TOOLCHAIN/cache "$ZIG" "$@"; }

# ---------------------------------------------------------------------------------------------------------------------
# incremental building

# One digest over the words given and the names and contents of the files on stdin.
digest_of() { # WORD...
    local file
    {
        printf '%s\n' "$@"
        while read -r file; do
            printf '%s\n' "${file#"$HERE"/}"
            cat "$file"
        done
    } | sha256
}

sources() { find "$@" -type f \( -name '*.[ch]' -o -name flags \) | sort; }

fresh() { # NAME OUTPUT DIGEST
    [ -e "$2" ] && [ "$(cat "$STAMPS/$1" 2>/dev/null)" = "$3" ]
}

build_c() { # NAME
    local name=$1 out=$BUILD/$1.wasm flags='' digest
    build_sdk
    if [ -e "$HERE/$name/flags" ]; then flags=$(cat "$HERE/$name/flags"); fi
    digest=$(sources "$HERE/$name" | digest_of "$COMPILE_FLAGS" "$(cat "$STAMPS/.sdk")")
    if fresh "$name" "$out" "$digest"; then return; fi
    say "$name (C)"
    # Relative paths and no debug information: the module is the same whatever the folder is called.
    # shellcheck disable=SC2086 # flags are words
    (cd "$HERE" && "$SDK/bin/replicode-cc" $COMPILE_FLAGS $flags "$name"/*.c -o "$out.part")
    mv "$out.part" "$out"
    echo "$digest" >"$STAMPS/$name"
}

# cargo knows best whether something changed, so it is always asked; it is quick when nothing did.
build_rust() { # NAME
    local name=$1 out=$BUILD/$1.wasm built=$BUILD/.cargo/$RUST_TARGET/release/$1.wasm
    setup_rust
    # tokio's network types are not stable for this target. The paths of this machine would otherwise stand in panic messages, and so change the module's digest.
    (cd "$HERE/rust" && CARGO_ENCODED_RUSTFLAGS="--cfg"$'\x1f'"tokio_unstable"$'\x1f'"--remap-path-prefix=$HERE=guests"$'\x1f'"--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo" \
        cargo build --quiet --locked --release --target "$RUST_TARGET" --target-dir "$BUILD/.cargo" --package "$name")
    if cmp -s "$built" "$out"; then return; fi
    say "$name (Rust)"
    cp "$built" "$out.part"
    mv "$out.part" "$out"
}

# ---------------------------------------------------------------------------------------------------------------------

# shellcheck source=sdk/make-sdk.sh
. "$HERE/sdk/make-sdk.sh"

case ${1:-} in
    --list) list | cut -d' ' -f1; exit ;;
    --clean) rm -rf "$BUILD"; exit ;;
    -h | --help) sed -n '3,15s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit ;;
    --sdk) ;;
    -*) die "unknown option '$1'; usage: build.sh [NAME...] | --sdk [NAME...] | --list | --clean" ;;
esac

want_sdk=
if [ "${1:-}" = --sdk ]; then
    want_sdk=1
    shift
fi
# Names of ports, programs that others wrote, are ports/build.sh's.
ports=() own=()
for name in "$@"; do
    if ! language_of "$name" >/dev/null && [ -e "$HERE/ports/$name/recipe" ]; then ports+=("$name"); else own+=("$name"); fi
done
if [ ${#ports[@]} -gt 0 ]; then
    "$HERE/ports/build.sh" "${ports[@]}"
    if [ ${#own[@]} -eq 0 ] && [ -z "$want_sdk" ]; then exit; fi
    set -- "${own[@]}"
fi
mapfile -t names < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; elif [ -z "$want_sdk" ]; then list | cut -d' ' -f1; fi)
for name in "${names[@]}"; do
    language_of "$name" >/dev/null || die "no guest is called '$name'; build.sh --list names them all"
done

mkdir -p "$STAMPS"
# Two builds at once (say, two test runs) would write the same files: the second waits, then finds everything done.
if command -v flock >/dev/null; then
    exec 9>"$BUILD/.lock"
    flock 9
fi
if [ -n "$want_sdk" ]; then build_sdk c++; fi
for name in "${names[@]}"; do
    case $(language_of "$name") in
        c) build_c "$name" ;;
        rust) build_rust "$name" ;;
        *) die "programs.list: the language of '$name' must be c or rust" ;;
    esac
done
if [ -n "$want_sdk" ]; then say "the SDK is in ${SDK#"$PWD"/}; put ${SDK#"$PWD"/}/bin on your PATH, or source ${SDK#"$PWD"/}/env"; fi
# Functions have a workspace of their own; they are built with all guests.
if [ $# -eq 0 ] && [ -z "$want_sdk" ]; then
    build_sdk
    "$HERE/functions/build.sh"
fi
if [ ${#names[@]} -gt 0 ]; then say "${#names[@]} guests are up to date in ${BUILD#"$PWD"/}"; fi
