//! The replicated state: keys with versions, and the sessions of clients.
//!
//! Deterministic: the state after a slot is a function of the batches up to it. There are hash maps inside, and nothing that leaves
//! ([`KvStore::apply`]'s replies, [`KvStore::snapshot`]) depends on the order of their buckets.
//!
//! # Invariants
//! * **Each slot once, in order.** A slot that is not the next one is an error of the driver and changes nothing.
//! * **A session's commands are applied once and in order.** The command after the last is applied, the last is answered again with its
//!   first answer, everything else is refused. Only [`Op::Open`] begins a session, and it has no other effect: so a session that was
//!   forgotten and comes back cannot have anything applied twice.
//! * **The state is bounded.** A command that would take it beyond [`Config::max_bytes`] is refused, alike on all nodes, and counts as its
//!   session's last.
//! * **The table of sessions is bounded.** The one whose last command is oldest in the log goes first; all nodes forget the same one.
//! * **A snapshot disturbs nothing.** It is made in parts, each of bounded work, between which commands are applied ([`KvStore::snapshot_part`]).
//! * **A key's version is the index of its last write**, and indices count applied commands without gaps.
#![forbid(unsafe_code)]

mod hash;
mod key;
mod making;
mod sessions;
mod snapshot;

use hash::Hash64;
use hashbrown::HashMap;
use key::{Key, Wanted, same};
use making::Making;
use paxos_types::command::Commands;
use paxos_types::{BatchHeader, Command, NodeId, Op, Outcome, Reply, Slot, batch};
use sessions::{Sessions, Verdict};
use std::collections::BTreeSet;
use std::fmt;

/// How a store is set up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Sessions that are kept. The same on all nodes; a snapshot made with another number is refused.
    pub sessions: usize,
    /// Bytes of keys, values and answers that are kept. The same on all nodes.
    pub max_bytes: usize,
    /// Any number that clients do not know, so that they cannot choose keys that fall into one bucket. It shows in nothing.
    pub seed: u64,
    /// Keys and sessions that are looked at for one part of a snapshot.
    pub part_entries: usize,
    /// Bytes of one part of a snapshot, beyond which no other key or session is added.
    pub part_bytes: usize,
    /// The rule that is broken on purpose.
    #[cfg(feature = "planted")]
    pub mutation: Option<paxos_types::Mutation>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            sessions: paxos_types::Limits::default().sessions,
            max_bytes: paxos_types::Limits::MAX_STATE,
            seed: 0,
            // Half a millisecond or so as a component, and a batch may have to wait for one.
            part_entries: 1024,
            part_bytes: 128 * 1024,
            #[cfg(feature = "planted")]
            mutation: None,
        }
    }
}

/// Why a store cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault(pub String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Fault {}

/// What an entry costs besides the bytes of key and value, in round numbers.
const ENTRY: usize = 64;

#[derive(Clone, Debug)]
struct Entry {
    version: u64,
    /// Nothing: it was deleted while a snapshot was being made, and its place is still there.
    value: Option<Vec<u8>>,
    /// Where its key stands in [`KvStore::keys`].
    place: u32,
}

type Data = HashMap<Key, Entry, Hash64>;

/// The store of one node.
#[derive(Clone, Debug)]
pub struct KvStore {
    config: Config,
    applied: Slot,
    index: u64,
    data: Data,
    /// All keys of `data`, in no order: a snapshot goes through them by place.
    keys: Vec<Key>,
    /// Places of those that have no value.
    dead: BTreeSet<u32>,
    /// Bytes of `data`, with what each entry costs.
    data_bytes: usize,
    sessions: Sessions,
    making: Option<Making>,
}

impl KvStore {
    /// An empty store.
    pub fn new(config: Config) -> KvStore {
        let hash = Hash64::new(config.seed);
        KvStore {
            applied: Slot::ZERO,
            index: 0,
            data: HashMap::with_hasher(hash.clone()),
            keys: Vec::new(),
            dead: BTreeSet::new(),
            data_bytes: 0,
            sessions: Sessions::new(config.sessions, hash),
            making: None,
            config,
        }
    }

