//! The profiles: what of a node is real in a run, and what stands in for the rest.

use crate::faults::Kinds;
use crate::outcome::Outcome;
use crate::plan::Plan;
use serde::{Deserialize, Serialize};

/// A profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Replicas over real QUIC and TLS, with a machine that only counts.
    #[default]
    Consensus,
}

impl Profile {
    /// The plan of a seed.
    #[must_use]
    pub fn plan(self, seed: u64, kinds: Kinds) -> Plan {
        match self {
            Self::Consensus => Plan::of(seed, kinds),
        }
    }

    /// Carries a plan out. `story`: whether what happens is to be told.
    ///
    /// # Errors
    /// The world cannot be made.
    pub fn run(self, seed: u64, plan: &Plan, story: bool) -> anyhow::Result<Outcome> {
        match self {
            Self::Consensus => crate::consensus::run(seed, plan, story),
        }
    }
}
