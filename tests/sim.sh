#!/usr/bin/env bash
# Clusters under virtual time (docs/simulator.md).
#
#   tests/sim.sh ci                      the corpus, then 300 seeds (REPLICODE_SIM_SEEDS), and twice as many of the profile 'sequenced', or as
#                                        many as two minutes hold
#   tests/sim.sh campaign MINUTES [FROM] seeds from FROM on, going on after failures; a line for each that failed
#   tests/sim.sh sequenced MINUTES [FROM] the same for the profile 'sequenced'
#   tests/sim.sh meta                    the same seeds twice, in other processes, one and two at a time
#   tests/sim.sh corpus                  seeds that have found something once
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
# With the features of the whole workspace, so that nothing is compiled twice.
build() { cargo build --release --locked --quiet --workspace --bin replicode-sim; }
sim() { target/release/replicode-sim "$@"; }

corpus() {
    while read -r seed why; do
        case "$seed" in '' | '#'*) continue ;; esac
        sim --seed "$seed" >/dev/null || { echo "corpus: seed $seed fails again: $why"; exit 1; }
    done <tests/sim/corpus/seeds
}

case "${1:-}" in
    ci)
        build
        corpus
        seeds=${REPLICODE_SIM_SEEDS:-300}
        sim --seed 1000 --seeds "$seeds" --budget 90 --jobs "$jobs"
        sim --profile sequenced --seed 1000 --seeds $((2 * seeds)) --budget 30 --jobs "$jobs"
        ;;
    campaign)
        build
        sim --seed "${3:-1000000}" --seeds 1000000000 --budget $((${2:?minutes} * 60)) --jobs "$jobs" --keep-going
        ;;
    sequenced)
        build
        sim --profile sequenced --seed "${3:-1000000}" --seeds 1000000000 --budget $((${2:?minutes} * 60)) --jobs "$jobs" --keep-going
        ;;
    meta) cargo test --release --locked --workspace --test meta --test sequenced ;;
    corpus)
        build
        corpus
        ;;
    *)
        sed -n '2,10s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
