#!/usr/bin/env bash
# Builds and tests the library that contracts are written with, and the contracts here:
#   wasm_programs/contracts/test.sh [build|lints]      build: the modules only; lints: clippy and formatting instead of tests
# Modules go to wasm_programs/build/contract-NAME.wasm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
target=${CARGO_TARGET_DIR:-$PWD/target}
wasm=wasm32-unknown-unknown

if [ "${1:-}" = lints ]; then
    cargo fmt --all --check
    cargo clippy --locked --workspace --all-targets -- -D warnings
    # What is there in wasm only.
    cargo clippy --locked --target $wasm --package=contract-counter -- -D warnings
    exit
fi

rustc --print target-libdir --target $wasm | xargs test -d || rustup target add $wasm
contracts=(auction counter escrow exchange factory geometry mathlib nested token wallet)
cargo build --release --locked --target $wasm "${contracts[@]/#/--package=contract-}"
mkdir -p ../build
for contract in "${contracts[@]}"; do
    cp "$target/$wasm/release/contract_$contract.wasm" "../build/contract-$contract.wasm"
done
[ "${1:-}" != build ] || exit 0
# A contract without a test is none.
for contract in "${contracts[@]}"; do
    grep -rqs '#\[test\]' "$contract/src" || { echo "test.sh: $contract has no test" >&2; exit 1; }
done
CONTRACTS=$target/$wasm/release cargo test --locked --workspace
# The contracts' own tests once more, each world beside one whose contracts are the modules.
REPLICODE_CONTRACT_MODULES=$target/$wasm/release cargo test --locked "${contracts[@]/#/--package=contract-}"

# The same in C: the tests of the Rust versions once more, each world beside one whose contracts are the modules made of C. Those go another
# way, so gas is their own; status, return values, events and everything stored have to be equal.
zig=$(ls -d ../.toolchain/*/ziglang/zig 2>/dev/null | tail -n 1 || true)
[ -n "$zig" ] || { echo "test.sh: there is no C compiler: run wasm_programs/build.sh first" >&2; exit 1; }
export ZIG_GLOBAL_CACHE_DIR=$PWD/../.toolchain/cache ZIG_LOCAL_CACHE_DIR=$PWD/../.toolchain/cache
in_c=(auction counter escrow token)
mkdir -p "$target/in-c"
for contract in "${in_c[@]}"; do
    "$zig" cc -target wasm32-freestanding -std=gnu11 -Os -g0 -Wall -Wextra -Werror -ffreestanding -nostdlib -fno-builtin \
        -Wl,--no-entry -Wl,--export-memory -Wl,-z,stack-size=8192 -I . "c/$contract.c" -o "$target/in-c/contract_$contract.wasm"
done
REPLICODE_CONTRACT_MODULES=$target/in-c REPLICODE_CONTRACT_COMPARE=effects \
    cargo test --locked "${in_c[@]/#/--package=contract-}" -- --skip a_call_without_gas_for_it_ends
