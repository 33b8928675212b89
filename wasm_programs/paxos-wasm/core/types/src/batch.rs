//! What one slot of the log holds: commands, one after the other, or nothing (a no-op that fills a gap).
//!
//! ```text
//! origin u16 | round u64 | number u32 | count u32 | command …
//! ```
//! A no-op has no bytes at all. Everybody but the proposer that makes a batch and the kv-store that applies it carries it unread.

use crate::ids::NodeId;
use crate::wire::{Put, Reader, WireError};
use bytes::Bytes;

/// Bytes in front of the commands.
pub const BATCH_HEAD: usize = 2 + 8 + 4 + 4;

/// The name of a batch: who made it, in which of its rounds, as the how-manieth. Rounds are never reused, so neither are names, and a
/// proposer knows for certain whether a batch that was executed is one that it still owes answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct BatchId {
    /// The node whose clients' commands these are.
    pub origin: NodeId,
    /// The round of the leadership in which the batch was made. (It may be re-proposed in later ones.)
    pub round: u64,
    /// Counted within the round.
    pub number: u32,
}

/// The head of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// The batch's name.
    pub id: BatchId,
    /// How many commands follow.
    pub count: u32,
}

/// Splits a batch into head and commands; `None` for a no-op.
pub fn split(batch: &[u8]) -> Result<Option<(BatchHeader, &[u8])>, WireError> {
    if batch.is_empty() {
        return Ok(None);
    }
    let mut r = Reader::new(batch);
    let origin = NodeId(r.u16("a batch's origin")?);
    let round = r.u64("a batch's round")?;
    let number = r.u32("a batch's number")?;
    let count = r.u32("a batch's count")?;
    let commands = r.take(r.left(), "a batch's commands")?;
    Ok(Some((BatchHeader { id: BatchId { origin, round, number }, count }, commands)))
}

/// Joins commands that are already encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct BatchBuilder {
    bytes: Vec<u8>,
    count: u32,
}

impl BatchBuilder {
    /// Appends `count` encoded commands.
    pub fn push(&mut self, commands: &[u8], count: u32) {
        if self.bytes.is_empty() {
            self.bytes.resize(BATCH_HEAD, 0);
        }
        self.bytes.extend_from_slice(commands);
        self.count += count;
    }

    /// How many commands there are.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of the batch so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is no command.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch; the builder begins anew, with room for one of the same size.
    pub fn finish(&mut self, id: BatchId) -> Bytes {
        let room = self.bytes.len();
        let mut bytes = std::mem::replace(&mut self.bytes, Vec::with_capacity(room));
        let mut head = Vec::with_capacity(BATCH_HEAD);
        head.put_u16(id.origin.0);
        head.put_u64(id.round);
        head.put_u32(id.number);
        head.put_u32(self.count);
        if bytes.is_empty() {
            bytes.resize(BATCH_HEAD, 0);
        }
        bytes[..BATCH_HEAD].copy_from_slice(&head);
        self.count = 0;
        Bytes::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_its_head_and_its_commands() {
        let mut builder = BatchBuilder::default();
        builder.push(b"one", 1);
        builder.push(b"two", 1);
        let id = BatchId { origin: NodeId(3), round: 9, number: 4 };
        let batch = builder.finish(id);
        assert_eq!(&batch[..], b"\x03\0\x09\0\0\0\0\0\0\0\x04\0\0\0\x02\0\0\0onetwo");
        assert_eq!(split(&batch), Ok(Some((BatchHeader { id, count: 2 }, &b"onetwo"[..]))));
        assert!(builder.is_empty());
    }

    #[test]
    fn no_bytes_are_a_no_op_and_a_cut_head_is_an_error() {
        assert_eq!(split(&[]), Ok(None));
        assert!(split(&[1, 2, 3]).is_err());
    }
}
