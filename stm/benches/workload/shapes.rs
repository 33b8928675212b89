//! Generated shapes of blocks: `Auto` on two threads against one by one, medians.
//!
//! A shape is drawn from a seed: how many transactions, how much work and how unevenly, which operations on how many hot
//! keys. Both engines run the same blocks in turn; what `Auto` learns from a block it keeps for the next, so the first ones
//! do not count. A shape whose blocks take less than 20 microseconds one by one is no shape.

use super::workload::work;
use replicode_stm::{Builder, Outcome, Stm, TxBag, TxCell, TxCounter, TxMap, TxResult, TxVec};
use std::hint::black_box;
use std::time::Instant;

/// Blocks that do not count, that do, and at most: only those count during which our threads hardly waited for a core.
const WARM: usize = 40;
const COUNTED: usize = 31;
const MOST: usize = 240;
/// Shortest block that is a shape, in seconds.
const LEAST: f64 = 20e-6;
/// How much slower than one by one no shape may be.
pub const BAR: f64 = 1.15;
/// A shape that misses the bar is measured again so many times: another process may have had the core.
const AGAIN: usize = 4;

#[derive(Clone, Copy, Debug)]
enum Op {
    Read(usize),
    Write(usize),
    Add(usize),
    TryAdd(usize),
    Get(u64),
    Insert(u64),
    Remove(u64),
    /// The best of a book is taken out, and another one put in.
    TakeBest(u64),
    First(u64),
    Scan(u64, u64),
    Push,
    Pop,
    Note,
    Text(u64),
    SetText(u64),
    Work(u32),
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }
    /// From `from` to `to`, all magnitudes alike.
    fn magnitude(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.below(1 << 20) as f64 / f64::from(1 << 20))
    }
}

pub struct Shape {
    name: String,
    jobs: Vec<Vec<Op>>,
    cells: usize,
    keys: u64,
}

const KINDS: [&str; 10] =
    ["cells", "hot cells", "order book", "scans", "one insert", "stack", "counters", "bulk", "texts", "mixture"];

impl Shape {
    pub fn new(seed: u64, step: f64) -> Shape {
        let mut r = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        (0..8).for_each(|_| {
            r.below(2);
        });
        let kind = KINDS[r.below(KINDS.len() as u64) as usize];
        let n = match kind {
            "bulk" => r.magnitude(2.0, 40.0),
            _ => r.magnitude(2.0, 3_000.0),
        } as usize;
        let nanos = r.magnitude(20e3, 1.5e6) / n as f64;
        let nanos = if r.below(4) == 0 { nanos / 20.0 } else { nanos };
        let uneven = r.below(3);
        let hot = r.magnitude(1.0, 4.0 * n as f64) as u64;
        let cells = if kind == "hot cells" { hot.min(8) } else { hot }.max(1);
        let keys = r.magnitude(4.0, 400.0) as u64;
        let many = r.magnitude(1.0, if kind == "bulk" { 5_000.0 } else { 30.0 }) as u64;
        let mut job = |i: usize| {
            let mut ops = Vec::new();
            let cell = |r: &mut Random| r.below(cells) as usize;
            match kind {
                "cells" | "hot cells" => {
                    (0..1 + many / 4).for_each(|_| ops.extend([Op::Read(cell(&mut r)), Op::Write(cell(&mut r))]));
                }
                "order book" => match r.below(4) {
                    0 => ops.push(Op::Remove(r.below(keys))),
                    1 => ops.push(Op::TakeBest(r.below(keys))),
                    _ => ops.extend([Op::First(r.below(keys)), Op::Insert(r.below(keys))]),
                },
                "scans" => ops.extend([Op::Scan(r.below(keys), 1 + many), Op::Insert(r.below(keys))]),
                "one insert" => {
                    ops.push(Op::Scan(0, keys));
                    if i.is_multiple_of(1 + n / 2) {
                        ops.extend([Op::Remove(r.below(keys)), Op::Insert(r.below(keys))]);
                    }
                }
                "stack" => ops.push([Op::Push, Op::Pop, Op::Read(cell(&mut r))][r.below(3) as usize]),
                "counters" => ops.extend([Op::TryAdd(cell(&mut r)), Op::Add(cell(&mut r)), Op::Note]),
                "bulk" => (0..many).for_each(|k| {
                    ops.push(if k % 3 == 2 { Op::Read(cell(&mut r)) } else { Op::Write((k % cells) as usize) });
                }),
                "texts" => {
                    (0..1 + many / 4).for_each(|_| ops.extend([Op::Text(r.below(keys)), Op::SetText(r.below(keys))]))
                }
                _ => (0..many).for_each(|_| {
                    ops.push(match r.below(12) {
                        0..=2 => Op::Read(cell(&mut r)),
                        3 | 4 => Op::Write(cell(&mut r)),
                        5 => Op::Add(cell(&mut r)),
                        6 => Op::Get(r.below(keys)),
                        7 => Op::Insert(r.below(keys)),
                        8 => Op::Remove(r.below(keys)),
                        9 => Op::First(r.below(keys)),
                        10 => Op::Text(r.below(keys)),
                        _ => Op::SetText(r.below(keys)),
                    });
                }),
            }
            let share = match uneven {
                0 => 1.0,
                1 if i % 16 == 7 => 8.0,
                1 => 0.5,
                _ if i < n / 2 => 0.2,
                _ => 1.8,
            };
            let at = r.below(ops.len() as u64 + 1) as usize;
            ops.insert(at, Op::Work((nanos * share / step) as u32));
            ops
        };
        let jobs: Vec<_> = (0..n).map(&mut job).collect();
        let name = format!("{kind}: {n} of {:.1} us, {cells} cells, {keys} keys, {many} accesses", nanos / 1e3);
        Shape { name, jobs, cells: cells as usize, keys }
    }
}

