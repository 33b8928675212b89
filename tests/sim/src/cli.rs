//! The command line. Exit code: 0 all promises kept, 1 one was not, 3 stuck, 4 a node died without leave, 2 wrong use.

use crate::campaign::{Seeds, now};
use crate::faults::Kinds;
use crate::mutants;
use crate::outcome::{Outcome, Verdict};
use crate::plan::{Plan, SECOND};
use crate::plant;
use crate::profiles::Profile;
use crate::report::bundle::Bundle;
use crate::report::shrink::{events, shrink};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Runs clusters under virtual time, with faults that a seed decides.
#[derive(Parser)]
#[command(args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// What of a node is real.
    #[arg(long, value_enum, default_value_t)]
    profile: Profile,
    #[command(flatten)]
    seeds: Seeds,
    /// Plants a mistake that must be found.
    #[arg(long)]
    plant: Option<String>,
    /// Keeps runs that fail, each in a file of this directory.
    #[arg(long)]
    keep: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Runs what was kept once more.
    Repro {
        /// The file.
        run: PathBuf,
    },
    /// Makes a run that fails smaller, beside the one that is given.
    Shrink {
        /// The file.
        run: PathBuf,
        /// For how long at most.
        #[arg(long, default_value_t = 5)]
        minutes: u64,
    },
    /// Tells what happens in a run, in order.
    Why {
        /// The file.
        run: PathBuf,
    },
    /// Runs everything that is kept in a directory: each must end as it is to.
    Corpus {
        /// The directory.
        dir: PathBuf,
    },
    /// Plants mistakes, each of which must be found by the checker that is meant to find it.
    Mutants {
        /// Which; all if none is named. `turn:N`: four, others for other N.
        names: Vec<String>,
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// Begins with the seeds by which they were found once.
        #[arg(long)]
        known: bool,
        /// How many at most, for each.
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// Makes what is found smaller, and says how small it is.
        #[arg(long)]
        shrink: bool,
    },
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
    losses: u64,
    spots: u64,
    slowest: u64,
    code: u8,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.time += outcome.time;
        self.polls += outcome.polls;
        self.datagrams += outcome.datagrams.0;
        self.batches += outcome.batches;
        self.inputs += outcome.inputs;
        self.terms += outcome.terms;
        self.crashes += outcome.crashes;
        self.disks += outcome.disks;
        self.losses += outcome.losses;
        self.spots += outcome.spots;
        self.slowest = self.slowest.max(outcome.converged);
        if outcome.verdict.code() != 0 {
            self.code = outcome.verdict.code();
        }
    }
}

/// Does what the command line says.
#[must_use]
pub fn main() -> ExitCode {
    // Nothing, unless RUST_LOG asks: nodes that die on purpose complain.
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing_subscriber::filter::LevelFilter::OFF.into());
    let filter = filter.from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    let arguments = Arguments::parse();
    let done = match &arguments.command {
        None => seeds(&arguments),
        Some(Command::Repro { run }) => repro(run),
        Some(Command::Shrink { run, minutes }) => smaller(run, *minutes),
        Some(Command::Why { run }) => why(run),
        Some(Command::Corpus { dir }) => corpus(dir),
        Some(Command::Mutants { names, seed, known, seeds, shrink }) => {
            find_mutants(names, (!known).then_some(*seed), *seeds, *shrink)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(2)
        }
    }
}

fn seeds(arguments: &Arguments) -> anyhow::Result<u8> {
    let kinds = if arguments.seeds.calm { Kinds::NONE } else { Kinds::ALL };
    drop(plant::plant(arguments.plant.as_deref())?);
    let (began, sums) = (now(), Mutex::new(Sums::default()));
    arguments.seeds.run_each(began, |seed| {
        let plan = Plan { plant: arguments.plant.clone(), ..arguments.profile.plan(seed, kinds) };
        if arguments.seeds.plan {
            for step in &plan.steps {
                println!("{step}");
            }
            println!("{:?}", Plan { steps: Vec::new(), ..plan.clone() });
        }
        let outcome = arguments.profile.run(seed, &plan, false)?;
        let mut sums = sums.lock().map_err(|_| anyhow::anyhow!("the simulator panicked"))?;
        if arguments.seeds.each {
            println!("{seed} {:016x} {}", outcome.trace, outcome.verdict.code());
        }
        tell(arguments, seed, &plan, &outcome)?;
        sums.add(&outcome);
        Ok(outcome.verdict.code())
    })?;
    let sums = sums.into_inner().map_err(|_| anyhow::anyhow!("the simulator panicked"))?;
    anyhow::ensure!(sums.seeds > 0, "not one seed was run within the time that --budget gives");
    summary(&sums, began);
    Ok(sums.code)
}

/// Of a run that failed: what is wrong, where it is kept, how to repeat it.
fn tell(arguments: &Arguments, seed: u64, plan: &Plan, outcome: &Outcome) -> anyhow::Result<()> {
    if outcome.verdict == Verdict::Kept {
        return Ok(());
    }
    println!("seed {seed}: {}", outcome.verdict);
    if let Some(dir) = &arguments.keep {
        let path = dir.join(seed.to_string());
        Bundle::of(arguments.profile, seed, plan, outcome).write(&path)?;
        println!("  again: replicode-sim repro {0}   what happened: replicode-sim why {0}", path.display());
        return Ok(());
    }
    let again = arguments.seeds.again(arguments.plant.as_ref());
    println!("  again: replicode-sim --seed {seed}{again} --plan");
    Ok(())
}

