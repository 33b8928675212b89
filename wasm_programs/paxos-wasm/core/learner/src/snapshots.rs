//! Snapshots: when one is due, taking it in as the store makes it, giving parts of it away, and fetching one from another learner.

use crate::digest::Digest;
use crate::{Config, Learner, Output};
use paxos_types::{Bytes, Endpoint, Instant, Message, NodeId, Role, Slot, Target};

/// Parts that may be asked for in vain before another learner is tried.
const TRIES: u32 = 5;

/// A part that came.
pub(crate) struct Part {
    pub(crate) slot: Slot,
    pub(crate) offset: u64,
    pub(crate) total: u64,
    pub(crate) digest: u64,
    pub(crate) bytes: Bytes,
}

/// A snapshot that is being fetched, part by part.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fetch {
    from: NodeId,
    /// 0 until the first part has come.
    slot: Slot,
    total: u64,
    digest: u64,
    bytes: Vec<u8>,
    hash: Digest,
    pub(crate) asked: Instant,
    tries: u32,
}

/// Bytes of a snapshot: coming part by part, or all of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Collected {
    Parts(Vec<u8>),
    All(Bytes),
}

/// One that the store is making, or that is being written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Making {
    slot: Slot,
    /// What has come of it.
    bytes: Collected,
    hash: Digest,
    whole: bool,
}

impl Making {
    pub(crate) fn begun(slot: Slot) -> Self {
        Making { slot, bytes: Collected::Parts(Vec::new()), hash: Digest::default(), whole: false }
    }

    fn fetched(slot: Slot, bytes: Bytes, hash: Digest) -> Self {
        Making { slot, bytes: Collected::All(bytes), hash, whole: true }
    }

    fn offered(self) -> Offered {
        let bytes = match self.bytes {
            Collected::Parts(bytes) => Bytes::from(bytes),
            Collected::All(bytes) => bytes,
        };
        Offered { slot: self.slot, bytes, digest: self.hash.value(), asked: None }
    }
}

/// One that others may fetch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Offered {
    slot: Slot,
    bytes: Bytes,
    digest: u64,
    /// When a part of it was asked for last.
    asked: Option<Instant>,
}

impl Offered {
    fn new(slot: Slot, bytes: Bytes) -> Self {
        let digest = Digest::of(&bytes).value();
        Offered { slot, bytes, digest, asked: None }
    }

