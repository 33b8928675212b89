//! The proposer: puts the commands of clients into an order, when its node leads.
//!
//! How it is driven: requests of clients come as [`Input::Submit`], then one [`Input::Flush`] when everything that was readable has been
//! handed in; messages, the news of the leader detector and of the storage as they come; [`Input::Tick`] at [`Proposer::deadline`].
//! While [`Proposer::accepting`] is false, requests are to be left with the clients.
//!
//! # Invariants
//! * **A round is used once.** It is on the disk before the first message that bears it leaves. A proposer with an empty disk first asks a
//!   majority of acceptors for their promises, and begins above: every round in which something may have been proposed has been
//!   promised by a majority, and any two majorities meet.
//! * **Nothing is proposed before a majority has promised** the ballot and told everything that it has accepted from the first slot on
//!   whose outcome is not known here. Of every such slot the value with the highest ballot is proposed again; slots without one get a
//!   no-op. Slots that an acceptor has trimmed are chosen, and left alone.
//! * **One value per ballot and slot.** A slot gets its batch once in a leadership; what is sent again is the same.
//! * **A client is answered by what the learner of the own node executed**, and only for a batch of that very name.
//! * At most [`Config::window`] slots are open, and at most [`Config::pending_bytes`] wait: above, clients are not read from.
#![forbid(unsafe_code)]

mod batching;
mod leading;
mod phase1;
mod replies;

use batching::{Queue, most_in_a_request};
use leading::Window;
use paxos_types::batch::BATCH_HEAD;
use paxos_types::{
    Ballot, Bytes, ClientFrame, Endpoint, Instant, Limits, Message, NodeId, Record, Role, Slot, Target, WireError,
    command,
};
use phase1::{Preparing, Survey};
use replies::InFlight;
use std::collections::BTreeMap;
use std::fmt;

/// Windows by which a node may lag behind others and still be fit to lead.
const FAR: u64 = 4;

/// How a proposer is set up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Config {
    /// The own node.
    pub node: NodeId,
    /// All nodes, the own one included.
    pub nodes: Vec<NodeId>,
    /// Bytes of a client's key.
    pub max_key: usize,
    /// Bytes of a client's value.
    pub max_value: usize,
    /// Commands of a batch.
    pub max_commands: u32,
    /// Bytes of a batch, as long as it has more than one request in it.
    pub max_bytes: usize,
    /// Nanoseconds that a command waits for others while slots are open. 0: for nothing but a free slot.
    pub max_delay: u64,
    /// Slots that may be open.
    pub window: usize,
    /// Bytes of commands that may wait before clients are no longer read from.
    pub pending_bytes: usize,
    /// Nanoseconds between heartbeats.
    pub heartbeat: u64,
    /// Nanoseconds of silence of the own acceptor or learner after which this node is not fit to lead.
    pub silent: u64,
    /// Nanoseconds of silence after which this node vouches for a leader no longer, whatever patience its failure detector has learned:
    /// else everybody would wait for the most patient one.
    pub suspect: u64,
    /// A random number, another one at each start.
    pub life: u64,
    /// Nanoseconds between two attempts to become the leader.
    pub phase: u64,
    /// Nanoseconds after which an unanswered prepare or accept is sent again.
    pub retransmit: u64,
    /// The rule that is broken on purpose.
    #[cfg(feature = "planted")]
    pub mutation: Option<paxos_types::Mutation>,
}

impl Config {
    /// Settings for a node of `nodes`, with times and bounds that suit a local network.
    pub fn new(node: NodeId, nodes: Vec<NodeId>) -> Self {
        let limits = Limits::default();
        Config {
            node,
            nodes,
            max_key: limits.key,
            max_value: limits.value,
            max_commands: 1000,
            max_bytes: 256 * 1024,
            max_delay: 0,
            window: 16,
            pending_bytes: 16 * 1024 * 1024,
            heartbeat: 100_000_000,
            silent: 500_000_000,
            suspect: 500_000_000,
            life: 0,
            phase: 500_000_000,
            retransmit: 200_000_000,
            #[cfg(feature = "planted")]
            mutation: None,
        }
    }

    fn majority(&self) -> usize {
        self.nodes.len() / 2 + 1
    }
}

/// What happens to a proposer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// A client's request.
    Submit {
        /// The connection that it came on.
        connection: u64,
        /// Encoded commands, one after the other.
        commands: Bytes,
    },
    /// There is nothing more to read from clients for now.
    Flush,
    /// A message has come.
    Message {
        /// Who sent it, as the connection says.
        from: Endpoint,
        /// The message.
        message: Message,
    },
    /// The leader detector has something new.
    Leader {
        /// Who leads.
        leader: Option<NodeId>,
        /// The leadership whose holder is heard here.
        follows: Option<Ballot>,
        /// Whether a majority of nodes is heard, as far as the failure detector's patience goes.
        majority: bool,
    },
    /// Everything up to this position of the storage will survive a crash.
    Durable {
        /// The position, as counted by [`Output::Append`].
        position: u64,
    },
    /// Time has passed.
    Tick,
}

