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
contracts=(counter escrow exchange factory geometry mathlib nested token wallet)
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
