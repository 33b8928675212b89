//! What a user relies on: outcomes, nesting, misuse as clear errors, the watchdog.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Executor, FatalCause, MAX_ACCESSES, MAX_DEPTH, Mode, Outcome, Revert, Stm, Stop, Tx, TxResult};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

fn engines() -> Vec<(&'static str, Stm)> {
    let spec = Stm::builder().mode(Mode::Speculative);
    vec![
        ("sequential", Stm::builder().sequential().build().unwrap()),
        ("direct", Stm::builder().threads(2).mode(Mode::Direct).build().unwrap()),
        ("two threads", spec.clone().threads(2).build().unwrap()),
        ("four threads", spec.clone().threads(4).chaos(1).build().unwrap()),
        ("seeded", spec.seeded(7, 2).build().unwrap()),
        ("auto", Stm::builder().threads(2).build().unwrap()),
    ]
}

#[test]
fn a_revert_keeps_its_reason_and_drops_its_effects() {
    for (name, mut stm) in engines() {
        let c = stm.cell(10u64);
        let out = stm
            .execute(&[3u64, 100, 4], |tx, n| {
                let v = c.get(tx)?;
                c.set(tx, v.wrapping_sub(*n))?;
                tx.require(v >= *n, "insufficient")?;
                Ok(v - n)
            })
            .unwrap();
        assert_eq!(out[0], Outcome::Committed(7), "{name}");
        assert_eq!(out[1].reverted().map(|r| (r.code(), r.reason())), Some((0, "insufficient")), "{name}");
        assert_eq!(out[2], Outcome::Committed(3), "{name}");
    }
}

#[test]
fn a_panic_reverts_its_transaction_and_the_batch_goes_on() {
    std::panic::set_hook(Box::new(|_| {}));
    for (name, mut stm) in engines() {
        let c = stm.cell(String::from("a"));
        let out = stm
            .execute(&[0, 1, 2], |tx, n| {
                let text = c.update(tx, |s| format!("{s}{n}"))?;
                assert!(*n != 1, "no ones");
                Ok(text)
            })
            .unwrap();
        assert_eq!(out[1].reverted().map(|r| (r.code(), r.reason())), Some((Revert::PANIC, "no ones")), "{name}");
        assert_eq!(out[2].clone().committed().as_deref(), Some("a02"), "{name}");
    }
    let _ = std::panic::take_hook();
}

#[test]
fn a_fatal_transaction_stops_the_stream_at_its_place() {
    for (name, mut stm) in engines() {
        let c = stm.cell(0u64);
        let jobs: Vec<u64> = (0..200).collect();
        let stopped = stm
            .execute(&jobs, |tx, n| {
                let v = c.update(tx, |v| v + 1)?;
                if *n == 120 { Err(Stop::fatal("disk gone")) } else { Ok(v) }
            })
            .unwrap_err();
        assert_eq!(
            (stopped.at, stopped.fatal.reason(), stopped.fatal.cause()),
            (120, "disk gone", FatalCause::Stopped),
            "{name}"
        );
        assert_eq!(stopped.outcomes.len(), 120, "{name}");
        assert_eq!(
            stm.run(|tx| c.get(tx)).unwrap(),
            Outcome::Committed(120),
            "{name}: nothing of the rest took effect"
        );
        // The engine goes on.
        let out = stm.execute(&[1u64; 50], |tx, n| c.update(tx, |v| v + n)).unwrap();
        assert_eq!(out[49], Outcome::Committed(170), "{name}");
    }
}

#[test]
fn frames_drop_inner_effects_only_and_nest_to_a_limit() {
    fn deep(tx: &mut Tx<'_>, left: u32) -> TxResult<u32> {
        if left == 0 {
            return Ok(tx.depth());
        }
        match tx.frame(|tx| deep(tx, left - 1))? {
            Ok(d) => Ok(d),
            Err(why) => Err(Stop::revert(why.code(), why.reason().to_string())),
        }
    }
    for (name, mut stm) in engines() {
        let (a, b, n, bag) = (stm.cell(1u64), stm.cell(String::from("x")), stm.counter(0), stm.bag::<u64>());
        let out = stm
            .execute(&[()], |tx, ()| {
                a.set(tx, 2)?;
                n.add(tx, 1)?;
                bag.push(tx, 1)?;
                let inner = tx.frame(|tx| {
                    a.set(tx, 3)?;
                    b.set(tx, "y".into())?;
                    n.add(tx, 10)?;
                    bag.push(tx, 2)?;
                    tx.frame(|tx| bag.push(tx, 3))?.map_err(|_| Stop::revert(1, "inner"))?;
                    Err::<(), _>(Stop::revert(9, "no"))
                })?;
                bag.push(tx, 4)?;
                Ok((inner.map_err(|r| r.code()), a.get(tx)?, b.get(tx)?, n.get(tx)?, bag.items(tx)?))
            })
            .unwrap();
        let want = (Err(9), 2, "x".to_string(), 1, vec![1, 4]);
        assert_eq!(out[0], Outcome::Committed(want), "{name}");
        let out = stm.execute(&[MAX_DEPTH, MAX_DEPTH + 1], |tx, d| deep(tx, *d)).unwrap();
        assert_eq!(out[0], Outcome::Committed(MAX_DEPTH), "{name}");
        assert_eq!(out[1].reverted().map(Revert::code), Some(Revert::DEPTH), "{name}");
    }
}

