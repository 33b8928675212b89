//! What proposers and acceptors write to their storage. The storage frames and checksums records (`core/storage`); this is what is in one.
//!
//! ```text
//! promise     1 u8 | round u64 | node u16
//! accept      2 u8 | round u64 | node u16 | slot u64 | batch
//! known       3 u8 | node u16 | incarnation u64
//! registered  4 u8
//! checkpoint  5 u8 | round u64 | node u16 | first u64 | registered u8 | count u32 | (node u16 | incarnation u64) …
//! round       6 u8 | round u64
//! ```

use crate::ids::{Ballot, Incarnation, NodeId, Slot};
use crate::wire::{Put, Reader, WireError};
use bytes::Bytes;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Record {
    /// Acceptor: nothing below this ballot will be accepted.
    Promise(Ballot),
    /// Acceptor: accepted (which promises the ballot too).
    Accept {
        /// The leadership.
        ballot: Ballot,
        /// The slot.
        slot: Slot,
        /// The batch; empty for a no-op.
        batch: Bytes,
    },
    /// Acceptor: that node's storage has that number.
    Known(NodeId, Incarnation),
    /// Acceptor: a majority of the others knows this storage; it may take part.
    Registered,
    /// Acceptor: everything above but accepted values, so that older records can go.
    Checkpoint {
        /// The highest promise.
        promised: Ballot,
        /// Slots below are forgotten.
        first: Slot,
        /// See [`Record::Registered`].
        registered: bool,
        /// See [`Record::Known`].
        known: Vec<(NodeId, Incarnation)>,
    },
    /// Proposer: this round is used up.
    Round(u64),
}

fn put_ballot(out: &mut Vec<u8>, ballot: Ballot) {
    out.put_u64(ballot.round);
    out.put_u16(ballot.node.0);
}

fn ballot(r: &mut Reader<'_>) -> Result<Ballot, WireError> {
    Ok(Ballot { round: r.u64("a record's round")?, node: NodeId(r.u16("a record's node")?) })
}

impl Record {
    /// The encoded record.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.size());
        match self {
            Record::Promise(ballot) => {
                out.put_u8(1);
                put_ballot(&mut out, *ballot);
            }
            Record::Accept { ballot, slot, batch } => {
                out.put_u8(2);
                put_ballot(&mut out, *ballot);
                out.put_u64(slot.0);
                out.extend_from_slice(batch);
            }
            Record::Known(node, incarnation) => {
                out.put_u8(3);
                out.put_u16(node.0);
                out.put_u64(incarnation.0);
            }
            Record::Registered => out.put_u8(4),
            Record::Checkpoint { promised, first, registered, known } => {
                out.put_u8(5);
                put_ballot(&mut out, *promised);
                out.put_u64(first.0);
                out.put_u8(u8::from(*registered));
                out.put_u32(known.len() as u32);
                for (node, incarnation) in known {
                    out.put_u16(node.0);
                    out.put_u64(incarnation.0);
                }
            }
            Record::Round(round) => {
                out.put_u8(6);
                out.put_u64(*round);
            }
        }
        out
    }

    fn size(&self) -> usize {
        match self {
            Record::Accept { batch, .. } => 19 + batch.len(),
            Record::Checkpoint { known, .. } => 24 + 10 * known.len(),
            _ => 11,
        }
    }

    /// Reads a record. The batch of an accept is a part of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Record, WireError> {
        let mut r = Reader::new(bytes);
        let record = match r.u8("a record's kind")? {
            1 => Record::Promise(ballot(&mut r)?),
            2 => {
                let ballot = ballot(&mut r)?;
                let slot = Slot(r.u64("a record's slot")?);
                let batch = bytes.slice(r.at()..);
                r.take(r.left(), "a record's batch")?;
                Record::Accept { ballot, slot, batch }
            }
            3 => Record::Known(NodeId(r.u16("a record's node")?), Incarnation(r.u64("a record's incarnation")?)),
            4 => Record::Registered,
            5 => {
                let promised = ballot(&mut r)?;
                let first = Slot(r.u64("a record's slot")?);
                let registered = r.u8("a record's flag")? != 0;
                let count = r.count(10, "a record's number of nodes")?;
                let mut known = Vec::with_capacity(count);
                for _ in 0..count {
                    known.push((NodeId(r.u16("a record's node")?), Incarnation(r.u64("a record's incarnation")?)));
                }
                Record::Checkpoint { promised, first, registered, known }
            }
            6 => Record::Round(r.u64("a record's round")?),
            other => return Err(WireError::new(0, format!("no record has the kind {other}"))),
        };
        r.end("a record")?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_comes_back() {
        for record in [
            Record::Promise(Ballot::new(3, NodeId(2))),
            Record::Accept { ballot: Ballot::new(3, NodeId(2)), slot: Slot(9), batch: Bytes::from_static(b"abc") },
            Record::Accept { ballot: Ballot::new(3, NodeId(2)), slot: Slot(9), batch: Bytes::new() },
            Record::Known(NodeId(1), Incarnation(5)),
            Record::Registered,
            Record::Checkpoint {
                promised: Ballot::new(1, NodeId(1)),
                first: Slot(4),
                registered: true,
                known: vec![(NodeId(2), Incarnation(6)), (NodeId(3), Incarnation(7))],
            },
            Record::Round(12),
        ] {
            let bytes = Bytes::from(record.encode());
            assert!(bytes.len() <= record.size(), "{record:?}");
            assert_eq!(Record::decode(&bytes), Ok(record));
        }
        assert!(Record::decode(&Bytes::from_static(&[9])).is_err());
        assert!(Record::decode(&Bytes::from_static(&[4, 0])).is_err());
    }
}
