//! Transfers against a plain sequential loop, with the engine reused and all-in, equality asserted beside each figure.
//!
//! `cargo run -p replicode-stm --release --example bench -- [--n 10000] [--passes 9] [--threads 1,2] [--quick] [--patience SECONDS]`
//!
//! `--patience` waits, in all at most that long, for moments in which the cores are free. Figures are minima over passes. Before each pair of figures the share of each core is measured with a spinning
//! pair of threads; a two-thread figure is worth quoting only at 0.97 or more. `seq` is a plain loop over a vector (no
//! hashing, no undo): the hardest yardstick. `Sequential` is the engine's own specification executor.

#![allow(clippy::unwrap_used)]

use replicode_stm::{Mode, Stm, TxCell, TxCounter};
use std::hint::black_box;
use std::time::Instant;

#[derive(Clone, Copy)]
struct Transfer {
    from: usize,
    to: usize,
    amount: u64,
    work: u32,
}

/// A dependent multiply chain: no memory, no parallelism inside.
#[inline(never)]
fn work(n: u32, seed: u64) -> u64 {
    (0..n).fold(seed | 1, |x, _| x.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (x >> 29))
}

/// A dependent walk through 32 MiB: bound by memory.
fn walk(n: u32, seed: u64, field: &[u32]) -> u64 {
    let mut at = seed as usize % field.len();
    for _ in 0..n {
        at = field[at] as usize;
    }
    at as u64
}

fn nanos_per_step() -> f64 {
    let once = || {
        let t = Instant::now();
        black_box(work(200_000, black_box(3)));
        t.elapsed().as_secs_f64() * 1e9 / 2e5
    };
    (0..40).map(|_| once()).fold(f64::MAX, f64::min)
}

/// The share of a core that `n` threads really get, the worst of them.
fn core_share(n: usize) -> f64 {
    let solo = (0..3).map(|_| timed_work()).fold(f64::MAX, f64::min);
    let worst = std::thread::scope(|s| {
        let all: Vec<_> = (0..n).map(|_| s.spawn(timed_work)).collect();
        all.into_iter().map(|h| h.join().unwrap()).fold(0.0, f64::max)
    });
    solo / worst
}

fn timed_work() -> f64 {
    let t = Instant::now();
    black_box(work(1_000_000, black_box(5)));
    t.elapsed().as_secs_f64()
}

/// On a shared machine: waits for a moment in which `n` cores are free, at most until the patience is used up.
struct Patience {
    left: std::cell::Cell<f64>,
}

impl Patience {
    fn wait(&self, n: usize) {
        let t = Instant::now();
        while n > 1 && t.elapsed().as_secs_f64() < self.left.get() && core_share(n) < 0.96 {
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        self.left.set((self.left.get() - t.elapsed().as_secs_f64()).max(0.0));
    }
}

fn transfers(n: usize, accounts: usize, work: u32) -> Vec<Transfer> {
    let mut x = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as usize
    };
    (0..n)
        .map(|i| {
            let (from, to) = if accounts == 2 * n {
                (i, n + i)
            } else {
                let from = random() % accounts;
                let to = random() % (accounts - 1);
                (from, to + usize::from(to >= from))
            };
            Transfer { from, to, amount: 1 + random() as u64 % 10, work }
        })
        .collect()
}

const START: u64 = 1_000_000;

fn sequential(txs: &[Transfer], accounts: usize) -> (f64, Vec<u64>) {
    let mut state = vec![START; accounts];
    let t = Instant::now();
    for tx in txs {
        let (f, g) = (state[tx.from], state[tx.to]);
        black_box(work(tx.work, f));
        if f >= tx.amount {
            state[tx.from] = f - tx.amount;
            state[tx.to] = g + tx.amount;
        }
    }
    (t.elapsed().as_secs_f64(), state)
}

struct Bank {
    stm: Stm,
    cells: Vec<TxCell<u64>>,
}