#[test]
fn a_cell_of_another_engine_is_misuse() {
    for (name, mut stm) in engines() {
        let mine = stm.cell(0u64);
        let foreign = Stm::builder().sequential().build().unwrap().cell(0u64);
        let stopped = stm
            .execute(&[0, 1, 2], |tx, n| if *n == 1 { foreign.get(tx) } else { mine.update(tx, |v| v + 1) })
            .unwrap_err();
        assert_eq!((stopped.at, stopped.fatal.cause()), (1, FatalCause::Misuse), "{name}");
        assert!(stopped.to_string().contains("another engine"), "{name}: {stopped}");
    }
}

/// Ids are small numbers, so a foreign handle would usually name something: it must be refused before it is looked at.
#[test]
fn handles_of_another_engine_are_misuse_in_every_operation() {
    for (name, mut stm) in engines() {
        let _ = (stm.cell(1u64), stm.counter(2), stm.vec([3u64]), stm.map_from([(4u32, 5u64)]), stm.bag::<u64>());
        let mut other = Stm::builder().sequential().build().unwrap();
        let (c, n, v) = (other.cell(1u64), other.counter(2), other.vec([3u64]));
        let (m, b) = (other.map_from([(4u32, 5u64)]), other.bag::<u64>());
        let operation = |tx: &mut Tx<'_>, k: usize| -> TxResult<()> {
            match k {
                0 => c.get(tx).map(|_| ()),
                1 => c.set(tx, 1),
                2 => n.get(tx).map(|_| ()),
                3 => n.set(tx, 1),
                4 => n.add(tx, 1),
                5 => n.try_add(tx, 1, 0..=9).map(|_| ()),
                6 => v.len(tx).map(|_| ()),
                7 => v.get(tx, 0).map(|_| ()),
                8 => v.set(tx, 0, 1),
                9 => v.push(tx, 1).map(|_| ()),
                10 => v.pop(tx).map(|_| ()),
                11 => m.get(tx, &4).map(|_| ()),
                12 => m.contains_key(tx, &4).map(|_| ()),
                13 => m.insert(tx, 4, 1).map(|_| ()),
                14 => m.remove(tx, &4).map(|_| ()),
                15 => m.range(tx, ..).map(|_| ()),
                16 => m.first_in(tx, ..).map(|_| ()),
                17 => b.push(tx, 1),
                18 => m.set(tx, 4, 1),
                19 => m.unset(tx, &4),
                20 => m.update(tx, 4, |_| 1).map(|_| ()),
                21 => m.last_in(tx, ..).map(|_| ()),
                22 => m.len(tx).map(|_| ()),
                23 => m.is_empty(tx).map(|_| ()),
                24 => v.update(tx, 0, |v| v).map(|_| ()),
                25 => v.last(tx).map(|_| ()),
                _ => b.items(tx).map(|_| ()),
            }
        };
        for k in 0..27 {
            // Inside a frame, too: it stops reverts, not misuse.
            let stopped = stm.execute(&[k], |tx, k| tx.frame(|tx| operation(tx, *k))).unwrap_err();
            assert_eq!((stopped.at, stopped.fatal.cause()), (0, FatalCause::Misuse), "{name}, operation {k}");
        }
    }
}

#[test]
fn a_stop_of_another_run_is_misuse_not_a_hang() {
    // A closure that hoards stops and gives them back later.
    let hoard: Mutex<Vec<Stop>> = Mutex::new(Vec::new());
    let mut stm = Stm::builder().threads(4).mode(Mode::Speculative).chaos(3).build().unwrap();
    let c = stm.cell(0u64);
    let result = stm.execute(&(0..400u64).collect::<Vec<_>>(), |tx, _| {
        if let Err(stop) = c.update(tx, |v| v + 1) {
            hoard.lock().unwrap().push(stop);
        }
        match hoard.lock().unwrap().pop() {
            Some(stop) => Err(stop),
            None => Ok(()),
        }
    });
    // Swallowed retries are harmless; a retry that is returned by another run stops the stream.
    if let Err(stopped) = result {
        assert_eq!(stopped.fatal.cause(), FatalCause::Misuse);
    }
}

