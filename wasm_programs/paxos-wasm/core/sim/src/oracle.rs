//! What must hold after every step, looked at from outside: from the messages, the disks and the answers, not from what cores believe.

use crate::clients::{Answer, Asked, Operation};
use crate::linear;
use paxos_types::command::Commands;
use paxos_types::{Ballot, Bytes, ClientId, Message, NodeId, Slot, batch};
use std::collections::{BTreeMap, BTreeSet};

/// What an oracle has seen.
#[derive(Debug, Default)]
pub struct Oracle {
    majority: usize,
    /// Every command that a client sent, by its bytes.
    issued: BTreeMap<(ClientId, u64), (Bytes, Asked)>,
    /// The one value that each leadership proposed for a slot.
    proposed: BTreeMap<(Slot, Ballot), Bytes>,
    /// Who said to have accepted it.
    votes: BTreeMap<(Slot, Ballot), BTreeSet<NodeId>>,
    /// The one value of each slot, once a majority has said so or a learner has executed it.
    chosen: BTreeMap<Slot, Bytes>,
    /// For each node, which slots its disks hold for certain: in a durable record, or in a durable snapshot.
    durable: BTreeMap<NodeId, BTreeSet<Slot>>,
    in_snapshot: BTreeMap<NodeId, Slot>,
    /// The log so far without gaps, applied to a naive store.
    applied: Slot,
    index: u64,
    keys: BTreeMap<u8, (u64, u64)>,
    /// For each session its last number and the index of that command.
    sessions: BTreeMap<ClientId, (u64, u64)>,
    /// How many sessions are kept.
    session_limit: usize,
    /// For each command that took effect: its place in the order, its slot, what it must be answered.
    effects: BTreeMap<(ClientId, u64), (u64, Slot, Answer, u64)>,
    /// The highest slot of which a client was told.
    pub acknowledged: Slot,
    /// How many answers were looked at.
    pub answers: u64,
}

impl Oracle {
    /// An oracle for a cluster of so many nodes that keeps so many sessions.
    pub fn new(nodes: usize, session_limit: usize) -> Oracle {
        Oracle { majority: nodes / 2 + 1, session_limit, ..Oracle::default() }
    }

    /// The last slot up to which all are chosen.
    pub fn applied(&self) -> Slot {
        self.applied
    }

    /// A client sends a command for the first time.
    pub fn issued(&mut self, client: ClientId, seq: u64, bytes: Bytes, asked: Asked) {
        self.issued.insert((client, seq), (bytes, asked));
    }

