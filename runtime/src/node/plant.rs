//! A planted nondeterminism, for the tests that must find it. Only in builds with the feature `planted-nondeterminism`,
//! and there only when `REPLICODE_PLANT` is set to the number of a batch.
//!
//! At that batch the seed differs on this node, as if its generator were broken; at the first batch from there on that
//! brings bytes, one bit of them is flipped, as if its memory were.

use replicode_log::{Batch, Input};

/// What is planted on this node.
#[derive(Debug, Default)]
pub struct Plant {
    at: Option<u64>,
    done: bool,
}

impl Plant {
    /// Reads the environment.
    #[must_use]
    pub fn from_env() -> Self {
        let at = std::env::var("REPLICODE_PLANT").ok().and_then(|text| text.parse().ok());
        Self { at, done: false }
    }

    /// Spoils the batch that is due.
    pub fn spoil(&mut self, batch: &mut Batch) {
        let Some(at) = self.at.filter(|at| !self.done && batch.header.index.0 >= *at) else { return };
        if batch.header.index.0 == at {
            batch.header.seed ^= 1;
        }
        for input in batch.sections.iter_mut().flat_map(|section| &mut section.inputs) {
            if let Input::Data { bytes, .. } = input
                && let Some(last) = bytes.last_mut()
            {
                *last ^= 1;
                self.done = true;
                return;
            }
        }
    }
}
