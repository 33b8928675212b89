//! The unit of agreement, of replay and of blame.
//!
//! ```text
//! batch    = header, sections
//! header   = index u64, time u64, seed u64, parent 32 bytes
//! sections = count u32, then per section: origin u8, boot u32, first sequence u64, inputs (count u32, then each)
//! ```
//!
//! `parent` is the content digest of the previous batch, so a batch fits into one history only. See
//! `docs/formats/batch.md`.

use crate::{BatchIndex, BootNo, Digest, Input, LogicalTime, NodeId, codec};
use borsh::{BorshDeserialize, BorshSerialize};

/// What a leader decides about a batch besides its inputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct BatchHeader {
    /// Position in history; consecutive from 1.
    pub index: BatchIndex,
    /// The cell's clock while the batch is executed; later than that of every batch before.
    pub time: LogicalTime,
    /// Entropy drawn by the leader; feeds the generators of processes started in this batch.
    pub seed: u64,
    /// Content digest of the previous batch; for the first batch, the digest of the cluster configuration.
    pub parent: Digest,
}

impl BatchHeader {
    /// Encoded length in bytes. The header comes first in an encoded batch.
    pub const LEN: usize = 8 + 8 + 8 + 32;

    /// Reads only the header of an encoded batch.
    ///
    /// # Errors
    /// When the bytes are too short.
    pub fn peek(encoded: &[u8]) -> Result<Self, codec::CodecError> {
        let end = encoded.len().min(Self::LEN);
        codec::decode("batch header", &encoded[..end], Self::LEN)
    }
}

/// Consecutive inputs of one node.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Section {
    /// Who offers them.
    pub origin: NodeId,
    /// The boot of that node in which they were numbered; 0 for the [`Input::Boot`] that asks for a number.
    pub boot: BootNo,
    /// Sequence number of the first input; the others follow without a gap. The first input of a boot has number 1.
    pub first_seq: u64,
    /// The inputs, in the order in which they are to be admitted.
    pub inputs: Vec<Input>,
}

/// A batch of inputs with its place in history.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// What the leader decided.
    pub header: BatchHeader,
    /// The inputs by origin, in order of admission. Empty for a mere tick of the clock.
    pub sections: Vec<Section>,
}

impl Batch {
    /// The most bytes that an encoded batch may have; larger ones are refused when they are read.
    pub const MAX_ENCODED: usize = 16 << 20;

    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a batch back.
    ///
    /// # Errors
    /// When the bytes are more than [`Batch::MAX_ENCODED`], or not exactly one batch.
    pub fn decode(bytes: &[u8]) -> Result<Self, codec::CodecError> {
        codec::decode("batch", bytes, Self::MAX_ENCODED)
    }

    /// Number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sections.iter().map(|section| section.inputs.len()).sum()
    }

    /// Whether the batch is a mere tick of the clock.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sections.iter().all(|section| section.inputs.is_empty())
    }
}

/// Gathers inputs for the next batch under its caps.
///
/// One input always fits, however heavy, so that no input can block the line for ever.
#[derive(Debug)]
pub struct BatchBuilder {
    sections: Vec<Section>,
    inputs: usize,
    weight: usize,
    max_inputs: usize,
    max_weight: usize,
}

impl BatchBuilder {
    /// An empty batch that takes up to `max_inputs` inputs of up to `max_weight` bytes in all.
    #[must_use]
    pub const fn new(max_inputs: usize, max_weight: usize) -> Self {
        Self { sections: Vec::new(), inputs: 0, weight: 0, max_inputs, max_weight }
    }

    /// Whether nothing has been gathered.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.inputs == 0
    }

    /// Whether `input` may still join.
    #[must_use]
    pub fn has_room_for(&self, input: &Input) -> bool {
        self.is_empty() || (self.inputs < self.max_inputs && self.weight + input.weight() <= self.max_weight)
    }

    /// Adds an input, joining it to the section before when it continues that one.
    pub fn push(&mut self, origin: NodeId, boot: BootNo, seq: u64, input: Input) {
        self.inputs += 1;
        self.weight += input.weight();
        if let Some(last) = self.sections.last_mut()
            && (last.origin, last.boot) == (origin, boot)
            && last.first_seq + last.inputs.len() as u64 == seq
        {
            last.inputs.push(input);
            return;
        }
        self.sections.push(Section { origin, boot, first_seq: seq, inputs: vec![input] });
    }

    /// The batch, with its place in history. The builder is empty again afterwards.
    pub fn finish(&mut self, header: BatchHeader) -> Batch {
        self.inputs = 0;
        self.weight = 0;
        Batch { header, sections: std::mem::take(&mut self.sections) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConnId, Pid};

    fn header() -> BatchHeader {
        BatchHeader { index: BatchIndex(7), time: LogicalTime::from_nanos(9), seed: 11, parent: Digest::of(b"before") }
    }

    fn data(len: usize) -> Input {
        Input::Data { conn: ConnId::console(Pid(1)), offset: 0, bytes: vec![b'x'; len] }
    }

    fn node(n: u64) -> NodeId {
        NodeId::new(n).unwrap_or_else(|_| unreachable!("tests use valid numbers"))
    }

    #[test]
    fn round_trip_and_peek() {
        let mut builder = BatchBuilder::new(10, 1000);
        builder.push(node(1), BootNo(1), 1, data(3));
        let batch = builder.finish(header());
        let bytes = batch.encode();
        assert_eq!(Batch::decode(&bytes), Ok(batch));
        assert_eq!(BatchHeader::peek(&bytes), Ok(header()));
        assert!(BatchHeader::peek(&bytes[..BatchHeader::LEN - 1]).is_err());
        assert!(Batch::decode(&bytes[..bytes.len() - 1]).is_err());
    }

    #[test]
    fn consecutive_inputs_share_a_section() {
        let mut builder = BatchBuilder::new(10, 1000);
        for (origin, seq) in [(1, 1), (1, 2), (2, 1), (1, 3), (1, 5)] {
            builder.push(node(origin), BootNo(1), seq, data(1));
        }
        let batch = builder.finish(header());
        let shape: Vec<_> = batch.sections.iter().map(|s| (s.origin.get(), s.first_seq, s.inputs.len())).collect();
        assert_eq!(shape, [(1, 1, 2), (2, 1, 1), (1, 3, 1), (1, 5, 1)]);
        assert!(builder.is_empty());
    }

    #[test]
    fn caps_hold_but_one_input_always_fits() {
        let mut builder = BatchBuilder::new(2, 100);
        assert!(builder.has_room_for(&data(5000)));
        builder.push(node(1), BootNo(1), 1, data(10));
        assert!(builder.has_room_for(&data(10)));
        assert!(!builder.has_room_for(&data(100)));
        builder.push(node(1), BootNo(1), 2, data(10));
        assert!(!builder.has_room_for(&data(0)));
    }
}
