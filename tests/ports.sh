#!/usr/bin/env bash
# Judges the ports: builds each from pristine source, for replicode and natively, and compares the two through real clients,
# on one node and on three, while nodes are killed; then replays what was recorded. tests/ports/judge.py says in detail.
#
#   tests/ports.sh [NAME...]            default: all
#   tests/ports.sh --suites [NAME...]   the programs' own tests, those of them that one process can be asked
#   REPLICODE=path tests/ports.sh …     another binary than the built one; REPLICODE_SDK=folder: another SDK
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ -z "${REPLICODE:-}" ]; then
    cargo build --release --locked --workspace --bins >&2
    export REPLICODE=${CARGO_TARGET_DIR:-target}/release/replicode
fi
exec python3 -B tests/ports/judge.py "$@"
