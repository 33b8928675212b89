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

/// The slots from the next one on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Votes {
    nodes: Vec<NodeId>,
    ahead: usize,
    next: Slot,
    slots: VecDeque<Pending>,
}

impl Votes {
    pub(crate) fn new(next: Slot, nodes: Vec<NodeId>, ahead: usize) -> Self {
        Votes { nodes, ahead, next, slots: VecDeque::new() }
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

    /// An acceptor says that it has accepted. `batches` has one per slot, or none.
    pub(crate) fn accepted(&mut self, node: NodeId, ballot: Ballot, first: Slot, count: u32, batches: &[Bytes]) {
        let Some(bit) = self.nodes.iter().position(|n| *n == node).map(|i| 1u64 << i) else { return };
        let majority = (self.nodes.len() / 2 + 1) as u32;
        // What has been executed is passed over, what is too far ahead is not looked at.
        let skip = self.next.0.saturating_sub(first.0).min(u64::from(count)) as u32;
        for i in skip..count {
            let Some(pending) = self.slot(first.plus(u64::from(i))) else { break };
            if let Some(batch) = batches.get(i as usize)
                && pending.batch.as_ref().is_none_or(|(b, _)| *b < ballot)
            {
                pending.batch = Some((ballot, batch.clone()));
            }
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
            let Some(pending) = self.slot(first.plus(i as u64)) else { break };
            // As if under the highest ballot: nothing else can be accepted there any more.
            pending.chosen = Some(pending.chosen.unwrap_or(Ballot::ZERO));
            pending.batch = Some((Ballot::new(u64::MAX, NodeId(u16::MAX)), batch.clone()));
        }
    }

    /// The next slot, if it is decided; it counts as executed from now on.
    pub(crate) fn take(&mut self) -> Option<(Slot, Bytes)> {
        let batch = self.slots.front()?.decided()?.clone();
        self.slots.pop_front();
        let slot = self.next;
        self.next = slot.next();
        Some((slot, batch))
    }

    /// Everything up to `slot` has been executed elsewhere.
    pub(crate) fn skip_to(&mut self, next: Slot) {
        while self.next < next {
            if self.slots.pop_front().is_none() {
                self.next = next;
            } else {
                self.next = self.next.next();
            }
        }
    }
}
