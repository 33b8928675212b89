//! Every broken engine must be caught within a bounded number of seeded schedules, and the sound one must not be.
//!
//! `cargo test -p replicode-stm --release --features mutants --test mutants -- --nocapture` prints the seeds.

#![cfg(feature = "mutants")]
#![allow(clippy::unwrap_used)]

mod program;

use program::{Op, Program, execute, interpret, quiet_panics, random_program};
use replicode_stm::mutants::{Mutant, set};
use replicode_stm::{Mode, Stm};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Schedules tried per mutant.
const SEEDS: u64 = 2_000;

/// One seeded schedule of one program: is everything as it should be?
fn sound(p: &Program, seed: u64) -> bool {
    let builder = Stm::builder().seeded(seed, 3).mode(Mode::Speculative).window(8).chaos(seed).audit(true);
    // A broken engine may also trip over itself; that counts as caught.
    catch_unwind(AssertUnwindSafe(|| execute(p, &builder, 1)))
        .is_ok_and(|(got, stats)| got == interpret(p) && stats.audit_failures == 0)
}

/// The workload that the design names for this mutant, besides random programs.
fn targeted(mutant: Mutant, seed: u64) -> Program {
    let txs: Vec<Vec<Op>> = match mutant {
        // Hot transfers: every first read matters.
        Mutant::None | Mutant::SkippedRead => vec![vec![Op::Read(0), Op::Write(0, 1)]; 6],
        Mutant::EarlyCommit => vec![vec![Op::Read(0), Op::Read(1), Op::Write(0, 1), Op::Write(1, 3)]; 6],
        // The inner revert is decided by a cell that a lower transaction changes.
        Mutant::ForgottenFrame => vec![vec![Op::Frame(vec![Op::Read(0), Op::Write(1, 1)], 1, 0), Op::Write(0, 7)]; 6],
        // Re-executed additions: the read makes the transaction stale, the addition must not count twice.
        Mutant::DoubleFold => vec![vec![Op::Read(0), Op::Write(0, 1), Op::Add(0, 5)]; 6],
        // Overdraft on a stale balance.
        Mutant::FinalZombie => vec![vec![Op::Read(0), Op::RevertIf(2, 0), Op::Write(0, 1)]; 6],
        // The same cell written again and again by re-executions with other values.
        Mutant::RecycledVersion => vec![vec![Op::Read(0), Op::WriteChosen(1), Op::ReadChosen, Op::Write(0, 2)]; 6],
        // Write sets that depend on reads.
        Mutant::LeftoverWrite => vec![vec![Op::Read(0), Op::WriteChosen(seed), Op::WriteIfOdd(1)]; 6],
        // Written before the mark and after it.
        Mutant::StaleMark => {
            vec![vec![Op::Read(0), Op::Write(1, 1), Op::Marked(vec![Op::Write(1, 5)], 1, 0), Op::Read(1)]; 6]
        }
        // The same length with other bytes, which the next one reads.
        Mutant::LengthForContent => vec![vec![Op::MemRead(1), Op::MemSet(1, 8), Op::Read(0), Op::Write(0, 1)]; 6],
        // More keys than the budget holds.
        Mutant::DirtyEviction => vec![(0..24).map(|k| Op::MemSet(k, 300)).collect(), vec![Op::MemRead(3)]],
        Mutant::LostChange => vec![vec![Op::MemSet(40, 8), Op::WideAdd(41, 3)]; 2],
        Mutant::AbsentDelta => vec![vec![Op::WideAdd(41, 3), Op::WideHas(41), Op::WideGet(41)]; 3],
        Mutant::LateCut => vec![vec![Op::Read(0), Op::Write(0, 1)]; 12],
    };
    let limit = (mutant == Mutant::LateCut).then_some(20 + seed % 7 * 2);
    Program { keys: 2, txs, limit }
}

#[test]
fn every_mutant_is_caught() {
    quiet_panics();
    std::panic::set_hook(Box::new(|_| {}));
    let mut escaped = Vec::new();
    for mutant in Mutant::ALL {
        let mut caught = None;
        for seed in 0..SEEDS {
            let p = if seed % 2 == 0 { targeted(mutant, seed) } else { random_program(seed, 12) };
            set(mutant);
            let ok = sound(&p, seed);
            set(Mutant::None);
            if !ok {
                caught = Some((seed, p));
                break;
            }
        }
        match caught {
            Some((seed, p)) => {
                println!("{mutant:?} caught by seed {seed}");
                assert!(sound(&p, seed), "the sound engine fails on seed {seed} too");
            }
            None => escaped.push(mutant),
        }
    }
    assert!(escaped.is_empty(), "not caught within {SEEDS} schedules: {escaped:?}");
    for seed in 0..SEEDS / 4 {
        for mutant in Mutant::ALL {
            assert!(sound(&targeted(mutant, seed), seed), "the sound engine fails on {mutant:?}, seed {seed}");
        }
    }
}
