//! The learner: finds out what was chosen, hands it on in order, and catches up when it was away.
//!
//! # Invariants
//! * **Chosen is what a majority of acceptors accepted under one ballot**, as they say themselves once it is durable, or what another
//!   learner found out in this way. A batch is taken only if it was accepted under that ballot or a higher one (which holds the same).
//! * **Slots are executed once and in order**, without gaps; a snapshot stands for all slots that it contains.
//! * **The acceptor of the own node is told to forget only what a durable snapshot here contains**, and the batches after the last
//!   snapshot are kept for others.
//! * **Whoever is behind finds out**, from votes for later slots or from the heartbeats of other learners, and asks: learners first (one
//!   answer is enough), acceptors as well (their votes count again); and takes a snapshot when what it misses is no longer kept.
#![forbid(unsafe_code)]

mod catch_up;
mod digest;
mod snapshots;
mod votes;

use catch_up::CatchUp;
use paxos_types::reply::prefix;
use paxos_types::{Bytes, Endpoint, Incarnation, Instant, Message, NodeId, Role, Slot, SlotReplies, Target};
use snapshots::{Fetch, Making, Snapshots};
use std::collections::{BTreeMap, VecDeque};
use votes::Votes;

/// How often the own proposer is told, per heartbeat, what is executed, if there is no answer for it.
const TELLS: u64 = 8;

/// How a learner is set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The own node.
    pub node: NodeId,
    /// All nodes, the own one included.
    pub nodes: Vec<NodeId>,
    /// A snapshot is made after this many slots.
    pub snapshot_every: u64,
    /// A snapshot is also made after this many bytes of batches (or as many as the last one has, if that is more). Well below what an
    /// acceptor's log may hold.
    pub snapshot_bytes: usize,
    /// Bytes of batches that are kept for others beyond those after the last snapshot.
    pub tail_bytes: usize,
    /// Nanoseconds between heartbeats.
    pub heartbeat: u64,
    /// Nanoseconds without progress after which others are asked.
    pub retransmit: u64,
    /// Slots beyond the next one of which votes are kept.
    pub ahead: usize,
    /// Bytes of batches, or of a snapshot, in one message.
    pub chunk: usize,
    /// Bytes of a snapshot that is taken from others.
    pub max_snapshot: u64,
    /// The rule that is broken on purpose.
    #[cfg(feature = "planted")]
    pub mutation: Option<paxos_types::Mutation>,
}

impl Config {
    /// Settings for a node of `nodes`, with times and bounds that suit a local network.
    pub fn new(node: NodeId, nodes: Vec<NodeId>) -> Self {
        Config {
            node,
            nodes,
            snapshot_every: 10_000,
            snapshot_bytes: 64 * 1024 * 1024,
            tail_bytes: 32 * 1024 * 1024,
            heartbeat: 100_000_000,
            retransmit: 200_000_000,
            ahead: 1 << 16,
            chunk: paxos_types::Limits::CHUNK,
            max_snapshot: 1 << 31,
            #[cfg(feature = "planted")]
            mutation: None,
        }
    }
}

/// What happens to a learner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message has come.
    Message {
        /// Who sent it, as the connection says.
        from: Endpoint,
        /// The message.
        message: Message,
    },
    /// The kv-store has applied everything that was to be executed.
    Applied {
        /// The last slot.
        upto: Slot,
        /// The answers to batches of the own node.
        replies: Vec<SlotReplies>,
    },
    /// The next bytes of the snapshot that [`Output::TakeSnapshot`] has begun. Whatever else happens may come between two parts.
    SnapshotPart {
        /// The last slot that it contains.
        slot: Slot,
        /// How many bytes it will have.
        total: u64,
        /// The next of them.
        bytes: Bytes,
    },
    /// A snapshot is whole and durable here: the end of [`Output::TakeSnapshot`] and the answer to [`Output::Install`].
    SnapshotSaved {
        /// The last slot that it contains.
        slot: Slot,
    },
    /// Time has passed.
    Tick,
}

/// What a learner wants done, strictly in the order given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Apply this batch to the kv-store. Comes once per slot, in order.
    Execute {
        /// The slot.
        slot: Slot,
        /// The batch; empty for a no-op.
        batch: Bytes,
    },
    /// Begin a snapshot of the kv-store, which has applied exactly the slots up to this one; hand it over as it is made, go on with all else
    /// meanwhile, and make it durable.
    TakeSnapshot {
        /// The last slot that it contains.
        slot: Slot,
    },
    /// Replace the state of the kv-store by this snapshot, and make it durable. One that was being made is given up.
    Install {
        /// The last slot that it contains.
        slot: Slot,
        /// The snapshot, whose digest was right.
        bytes: Bytes,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: Target,
        /// The message.
        message: Message,
    },
}

