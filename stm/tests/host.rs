//! What a host of foreign code relies on: marks, kinds of stops, faults, contexts, turns, views, cursors, lending.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

mod engines;

use engines::engines;
use replicode_stm::{
    Contexts, Cursor, Direction, FatalCause, Mode, Outcome, Revert, Stm, Stop, StopKind, Turn, Tx, TxMemory, TxResult,
    Verdict, lent,
};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

#[test]
fn marks_nest_and_a_roll_back_keeps_its_mark() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let (cell, bag, memory) = (stm.cell(0u64), stm.bag::<u64>(), stm.memory::<1>());
        let out = stm
            .execute(&[(); 20], |tx, ()| {
                cell.set(tx, 1)?;
                let outer = tx.mark()?;
                memory.set(tx, b"a", b"outer")?;
                let inner = tx.mark()?;
                for n in 0..3 {
                    cell.set(tx, 10 + n)?;
                    memory.set(tx, b"a", b"inner")?;
                    memory.set(tx, b"b", b"inner")?;
                    bag.push(tx, n)?;
                    tx.roll_back(&inner)?;
                }
                let kept = (cell.get(tx)?, memory.get(tx, b"a")?, memory.get(tx, b"b")?, bag.items(tx)?.len());
                assert_eq!(kept, (1, Some(b"outer".to_vec()), None, 0));
                cell.set(tx, 5)?;
                tx.release(inner)?;
                let five = cell.get(tx)?;
                tx.roll_back(&outer)?;
                tx.release(outer)?;
                Ok((five, cell.get(tx)?, memory.get(tx, b"a")?))
            })
            .unwrap();
        assert!(out.into_iter().all(|o| o.committed() == Some((5, 1, None))), "{name}");
    }
}

#[test]
fn a_mark_that_is_not_live_stops_the_stream_even_if_the_closure_swallows_it() {
    type Case = (&'static str, fn(&mut Tx<'_>, &Mutex<Option<replicode_stm::Mark>>) -> TxResult<()>);
    let cases: [Case; 4] = [
        ("released with an outer one", |tx, _| {
            let (outer, inner) = (tx.mark()?, tx.mark()?);
            tx.release(outer)?;
            let _ = tx.roll_back(&inner);
            Ok(())
        }),
        ("made after one that was rolled back to", |tx, _| {
            let (outer, inner) = (tx.mark()?, tx.mark()?);
            tx.roll_back(&outer)?;
            let _later = tx.mark()?;
            let _ = tx.release(inner);
            Ok(())
        }),
        ("of a frame that is over", |tx, kept| {
            let _ = tx.frame(|tx| {
                *kept.lock().unwrap() = Some(tx.mark()?);
                Ok(())
            })?;
            let mark = kept.lock().unwrap().take();
            let _ = mark.map(|mark| tx.roll_back(&mark));
            Ok(())
        }),
        ("of outside the frame", |tx, _| {
            let outside = tx.mark()?;
            let _ = tx.frame(|tx| {
                let _ = tx.roll_back(&outside);
                Ok(())
            })?;
            Ok(())
        }),
    ];
    for (name, builder) in engines() {
        for (what, case) in &cases {
            let (mut stm, kept) = (builder.clone().build().unwrap(), Mutex::new(None));
            let stopped = stm.execute(&[0, 1, 2], |tx, n| if *n == 1 { case(tx, &kept) } else { Ok(()) }).unwrap_err();
            assert_eq!((stopped.at, stopped.fatal.cause()), (1, FatalCause::Misuse), "{name}: {what}");
        }
        // And one of another transaction.
        let (mut stm, kept) = (builder.build().unwrap(), Mutex::new(None));
        let out = stm.execute(&[()], |tx, ()| {
            *kept.lock().unwrap() = Some(tx.mark()?);
            Ok(())
        });
        assert!(out.is_ok());
        let mark = kept.into_inner().unwrap().unwrap();
        let stopped = stm.run(|tx| {
            let _mine = tx.mark()?;
            tx.roll_back(&mark)
        });
        assert_eq!(stopped.unwrap_err().fatal.cause(), FatalCause::Misuse, "{name}");
    }
}

