//! Byte memories and keyed counters: values, handles, bases, evictions, changes, alike on every executor.

#![cfg(not(any(loom, shuttle)))]
#![allow(clippy::unwrap_used)]

mod engines;

use engines::engines;
use replicode_stm::{
    Base, BaseError, CounterBase, FatalCause, MAX_BYTES, Mode, Outcome, Revert, Stm, TxCounters, TxMemory,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

/// Maps below, and how often each key was asked for.
#[derive(Default)]
struct Below {
    bytes: Mutex<BTreeMap<[u8; 4], Vec<u8>>>,
    sums: Mutex<BTreeMap<[u8; 4], i128>>,
    asked: Mutex<BTreeMap<[u8; 4], u32>>,
    asks: AtomicU64,
    bad: Option<u32>,
}

fn key(k: u32) -> [u8; 4] {
    k.to_be_bytes()
}

impl Below {
    fn with(n: u32) -> Below {
        let below = Below::default();
        *below.bytes.lock().unwrap() = (0..n).map(|k| (key(k), vec![k as u8; k as usize % 200])).collect();
        *below.sums.lock().unwrap() = (0..n).map(|k| (key(k), i128::from(k) << 80)).collect();
        below
    }

    fn note(&self, key: &[u8; 4]) -> Result<(), BaseError> {
        *self.asked.lock().unwrap().entry(*key).or_default() += 1;
        self.asks.fetch_add(1, SeqCst);
        match self.bad {
            Some(k) if k.to_be_bytes() == *key => Err("the disk is gone".into()),
            _ => Ok(()),
        }
    }
}

impl Base<4> for Below {
    fn load(&self, key: &[u8; 4], into: &mut Vec<u8>) -> Result<bool, BaseError> {
        assert!(into.is_empty());
        self.note(key)?;
        let bytes = self.bytes.lock().unwrap();
        into.extend(bytes.get(key).into_iter().flatten());
        Ok(bytes.contains_key(key))
    }
}

impl CounterBase<4> for Below {
    fn load(&self, key: &[u8; 4]) -> Result<Option<i128>, BaseError> {
        self.note(key)?;
        Ok(self.sums.lock().unwrap().get(key).copied())
    }
}

#[test]
fn values_of_every_length_come_back_and_too_long_ones_revert() {
    let lengths = [0, 1, 31, 32, 33, 38, 39, 40, 63, 64, 65, 4_096, 65_535, 65_536, MAX_BYTES, MAX_BYTES + 1];
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let memory: TxMemory<4> = stm.memory();
        let content = |len: usize| -> Vec<u8> { (0..len).map(|k| (k * 7 + len) as u8).collect() };
        for round in 0..3 {
            let out = stm
                .execute(&lengths, |tx, len| {
                    let at = memory.at(tx, &key(*len as u32))?;
                    let before = at.len(tx)?;
                    at.set(tx, &content(*len))?;
                    assert_eq!(at.len(tx)?, Some(*len));
                    Ok((before, at.read(tx, |v| v == Some(&content(*len)))?))
                })
                .unwrap();
            for (len, got) in lengths.iter().zip(out) {
                if *len > MAX_BYTES {
                    assert_eq!(got.reverted().map(Revert::code), Some(Revert::LIMIT), "{name}");
                } else {
                    let before = (round > 0).then_some(*len);
                    assert_eq!(got, Outcome::Committed((before, true)), "{name}, {len} bytes");
                }
            }
        }
        let all = stm.run(|tx| lengths.iter().map(|n| memory.get(tx, &key(*n as u32))).collect::<Result<Vec<_>, _>>());
        for (len, got) in lengths.iter().zip(all.unwrap().committed().unwrap()) {
            assert_eq!(got, (*len <= MAX_BYTES).then(|| content(*len)), "{name}");
        }
    }
}