#[test]
fn settings_are_checked() {
    let message = |b: replicode_stm::Builder| b.build().err().map(|e| e.to_string()).unwrap_or_default();
    assert!(message(Stm::builder().threads(0)).contains("0 threads"));
    assert!(message(Stm::builder().threads(65)).contains("at most 64"));
    assert!(message(Stm::builder().threads(2).window(0)).contains("window of 0"));
    assert!(message(Stm::builder().threads(2).window(1 << 20)).contains("window"));
    assert!(message(Stm::builder().seeded(1, 0)).contains("0 threads"));
    assert!(message(Stm::builder().mode(Mode::Alternate(0))).contains("alternate"));
    assert_eq!(Stm::builder().sequential().build().unwrap().executor(), Executor::Sequential);
}

#[test]
fn too_many_accesses_revert() {
    for (name, mut stm) in [engines().remove(0), engines().remove(2)] {
        let c = stm.counter(0);
        let out = stm
            .execute(&[MAX_ACCESSES, MAX_ACCESSES + 1], |tx, n| {
                for _ in 0..*n {
                    c.add(tx, 1)?;
                }
                Ok(())
            })
            .unwrap();
        assert!(out[0].is_committed(), "{name}");
        assert_eq!(out[1].reverted().map(Revert::code), Some(Revert::LIMIT), "{name}");
        assert_eq!(stm.run(|tx| c.get(tx)).unwrap(), Outcome::Committed(i64::from(MAX_ACCESSES)), "{name}");
    }
}

#[test]
fn keys_and_values_at_the_limit_pass_and_one_byte_more_reverts() {
    let limited = |b: replicode_stm::Builder| b.max_key_bytes(8).max_value_bytes(16).build().unwrap();
    let spec = Stm::builder().mode(Mode::Speculative);
    for (name, mut stm) in [
        ("sequential", limited(Stm::builder().sequential())),
        ("two threads", limited(spec.clone().threads(2))),
        ("seeded", limited(spec.seeded(3, 2))),
    ] {
        let map = stm.map::<String, String>();
        let (cell, list, bag) = (stm.cell(Vec::<u8>::new()), stm.vec([[0u8; 4].to_vec()]), stm.bag::<Box<str>>());
        let text = |n: usize| "x".repeat(n);
        let limit = |tx: &mut Tx<'_>, what: usize, n: usize| match what {
            0 => map.set(tx, text(n), String::new()),
            1 => map.get(tx, &text(n)).map(|_| ()),
            2 => map.contains_key(tx, &text(n)).map(|_| ()),
            3 => map.unset(tx, &text(n)),
            4 => map.set(tx, String::new(), text(n)),
            5 => cell.set(tx, vec![7; n]),
            6 => cell.update(tx, |_| vec![7; n]).map(|_| ()),
            7 => list.set(tx, 0, vec![7; n]),
            8 => list.push(tx, vec![7; n]).map(|_| ()),
            _ => bag.push(tx, text(n).into_boxed_str()),
        };
        let jobs: Vec<(usize, usize)> =
            (0..10).flat_map(|what| [0, 1].map(|more| (what, if what < 4 { 8 } else { 16 } + more))).collect();
        let out = stm.execute(&jobs, |tx, (what, n)| limit(tx, *what, *n)).unwrap();
        for (job, pair) in jobs.chunks(2).zip(out.chunks(2)) {
            assert!(pair[0].is_committed(), "{name}: {job:?}");
            let why = pair[1].reverted().unwrap();
            let (kind, n) = if job[0].0 < 4 { ("key", 8) } else { ("value", 16) };
            let want = format!("a {kind} of {} bytes: this engine's limit is {n}", n + 1);
            assert_eq!((why.code(), why.reason()), (Revert::LIMIT, want.as_str()), "{name}: {job:?}");
        }
        // A frame may catch it, and words are never too large.
        let (word, tiny) = (stm.cell(1u64), stm.cell(2u64));
        let out = stm
            .execute(&[()], |tx, ()| {
                word.set(tx, u64::MAX)?;
                tx.frame(|tx| {
                    tiny.set(tx, 3)?;
                    cell.set(tx, vec![0; 17])
                })
            })
            .unwrap();
        assert_eq!(out[0].clone().committed().unwrap().unwrap_err().code(), Revert::LIMIT, "{name}");
        let left = stm.run(|tx| Ok((tiny.get(tx)?, map.range(tx, ..)?.len(), list.len(tx)?, bag.items(tx)?.len())));
        assert_eq!(left.unwrap(), Outcome::Committed((2, 1, 2, 1)), "{name}: nothing of the refused ones is left");
    }
}

