//! All executors agree, byte by byte, with the interpreter: generated programs, shrunk on failure.
//!
//! The command for a million blocks is `examples/equal.rs`; here runs what fits a test.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

mod program;

use program::{Op, Program, execute, interpret, quiet_panics, random_program};
use proptest::prelude::*;
use replicode_stm::{Mode, Stm};

/// Steps without nesting, on few keys so that they meet.
fn flat() -> impl Strategy<Value = Op> {
    let key = 0usize..6;
    let m = 0u32..10;
    prop_oneof![
        6 => key.clone().prop_map(Op::Read),
        4 => (key.clone(), 0u64..9).prop_map(|(k, c)| Op::Write(k, c)),
        3 => key.clone().prop_map(Op::WriteIfOdd),
        2 => Just(Op::ReadChosen),
        2 => (0u64..9).prop_map(Op::WriteChosen),
        3 => (key.clone(), -9i64..9).prop_map(|(k, d)| Op::Add(k, d)),
        3 => (key.clone(), -40i64..40).prop_map(|(k, d)| Op::TryAdd(k, d, 0, 100)),
        1 => (key.clone(), any::<i64>(), any::<i64>(), any::<i64>()).prop_map(|(k, d, a, b)| Op::TryAdd(k, d, a, b)),
        2 => key.clone().prop_map(Op::Sum),
        1 => (key, any::<i64>()).prop_map(|(k, v)| Op::SetSum(k, v)),
        2 => m.clone().prop_map(Op::MapGet),
        1 => m.clone().prop_map(Op::MapHas),
        3 => m.clone().prop_map(Op::MapInsert),
        2 => m.clone().prop_map(Op::MapRemove),
        2 => (m.clone(), m.clone()).prop_map(|(a, b)| Op::MapRange(a, b)),
        1 => m.clone().prop_map(Op::MapFirst),
        1 => m.clone().prop_map(Op::MapSwap),
        1 => m.clone().prop_map(Op::MapTake),
        1 => m.clone().prop_map(Op::MapBump),
        1 => (m.clone(), m.clone()).prop_map(|(a, b)| Op::MapBack(a, b)),
        1 => m.clone().prop_map(Op::MapLast),
        1 => Just(Op::MapLen), 1 => Just(Op::MapNone),
        1 => m.clone().prop_map(Op::TextSwap),
        1 => m.clone().prop_map(Op::TextGet),
        2 => m.clone().prop_map(Op::TextSet),
        1 => m.clone().prop_map(Op::TextRemove),
        2 => m.clone().prop_map(Op::MemRead),
        1 => m.clone().prop_map(Op::MemLen),
        1 => m.clone().prop_map(Op::MemHas),
        2 => (m.clone(), 0usize..70).prop_map(|(k, len)| Op::MemSet(k, len)),
        1 => m.clone().prop_map(Op::MemSame),
        1 => m.clone().prop_map(Op::MemUnset),
        2 => m.clone().prop_map(Op::MemBump),
        2 => m.clone().prop_map(Op::WideGet),
        1 => m.clone().prop_map(Op::WideHas),
        2 => (m.clone(), -9i64..9).prop_map(|(k, d)| Op::WideAdd(k, d)),
        1 => (m.clone(), any::<i32>()).prop_map(|(k, d)| Op::WideAdd(k, i64::from(d) << 27)),
        2 => (m.clone(), -40i64..40).prop_map(|(k, d)| Op::WideTry(k, d, 0, 100)),
        1 => (m.clone(), -40i64..40).prop_map(|(k, v)| Op::WideSet(k, v)),
        1 => m.prop_map(Op::WideUnset),
        1 => Just(Op::Push), 1 => Just(Op::Pop), 1 => Just(Op::Len),
        1 => (0u64..6).prop_map(Op::Get),
        1 => (0u64..6).prop_map(Op::Set),
        2 => Just(Op::BagPush), 1 => Just(Op::BagItems),
        2 => (2u64..8, 0u64..2).prop_map(|(m, r)| Op::RevertIf(m, r)),
    ]
}

fn nested() -> impl Strategy<Value = Op> {
    flat().prop_recursive(3, 12, 4, |inner| {
        (prop::collection::vec(inner, 1..4), 1u64..5, 0u64..2, any::<bool>())
            .prop_map(|(ops, m, r, framed)| if framed { Op::Frame(ops, m, r) } else { Op::Marked(ops, m, r) })
    })
}

