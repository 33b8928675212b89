//! Runs seeds of the profile `sequenced`.

use clap::Parser;
use replicode_sim::campaign::{Seeds, now};
use replicode_sim::outcome::Verdict;
use replicode_sim::plan::SECOND;
use replicode_sim::sequenced::plan::{Mistake, Plan};
use replicode_sim::sequenced::{self, Outcome};
use std::process::ExitCode;
use std::sync::Mutex;

/// Runs clients, nodes and logs as they are, under a stand-in that orders batches, with faults that a seed decides. Exit code: 0 all promises
/// kept, 1 one was not, 3 stuck, 4 a node died without leave, 2 wrong use.
#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    seeds: Seeds,
    /// Plants a mistake that must be found: false-end, mixed, flip.
    #[arg(long)]
    plant: Option<String>,
}

#[derive(Default)]
struct Sums {
    seeds: u64,
    time: u64,
    events: u64,
    executed: u64,
    connections: u64,
    finished: u64,
    bytes: u64,
    crashes: u64,
    disks: u64,
    boots: u64,
    slowest: u64,
    code: u8,
}

impl Sums {
    fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.time += outcome.time;
        self.events += outcome.events;
        self.executed += outcome.executed;
        self.connections += outcome.connections;
        self.finished += outcome.finished;
        self.bytes += outcome.bytes;
        self.crashes += outcome.crashes;
        self.disks += outcome.disks;
        self.boots += outcome.boots;
        self.slowest = self.slowest.max(outcome.converged);
    }
}

fn tell(seed: u64, outcome: &Outcome, again: &str) {
    let (what, why) = match &outcome.verdict {
        Verdict::Kept => return,
        Verdict::Broken(broken) => (&broken.promise[..], broken.what.as_str()),
        Verdict::Stuck(why) => ("stuck", why.as_str()),
        Verdict::Died(why) => ("died", why.as_str()),
    };
    println!("seed {seed}: {what}: {why}\n  again: replicode-sim-sequenced --seed {seed}{again} --plan");
}

/// Runs one seed.
fn run_seed(arguments: &Arguments, seed: u64, mistake: Option<Mistake>) -> anyhow::Result<Outcome> {
    let plan = Plan { mistake, ..Plan::of(seed, arguments.seeds.calm) };
    if arguments.seeds.plan {
        for step in &plan.steps {
            println!("{step}");
        }
        println!("{:?}", Plan { steps: Vec::new(), ..plan.clone() });
    }
    sequenced::run(seed, &plan)
}

/// Runs all seeds that the arguments name.
fn run_all(arguments: &Arguments, mistake: Option<Mistake>) -> ExitCode {
    let again = arguments.seeds.again(arguments.plant.as_ref());
    let (began, sums) = (now(), Mutex::new(Sums::default()));
    let ran = arguments.seeds.run_each(began, |seed| {
        let outcome = run_seed(arguments, seed, mistake);
        let mut sums = sums.lock().map_err(|_| anyhow::anyhow!("the simulator panicked"))?;
        let code = match &outcome {
            Ok(outcome) => {
                if arguments.seeds.each {
                    println!("{seed} {:016x} {}", outcome.trace, outcome.verdict.code());
                }
                tell(seed, outcome, &again);
                sums.add(outcome);
                outcome.verdict.code()
            }
            Err(error) => {
                eprintln!("seed {seed}: the world cannot be made: {error}");
                2
            }
        };
        if code != 0 {
            sums.code = code;
        }
        Ok(code)
    });
    if let Err(error) = ran {
        eprintln!("{error:#}");
        return ExitCode::from(4);
    }
    let Ok(mut sums) = sums.into_inner() else { return ExitCode::from(4) };
    if sums.seeds == 0 && sums.code == 0 {
        eprintln!("not one seed was run within the time that --budget gives");
        sums.code = 2;
    }
    let (virtual_s, real_s) = (sums.time as f64 / SECOND as f64, began.elapsed().as_secs_f64());
    println!(
        "{} seeds, {virtual_s:.0} s of cluster time in {real_s:.1} s ({:.0} x): {} crashes, {} failed disks, {} boots, {} batches executed, {} connections, {} of them to their end, {} bytes read, {} events; slowest to converge {:.1} s{}",
        sums.seeds,
        virtual_s / real_s,
        sums.crashes,
        sums.disks,
        sums.boots,
        sums.executed,
        sums.connections,
        sums.finished,
        sums.bytes,
        sums.events,
        sums.slowest as f64 / SECOND as f64,
        if sums.code == 0 { "; all promises kept" } else { "" }
    );
    ExitCode::from(sums.code)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mistake = match arguments.plant.as_deref() {
        None => None,
        Some("false-end") => Some(Mistake::FalseEnd),
        Some("mixed") => Some(Mistake::Mixed),
        Some("flip") => Some(Mistake::Flip),
        Some(name) => {
            eprintln!("nothing called {name:?} can be planted in this profile: false-end, mixed, flip");
            return ExitCode::from(2);
        }
    };
    run_all(&arguments, mistake)
}
