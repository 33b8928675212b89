//! Closures that wait: for `rayon::join`, for another engine. None of it may hang, on any number of threads.
//!
//! Everything here has a deadline: a hang ends the process with what the watchdog has to say.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Builder, Mode, Outcome, Stm};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc::channel};
use std::time::Duration;

/// Ends the process if `body` takes longer than any of these may.
fn within(name: &str, body: impl FnOnce()) {
    let (done, over) = channel::<()>();
    let name = name.to_string();
    let guard = std::thread::spawn(move || {
        if over.recv_timeout(Duration::from_secs(60)).is_err() {
            eprintln!("{name} hangs");
            std::process::abort();
        }
    });
    body();
    done.send(()).unwrap();
    guard.join().unwrap();
}

fn engine(threads: usize) -> Builder {
    Stm::builder().threads(threads).mode(Mode::Speculative).run_ahead(false)
}

fn spin(n: u32) -> u64 {
    (0..n).fold(1, |a: u64, _| std::hint::black_box(a.wrapping_mul(31)))
}

#[test]
fn closures_may_fork_and_join() {
    fn sum(range: std::ops::Range<u64>) -> u64 {
        if range.end - range.start < 4 {
            spin(50);
            return range.sum();
        }
        let middle = range.start.midpoint(range.end);
        let (a, b) = rayon_core::join(|| sum(range.start..middle), || sum(middle..range.end));
        a + b
    }
    within("fork and join", || {
        for threads in [1, 2, 3, 4, 8] {
            let mut stm = engine(threads).build().unwrap();
            let cell = stm.cell(0u64);
            let jobs: Vec<u64> = (0..300).collect();
            for round in 1..=5u64 {
                let out = stm.execute(&jobs, |tx, n| {
                    let now = cell.get(tx)?;
                    cell.set(tx, now + sum(0..40) + n)
                });
                assert_eq!(out.unwrap().len(), jobs.len());
                let want = round * jobs.iter().map(|n| 780 + n).sum::<u64>();
                assert_eq!(stm.run(|tx| cell.get(tx)).unwrap(), Outcome::Committed(want), "{threads} threads");
            }
        }
    });
}

#[test]
fn closures_may_run_other_engines() {
    within("other engines", || {
        for threads in [2, 3, 4] {
            let mut stm = engine(threads).build().unwrap();
            let inner: Vec<Mutex<(Stm, _)>> = (0..6)
                .map(|_| {
                    let mut inner = engine(3).build().unwrap();
                    let cells: Vec<_> = (0..3).map(|_| inner.cell(0u64)).collect();
                    Mutex::new((inner, cells))
                })
                .collect();
            let total = stm.cell(0u64);
            let jobs: Vec<usize> = (0..120).collect();
            // What an inner engine holds is not the transaction's: only answers that do not depend on it are used.
            let out = stm.execute(&jobs, |tx, i| {
                let before = total.get(tx)?;
                let (inner, cells) = &mut *inner[i % 6].lock().unwrap();
                let done = inner.execute(&[1u64, 2, 3, 4, 5, 6], |tx, n| {
                    cells[*n as usize % 3].set(tx, *n)?;
                    let (_, answer) = rayon_core::join(|| spin(200), || *n);
                    Ok(answer)
                });
                let sum: u64 = done.unwrap().into_iter().filter_map(Outcome::committed).sum();
                total.set(tx, before + sum)
            });
            assert_eq!(out.unwrap().len(), jobs.len());
            assert_eq!(stm.run(|tx| total.get(tx)).unwrap(), Outcome::Committed(21 * 120), "{threads} threads");
        }
    });
}

/// A thread of somebody's pool that waits in `execute` must not take up other jobs of that pool: here they want the very
/// lock that it holds.
#[test]
fn engines_may_be_used_from_within_a_pool() {
    within("engines in a pool", || {
        let pool = rayon_core::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        let shared = Mutex::new({
            let mut stm = engine(3).build().unwrap();
            let cell = stm.cell(0u64);
            (stm, cell)
        });
        pool.scope(|scope| {
            for _ in 0..60 {
                scope.spawn(|_| {
                    let (stm, cell) = &mut *shared.lock().unwrap();
                    let cell = *cell;
                    let out = stm.execute(&[1u64; 20], |tx, n| {
                        spin(300);
                        cell.update(tx, |v| v + n)
                    });
                    assert_eq!(out.unwrap().len(), 20);
                });
            }
        });
        let (stm, cell) = &mut *shared.lock().unwrap();
        assert_eq!(stm.run(|tx| cell.get(tx)).unwrap(), Outcome::Committed(1_200));
    });
}