fn programs() -> impl Strategy<Value = Program> {
    let last = prop_oneof![
        12 => Just(None),
        2 => (4u64..16).prop_map(|m| Some(Op::PanicIf(m, 0))),
        1 => (16u64..64).prop_map(|m| Some(Op::FatalIf(m, 0))),
    ];
    let tx = (prop::collection::vec(nested(), 0..7), last).prop_map(|(mut ops, last)| {
        ops.extend(last);
        ops
    });
    (
        prop_oneof![Just(1usize), Just(2), Just(10)],
        prop::collection::vec(tx, 0..40),
        prop::option::weighted(0.2, 0u64..200),
    )
        .prop_map(|(keys, txs, limit)| Program { keys, txs, limit })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 160, ..ProptestConfig::default() })]

    #[test]
    fn every_executor_agrees_with_the_interpreter(p in programs(), seed in any::<u64>()) {
        quiet_panics();
        let want = interpret(&p);
        let stm = Stm::builder().mode(Mode::Speculative).audit(true);
        let builders = [
            ("sequential", Stm::builder().sequential()),
            ("one thread", stm.clone().threads(1)),
            ("two threads", stm.clone().threads(2).chaos(seed)),
            ("four threads, narrow", stm.clone().threads(4).window(2).chaos(seed)),
            ("eight threads in groups", stm.clone().threads(8).window(64).group_certification(true).chaos(seed)),
            ("seeded", stm.clone().seeded(seed, 3).window(6)),
            ("seeded chaos", stm.clone().seeded(seed, 2).chaos(seed)),
            ("alternating", stm.threads(2).mode(Mode::Alternate(1 + (seed % 5) as u32))),
            ("auto", Stm::builder().threads(2)),
        ];
        for (name, builder) in builders {
            let (got, stats) = execute(&p, &builder, 1 + (seed % 2) as usize);
            prop_assert_eq!(&got, &want, "{} differs", name);
            prop_assert_eq!(stats.audit_failures, 0, "{} fails the audit", name);
        }
    }
}

/// Random blocks over all thread counts and windows with lying hints.
#[test]
fn random_blocks_with_chaos() {
    quiet_panics();
    for seed in 0..600u64 {
        let p = random_program(seed, 48);
        let threads = [1, 2, 3, 4, 8][seed as usize % 5];
        let window = [1, 2, 16, 64][seed as usize / 5 % 4];
        let builder = Stm::builder().threads(threads).window(window).mode(Mode::Speculative).chaos(seed).audit(true);
        let (got, stats) = execute(&p, &builder, 1);
        assert!(got == interpret(&p), "seed {seed}, {threads} threads, window {window}");
        assert_eq!(stats.audit_failures, 0, "seed {seed}");
    }
}

/// The same seed gives the same interleaving: not only equal results, but equal statistics.
#[test]
fn seeded_runs_repeat_exactly() {
    quiet_panics();
    for seed in 0..40 {
        let p = random_program(seed, 24);
        let builder = Stm::builder().seeded(seed, 4).chaos(seed);
        let (a, b) = (execute(&p, &builder, 2), execute(&p, &builder, 2));
        assert!(a == b, "seed {seed}: {:?} then {:?}", a.1, b.1);
    }
}

/// Long blocks: slots are reused many times over and logs spill.
#[test]
fn long_blocks() {
    quiet_panics();
    for seed in [3u64, 4, 5] {
        let p = random_program(seed, 3_000);
        for builder in
            [Stm::builder().threads(2).mode(Mode::Speculative), Stm::builder().threads(4).window(64).chaos(seed)]
        {
            let (got, _) = execute(&p, &builder.audit(true), 1);
            assert!(got == interpret(&p), "seed {seed}");
        }
    }
}