    /// A message leaves a process.
    pub fn sent(&mut self, from: NodeId, message: &Message) -> Result<(), String> {
        match message {
            Message::Accept { ballot, slot, batch } => {
                let value = self.proposed.entry((*slot, *ballot)).or_insert_with(|| batch.clone());
                if value != batch {
                    return Err(format!("ballot {ballot} proposes two values for slot {slot}"));
                }
            }
            Message::Accepted { ballot, first, count, batches, .. } => {
                for i in 0..u64::from(*count) {
                    let slot = first.plus(i);
                    let Some(value) = self.proposed.get(&(slot, *ballot)).cloned() else {
                        return Err(format!(
                            "node {from} accepted what ballot {ballot} never proposed for slot {slot}"
                        ));
                    };
                    if batches.get(i as usize).is_some_and(|b| *b != value) {
                        return Err(format!(
                            "node {from} accepted another value for slot {slot} than ballot {ballot}'s"
                        ));
                    }
                    let votes = self.votes.entry((slot, *ballot)).or_default();
                    votes.insert(from);
                    if votes.len() >= self.majority {
                        self.choose(slot, value, "a majority accepted")?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A learner executes a slot.
    pub fn executed(&mut self, node: NodeId, slot: Slot, value: &Bytes) -> Result<(), String> {
        if !self.chosen.contains_key(&slot) {
            return Err(format!("node {node} executes slot {slot}, which no majority has accepted"));
        }
        self.choose(slot, value.clone(), "a learner executes")
    }

    fn choose(&mut self, slot: Slot, value: Bytes, how: &str) -> Result<(), String> {
        if let Some(old) = self.chosen.get(&slot) {
            return if *old == value { Ok(()) } else { Err(format!("slot {slot} has a value, and {how} another one")) };
        }
        self.chosen.insert(slot, value);
        while let Some(value) = self.chosen.get(&self.applied.next()).cloned() {
            self.applied = self.applied.next();
            self.apply(self.applied, &value)?;
        }
        Ok(())
    }

    /// Applies a slot to the naive store: only what was issued, each command of a session once and in order.
    fn apply(&mut self, slot: Slot, value: &Bytes) -> Result<(), String> {
        let split = batch::split(value).map_err(|e| format!("slot {slot}: {e}"))?;
        let Some((_, commands)) = split else { return Ok(()) };
        let mut rest = commands;
        for command in Commands::new(commands) {
            let command = command.map_err(|e| format!("slot {slot}: {e}"))?;
            let len = 4 + rest.first_chunk::<4>().map_or(0, |l| u32::from_le_bytes(*l)) as usize;
            let (bytes, behind) = rest.split_at(len.min(rest.len()));
            rest = behind;
            let Some((issued, asked)) = self.issued.get(&(command.client, command.seq)) else {
                return Err(format!("slot {slot} holds a command that nobody issued: {command:?}"));
            };
            if issued != bytes {
                return Err(format!("slot {slot} holds another command than was issued: {command:?}"));
            }
            let known = self.sessions.get(&command.client).map(|s| s.0);
            let next = match known {
                Some(last) => command.seq == last + 1,
                None => *asked == Asked::Open,
            };
            if next {
                if known.is_none() && self.sessions.len() >= self.session_limit {
                    let oldest = self.sessions.iter().min_by_key(|(_, (_, index))| *index).map(|(client, _)| *client);
                    oldest.and_then(|client| self.sessions.remove(&client));
                }
                self.index += 1;
                self.sessions.insert(command.client, (command.seq, self.index));
                let (answer, version) = linear::apply(&mut self.keys, self.index, asked);
                self.effects.insert((command.client, command.seq), (self.index, slot, answer, version));
            }
        }
        Ok(())
    }

    /// A disk holds these slots for certain from now on.
    pub fn durable(&mut self, node: NodeId, slots: impl IntoIterator<Item = Slot>) {
        self.durable.entry(node).or_default().extend(slots);
    }

    /// A disk holds a snapshot up to that slot.
    pub fn snapshot(&mut self, node: NodeId, upto: Slot) {
        let known = self.in_snapshot.entry(node).or_default();
        *known = upto.max(*known);
    }

    /// A disk holds nothing below `first` any more but what is in the node's snapshot.
    pub fn forgotten(&mut self, node: NodeId, first: Slot) -> Result<(), String> {
        let kept = self.in_snapshot.get(&node).copied().unwrap_or_default();
        let slots = self.durable.entry(node).or_default();
        let gone: Vec<Slot> = slots.range(kept.next().min(first)..first).copied().collect();
        *slots = slots.split_off(&first);
        for slot in gone {
            if slot <= self.acknowledged && self.holders(slot) < self.majority {
                return Err(format!(
                    "slot {slot} was acknowledged, and since node {node} has forgotten it only {} disks hold it",
                    self.holders(slot)
                ));
            }
        }
        Ok(())
    }

    fn holders(&self, slot: Slot) -> usize {
        let in_record = |n: &NodeId| self.durable.get(n).is_some_and(|s| s.contains(&slot));
        let in_snapshot = |n: &NodeId| self.in_snapshot.get(n).is_some_and(|s| *s >= slot);
        let nodes: BTreeSet<NodeId> = self.durable.keys().chain(self.in_snapshot.keys()).copied().collect();
        nodes.iter().filter(|n| in_record(n) || in_snapshot(n)).count()
    }

    /// A client was answered: the answer is the one that the order gives, and a majority of disks holds the command.
    pub fn answered(&mut self, operation: &Operation) -> Result<(), String> {
        self.answers += 1;
        let Some((answer, index, version)) = &operation.answer else { return Ok(()) };
        let Some((place, slot, expected, expected_version)) = self.effects.get(&(operation.id, operation.seq)) else {
            return Err(format!("{operation:?} was answered, and is in no slot that is chosen"));
        };
        if (index, answer, version) != (place, expected, expected_version) {
            return Err(format!(
                "{operation:?} should have been answered {expected:?}, place {place}, version {expected_version}"
            ));
        }
        let slot = *slot;
        let holders = self.holders(slot);
        if holders < self.majority {
            return Err(format!("slot {slot} was acknowledged, and only {holders} disks hold it"));
        }
        self.acknowledged = self.acknowledged.max(slot);
        Ok(())
    }

    /// Index and operation of those of a history that took effect without an answer.
    pub fn unanswered(&self, history: &[Operation]) -> Vec<(u64, Operation)> {
        history
            .iter()
            .filter(|o| o.answer.is_none())
            .filter_map(|o| self.effects.get(&(o.id, o.seq)).map(|e| (e.0, o.clone())))
            .collect()
    }
}
