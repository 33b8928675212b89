//! Stands in for consensus: one place that makes batches of what nodes send it, as a leader does, and counts whose disk has what.
//!
//! History never forks here, so that most of a run's time goes to what is above. But what has been sent may be lost, twice there,
//! or late, and what is agreed on is what a majority has made durable.

use bytes::Bytes;
use replicode_log::{BatchIndex, Digest, LogicalTime, Tip};
use replicode_pacing::{Batcher, Parcel, Progress};

use super::plan::Plan;
use crate::world::executor::Nanos;
use crate::world::seeds::Stream;

/// See the module.
#[derive(Debug)]
pub struct Sequencer {
    batcher: Batcher,
    tip: Tip,
    /// All batches that were ever made, encoded, with their digests.
    pub history: Vec<(Bytes, Digest)>,
    /// How many of them each node has made durable, as far as it has told.
    durable: Vec<u64>,
    /// How many are agreed on.
    pub agreed: u64,
    progress: u64,
    draws: Stream,
}

impl Sequencer {
    /// The beginning of history.
    #[must_use]
    pub fn new(seed: u64, plan: &Plan, config: Digest) -> Self {
        let mut batcher = Batcher::new(plan.pipeline, plan.batch.0, plan.batch.1);
        let tip = Tip::genesis(config);
        batcher.lead(tip);
        let draws = Stream::new(seed, &[45]);
        Self { batcher, tip, history: Vec::new(), durable: vec![0; plan.nodes], agreed: 0, progress: 0, draws }
    }

    /// A node has sent this.
    pub fn push(&mut self, parcel: Parcel) {
        self.batcher.push(parcel);
    }

    /// A node's machine has come this far.
    pub fn applied(&mut self, progress: Progress) {
        if progress.index.0 >= self.progress {
            self.progress = progress.index.0;
            self.batcher.applied(progress);
        }
    }

    /// A node has made so many batches durable. Answers whether more are agreed on because of it.
    pub fn made_durable(&mut self, node: usize, count: u64) -> bool {
        self.durable[node] = self.durable[node].max(count);
        let mut sorted = self.durable.clone();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let agreed = sorted[sorted.len() / 2];
        let more = agreed > self.agreed;
        self.agreed = self.agreed.max(agreed);
        more
    }

    /// How many batches a node has told to be durable.
    #[must_use]
    pub fn durable(&self, node: usize) -> u64 {
        self.durable[node]
    }

    /// Another leader: what is in no batch is gone.
    pub fn forget(&mut self) {
        self.batcher.follow();
        self.batcher.lead(self.tip);
        // It knows what is applied, as every leader does.
        let (index, next_deadline) = (BatchIndex(self.progress), None);
        self.batcher.applied(Progress { index, next_deadline, next_seq: 0 });
    }

    /// Makes the batches that are due. Answers whether there were any.
    pub fn work(&mut self, now: Nanos) -> bool {
        let before = self.history.len();
        let draws = &mut self.draws;
        while let Some(proposal) = self.batcher.next(LogicalTime::from_nanos(now), || draws.draw()) {
            // Nothing is refused here, so nothing is proposed again.
            let Some(tip) = self.tip.advance(&proposal.encoded) else { break };
            self.tip = tip;
            self.history.push((proposal.encoded, tip.content));
        }
        self.history.len() > before
    }

    /// When a batch is due even if nothing comes.
    #[must_use]
    pub fn deadline(&self) -> Option<Nanos> {
        self.batcher.deadline().map(LogicalTime::nanos)
    }
}
