//! What an access to a byte memory or a keyed counter costs, and what lending a transaction costs.
//!
//! `cargo run -p replicode-stm --release --example keyed`
//!
//! Nanoseconds per access: the least of many blocks, less an empty transaction of the same engine, over the accesses of a
//! transaction. Final values are compared with those of one by one. Values of 32 bytes unless stated; 10,000 keys, so that
//! places, cells and values do not all fit the second-level cache.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Builder, Mode, Outcome, Stm, Tx, TxCounters, TxMemory, TxResult, lent};
use std::hint::black_box;
use std::time::Instant;

const KEYS: u32 = 10_000;
const ACCESSES: u32 = 16;
const TRANSACTIONS: u32 = 4_000;

fn key(k: u32) -> [u8; 32] {
    // Spread as a cryptographic hash would.
    let mut x = u64::from(k).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut key = [0; 32];
    for part in key.chunks_exact_mut(8) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        part.copy_from_slice(&x.to_le_bytes());
    }
    key
}

/// The transaction's keys: its own, so that nothing conflicts.
fn mine(i: u32) -> impl Iterator<Item = usize> {
    (0..ACCESSES).map(move |k| ((i * ACCESSES + k) % KEYS) as usize)
}

/// Least nanoseconds of a block per transaction.
fn least(stm: &mut Stm, blocks: u32, f: impl Fn(&mut Tx<'_>, u32) -> TxResult<u64> + Sync) -> f64 {
    let jobs: Vec<u32> = (0..TRANSACTIONS).collect();
    let mut best = f64::MAX;
    for _ in 0..blocks {
        let began = Instant::now();
        let out = stm.execute(&jobs, |tx, i| f(tx, *i)).unwrap();
        best = best.min(began.elapsed().as_nanos() as f64 / f64::from(TRANSACTIONS));
        assert!(out.iter().all(Outcome::is_committed));
    }
    best
}

struct World {
    memory: TxMemory<32>,
    sums: TxCounters<32>,
    keys: Vec<[u8; 32]>,
}

fn world(stm: &mut Stm, len: usize) -> World {
    let keys: Vec<[u8; 32]> = (0..KEYS).map(key).collect();
    let (memory, sums) = (stm.memory(), stm.counters());
    for some in keys.chunks(1_000) {
        let made = stm.run(|tx| {
            some.iter().try_for_each(|k| {
                memory.set(tx, k, &vec![k[0]; len])?;
                sums.set(tx, k, 1)
            })
        });
        assert!(made.unwrap().is_committed());
    }
    World { memory, sums, keys }
}

fn row(name: &str, builder: &Builder, len: usize) {
    let mut stm = builder.clone().build().unwrap();
    let w = world(&mut stm, len);
    let (memory, sums, keys) = (w.memory, w.sums, &w.keys);
    let handles = stm.run(|tx| keys.iter().map(|k| memory.at(tx, k)).collect::<TxResult<Vec<_>>>());
    let handles = handles.unwrap().committed().unwrap();
    let values = [vec![1u8; len], vec![2u8; len]];
    let blocks = 60;
    let empty = least(&mut stm, blocks, |_, i| Ok(u64::from(i)));
    let per = |least: f64| (least - empty) / f64::from(ACCESSES);
    let read = per(least(&mut stm, blocks, |tx, i| {
        mine(i).try_fold(0, |sum, k| Ok(sum + memory.read(tx, &keys[k], |v| v.map_or(0, |v| u64::from(v[0])))?))
    }));
    let by_handle = per(least(&mut stm, blocks, |tx, i| {
        mine(i).try_fold(0, |sum, k| Ok(sum + handles[k].read(tx, |v| v.map_or(0, |v| u64::from(v[0])))?))
    }));
    let write = per(least(&mut stm, blocks, |tx, i| {
        mine(i).try_for_each(|k| memory.set(tx, &keys[k], &values[i as usize & 1]))?;
        Ok(0)
    }));
    let add = per(least(&mut stm, blocks, |tx, i| {
        mine(i).try_for_each(|k| sums.add(tx, &keys[k], 1))?;
        Ok(0)
    }));
    println!("{name:<28} {len:>6} {read:>8.1} {by_handle:>8.1} {write:>8.1} {add:>8.1}");
    // Later transactions win, key by key.
    let mut want = vec![0u8; KEYS as usize];
    (0..TRANSACTIONS).for_each(|i| mine(i).for_each(|k| want[k] = values[i as usize & 1][0]));
    let got = stm.view(|tx| keys.iter().map(|k| memory.read(tx, k, |v| v.unwrap()[0])).collect::<TxResult<Vec<u8>>>());
    assert!(got.unwrap().committed() == Some(want), "{name} differs from one by one");
    let touched = u64::from(TRANSACTIONS * ACCESSES) * u64::from(blocks);
    let total = stm.view(|tx| keys.iter().try_fold(0, |sum, k| Ok(sum + sums.get(tx, k)?.unwrap_or(0))));
    assert_eq!(total.unwrap().committed(), Some(i128::from(touched) + i128::from(KEYS)), "{name}");
}

/// What finding a lent transaction adds to an access.
fn lending() {
    let mut stm = Stm::builder().sequential().build().unwrap();
    let cell = stm.cell(1u64);
    let n = 1_000u64;
    let cost = |stm: &mut Stm, body: &(dyn Fn(&mut Tx<'_>) -> TxResult<u64> + Sync)| {
        (0..2_000)
            .map(|_| {
                let began = Instant::now();
                assert!(stm.run(|tx| body(tx)).unwrap().is_committed());
                began.elapsed().as_nanos() as f64 / n as f64
            })
            .fold(f64::MAX, f64::min)
    };
    let plain = cost(&mut stm, &|tx| (0..n).try_fold(0, |sum, _| Ok(sum + black_box(cell).get(tx)?)));
    let found = cost(&mut stm, &|tx| {
        tx.lend(|| (0..n).try_fold(0, |sum, _| Ok(sum + lent(|tx| black_box(cell).get(tx)).unwrap()?)))
    });
    println!("a read of a cell: {plain:.1} ns; through a lent transaction: {found:.1} ns, {:.1} more", found - plain);
}

fn main() {
    println!("{:<28} {:>6} {:>8} {:>8} {:>8} {:>8}", "ns per access", "bytes", "read", "handle", "write", "add");
    let spec = Stm::builder().mode(Mode::Speculative);
    for len in [32, 4_096] {
        row("sequential", &Stm::builder().sequential(), len);
        row("direct", &Stm::builder().threads(2).mode(Mode::Direct), len);
        row("speculative, 1 thread", &spec.clone().threads(1), len);
        row("the same, long way", &spec.clone().threads(1).run_ahead(false), len);
        row("speculative, 2 threads", &spec.clone().threads(2).run_ahead(false), len);
    }
    lending();
}
