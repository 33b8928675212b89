//! Runs random blocks on many engines and compares each result, byte by byte, with an independent interpreter.
//!
//! Every block runs on every thread count of `--threads`, on a direct engine, and every eighth one on the seeded engine.
//! Window and mode change from epoch to epoch (32 blocks), by a rule that depends on the seed alone. Engines live for an
//! epoch, so no thread is started per block (but for the seeded engine, whose workers block each other on purpose).
//!
//! `cargo run -p replicode-stm --release --example equal -- --blocks 1000000`
//!
//! With `--features mutants` and `--mutant NAME` the engine is broken on purpose; then this must find a difference.

#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "not the room itself: clocks, threads and arguments are its own"
)]

#[path = "../tests/program/mod.rs"]
mod program;

use program::{Program, Result as Outcomes, execute, execute_on, interpret, quiet_panics, random_program};
#[cfg(feature = "mutants")]
use replicode_stm::mutants::Mutant;
use replicode_stm::{Builder, Mode, Revert, Stats, Stm};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

const USAGE: &str = "usage: equal [--blocks N] [--from SEED | --only SEED] [--threads 1,2,3,4,8] [--windows 1,2,16,64]
             [--modes plain,chaos,yield,alternate,group,auto] [--txs 64] [--seeded-every 8] [--lanes N]
  --blocks        blocks to run, one per seed (default 10000)
  --from          first seed (default 0); the progress lines say where to go on after an interruption
  --only          one block on fresh engines with every thread count, window and mode, watched
  --threads       thread counts; every block runs on each of them
  --windows       windows, in transactions above the commit index
  --modes         chaos: hints lie; yield: transactions give up the processor inside; alternate: direct and speculative
                  segments; group: group certification; auto: as shipped
  --txs           most transactions of a block
  --seeded-every  which share of the blocks runs on the seeded engine too
  --lanes         blocks side by side (default: processors)
exit codes: 0 all equal, 1 a difference, 2 wrong usage, 3 a hang";

/// Blocks that share their engines.
const EPOCH: u64 = 32;
/// A block takes milliseconds; a lane that has stood still for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

fn usage(why: &str) -> ! {
    eprintln!("{why}\n{USAGE}");
    std::process::exit(2)
}

#[derive(Clone)]
struct Plan {
    blocks: u64,
    from: u64,
    only: bool,
    threads: Vec<usize>,
    windows: Vec<usize>,
    modes: Vec<String>,
    txs: u64,
    seeded_every: u64,
    lanes: usize,
}

const MODES: [&str; 6] = ["plain", "chaos", "yield", "alternate", "group", "auto"];

impl Plan {
    fn parse() -> Plan {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let mut plan = Plan {
            blocks: 10_000,
            from: 0,
            only: false,
            threads: vec![1, 2, 3, 4, 8],
            windows: vec![1, 2, 16, 64],
            modes: MODES.map(String::from).to_vec(),
            txs: 64,
            seeded_every: 8,
            lanes,
        };
        let mut args = std::env::args().skip(1);
        while let Some(arg) = args.next() {
            if arg == "--help" || arg == "-h" {
                println!("{USAGE}");
                std::process::exit(0);
            }
            let value = args.next().unwrap_or_else(|| usage(&format!("{arg} needs a value")));
            let number =
                || value.parse::<u64>().unwrap_or_else(|_| usage(&format!("{arg} needs a number, not {value:?}")));
            let list = || -> Vec<usize> {
                let one = |v: &str| v.parse().unwrap_or_else(|_| usage(&format!("{arg} needs numbers, not {value:?}")));
                value.split(',').map(one).collect()
            };
            match arg.as_str() {
                "--blocks" => plan.blocks = number(),
                "--from" | "--seed" => plan.from = number(),
                "--only" => (plan.from, plan.blocks, plan.only) = (number(), 1, true),
                "--txs" => plan.txs = number().max(1),
                "--threads" => plan.threads = list(),
                "--windows" => plan.windows = list(),
                "--modes" => plan.modes = value.split(',').map(String::from).collect(),
                "--seeded-every" => plan.seeded_every = number().max(1),
                "--lanes" => plan.lanes = number().max(1) as usize,
                #[cfg(feature = "mutants")]
                "--mutant" => match Mutant::ALL.iter().find(|m| format!("{m:?}") == value) {
                    Some(m) => replicode_stm::mutants::set(*m),
                    None => usage(&format!("unknown mutant {value}: one of {:?}", Mutant::ALL)),
                },
                _ => usage(&format!("unknown option {arg}")),
            }
        }
        if let Some(unknown) = plan.modes.iter().find(|m| !MODES.contains(&m.as_str())) {
            usage(&format!("unknown mode {unknown}: one of {}", MODES.join(",")));
        }
        plan
    }

