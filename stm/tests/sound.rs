//! What a closure might swallow, catch or leave half done: right, or refused, alike on every executor.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Fatal, FatalCause, Mode, Outcome, Revert, Stm, Stop, Stopped, Tx, TxMap, TxResult};
use std::borrow::Borrow;
use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

fn engines() -> Vec<(&'static str, Stm)> {
    let spec = Stm::builder().mode(Mode::Speculative);
    vec![
        ("sequential", Stm::builder().sequential().build().unwrap()),
        ("direct", Stm::builder().threads(2).mode(Mode::Direct).build().unwrap()),
        ("one thread", spec.clone().threads(1).build().unwrap()),
        ("two threads", spec.clone().threads(2).run_ahead(false).build().unwrap()),
        ("four threads", spec.clone().threads(4).chaos(1).build().unwrap()),
        ("seeded", spec.seeded(7, 2).build().unwrap()),
        ("auto", Stm::builder().threads(2).build().unwrap()),
    ]
}

fn quiet() {
    std::panic::set_hook(Box::new(|_| {}));
}

/// A value that cannot always be copied.
#[derive(Debug, PartialEq, Eq)]
struct Brittle(u64);

impl Clone for Brittle {
    fn clone(&self) -> Self {
        assert!(!self.0.is_multiple_of(5), "no copies of {}", self.0);
        Brittle(self.0)
    }
}

#[test]
fn items_of_a_bag_are_moved_and_copied_only_for_who_asks() {
    quiet();
    for (name, mut stm) in engines() {
        let bag = stm.bag::<Brittle>();
        let jobs: Vec<u64> = (0..40).collect();
        let out = stm
            .execute(&jobs, |tx, n| {
                bag.push(tx, Brittle(*n))?;
                if *n == 3 { bag.items(tx).map(|all| all.len()) } else { Ok(0) }
            })
            .unwrap();
        // Transaction 0 has pushed what cannot be copied, so asking for all is a panic of transaction 3.
        let why = out[3].reverted().unwrap();
        assert_eq!((why.code(), why.reason()), (Revert::PANIC, "no copies of 0"), "{name}");
        assert_eq!(out.iter().filter(|o| o.is_committed()).count(), 39, "{name}");
        let last = stm.run(|tx| bag.push(tx, Brittle(41))).unwrap();
        assert!(last.is_committed(), "{name}");
    }
}

#[test]
fn swallowed_misuse_and_fatal_stops_of_frames_stop_the_stream() {
    for (name, mut stm) in engines() {
        let foreign = Stm::builder().sequential().build().unwrap().cell(0u64);
        let mine = stm.cell(0u64);
        type Body<'b> = &'b (dyn Fn(&mut Tx<'_>) -> TxResult<u64> + Sync);
        let cases: [(&str, FatalCause, Body<'_>); 4] = [
            ("a foreign handle", FatalCause::Misuse, &|tx| Ok(foreign.get(tx).unwrap_or(7))),
            ("the same, in a frame", FatalCause::Misuse, &|tx| {
                let _ = tx.frame(|tx| foreign.set(tx, 1));
                Ok(1)
            }),
            ("a fatal stop in a frame", FatalCause::Stopped, &|tx| {
                let _ = tx.frame(|tx| {
                    mine.set(tx, 99)?;
                    Err::<(), _>(Stop::fatal("disk gone"))
                });
                mine.get(tx)
            }),
            ("the same, then a revert", FatalCause::Stopped, &|tx| {
                let _ = tx.frame(|_| Err::<(), _>(Stop::fatal("disk gone")));
                Err(Stop::revert(1, "never mind"))
            }),
        ];
        for (what, cause, case) in cases {
            let jobs: Vec<u64> = (0..20).collect();
            let before = stm.run(|tx| mine.get(tx)).unwrap().committed().unwrap();
            let stopped =
                stm.execute(&jobs, |tx, n| if *n == 11 { case(tx) } else { mine.update(tx, |v| v + 1) }).unwrap_err();
            assert_eq!((stopped.at, stopped.fatal.cause()), (11, cause), "{name}, {what}");
            let after = stm.run(|tx| mine.get(tx)).unwrap();
            assert_eq!(after, Outcome::Committed(before + 11), "{name}, {what}: nothing of it took effect");
        }
        // A stop that was only made is none.
        let out = stm.execute(&[()], |_, ()| {
            drop(Stop::fatal("on second thoughts"));
            Ok(5)
        });
        assert_eq!(out.unwrap()[0], Outcome::Committed(5), "{name}");
    }
}

#[test]
fn a_panic_that_the_closure_catches_leaves_nothing_of_its_frames() {
    quiet();
    for (name, mut stm) in engines() {
        let (word, text, bag, sum) = (stm.cell(1u64), stm.cell(String::from("x")), stm.bag::<u64>(), stm.counter(0));
        let jobs: Vec<u64> = (0..30).collect();
        let out = stm
            .execute(&jobs, |tx, n| {
                word.update(tx, |v| v + 1)?;
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    tx.frame(|tx| {
                        word.set(tx, 1_000)?;
                        bag.push(tx, *n)?;
                        tx.frame(|tx| {
                            text.set(tx, "y".into())?;
                            sum.add(tx, 5)?;
                            assert!(*n % 3 != 0, "every third");
                            Ok(())
                        })?
                        .map_err(|_| Stop::revert(1, "never"))
                    })
                }));
                let depth = tx.depth();
                // Deep frames still fit: the depth was not left raised.
                let inner = tx.frame(|tx| Ok(tx.depth()))?.unwrap_or(99);
                Ok((caught.is_err(), depth, inner, word.get(tx)?, text.get(tx)?, bag.items(tx)?.len(), sum.get(tx)?))
            })
            .unwrap();
        let (mut items, mut added, mut value, mut said) = (0, 0, 1, "x");
        for (n, got) in out.into_iter().enumerate() {
            let panicked = n % 3 == 0;
            value += 1;
            if !panicked {
                (items, added, value, said) = (items + 1, added + 5, 1_000, "y");
            }
            let want = (panicked, 0, 1, value, said.to_string(), items, added);
            assert_eq!(got, Outcome::Committed(want), "{name}, transaction {n}");
        }
    }
}