/// What a proposer wants done.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// Write this record behind all others. The first record ever has position 1; each further one the next.
    Append(Bytes),
    /// Records before this position are no longer needed.
    Truncate {
        /// The first position that is needed.
        before: u64,
    },
    /// Send a message.
    Send {
        /// To whom.
        to: Target,
        /// The message.
        message: Message,
    },
    /// Send an encoded [`ClientFrame`] to a client, if it is still there. After [`ClientFrame::Refused`] the connection is closed.
    Reply {
        /// The connection.
        connection: u64,
        /// The frame.
        frame: Bytes,
    },
    /// For the leader detector: what this node says of itself has changed.
    Own {
        /// The leadership that it holds.
        leading: Option<Ballot>,
        /// Whether it could lead.
        fit: bool,
    },
}

/// Why the records of a storage make no proposer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryError {
    /// The record's position.
    pub position: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of the proposer's storage cannot be used: {}", self.position, self.reason)
    }
}

impl std::error::Error for RecoveryError {}

/// Where a proposer is on its way to leading.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Phase {
    /// It does not try to lead.
    Idle,
    /// It will try (again) then.
    Waiting { until: Instant },
    /// Its disk is empty: it asks which rounds there have been.
    Surveying(Survey),
    /// The round is on its way to the disk.
    Persisting { round: u64, position: u64 },
    /// Promises are coming in.
    Preparing(Preparing),
    /// It leads.
    Leading(Window),
}

/// What another node's proposer said last, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Peer {
    heard: Instant,
    fit: bool,
    applied: Slot,
}

/// The proposer of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proposer {
    config: Config,
    phase: Phase,
    /// The highest round heard of.
    round: u64,
    /// Whether the own disk has told which rounds were used, or the acceptors have.
    surveyed: bool,
    appended: u64,
    durable: u64,
    leader: Option<NodeId>,
    follows: Option<Ballot>,
    /// Whether a majority of nodes, this one included, is heard.
    majority: bool,
    /// The last slot the own learner has executed; `None` before it has said so.
    executed: Option<Slot>,
    /// The own learner has lost, or lacks, what is chosen up to there, and must have come further by then.
    lost: Option<(Slot, Instant)>,
    queue: Queue,
    /// Requests are being handed in, and more may follow before [`Input::Flush`].
    collecting: bool,
    in_flight: InFlight,
    acceptor_heard: Option<Instant>,
    learner_heard: Option<Instant>,
    /// What the proposers of other nodes said last.
    peers: BTreeMap<NodeId, Peer>,
    told: Option<(Option<Ballot>, bool)>,
    next_heartbeat: Instant,
    attempts: u64,
}

impl Proposer {
    /// Puts a proposer together from the records of its storage, given with their positions in ascending order.
    pub fn open(config: Config, records: impl IntoIterator<Item = (u64, Bytes)>) -> Result<Proposer, RecoveryError> {
        let (mut round, mut appended) = (0, 0);
        for (position, bytes) in records {
            appended = position;
            match Record::decode(&bytes) {
                Ok(Record::Round(r)) => round = round.max(r),
                Ok(_) => return Err(RecoveryError { position, reason: "it is no proposer's".into() }),
                Err(e) => return Err(RecoveryError { position, reason: e.to_string() }),
            }
        }
        Ok(Proposer {
            config,
            phase: Phase::Idle,
            round,
            surveyed: round > 0,
            appended,
            durable: appended,
            leader: None,
            follows: None,
            majority: false,
            executed: None,
            lost: None,
            queue: Queue::default(),
            collecting: false,
            in_flight: InFlight::default(),
            acceptor_heard: None,
            learner_heard: None,
            peers: BTreeMap::new(),
            told: None,
            next_heartbeat: Instant::default(),
            attempts: 0,
        })
    }

