//! Runs seeds. Exit code: 0 all promises kept, 1 one was not, 3 stuck, 4 a node died without leave, 2 wrong use.

mod sequenced_runs;

use clap::{Parser, ValueEnum};
use replicode_sim::consensus::{Outcome, Verdict, run};
use replicode_sim::plan::{Kinds, Plan, SECOND};
use replicode_sim::world::disk::Plant;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Profile {
    /// Replicas as they are, over a machine that only counts.
    Consensus,
    /// Clients, nodes and logs as they are, under a stand-in that orders batches.
    Sequenced,
}

/// Runs clusters under virtual time, with faults that a seed decides.
#[derive(Parser)]
struct Arguments {
    /// What is run.
    #[arg(long, value_enum, default_value_t = Profile::Consensus)]
    profile: Profile,
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How many at the same time.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Begins no further seed after so many seconds.
    #[arg(long)]
    budget: Option<u64>,
    /// Without faults.
    #[arg(long)]
    calm: bool,
    /// Plants a mistake that must be found: syncs, names; of the profile 'sequenced': false-end, mixed, flip.
    #[arg(long)]
    plant: Option<String>,
    /// Prints the plan.
    #[arg(long)]
    plan: bool,
    /// Prints a line for each seed: seed, hash, verdict.
    #[arg(long)]
    each: bool,
    /// Goes on after a seed that failed.
    #[arg(long)]
    keep_going: bool,
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    time: u64,
    polls: u64,
    datagrams: u64,
    batches: u64,
    inputs: u64,
    terms: u64,
    crashes: u64,
    disks: u64,
    slowest: u64,
    code: u8,
}

fn tell(seed: u64, outcome: &Outcome, again: &str) {
    let (what, why) = match &outcome.verdict {
        Verdict::Kept => return,
        Verdict::Broken(broken) => (broken.promise, broken.what.as_str()),
        Verdict::Stuck(why) => ("stuck", why.as_str()),
        Verdict::Died(why) => ("died", why.as_str()),
    };
    println!("seed {seed}: {what}: {why}\n  again: replicode-sim --seed {seed}{again} --plan");
}

fn main() -> ExitCode {
    // Nothing, unless RUST_LOG asks: nodes that die on purpose complain.
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::OFF.into());
    let filter = filter.from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let arguments = Arguments::parse();
    if arguments.profile == Profile::Sequenced {
        return sequenced_runs::run(&arguments);
    }
    let kinds = if arguments.calm { Kinds::NONE } else { Kinds::ALL };
    let plant = match arguments.plant.as_deref() {
        None => None,
        Some(name) => match Plant::named(name) {
            None => {
                eprintln!("nothing called {name:?} can be planted: syncs, names");
                return ExitCode::from(2);
            }
            plant => plant,
        },
    };
    let again = arguments.plant.as_ref().map(|name| format!(" --plant {name}")).unwrap_or_default()
        + if arguments.calm { " --calm" } else { "" };
    #[allow(clippy::disallowed_methods, reason = "how long all of it takes is no part of a run")]
    let began = std::time::Instant::now();
    let (next, over, sums) = (AtomicU64::new(arguments.seed), AtomicBool::new(false), Mutex::new(Sums::default()));
    let work = || {
        while !over.load(Ordering::Relaxed)
            && arguments.budget.is_none_or(|budget| began.elapsed() < Duration::from_secs(budget))
        {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= arguments.seed + arguments.seeds {
                return;
            }
            let plan = Plan { plant, ..Plan::of(seed, kinds) };
            if arguments.plan {
                for step in &plan.steps {
                    println!("{step}");
                }
                println!("{:?}", Plan { steps: Vec::new(), ..plan.clone() });
            }
            let outcome = match run(seed, &plan) {
                Ok(outcome) => outcome,
                Err(error) => {
                    eprintln!("seed {seed}: the world cannot be made: {error}");
                    over.store(true, Ordering::Relaxed);
                    if let Ok(mut sums) = sums.lock() {
                        sums.code = 2;
                    }
                    return;
                }
            };
            let Ok(mut sums) = sums.lock() else { return };
            if arguments.each {
                println!("{seed} {:016x} {}", outcome.trace, outcome.verdict.code());
            }
            tell(seed, &outcome, &again);
            sums.seeds += 1;
            sums.time += outcome.time;
            sums.polls += outcome.polls;
            sums.datagrams += outcome.datagrams.0;
            sums.batches += outcome.batches;
            sums.inputs += outcome.inputs;
            sums.terms += outcome.terms;
            sums.crashes += outcome.crashes;
            sums.disks += outcome.disks;
            sums.slowest = sums.slowest.max(outcome.converged);
            if outcome.verdict.code() != 0 {
                sums.code = outcome.verdict.code();
                over.store(!arguments.keep_going, Ordering::Relaxed);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..arguments.jobs.max(1) {
            scope.spawn(work);
        }
    });
    let Ok(mut sums) = sums.into_inner() else { return ExitCode::from(4) };
    if sums.seeds == 0 && sums.code == 0 {
        eprintln!("not one seed was run within the time that --budget gives");
        sums.code = 2;
    }
    let (virtual_s, real_s) = (sums.time as f64 / SECOND as f64, began.elapsed().as_secs_f64());
    println!(
        "{} seeds, {virtual_s:.0} s of cluster time in {real_s:.1} s ({:.0} x): {} crashes, {} terms, {} failed disks, {} batches, {} inputs acknowledged, {} datagrams, {} turns; slowest to converge {:.1} s{}",
        sums.seeds,
        virtual_s / real_s,
        sums.crashes,
        sums.terms,
        sums.disks,
        sums.batches,
        sums.inputs,
        sums.datagrams,
        sums.polls,
        sums.slowest as f64 / SECOND as f64,
        if sums.code == 0 { "; all promises kept" } else { "" }
    );
    ExitCode::from(sums.code)
}
