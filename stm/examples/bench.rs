//! Transfers against a plain sequential loop, with the engine reused and all-in, equality asserted beside each figure.
//!
//! `cargo run -p replicode-stm --release --example bench -- --help`
//!
//! A pass is clean if our threads hardly waited for a core during it; figures are minima over clean passes, and each
//! row says how many its worst figure had. A two-thread figure with 0 of them is worth nothing; `--patience` repeats
//! passes for so many seconds in all. `seq` is a plain loop over a vector (no hashing, no undo): the hardest yardstick.
//! `Sequential` is the engine's own specification executor.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]
#![allow(clippy::unwrap_used)]

use replicode_stm::{Mode, Stm, TxCell, TxCounter};
use std::cell::Cell;
use std::hash::{BuildHasherDefault, Hasher};
use std::hint::black_box;
use std::num::NonZero;
use std::time::Instant;
use workload::{Transfer, work};

#[path = "../benches/workload/shapes.rs"]
mod shapes;
#[path = "../benches/workload/mod.rs"]
mod workload;

const USAGE: &str =
    "usage: bench [--n 10000] [--passes 9] [--threads 1,2] [--work 0,1000,10000] [--only ROW] [--kinds KIND,...]
             [--patience SECONDS] [--quick]
       bench --shapes N [--from SEED] [--threads 2]
  --n         transfers in a batch
  --passes    passes of each figure, which is the least of them
  --threads   thread counts of the parallel executors, for instance 1,2,4,8,16,32
  --work      nanoseconds of work in a transaction
  --only      one row: independent, 1000, 100, 10 or 2 (accounts); without it, rows for counters and memory as well
  --kinds     columns, by parts of their names: Sequential, pure (speculative, may not run ahead), group (the same with
              group certification; only if asked for), speculative, auto; default: all but group
  --patience  seconds in all for which passes are repeated while other processes take the cores
  --quick     2000 transfers, 3 passes: to see that it works; options after it may say otherwise
  --shapes    instead of all that: so many generated shapes of blocks in mode Auto, medians against one by one; exit code 1
              if one is slower than 1.15 of it
  --from      the first shape
columns 'seq' and 'hashed' are plain loops over a vector and over a hash map with a cheap hasher";

fn usage(why: &str) -> ! {
    eprintln!("{why}\n{USAGE}");
    std::process::exit(2)
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

/// Nanoseconds that the threads of this process have waited for a core so far (Linux; elsewhere 0).
fn run_delay() -> u64 {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return 0 };
    let one = |path: std::path::PathBuf| -> Option<u64> {
        std::fs::read_to_string(path.join("schedstat")).ok()?.split_whitespace().nth(1)?.parse().ok()
    };
    tasks.flatten().filter_map(|t| one(t.path())).sum()
}

/// Measures how long something takes, and how long our threads wait for cores meanwhile.
struct Watch {
    began: Instant,
    delay: u64,
}

impl Watch {
    fn start() -> Watch {
        let delay = run_delay();
        Watch { began: Instant::now(), delay }
    }
    /// Both in seconds. Threads that have ended meanwhile are not counted: stop before dropping an engine.
    fn stop(&self) -> (f64, f64) {
        let took = self.began.elapsed().as_secs_f64();
        (took, run_delay().saturating_sub(self.delay) as f64 / 1e9)
    }
}

/// On a shared machine a pass counts only if our threads hardly waited for a core meanwhile. Passes are repeated until
/// enough of them were clean or the patience (of the whole programme) is used up.
struct Patience {
    left: Cell<f64>,
    /// Clean passes of the worst figure so far.
    fewest: Cell<usize>,
}

impl Patience {
    /// The best clean pass, in seconds; the best of all if none was clean.
    fn best(&self, passes: usize, mut pass: impl FnMut() -> (f64, f64)) -> f64 {
        let (mut clean, mut best, mut any, mut tries) = (0, f64::MAX, f64::MAX, 0);
        while clean < passes && (tries < passes || self.left.get() > 0.0) {
            let t = Instant::now();
            let (took, waited) = pass();
            any = any.min(took);
            if waited < 0.02 * took {
                clean += 1;
                best = best.min(took);
            }
            tries += 1;
            if tries > passes {
                self.left.set(self.left.get() - t.elapsed().as_secs_f64());
            }
        }
        self.fewest.set(self.fewest.get().min(clean));
        if clean > 0 { best } else { any }
    }