/// Values whose destructors panic: the batch is a fault, on the spot or not at all.
#[test]
fn a_destructor_that_panics_is_no_revert() {
    #[derive(Clone)]
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "boom");
        }
    }
    quiet();
    for (name, mut stm) in engines() {
        let cell = stm.cell(Bomb(true));
        match stm.execute(&[0u8; 4], |tx, _| cell.set(tx, Bomb(false))) {
            Ok(out) => assert!(out.iter().all(Outcome::is_committed), "{name}"),
            Err(stopped) => {
                assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{name}");
                assert!(stopped.fatal.reason().contains("boom"), "{name}: {}", stopped.fatal);
                assert!(stm.run(|_| Ok(())).is_err(), "{name}: the engine goes on");
            }
        }
    }
}

/// The same in a frame's roll-back, caught by the closure: half a frame is never committed.
#[test]
fn a_destructor_that_panics_in_a_frames_roll_back_cannot_be_swallowed() {
    #[derive(Clone)]
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "boom");
        }
    }
    quiet();
    let mut stm = Stm::builder().threads(1).mode(Mode::Direct).build().unwrap();
    let (cell, text) = (stm.cell(Bomb(false)), stm.cell(String::from("before")));
    let stopped = stm
        .execute(&[()], |tx, ()| {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                tx.frame(|tx| {
                    text.set(tx, "half".into())?;
                    cell.set(tx, Bomb(true))?;
                    Err::<(), _>(Stop::revert(1, "no"))
                })
            }));
            assert!(caught.is_err());
            // Another one, in good order, hides nothing.
            let _ = tx.frame(|_| Err::<(), _>(Stop::revert(2, "no")))?;
            Ok(())
        })
        .unwrap_err();
    assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{}", stopped.fatal);
}

#[test]
fn stops_are_errors_and_work_with_the_question_mark() {
    fn boxed(e: impl std::error::Error + Send + Sync + 'static) -> Box<dyn std::error::Error + Send + Sync> {
        e.into()
    }
    assert_eq!(boxed(Stop::revert(4, "no")).to_string(), "reverted with code 4: no");
    assert_eq!(boxed(Stop::fatal("gone")).to_string(), "stopped: gone");
    for (name, mut stm) in engines() {
        let cell = stm.cell(1u64);
        // A frame's revert becomes the transaction's.
        let out = stm.execute(&[1u64, 2], |tx, n| {
            tx.frame(|tx| {
                cell.set(tx, 9)?;
                tx.require(*n != 2, "not two")
            })??;
            cell.get(tx)
        });
        let out = out.unwrap();
        assert_eq!(out[0], Outcome::Committed(9), "{name}");
        assert_eq!(out[1].reverted().map(|r| r.reason()), Some("not two"), "{name}");
        // Another engine's fatal stop becomes this one's, in a function of one's own.
        let inner = |why: &'static str| -> Result<u64, Fatal> {
            let mut other = Stm::builder().sequential().build().unwrap();
            let done: Result<_, Stopped<u64>> = other.execute(&[()], |_, ()| Err(Stop::fatal(why)));
            Ok(done.map_err(|s| s.fatal)?.len() as u64)
        };
        let stopped = stm.execute(&[()], |_, ()| Ok(inner("elsewhere")?)).unwrap_err();
        assert_eq!((stopped.fatal.cause(), stopped.fatal.reason()), (FatalCause::Stopped, "elsewhere"), "{name}");
        let error: Box<dyn std::error::Error> = stopped.fatal.into();
        assert_eq!(error.to_string(), "stopped: elsewhere");
    }
}