#[test]
fn a_stop_tells_what_it_is() {
    assert!(matches!(Stop::revert(3, "no").kind(), StopKind::Revert(why) if why.code() == 3));
    assert!(matches!(Stop::fatal("gone").kind(), StopKind::Fatal(why) if why.cause() == FatalCause::Stopped));
    assert!(matches!(Stop::fault("disk").kind(), StopKind::Fatal(why) if why.cause() == FatalCause::HostFault));
    // A retry is told from a revert: some run meets one under chaos.
    let met = AtomicBool::new(false);
    let mut stm = Stm::builder().seeded(1, 3).mode(Mode::Speculative).chaos(1).build().unwrap();
    let cell = stm.cell(0u64);
    for _ in 0..50 {
        let out = stm.execute(&[(); 40], |tx, ()| match cell.update(tx, |v| v + 1) {
            Err(stop) => {
                assert_eq!(stop.kind(), StopKind::Retry);
                met.store(true, SeqCst);
                Err(stop)
            }
            done => done,
        });
        assert!(out.unwrap().iter().all(Outcome::is_committed));
    }
    assert!(met.load(SeqCst));
}

#[test]
fn a_host_fault_stops_at_its_place_and_is_the_last_word() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let cell = stm.cell(0u64);
        let stopped = stm
            .execute(&(0..100).collect::<Vec<u64>>(), |tx, n| {
                let v = cell.update(tx, |v| v + 1)?;
                // Speculative runs see other values, and what they say then counts for nothing.
                if v != n + 1 || *n == 60 { Err(Stop::fault("the disk is gone")) } else { Ok(v) }
            })
            .unwrap_err();
        assert_eq!((stopped.at, stopped.outcomes.len()), (60, 60), "{name}");
        assert_eq!(
            (stopped.fatal.cause(), stopped.fatal.reason()),
            (FatalCause::HostFault, "the disk is gone"),
            "{name}"
        );
        assert_eq!(stm.run(|tx| cell.get(tx)).unwrap_err().fatal, stopped.fatal, "{name}");
        assert_eq!(stm.view(|tx| cell.get(tx)).unwrap_err(), stopped.fatal, "{name}");
    }
}

#[test]
fn panics_are_faults_where_the_builder_says_so_and_zombies_may_still_panic() {
    std::panic::set_hook(Box::new(|_| {}));
    for (name, builder) in engines() {
        let mut stm = builder.panics_are_faults(true).build().unwrap();
        let cell = stm.cell(0u64);
        let stopped = stm
            .execute(&(0..200).collect::<Vec<u64>>(), |tx, n| {
                let v = cell.update(tx, |v| v + 1)?;
                assert_eq!(v, n + 1, "a torn view");
                assert!(*n != 150, "bug of the host");
                Ok(v)
            })
            .unwrap_err();
        assert_eq!((stopped.at, stopped.outcomes.len()), (150, 150), "{name}");
        assert_eq!(stopped.fatal.cause(), FatalCause::HostFault, "{name}");
        assert_eq!(stopped.fatal.reason(), "a closure has panicked: bug of the host", "{name}");
        assert!(stm.execute(&[1u64], |_, n| Ok(*n)).is_err(), "{name}");
    }
}