/// The learner of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Learner {
    config: Config,
    votes: Votes,
    /// The last slot the kv-store has applied.
    applied: Slot,
    /// Executed batches that are kept: the slots `tail_first..votes.next()`.
    tail: VecDeque<Bytes>,
    tail_first: Slot,
    tail_bytes: usize,
    /// Bytes of batches executed since the last snapshot was made.
    new_bytes: usize,
    snapshots: Snapshots,
    catch_up: CatchUp,
    incarnations: BTreeMap<NodeId, Incarnation>,
    next_heartbeat: Instant,
    /// The last slot that the proposer was told is executed, and when.
    told: Slot,
    told_at: Instant,
    /// More is executed, and there was no answer to tell it with.
    untold: bool,
    started: bool,
}

impl Learner {
    /// A learner that begins after its snapshot (which the kv-store has been restored from), or at the first slot.
    pub fn new(config: Config, snapshot: Option<(Slot, Bytes)>) -> Learner {
        let next = snapshot.as_ref().map_or(Slot::FIRST, |(slot, _)| slot.next());
        Learner {
            votes: Votes::new(next, config.nodes.clone(), config.ahead),
            applied: next.prev(),
            tail: VecDeque::new(),
            tail_first: next,
            tail_bytes: 0,
            new_bytes: 0,
            snapshots: Snapshots::new(snapshot),
            catch_up: CatchUp::default(),
            incarnations: BTreeMap::new(),
            next_heartbeat: Instant::default(),
            told: next.prev(),
            told_at: Instant::default(),
            untold: false,
            started: false,
            config,
        }
    }

