//! Cost of a transaction under criterion: trivial ones, and ones of 1 and 10 µs, against a plain loop.
//!
//! `cargo bench -p replicode-stm --bench transactions [-- FILTER]`; `STM_BENCH_THREADS=1,2,4,8` on a larger machine.
//!
//! Names are `work/accounts/executor/reused|all-in`: *reused* is a warm engine, *all-in* makes engine, cells and threads
//! inside the clock. Each transfer reads and writes two accounts; times are for a whole block, throughput is per transfer.
//! Before anything is timed, the executor's balances are compared with the plain loop's. Figures for publication come from
//! `examples/bench.rs`, which counts only passes during which the processors were really free; this is for comparing one
//! commit with another (`--save-baseline`, `--baseline`).

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use replicode_stm::{Builder, Mode, Outcome, Stm, Tx, TxCell, TxCounter, TxResult};
use std::hint::black_box;
use std::time::{Duration, Instant};
use workload::{Transfer, work};

mod workload;

fn steps_per_micro() -> f64 {
    let once = || {
        let began = Instant::now();
        black_box(work(200_000, black_box(3)));
        2e5 / (began.elapsed().as_secs_f64() * 1e6)
    };
    (0..30).map(|_| once()).fold(0.0, f64::max)
}

/// `accounts` 0: every transfer has two of its own.
fn transfers(n: usize, accounts: usize, steps: u32) -> (Vec<Transfer>, usize) {
    let mut x = 0x9E37_79B9_7F4A_7C15u64;
    let mut below = move |n: usize| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 20) as usize % n
    };
    let one = |i: usize| {
        let (from, to) = match accounts {
            0 => (i, n + i),
            a => {
                let from = below(a);
                (from, (from + 1 + below(a - 1)) % a)
            }
        };
        Transfer { from, to, amount: i as u64 % 7, steps }
    };
    ((0..n).map(one).collect(), if accounts == 0 { 2 * n } else { accounts })
}

/// What both sides of a transfer become. Wraps, so that a block can be run again and again.
fn moved(t: &Transfer, from: u64, to: u64) -> (u64, u64) {
    let extra = if t.steps == 0 { 0 } else { work(t.steps, from ^ to) & 1 };
    (from.wrapping_sub(t.amount + extra), to.wrapping_add(t.amount + extra))
}

fn plain(jobs: &[Transfer], balances: &mut [u64]) {
    for t in jobs {
        (balances[t.from], balances[t.to]) = moved(t, balances[t.from], balances[t.to]);
    }
}

fn transfer(tx: &mut Tx<'_>, cells: &[TxCell<u64>], t: &Transfer) -> TxResult<()> {
    let (from, to) = moved(t, cells[t.from].get(tx)?, cells[t.to].get(tx)?);
    cells[t.from].set(tx, from)?;
    cells[t.to].set(tx, to)
}

fn engine(builder: &Builder, accounts: usize) -> (Stm, Vec<TxCell<u64>>) {
    let mut stm = builder.clone().build().unwrap();
    let cells = (0..accounts).map(|_| stm.cell(1_000u64)).collect();
    (stm, cells)
}

fn block(stm: &mut Stm, cells: &[TxCell<u64>], jobs: &[Transfer]) {
    let out = stm.execute(jobs, |tx, t| transfer(tx, cells, t)).unwrap();
    assert!(out.iter().all(Outcome::is_committed));
}

fn threads() -> Vec<usize> {
    let list = std::env::var("STM_BENCH_THREADS").unwrap_or_else(|_| "1,2".to_string());
    list.split(',').map(|n| n.trim().parse().expect("STM_BENCH_THREADS is a list of numbers, such as 1,2,4")).collect()
}

fn executors() -> Vec<(String, Builder)> {
    let mut all = vec![
        ("sequential".to_string(), Stm::builder().sequential()),
        ("direct".to_string(), Stm::builder().threads(2).mode(Mode::Direct)),
    ];
    for n in threads() {
        all.push((format!("speculative-{n}"), Stm::builder().threads(n).mode(Mode::Speculative)));
        all.push((format!("auto-{n}"), Stm::builder().threads(n)));
    }
    all
}