/// A long calm, in which the window widens and stretches end at the commit turn, then conflicts without end, then calm
/// again: with the window as it is by default, on transactions that take long enough for two cores.
#[test]
fn calm_and_conflicts_take_turns() {
    let busy = || (0..300).for_each(|_| std::hint::spin_loop());
    let jobs: Vec<u64> = (0..12_000).collect();
    let cell_of = |i: u64| if (4_000..8_000).contains(&i) { i % 5 } else { i };
    let mut want = vec![0u64; jobs.len()];
    for i in &jobs {
        let at = cell_of(*i) as usize;
        want[at] = want[at].wrapping_mul(31).wrapping_add(i + 1);
    }
    for (mode, audit) in [(Mode::Speculative, true), (Mode::Speculative, false), (Mode::Auto, false)] {
        let mut stm = Stm::builder().threads(2).mode(mode).audit(audit).build().expect("a small engine");
        let cells: Vec<_> = jobs.iter().map(|_| stm.cell(0u64)).collect();
        let out = stm.execute(&jobs, |tx, i| {
            let cell = cells[cell_of(*i) as usize];
            let now = cell.get(tx)?;
            busy();
            cell.set(tx, now.wrapping_mul(31).wrapping_add(i + 1))
        });
        assert_eq!(out.expect("nothing stops it").len(), jobs.len());
        let got = stm.run(|tx| cells.iter().map(|cell| cell.get(tx)).collect()).expect("no stop").committed();
        assert!(got == Some(want.clone()), "{mode:?}");
        assert_eq!(stm.stats().audit_failures, 0);
        println!("{mode:?}: {}", stm.stats());
    }
}

/// Runs that are final from their beginning, at the commit turn and ahead of all others: measured, invited at random (by the
/// chaos mode), repeatably, and with all their reads audited.
#[test]
fn final_runs_anywhere() {
    quiet_panics();
    let (mut ahead, mut at_turn) = ([0; 5], [0; 5]);
    for seed in 0..400 {
        let p = random_program(seed, 64);
        let want = interpret(&p);
        for threads in [1, 2, 3] {
            let free = Stm::builder().threads(threads).mode(Mode::Speculative);
            let seeded = Stm::builder().seeded(seed, threads).mode(Mode::Speculative).window(4);
            let audited = free.clone().chaos(seed).audit(true);
            // Wide enough for stretches of several transactions, and nobody lies, so that they happen.
            let wide = Stm::builder().seeded(seed, threads).mode(Mode::Speculative).window(64).audit(true);
            let builders = [free.clone(), free.chaos(seed), seeded.chaos(seed), audited, wide];
            for (k, builder) in builders.iter().enumerate() {
                let (got, stats) = execute(&p, builder, 2);
                assert!(got == want, "seed {seed}, {threads} threads");
                assert_eq!(stats.audit_failures, 0, "seed {seed}, {threads} threads");
                ahead[k] += stats.run_ahead;
                at_turn[k] += stats.at_turn;
            }
        }
    }
    println!("run ahead: {ahead:?}, at the turn: {at_turn:?} (measured, chaos, seeded, audited, wide)");
    // Whether it pays is measured in the first case, so there it may never happen.
    assert!(ahead[1..4].iter().all(|n| *n > 0) && at_turn.iter().all(|n| *n > 0));
}

/// What a run does after others were thrown away must be in proportion to what it did the first time: transactions with
/// very many writes and reads, all in conflict, where nothing may run ahead. A cost that grew with the square of them took
/// minutes here.
#[test]
fn large_transactions_in_conflict_take_no_square_of_time() {
    let n = 20_000u64;
    for (threads, reads) in [(2, false), (3, true)] {
        let builder = Stm::builder().threads(threads).mode(Mode::Speculative).run_ahead(false);
        let watched = builder.watchdog(std::time::Duration::from_secs(30), |dump| {
            eprintln!("{dump}");
            std::process::abort();
        });
        let mut stm = watched.build().expect("a small engine");
        let cells: Vec<_> = (0..n).map(|_| stm.cell(0u64)).collect();
        let began = std::time::Instant::now();
        for round in 0..4u64 {
            let jobs: Vec<u64> = (0..8).collect();
            let out = stm.execute(&jobs, |tx, job| {
                let mut sum = cells[0].get(tx)?;
                for cell in &cells {
                    if reads {
                        sum = sum.wrapping_add(cell.get(tx)?);
                    }
                    cell.set(tx, sum.wrapping_add(job + 1))?;
                }
                Ok(())
            });
            assert_eq!(out.expect("nothing stops it").len(), 8, "round {round}");
        }
        // Generous: it takes some tens of milliseconds.
        assert!(began.elapsed() < std::time::Duration::from_secs(15), "{threads} threads: {:?}", began.elapsed());
    }
}