    /// One past the last seed.
    fn end(&self) -> u64 {
        self.from.saturating_add(self.blocks)
    }

    /// Which engines run an epoch: one per thread count, then the direct one.
    fn engines(&self, epoch: u64) -> Vec<Choice> {
        let mut all: Vec<Choice> = (0u64..)
            .zip(&self.threads)
            .map(|(k, &threads)| {
                // Neighbouring thread counts are in different modes, and a mode meets each window in turn.
                let turn = epoch + k;
                let mode = &self.modes[(turn % self.modes.len() as u64) as usize];
                let round = turn / self.modes.len() as u64 + k;
                let window = self.windows[(round % self.windows.len() as u64) as usize];
                Choice { threads, window, mode: mode.clone(), seed: epoch }
            })
            .collect();
        let direct = if epoch.is_multiple_of(2) { "sequential" } else { "direct" };
        all.push(Choice { threads: 1, window: 16, mode: direct.to_string(), seed: epoch });
        all
    }

    /// The seeded engine for one block. It lives for that block: its seed is the block's.
    fn seeded(&self, seed: u64) -> Option<Choice> {
        let turn = seed / self.seeded_every;
        seed.is_multiple_of(self.seeded_every).then(|| Choice {
            threads: self.threads[(turn % self.threads.len() as u64) as usize],
            window: self.windows[(turn / self.threads.len() as u64 % self.windows.len() as u64) as usize],
            mode: "seeded".to_string(),
            seed,
        })
    }
}

/// An engine, in words.
#[derive(Clone)]
struct Choice {
    threads: usize,
    window: usize,
    mode: String,
    seed: u64,
}

impl Choice {
    fn builder(&self) -> Builder {
        let base = Stm::builder().threads(self.threads).window(self.window).mode(Mode::Speculative);
        let audited = base.clone().audit(true);
        match self.mode.as_str() {
            "chaos" => audited.chaos(self.seed),
            "alternate" => audited.mode(Mode::Alternate(1 + (self.seed % 9) as u32)),
            "group" => audited.group_certification(true),
            "auto" => base.mode(Mode::Auto),
            "direct" => base.mode(Mode::Direct),
            "sequential" => base.sequential(),
            "seeded" => audited.seeded(self.seed, self.threads).chaos(self.seed),
            _ => audited,
        }
    }

    fn jitter(&self, seed: u64) -> u64 {
        if self.mode == "yield" { seed | 1 } else { 0 }
    }

    fn label(&self) -> String {
        format!("mode {}, {} threads, window {}", self.mode, self.threads, self.window)
    }
}

/// What was covered, for the summary.
#[derive(Default)]
struct Tally {
    blocks: u64,
    runs: u64,
    transactions: u64,
    reverts: u64,
    panics: u64,
    stopped: u64,
    cut: u64,
    by_keys: BTreeMap<usize, u64>,
    by_threads: BTreeMap<usize, u64>,
    by_window: BTreeMap<usize, u64>,
    by_mode: BTreeMap<String, u64>,
    stats: Stats,
}

impl Tally {
    fn block(&mut self, p: &Program, want: &Outcomes) {
        self.blocks += 1;
        self.transactions += want.outcomes.len() as u64;
        *self.by_keys.entry(p.keys).or_default() += 1;
        self.stopped += u64::from(want.fatal_at.is_some());
        self.cut += u64::from(want.fatal_at.is_none() && want.outcomes.len() < p.txs.len());
        for (code, _) in want.outcomes.iter().filter_map(|o| o.as_ref().err()) {
            self.reverts += 1;
            self.panics += u64::from(*code == Revert::PANIC);
        }
    }

    fn run(&mut self, choice: &Choice) {
        self.runs += 1;
        *self.by_mode.entry(choice.mode.clone()).or_default() += 1;
        if choice.mode != "sequential" && choice.mode != "direct" {
            *self.by_threads.entry(choice.threads).or_default() += 1;
            *self.by_window.entry(choice.window).or_default() += 1;
        }
    }

    fn engine(&mut self, s: &Stats) {
        let t = &mut self.stats;
        t.transactions += s.transactions;
        t.direct += s.direct;
        t.executions += s.executions;
        t.by_certification += s.by_certification;
        t.by_push += s.by_push;
        t.by_own_check += s.by_own_check;
        t.by_doom += s.by_doom;
        t.by_estimate += s.by_estimate;
        t.by_chaos += s.by_chaos;
        t.takeovers += s.takeovers;
        t.group_commits += s.group_commits;
        t.audited += s.audited;
    }

