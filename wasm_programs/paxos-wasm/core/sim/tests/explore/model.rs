//! The small world as a model: states, what can happen next, what must hold.
//!
//! How it stays small without leaving anything out:
//! * A message that was sent is in the air for ever, and may arrive at any time, any number of times, or never: a set stands for loss,
//!   repetition and reordering at once. A message to the acceptors is one element, whoever of them it reaches. A promise that its
//!   proposer would not look at any more is taken out.
//! * An acceptor is its promise and its accepted values, in memory and on disk; its core is put together from records anew for every step.
//!   Handling a message and syncing is one step, since nothing can be told apart in between but by a crash, and a crash in between is a
//!   step of its own. Crashes are not counted: there may be any number.
//! * A nack makes a proposer do nothing until it tries to lead again, which it may do (by being slow) without one as well; so what it
//!   learns from a nack comes with the next try: each acceptor's, or nobody's.
//! * Acceptors are alike: of all states that differ only in their names one is kept.

use paxos_acceptor::{self as acceptor, Acceptor};
use paxos_proposer::{self as proposer, Proposer};
use paxos_sim::Mutated;
use paxos_types::{
    Ballot, Bytes, ClientId, Command, Endpoint, Incarnation, Instant, Message, NodeId, Op, Record, Role, Slot, Target,
};
use stateright::{Model, Property};
use std::collections::{BTreeMap, BTreeSet};

const ACCEPTORS: usize = 3;
const MAJORITY: u32 = 2;
/// Slots that may be open, and since nothing is ever executed here, all there are.
const SLOTS: usize = 2;
const OLD: Incarnation = Incarnation(7);
const NEW: Incarnation = Incarnation(8);
/// What each proposer's clients ask for.
const VALUES: [&[u64]; 2] = [&[1, 2], &[3]];

/// What is explored.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// How often each proposer may try to lead.
    pub leaderships: [u8; 2],
    /// Whether acceptors may crash, and keep what was synced.
    pub acceptors_crash: bool,
    /// Whether proposers may crash, and keep what was synced.
    pub proposers_crash: bool,
    /// Acceptors that may lose their disk.
    pub wipes: u8,
}

/// The world.
pub struct World {
    pub bounds: Bounds,
    #[cfg_attr(not(feature = "planted"), allow(dead_code))]
    pub mutation: Mutated,
}

/// What an acceptor knows, or what its disk does.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct View {
    promised: Ballot,
    accepted: BTreeMap<Slot, (Ballot, Bytes)>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Node {
    Running {
        memory: View,
        disk: View,
    },
    /// Its disk is new, and it asks the others.
    Fresh,
    /// It was refused.
    Stopped,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    acceptors: Vec<Node>,
    proposers: [Proposer; 2],
    /// The highest round on each proposer's disk.
    rounds: [u64; 2],
    to_acceptors: BTreeSet<Message>,
    to_proposers: BTreeSet<(usize, Message)>,
    /// Between acceptors: from, to, message.
    between: BTreeSet<(usize, usize, Message)>,
    /// Who said to have accepted what.
    votes: BTreeMap<(Slot, Ballot), u8>,
    chosen: BTreeMap<Slot, BTreeSet<Bytes>>,
    leaderships: [u8; 2],
    wipes: u8,
    /// A wiped acceptor has taken part.
    undead: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Tries to lead, after an acceptor (or none) has told it what it has promised.
    Lead(usize, Option<usize>),
    ToAcceptor(usize, Message),
    /// The acceptor crashes after it has handled the message and before anything of it is durable.
    ToAcceptorAndCrash(usize, Message),
    ToProposer(usize, Message),
    Between(usize, usize, Message),
    CrashAcceptor(usize),
    CrashProposer(usize),
    Wipe(usize),
}

fn name(acceptor: usize) -> NodeId {
    NodeId(11 + acceptor as u16)
}

fn names() -> Vec<NodeId> {
    (0..ACCEPTORS).map(name).collect()
}

impl View {
    fn of(acceptor: &Acceptor) -> View {
        let slots = (acceptor.first().0..acceptor.end().0).map(Slot);
        let accepted = slots.filter_map(|slot| acceptor.accepted(slot).map(|(b, batch)| (slot, (b, batch.clone()))));
        View { promised: acceptor.promised(), accepted: accepted.collect() }
    }

