//! The acceptor: promises, accepts, and remembers both.
//!
//! Pure: time, messages and the news that records are durable come in, records and messages go out ([`Acceptor::step`]).
//!
//! # Invariants
//! * **Durable before answered.** A promise and an accepted value leave only when their record, and every record before it, is durable.
//!   Answers wait in a queue ordered by position; nothing else sends them.
//! * **Promises only grow**, and nothing below the promise is accepted. Both survive a restart, since both are records.
//! * **A fresh storage answers nothing** about ballots before a majority of the other nodes has written its number down, and stops for
//!   good when one of them knows another number: its promises are gone, so it must not vote. See [`registration`].
//! * **Only what the own node's learner holds in a durable snapshot is forgotten** ([`Message::Trim`]), and `first` tells everybody.
//! * No allocation per command: a batch is a reference into the frame it came in.
#![forbid(unsafe_code)]

mod answers;
mod log;
mod recovery;
pub mod registration;

use answers::{Answers, Held};
use log::Log;
use paxos_types::{Ballot, Bytes, Endpoint, Incarnation, Instant, Message, NodeId, Record, Role, Slot, Target};
use registration::Registration;

pub use recovery::RecoveryError;

/// How an acceptor is set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The own node.
    pub node: NodeId,
    /// All nodes, the own one included.
    pub nodes: Vec<NodeId>,
    /// The random number that the storage got when it was created.
    pub incarnation: Incarnation,
    /// Nanoseconds between heartbeats to the own proposer.
    pub heartbeat: u64,
    /// Nanoseconds between attempts to register.
    pub register_every: u64,
    /// Slots that may be remembered at a time; further ones are not accepted until the own learner lets older ones go.
    pub log_slots: usize,
    /// Bytes of batches that may be remembered at a time.
    pub log_bytes: usize,
    /// Bytes of batches in one answer that carries many.
    pub chunk: usize,
    /// The rule that is broken on purpose.
    #[cfg(feature = "planted")]
    pub mutation: Option<paxos_types::Mutation>,
}

impl Config {
    /// Settings for a node of `nodes`, with times and bounds that suit a local network.
    pub fn new(node: NodeId, nodes: Vec<NodeId>, incarnation: Incarnation) -> Self {
        Config {
            node,
            nodes,
            incarnation,
            heartbeat: 100_000_000,
            register_every: 200_000_000,
            log_slots: 1 << 20,
            log_bytes: 1 << 30,
            chunk: paxos_types::Limits::CHUNK,
            #[cfg(feature = "planted")]
            mutation: None,
        }
    }
}

/// What happens to an acceptor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A message has come.
    Message {
        /// Who sent it, as the connection says.
        from: Endpoint,
        /// The message.
        message: Message,
    },
    /// Everything up to this position of the storage will survive a crash.
    Durable {
        /// The position, as counted by [`Output::Append`].
        position: u64,
    },
    /// Time has passed.
    Tick,
}

/// What an acceptor wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Write this record behind all others. The first record ever has position 1; each further one the next.
    Append(Bytes),
    /// Send a message.
    Send {
        /// To whom.
        to: Target,
        /// The message.
        message: Message,
    },
    /// Records before this position are no longer needed.
    Truncate {
        /// The first position that is needed.
        before: u64,
    },
    /// The node must end, for this reason, and not start again with this storage.
    Stop(String),
}

/// The acceptor of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Acceptor {
    config: Config,
    promised: Ballot,
    log: Log,
    registration: Registration,
    /// The position of the last record that was appended.
    appended: u64,
    answers: Answers,
    next_heartbeat: Instant,
    /// The last value that came found no room.
    full: bool,
    stopped: bool,
}

impl Acceptor {
    /// Puts an acceptor together from the records of its storage, given with their positions in ascending order.
    pub fn open(config: Config, records: impl IntoIterator<Item = (u64, Bytes)>) -> Result<Acceptor, RecoveryError> {
        let mut acceptor = Acceptor {
            promised: Ballot::ZERO,
            log: Log::default(),
            registration: Registration::new(&config),
            appended: 0,
            answers: Answers::default(),
            next_heartbeat: Instant::default(),
            full: false,
            stopped: false,
            config,
        };
        let mut recovered = recovery::Recovered::new();
        for (position, bytes) in records {
            acceptor.recover(position, &bytes, &mut recovered)?;
        }
        acceptor.remember(recovered)?;
        acceptor.answers.durable(acceptor.appended);
        Ok(acceptor)
    }