    fn merge(&mut self, other: Tally) {
        self.engine(&other.stats);
        self.blocks += other.blocks;
        self.runs += other.runs;
        self.transactions += other.transactions;
        self.reverts += other.reverts;
        self.panics += other.panics;
        self.stopped += other.stopped;
        self.cut += other.cut;
        fn add<K: Ord>(to: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
            from.into_iter().for_each(|(k, n)| *to.entry(k).or_default() += n);
        }
        add(&mut self.by_keys, other.by_keys);
        add(&mut self.by_threads, other.by_threads);
        add(&mut self.by_window, other.by_window);
        add(&mut self.by_mode, other.by_mode);
    }

    fn print(&self) {
        fn list<K: std::fmt::Display>(of: &BTreeMap<K, u64>) -> String {
            of.iter().map(|(k, n)| format!("{k}: {n}")).collect::<Vec<_>>().join(", ")
        }
        let s = &self.stats;
        println!(
            "  {} transactions per engine: {} reverted (of which {} by panic), {} blocks stopped early, {} ended by a hook",
            self.transactions, self.reverts, self.panics, self.stopped, self.cut
        );
        println!("  blocks by number of keys    {}", list(&self.by_keys));
        println!("  comparisons by threads      {}", list(&self.by_threads));
        println!("  comparisons by window       {}", list(&self.by_window));
        println!("  comparisons by mode         {}", list(&self.by_mode));
        println!(
            "  {} speculative executions, {} direct; committed reads audited: {} transactions",
            s.executions, s.direct, s.audited
        );
        println!(
            "  executions thrown away: {} by certification, {} by push, {} by own check, {} by doom, {} at an estimate, {} by chaos; {} taken over, {} committed in groups",
            s.by_certification,
            s.by_push,
            s.by_own_check,
            s.by_doom,
            s.by_estimate,
            s.by_chaos,
            s.takeovers,
            s.group_commits
        );
    }
}

/// Compares one result; a difference ends the process with everything needed to see it again.
fn compare(seed: u64, p: &Program, want: &Outcomes, got: &Outcomes, choice: &Choice) {
    if got == want {
        return;
    }
    let epoch = seed / EPOCH * EPOCH;
    println!("DIFFERENT: seed {seed}, {}", choice.label());
    println!("that block alone:  --only {seed}");
    println!("as it happened:    --from {epoch} --blocks {} --lanes 1", seed - epoch + 1);
    println!("want {want:?}\n got {got:?}\nprogram {p:#?}");
    std::process::exit(1);
}

/// Where a lane is, for the watch: seed + 1 (0: nowhere) and when it got there.
type Place = Mutex<Option<(u64, String, Instant)>>;

fn run_epoch(plan: &Plan, epoch: u64, place: &Place) -> Tally {
    let mut tally = Tally::default();
    let choices = plan.engines(epoch);
    let mut engines: Vec<Stm> = choices
        .iter()
        .map(|c| c.builder().build().unwrap_or_else(|why| usage(&format!("{}: {why}", c.label()))))
        .collect();
    let seeds = (epoch * EPOCH).max(plan.from)..((epoch + 1) * EPOCH).min(plan.end());
    let at = |seed: u64, choice: &Choice| {
        *place.lock().unwrap_or_else(|e| e.into_inner()) = Some((seed, choice.label(), Instant::now()));
    };
    for seed in seeds.clone() {
        let p = random_program(seed, plan.txs);
        let want = interpret(&p);
        tally.block(&p, &want);
        let batches = 1 + (seed % 3) as usize;
        for (choice, stm) in choices.iter().zip(&mut engines) {
            at(seed, choice);
            let got = execute_on(stm, &p, batches, choice.jitter(seed));
            tally.run(choice);
            compare(seed, &p, &want, &got, choice);
        }
        if let Some(choice) = plan.seeded(seed) {
            at(seed, &choice);
            let mut stm = choice.builder().build().unwrap_or_else(|why| usage(&why.to_string()));
            let got = execute_on(&mut stm, &p, batches, 0);
            tally.run(&choice);
            compare(seed, &p, &want, &got, &choice);
            retire(&mut tally, &choice, &stm, seed, seed);
        }
    }
    for (choice, stm) in choices.iter().zip(&engines) {
        retire(&mut tally, choice, stm, seeds.start, seeds.end - 1);
    }
    *place.lock().unwrap_or_else(|e| e.into_inner()) = None;
    tally
}