/// Absent and empty differ, in memory, in what is observed and in changes.
#[test]
fn an_empty_value_is_not_an_absent_one() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let memory: TxMemory<4> = stm.memory();
        let out = stm
            .execute(&[0, 1, 2, 3], |tx, n| {
                let seen = (memory.len(tx, &key(1))?, memory.contains_key(tx, &key(1))?, memory.get(tx, &key(1))?);
                match n {
                    0 | 2 => memory.set(tx, &key(1), &[])?,
                    _ => memory.unset(tx, &key(1))?,
                }
                Ok(seen)
            })
            .unwrap();
        let (none, empty) = ((None, false, None), (Some(0), true, Some(Vec::new())));
        for (got, want) in out.into_iter().zip([&none, &empty, &none, &empty]) {
            assert_eq!(got.committed().as_ref(), Some(want), "{name}");
        }
        assert!(stm.changes(&memory).is_empty(), "{name}: it came and went");
        assert!(stm.run(|tx| memory.set(tx, &key(1), &[])).unwrap().is_committed());
        let changes = stm.changes(&memory);
        let change = changes.iter().next().unwrap();
        assert_eq!((change.old, change.new, changes.len()), (None, Some(&[][..]), 1), "{name}");
    }
}

#[test]
fn the_base_is_asked_once_for_a_key_however_many_look() {
    for (name, builder) in engines() {
        let below = Arc::new(Below::with(40));
        let mut stm = builder.build().unwrap();
        let memory = stm.memory_over::<4>(below.clone(), usize::MAX);
        for _ in 0..3 {
            let out = stm.execute(&(0..400u32).collect::<Vec<_>>(), |tx, n| {
                let k = n % 50;
                let len = memory.len(tx, &key(k))?;
                assert_eq!(len, (k < 40).then_some(k as usize % 200));
                if n % 3 == 0 && k < 40 { memory.set(tx, &key(k), &vec![1; k as usize % 200]) } else { Ok(()) }
            });
            assert!(out.unwrap().iter().all(Outcome::is_committed), "{name}");
        }
        let asked = below.asked.lock().unwrap();
        assert!((0..40).all(|k| asked.get(&key(k)) == Some(&1)), "{name}: {asked:?}");
    }
}

/// A tight budget: values go, come back, and are never lost; handles outlive their cells.
#[test]
fn clean_values_are_evicted_above_the_budget_and_dirty_ones_are_not() {
    for (name, builder) in engines() {
        let below = Arc::new(Below::with(2_000));
        let mut stm = builder.build().unwrap();
        let budget = 20_000;
        let memory = stm.memory_over::<4>(below.clone(), budget);
        let kept = stm.run(|tx| memory.at(tx, &key(7))).unwrap().committed().unwrap();
        for round in 0..6u32 {
            let jobs: Vec<u32> = (0..700).map(|k| (k * 13 + round * 577) % 2_000).collect();
            let out =
                stm.execute(&jobs, |tx, k| memory.read(tx, &key(*k), |v| v.map(|v| (v.len(), v.first().copied()))));
            for (k, got) in jobs.iter().zip(out.unwrap()) {
                let len = *k as usize % 200;
                let want = Some((len, (len > 0).then_some(*k as u8)));
                // Key 7 is written below, at the end of each round.
                assert!(*k == 7 || got == Outcome::Committed(want), "{name}, key {k}: {got:?}");
            }
            assert!(stm.resident(&memory) <= budget, "{name}: {} bytes resident", stm.resident(&memory));
            let before = stm.run(|tx| kept.get(tx)).unwrap().committed().unwrap();
            let want = if round == 0 { vec![7u8; 7] } else { vec![round as u8 - 1; 300] };
            assert_eq!(before, Some(want), "{name}, round {round}");
            assert!(stm.run(|tx| kept.set(tx, &[round as u8; 300])).unwrap().is_committed());
            if round % 2 == 1 {
                let changed: Vec<_> =
                    stm.changes(&memory).iter().map(|c| (*c.key, c.new.map(<[u8]>::to_vec))).collect();
                assert_eq!(changed, [(key(7), Some(vec![round as u8; 300]))], "{name}");
                below.bytes.lock().unwrap().insert(key(7), vec![round as u8; 300]);
                stm.forget_changes(&memory);
                assert!(stm.changes(&memory).is_empty());
            }
        }
        assert!(below.asks.load(SeqCst) > 2_000, "{name}: nothing had to be asked for again");
    }
}