/// A gas limit, decided in order: the same transactions everywhere, each asked for once.
#[test]
fn the_hook_is_asked_once_in_order_and_may_end_the_block() {
    for (name, builder) in engines() {
        for (after, limit) in [(false, 900), (true, 900), (false, 0), (true, 0), (false, u64::MAX)] {
            let mut stm = builder.clone().build().unwrap();
            let (cell, memory) = (stm.cell(0u64), stm.memory::<1>());
            let jobs: Vec<u64> = (0..120).collect();
            let (mut total, mut turns) = (0u64, Vec::new());
            let hook = |turn: Turn| {
                turns.push(turn);
                total += turn.weight;
                match (total > limit, after) {
                    (false, _) => Verdict::Proceed,
                    (true, true) => Verdict::EndAfter,
                    (true, false) => Verdict::EndBefore,
                }
            };
            let body = |tx: &mut Tx<'_>, n: &u64| {
                tx.weigh(7);
                let v = cell.get(tx)?;
                tx.weigh(n % 10 + v % 3);
                cell.set(tx, v + n)?;
                memory.set(tx, &[*n as u8], &[1])?;
                tx.require(n % 5 != 4, "every fifth")?;
                Ok(v)
            };
            let out = stm.execute_until(&jobs, &Contexts::new(|_| ()), hook, |tx, (), n| body(tx, n)).unwrap();
            // One by one, by hand.
            let (mut v, mut sum, mut want, mut asked) = (0u64, 0u64, Vec::new(), Vec::new());
            for n in &jobs {
                let weight = n % 10 + v % 3;
                let reverted = n % 5 == 4;
                asked.push(Turn { index: *n as usize, weight, reverted });
                sum += weight;
                if sum > limit && !after {
                    break;
                }
                want.push(if reverted { None } else { Some(v) });
                if !reverted {
                    v += n;
                }
                if sum > limit {
                    break;
                }
            }
            let got: Vec<Option<u64>> = out.into_iter().map(Outcome::committed).collect();
            assert_eq!(got, want, "{name}, {after}, {limit}");
            assert_eq!(turns, asked, "{name}, {after}, {limit}");
            assert_eq!(stm.run(|tx| cell.get(tx)).unwrap(), Outcome::Committed(v), "{name}");
            let told = stm.changes(&memory).len();
            assert_eq!(told, want.iter().flatten().count(), "{name}: nothing of the rest took effect");
            // The engine goes on.
            assert_eq!(stm.execute(&[1u64], |tx, n| cell.update(tx, |v| v + n)).unwrap().len(), 1, "{name}");
        }
    }
}

#[test]
fn a_hook_that_panics_is_a_fault() {
    std::panic::set_hook(Box::new(|_| {}));
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let cell = stm.cell(0u64);
        let mut panicked = false;
        let hook = |turn: Turn| {
            assert!(turn.index != 9 || std::mem::replace(&mut panicked, true), "in the hook");
            Verdict::Proceed
        };
        let jobs = [1u64; 30];
        let stopped =
            stm.execute_until(&jobs, &Contexts::new(|_| ()), hook, |tx, (), n| cell.update(tx, |v| v + n)).unwrap_err();
        assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{name}");
        assert!(stopped.fatal.reason().contains("in the hook"), "{name}: {}", stopped.fatal);
    }
}

#[test]
fn contexts_stay_with_their_workers_and_are_made_again_after_a_panic() {
    std::panic::set_hook(Box::new(|_| {}));
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let (cell, made) = (stm.cell(0u64), std::sync::Arc::new(AtomicU64::new(0)));
        let count = made.clone();
        let contexts: Contexts<(usize, u64)> = Contexts::new(move |worker| {
            count.fetch_add(1, SeqCst);
            (worker, 0)
        });
        let mut runs = 0;
        for round in 0..5 {
            let out = stm.execute_with(&(0..100u64).collect::<Vec<_>>(), &contexts, |tx, (worker, runs), n| {
                *runs += 1;
                assert!(*worker < 8);
                assert!(round != 3 || *n != 50, "once");
                cell.update(tx, |v| v + 1)
            });
            runs += out.unwrap().iter().filter(|o| o.is_committed()).count();
        }
        assert_eq!(runs, 499, "{name}");
        let made = made.load(SeqCst);
        // At most one per worker, and one more for each run that panicked.
        assert!((2..=8 + 40).contains(&made), "{name}: {made}");
    }
}