/// The audit looks at every committed read: it finds blocks that were right by luck.
fn retire(tally: &mut Tally, choice: &Choice, stm: &Stm, first: u64, last: u64) {
    let stats = stm.stats();
    if stats.audit_failures > 0 {
        println!("AUDIT: {} reads that no sequential run makes, {}", stats.audit_failures, choice.label());
        println!("in a block between: --from {first} --blocks {} --lanes 1", last - first + 1);
        std::process::exit(1);
    }
    tally.engine(&stats);
}

/// One block on fresh engines, everything with everything.
fn run_only(plan: &Plan) {
    let seed = plan.from;
    let p = random_program(seed, plan.txs);
    let want = interpret(&p);
    println!("seed {seed}: {} transactions on {} keys", p.txs.len(), p.keys);
    let (mut runs, batches) = (0, 1 + (seed % 3) as usize);
    let modes = plan.modes.iter().map(String::as_str).chain(["seeded", "direct", "sequential"]);
    for mode in modes {
        for &threads in &plan.threads {
            for &window in &plan.windows {
                let choice = Choice { threads, window, mode: mode.to_string(), seed };
                let (got, stats) = execute(&p, &choice.builder(), batches);
                compare(seed, &p, &want, &got, &choice);
                if stats.audit_failures > 0 {
                    println!("AUDIT: {} reads that no sequential run makes, {}", stats.audit_failures, choice.label());
                    std::process::exit(1);
                }
                runs += 1;
            }
        }
    }
    println!("{runs} runs equal");
}

fn lane(plan: &Plan, next: &AtomicU64, place: &Place, done: &Sender<(u64, Tally)>) {
    loop {
        let epoch = next.fetch_add(1, Relaxed);
        if epoch * EPOCH >= plan.end() || done.send((epoch, run_epoch(plan, epoch, place))).is_err() {
            return;
        }
    }
}

fn minutes(d: Duration) -> String {
    format!("{} min {:02} s", d.as_secs() / 60, d.as_secs() % 60)
}

fn main() {
    let plan = Plan::parse();
    quiet_panics();
    if plan.only {
        return run_only(&plan);
    }
    let began = Instant::now();
    let first = plan.from / EPOCH;
    let next = AtomicU64::new(first);
    let places: Vec<Place> = (0..plan.lanes).map(|_| Mutex::new(None)).collect();
    let (send, receive) = channel();
    let mut total = Tally::default();
    // Epochs finish out of order: everything below `finished` is done.
    let (mut finished, mut early) = (first, BTreeMap::<u64, ()>::new());
    std::thread::scope(|scope| {
        for place in &places {
            let (send, plan, next) = (send.clone(), &plan, &next);
            scope.spawn(move || lane(plan, next, place, &send));
        }
        drop(send);
        let mut said = Instant::now();
        loop {
            match receive.recv_timeout(Duration::from_secs(1)) {
                Ok((epoch, tally)) => {
                    total.merge(tally);
                    early.insert(epoch, ());
                    while early.remove(&finished).is_some() {
                        finished += 1;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            watch(&places);
            if said.elapsed() >= Duration::from_secs(10) {
                said = Instant::now();
                let rate = total.blocks as f64 / began.elapsed().as_secs_f64();
                let left = Duration::from_secs_f64((plan.blocks - total.blocks) as f64 / rate.max(0.001));
                println!(
                    "{} of {} blocks equal, {rate:.0} per second, {} left; to go on later: --from {} --blocks {}",
                    total.blocks,
                    plan.blocks,
                    minutes(left),
                    (finished * EPOCH).max(plan.from),
                    plan.end() - (finished * EPOCH).clamp(plan.from, plan.end())
                );
            }
        }
    });
    let took = began.elapsed();
    println!(
        "{} blocks equal to sequential: seeds {} to {}, {} comparisons, {} ({:.0} blocks per second)",
        total.blocks,
        plan.from,
        plan.end().saturating_sub(1),
        total.runs,
        minutes(took),
        total.blocks as f64 / took.as_secs_f64()
    );
    total.print();
}

fn watch(places: &[Place]) {
    for place in places {
        let place = place.lock().unwrap_or_else(|e| e.into_inner());
        if let Some((seed, what, since)) = place.as_ref().filter(|(_, _, since)| since.elapsed() > PATIENCE) {
            let waited = since.elapsed().as_secs();
            println!("HANG: seed {seed}, {what}: nothing for {waited} s; the engine's own dump: --only {seed}");
            std::process::exit(3);
        }
    }
}