#[test]
#[allow(clippy::disallowed_types, reason = "that it can be done is what is tested")]
fn handles_have_names_and_are_equal_if_they_name_the_same() {
    let (mut a, mut b) = (Stm::builder().threads(1).build().unwrap(), Stm::builder().threads(1).build().unwrap());
    // Values without any trait of their own.
    #[derive(Clone)]
    struct Plain;
    let (x, y, z) = (a.cell(Plain), a.cell(Plain), b.cell(Plain));
    assert!(x == x && x != y && x != z);
    let set: std::collections::HashSet<_> = [x, y, z, x].into_iter().collect();
    assert_eq!(set.len(), 3);
    let map: TxMap<u8, Plain> = a.map();
    let all = (a.counter(0), a.vec([Plain]), map, a.bag::<Plain>());
    assert_eq!(all, all);
    assert!(format!("{x:?} {all:?}").starts_with("TxCell("), "{all:?}");
}

/// Whether a key is looked at.
static COPIES: AtomicU64 = AtomicU64::new(0);

#[derive(Debug, PartialEq, Eq)]
struct Counted(u64);

impl Clone for Counted {
    fn clone(&self) -> Self {
        COPIES.fetch_add(1, SeqCst);
        Counted(self.0)
    }
}
impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Borrow<u64> for Counted {
    fn borrow(&self) -> &u64 {
        &self.0
    }
}

#[test]
fn first_and_last_read_no_further_than_they_say() {
    for (name, mut stm) in engines() {
        let map = stm.map_from((0..10_000).map(|k| (Counted(k), k)));
        COPIES.store(0, SeqCst);
        let found = stm
            .execute(&[()], |tx, ()| {
                let first = map.first_in(tx, Counted(5_000)..)?.map(|(_, v)| v);
                let last = map.last_in(tx, ..Counted(5_000))?.map(|(_, v)| v);
                let none = map.first_in(tx, Counted(20_000)..)?.is_none();
                Ok((first, last, none, map.is_empty(tx)?))
            })
            .unwrap();
        assert_eq!(found[0], Outcome::Committed((Some(5_000), Some(4_999), true, false)), "{name}");
        let copies = COPIES.load(SeqCst);
        assert!(copies < 60, "{name}: {copies} keys were copied");
        // And what happens beyond it is no conflict: nobody is run twice.
        let before = stm.stats();
        let _ = stm
            .execute(&(0..200u64).collect::<Vec<_>>(), |tx, k| {
                map.set(tx, Counted(9_000 + k), 1)?;
                (0..100).for_each(|_| std::hint::spin_loop());
                map.first(tx).map(|e| e.map(|(_, v)| v))
            })
            .unwrap();
        let again = stm.stats().by_certification - before.by_certification;
        assert_eq!(again, 0, "{name}: {}", stm.stats());
    }
}

#[test]
fn maps_answer_to_borrowed_keys_and_tell_the_old_value() {
    for (name, mut stm) in engines() {
        let ages: TxMap<String, u64> = stm.map_from([("ann".to_string(), 30)]);
        let bytes: TxMap<Vec<u8>, u64> = stm.map();
        let list = stm.vec([1u64, 2, 3]);
        let out = stm
            .execute(&[()], |tx, ()| {
                assert_eq!(ages.get(tx, "ann")?, Some(30));
                assert_eq!(ages.insert(tx, "ann".into(), 31)?, Some(30));
                assert_eq!(ages.insert(tx, "bob".into(), 5)?, None);
                assert_eq!(ages.update(tx, "bob".into(), |age| age.unwrap_or(0) + 1)?, 6);
                assert_eq!(ages.update(tx, "eve".into(), |age| age.unwrap_or(1))?, 1);
                assert!(ages.contains_key(tx, "eve")? && !ages.contains_key(tx, "dan")?);
                assert_eq!(ages.remove(tx, "eve")?, Some(1));
                assert_eq!(ages.remove(tx, "eve")?, None);
                assert_eq!((ages.len(tx)?, ages.is_empty(tx)?), (2, false));
                assert_eq!(ages.last(tx)?, Some(("bob".into(), 6)));
                assert_eq!(ages.first(tx)?, Some(("ann".into(), 31)));
                let back: Vec<u64> = ages.range_back(tx, ..)?.into_iter().map(|e| e.1).collect();
                assert_eq!(back, [6, 31]);
                bytes.set(tx, vec![1, 2], 3)?;
                assert_eq!(bytes.get(tx, &[1u8, 2][..])?, Some(3));
                bytes.unset(tx, &[1u8, 2][..])?;
                assert!(bytes.is_empty(tx)?);
                assert_eq!((list.last(tx)?, list.update(tx, 0, |v| v * 10)?), (Some(3), 10));
                list.update(tx, 9, |v| v)?;
                Ok(())
            })
            .unwrap();
        assert_eq!(out[0].reverted().map(Revert::code), Some(Revert::BOUNDS), "{name}");
    }
}
