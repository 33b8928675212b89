//! Seeds one after the other, several at a time, until one fails or the time is over.

use clap::Args;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Which seeds, and how.
#[derive(Args)]
pub struct Seeds {
    /// The first seed.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// How many.
    #[arg(long, default_value_t = 1)]
    pub seeds: u64,
    /// How many at the same time.
    #[arg(long, default_value_t = 1)]
    pub jobs: usize,
    /// Begins no further seed after so many seconds.
    #[arg(long)]
    pub budget: Option<u64>,
    /// Without faults.
    #[arg(long)]
    pub calm: bool,
    /// Prints the plan.
    #[arg(long)]
    pub plan: bool,
    /// Prints a line for each seed: seed, hash, verdict.
    #[arg(long)]
    pub each: bool,
    /// Goes on after a seed that failed.
    #[arg(long)]
    pub keep_going: bool,
}

/// The moment, for how long all of it takes.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "how long all of it takes is no part of a run")]
pub fn now() -> Instant {
    Instant::now()
}

impl Seeds {
    /// Runs each seed. `run` answers the exit code that the seed asks for; after another one than 0 no further seed is begun, unless
    /// they are to go on.
    ///
    /// # Errors
    /// That of `run`, or that it has panicked.
    pub fn run_each(&self, began: Instant, run: impl Fn(u64) -> anyhow::Result<u8> + Sync) -> anyhow::Result<()> {
        let (next, over) = (AtomicU64::new(self.seed), AtomicBool::new(false));
        let in_time = || self.budget.is_none_or(|budget| began.elapsed() < Duration::from_secs(budget));
        let work = || -> anyhow::Result<()> {
            while !over.load(Ordering::Relaxed) && in_time() {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= self.seed + self.seeds {
                    break;
                }
                if run(seed)? != 0 {
                    over.store(!self.keep_going, Ordering::Relaxed);
                }
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let jobs: Vec<_> = (0..self.jobs.max(1)).map(|_| scope.spawn(work)).collect();
            jobs.into_iter()
                .try_for_each(|job| job.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the simulator panicked"))))
        })
    }

    /// What of these has to be said again to repeat one of them.
    #[must_use]
    pub fn again(&self, plant: Option<&String>) -> String {
        let plant = plant.map(|name| format!(" --plant {name}")).unwrap_or_default();
        plant + if self.calm { " --calm" } else { "" }
    }
}
