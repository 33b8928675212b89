//! The whole engine under `shuttle`: random schedules in which every atomic operation may switch threads, and in
//! which a lost wake-up is a deadlock (there is no time-out behind the parking).
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test -p replicode-stm --release --test shuttle`

#![cfg(shuttle)]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Mode, Outcome, Stm};

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