/// Keys named by runs that were thrown away, or that are absent, leave nothing behind.
#[test]
fn absent_keys_take_no_memory_after_the_block() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let (memory, counters, hot): (TxMemory<4>, TxCounters<4>, _) = (stm.memory(), stm.counters(), stm.cell(0u32));
        for round in 0..50u32 {
            let out = stm.execute(&(0..40u32).collect::<Vec<_>>(), |tx, n| {
                let v = hot.update(tx, |v| v.wrapping_mul(31).wrapping_add(*n))?;
                memory.set(tx, &key(v % 1_000), b"comes and goes, and is longer than an entry")?;
                counters.add(tx, &key(v % 1_000), 1)?;
                let seen = memory.contains_key(tx, &key((v + 1) % 1_000))?;
                memory.unset(tx, &key(v % 1_000))?;
                counters.unset(tx, &key(v % 1_000))?;
                Ok(seen)
            });
            assert_eq!(out.unwrap().len(), 40, "{name}");
            // Written places that are absent again are looked for when there are many.
            assert!(stm.resident(&memory) < 100 * 250, "{name}, round {round}: {}", stm.resident(&memory));
            assert!(stm.changes(&memory).is_empty() && stm.counter_changes(&counters).is_empty(), "{name}");
        }
    }
}

#[test]
fn a_base_that_fails_is_a_fault_even_if_the_closure_swallows_it() {
    for (name, builder) in engines() {
        for swallow in [false, true] {
            let below = Arc::new(Below { bad: Some(33), ..Below::with(100) });
            let mut stm = builder.clone().build().unwrap();
            let (memory, counters) =
                (stm.memory_over::<4>(below.clone(), 1 << 20), stm.counters_over::<4>(below, 1 << 20));
            stm.name_memory(&memory, "pages", |k| format!("page {}", u32::from_be_bytes(*k)));
            let ok = stm.execute(&(0..30).collect::<Vec<_>>(), |tx, k| memory.len(tx, &key(*k)));
            assert_eq!(ok.unwrap().len(), 30, "{name}");
            let stopped = stm
                .execute(&(0..60).collect::<Vec<_>>(), |tx, k| {
                    let found = memory.contains_key(tx, &key(*k));
                    if swallow { Ok(found.unwrap_or(false)) } else { found }
                })
                .unwrap_err();
            assert_eq!((stopped.at, stopped.outcomes.len()), (0, 0), "{name}");
            assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{name}");
            assert_eq!(stopped.fatal.reason(), "the base below page 33: the disk is gone", "{name}");
            assert_eq!(stm.run(|tx| counters.get(tx, &key(1))).unwrap_err().fatal, stopped.fatal, "{name}");
            assert_eq!(stm.view(|tx| counters.get(tx, &key(1))).unwrap_err(), stopped.fatal, "{name}");
        }
    }
}

#[test]
fn a_base_that_panics_is_a_fault_and_no_revert() {
    struct Broken;
    impl Base<4> for Broken {
        fn load(&self, key: &[u8; 4], _: &mut Vec<u8>) -> Result<bool, BaseError> {
            assert!(*key != [0, 0, 0, 9], "a bug below");
            Ok(false)
        }
    }
    std::panic::set_hook(Box::new(|_| {}));
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let memory = stm.memory_over::<4>(Arc::new(Broken), 0);
        let stopped = stm.execute(&(0..30).collect::<Vec<_>>(), |tx, k| memory.set(tx, &key(*k), &[1])).unwrap_err();
        assert_eq!(stopped.fatal.cause(), FatalCause::Fault, "{name}");
        assert!(stopped.fatal.reason().ends_with("a bug below"), "{name}: {}", stopped.fatal);
    }
}

#[test]
fn changes_are_sorted_without_noise_and_the_same_everywhere() {
    let mut told = Vec::new();
    for (name, builder) in engines() {
        let below = Arc::new(Below::with(64));
        let mut stm = builder.build().unwrap();
        let memory = stm.memory_over::<4>(below.clone(), usize::MAX);
        let counters = stm.counters_over::<4>(below, usize::MAX);
        let mut log = String::new();
        for block in 0..4u32 {
            let out = stm.execute(&(0..200u32).collect::<Vec<_>>(), |tx, n| {
                let (a, b) = ((n * 37 + block) % 90, (n * 11) % 90);
                let seen = memory.read(tx, &key(a), |v| v.map_or(0, |v| v.len() as u32))?;
                match (seen + n) % 5 {
                    0 => memory.unset(tx, &key(b))?,
                    1 => memory.set(tx, &key(b), &[b as u8; 200][..b as usize % 200])?,
                    2 => memory.set(tx, &key(b), &[1; 70])?,
                    3 => counters.add(tx, &key(b), 1 << 70)?,
                    _ => counters.unset(tx, &key(a))?,
                }
                tx.require(n % 7 != 3, "every seventh leaves nothing")
            });
            assert_eq!(out.unwrap().len(), 200);
            if block == 1 {
                continue; // two blocks at once
            }
            let changes = stm.changes(&memory);
            assert!(changes.iter().zip(changes.iter().skip(1)).all(|(a, b)| a.key < b.key), "{name}");
            assert!(changes.iter().all(|c| c.old != c.new), "{name}");
            log += &format!("{:?}\n", changes.iter().collect::<Vec<_>>());
            log += &format!("{:?}\n", stm.counter_changes(&counters).iter().collect::<Vec<_>>());
            stm.forget_changes(&memory);
            stm.forget_counter_changes(&counters);
        }
        told.push((name, log));
    }
    for (name, log) in &told {
        assert!(*log == told[0].1, "{name} tells other changes than {}", told[0].0);
    }
}