/// A closure that waits for another engine's batch, which does not end: that one is to blame, and is named.
#[test]
fn the_watchdog_names_what_is_waited_for() {
    within("a watched wait", || {
        for (mode, threads) in [(Mode::Direct, 2), (Mode::Speculative, 1), (Mode::Speculative, 3)] {
            let dumps = Arc::new(Mutex::new(Vec::<String>::new()));
            let release = Arc::new(AtomicBool::new(false));
            let (d, r) = (dumps.clone(), release.clone());
            let mut stm = Stm::builder()
                .threads(threads)
                .mode(mode)
                .watchdog(Duration::from_millis(50), move |dump| {
                    d.lock().unwrap().push(dump.to_string());
                    r.fetch_or(dump.to_string().contains("waits for"), SeqCst);
                })
                .build()
                .unwrap();
            let inner = Mutex::new(Stm::builder().threads(2).mode(Mode::Speculative).build().unwrap());
            let cell = stm.cell(0u64);
            let out = stm.execute(&(0..40u64).collect::<Vec<_>>(), |tx, n| {
                if *n == 7 {
                    let wait = |_: &mut replicode_stm::Tx<'_>, (): &()| {
                        while !release.load(SeqCst) {
                            std::thread::yield_now();
                        }
                        Ok(())
                    };
                    let _ = inner.lock().unwrap().execute(&[()], wait).unwrap();
                }
                cell.update(tx, |v| v + 1)
            });
            assert_eq!(out.unwrap().len(), 40);
            let dumps = dumps.lock().unwrap();
            // On a busy machine there may be one before transaction 7 has come to its wait.
            let Some(dump) = dumps.iter().find(|dump| dump.contains("waits for")) else {
                panic!("{mode:?}: {dumps:?}")
            };
            assert!(dump.contains("transaction 7"), "{mode:?}: {dump}");
            assert!(!dump.contains("never returns to a read"), "{mode:?} blames the closure: {dump}");
        }
    });
}

/// Destructors of an earlier batch's values that do not end: the closure is not to blame either.
#[test]
fn the_watchdog_tells_a_thread_that_has_not_come() {
    #[derive(Clone)]
    struct Slow(Arc<AtomicBool>);
    impl Drop for Slow {
        fn drop(&mut self) {
            while !self.0.load(SeqCst) {
                std::thread::yield_now();
            }
        }
    }
    within("slow destructors", || {
        let dumps = Arc::new(Mutex::new(Vec::<String>::new()));
        let release = Arc::new(AtomicBool::new(true));
        let (d, r) = (dumps.clone(), release.clone());
        let mut stm = engine(2)
            .watchdog(Duration::from_millis(100), move |dump| {
                d.lock().unwrap().push(dump.to_string());
                r.store(true, SeqCst);
            })
            .build()
            .unwrap();
        let cells: Vec<_> = (0..600).map(|_| stm.cell(Slow(release.clone()))).collect();
        let jobs: Vec<usize> = (0..600).collect();
        let fill = |stm: &mut Stm| stm.execute(&jobs, |tx, i| cells[*i].set(tx, Slow(release.clone()))).unwrap().len();
        assert_eq!(fill(&mut stm), 600);
        // From now on the values that this batch replaces are dropped by a helper that does not come back.
        let plain = stm.cell(0u64);
        let held = stm.execute(&jobs, |tx, i| {
            if *i == 599 {
                release.store(false, SeqCst);
            }
            cells[*i].set(tx, Slow(release.clone()))
        });
        assert_eq!(held.unwrap().len(), 600);
        let out = stm.execute(&[1u64; 50], |tx, n| plain.update(tx, |v| v + n));
        assert_eq!(out.unwrap().len(), 50);
        let dumps = dumps.lock().unwrap();
        assert!(dumps.iter().any(|d| d.contains("has not begun")), "{dumps:?}");
        assert!(dumps.iter().all(|d| !d.contains("never returns")), "{dumps:?}");
    });
}