    fn records(&self, own: usize) -> Vec<Bytes> {
        let known = (0..ACCEPTORS).filter(|a| *a != own).map(|a| Record::Known(name(a), OLD));
        let accepts = self.accepted.iter().map(|(slot, (ballot, batch))| Record::Accept {
            ballot: *ballot,
            slot: *slot,
            batch: batch.clone(),
        });
        let all = known.chain([Record::Registered, Record::Promise(self.promised)]).chain(accepts);
        all.map(|r| Bytes::from(r.encode())).collect()
    }
}

impl World {
    fn acceptor(&self, own: usize, incarnation: Incarnation, records: Vec<Bytes>) -> Acceptor {
        let config = acceptor::Config {
            heartbeat: u64::MAX,
            register_every: u64::MAX,
            #[cfg(feature = "planted")]
            mutation: self.mutation,
            ..acceptor::Config::new(name(own), names(), incarnation)
        };
        let records = records.into_iter().enumerate().map(|(i, r)| (i as u64 + 1, r));
        Acceptor::open(config, records).unwrap_or_else(|e| panic!("{e}"))
    }

    fn proposer(&self, p: usize, round: u64) -> Proposer {
        let config = proposer::Config {
            max_commands: 1,
            window: SLOTS,
            heartbeat: u64::MAX,
            silent: u64::MAX,
            suspect: u64::MAX,
            phase: u64::MAX,
            retransmit: u64::MAX,
            #[cfg(feature = "planted")]
            mutation: self.mutation,
            ..proposer::Config::new(NodeId(p as u16 + 1), names())
        };
        let record = (1, Bytes::from(Record::Round(round).encode()));
        let forgets = round == 1 && self.forgets_rounds();
        let mut core = Proposer::open(config, (!forgets).then_some(record)).unwrap_or_else(|e| panic!("{e}"));
        let learner = Endpoint::new(NodeId(p as u16 + 1), Role::Learner);
        let message = Message::Executed { upto: Slot::ZERO, replies: Vec::new() };
        core.step(Instant(0), proposer::Input::Message { from: learner, message }, &mut Vec::new());
        core
    }

    #[cfg(feature = "planted")]
    fn forgets_rounds(&self) -> bool {
        self.mutation == Some(paxos_types::Mutation::ReuseBallot)
    }

    #[cfg(not(feature = "planted"))]
    fn forgets_rounds(&self) -> bool {
        false
    }