    /// Clean passes of the worst figure since the last call.
    fn fewest(&self) -> usize {
        self.fewest.replace(usize::MAX)
    }
}

/// `independent`: no account is in two of them.
fn transfers(n: usize, accounts: usize, independent: bool, steps: u32) -> Vec<Transfer> {
    let mut x = 0x9E37_79B9_7F4A_7C15u64;
    let mut random = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        x as usize
    };
    (0..n)
        .map(|i| {
            let (from, to) = if independent {
                (i, n + i)
            } else {
                let from = random() % accounts;
                let to = random() % (accounts - 1);
                (from, to + usize::from(to >= from))
            };
            Transfer { from, to, amount: 1 + random() as u64 % 10, steps }
        })
        .collect()
}

const START: u64 = 1_000_000;

fn sequential(txs: &[Transfer], accounts: usize) -> ((f64, f64), Vec<u64>) {
    let mut state = vec![START; accounts];
    let t = Watch::start();
    for tx in txs {
        let (f, g) = (state[tx.from], state[tx.to]);
        black_box(work(tx.steps, f));
        if f >= tx.amount {
            state[tx.from] = f - tx.amount;
            state[tx.to] = g + tx.amount;
        }
    }
    (t.stop(), state)
}

/// A hasher of one multiplication: the cheapest sequential code that finds its accounts by key.
#[derive(Default)]
struct Multiply(u64);

