//! Answers that wait for their record to be durable.

use paxos_types::{Ballot, Message, Slot, Target};
use std::collections::VecDeque;

/// What is done once a position is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Held {
    /// Tell the learners.
    Accepted { ballot: Ballot, slot: Slot },
    /// Send a message.
    Send { to: Target, message: Message },
    /// Older records may go.
    Truncate { before: u64 },
    /// The storage is registered.
    Activate,
}

/// First in, first out. Positions never fall from one answer to the next that waits behind it, but for repeated answers, which
/// wait for the ones in front as well; so looking at the head is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Answers {
    durable: u64,
    queue: VecDeque<(u64, Held)>,
}

impl Answers {
    pub(crate) fn durable(&mut self, position: u64) {
        self.durable = self.durable.max(position);
    }

    pub(crate) fn durable_position(&self) -> u64 {
        self.durable
    }

    pub(crate) fn hold(&mut self, position: u64, held: Held) {
        // An answer that waits for nothing overtakes none that wait, unless it is the planted bug that does just this.
        if position == 0 {
            self.queue.push_front((0, held));
        } else {
            self.queue.push_back((position, held));
        }
    }

    /// The next answer whose time has come.
    pub(crate) fn pop(&mut self) -> Option<Held> {
        if self.queue.front()?.0 > self.durable {
            return None;
        }
        self.queue.pop_front().map(|(_, held)| held)
    }

    /// Takes the answers out that continue `slot` under the same ballot, and says how many.
    pub(crate) fn run_after(&mut self, ballot: Ballot, slot: Slot) -> u32 {
        let mut count = 0u32;
        while let Some((position, Held::Accepted { ballot: b, slot: s })) = self.queue.front() {
            if *position > self.durable || *b != ballot || *s != slot.plus(u64::from(count) + 1) {
                break;
            }
            self.queue.pop_front();
            count += 1;
        }
        count
    }
}
