#!/usr/bin/env bash
# Golden recordings: recorded histories, and what this program makes of them (docs/testing.md).
#   tests/golden.sh check [NAME ...]            executes them; says where one first goes another way: recording, batch, system call
#   tests/golden.sh bless ['WHAT CHANGES']      makes what is answered now what is expected; the sentence goes into CHANGELOG.md
#   tests/golden.sh missing                     what no recording touches
#   tests/golden.sh scenes [--dry]              adds the scenes of tests/golden/src/scenes that are no recordings yet; bless them next
#   tests/golden.sh import NAME DIR [--batches N]   adds a recording, from a stopped node's directory; bless it next
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
case ${1:-} in
check | bless | missing | scenes | import) ;;
*) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
# The whole workspace, as everywhere: building single crates resolves to other features and compiles the wasm engine again.
cargo build --release --locked --workspace --bins >&2
exec "${CARGO_TARGET_DIR:-target}/release/golden" "$@"
