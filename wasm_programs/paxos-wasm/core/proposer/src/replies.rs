//! Who waits for which batch, and handing its replies out.

use crate::Output;
use crate::batching::Segment;
use paxos_types::{BatchId, Bytes, Limits, SlotReplies, reply};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The kind of a client frame with replies (see `paxos_types::client`).
const REPLIES: u8 = 2;

/// Batches that were proposed and whose replies are owed, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    batches: VecDeque<(BatchId, Vec<Segment>)>,
}

impl InFlight {
    pub(crate) fn push(&mut self, id: BatchId, segments: Vec<Segment>) {
        self.batches.push_back((id, segments));
    }

    /// Cuts the replies to executed batches into one frame per connection. Those to a batch that is not owed go nowhere: it was made in
    /// an earlier leadership, and its clients have been told to ask again.
    pub(crate) fn answer(&mut self, executed: &[SlotReplies], out: &mut Vec<Output>) {
        let mut frames: BTreeMap<u64, Vec<u8>> = BTreeMap::new();
        for SlotReplies { batch, replies } in executed {
            // Batches are executed in the order of their slots, so it is nearly always the first.
            let Some(at) = self.batches.iter().position(|(id, _)| id == batch) else { continue };
            let Some((_, segments)) = self.batches.remove(at) else { continue };
            let mut rest: &[u8] = replies;
            for Segment { connection, count } in segments {
                let len = reply::bytes_of(rest, count).unwrap_or(rest.len());
                let (part, behind) = rest.split_at(len);
                rest = behind;
                let frame = frames.entry(connection).or_default();
                if frame.len() + part.len() > Limits::CHUNK && !frame.is_empty() {
                    out.push(Output::Reply { connection, frame: Bytes::from(std::mem::take(frame)) });
                }
                if frame.is_empty() {
                    frame.reserve(part.len() + 1);
                    frame.push(REPLIES);
                }
                frame.extend_from_slice(part);
            }
        }
        out.extend(
            frames.into_iter().map(|(connection, frame)| Output::Reply { connection, frame: Bytes::from(frame) }),
        );
    }

    /// Forgets everything; returns who waited.
    pub(crate) fn clear(&mut self) -> BTreeSet<u64> {
        self.batches.drain(..).flat_map(|(_, segments)| segments).map(|s| s.connection).collect()
    }
}
