//! The last batches, in little room: what `log` shows of a node that runs.

use replicode_log::{Batch, BatchIndex, Call, Digest, Input, LogicalTime, Order};
use std::collections::VecDeque;

/// Batches that are remembered.
pub const REMEMBERED: usize = 4096;
const KINDS: usize = 13;

/// The last batches. [`Recent::handle_batch`] before one is applied, [`Recent::handle_digest`] after it.
#[derive(Debug, Default)]
pub struct Recent {
    rows: VecDeque<Summary>,
}

/// What is remembered of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Its index.
    pub index: BatchIndex,
    /// Its time.
    pub time: LogicalTime,
    /// Length of its encoding.
    pub bytes: u64,
    /// Digest of its encoding.
    pub content: Digest,
    /// The state digest after it.
    pub digest: Digest,
    kinds: [u32; KINDS],
    /// Bit n stands for node n.
    origins: [u64; 4],
}

/// Position of an input's kind in [`NAMES`].
const fn kind(input: &Input) -> usize {
    match input {
        Input::Boot { .. } => 0,
        Input::NodeDown { .. } => 1,
        Input::Spawn(_) => 2,
        Input::Kill { .. } | Input::Order { order: Order::Kill { .. }, .. } => 3,
        Input::Open { .. } => 4,
        Input::Data { .. } => 5,
        Input::HalfClose { .. } => 6,
        Input::Reset { .. } => 7,
        Input::Acked { .. } => 8,
        Input::Report { .. } => 9,
        Input::Order { order: Order::Start { .. }, .. } => 10,
        Input::Call(Call::Submit { .. }) => 11,
        Input::Call(Call::Open { .. }) => 12,
    }
}

const NAMES: [&str; KINDS] = [
    "boot",
    "node-down",
    "spawn",
    "kill",
    "open",
    "data",
    "half-close",
    "reset",
    "acked",
    "report",
    "start",
    "call",
    "client",
];

impl Recent {
    /// A batch is about to be applied.
    pub fn handle_batch(&mut self, batch: &Batch, bytes: usize, content: Digest) {
        let mut kinds = [0; KINDS];
        let mut origins = [0; 4];
        for section in &batch.sections {
            let node = section.origin.get() as usize;
            origins[node / 64] |= 1 << (node % 64);
            for input in &section.inputs {
                kinds[kind(input)] += 1;
            }
        }
        if self.rows.len() == REMEMBERED {
            self.rows.pop_front();
        }
        let (index, time) = (batch.header.index, batch.header.time);
        self.rows.push_back(Summary { index, time, bytes: bytes as u64, content, digest: content, kinds, origins });
    }

    /// The digest that the last batch amounted to.
    pub fn handle_digest(&mut self, digest: Digest) {
        if let Some(last) = self.rows.back_mut() {
            last.digest = digest;
        }
    }

    /// Those from an index on, or the last ones; `limit` at most.
    ///
    /// # Errors
    /// When `from` is too long ago: the oldest index that is remembered.
    pub fn rows(&self, from: Option<u64>, limit: u64) -> Result<Vec<Summary>, BatchIndex> {
        let Some(first) = self.rows.front().map(|row| row.index.0) else { return Ok(Vec::new()) };
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let skip = match from {
            Some(from) if from < first && first > 1 => return Err(BatchIndex(first)),
            Some(from) => usize::try_from(from.saturating_sub(first)).unwrap_or(usize::MAX),
            None => self.rows.len().saturating_sub(limit),
        };
        Ok(self.rows.iter().skip(skip).take(limit).copied().collect())
    }
}

impl Summary {
    /// How many inputs of which kind it has; those that it has.
    pub fn inputs(&self) -> impl Iterator<Item = (&'static str, u32)> {
        NAMES.into_iter().zip(self.kinds).filter(|(_, count)| *count > 0)
    }

    /// Nodes whose inputs it holds, ascending.
    pub fn origins(&self) -> impl Iterator<Item = u64> {
        let origins = self.origins;
        (1..256).filter(move |n| origins[n / 64] >> (n % 64) & 1 == 1).map(|n| n as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchBuilder, BatchHeader, BootNo, ConnId, NodeId, Pid};

    fn batch(index: u64) -> Batch {
        let mut builder = BatchBuilder::new(10, 1000);
        for n in [200, 3] {
            let node = NodeId::new(n).expect("valid");
            builder.push(node, BootNo(1), 1, Input::Reset { conn: ConnId::console(Pid(1)) });
        }
        builder.push(NodeId::new(3).expect("valid"), BootNo(1), 9, Input::Boot { nonce: 1 });
        let time = LogicalTime::from_nanos(index);
        builder.finish(BatchHeader { index: BatchIndex(index), time, seed: 0, parent: Digest::ZERO })
    }

    #[test]
    fn a_summary_says_what_the_batch_says() {
        let mut recent = Recent::default();
        recent.handle_batch(&batch(1), 99, Digest::ZERO);
        recent.handle_digest(Digest::of(b"x"));
        let rows = recent.rows(None, 5).expect("none is too long ago");
        assert_eq!((rows.len(), rows[0].index, rows[0].bytes), (1, BatchIndex(1), 99));
        assert_eq!(rows[0].digest, Digest::of(b"x"));
        assert_eq!(rows[0].inputs().collect::<Vec<_>>(), [("boot", 1), ("reset", 2)]);
        assert_eq!(rows[0].origins().collect::<Vec<_>>(), [3, 200]);
    }

    #[test]
    fn names_are_those_of_the_log() {
        let inputs = batch(1).sections.into_iter().flat_map(|section| section.inputs);
        assert!(inputs.into_iter().all(|input| NAMES[kind(&input)] == input.name()));
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let mut recent = Recent::default();
        for index in 1..=REMEMBERED as u64 + 5 {
            recent.handle_batch(&batch(index), 1, Digest::ZERO);
        }
        let indexes =
            |from, limit| recent.rows(from, limit).map(|rows| rows.iter().map(|r| r.index.0).collect::<Vec<_>>());
        let last = REMEMBERED as u64 + 5;
        assert_eq!(indexes(None, 2), Ok(vec![last - 1, last]));
        assert_eq!(indexes(Some(6), 2), Ok(vec![6, 7]));
        assert_eq!(indexes(Some(last + 1), 2), Ok(vec![]));
        assert_eq!(indexes(Some(5), 2), Err(BatchIndex(6)));
    }
}