impl Bank {
    fn new(threads: usize, mode: Mode, accounts: usize) -> Bank {
        let mut stm = if threads == 0 { Stm::builder().sequential() } else { Stm::builder().threads(threads) }
            .mode(mode)
            .build()
            .unwrap();
        let cells = (0..accounts).map(|_| stm.cell(START)).collect();
        Bank { stm, cells }
    }
    fn pass(&mut self, txs: &[Transfer]) {
        let cells = &self.cells;
        let out = self.stm.execute(txs, |tx, t| {
            let (a, b) = (cells[t.from], cells[t.to]);
            let (f, g) = (a.get(tx)?, b.get(tx)?);
            black_box(work(t.work, f));
            if f >= t.amount {
                a.set(tx, f - t.amount)?;
                b.set(tx, g + t.amount)?;
            }
            Ok(())
        });
        assert_eq!(out.unwrap().len(), txs.len());
    }
    fn state(&mut self) -> Vec<u64> {
        let cells = self.cells.clone();
        self.stm.run(|tx| cells.iter().map(|c| c.get(tx)).collect()).unwrap().committed().unwrap()
    }
    fn reset(&mut self) {
        let cells = self.cells.clone();
        for chunk in cells.chunks(10_000) {
            let _ = self.stm.run(|tx| chunk.iter().try_for_each(|c| c.set(tx, START))).unwrap();
        }
    }
}

/// Best of some passes: reused engine, all-in (engine, cells and slots made inside the clock), and the stats.
fn measure(
    txs: &[Transfer],
    accounts: usize,
    threads: usize,
    mode: Mode,
    passes: usize,
    want: &[u64],
    patience: &Patience,
) -> (f64, f64, f64) {
    let (mut reused, mut all_in) = (f64::MAX, f64::MAX);
    let mut bank = Bank::new(threads, mode, accounts);
    for _ in 0..passes {
        bank.reset();
        bank.stm.reset_stats();
        patience.wait(threads);
        let t = Instant::now();
        bank.pass(txs);
        reused = reused.min(t.elapsed().as_secs_f64());
        assert!(bank.state() == want, "result differs from the sequential loop");
    }
    let executions = bank.stm.stats().executions_per_transaction();
    for _ in 0..passes.div_ceil(2) {
        // The worker threads of a service live for ever; everything else is made anew.
        patience.wait(threads);
        let t = Instant::now();
        let mut fresh = Bank::new(threads, mode, accounts);
        fresh.pass(txs);
        all_in = all_in.min(t.elapsed().as_secs_f64());
        assert!(fresh.state() == want, "result differs from the sequential loop");
    }
    (reused, all_in, executions)
}

fn counters(n: usize, steps: u32, threads: &[usize], passes: usize, patience: &Patience) {
    let txs = transfers(n, 10, steps);
    let mut state = vec![START as i64; 10];
    let mut seq = f64::MAX;
    for _ in 0..passes {
        state = vec![START as i64; 10];
        let t = Instant::now();
        for tx in &txs {
            black_box(work(tx.work, tx.amount));
            if state[tx.from] >= tx.amount as i64 {
                state[tx.from] -= tx.amount as i64;
                state[tx.to] += tx.amount as i64;
            }
        }
        seq = seq.min(t.elapsed().as_secs_f64());
    }
    print!("10 counters    {:8.0}", seq * 1e9 / n as f64);
    for &threads in threads {
        let mut best = f64::MAX;
        let mut stm = Stm::builder().threads(threads).build().unwrap();
        for _ in 0..passes {
            let c: Vec<TxCounter> = (0..10).map(|_| stm.counter(START as i64)).collect();
            patience.wait(threads);
            let t = Instant::now();
            let out = stm.execute(&txs, |tx, t| {
                black_box(work(t.work, t.amount));
                if c[t.from].try_sub(tx, t.amount as i64, 0..=i64::MAX)? {
                    c[t.to].add(tx, t.amount as i64)?;
                }
                Ok(())
            });
            best = best.min(t.elapsed().as_secs_f64());
            assert_eq!(out.unwrap().len(), n);
            let got: Vec<i64> = stm.run(|tx| c.iter().map(|c| c.get(tx)).collect()).unwrap().committed().unwrap();
            assert!(got == state, "counters differ from the sequential loop");
        }
        print!(
            " | {threads} threads, auto: {:8.0} x{:.2}, executions {:.2}",
            best * 1e9 / n as f64,
            seq / best,
            stm.stats().executions_per_transaction()
        );
    }
    println!();
}