    /// Takes one input and appends what is to be done to `out`.
    pub fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        let was_behind = self.behind();
        match input {
            Input::Message { from, message } => self.message(now, from, message, out),
            Input::Applied { upto, replies } => {
                self.applied = self.applied.max(upto);
                if replies.is_empty() && now < self.due_to_tell() {
                    self.untold = true;
                } else {
                    self.tell_proposer(now, upto, replies, out);
                }
            }
            Input::SnapshotPart { slot, total, bytes } => self.snapshots.grows(slot, total, &bytes),
            Input::SnapshotSaved { slot } => self.saved(now, slot, out),
            Input::Tick => {}
        }
        if !was_behind && self.behind() {
            self.catch_up.begin_to_wait(now);
        }
        self.tick(now, out);
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let ask = self.behind().then(|| self.catch_up.due(&self.config, self.votes.lacks_batch()));
        let fetch = self.snapshots.fetch.as_ref().map(|f| f.asked.plus(self.config.retransmit));
        let tell = self.untold.then(|| self.due_to_tell());
        [ask, fetch, tell, Some(self.next_heartbeat)].into_iter().flatten().min()
    }

    /// The slot that is executed next.
    pub fn next(&self) -> Slot {
        self.votes.next()
    }

    /// The last slot that a durable snapshot contains.
    pub fn snapshot_slot(&self) -> Slot {
        self.snapshots.slot()
    }

    fn message(&mut self, now: Instant, from: Endpoint, message: Message, out: &mut Vec<Output>) {
        match (from.role, message) {
            // Whatever another storage of that node says is not about the promises that this one has counted on.
            (Role::Acceptor, Message::Accepted { ballot, incarnation, first, count, batches })
                if *self.incarnations.entry(from.node).or_insert(incarnation) == incarnation =>
            {
                self.votes.accepted(from.node, ballot, first, count, &batches);
                self.execute(now, out);
            }
            (Role::Learner, Message::Chosen { first, batches }) => {
                let before = self.next();
                self.votes.chosen(first, &batches);
                self.execute(now, out);
                // The rest at once, from where this came.
                if self.next() > before && self.catch_up.knows(from.node, self.next()) {
                    self.ask_learner(now, from.node, out);
                }
            }
            (Role::Learner, Message::Learn { from: first, to, .. }) => self.teach(from, first, to, out),
            (Role::Learner, Message::Trimmed { first }) if first > self.next() => {
                self.fetch_from(now, from.node, out);
            }
            (Role::Learner, Message::SnapshotRequest { slot, offset }) => {
                if let Some(message) = self.snapshots.part(now, slot, offset, self.config.chunk) {
                    out.push(Output::Send { to: Target::One(from), message });
                }
            }
            (Role::Learner, Message::SnapshotChunk { slot, offset, total, digest, bytes }) => {
                let part = snapshots::Part { slot, offset, total, digest, bytes };
                self.part(now, from.node, part, out);
            }
            (Role::Learner, Message::Heartbeat { applied, .. }) => self.catch_up.heard(from.node, applied),
            _ => {}
        }
    }

    /// Hands on everything that is chosen and known, in order.
    fn execute(&mut self, now: Instant, out: &mut Vec<Output>) {
        let before = self.next();
        while let Some((slot, batch)) = self.votes.take() {
            self.tail_bytes += batch.len();
            self.new_bytes += batch.len();
            self.tail.push_back(batch.clone());
            out.push(Output::Execute { slot, batch });
        }
        if self.next() > before {
            self.catch_up.progress(now);
            let last = self.next().prev();
            if self.snapshots.is_due(last, self.new_bytes, &self.config) {
                self.snapshots.making = Some(Making::begun(last));
                self.new_bytes = 0;
                out.push(Output::TakeSnapshot { slot: last });
                #[cfg(feature = "planted")]
                if self.config.mutation == Some(paxos_types::Mutation::TrimTooFar) {
                    self.tell_acceptor(last, out);
                }
            }
            self.shorten_tail();
        }
    }

    /// Drops batches that nobody needs: those that the snapshot contains, but for some that spare others the snapshot.
    fn shorten_tail(&mut self) {
        while self.tail_first <= self.snapshots.slot() && self.tail_bytes > self.config.tail_bytes {
            let Some(batch) = self.tail.pop_front() else { break };
            self.tail_bytes -= batch.len();
            self.tail_first = self.tail_first.next();
        }
    }

    fn saved(&mut self, now: Instant, slot: Slot, out: &mut Vec<Output>) {
        self.snapshots.saved(now, slot, self.patience());
        self.shorten_tail();
        self.tell_acceptor(self.snapshots.slot(), out);
    }

    fn tell_acceptor(&self, upto: Slot, out: &mut Vec<Output>) {
        let to = Target::One(Endpoint::new(self.config.node, Role::Acceptor));
        out.push(Output::Send { to, message: Message::Trim { upto } });
    }

    /// When the proposer is told what is executed although there is no answer with it. None of these batches is its own, so either another
    /// node leads, and it needs to know roughly, or it has just begun to lead, and proposes again what others have begun.
    fn due_to_tell(&self) -> Instant {
        self.told_at.plus(self.config.heartbeat / TELLS)
    }

    /// Says what is executed, and the answers, in messages of a bearable size. Only the last of them says how far it is: whoever misses
    /// an answer then knows that it will not come.
    fn tell_proposer(&mut self, now: Instant, upto: Slot, replies: Vec<SlotReplies>, out: &mut Vec<Output>) {
        let to = Target::One(Endpoint::new(self.config.node, Role::Proposer));
        let before = self.told;
        let mut held: Vec<SlotReplies> = Vec::new();
        let mut bytes = 0;
        for mut item in replies {
            while !item.replies.is_empty() {
                let room = self.config.chunk.saturating_sub(bytes);
                if bytes > 0 && prefix(&item.replies, 1, 0).1 > room {
                    let replies = std::mem::take(&mut held);
                    out.push(Output::Send { to, message: Message::Executed { upto: before, replies } });
                    bytes = 0;
                    continue;
                }
                let (count, len) = prefix(&item.replies, u32::MAX, room);
                if count == 0 {
                    break;
                }
                bytes += len;
                held.push(SlotReplies { batch: item.batch, first: item.first, replies: item.replies.split_to(len) });
                item.first += count;
            }
        }
        // A snapshot that was installed may have gone ahead of what was being applied.
        self.told = upto.max(before);
        (self.told_at, self.untold) = (now, false);
        out.push(Output::Send { to, message: Message::Executed { upto: self.told, replies: held } });
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if !self.started {
            self.started = true;
            self.catch_up.progress(now);
            self.tell_proposer(now, self.next().prev(), Vec::new(), out);
            if self.snapshots.slot() > Slot::ZERO {
                // It may have been told before the restart, or not.
                self.tell_acceptor(self.snapshots.slot(), out);
            }
        }
        if self.untold && now >= self.due_to_tell() {
            self.tell_proposer(now, self.applied, Vec::new(), out);
        }
        if now >= self.next_heartbeat {
            self.next_heartbeat = now.plus(self.config.heartbeat);
            let message = Message::Heartbeat { leading: None, follows: None, fit: true, applied: self.told, life: 0 };
            out.push(Output::Send { to: Target::Others(Role::Learner), message: message.clone() });
            let own = Target::One(Endpoint::new(self.config.node, Role::Proposer));
            out.push(Output::Send { to: own, message });
        }
        self.tick_fetch(now, out);
        if self.behind() && now >= self.catch_up.due(&self.config, self.votes.lacks_batch()) {
            self.ask(now, out);
        }
    }

    fn fetching(&self) -> Option<&Fetch> {
        self.snapshots.fetch.as_ref()
    }
}

#[cfg(test)]
mod tests;