#[test]
fn views_see_the_committed_state_side_by_side_and_change_nothing() {
    fn shared<T: Sync>(_: &T) {}
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        shared(&stm);
        let (cell, map, memory) = (stm.cell(1u64), stm.map_from([(1u64, "one".to_string())]), stm.memory::<2>());
        let (sum, list, bag) = (stm.counters::<1>(), stm.vec([1u64, 2]), stm.bag::<String>());
        for round in 1..4u64 {
            let out = stm.execute(&[round], |tx, n| {
                cell.set(tx, *n)?;
                map.set(tx, *n, format!("number {n}"))?;
                memory.set(tx, b"ab", &[*n as u8; 100])?;
                sum.add(tx, b"x", 2)?;
                bag.push(tx, n.to_string())
            });
            assert!(out.unwrap()[0].is_committed());
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            let tried = stm.view(|tx| {
                                cell.update(tx, |v| v + 100)?;
                                map.insert(tx, 77, "tried".into())?;
                                memory.set(tx, b"zz", &[5; 300])?;
                                memory.unset(tx, b"ab")?;
                                sum.add(tx, b"x", 1)?;
                                list.push(tx, 3)?;
                                bag.push(tx, "tried".into())?;
                                Ok((map.len(tx)?, memory.len(tx, b"zz")?, sum.get(tx, b"x")?, bag.items(tx)?.len()))
                            });
                            let n = round as usize;
                            let want = (round.max(1) + 1, Some(300), Some(2 * round as i128 + 1), n + 1);
                            assert_eq!(tried, Ok(Outcome::Committed(want)), "{name}");
                            let seen = stm.view(|tx| {
                                Ok((cell.get(tx)?, map.contains_key(tx, &77)?, memory.len(tx, b"zz")?, list.len(tx)?))
                            });
                            assert_eq!(seen, Ok(Outcome::Committed((round, false, None, 2))), "{name}");
                        }
                    });
                }
            });
            let reverted = stm.view(|tx| tx.require(false, "no")).unwrap();
            assert_eq!(reverted.reverted().map(Revert::reason), Some("no"));
            let stopped = stm.view(|_| Err::<(), _>(Stop::fatal("no more"))).unwrap_err();
            assert_eq!(stopped.reason(), "no more");
        }
        let told: Vec<_> = stm.changes(&memory).iter().map(|c| *c.key).collect();
        assert_eq!(told, [*b"ab"], "{name}");
    }
}

#[test]
fn cursors_walk_both_ways_stop_at_their_limit_and_go_on_later() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let map = stm.map_from((0..50u64).map(|k| (k * 2, k)));
        let out = stm
            .execute(&[()], |tx, ()| {
                // Keys of this very transaction are met, and removed ones are not.
                map.set(tx, 7, 0)?;
                map.unset(tx, &8)?;
                let mut up = Cursor::new(5.., Direction::Up, 4);
                let mut seen = Vec::new();
                while let Some(k) = up.next_key(tx, &map)? {
                    seen.push(k);
                }
                let mut on = up.limit(1);
                seen.extend(on.next(tx, &map)?.map(|(k, _)| k));
                let mut back = on.limit(9).turn(..);
                while let Some(k) = back.next_key(tx, &map)? {
                    seen.push(k);
                }
                let page: Vec<u64> = map.page(tx, ..90, Direction::Down, 3)?.into_iter().map(|e| e.0).collect();
                let mut keys = Vec::new();
                map.visit_keys(tx, 90.., Direction::Up, |k| {
                    keys.push(*k);
                    if *k == 94 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                })?;
                let mut sum = 0;
                map.visit(tx, ..10, Direction::Up, |_, v| {
                    sum += v;
                    ControlFlow::Continue(())
                })?;
                let next = (map.after(tx, &7)?, map.before(tx, &7)?, map.after(tx, &98)?, map.before(tx, &0)?);
                assert_eq!(map.page(tx, .., Direction::Up, 0)?, []);
                Ok((seen, page, keys, sum, next))
            })
            .unwrap();
        let seen = vec![6, 7, 10, 12, 14, 12, 10, 7, 6, 4, 2, 0];
        let next = (Some((10, 5)), Some((6, 3)), None, None);
        let want = (seen, vec![88, 86, 84], vec![90, 92, 94], 1 + 2 + 3, next);
        assert_eq!(out[0], Outcome::Committed(want), "{name}");
    }
}

/// Behind the head of a cursor nothing is observed; before it, insertions are seen.
#[test]
fn a_cursor_observes_what_it_has_passed_and_no_more() {
    let mut stm = Stm::builder().mode(Mode::Speculative).seeded(4, 4).build().unwrap();
    let map = stm.map_from((0..100u64).map(|k| (k * 10, 0u64)));
    for round in 0..30 {
        let out = stm.execute(&(0..30u64).collect::<Vec<_>>(), |tx, n| {
            map.set(tx, 505 + n + round, 1)?;
            let mut head = Cursor::new(.., Direction::Up, 3);
            let mut seen = Vec::new();
            while let Some(k) = head.next_key(tx, &map)? {
                seen.push(k);
            }
            Ok(seen)
        });
        assert!(out.unwrap().into_iter().all(|o| o.committed() == Some(vec![0, 10, 20])));
    }
    let stats = stm.stats();
    assert_eq!(stats.by_certification + stats.by_push + stats.by_own_check, 0, "{stats}");
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let map = stm.map_from([(100u64, ())]);
        let out = stm.execute(&(0..40u64).collect::<Vec<_>>(), |tx, n| {
            let first = Cursor::new(.., Direction::Up, 1).next_key(tx, &map)?;
            map.set(tx, 99 - n, ())?;
            Ok(first)
        });
        let got: Vec<_> = out.unwrap().into_iter().filter_map(Outcome::committed).collect();
        assert_eq!(got, (0..40).map(|n| Some(100 - n)).collect::<Vec<_>>(), "{name}: each meets the one before");
    }
}