    fn is_wanted(&self, now: Instant, patience: u64) -> bool {
        self.asked.is_some_and(|asked| now.since(asked) < patience)
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Snapshots {
    /// The durable one.
    newest: Option<Offered>,
    /// An older one that somebody is fetching: who needs longer for that than there is between two snapshots would never get one whole.
    older: Option<Offered>,
    /// The one that is being made or written.
    pub(crate) making: Option<Making>,
    pub(crate) fetch: Option<Fetch>,
}

impl Snapshots {
    pub(crate) fn new(snapshot: Option<(Slot, Bytes)>) -> Self {
        let newest = snapshot.map(|(slot, bytes)| Offered::new(slot, bytes));
        Snapshots { newest, ..Snapshots::default() }
    }

    /// The last slot that the durable one contains.
    pub(crate) fn slot(&self) -> Slot {
        self.newest.as_ref().map_or(Slot::ZERO, |n| n.slot)
    }

    /// Whether one is to be made after `last`. `bytes`: of the batches since the one before. By bytes as well as by slots, since acceptors
    /// and learners keep all batches after it in memory.
    pub(crate) fn is_due(&self, last: Slot, bytes: usize, config: &Config) -> bool {
        let mut every = config.snapshot_every;
        if self.newest.is_none() {
            // Not all nodes at the same slot: each is busy with it for a while.
            let place = config.nodes.iter().position(|n| *n == config.node).unwrap_or(0) as u64;
            every -= every / config.nodes.len() as u64 * place;
        }
        // A large state is not written over and over for few new bytes; but acceptors' logs are bounded.
        let large = self.newest.as_ref().map_or(0, |n| n.bytes.len()).min(config.snapshot_bytes.saturating_mul(8));
        let new = last.0 > self.slot().0;
        self.making.is_none() && new && (last.0 - self.slot().0 >= every || bytes >= config.snapshot_bytes.max(large))
    }

    /// The next bytes of the one that the store is making, which will have `total`.
    pub(crate) fn grows(&mut self, slot: Slot, total: u64, bytes: &[u8]) {
        // Of another one: the store has given that up for one that was fetched.
        let Some(making) = self.making.as_mut().filter(|making| making.slot == slot) else { return };
        let Collected::Parts(parts) = &mut making.bytes else { return };
        if parts.is_empty() {
            // All the room at once. What has come would be copied whenever there is too little.
            let _ = usize::try_from(total).map(|total| parts.try_reserve_exact(total));
        }
        making.hash.update(bytes);
        parts.extend_from_slice(bytes);
        making.whole = parts.len() as u64 == total;
    }

    /// The one that was made is durable.
    pub(crate) fn saved(&mut self, now: Instant, slot: Slot, patience: u64) {
        self.drop_unwanted(now, patience);
        let Some(made) = self.making.take_if(|making| making.slot == slot && making.whole) else { return };
        if slot > self.slot() {
            let old = self.newest.replace(made.offered());
            if self.older.is_none() {
                self.older = old.filter(|o| o.is_wanted(now, patience));
            }
        }
    }

    /// Forgets an older snapshot that nobody fetches any more.
    pub(crate) fn drop_unwanted(&mut self, now: Instant, patience: u64) {
        self.older.take_if(|o| !o.is_wanted(now, patience));
    }

    /// The part that is asked for. A request for a snapshot that is no longer here gets the first part of the newest.
    pub(crate) fn part(&mut self, now: Instant, slot: Slot, offset: u64, chunk: usize) -> Option<Message> {
        let older = self.older.as_mut().filter(|o| o.slot == slot);
        let offered = older.or(self.newest.as_mut())?;
        offered.asked = Some(now);
        let len = offered.bytes.len();
        let offset = if slot == offered.slot { usize::try_from(offset).ok()?.min(len) } else { 0 };
        let end = len.min(offset.saturating_add(chunk));
        Some(Message::SnapshotChunk {
            slot: offered.slot,
            offset: offset as u64,
            total: len as u64,
            digest: offered.digest,
            bytes: offered.bytes.slice(offset..end),
        })
    }
}

impl Learner {
    /// Begins to fetch, if nothing is being fetched.
    pub(crate) fn fetch_from(&mut self, now: Instant, node: NodeId, out: &mut Vec<Output>) {
        if self.snapshots.fetch.is_some() || node == self.config.node {
            return;
        }
        self.snapshots.fetch = Some(Fetch {
            from: node,
            slot: Slot::ZERO,
            total: 0,
            digest: 0,
            bytes: Vec::new(),
            hash: Digest::default(),
            asked: now,
            tries: 0,
        });
        self.ask_part(out);
    }

    fn ask_part(&self, out: &mut Vec<Output>) {
        let Some(fetch) = self.fetching() else { return };
        let message = Message::SnapshotRequest { slot: fetch.slot, offset: fetch.bytes.len() as u64 };
        out.push(Output::Send { to: Target::One(Endpoint::new(fetch.from, Role::Learner)), message });
    }

    /// How long somebody may be silent who fetches a snapshot.
    pub(crate) fn patience(&self) -> u64 {
        self.config.retransmit.saturating_mul(10)
    }

    pub(crate) fn tick_fetch(&mut self, now: Instant, out: &mut Vec<Output>) {
        let retransmit = self.config.retransmit;
        self.snapshots.drop_unwanted(now, self.patience());
        let Some(fetch) = self.snapshots.fetch.as_mut() else { return };
        if now < fetch.asked.plus(retransmit) {
            return;
        }
        fetch.asked = now;
        fetch.tries += 1;
        if fetch.tries > TRIES {
            self.snapshots.fetch = None;
        } else {
            self.ask_part(out);
        }
    }

    pub(crate) fn part(&mut self, now: Instant, from: NodeId, part: Part, out: &mut Vec<Output>) {
        let next = self.next();
        let max = self.config.max_snapshot;
        let Some(fetch) = self.snapshots.fetch.as_mut().filter(|f| f.from == from) else { return };
        if part.slot < next || part.total > max {
            // Nothing new in it, or more than this node would ever hold.
            self.snapshots.fetch = None;
            return;
        }
        if part.slot != fetch.slot && part.offset == 0 {
            // The first part, or that of a newer one.
            fetch.slot = part.slot;
            fetch.total = part.total;
            fetch.digest = part.digest;
            fetch.bytes.clear();
            fetch.hash = Digest::default();
        }
        let room = fetch.total.saturating_sub(fetch.bytes.len() as u64);
        if part.slot != fetch.slot || part.offset != fetch.bytes.len() as u64 || part.bytes.len() as u64 > room {
            return;
        }
        fetch.bytes.extend_from_slice(&part.bytes);
        fetch.hash.update(&part.bytes);
        fetch.asked = now;
        fetch.tries = 0;
        if (fetch.bytes.len() as u64) < fetch.total {
            return self.ask_part(out);
        }
        let Some(fetch) = self.snapshots.fetch.take() else { return };
        if fetch.hash.value() == fetch.digest {
            self.install(now, fetch.slot, Bytes::from(fetch.bytes), fetch.hash, out);
        }
    }

    fn install(&mut self, now: Instant, slot: Slot, bytes: Bytes, hash: Digest, out: &mut Vec<Output>) {
        self.votes.skip_to(slot.next());
        self.tail.clear();
        self.tail_bytes = 0;
        self.tail_first = slot.next();
        self.snapshots.making = Some(Making::fetched(slot, bytes.clone(), hash));
        self.new_bytes = 0;
        self.catch_up.progress(now);
        self.applied = slot;
        out.push(Output::Install { slot, bytes });
        self.tell_proposer(now, slot, Vec::new(), out);
        self.execute(now, out);
    }
}
