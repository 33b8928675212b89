//! The whole engine under `shuttle`: random schedules in which every atomic operation may switch threads, and in
//! which a lost wake-up is a deadlock (there is no time-out behind the parking).
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p replicode-stm --release --test shuttle`

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![cfg(shuttle)]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Base, BaseError, Contexts, Mode, Outcome, Stm, Stop, Turn, Verdict};

/// Schedules per test; `SHUTTLE_RUNS` asks for more.
fn runs() -> usize {
    std::env::var("SHUTTLE_RUNS").ok().and_then(|n| n.parse().ok()).unwrap_or(400)
}

fn transfers(workers: usize, group: bool, chaos: Option<u64>) {
    shuttle::check_random(
        move || {
            let mut b = Stm::builder()
                .threads(workers)
                .mode(Mode::Speculative)
                .window(4)
                .group_certification(group)
                .audit(true);
            if let Some(seed) = chaos {
                b = b.chaos(seed);
            }
            let mut stm = b.build().unwrap();
            let cells: Vec<_> = (0..2).map(|_| stm.cell(10u64)).collect();
            let fees = stm.counter(0);
            let jobs = [(0, 1), (1, 0), (0, 1), (0, 1), (1, 0)];
            let out = stm
                .execute(&jobs, |tx, (from, to)| {
                    let have = cells[*from].get(tx)?;
                    tx.require(have >= 8, "poor")?;
                    cells[*from].set(tx, have - 8)?;
                    let other = cells[*to].get(tx)?;
                    cells[*to].set(tx, other + 8)?;
                    fees.add(tx, 1)?;
                    Ok(have)
                })
                .unwrap();
            let got: Vec<Option<u64>> = out.into_iter().map(Outcome::committed).collect();
            assert_eq!(got, [Some(10), Some(18), Some(10), None, Some(18)]);
            let end = stm.run(|tx| Ok((cells[0].get(tx)?, cells[1].get(tx)?, fees.get(tx)?))).unwrap();
            assert_eq!(end, Outcome::Committed((10, 10, 4)));
            assert_eq!(stm.stats().audit_failures, 0);
        },
        runs(),
    );
}

/// The window as it is by default, so that stretches of several transactions are claimed and end at the commit turn.
#[test]
fn stretches() {
    shuttle::check_random(
        || {
            let mut stm = Stm::builder().threads(2).mode(Mode::Speculative).audit(true).build().unwrap();
            let cells: Vec<_> = (0..16).map(|_| stm.cell(0u64)).collect();
            let jobs: Vec<usize> = (0..24).collect();
            // Twelve alone, then twelve of which every third adds to a cell of the first ones.
            let out = stm.execute(&jobs, |tx, i| {
                let cell = cells[if i % 3 == 0 { i / 3 } else { i % 16 }];
                cell.update(tx, |v| v * 31 + *i as u64 + 1)
            });
            let got: Vec<Option<u64>> = out.unwrap().into_iter().map(Outcome::committed).collect();
            let mut state = [0u64; 16];
            let want: Vec<Option<u64>> = jobs
                .iter()
                .map(|i| {
                    let at = if i % 3 == 0 { i / 3 } else { i % 16 };
                    state[at] = state[at] * 31 + *i as u64 + 1;
                    Some(state[at])
                })
                .collect();
            assert_eq!(got, want);
            assert_eq!(stm.stats().audit_failures, 0);
        },
        runs(),
    );
}

#[test]
fn two_workers() {
    transfers(2, false, None);
}

#[test]
fn three_workers() {
    transfers(3, false, None);
}

#[test]
fn lying_hints() {
    transfers(2, false, Some(5));
}

#[test]
fn groups() {
    transfers(2, true, None);
}

/// Byte values over a base, keyed counters that come and go, and a hook that ends the block: outcomes and changes are those
/// of running one by one.
fn keyed(workers: usize, chaos: Option<u64>) {
    struct Below;
    impl Base<1> for Below {
        fn load(&self, key: &[u8; 1], into: &mut Vec<u8>) -> Result<bool, BaseError> {
            into.extend([key[0]; 40]);
            Ok(key[0] < 2)
        }
    }
    shuttle::check_random(
        move || {
            let mut b = Stm::builder().threads(workers).mode(Mode::Speculative).window(4).audit(true);
            if let Some(seed) = chaos {
                b = b.chaos(seed);
            }
            let mut stm = b.build().unwrap();
            let (memory, sums) = (stm.memory_over::<1>(std::sync::Arc::new(Below), 0), stm.counters::<1>());
            let mut left = 4;
            let hook = |turn: Turn| {
                left -= turn.weight;
                if left == 0 { Verdict::EndAfter } else { Verdict::Proceed }
            };
            // From, to: the bytes move, and are counted where they arrive.
            let jobs = [(0u8, 2u8), (1, 0), (2, 1), (0, 3), (3, 0)];
            let out = stm
                .execute_until(&jobs, &Contexts::new(|_| ()), hook, |tx, (), (from, to)| {
                    tx.weigh(1);
                    let bytes = memory.get(tx, &[*from])?.ok_or_else(|| Stop::revert(1, "nothing there"))?;
                    let mark = tx.mark()?;
                    memory.set(tx, &[9], &bytes)?;
                    sums.add(tx, &[9], 1)?;
                    tx.roll_back(&mark)?;
                    tx.release(mark)?;
                    memory.unset(tx, &[*from])?;
                    memory.set(tx, &[*to], &bytes)?;
                    sums.add(tx, &[*to], bytes[0].into())?;
                    if *from == 2 {
                        sums.unset(tx, &[2])?
                    }
                    Ok(bytes[0])
                })
                .unwrap();
            let got: Vec<Option<u8>> = out.into_iter().map(Outcome::committed).collect();
            assert_eq!(got, [Some(0), Some(1), Some(0), Some(1)]);
            let changes = stm.changes(&memory);
            let told: Vec<_> = changes.iter().map(|c| (c.key[0], c.old.map(|v| v[0]), c.new.map(|v| v[0]))).collect();
            assert_eq!(told, [(0, Some(0), None), (1, Some(1), Some(0)), (3, None, Some(1))]);
            let changes = stm.counter_changes(&sums);
            let told: Vec<_> = changes.iter().map(|c| (c.key[0], c.old, c.new)).collect();
            assert_eq!(told, [(0, None, Some(1)), (1, None, Some(0)), (3, None, Some(1))]);
            assert_eq!(stm.stats().audit_failures, 0);
        },
        runs(),
    );
}

#[test]
fn keyed_two_workers() {
    keyed(2, None);
}

#[test]
fn keyed_three_workers() {
    keyed(3, None);
}

#[test]
fn keyed_lying_hints() {
    keyed(2, Some(11));
}