#[test]
fn a_stopped_block_tells_the_changes_of_what_came_before() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let memory: TxMemory<4> = stm.memory();
        let stopped = stm.execute(&(0..50u32).collect::<Vec<_>>(), |tx, k| {
            memory.set(tx, &key(*k), &[1])?;
            if *k == 20 { Err(replicode_stm::Stop::fatal("enough")) } else { Ok(()) }
        });
        assert_eq!(stopped.unwrap_err().at, 20, "{name}");
        let told: Vec<[u8; 4]> = stm.changes(&memory).iter().map(|c| *c.key).collect();
        assert_eq!(told, (0..20).map(key).collect::<Vec<_>>(), "{name}");
    }
}

/// Writing what is there already sends nobody back.
#[test]
fn equal_content_counts_as_equal() {
    let mut stm = Stm::builder().threads(2).mode(Mode::Speculative).run_ahead(false).seeded(3, 3).build().unwrap();
    let memory: TxMemory<4> = stm.memory();
    let text = b"a value that is longer than an entry, so that it lies in a buffer";
    assert!(stm.run(|tx| memory.set(tx, &key(0), text)).unwrap().is_committed());
    let before = stm.stats();
    for _ in 0..20 {
        let out = stm.execute(&[(); 60], |tx, ()| {
            let len = memory.read(tx, &key(0), |v| v.map_or(0, <[u8]>::len))?;
            memory.set(tx, &key(0), text)?;
            Ok(len)
        });
        assert!(out.unwrap().into_iter().all(|o| o.committed() == Some(text.len())));
    }
    let stats = stm.stats();
    assert_eq!(stats.by_certification + stats.by_push + stats.by_own_check, before.by_certification, "{stats}");
}

#[test]
fn weaker_observations_survive_more() {
    let mut stm = Stm::builder().mode(Mode::Speculative).seeded(1, 4).build().unwrap();
    let (memory, counters): (TxMemory<4>, TxCounters<4>) = (stm.memory(), stm.counters());
    let out = stm.run(|tx| {
        memory.set(tx, &key(0), &[9; 40])?;
        counters.set(tx, &key(0), 1 << 100)
    });
    assert!(out.unwrap().is_committed());
    for _ in 0..40 {
        let out = stm.execute(&(0..40u8).collect::<Vec<_>>(), |tx, n| {
            let len = memory.len(tx, &key(0))?;
            let there = memory.contains_key(tx, &key(0))? && counters.contains_key(tx, &key(0))?;
            memory.set(tx, &key(0), &[*n; 40])?;
            // Far from the bounds: additions of others do not matter.
            let fits = counters.try_sub(tx, &key(0), 1 << 70, 0..=i128::MAX)?;
            counters.add(tx, &key(0), 1 << 70)?;
            Ok(len == Some(40) && there && fits)
        });
        assert!(out.unwrap().into_iter().all(|o| o.committed() == Some(true)));
    }
    let stats = stm.stats();
    assert_eq!(stats.by_certification + stats.by_push + stats.by_own_check, 0, "{stats}");
}