    /// The last slot that was applied.
    pub fn applied(&self) -> Slot {
        self.applied
    }

    /// How many commands were applied since the cluster's first.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Bytes that count against [`Config::max_bytes`].
    pub fn bytes(&self) -> usize {
        self.data_bytes + self.sessions.bytes()
    }

    /// How many keys and how many sessions there are.
    pub fn sizes(&self) -> (usize, usize) {
        (self.data.len() - self.dead.len(), self.sessions.len())
    }

    /// Applies one slot. Appends a reply per command to `replies` if the batch originates at `own`, and says which batch that was.
    /// A batch that cannot be read is applied up to the fault, alike on all nodes; proposers let none through.
    pub fn apply(
        &mut self,
        slot: Slot,
        batch: &[u8],
        own: NodeId,
        replies: &mut Vec<u8>,
    ) -> Result<Option<BatchHeader>, Fault> {
        if slot != self.applied.next() {
            return Err(Fault(format!("slot {slot} was to be applied, and {} is the next", self.applied.next())));
        }
        self.applied = slot;
        self.sweep();
        let Ok(Some((header, commands))) = batch::split(batch) else { return Ok(None) };
        let wanted = header.id.origin == own;
        let start = replies.len();
        for command in Commands::new(commands) {
            let Ok(command) = command else { break };
            if !wanted {
                replies.truncate(start);
            }
            self.command(&command, replies);
        }
        if !wanted {
            replies.truncate(start);
        }
        Ok(wanted.then_some(header))
    }

    fn command(&mut self, command: &Command<'_>, replies: &mut Vec<u8>) {
        let Command { client, seq, op } = *command;
        let refuse = |outcome, version| Reply { client, seq, index: 0, version, outcome };
        let session = match self.sessions.find(client, seq) {
            Verdict::Unknown if matches!(op, Op::Open) && seq == 1 => self.sessions.open(client),
            Verdict::Unknown => return refuse(Outcome::UnknownSession, 0).encode(replies),
            Verdict::Next(session) => session,
            Verdict::Last(session) if self.looks_at_numbers() => {
                return replies.extend_from_slice(self.sessions.reply(session));
            }
            Verdict::Last(session) => session,
            Verdict::Older => return refuse(Outcome::Stale, 0).encode(replies),
            Verdict::Gap { last } => return refuse(Outcome::Gap, last).encode(replies),
        };
        self.index += 1;
        let start = replies.len();
        self.operate(command, replies);
        self.sessions.answered(session, seq, self.index, &replies[start..]);
    }

