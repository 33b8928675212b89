//! Counting: which slots are chosen, and what they hold.

use paxos_types::{Ballot, Bytes, NodeId, Slot};
use std::collections::VecDeque;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Pending {
    /// The highest ballot that votes were heard under, and who gave them.
    ballot: Ballot,
    voters: u64,
    /// The lowest ballot that is known to have a majority.
    chosen: Option<Ballot>,
    /// A batch, and the ballot under which it was accepted.
    batch: Option<(Ballot, Bytes)>,
}

impl Pending {
    /// The batch, if the slot is chosen and it is certain that this is it.
    fn decided(&self) -> Option<&Bytes> {
        let chosen = self.chosen?;
        self.batch.as_ref().filter(|(ballot, _)| *ballot >= chosen).map(|(_, batch)| batch)
    }
}

/// Bytes of batches that may wait for slots before them. Beyond, votes are kept and batches are not: they are asked for when it is their
/// turn.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// The slots from the next one on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Votes {
    nodes: Vec<NodeId>,
    ahead: usize,
    next: Slot,
    slots: VecDeque<Pending>,
    /// Bytes of the batches in `slots`.
    bytes: usize,
}

impl Votes {
    pub(crate) fn new(next: Slot, nodes: Vec<NodeId>, ahead: usize) -> Self {
        Votes { nodes, ahead, next, slots: VecDeque::new(), bytes: 0 }
    }

    pub(crate) fn next(&self) -> Slot {
        self.next
    }

    /// The last slot of which anything is known; the one before the next if nothing is.
    pub(crate) fn last_heard(&self) -> Slot {
        self.next.plus(self.slots.len() as u64).prev()
    }

    /// Whether the next slot is chosen and only its batch is missing.
    pub(crate) fn lacks_batch(&self) -> bool {
        self.slots.front().is_some_and(|p| p.chosen.is_some())
    }

    fn slot(&mut self, slot: Slot) -> Option<&mut Pending> {
        let offset = usize::try_from(slot.0.checked_sub(self.next.0)?).ok().filter(|o| *o < self.ahead)?;
        if offset >= self.slots.len() {
            self.slots.resize(offset + 1, Pending::default());
        }
        self.slots.get_mut(offset)
    }

    /// Keeps the batch of a slot, if it is newer than the one that is known and there is room; for the next slot there always is.
    fn keep(&mut self, slot: Slot, ballot: Ballot, batch: &Bytes) {
        let room = slot == self.next || self.bytes + batch.len() <= WAITING_BYTES;
        let Some(pending) = self.slot(slot).filter(|_| room) else { return };
        if pending.batch.as_ref().is_some_and(|(b, _)| *b >= ballot) {
            return;
        }
        let old = pending.batch.replace((ballot, batch.clone())).map_or(0, |(_, old)| old.len());
        self.bytes = self.bytes - old + batch.len();
    }

    /// An acceptor says that it has accepted. `batches` has one per slot, or none.
    pub(crate) fn accepted(&mut self, node: NodeId, ballot: Ballot, first: Slot, count: u32, batches: &[Bytes]) {
        let Some(bit) = self.nodes.iter().position(|n| *n == node).map(|i| 1u64 << i) else { return };
        let majority = (self.nodes.len() / 2 + 1) as u32;
        // What has been executed is passed over, what is too far ahead is not looked at.
        let skip = self.next.0.saturating_sub(first.0).min(u64::from(count)) as u32;
        for i in skip..count {
            let slot = first.plus(u64::from(i));
            if let Some(batch) = batches.get(i as usize) {
                self.keep(slot, ballot, batch);
            }
            let Some(pending) = self.slot(slot) else { break };
            if ballot > pending.ballot {
                pending.ballot = ballot;
                pending.voters = bit;
            } else if ballot == pending.ballot {
                pending.voters |= bit;
            }
            if pending.chosen.is_none() && pending.voters.count_ones() >= majority {
                pending.chosen = Some(pending.ballot);
            }
        }
    }

    /// Another learner knows that these are chosen.
    pub(crate) fn chosen(&mut self, first: Slot, batches: &[Bytes]) {
        let skip = self.next.0.saturating_sub(first.0).min(batches.len() as u64) as usize;
        for (i, batch) in batches.iter().enumerate().skip(skip) {
            let slot = first.plus(i as u64);
            let Some(pending) = self.slot(slot) else { break };
            pending.chosen = Some(pending.chosen.unwrap_or(Ballot::ZERO));
            // As if under the highest ballot: nothing else can be accepted there any more.
            self.keep(slot, Ballot::new(u64::MAX, NodeId(u16::MAX)), batch);
        }
    }

    /// The next slot, if it is decided; it counts as executed from now on.
    pub(crate) fn take(&mut self) -> Option<(Slot, Bytes)> {
        let batch = self.slots.front()?.decided()?.clone();
        self.drop_first();
        let slot = self.next;
        self.next = slot.next();
        Some((slot, batch))
    }

    fn drop_first(&mut self) -> bool {
        let first = self.slots.pop_front();
        self.bytes -= first.as_ref().and_then(|p| p.batch.as_ref()).map_or(0, |(_, batch)| batch.len());
        first.is_some()
    }

    /// Everything up to `slot` has been executed elsewhere.
    pub(crate) fn skip_to(&mut self, next: Slot) {
        while self.next < next {
            if !self.drop_first() {
                self.next = next;
            } else {
                self.next = self.next.next();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_that_wait_are_bounded_and_the_next_one_never_is() {
        let nodes: Vec<NodeId> = (1..=3).map(NodeId).collect();
        let mut votes = Votes::new(Slot(1), nodes.clone(), 1000);
        let batch = Bytes::from(vec![0; WAITING_BYTES / 4]);
        let ballot = Ballot::new(1, NodeId(1));
        for node in &nodes[..2] {
            for slot in 2..10 {
                votes.accepted(*node, ballot, Slot(slot), 1, std::slice::from_ref(&batch));
            }
        }
        assert_eq!(votes.bytes, WAITING_BYTES);
        votes.accepted(nodes[0], ballot, Slot(1), 1, std::slice::from_ref(&batch));
        votes.accepted(nodes[1], ballot, Slot(1), 1, &[]);
        let taken = std::iter::from_fn(|| votes.take()).count();
        assert_eq!(taken, 5, "the first, and the four that had room");
        assert!(votes.lacks_batch(), "the sixth is chosen, and its batch was not kept");
        votes.chosen(Slot(6), &[batch]);
        assert_eq!(votes.take().map(|t| t.0), Some(Slot(6)));
        assert_eq!(votes.bytes, 0);
    }
}