#[test]
fn counters_are_made_and_deleted_in_a_block_and_hold_their_bounds() {
    for (name, builder) in engines() {
        let mut stm = builder.build().unwrap();
        let counters: TxCounters<4> = stm.counters();
        let huge = i128::MAX;
        let out = stm
            .execute(&[0, 1, 2, 3, 4, 5, 6, 7], |tx, n| {
                let c = counters.at(tx, &key(1))?;
                Ok(match n {
                    0 => (c.exists(tx)?, c.get(tx)?, c.try_sub(tx, 1, 0..=huge)?),
                    1 => (c.try_add(tx, huge, 0..=huge)?, c.get(tx)?, c.try_add(tx, 1, i128::MIN..=huge)?),
                    2 => {
                        c.add(tx, 1)?; // wraps
                        (c.exists(tx)?, c.get(tx)?, true)
                    }
                    3 => {
                        c.unset(tx)?;
                        (c.exists(tx)?, c.get(tx)?, c.try_add(tx, 5, 0..=9)?)
                    }
                    4 => (c.try_add(tx, 5, 0..=9)?, c.get(tx)?, c.try_add(tx, 4, 0..=9)?),
                    5 => {
                        c.unset(tx)?;
                        c.add(tx, 2)?;
                        (c.exists(tx)?, c.get(tx)?, true)
                    }
                    6 => {
                        c.set(tx, -3)?;
                        c.sub(tx, 1)?;
                        (c.exists(tx)?, c.get(tx)?, true)
                    }
                    _ => (c.exists(tx)?, c.get(tx)?, c.try_sub(tx, i128::MIN, 0..=0)?),
                })
            })
            .unwrap();
        let want = [
            (false, None, false),
            (true, Some(huge), false),
            (true, Some(i128::MIN), true),
            (false, None, true),
            (false, Some(5), true),
            (true, Some(2), true),
            (true, Some(-4), true),
        ];
        for (got, want) in out.iter().zip(want) {
            assert_eq!(*got, Outcome::Committed(want), "{name}");
        }
        assert_eq!(out[7].reverted().map(Revert::code), Some(Revert::BOUNDS), "{name}");
        let told: Vec<_> = stm.counter_changes(&counters).iter().map(|c| (c.old, c.new)).collect();
        assert_eq!(told, [(None, Some(-4))], "{name}");
    }
}

/// Thousands of credits of one account commute: nobody runs twice.
#[test]
fn additions_of_one_key_never_conflict() {
    let mut stm = Stm::builder().mode(Mode::Speculative).seeded(9, 4).build().unwrap();
    let fees: TxCounters<4> = stm.counters();
    let out = stm.execute(&(1..=500).collect::<Vec<i128>>(), |tx, n| fees.add(tx, &key(0), *n << 64));
    assert_eq!(out.unwrap().len(), 500);
    assert_eq!(stm.run(|tx| fees.get(tx, &key(0))).unwrap(), Outcome::Committed(Some(125_250 << 64)));
    assert_eq!(stm.stats().executions, 500, "{}", stm.stats());
}

#[test]
fn handles_of_another_engine_are_misuse_and_tell_nothing() {
    for (name, builder) in engines() {
        let (mut stm, mut other) = (builder.clone().build().unwrap(), builder.build().unwrap());
        let (mine, foreign): (TxMemory<4>, TxMemory<4>) = (stm.memory(), other.memory());
        let at = other.run(|tx| foreign.at(tx, &key(1))).unwrap().committed().unwrap();
        assert!(mine != foreign && mine == mine && at.key() == &key(1));
        assert_eq!(stm.run(|tx| foreign.len(tx, &key(1))).unwrap_err().fatal.cause(), FatalCause::Misuse, "{name}");
        assert_eq!(stm.run(|tx| at.set(tx, &[])).unwrap_err().fatal.cause(), FatalCause::Misuse, "{name}");
        stm.forget_changes(&foreign);
        assert!(stm.changes(&foreign).is_empty(), "{name}");
    }
}

#[test]
fn hot_keys_appear_by_the_name_that_the_embedder_gives_them() {
    let mut stm = Stm::builder().mode(Mode::Speculative).seeded(2, 3).build().unwrap();
    let memory: TxMemory<4> = stm.memory();
    stm.name_memory(&memory, "token", |k| format!("slot {}", u32::from_be_bytes(*k)));
    let out = stm.execute(&[(); 60], |tx, ()| {
        let n = memory.read(tx, &key(6), |v| v.map_or(0, |v| v[0]))?;
        memory.set(tx, &key(6), &[n + 1])
    });
    assert_eq!(out.unwrap().len(), 60);
    assert_eq!(stm.stats().hottest[0].0, "token[slot 6]", "{}", stm.stats());
}
