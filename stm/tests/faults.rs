//! A lost worker ends the batch with an error; it does not hang the others.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

use replicode_stm::{FatalCause, Mode, Stm};
use std::cell::Cell;
use std::cmp::Ordering;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// A key whose comparison panics outside closures: when a certifier walks an iterated range again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touchy(u64);

impl Ord for Touchy {
    fn cmp(&self, other: &Self) -> Ordering {
        assert!(INSIDE.get(), "not now");
        self.0.cmp(&other.0)
    }
}
impl PartialOrd for Touchy {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[test]
fn a_panic_outside_a_closure_is_a_fault_and_hangs_nobody() {
    std::panic::set_hook(Box::new(|_| {}));
    for (threads, group) in [(1, false), (2, false), (4, false), (8, true)] {
        for run in 0..20 {
            let watchdog = |dump: &str| {
                eprintln!("{dump}");
                std::process::abort();
            };
            let mut stm = Stm::builder()
                .threads(threads)
                .mode(Mode::Speculative)
                .group_certification(group)
                .run_ahead(false)
                .watchdog(std::time::Duration::from_secs(20), watchdog)
                .build()
                .unwrap();
            INSIDE.set(true);
            let map = stm.map_from((0..50).map(|k| (Touchy(k), k)));
            INSIDE.set(false);
            let jobs: Vec<u64> = (0..300).collect();
            let inside = |tx: &mut replicode_stm::Tx<'_>, k: &u64| {
                let n = if *k % 20 == run { map.range(tx, Touchy(3)..)?.len() } else { 0 };
                map.insert(tx, Touchy(k % 50), *k)?;
                Ok(n)
            };
            let body = |tx: &mut replicode_stm::Tx<'_>, k: &u64| {
                INSIDE.set(true);
                let result = inside(tx, k);
                INSIDE.set(false);
                result
            };
            let stopped = stm.execute(&jobs, body).unwrap_err();
            assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{threads} threads");
            assert!(stopped.fatal.reason().contains("not now"), "{}", stopped.fatal.reason());
            // And it stays so: nobody knows what the state is.
            let again = stm.execute(&[1], body).unwrap_err();
            assert_eq!((again.at, again.fatal), (0, stopped.fatal));
        }
    }
}

/// A value whose destructor panics when it is told to.
#[derive(Clone)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0 || std::thread::panicking(), "boom");
    }
}

#[test]
fn a_batch_cut_short_by_a_destructor_is_the_last_one() {
    std::panic::set_hook(Box::new(|_| {}));
    for mode in [Mode::Direct, Mode::Speculative] {
        let mut stm = Stm::builder().threads(2).mode(mode).build().unwrap();
        let cell = stm.cell(Bomb(true));
        let cut = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            stm.execute(&[0u8; 4], |tx, _| cell.set(tx, Bomb(false))).map(|out| out.len())
        }));
        // In direct mode the destructor runs where a closure's panic would: it becomes the transaction's revert, or the
        // batch unwinds. Either way there is an answer, and a next batch is refused or correct.
        let next = stm.execute(&[()], |_, ()| Ok(1));
        match (cut, next) {
            (Err(_), Err(stopped)) => assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{mode:?}"),
            (Ok(_), _) => {}
            (Err(_), Ok(_)) => panic!("{mode:?}: the engine went on after it had been cut short"),
        }
    }
}