    /// Takes one input and appends what is to be done to `out`.
    pub fn step(&mut self, now: Instant, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Submit { connection, commands } => self.submit(now, connection, &commands, out),
            Input::Flush => self.collecting = false,
            Input::Message { from, message } => self.message(now, from, message, out),
            Input::Leader { leader, follows, majority } => {
                self.follows = follows;
                self.majority = majority;
                if leader != self.leader {
                    self.leader = leader;
                    if leader == Some(self.config.node) {
                        self.try_to_lead(now);
                    } else {
                        self.step_down(Phase::Idle, out);
                    }
                }
            }
            Input::Durable { position } => self.durable = self.durable.max(position.min(self.appended)),
            Input::Tick => {}
        }
        self.tick(now, out);
        self.propose(now, out);
        self.tell_own(now, out);
    }

    /// When [`Input::Tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::Idle | Phase::Persisting { .. } => None,
            Phase::Waiting { until } => self.executed.map(|_| *until),
            Phase::Surveying(survey) => Some(survey.sent.plus(self.config.retransmit)),
            Phase::Preparing(preparing) => Some(preparing.sent.plus(self.config.retransmit)),
            Phase::Leading(window) => {
                let resend = window.oldest().map(|sent| sent.plus(self.config.retransmit));
                // A batch that waits for company can only go when there is a free slot.
                let free = window.len() < self.config.window && !self.collecting;
                let delay = self.queue.since().filter(|_| free);
                let lost = self.lost.map(|(_, until)| until);
                [resend, delay.map(|since| since.plus(self.config.max_delay)), lost].into_iter().flatten().min()
            }
        };
        let unfit = self.own_heard().filter(|_| self.told.is_some_and(|t| t.1)).map(|at| at.plus(self.config.silent));
        [phase, unfit, Some(self.next_heartbeat)].into_iter().flatten().min()
    }

    /// Whether clients may be read from.
    pub fn accepting(&self) -> bool {
        self.queue.bytes() < self.config.pending_bytes
    }

    /// The leadership that this node holds.
    pub fn leading(&self) -> Option<Ballot> {
        match &self.phase {
            Phase::Leading(window) => Some(window.ballot),
            _ => None,
        }
    }

    /// The leadership for which promises are being collected.
    pub fn preparing(&self) -> Option<Ballot> {
        match &self.phase {
            Phase::Preparing(preparing) => Some(preparing.ballot),
            _ => None,
        }
    }

    /// Who leads, as far as is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.leader
    }

    /// The last slot the own learner has executed, as far as is known.
    pub fn executed(&self) -> Slot {
        self.executed.unwrap_or(Slot::ZERO)
    }

    /// How many slots are open.
    pub fn open_slots(&self) -> usize {
        match &self.phase {
            Phase::Leading(window) => window.len(),
            _ => 0,
        }
    }

    /// How many commands wait for a slot.
    pub fn queued(&self) -> u64 {
        self.queue.commands()
    }

    /// The same proposer with its acceptors renamed: what the explorer of core/sim needs to treat acceptors as alike.
    #[doc(hidden)]
    pub fn renamed(mut self, name: impl Fn(NodeId) -> NodeId) -> Proposer {
        self.phase = match self.phase {
            Phase::Surveying(survey) => Phase::Surveying(survey.renamed(name)),
            Phase::Preparing(preparing) => Phase::Preparing(preparing.renamed(name)),
            other => other,
        };
        self
    }

    fn submit(&mut self, now: Instant, connection: u64, commands: &[u8], out: &mut Vec<Output>) {
        let limits = Limits { key: self.config.max_key, value: self.config.max_value, ..Limits::default() };
        match command::check(commands, &limits) {
            Err(error) => self.refuse(connection, &error, out),
            Ok(_) if commands.len() > Limits::MAX_BATCH_BYTES - BATCH_HEAD => {
                let most = Limits::MAX_BATCH_BYTES - BATCH_HEAD;
                let what = format!("it has {} bytes of commands, and {most} is the most", commands.len());
                self.refuse(connection, &WireError::new(0, what), out);
            }
            Ok(count) if count > most_in_a_request(&self.config) => {
                let most = most_in_a_request(&self.config);
                let what = format!("it has {count} commands, and with values of this length {most} is the most");
                self.refuse(connection, &WireError::new(0, what), out);
            }
            Ok(0) => {}
            Ok(_) if self.leader != Some(self.config.node) => self.redirect(connection, out),
            Ok(count) => {
                self.collecting = true;
                self.queue.push(now, connection, commands, count, &self.config);
            }
        }
    }

    fn refuse(&self, connection: u64, error: &WireError, out: &mut Vec<Output>) {
        let mut frame = Vec::new();
        ClientFrame::Refused(&format!("the request is refused: {error}")).encode(&mut frame);
        out.push(Output::Reply { connection, frame: Bytes::from(frame) });
    }

    fn redirect(&self, connection: u64, out: &mut Vec<Output>) {
        let mut frame = Vec::new();
        ClientFrame::Redirect { leader: self.leader }.encode(&mut frame);
        out.push(Output::Reply { connection, frame: Bytes::from(frame) });
    }

    fn message(&mut self, now: Instant, from: Endpoint, message: Message, out: &mut Vec<Output>) {
        let own = from.node == self.config.node;
        if let (Role::Proposer, Message::Heartbeat { fit, applied, .. }) = (from.role, &message)
            && !own
            && self.config.nodes.contains(&from.node)
        {
            self.peers.insert(from.node, Peer { heard: now, fit: *fit, applied: *applied });
        }
        match (from.role, message) {
            (Role::Acceptor, Message::Promise { ballot, from: slot, first, accepted, more, .. }) => {
                self.promise(now, from.node, ballot, slot, first, accepted, more, out);
            }
            (Role::Acceptor, Message::Nack { ballot, promised }) => self.nack(now, from.node, ballot, promised, out),
            (Role::Acceptor, Message::Heartbeat { fit, .. }) if own => {
                self.acceptor_heard = fit.then_some(now);
            }
            (Role::Learner, Message::Heartbeat { applied, .. }) if own => self.note_executed(now, applied),
            (Role::Learner, Message::Executed { upto, replies }) if own => {
                self.note_executed(now, upto);
                for connection in self.in_flight.answer(upto, &replies, out) {
                    self.redirect(connection, out);
                }
            }
            // A leader that is ahead: the next round has to be above its.
            (Role::Proposer, Message::Heartbeat { leading: Some(ballot), .. }) if ballot.node == from.node => {
                self.hear_of(ballot);
            }
            _ => {}
        }
    }

    /// The own learner has executed everything up to `upto`.
    fn note_executed(&mut self, now: Instant, upto: Slot) {
        self.learner_heard = Some(now);
        let before = self.executed.replace(upto).unwrap_or(Slot::ZERO);
        if upto < before {
            // It was restarted. Others will tell it again what was chosen; if nobody can, phase 1 makes sure of it.
            let until = now.plus(self.config.phase);
            self.lost = Some(self.lost.map_or((before, until), |(slot, at)| (slot.max(before), at)));
        }
        if upto > before
            && let Some((_, until)) = &mut self.lost
        {
            // It is being told: long catching up is not to be disturbed.
            *until = now.plus(self.config.phase);
        }
        if self.lost.is_some_and(|(slot, _)| upto >= slot) {
            self.lost = None;
        }
        if let Phase::Leading(window) = &mut self.phase {
            window.executed(upto);
        }
    }

    /// The next round has to be above this one.
    fn hear_of(&mut self, ballot: Ballot) {
        if ballot.round <= Ballot::MAX_ROUND {
            self.round = self.round.max(ballot.round);
        }
    }

    /// Ends whatever leadership there is; everybody who waits is told to ask elsewhere (or here again).
    fn step_down(&mut self, next: Phase, out: &mut Vec<Output>) {
        self.phase = next;
        self.lost = None;
        let mut connections = self.in_flight.clear();
        connections.extend(self.queue.clear());
        for connection in connections {
            self.redirect(connection, out);
        }
    }

    /// When the own acceptor and learner were both heard last.
    fn own_heard(&self) -> Option<Instant> {
        Some(self.acceptor_heard?.min(self.learner_heard?))
    }

    /// Whether this node hears all that it needs to lead: a majority of nodes, its own acceptor and its own learner; and is not the wrong
    /// one to do so.
    fn fit(&self, now: Instant) -> bool {
        let hears = self.majority && self.own_heard().is_some_and(|at| now.since(at) < self.config.silent);
        hears && !self.far_behind(now)
    }

    /// Whether another node was heard of late.
    fn heard_of_late(&self, now: Instant, peer: &Peer) -> bool {
        now.since(peer.heard) < self.config.suspect
    }

    /// The leadership whose holder was heard of late.
    fn vouched_for(&self, now: Instant) -> Option<Ballot> {
        self.follows.filter(|ballot| self.peers.get(&ballot.node).is_some_and(|peer| self.heard_of_late(now, peer)))
    }

    /// Whether somebody who could lead has executed much more: clients would wait until this node has it all. Who lags behind nodes that
    /// could not lead either may lead. Being fit (again) takes being closer than staying fit does, so it does not flicker.
    fn far_behind(&self, now: Instant) -> bool {
        let windows = if self.told.is_some_and(|(_, fit)| fit) { FAR } else { FAR / 2 };
        let enough = self.executed().plus(windows.saturating_mul(self.config.window as u64));
        self.peers.values().any(|peer| peer.fit && peer.applied > enough && self.heard_of_late(now, peer))
    }

    fn tell_own(&mut self, now: Instant, out: &mut Vec<Output>) {
        let own = (self.leading(), self.fit(now));
        let changed = self.told != Some(own);
        if changed {
            self.told = Some(own);
            out.push(Output::Own { leading: own.0, fit: own.1 });
        }
        if changed || now >= self.next_heartbeat {
            self.next_heartbeat = now.plus(self.config.heartbeat);
            let message = Message::Heartbeat {
                leading: own.0,
                follows: own.0.or(self.vouched_for(now)),
                fit: own.1,
                applied: self.executed(),
                life: self.config.life,
            };
            out.push(Output::Send { to: Target::Others(Role::Proposer), message });
        }
    }
}

#[cfg(test)]
mod tests;