fn memory_bound(n: usize, threads: &[usize], passes: usize) {
    let len: u64 = 8 << 20;
    let field: Vec<u32> = (0..len).map(|i| ((i * 2_654_435_761 + 12_345) % len) as u32).collect();
    let mut seq = f64::MAX;
    for _ in 0..passes {
        let mut cells = vec![0u64; n];
        let t = Instant::now();
        for (i, c) in cells.iter_mut().enumerate() {
            *c = c.wrapping_add(walk(200, i as u64 * 7919, &field));
        }
        seq = seq.min(t.elapsed().as_secs_f64());
        black_box(&cells);
    }
    print!("memory walk    {:8.0}", seq * 1e9 / n as f64);
    let jobs: Vec<usize> = (0..n).collect();
    for &threads in threads {
        let mut best = f64::MAX;
        let mut stm = Stm::builder().threads(threads).build().unwrap();
        let cells: Vec<TxCell<u64>> = (0..n).map(|_| stm.cell(0)).collect();
        for _ in 0..passes {
            let t = Instant::now();
            let _ = stm
                .execute(&jobs, |tx, &i| cells[i].update(tx, |v| v.wrapping_add(walk(200, i as u64 * 7919, &field))))
                .unwrap();
            best = best.min(t.elapsed().as_secs_f64());
        }
        print!(" | {threads} threads, auto: {:8.0} x{:.2}", best * 1e9 / n as f64, seq / best);
    }
    println!();
}

fn main() {
    let (mut n, mut passes, mut threads, mut only) = (10_000usize, 9usize, vec![1usize, 2], String::new());
    let mut works = vec![0.0, 1_000.0, 10_000.0];
    let mut seconds = 0.0;
    let mut args = std::env::args().skip(1);
    while let Some(a) = args.next() {
        match a.as_str() {
            "--n" => n = args.next().unwrap().parse().unwrap(),
            "--passes" => passes = args.next().unwrap().parse().unwrap(),
            "--threads" => threads = args.next().unwrap().split(',').map(|t| t.parse().unwrap()).collect(),
            "--work" => works = args.next().unwrap().split(',').map(|t| t.parse().unwrap()).collect(),
            "--patience" => seconds = args.next().unwrap().parse().unwrap(),
            "--only" => only = args.next().unwrap(),
            "--quick" => (n, passes) = (2_000, 3),
            other => panic!("unknown option {other}"),
        }
    }
    let patience = Patience { left: std::cell::Cell::new(seconds) };
    let step = nanos_per_step();
    let most = threads.iter().copied().max().unwrap_or(1);
    println!(
        "{n} transfers, best of {passes}, ns per transaction; one work step {step:.3} ns; core share of {most} threads {:.2}",
        core_share(most)
    );
    println!("case                seq | executor: reused (ratio to seq), all-in (ratio), executions per transaction");
    for (name, accounts) in [("independent", 2 * n), ("1000", 1000), ("100", 100), ("10", 10), ("2", 2)] {
        if !only.is_empty() && only != name {
            continue;
        }
        for &nanos in &works {
            let txs = transfers(n, accounts, (nanos / step) as u32);
            let mut runs: Vec<(f64, Vec<u64>)> = (0..passes).map(|_| sequential(&txs, accounts)).collect();
            let want = runs.pop().unwrap();
            let seq = runs.iter().map(|r| r.0).fold(want.0, f64::min);
            print!("{name:11} {nanos:6.0} {:7.1}", seq * 1e9 / n as f64);
            let show = |what: &str, threads: usize, mode: Mode| {
                let (reused, all_in, executions) = measure(&txs, accounts, threads, mode, passes, &want.1, &patience);
                print!(
                    " | {what} {:.0} (x{:.2}), {:.0} (x{:.2}), {executions:.2}",
                    reused * 1e9 / n as f64,
                    seq / reused,
                    all_in * 1e9 / n as f64,
                    seq / all_in
                );
            };
            show("Sequential", 0, Mode::Auto);
            for &t in &threads {
                show(&format!("{t} speculative"), t, Mode::Speculative);
            }
            show(&format!("{most} auto"), most, Mode::Auto);
            println!("  [core share {:.2}]", core_share(most));
        }
    }
    for nanos in works.iter().copied().filter(|w| *w > 0.0) {
        counters(n, (nanos / step) as u32, &threads, passes, &patience);
    }
    memory_bound(n, &threads, passes);
}