/// One row: the plain loop, and every executor reused and all-in.
fn row(group: &mut BenchmarkGroup<'_, WallTime>, accounts: usize, steps: u32, n: usize) {
    let (jobs, len) = transfers(n, accounts, steps);
    let name = if accounts == 0 { "independent".to_string() } else { accounts.to_string() };
    group.throughput(Throughput::Elements(n as u64));
    let mut balances = vec![1_000u64; len];
    plain(&jobs, &mut balances);
    let want = balances.clone();
    group.bench_function(format!("{name}/plain"), |b| b.iter(|| plain(black_box(&jobs), &mut balances)));
    for (executor, builder) in executors() {
        let (mut stm, cells) = engine(&builder, len);
        block(&mut stm, &cells, &jobs);
        let got = stm.run(|tx| cells.iter().map(|c| c.get(tx)).collect::<TxResult<Vec<u64>>>()).unwrap();
        assert!(got.committed().as_ref() == Some(&want), "{executor} on {name} accounts differs from the plain loop");
        group.bench_function(format!("{name}/{executor}/reused"), |b| b.iter(|| block(&mut stm, &cells, &jobs)));
        group.bench_function(format!("{name}/{executor}/all-in"), |b| {
            b.iter_with_large_drop(|| {
                let (mut stm, cells) = engine(&builder, len);
                block(&mut stm, &cells, &jobs);
                stm
            })
        });
    }
}

fn group<'a>(c: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = c.benchmark_group(name);
    group.sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

fn trivial(c: &mut Criterion) {
    let mut group = group(c, "trivial");
    for accounts in [0, 1000, 100, 10, 2] {
        row(&mut group, accounts, 0, 10_000);
    }
    group.finish();
}

fn one_micro(c: &mut Criterion) {
    let steps = steps_per_micro() as u32;
    let mut group = group(c, "1us");
    for accounts in [0, 1000, 100, 10] {
        row(&mut group, accounts, steps, 2_000);
    }
    group.finish();
}

fn ten_micros(c: &mut Criterion) {
    let steps = (10.0 * steps_per_micro()) as u32;
    let mut group = group(c, "10us");
    for accounts in [0, 1000, 100, 10, 2] {
        row(&mut group, accounts, steps, 1_000);
    }
    counters(&mut group, steps, 1_000);
    group.finish();
}

/// Ten hot accounts again, as counters: additions commute.
fn counters(group: &mut BenchmarkGroup<'_, WallTime>, steps: u32, n: usize) {
    let (jobs, len) = transfers(n, 10, steps);
    let change = |t: &Transfer| (t.amount + (work(t.steps, t.amount) & 1)) as i64;
    group.throughput(Throughput::Elements(n as u64));
    let mut sums = vec![0i64; len];
    let one_by_one = |sums: &mut [i64]| {
        for t in &jobs {
            let d = change(t);
            (sums[t.from], sums[t.to]) = (sums[t.from].wrapping_sub(d), sums[t.to].wrapping_add(d));
        }
    };
    one_by_one(&mut sums);
    let want = sums.clone();
    group.bench_function("10-counters/plain", |b| b.iter(|| one_by_one(&mut sums)));
    for n in threads() {
        let mut stm = Stm::builder().threads(n).mode(Mode::Speculative).build().unwrap();
        let sums: Vec<TxCounter> = (0..len).map(|_| stm.counter(0)).collect();
        let block = |stm: &mut Stm| {
            let out = stm.execute(&jobs, |tx, t| {
                let d = change(t);
                sums[t.from].sub(tx, d)?;
                sums[t.to].add(tx, d)
            });
            assert!(out.unwrap().iter().all(Outcome::is_committed));
        };
        block(&mut stm);
        let got = stm.run(|tx| sums.iter().map(|c| c.get(tx)).collect::<TxResult<Vec<i64>>>()).unwrap();
        assert!(got.committed().as_ref() == Some(&want), "counters on {n} threads differ from the plain loop");
        group.bench_function(format!("10-counters/speculative-{n}/reused"), |b| b.iter(|| block(&mut stm)));
    }
}

criterion_group!(benches, trivial, one_micro, ten_micros);
criterion_main!(benches);