    /// Takes one input and appends what is to be done to `out`. The order of outputs matters; an acceptor that has said
    /// [`Output::Stop`] says nothing more.
    pub fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        if self.stopped {
            return;
        }
        match input {
            Input::Message { from, message } => self.message(from, message, out),
            Input::Durable { position } => {
                // A position that was never handed out is a mistake of the driver: believing it would answer too early.
                self.answers.durable(position.min(self.appended));
            }
            Input::Tick => {}
        }
        if self.stopped {
            return;
        }
        self.tick(now, out);
        self.release(out);
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let register = self.registration.deadline();
        Some(register.map_or(self.next_heartbeat, |r| r.min(self.next_heartbeat)))
    }

    /// The highest promise.
    pub fn promised(&self) -> Ballot {
        self.promised
    }

    /// Slots below have been forgotten.
    pub fn first(&self) -> Slot {
        self.log.first()
    }

    /// What was accepted in `slot`, and under which ballot.
    pub fn accepted(&self, slot: Slot) -> Option<(Ballot, &Bytes)> {
        self.log.get(slot).map(|e| (e.ballot, &e.batch))
    }

    /// The slot after the last one that is remembered.
    pub fn end(&self) -> Slot {
        self.log.end()
    }

    /// Whether it takes part: its storage's number is known to enough others.
    pub fn registered(&self) -> bool {
        self.registration.complete()
    }

    /// Whether the last value that came found no room: the own learner has to save a snapshot before further ones are accepted.
    pub fn full(&self) -> bool {
        self.full
    }

    /// The number of records appended so far, and how many of them are durable.
    pub fn positions(&self) -> (u64, u64) {
        (self.appended, self.answers.durable_position())
    }

    fn append(&mut self, record: &Record, out: &mut Vec<Output>) -> u64 {
        self.appended += 1;
        out.push(Output::Append(Bytes::from(record.encode())));
        self.appended
    }

    fn tick(&mut self, now: Instant, out: &mut Vec<Output>) {
        if now >= self.next_heartbeat {
            self.next_heartbeat = now.plus(self.config.heartbeat);
            let message = Message::Heartbeat {
                leading: None,
                follows: None,
                fit: self.registered(),
                applied: self.log.first().prev(),
                life: 0,
            };
            let to = Target::One(Endpoint::new(self.config.node, Role::Proposer));
            out.push(Output::Send { to, message });
        }
        if let Some(message) = self.registration.tick(now) {
            out.push(Output::Send { to: Target::Others(Role::Acceptor), message });
        }
        if self.registration.should_write() {
            let position = self.append(&Record::Registered, out);
            self.answers.hold(position, Held::Activate);
        }
    }

    fn message(&mut self, from: Endpoint, message: Message, out: &mut Vec<Output>) {
        match (from.role, message) {
            (Role::Acceptor, Message::Register { incarnation }) => self.register(from, incarnation, out),
            (Role::Acceptor, Message::Registered { incarnation }) => {
                self.registration.registered_by(from.node, incarnation);
            }
            (Role::Acceptor, Message::Refused { incarnation, known }) => {
                if let Some(reason) = self.registration.refused_by(from.node, incarnation, known) {
                    self.stopped = true;
                    out.push(Output::Stop(reason));
                }
            }
            // All that follows is about promises, which a storage that may have lost some must not give.
            _ if !self.registered() => {}
            (Role::Proposer, Message::Prepare { ballot, from: slot })
                if ballot.node == from.node && ballot.round <= Ballot::MAX_ROUND =>
            {
                self.prepare(from, ballot, slot, out);
            }
            (Role::Proposer, Message::Accept { ballot, slot, batch })
                if ballot.node == from.node && ballot.is_possible() =>
            {
                self.accept(from, ballot, slot, batch, out);
            }
            (Role::Learner, Message::Learn { from: first, to, values }) => self.learn(from, first, to, values, out),
            (Role::Learner, Message::Trim { upto }) if from.node == self.config.node => self.trim(upto, out),
            _ => {}
        }
    }

    fn register(&mut self, from: Endpoint, incarnation: Incarnation, out: &mut Vec<Output>) {
        if from.node == self.config.node || !self.config.nodes.contains(&from.node) {
            return;
        }
        let message = match self.registration.known(from.node) {
            None => {
                self.registration.learn(from.node, incarnation);
                self.append(&Record::Known(from.node, incarnation), out);
                Message::Registered { incarnation }
            }
            Some(known) if known == incarnation => Message::Registered { incarnation },
            Some(known) => Message::Refused { incarnation, known },
        };
        // Also when it was known: its record may still be on the way to the disk.
        self.answers.hold(self.appended, Held::Send { to: Target::One(from), message });
    }

    fn prepare(&mut self, from: Endpoint, ballot: Ballot, slot: Slot, out: &mut Vec<Output>) {
        if ballot < self.promised || ballot.round == 0 {
            let message = Message::Nack { ballot, promised: self.promised };
            // Held as well: who asks for the highest round with an empty disk relies on what it is told being remembered.
            self.answers.hold(self.appended, Held::Send { to: Target::One(from), message });
            return;
        }
        if ballot > self.promised {
            self.promised = ballot;
            if !self.forgets_promises() {
                self.append(&Record::Promise(ballot), out);
            }
        }
        let (accepted, more) = self.log.chunk(slot, self.config.chunk);
        let message = Message::Promise {
            ballot,
            incarnation: self.config.incarnation,
            from: slot,
            first: self.log.first(),
            accepted,
            more,
        };
        // Everything that the promise tells was appended before, so it is durable when this position is.
        self.answers.hold(self.answer_at(self.appended), Held::Send { to: Target::One(from), message });
    }

    fn accept(&mut self, from: Endpoint, ballot: Ballot, slot: Slot, batch: Bytes, out: &mut Vec<Output>) {
        if ballot < self.promised {
            let message = Message::Nack { ballot, promised: self.promised };
            self.answers.hold(self.appended, Held::Send { to: Target::One(from), message });
            return;
        }
        if slot < self.log.first() {
            return;
        }
        self.full = !self.log.has_room(slot, batch.len(), &self.config);
        if self.full {
            return;
        }
        self.promised = ballot;
        match self.log.get(slot) {
            // A retransmission: nothing to write, but the first answer may be lost.
            Some(entry) if entry.ballot == ballot => {
                let position = self.answer_at(entry.position);
                self.answers.hold(position, Held::Accepted { ballot, slot });
            }
            _ => {
                let position = self.append(&Record::Accept { ballot, slot, batch: batch.clone() }, out);
                self.log.insert(slot, ballot, batch, position);
                self.answers.hold(self.answer_at(position), Held::Accepted { ballot, slot });
            }
        }
    }

    fn learn(&mut self, from: Endpoint, first: Slot, to: Slot, values: bool, out: &mut Vec<Output>) {
        if first < self.log.first() {
            let message = Message::Trimmed { first: self.log.first() };
            out.push(Output::Send { to: Target::One(from), message });
        }
        let durable = self.answers.durable_position();
        let mut budget = self.config.chunk;
        for run in self.log.runs(first, to, durable, values, &mut budget) {
            let message = Message::Accepted {
                ballot: run.ballot,
                incarnation: self.config.incarnation,
                first: run.first,
                count: run.count,
                batches: run.batches,
            };
            out.push(Output::Send { to: Target::One(from), message });
        }
    }

    fn trim(&mut self, upto: Slot, out: &mut Vec<Output>) {
        if upto < self.log.first() {
            return;
        }
        self.log.trim(upto.next());
        self.full = false;
        let record = Record::Checkpoint {
            promised: self.promised,
            first: self.log.first(),
            registered: self.registered(),
            known: self.registration.all_known(),
        };
        let position = self.append(&record, out);
        // The checkpoint repeats all but the accepted values that are left, so the oldest of those, or it, is the first needed.
        let before = self.log.oldest_position().map_or(position, |p| p.min(position));
        self.answers.hold(position, Held::Truncate { before });
    }

    /// Hands out the answers whose records are durable; runs of accepted slots become one message.
    fn release(&mut self, out: &mut Vec<Output>) {
        while let Some(held) = self.answers.pop() {
            match held {
                Held::Send { to, message } => out.push(Output::Send { to, message }),
                Held::Truncate { before } => out.push(Output::Truncate { before }),
                Held::Activate => self.registration.activate(),
                Held::Accepted { ballot, slot } => {
                    let count = self.answers.run_after(ballot, slot) + 1;
                    self.announce(ballot, slot, count, out);
                }
            }
        }
    }

    fn announce(&self, ballot: Ballot, first: Slot, count: u32, out: &mut Vec<Output>) {
        let incarnation = self.config.incarnation;
        if self.config.nodes.len() > 1 {
            let message = Message::Accepted { ballot, incarnation, first, count, batches: Vec::new() };
            out.push(Output::Send { to: Target::Others(Role::Learner), message });
        }
        let to = Target::One(Endpoint::new(self.config.node, Role::Learner));
        for (first, batches, count) in self.log.with_batches(ballot, first, count, self.config.chunk) {
            let message = Message::Accepted { ballot, incarnation, first, count, batches };
            out.push(Output::Send { to, message });
        }
    }

    #[cfg(feature = "planted")]
    fn forgets_promises(&self) -> bool {
        self.config.mutation == Some(paxos_types::Mutation::ForgetPromise)
    }

    #[cfg(not(feature = "planted"))]
    fn forgets_promises(&self) -> bool {
        false
    }

    /// The position that an answer waits for: the record's.
    fn answer_at(&self, position: u64) -> u64 {
        #[cfg(feature = "planted")]
        if self.config.mutation == Some(paxos_types::Mutation::AnswerBeforeSync) {
            return 0;
        }
        position
    }
}

#[cfg(test)]
mod tests;