struct World {
    stm: Stm,
    cells: Vec<TxCell<u64>>,
    sums: Vec<TxCounter>,
    map: TxMap<u64, u64>,
    texts: TxMap<u64, String>,
    list: TxVec<u64>,
    bag: TxBag<u64>,
}

impl World {
    fn new(builder: Builder, shape: &Shape) -> World {
        let mut stm = builder.build().unwrap();
        World {
            cells: (0..shape.cells).map(|k| stm.cell(k as u64)).collect(),
            sums: (0..shape.cells).map(|_| stm.counter(1_000)).collect(),
            map: stm.map_from((0..shape.keys).step_by(2).map(|k| (k, k))),
            texts: stm.map_from((0..shape.keys).map(|k| (k, format!("text {k}")))),
            list: stm.vec(0..100),
            bag: stm.bag(),
            stm,
        }
    }

    /// Seconds, and what came out.
    fn block(&mut self, shape: &Shape) -> (f64, Vec<Outcome<u64>>) {
        let World { stm, cells, sums, map, texts, list, bag } = self;
        let began = Instant::now();
        let out = stm.execute(&shape.jobs, |tx, ops| {
            let mut acc = 0u64;
            for op in ops {
                let got = match *op {
                    Op::Read(k) => cells[k].get(tx)?,
                    Op::Write(k) => cells[k].set(tx, acc).map(|()| 1)?,
                    Op::Add(k) => sums[k].add(tx, 1).map(|()| 2)?,
                    Op::TryAdd(k) => u64::from(sums[k].try_sub(tx, 1, 0..=i64::MAX)?),
                    Op::Get(k) => map.get(tx, &k)?.unwrap_or(3),
                    Op::Insert(k) => map.set(tx, k, acc).map(|()| 4)?,
                    Op::Remove(k) => map.unset(tx, &k).map(|()| 5)?,
                    Op::TakeBest(k) => match map.first(tx)? {
                        Some((best, v)) => {
                            map.unset(tx, &best)?;
                            map.set(tx, k, v)?;
                            best
                        }
                        None => map.set(tx, k, acc).map(|()| 6)?,
                    },
                    Op::First(k) => map.first_in(tx, k..)?.map_or(7, |(k, v)| k ^ v),
                    Op::Scan(k, n) => map.range(tx, k..k + n)?.iter().fold(0, |a: u64, (k, v)| a.wrapping_add(k ^ v)),
                    Op::Push => list.push(tx, acc)?,
                    Op::Pop => list.pop(tx)?.unwrap_or(8),
                    Op::Note => bag.push(tx, acc).map(|()| 9)?,
                    Op::Text(k) => texts.get(tx, &k)?.map_or(10, |t| t.len() as u64),
                    Op::SetText(k) => texts.set(tx, k, format!("text of {acc}")).map(|()| 11)?,
                    Op::Work(steps) => black_box(work(steps, acc)),
                };
                acc = acc.rotate_left(7) ^ got;
            }
            TxResult::Ok(acc)
        });
        (began.elapsed().as_secs_f64(), out.unwrap())
    }
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Medians of one by one and of `Auto`, in seconds, the share of direct mode, and how many blocks counted.
fn measure(shape: &Shape, threads: usize) -> (f64, f64, f64, usize) {
    let mut one = World::new(Stm::builder().sequential(), shape);
    let mut auto = World::new(Stm::builder().threads(threads), shape);
    let (mut ones, mut autos) = (Vec::new(), Vec::new());
    for k in 0..MOST {
        let before = super::run_delay();
        let (a, want) = one.block(shape);
        let between = super::run_delay();
        let (b, got) = auto.block(shape);
        let after = super::run_delay();
        assert!(want == got, "{}: block {k} differs from one by one", shape.name);
        let clean = |from: u64, to: u64, took: f64| to.saturating_sub(from) as f64 / 1e9 < 0.05 * took;
        if k >= WARM && clean(before, between, a) {
            ones.push(a);
        }
        if k >= WARM && clean(between, after, b) {
            autos.push(b);
        }
        if ones.len().min(autos.len()) >= COUNTED {
            break;
        }
    }
    let clean = ones.len().min(autos.len());
    (median(&mut ones), median(&mut autos), auto.stm.stats().direct_share(), clean)
}

/// Measures so many shapes from `from` on; says how many miss the bar.
pub fn shapes(from: u64, count: u64, threads: usize, step: f64) -> usize {
    let (mut missed, mut worst, mut logs, mut counted) = (0, 0f64, 0f64, 0);
    for seed in from..from + count {
        let shape = Shape::new(seed, step);
        let (mut ratio, mut line) = (f64::MAX, String::new());
        for _ in 0..AGAIN {
            let (one, auto, direct, clean) = measure(&shape, threads);
            if one < LEAST {
                ratio = 0.0;
                break;
            }
            if auto / one < ratio {
                ratio = auto / one;
                line = format!(
                    "{ratio:.2} of one by one ({:.0} us), {:.0} % direct, {clean} clean: shape {seed}, {}",
                    one * 1e6,
                    100.0 * direct,
                    shape.name
                );
            }
            if ratio <= BAR {
                break;
            }
        }
        if ratio == 0.0 {
            continue;
        }
        counted += 1;
        logs += ratio.ln();
        worst = worst.max(ratio);
        if ratio > BAR {
            missed += 1;
        }
        println!("{}{line}", if ratio > BAR { "MISSED " } else { "" });
    }
    let mean = (logs / f64::from(counted.max(1))).exp();
    println!(
        "{counted} shapes on {threads} threads: worst {worst:.2}, mean {mean:.2} of one by one; {missed} above {BAR}"
    );
    missed
}