fn summary(sums: &Sums, began: Instant) {
    let (virtual_s, real_s) = (sums.time as f64 / SECOND as f64, began.elapsed().as_secs_f64());
    println!(
        "{} seeds, {virtual_s:.0} s of cluster time in {real_s:.1} s ({:.0} x): {} crashes, {} terms, {} failed disks, {} rotten or replaced ones, {} syncs on the spot, {} batches, {} inputs acknowledged, {} datagrams, {} turns; slowest to converge {:.1} s{}",
        sums.seeds,
        virtual_s / real_s,
        sums.crashes,
        sums.terms,
        sums.disks,
        sums.losses,
        sums.spots,
        sums.batches,
        sums.inputs,
        sums.datagrams,
        sums.polls,
        sums.slowest as f64 / SECOND as f64,
        if sums.code == 0 { "; all promises kept" } else { "" }
    );
}

fn repro(path: &Path) -> anyhow::Result<u8> {
    let bundle = Bundle::read(path)?;
    let outcome = bundle.run(false)?;
    println!("seed {}: {}", bundle.seed, outcome.verdict);
    let same = format!("{:016x}", outcome.trace) == bundle.trace;
    match (outcome.verdict.name() == bundle.expected, same) {
        (true, true) => println!("  the same run as before, to the last decision"),
        (true, false) => println!("  the same verdict by another run: version {} made it", bundle.version),
        (false, _) => println!("  it was to end with {:?}; version {} made it", bundle.expected, bundle.version),
    }
    Ok(outcome.verdict.code())
}

fn why(path: &Path) -> anyhow::Result<u8> {
    let bundle = Bundle::read(path)?;
    let outcome = bundle.run(true)?;
    if !bundle.about.is_empty() {
        println!("{}", bundle.about);
    }
    println!("seed {}, {} nodes: {}\n", bundle.seed, bundle.plan.nodes, outcome.verdict);
    print!("{}", outcome.story);
    Ok(outcome.verdict.code())
}

fn smaller(path: &Path, minutes: u64) -> anyhow::Result<u8> {
    let (bundle, began) = (Bundle::read(path)?, now());
    let (small, runs) = shrink(&bundle, &|| began.elapsed() < Duration::from_secs(60 * minutes))?;
    let to = path.with_extension("small");
    small.write(&to)?;
    println!(
        "{} events of {} are left, {} nodes of {}, after {runs} runs: {}",
        events(&small.plan),
        events(&bundle.plan),
        small.plan.nodes,
        bundle.plan.nodes,
        to.display()
    );
    Ok(0)
}

#[allow(clippy::disallowed_methods, reason = "what is kept is in files")]
fn corpus(dir: &Path) -> anyhow::Result<u8> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir)?.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
    paths.sort();
    anyhow::ensure!(!paths.is_empty(), "there is nothing kept in {}", dir.display());
    let mut wrong = 0;
    for path in &paths {
        let bundle = Bundle::read(path)?;
        let outcome = bundle.run(false)?;
        if outcome.verdict.name() != bundle.expected {
            wrong += 1;
            println!("{}: {} (was to be {:?}): {}", path.display(), outcome.verdict, bundle.expected, bundle.about);
        }
    }
    println!("{} runs of the corpus, {wrong} of them not as they are to be", paths.len());
    Ok(u8::from(wrong > 0))
}

fn find_mutants(names: &[String], from: Option<u64>, seeds: u64, smaller: bool) -> anyhow::Result<u8> {
    let known = plant::names();
    let all: Vec<mutants::Mutant> = mutants::ALL.into_iter().filter(|mutant| known.contains(&mutant.name)).collect();
    let chosen: Vec<mutants::Mutant> = match names {
        [] => all,
        [turn] if turn.starts_with("turn:") => {
            let turn: usize = turn[5..].parse().map_err(|why| anyhow::anyhow!("{turn:?} names no turn: {why}"))?;
            (0..4.min(all.len())).map(|n| all[(turn * 4 + n) % all.len()]).collect()
        }
        names => {
            for name in names {
                anyhow::ensure!(
                    all.iter().any(|known| known.name == name),
                    "there is no mistake {name:?}: {}",
                    known.join(", ")
                );
            }
            all.into_iter().filter(|mutant| names.iter().any(|wanted| wanted == mutant.name)).collect()
        }
    };
    let (mut missed, mut sizes) = (0, Vec::new());
    for mutant in chosen {
        let began = now();
        let found = match mutants::find(mutant, from.unwrap_or(mutant.known), seeds) {
            Ok(found) => found,
            Err(error) => {
                missed += 1;
                println!("{error}");
                continue;
            }
        };
        let others =
            if found.others.is_empty() { String::new() } else { format!(", {} fell otherwise", found.others.len()) };
        print!("{}: seed {}, {} tried{others}, {}", mutant.name, found.seed, found.tried, found.outcome.verdict);
        if smaller {
            let bundle = Bundle::of(Profile::Consensus, found.seed, &found.plan, &found.outcome);
            let (small, runs) = shrink(&bundle, &|| began.elapsed() < Duration::from_secs(120))?;
            let (before, after) = (events(&bundle.plan), events(&small.plan));
            sizes.push(after);
            print!("; {after} events of {before} after {runs} runs");
        }
        println!(" ({:.1} s)", began.elapsed().as_secs_f64());
    }
    sizes.sort_unstable();
    if let Some(median) = sizes.get(sizes.len() / 2) {
        println!("{median} events in the median");
    }
    Ok(u8::from(missed > 0))
}