    /// Does it, and appends the reply.
    fn operate(&mut self, command: &Command<'_>, replies: &mut Vec<u8>) {
        let index = self.index;
        let mut reply = |version: u64, outcome: Outcome<'_>| {
            Reply { client: command.client, seq: command.seq, index, version, outcome }.encode(replies);
        };
        let found = |key: &[u8]| self.peek(key).map_or(0, |(_, value)| value.len());
        let grows = match command.op {
            Op::Open | Op::Delete { .. } => 0,
            Op::Get { key } => found(key),
            Op::Put { key, value } => ENTRY + key.len() + value.len(),
            Op::Cas { key, value, .. } => ENTRY + key.len() + value.len() + found(key),
        };
        // What makes nothing grow goes through even beyond the bound, where new sessions may have led: deletes are the way back.
        if grows > 0 && self.data_bytes + self.sessions.bytes() + grows > self.config.max_bytes {
            return reply(0, Outcome::Refused);
        }
        match command.op {
            Op::Open => reply(0, Outcome::Done),
            Op::Get { key } => match self.peek(key) {
                Some((version, value)) => reply(version, Outcome::Value(value)),
                None => reply(0, Outcome::Absent),
            },
            Op::Put { key, value } => {
                let replaced = self.write(key, value);
                reply(replaced, Outcome::Done);
            }
            Op::Delete { key } => match self.remove(key) {
                Some(version) => reply(version, Outcome::Done),
                None => reply(0, Outcome::Absent),
            },
            Op::Cas { key, expected, value } => {
                let found = self.peek(key);
                let fits = match (found, expected) {
                    (Some((_, value)), Some(expected)) => same(value, expected),
                    (found, expected) => found.is_none() && expected.is_none(),
                };
                if fits {
                    let replaced = self.write(key, value);
                    return reply(replaced, Outcome::Done);
                }
                match found {
                    Some((version, value)) => reply(version, Outcome::Mismatch(value)),
                    None => reply(0, Outcome::MismatchAbsent),
                }
            }
        }
    }

    /// Writes, and returns the version that was replaced: 0 if there was none.
    fn write(&mut self, key: &[u8], value: &[u8]) -> u64 {
        let version = self.index;
        let Some(entry) = self.data.get_mut(&Wanted(key)) else {
            self.insert(key, version, value);
            return 0;
        };
        let kept = self.making.as_ref().is_some_and(|making| making.needs(&self.keys, entry));
        let replaced = std::mem::replace(&mut entry.version, version);
        let Some(old) = &mut entry.value else {
            // Deleted while a snapshot was being made, and written again.
            self.dead.remove(&entry.place);
            self.data_bytes += ENTRY + key.len() + value.len();
            entry.value = Some(value.to_vec());
            return 0;
        };
        self.data_bytes = self.data_bytes - old.len() + value.len();
        if kept && let Some(making) = &mut self.making {
            making.keep(entry.place, replaced, std::mem::replace(old, value.to_vec()));
            return replaced;
        }
        // The old value's room is used again: no allocation for values that stay of one size.
        old.clear();
        old.extend_from_slice(value);
        // A key that once had a huge value does not hold on to its room.
        if old.capacity() > 4 * value.len() + 64 {
            old.shrink_to_fit();
        }
        replaced
    }

    /// Adds a key that is not there.
    fn insert(&mut self, key: &[u8], version: u64, value: &[u8]) {
        self.data_bytes += ENTRY + key.len() + value.len();
        let (key, place) = (Key::new(key), self.keys.len() as u32);
        self.keys.push(key.clone());
        self.data.insert(key, Entry { version, value: Some(value.to_vec()), place });
    }

    /// Removes, and returns the version that was there.
    fn remove(&mut self, key: &[u8]) -> Option<u64> {
        let entry = self.data.get_mut(&Wanted(key))?;
        let kept = self.making.as_ref().is_some_and(|making| making.needs(&self.keys, entry));
        let value = entry.value.take()?;
        let version = std::mem::replace(&mut entry.version, self.index);
        self.data_bytes -= ENTRY + key.len() + value.len();
        let place = entry.place;
        if self.making.is_none() && self.dead.is_empty() {
            self.clear(place);
            return Some(version);
        }
        self.dead.insert(place);
        if kept && let Some(making) = &mut self.making {
            making.keep(place, version, value);
        }
        Some(version)
    }

    /// Takes a key out for good; the last one takes its place.
    fn clear(&mut self, place: u32) {
        let key = self.keys.swap_remove(place as usize);
        self.data.remove(&key);
        if let Some(entry) = self.keys.get(place as usize).and_then(|moved| self.data.get_mut(moved)) {
            entry.place = place;
        }
    }

    #[cfg(feature = "planted")]
    fn looks_at_numbers(&self) -> bool {
        self.config.mutation != Some(paxos_types::Mutation::ApplyTwice)
    }

    #[cfg(not(feature = "planted"))]
    fn looks_at_numbers(&self) -> bool {
        true
    }

    /// Version and value of a key as they are now. Past the log neither ordered nor linearizable: only tests and the planted bug ask so.
    #[inline]
    pub fn peek(&self, key: &[u8]) -> Option<(u64, &[u8])> {
        let entry = self.data.get(&Wanted(key))?;
        Some((entry.version, entry.value.as_deref()?))
    }
}

#[cfg(test)]
mod tests;
