//! Whether a batch continues the history. Pure, and decided alike on every node.
//!
//! A leader makes batches ahead of their commitment. When it is deposed, some may be committed after all, behind batches
//! of its successor: those do not fit any more and are skipped, by all nodes, at the same place. Their inputs are sent
//! again by the nodes they came from.

use crate::{Batch, BatchHeader, BatchIndex, Digest, LogicalTime};

/// The end of the history so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The last batch; 0 before the first.
    pub index: BatchIndex,
    /// Its time.
    pub time: LogicalTime,
    /// Its content: the parent of the next. Before the first batch, the digest of the cluster's configuration.
    pub content: Digest,
}

impl Tip {
    /// Before the first batch.
    #[must_use]
    pub const fn genesis(config: Digest) -> Self {
        Self { index: BatchIndex(0), time: LogicalTime::GENESIS, content: config }
    }

    /// The tip after `encoded`, if that batch continues the history: next index, this tip as parent, a later time.
    #[must_use]
    pub fn advance(&self, encoded: &[u8]) -> Option<Self> {
        if encoded.len() > Batch::MAX_ENCODED {
            return None;
        }
        let header = BatchHeader::peek(encoded).ok()?;
        let fits = header.index == self.index.next() && header.parent == self.content && header.time > self.time;
        fits.then(|| Self { index: header.index, time: header.time, content: Digest::of(encoded) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(index: u64, time: u64, parent: Digest) -> Vec<u8> {
        let header = BatchHeader { index: BatchIndex(index), time: LogicalTime::from_nanos(time), seed: 0, parent };
        Batch { header, sections: Vec::new() }.encode()
    }

    #[test]
    fn only_the_next_batch_fits() {
        let genesis = Tip::genesis(Digest::of(b"config"));
        let first = batch(1, 10, genesis.content);
        let Some(tip) = genesis.advance(&first) else { unreachable!("the first batch fits") };
        assert_eq!((tip.index, tip.content), (BatchIndex(1), Digest::of(&first)));
        assert!(tip.advance(&batch(2, 11, tip.content)).is_some());
        assert!(tip.advance(&first).is_none(), "a repeat");
        assert!(tip.advance(&batch(3, 11, tip.content)).is_none(), "a gap");
        assert!(tip.advance(&batch(2, 10, tip.content)).is_none(), "no later time");
        assert!(tip.advance(&batch(2, 11, genesis.content)).is_none(), "another parent");
        assert!(tip.advance(b"short").is_none());
    }
}
