//! Leading: the window of open slots, what goes into it, and sending again.

use crate::{Output, Phase, Proposer};
use paxos_types::{Ballot, BatchId, Bytes, Instant, Limits, Message, Role, Slot, Target};
use std::collections::{BTreeMap, VecDeque};

/// Accepts that are sent again at a time: enough to fill the gaps that a lost connection leaves, few enough not to drown a slow one.
const RESEND: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Open {
    batch: Bytes,
    sent: Instant,
}

/// What a leader has proposed and not yet seen executed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Window {
    pub(crate) ballot: Ballot,
    /// The slot of the first of `open`.
    first: Slot,
    open: VecDeque<Open>,
    /// Slots that have to be proposed again before anything new is: up to the last of which a value is known.
    recovered: BTreeMap<Slot, Bytes>,
    recovered_upto: Slot,
    /// Batches made in this leadership.
    made: u32,
}

impl Window {
    /// A leadership that begins at `first`, with values that have to be kept.
    pub(crate) fn new(ballot: Ballot, first: Slot, values: BTreeMap<Slot, (Ballot, Bytes)>) -> Self {
        let recovered_upto = values.last_key_value().map_or(first.prev(), |(slot, _)| *slot);
        let recovered = values.into_iter().map(|(slot, (_, batch))| (slot, batch)).collect();
        Window { ballot, first, open: VecDeque::new(), recovered, recovered_upto, made: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// When the open slot that was not sent for longest was sent.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        self.open.iter().take(RESEND).map(|o| o.sent).min()
    }

    /// The first slot that is not known to be executed.
    pub(crate) fn first(&self) -> Slot {
        self.first
    }

    fn next(&self) -> Slot {
        self.first.plus(self.open.len() as u64)
    }

    /// The own learner has executed everything up to `upto`: those slots are closed, and what is chosen need not be proposed again.
    pub(crate) fn executed(&mut self, upto: Slot) {
        if upto < self.first {
            return;
        }
        let closed = (upto.0 - self.first.0 + 1).min(self.open.len() as u64) as usize;
        self.open.drain(..closed);
        self.first = upto.next();
        if self.recovered.first_key_value().is_some_and(|(slot, _)| *slot <= upto) {
            self.recovered = self.recovered.split_off(&upto.next());
        }
    }

    /// The next slot that has to be proposed again. A slot without a value gets a no-op.
    fn recover(&mut self) -> Option<Bytes> {
        let slot = self.next();
        (slot <= self.recovered_upto).then(|| self.recovered.remove(&slot).unwrap_or_default())
    }

    fn open(&mut self, now: Instant, batch: Bytes) -> Message {
        let slot = self.next();
        self.open.push_back(Open { batch: batch.clone(), sent: now });
        Message::Accept { ballot: self.ballot, slot, batch }
    }

    /// The first slots that nobody has answered for long enough.
    fn resend(&mut self, now: Instant, after: u64) -> Vec<Message> {
        let mut bytes = 0;
        let mut again = Vec::new();
        let (first, ballot) = (self.first, self.ballot);
        for (i, open) in self.open.iter_mut().enumerate().take(RESEND) {
            if now.since(open.sent) < after || bytes > Limits::CHUNK {
                continue;
            }
            open.sent = now;
            bytes += open.batch.len();
            again.push(Message::Accept { ballot, slot: first.plus(i as u64), batch: open.batch.clone() });
        }
        again
    }
}

impl Proposer {
    /// Fills the window: first what must be proposed again, then what waits.
    pub(crate) fn propose(&mut self, now: Instant, out: &mut Vec<Output>) {
        let Phase::Leading(window) = &mut self.phase else { return };
        let to = Target::All(Role::Acceptor);
        for message in window.resend(now, self.config.retransmit) {
            out.push(Output::Send { to, message });
        }
        while window.len() < self.config.window {
            let batch = if let Some(batch) = window.recover() {
                batch
            } else if self.queue.ripe(now, self.collecting, window.len() == 0, &self.config) {
                let id = BatchId { origin: self.config.node, round: window.ballot.round, number: window.made };
                let Some((batch, segments)) = self.queue.pop(id) else { return };
                window.made += 1;
                self.in_flight.push(id, window.next(), segments);
                batch
            } else {
                return;
            };
            let message = window.open(now, batch);
            out.push(Output::Send { to, message });
        }
    }
}