impl Hasher for Multiply {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|b| self.write_u64(u64::from(*b)));
    }
    fn write_u64(&mut self, x: u64) {
        self.0 = (self.0.rotate_left(5) ^ x).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

/// As [`sequential`], over a hash map.
#[allow(clippy::disallowed_types, reason = "a yardstick: nothing iterates over it")]
fn hashed(txs: &[Transfer], accounts: usize) -> (f64, f64) {
    type Map = std::collections::HashMap<u64, u64, BuildHasherDefault<Multiply>>;
    let mut state: Map = (0..accounts as u64).map(|k| (k, START)).collect();
    let t = Watch::start();
    for tx in txs {
        let (f, g) = (state[&(tx.from as u64)], state[&(tx.to as u64)]);
        black_box(work(tx.steps, f));
        if f >= tx.amount {
            state.insert(tx.from as u64, f - tx.amount);
            state.insert(tx.to as u64, g + tx.amount);
        }
    }
    let took = t.stop();
    black_box(&state);
    took
}

struct Bank {
    stm: Stm,
    cells: Vec<TxCell<u64>>,
}

impl Bank {
    fn new(kind: Kind, accounts: usize) -> Bank {
        let builder =
            if kind.threads == 0 { Stm::builder().sequential() } else { Stm::builder().threads(kind.threads) };
        let builder = builder.mode(kind.mode).run_ahead(kind.ahead);
        let builder = if kind.group { builder.group_certification(true) } else { builder };
        let mut stm = builder.build().unwrap();
        let cells = (0..accounts).map(|_| stm.cell(START)).collect();
        Bank { stm, cells }
    }
    fn pass(&mut self, txs: &[Transfer]) {
        let cells = &self.cells;
        let out = self.stm.execute(txs, |tx, t| {
            let (a, b) = (cells[t.from], cells[t.to]);
            let (f, g) = (a.get(tx)?, b.get(tx)?);
            black_box(work(t.steps, f));
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

/// How an engine is built; no threads: the sequential executor.
#[derive(Clone, Copy)]
struct Kind {
    threads: usize,
    mode: Mode,
    ahead: bool,
    group: bool,
}

/// Best of some passes: reused engine, all-in (engine, cells and slots made inside the clock), executions per transaction.
fn measure(
    txs: &[Transfer],
    accounts: usize,
    kind: Kind,
    passes: usize,
    want: &[u64],
    patience: &Patience,
) -> (f64, f64, f64) {
    let mut bank = Bank::new(kind, accounts);
    let reused = patience.best(passes, || {
        bank.reset();
        bank.stm.reset_stats();
        let t = Watch::start();
        bank.pass(txs);
        let took = t.stop();
        assert!(bank.state() == want, "result differs from the sequential loop");
        took
    });
    let executions = bank.stm.stats().executions_per_transaction();
    let all_in = patience.best(passes.div_ceil(2), || {
        let t = Watch::start();
        let mut fresh = Bank::new(kind, accounts);
        fresh.pass(txs);
        let took = t.stop();
        assert!(fresh.state() == want, "result differs from the sequential loop");
        took
    });
    (reused, all_in, executions)
}

fn counters(n: usize, steps: u32, threads: &[usize], passes: usize, patience: &Patience) {
    let txs = transfers(n, 10, false, steps);
    let mut state = Vec::new();
    let seq = patience.best(passes, || {
        state = vec![START as i64; 10];
        let t = Watch::start();
        for tx in &txs {
            black_box(work(tx.steps, tx.amount));
            if state[tx.from] >= tx.amount as i64 {
                state[tx.from] -= tx.amount as i64;
                state[tx.to] += tx.amount as i64;
            }
        }
        t.stop()
    });
    print!("10 counters    {:8.0}", seq * 1e9 / n as f64);
    for &threads in threads {
        let mut stm = Stm::builder().threads(threads).build().unwrap();
        let best = patience.best(passes, || {
            let c: Vec<TxCounter> = (0..10).map(|_| stm.counter(START as i64)).collect();
            let t = Watch::start();
            let out = stm.execute(&txs, |tx, t| {
                black_box(work(t.steps, t.amount));
                if c[t.from].try_sub(tx, t.amount as i64, 0..=i64::MAX)? {
                    c[t.to].add(tx, t.amount as i64)?;
                }
                Ok(())
            });
            let took = t.stop();
            assert_eq!(out.unwrap().len(), n);
            let got: Vec<i64> = stm.run(|tx| c.iter().map(|c| c.get(tx)).collect()).unwrap().committed().unwrap();
            assert!(got == state, "counters differ from the sequential loop");
            took
        });
        print!(
            " | {threads} threads, auto: {:8.0} x{:.2}, executions {:.2}",
            best * 1e9 / n as f64,
            seq / best,
            stm.stats().executions_per_transaction()
        );
    }
    println!();
}

fn memory_bound(n: usize, threads: &[usize], passes: usize, patience: &Patience) {
    let len: u64 = 8 << 20;
    let field: Vec<u32> = (0..len).map(|i| ((i * 2_654_435_761 + 12_345) % len) as u32).collect();
    let seq = patience.best(passes, || {
        let mut cells = vec![0u64; n];
        let t = Watch::start();
        for (i, c) in cells.iter_mut().enumerate() {
            *c = c.wrapping_add(walk(200, i as u64 * 7919, &field));
        }
        let took = t.stop();
        black_box(&cells);
        took
    });
    print!("memory walk    {:8.0}", seq * 1e9 / n as f64);
    let jobs: Vec<usize> = (0..n).collect();
    for &threads in threads {
        let mut stm = Stm::builder().threads(threads).build().unwrap();
        let cells: Vec<TxCell<u64>> = (0..n).map(|_| stm.cell(0)).collect();
        let best = patience.best(passes, || {
            let t = Watch::start();
            let out = stm
                .execute(&jobs, |tx, &i| cells[i].update(tx, |v| v.wrapping_add(walk(200, i as u64 * 7919, &field))));
            let took = t.stop();
            assert_eq!(out.unwrap().len(), n);
            took
        });
        print!(" | {threads} threads, auto: {:8.0} x{:.2}", best * 1e9 / n as f64, seq / best);
    }
    println!();
}

const KINDS: [&str; 5] = ["Sequential", "pure", "group", "speculative", "auto"];
const ROWS: [&str; 5] = ["independent", "1000", "100", "10", "2"];

fn kind(part: &str) -> String {
    if !KINDS.iter().any(|known| known.contains(part)) {
        usage(&format!("unknown kind {part}: parts of {}", KINDS.join(", ")));
    }
    part.to_string()
}

fn number<T: std::str::FromStr>(option: &str, text: &str) -> T {
    text.parse().unwrap_or_else(|_| usage(&format!("{option} does not take '{text}'")))
}

fn main() {
    let (mut n, mut passes, mut threads, mut only) = (10_000usize, 9usize, vec![1usize, 2], String::new());
    let mut works = vec![0.0, 1_000.0, 10_000.0];
    let mut kinds: Vec<String> = Vec::new();
    let mut seconds = 0.0;
    let (mut many, mut from) = (0u64, 0u64);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--help" | "-h" => {
                println!("{USAGE}");
                return;
            }
            "--quick" => {
                (n, passes) = (2_000, 3);
                continue;
            }
            _ => {}
        }
        let Some(value) = args.next() else { usage(&format!("{arg} is unknown or lacks a value")) };
        match arg.as_str() {
            "--n" => n = number(&arg, &value),
            "--passes" => passes = number::<usize>(&arg, &value).max(1),
            "--threads" => threads = value.split(',').map(|one| number::<NonZero<usize>>(&arg, one).get()).collect(),
            "--work" => works = value.split(',').map(|one| number(&arg, one)).collect(),
            "--kinds" => kinds = value.split(',').map(kind).collect(),
            "--shapes" => many = number(&arg, &value),
            "--from" => from = number(&arg, &value),
            "--patience" => seconds = number(&arg, &value),
            "--only" if ROWS.contains(&value.as_str()) => only = value,
            "--only" => usage(&format!("unknown row {value}: one of {}", ROWS.join(", "))),
            _ => usage(&format!("unknown option {arg}")),
        }
    }
    let patience = Patience { left: Cell::new(seconds), fewest: Cell::new(usize::MAX) };
    let step = nanos_per_step();
    let most = threads.iter().copied().max().unwrap_or(1);
    if many > 0 {
        std::process::exit(i32::from(shapes::shapes(from, many, most, step) > 0));
    }
    println!(
        "{n} transfers, best of {passes}, ns per transaction; one work step {step:.3} ns; core share of {most} threads {:.2}",
        core_share(most)
    );
    println!(
        "case                seq  hashed | executor: reused (ratio to seq), all-in (ratio), executions per transaction"
    );
    for (name, accounts) in ROWS.into_iter().map(|name| (name, name.parse().unwrap_or(2 * n))) {
        if !only.is_empty() && only != name {
            continue;
        }
        for &nanos in &works {
            let txs = transfers(n, accounts, name == ROWS[0], (nanos / step) as u32);
            let mut want = Vec::new();
            let seq = patience.best(passes, || {
                let (took, state) = sequential(&txs, accounts);
                want = state;
                took
            });
            let map = patience.best(passes, || hashed(&txs, accounts));
            print!("{name:11} {nanos:6.0} {:7.1} {:7.1}", seq * 1e9 / n as f64, map * 1e9 / n as f64);
            let show = |what: &str, kind: Kind| {
                let asked = kinds.iter().any(|part| what.contains(part.as_str()));
                if !asked && (kind.group || !kinds.is_empty()) {
                    return;
                }
                let (reused, all_in, executions) = measure(&txs, accounts, kind, passes, &want, &patience);
                print!(
                    " | {what} {:.2} (x{:.2}), {:.2} (x{:.2}), {executions:.2}",
                    reused * 1e9 / n as f64,
                    seq / reused,
                    all_in * 1e9 / n as f64,
                    seq / all_in
                );
            };
            let auto = Kind { threads: most, mode: Mode::Auto, ahead: true, group: false };
            show("Sequential", Kind { threads: 0, ..auto });
            for &threads in &threads {
                let speculative = Kind { threads, mode: Mode::Speculative, ..auto };
                show(&format!("{threads} pure"), Kind { ahead: false, ..speculative });
                show(&format!("{threads} group"), Kind { ahead: false, group: true, ..speculative });
                show(&format!("{threads} speculative"), speculative);
            }
            show(&format!("{most} auto"), auto);
            println!("  [clean passes {}]", patience.fewest());
        }
    }
    if !only.is_empty() {
        return;
    }
    for nanos in works.iter().copied().filter(|w| *w > 0.0) {
        counters(n, (nanos / step) as u32, &threads, passes, &patience);
    }
    memory_bound(n, &threads, passes, &patience);
}
