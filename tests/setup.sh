#!/usr/bin/env bash
# Makes sure that everything which the build and the tests use is there: sourced or run by tests/demo.sh, tests/run.sh,
# tests/bench.sh and .ci/run. Installs Debian packages only when one is missing, and only as root or through sudo.
#
#   tests/setup.sh [build|test|bench|paxos]      default: test; paxos: only what wasm_programs/paxos-wasm needs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

want=${1:-test}
# command → Debian package
needs="cc:gcc python3:python3 pip:python3-pip"
case $want in
build) ;;
paxos) needs="cc:gcc" ;;
test) needs+=" cmake:cmake meson:meson ninja:ninja-build make:make c++:g++ xz:xz-utils redis-cli:redis-tools redis-benchmark:redis-tools redis-server:redis-server curl:curl" ;;
bench) needs+=" redis-cli:redis-tools redis-benchmark:redis-tools redis-server:redis-server curl:curl etcd:etcd-server" ;;
*) echo "usage: tests/setup.sh [build|test|bench|paxos]" >&2; exit 2 ;;
esac

have() { # pip may be a module without a command
    if [ "$1" = pip ]; then python3 -m pip --version >/dev/null 2>&1; else command -v "$1" >/dev/null 2>&1; fi
}

missing=""
for need in $needs; do
    have "${need%%:*}" || missing+=" ${need##*:}"
done
if [ -n "$missing" ]; then
    missing=$(tr ' ' '\n' <<<"$missing" | sort -u | tr '\n' ' ')
    sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || { echo "setup: please install, as root: $missing" >&2; exit 1; }
        sudo=sudo
    fi
    echo "setup: installing $missing"
    $sudo apt-get update -qq
    # A server that starts by itself would take its default port. `env`, because sudo drops variables.
    $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
command -v cargo >/dev/null || { echo "setup: cargo not found: install Rust first, with rustup (https://rustup.rs)" >&2; exit 1; }

case $want in
test | paxos)
    # For the components of wasm_programs/paxos-wasm and for contracts, which have workspaces and builds of their own.
    targets=wasm32-wasip2
    [ "$want" = paxos ] || targets+=" wasm32-unknown-unknown"
    for target in $targets; do
        [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] && continue
        command -v rustup >/dev/null || { echo "setup: Rust's target $target is missing and there is no rustup to add it" >&2; exit 1; }
        rustup target add "$target"
    done
    ;;
esac
if [ "$want" = paxos ]; then exit 0; fi

wasm_programs/build.sh
if [ "$want" = test ]; then
    wasm_programs/build.sh --sdk
    wasm_programs/contracts/test.sh build
fi
# The whole workspace, always: building single crates resolves to other features and compiles the wasm engine again.
cargo build --release --locked --workspace
