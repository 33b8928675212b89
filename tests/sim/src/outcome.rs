//! How a run ended, and what happened in it.

use crate::checkers::Broken;
use crate::world::executor::Nanos;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// All promises were kept.
    Kept,
    /// One was not.
    Broken(Broken),
    /// It did not converge.
    Stuck(String),
    /// A node died without leave.
    Died(String),
}

impl Verdict {
    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::Kept => 0,
            Self::Broken(_) => 1,
            Self::Stuck(_) => 3,
            Self::Died(_) => 4,
        }
    }

    /// What is wrong, in a word: the same for runs that fail alike.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Kept => "kept",
            Self::Broken(broken) => &broken.promise,
            Self::Stuck(_) => "stuck",
            Self::Died(_) => "died",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kept => f.write_str("all promises kept"),
            Self::Broken(Broken { promise, what }) => write!(f, "{promise}: {what}"),
            Self::Stuck(why) => write!(f, "stuck: {why}"),
            Self::Died(why) => write!(f, "died: {why}"),
        }
    }
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub verdict: Verdict,
    /// Hash of everything that was decided.
    pub trace: u64,
    /// Virtual time.
    pub time: Nanos,
    /// Turns of tasks.
    pub polls: u64,
    /// Datagrams, and how many of them were lost.
    pub datagrams: (u64, u64),
    /// Batches agreed on.
    pub batches: u64,
    /// Inputs acknowledged.
    pub inputs: u64,
    /// Terms that had a leader.
    pub terms: u64,
    /// Crashes.
    pub crashes: u64,
    /// Disks that failed.
    pub disks: u64,
    /// Disks on which something rotted and was named, and disks that were replaced.
    pub losses: u64,
    /// Syncs on the spot.
    pub spots: u64,
    /// How long it took to converge.
    pub converged: Nanos,
    /// What happened, if it was asked for.
    pub story: String,
}