    fn step_proposer(&self, state: &mut State, p: usize, input: proposer::Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let mut out = Vec::new();
            state.proposers[p].step(Instant(0), input, &mut out);
            for output in out {
                match output {
                    // Its disk is synced at once: before that nothing of the round is known to anybody.
                    proposer::Output::Append(bytes) => {
                        if let Ok(Record::Round(round)) = Record::decode(&bytes) {
                            state.rounds[p] = round;
                        }
                        inputs.push(proposer::Input::Durable { position: u64::MAX });
                    }
                    proposer::Output::Send { to: Target::All(Role::Acceptor), message }
                    | proposer::Output::Send { to: Target::One(Endpoint { role: Role::Acceptor, .. }), message } => {
                        state.to_acceptors.insert(message);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Hands a message to an acceptor that is put together from `node`; sends what leaves before the sync and, if `sync`, what leaves
    /// after it.
    fn step_acceptor(&self, state: &mut State, a: usize, from: Endpoint, message: Message, sync: bool) {
        let (mut core, disk) = match &state.acceptors[a] {
            Node::Running { memory, disk } => (self.acceptor(a, OLD, memory.records(a)), Some(disk.clone())),
            Node::Fresh => (self.acceptor(a, NEW, Vec::new()), None),
            Node::Stopped => return,
        };
        let mut out = Vec::new();
        core.step(Instant(0), acceptor::Input::Message { from, message }, &mut out);
        if sync {
            core.step(Instant(0), acceptor::Input::Durable { position: u64::MAX }, &mut out);
        }
        let mut appended = Vec::new();
        for output in out {
            match output {
                acceptor::Output::Append(bytes) => appended.push(bytes),
                acceptor::Output::Stop(_) => state.acceptors[a] = Node::Stopped,
                acceptor::Output::Send { to: Target::One(to), message } if to.role == Role::Acceptor => {
                    let to = usize::from(to.node.0) - 11;
                    state.between.insert((a, to, message));
                }
                acceptor::Output::Send { to: Target::One(_), message: message @ Message::Promise { .. } } => {
                    state.undead |= disk.is_none();
                    state.to_proposers.insert((a, message));
                }
                acceptor::Output::Send { to: Target::Others(Role::Learner), message } => {
                    state.undead |= disk.is_none();
                    state.vote(a, &message);
                }
                _ => {}
            }
        }
        let Some(disk) = disk.filter(|_| state.acceptors[a] != Node::Stopped) else { return };
        state.acceptors[a] = if sync {
            let mut records = disk.records(a);
            records.extend(appended);
            Node::Running { memory: View::of(&core), disk: View::of(&self.acceptor(a, OLD, records)) }
        } else {
            Node::Running { memory: disk.clone(), disk }
        };
    }
}

impl State {
    fn vote(&mut self, a: usize, message: &Message) {
        let Message::Accepted { ballot, first, count, .. } = message else { return };
        for i in 0..u64::from(*count) {
            let slot = first.plus(i);
            let voters = self.votes.entry((slot, *ballot)).or_default();
            *voters |= 1 << a;
            if voters.count_ones() >= MAJORITY {
                let values = self.to_acceptors.iter().filter_map(|m| match m {
                    Message::Accept { ballot: b, slot: s, batch } if b == ballot && *s == slot => Some(batch.clone()),
                    _ => None,
                });
                self.chosen.entry(slot).or_default().extend(values);
            }
        }
    }

    /// Promises that a proposer would pass over: to another ballot than the one it prepares.
    fn forget_useless(&mut self) {
        let wanted = [self.proposers[0].preparing(), self.proposers[1].preparing()];
        self.to_proposers.retain(|(_, m)| match m {
            Message::Promise { ballot, .. } => wanted.contains(&Some(*ballot)),
            _ => false,
        });
    }

    /// The same state with the acceptors in an order that does not depend on their names.
    fn canonical(mut self) -> State {
        let mut order: Vec<usize> = (0..ACCEPTORS).collect();
        let key = |a: &usize| {
            let votes: Vec<bool> = self.votes.values().map(|v| v & (1 << a) != 0).collect();
            let said: Vec<&Message> = self.to_proposers.iter().filter(|(from, _)| from == a).map(|(_, m)| m).collect();
            let between: Vec<&Message> = self.between.iter().filter(|(f, ..)| f == a).map(|(.., m)| m).collect();
            (&self.acceptors[*a], votes, said, between)
        };
        order.sort_by(|a, b| key(a).cmp(&key(b)));
        if order.is_sorted() {
            return self;
        }
        // order[new] = old
        let mut new = [0; ACCEPTORS];
        for (at, old) in order.iter().enumerate() {
            new[*old] = at;
        }
        self.acceptors = order.iter().map(|old| self.acceptors[*old].clone()).collect();
        self.to_proposers = self.to_proposers.into_iter().map(|(a, m)| (new[a], m)).collect();
        self.between = self.between.into_iter().map(|(a, b, m)| (new[a], new[b], m)).collect();
        for voters in self.votes.values_mut() {
            *voters = (0..ACCEPTORS).filter(|a| *voters & (1 << a) != 0).fold(0, |v, a| v | 1 << new[a]);
        }
        self.proposers = self.proposers.map(|p| p.renamed(|n| name(new[usize::from(n.0) - 11])));
        self
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let node = Node::Running { memory: View::default(), disk: View::default() };
        vec![State {
            acceptors: vec![node; ACCEPTORS],
            // As if each had led once, in round 1, and proposed nothing: then its disk is not empty, and nobody need be asked.
            proposers: [self.proposer(0, 1), self.proposer(1, 1)],
            rounds: [1, 1],
            to_acceptors: BTreeSet::new(),
            to_proposers: BTreeSet::new(),
            between: BTreeSet::new(),
            votes: BTreeMap::new(),
            chosen: BTreeMap::new(),
            leaderships: [0, 0],
            wipes: 0,
            undead: false,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for p in 0..2 {
            if state.leaderships[p] < self.bounds.leaderships[p] {
                actions.push(Action::Lead(p, None));
                actions.extend((0..ACCEPTORS).map(|a| Action::Lead(p, Some(a))));
            }
            if self.bounds.proposers_crash && state.leaderships[p] > 0 {
                actions.push(Action::CrashProposer(p));
            }
        }
        for a in 0..ACCEPTORS {
            let running = matches!(state.acceptors[a], Node::Running { .. });
            if running && self.bounds.acceptors_crash {
                actions.push(Action::CrashAcceptor(a));
                actions.extend(state.to_acceptors.iter().map(|m| Action::ToAcceptorAndCrash(a, m.clone())));
            }
            if running && state.wipes < self.bounds.wipes {
                actions.push(Action::Wipe(a));
            }
            actions.extend(state.to_acceptors.iter().map(|m| Action::ToAcceptor(a, m.clone())));
        }
        actions.extend(state.to_proposers.iter().map(|(a, m)| Action::ToProposer(*a, m.clone())));
        actions.extend(state.between.iter().map(|(a, b, m)| Action::Between(*a, *b, m.clone())));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Lead(p, told) => {
                state.leaderships[p] += 1;
                let own = NodeId(p as u16 + 1);
                if let Some(a) = told {
                    let Node::Running { memory, .. } = &state.acceptors[a] else { return None };
                    let message = Message::Nack { ballot: Ballot::ZERO, promised: memory.promised };
                    let from = Endpoint::new(name(a), Role::Acceptor);
                    self.step_proposer(&mut state, p, proposer::Input::Message { from, message });
                }
                self.step_proposer(
                    &mut state,
                    p,
                    proposer::Input::Leader { leader: None, follows: None, majority: true },
                );
                self.step_proposer(
                    &mut state,
                    p,
                    proposer::Input::Leader { leader: Some(own), follows: None, majority: true },
                );
                for value in VALUES[p] {
                    let mut commands = Vec::new();
                    let client = ClientId(u128::from(*value));
                    Command { client, seq: 1, op: Op::Open }.encode(&mut commands);
                    let commands = Bytes::from(commands);
                    self.step_proposer(&mut state, p, proposer::Input::Submit { connection: *value, commands });
                }
                self.step_proposer(&mut state, p, proposer::Input::Flush);
            }
            Action::ToAcceptor(a, message) => self.step_acceptor(&mut state, a, sender(&message), message, true),
            Action::ToAcceptorAndCrash(a, message) => {
                self.step_acceptor(&mut state, a, sender(&message), message, false);
            }
            Action::CrashAcceptor(a) => {
                if let Node::Running { memory, disk } = &mut state.acceptors[a] {
                    *memory = disk.clone();
                }
            }
            Action::Wipe(a) => {
                state.wipes += 1;
                state.acceptors[a] = Node::Fresh;
                for other in (0..ACCEPTORS).filter(|o| *o != a) {
                    state.between.insert((a, other, Message::Register { incarnation: NEW }));
                }
            }
            Action::Between(a, b, message) => {
                self.step_acceptor(&mut state, b, Endpoint::new(name(a), Role::Acceptor), message, true);
            }
            Action::ToProposer(a, message) => {
                let Message::Promise { ballot, .. } = &message else { return None };
                let p = usize::from(ballot.node.0) - 1;
                let from = Endpoint::new(name(a), Role::Acceptor);
                self.step_proposer(&mut state, p, proposer::Input::Message { from, message });
            }
            Action::CrashProposer(p) => {
                state.proposers[p] = self.proposer(p, state.rounds[p]);
            }
        }
        state.forget_useless();
        let state = state.canonical();
        (state != *last).then_some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("one value per slot", |_, s: &State| s.chosen.values().all(|values| values.len() <= 1)),
            Property::always("one value per ballot and slot", |_, s: &State| {
                let mut seen = BTreeMap::new();
                s.to_acceptors.iter().all(|m| match m {
                    Message::Accept { ballot, slot, batch } => seen.insert((*ballot, *slot), batch).is_none(),
                    _ => true,
                })
            }),
            Property::always("a wiped acceptor takes no part", |_, s: &State| !s.undead),
            Property::sometimes("can choose both slots", |_, s: &State| s.chosen.len() == SLOTS),
        ]
    }
}

fn sender(message: &Message) -> Endpoint {
    let node = match message {
        Message::Prepare { ballot, .. } | Message::Accept { ballot, .. } => ballot.node,
        _ => NodeId(0),
    };
    Endpoint::new(node, Role::Proposer)
}
