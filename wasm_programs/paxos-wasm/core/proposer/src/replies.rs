//! Who waits for which batch, and handing its replies out.

use crate::Output;
use crate::batching::Segment;
use paxos_types::{BatchId, Bytes, Limits, Slot, SlotReplies, reply};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The kind of a client frame with replies (see `paxos_types::client`).
const REPLIES: u8 = 2;

/// A batch whose replies are owed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Owed {
    id: BatchId,
    slot: Slot,
    /// How many of its commands are answered.
    answered: u32,
    /// Who waits for the others.
    segments: VecDeque<Segment>,
}

/// Batches that were proposed and whose replies are owed, in the order in which they were made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct InFlight {
    batches: VecDeque<Owed>,
}

/// Frames on their way to clients, one per connection.
#[derive(Default)]
struct Frames(BTreeMap<u64, Vec<u8>>);

impl Frames {
    fn add(&mut self, connection: u64, part: &[u8], out: &mut Vec<Output>) {
        let frame = self.0.entry(connection).or_default();
        if frame.len() + part.len() > Limits::CHUNK && !frame.is_empty() {
            out.push(Output::Reply { connection, frame: Bytes::from(std::mem::take(frame)) });
        }
        if frame.is_empty() {
            frame.reserve(part.len() + 1);
            frame.push(REPLIES);
        }
        frame.extend_from_slice(part);
    }

    fn send(self, out: &mut Vec<Output>) {
        out.extend(
            self.0.into_iter().map(|(connection, frame)| Output::Reply { connection, frame: Bytes::from(frame) }),
        );
    }
}

impl Owed {
    /// Hands out the replies to the commands from `first` on. What was answered already is passed over (a learner that was restarted says
    /// it again); behind a gap nothing is taken.
    fn answer(&mut self, first: u32, replies: &[u8], frames: &mut Frames, out: &mut Vec<Output>) {
        if first > self.answered {
            return;
        }
        let (known, skip) = reply::prefix(replies, self.answered - first, usize::MAX);
        if known < self.answered - first {
            return;
        }
        let mut rest = &replies[skip..];
        while let Some(segment) = self.segments.front_mut() {
            let (count, len) = reply::prefix(rest, segment.count, usize::MAX);
            if count == 0 {
                return;
            }
            let (part, behind) = rest.split_at(len);
            rest = behind;
            frames.add(segment.connection, part, out);
            self.answered += count;
            segment.count -= count;
            if segment.count == 0 {
                self.segments.pop_front();
            }
        }
    }
}

impl InFlight {
    pub(crate) fn push(&mut self, id: BatchId, slot: Slot, segments: Vec<Segment>) {
        self.batches.push_back(Owed { id, slot, answered: 0, segments: segments.into() });
    }

    /// Cuts the replies to executed batches into frames per connection. Those to a batch that is not owed go nowhere: it was made in an
    /// earlier leadership, and its clients have been told to ask again.
    ///
    /// Returns who waits for an answer that will not come: the learner has executed everything up to `upto`, and what it said of it was
    /// lost, or is in a snapshot that it took from others. They have to ask again, and get the first answer.
    pub(crate) fn answer(&mut self, upto: Slot, executed: &[SlotReplies], out: &mut Vec<Output>) -> BTreeSet<u64> {
        let mut frames = Frames::default();
        for SlotReplies { batch, first, replies } in executed {
            // Batches are executed in the order of their slots, so it is nearly always the first.
            let Some(at) = self.batches.iter().position(|owed| owed.id == *batch) else { continue };
            let owed = &mut self.batches[at];
            owed.answer(*first, replies, &mut frames, out);
            if owed.segments.is_empty() {
                self.batches.remove(at);
            }
        }
        frames.send(out);
        let mut lost = BTreeSet::new();
        while let Some(owed) = self.batches.pop_front_if(|owed| owed.slot <= upto) {
            lost.extend(owed.segments.iter().map(|segment| segment.connection));
        }
        lost
    }

    /// Forgets everything; returns who waited.
    pub(crate) fn clear(&mut self) -> BTreeSet<u64> {
        self.batches.drain(..).flat_map(|owed| owed.segments).map(|s| s.connection).collect()
    }
}