#[test]
fn a_lent_transaction_is_found_below_once_at_a_time_and_taken_back() {
    std::panic::set_hook(Box::new(|_| {}));
    assert!(lent(|_| ()).is_none());
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let memory: TxMemory<1> = stm.memory();
        // A host function knows the memory and nothing else, and reports stops by their kind.
        let host = move |k: u8| -> TxResult<u8> {
            lent(|tx| {
                assert!(lent(|_| ()).is_none(), "nobody else has it meanwhile");
                let old = memory.read(tx, &[k], |v| v.map_or(0, |v| v[0]))?;
                memory.set(tx, &[k], &[old + 1])?;
                Ok(old)
            })
            .ok_or_else(|| Stop::fault("called outside of a call"))?
        };
        let out = stm.execute(&(0..60u8).collect::<Vec<_>>(), |tx, n| {
            let before = tx.mark()?;
            let first = tx.lend(|| host(n % 3))?;
            tx.roll_back(&before)?;
            let second = tx.lend(|| host(n % 3))?;
            tx.release(before)?;
            // A nested engine lends its own, and the outer one is back afterwards.
            let inner = tx.lend(|| {
                let mut other = Stm::builder().sequential().build().unwrap();
                let cell = other.cell(7u64);
                let inner = other.run(|tx| tx.lend(|| lent(|tx| cell.get(tx)).unwrap())).unwrap();
                (inner.committed(), host(n % 3).map(|_| ()))
            });
            inner.1?;
            let caught = catch_unwind(AssertUnwindSafe(|| tx.lend(|| panic!("below"))));
            assert!(caught.is_err() && lent(|_| ()).is_none());
            Ok((first == second, inner.0))
        });
        assert!(out.unwrap().into_iter().all(|o| o.committed() == Some((true, Some(7)))), "{name}");
        let end = stm.view(|tx| memory.get(tx, &[1])).unwrap().committed();
        assert_eq!(end, Some(Some(vec![40])), "{name}");
    }
}

#[test]
fn bags_are_drained_between_blocks() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let bag = stm.bag::<String>();
        for _ in 0..3 {
            let jobs: Vec<u32> = (0..30).collect();
            assert_eq!(stm.execute(&jobs, |tx, n| bag.push(tx, n.to_string())).unwrap().len(), 30);
            let items = stm.drain(&bag);
            assert_eq!(items, jobs.iter().map(u32::to_string).collect::<Vec<_>>(), "{name}");
            assert!(stm.drain(&bag).is_empty());
        }
    }
}

#[test]
fn depth_and_accesses_are_the_builders_choice() {
    fn deep(tx: &mut Tx<'_>, left: u32) -> TxResult<()> {
        if left == 0 { Ok(()) } else { Ok(tx.frame(|tx| deep(tx, left - 1))??) }
    }
    for (name, builder) in engines() {
        let mut stm = builder.max_depth(3).max_accesses(10).build().unwrap();
        let cell = stm.cell(0u64);
        let out = stm.execute(&[3, 4], |tx, n| deep(tx, *n)).unwrap();
        assert!(out[0].is_committed(), "{name}");
        assert_eq!(out[1].reverted().map(Revert::code), Some(Revert::DEPTH), "{name}");
        let out = stm.execute(&[10, 11], |tx, n| (0..*n).try_for_each(|_| cell.get(tx).map(|_| ()))).unwrap();
        assert!(out[0].is_committed(), "{name}");
        assert_eq!(out[1].reverted().map(Revert::code), Some(Revert::LIMIT), "{name}");
    }
}