#[test]
fn transactions_may_read_their_way_to_further_cells() {
    for (name, mut stm) in engines() {
        // A linked list: each cell holds the index of the next one and a value.
        let cells: Vec<_> = (0..50u32).map(|i| stm.cell((i + 1, u64::from(i)))).collect();
        let jobs: Vec<u32> = (0..100).map(|k| k % 40).collect();
        let out = stm
            .execute(&jobs, |tx, start| {
                let (mut at, mut sum) = (*start, 0);
                while let Some(cell) = cells.get(at as usize) {
                    let (next, v) = cell.get(tx)?;
                    sum += v;
                    cell.set(tx, (next, v + 1))?;
                    at = next;
                }
                Ok(sum)
            })
            .unwrap();
        assert_eq!(out[0], Outcome::Committed((0..50).sum::<u64>()), "{name}");
        assert_eq!(out[40], Outcome::Committed((0..50u64).map(|i| i + i.min(39) + 1).sum::<u64>()), "{name}");
    }
}

#[test]
fn a_hang_becomes_a_dump() {
    for (mode, threads) in [(Mode::Speculative, 1), (Mode::Speculative, 2), (Mode::Direct, 2)] {
        let dumps = Arc::new(Mutex::new(Vec::<String>::new()));
        let release = Arc::new(AtomicBool::new(false));
        let (d, r) = (dumps.clone(), release.clone());
        let mut stm = Stm::builder()
            .threads(threads)
            .mode(mode)
            .watchdog(Duration::from_millis(30), move |dump| {
                d.lock().unwrap().push(dump.to_string());
                r.store(true, Ordering::SeqCst);
            })
            .build()
            .unwrap();
        let c = stm.cell(0u64);
        let out = stm
            .execute(&(0..20u64).collect::<Vec<_>>(), |tx, n| {
                while *n == 5 && !release.load(Ordering::SeqCst) {
                    std::hint::spin_loop(); // a closure that does not return to a read
                }
                c.update(tx, |v| v + 1)
            })
            .unwrap();
        assert_eq!(out[19], Outcome::Committed(20));
        let dumps = dumps.lock().unwrap();
        assert!(dumps[0].contains("transaction 5") && dumps[0].contains("blocks all later ones"), "{}", dumps[0]);
    }
}

#[test]
fn stats_name_the_hot_cell() {
    let mut stm = Stm::builder().threads(2).mode(Mode::Speculative).trace(true).chaos(1).build().unwrap();
    let hot = stm.map_from([("alice".to_string(), 0u64), ("bob".to_string(), 0)]);
    stm.name_map(&hot, "balances");
    for _ in 0..20 {
        let _ = stm
            .execute(&(0..300u64).collect::<Vec<_>>(), |tx, _| {
                let v = hot.get(tx, &"alice".to_string())?.unwrap_or(0);
                (0..300).for_each(|_| std::hint::spin_loop());
                hot.set(tx, "alice".to_string(), v + 1)
            })
            .unwrap();
    }
    let stats = stm.stats();
    assert_eq!(stats.transactions, 6_000);
    assert_eq!(stats.hottest.first().map(|h| h.0.as_str()), Some("balances[\"alice\"]"), "{stats}");
    let trace = stm.chrome_trace();
    assert!(trace.starts_with('[') && trace.trim_end().ends_with(']') && trace.contains("\"ph\":\"X\""));
}

#[test]
fn empty_batches_and_ranges() {
    for (name, mut stm) in engines() {
        let m = stm.map::<u32, u64>();
        assert_eq!(stm.execute(&[] as &[u32], |tx, k| m.insert(tx, *k, 1)).unwrap().len(), 0, "{name}");
        #[expect(clippy::reversed_empty_ranges, reason = "a range that std would panic on")]
        let out =
            stm.execute(&[0], |tx, _: &i32| Ok((m.range(tx, 5..2)?.len(), m.first_in(tx, 3..3)?.is_none()))).unwrap();
        assert_eq!(out[0], Outcome::Committed((0, true)), "{name}");
    }
}

/// A block of 64 is over before anything could be measured within it. What it shows is kept for the next ones: where one
/// core is faster, as here, nearly all of them run directly in the end.
#[test]
fn short_blocks_teach_the_next_ones() {
    let mut stm = Stm::builder().threads(2).build().unwrap();
    let book = stm.map_from((0..64u64).map(|k| (k, k)));
    let jobs: Vec<u64> = (0..64).collect();
    for block in 0..160 {
        if block == 80 {
            stm.reset_stats();
        }
        let out = stm.execute(&jobs, |tx, job| {
            let best = book.first(tx)?.map_or(0, |(k, _)| k);
            (0..200).for_each(|_| std::hint::spin_loop());
            book.unset(tx, &best)?;
            book.set(tx, 64 * (1 + block) + job, *job)
        });
        assert_eq!(out.unwrap().len(), 64);
    }
    // Trials go on, and on a busy machine some of them seem to pay.
    assert!(stm.stats().direct_share() > 0.5, "{}", stm.stats());
}
