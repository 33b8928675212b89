#!/usr/bin/env bash
# Clusters under virtual time (docs/simulator.md).
#
#   tests/sim.sh ci                      the corpus, 300 seeds (REPLICODE_SIM_SEEDS) or as many as two minutes hold, four mutants
#   tests/sim.sh campaign MINUTES [FROM] seeds from FROM on, going on after failures, which are kept in sim-out
#   tests/sim.sh sequenced MINUTES [FROM] the same for the profile 'sequenced', of which nothing is kept
#   tests/sim.sh meta                    the same seeds twice, in other processes, one and two at a time
#   tests/sim.sh corpus                  runs that have found something once
#   tests/sim.sh mutants [NAME ..]       mistakes planted in the replica, each of which must be found within 2,000 seeds
#   tests/sim.sh repro|shrink|why FILE   a run that was kept: once more, made smaller, told
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

jobs=$(nproc)
# With the features of the whole workspace, so that nothing is compiled twice.
build() { cargo build --release --locked --quiet --workspace --bin replicode-sim --bin replicode-sim-sequenced; }
sim() { target/release/replicode-sim "$@"; }
# A program of its own name: what is shipped has none of these mistakes.
planted() {
    cargo build --release --locked --quiet --workspace --features replicode-sim/planted --bin replicode-sim-planted
    target/release/replicode-sim-planted mutants "$@"
}

case "${1:-}" in
    ci)
        build
        sim corpus tests/sim/corpus
        sim --seed 1000 --seeds "${REPLICODE_SIM_SEEDS:-300}" --budget 90 --jobs "$jobs" --keep target/sim-out
        target/release/replicode-sim-sequenced --seed 1000 --seeds 200 --budget 30 --jobs "$jobs"
        # Others on another day.
        planted --known --seeds 100 "turn:$((10#$(date +%j)))"
        ;;
    campaign)
        build
        sim --seed "${3:-1000000}" --seeds 1000000000 --budget $((${2:?minutes} * 60)) --jobs "$jobs" --keep-going --keep sim-out
        ;;
    sequenced)
        build
        target/release/replicode-sim-sequenced --seed "${3:-1000000}" --seeds 1000000000 --budget $((${2:?minutes} * 60)) --jobs "$jobs" --keep-going
        ;;
    meta) cargo test --release --locked --workspace --test meta --test sequenced ;;
    corpus)
        build
        sim corpus tests/sim/corpus
        ;;
    mutants)
        shift
        planted "$@"
        ;;
    repro | shrink | why)
        build
        sim "$@"
        ;;
    *)
        sed -n '2,11s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
esac
