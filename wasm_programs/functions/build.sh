#!/usr/bin/env bash
# Builds and tests functions, and the crate that they are written with:
#   wasm_programs/functions/build.sh [test|lints]      modules go to wasm_programs/build/fn-NAME.wasm
# Called by wasm_programs/build.sh. C needs the compiler of wasm_programs/build.sh --sdk.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
build=$PWD/../build
wasm=wasm32-unknown-unknown
wasi=wasm32-wasip1
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$build/.functions}
functions=(counter echo hash hostile json-filter reverse transform uppercase word-count)
# Ordinary programs of WASI preview 1.
programs=(lines)

case ${1:-} in
lints)
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    exit
    ;;
test)
    # A function without a test is none.
    for name in "${functions[@]}" "${programs[@]}"; do
        grep -qrs '#\[test\]' "$name/src" || { echo "build.sh: $name has no test" >&2; exit 1; }
    done
    cargo test --locked --workspace
    exit
    ;;
esac

for target in $wasm $wasi; do
    rustc --print target-libdir --target $target | xargs test -d || rustup target add $target
done
mkdir -p "$build"
# Paths of this machine would stand in messages, and so change the module.
flags=(-Clink-arg=-zstack-size=32768 "--remap-path-prefix=$PWD=functions" "--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo")
CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' "${flags[@]}" | sed 's/\x1f$//') \
    cargo build --quiet --release --locked --target $wasm "${functions[@]/#/--package=fn-}"
put() { cmp -s "$1" "$2" || { cp "$1" "$2.part" && mv "$2.part" "$2"; }; }
for name in "${functions[@]}"; do
    put "$CARGO_TARGET_DIR/$wasm/release/fn_${name//-/_}.wasm" "$build/fn-$name.wasm"
done

CARGO_ENCODED_RUSTFLAGS=$(printf '%s\x1f' "${flags[@]:1}" | sed 's/\x1f$//') \
    cargo build --quiet --release --locked --target $wasi "${programs[@]/#/--package=fn-}"
for name in "${programs[@]}"; do
    put "$CARGO_TARGET_DIR/$wasi/release/fn-$name.wasm" "$build/fn-$name.wasm"
done

zig=$(find ../.toolchain -maxdepth 3 -name zig -type f -perm -u+x 2>/dev/null | sort | tail -1)
[ -n "$zig" ] || { echo "build.sh: the C compiler is missing: run wasm_programs/build.sh first" >&2; exit 1; }
export ZIG_GLOBAL_CACHE_DIR=$PWD/../.toolchain/cache ZIG_LOCAL_CACHE_DIR=$PWD/../.toolchain/cache
for source in c/*.c; do
    name=$(basename "$source" .c)
    part=$build/.fn-$name.part
    "$zig" cc --target=wasm32-freestanding -std=c11 -O2 -g0 -Wall -Wextra -Werror -nostdlib -Wl,--no-entry -Wl,-z,stack-size=16384 "$source" -o "$part"
    put "$part" "$build/fn-$name.wasm"
    rm -f "$part"
done
