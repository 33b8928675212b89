//! The table of sessions: who has been answered what, bounded, the oldest forgotten first.
//!
//! Sessions lie in a vector and are chained in the order of their last commands, so finding, touching and forgetting one takes the
//! same time however many there are.

use crate::hash::Hash64;
use paxos_types::ClientId;
use std::collections::{BTreeMap, HashMap};

const NONE: u32 = u32::MAX;
/// What a session costs besides its last answer, in round numbers.
pub(crate) const SESSION: usize = 128;

#[derive(Clone, Debug)]
struct Session {
    client: ClientId,
    /// The number of the last command; 0 before the first has been answered.
    seq: u64,
    /// The index of the last command.
    index: u64,
    /// The encoded answer to it.
    reply: Vec<u8>,
    older: u32,
    newer: u32,
}

/// A session as a snapshot tells it.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub(crate) client: ClientId,
    pub(crate) seq: u64,
    pub(crate) index: u64,
    pub(crate) reply: &'a [u8],
}

/// The table as it was when a snapshot was begun, as far as that is not told yet. Indices say what belongs to it: whatever is used
/// afterwards gets a higher one.
#[derive(Clone, Debug)]
struct Frozen {
    /// The last index in it.
    upto: u64,
    /// The last one that was told.
    told: u64,
    /// The oldest session of the chain that is not told.
    next: u32,
    /// Sessions that were used or forgotten since, as they were, by index.
    kept: BTreeMap<u64, (ClientId, u64, Vec<u8>)>,
}

/// What a sequence number means to the table.
pub(crate) enum Verdict {
    /// No such session.
    Unknown,
    /// The command after the last: to be applied.
    Next(u32),
    /// The last again.
    Last(u32),
    /// One before the last.
    Older,
    /// One is missing in between.
    Gap { last: u64 },
}

#[derive(Clone, Debug)]
pub(crate) struct Sessions {
    limit: usize,
    places: HashMap<ClientId, u32, Hash64>,
    list: Vec<Session>,
    oldest: u32,
    newest: u32,
    bytes: usize,
    frozen: Option<Frozen>,
}

impl Sessions {
    pub(crate) fn new(limit: usize, hash: Hash64) -> Self {
        // One is the least with which a command can be applied at all; places are 32-bit.
        let limit = limit.clamp(1, NONE as usize - 1);
        let places = HashMap::with_hasher(hash);
        Sessions { limit, places, list: Vec::new(), oldest: NONE, newest: NONE, bytes: 0, frozen: None }
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of all sessions.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    pub(crate) fn find(&self, client: ClientId, seq: u64) -> Verdict {
        let Some(&place) = self.places.get(&client) else { return Verdict::Unknown };
        let last = self.list[place as usize].seq;
        if seq == last.wrapping_add(1) {
            Verdict::Next(place)
        } else if seq == last {
            Verdict::Last(place)
        } else if seq < last {
            Verdict::Older
        } else {
            Verdict::Gap { last }
        }
    }

    pub(crate) fn reply(&self, place: u32) -> &[u8] {
        &self.list[place as usize].reply
    }

    /// A new session; the oldest goes if there are too many.
    pub(crate) fn open(&mut self, client: ClientId) -> u32 {
        let session = Session { client, seq: 0, index: 0, reply: Vec::new(), older: NONE, newer: NONE };
        let place = if self.places.len() >= self.limit {
            let place = self.oldest;
            self.unchain(place);
            self.bytes -= SESSION + self.list[place as usize].reply.len();
            self.keep(place);
            let old = std::mem::replace(&mut self.list[place as usize], session);
            self.places.remove(&old.client);
            place
        } else {
            self.list.push(session);
            (self.list.len() - 1) as u32
        };
        self.bytes += SESSION;
        self.places.insert(client, place);
        self.chain(place);
        place
    }

    /// Notes the answer to the session's next command.
    #[inline]
    pub(crate) fn answered(&mut self, place: u32, seq: u64, index: u64, reply: &[u8]) {
        self.bytes = self.bytes - self.list[place as usize].reply.len() + reply.len();
        self.keep(place);
        let session = &mut self.list[place as usize];
        session.seq = seq;
        session.index = index;
        session.reply.clear();
        session.reply.extend_from_slice(reply);
        if session.reply.capacity() > 4 * reply.len() + 256 {
            session.reply.shrink_to_fit();
        }
        if self.newest != place {
            self.unchain(place);
            self.chain(place);
        }
    }

    /// Keeps what a snapshot has not told yet, before it is changed.
    #[inline]
    fn keep(&mut self, place: u32) {
        let Some(frozen) = &mut self.frozen else { return };
        let session = &mut self.list[place as usize];
        if session.index > frozen.told && session.index <= frozen.upto {
            frozen.kept.insert(session.index, (session.client, session.seq, std::mem::take(&mut session.reply)));
        }
    }

    /// Fixes the table as it is now, for [`Sessions::tell`]. `index` is the last that was given to a command.
    pub(crate) fn freeze(&mut self, index: u64) {
        self.frozen = Some(Frozen { upto: index, told: 0, next: self.oldest, kept: BTreeMap::new() });
    }

    /// Tells the next session of the frozen table, in the order of their last commands. `false`: there is none.
    pub(crate) fn tell(&mut self, tell: impl FnOnce(Told<'_>)) -> bool {
        let Some(frozen) = &mut self.frozen else { return false };
        let chained = self.list.get(frozen.next as usize).filter(|session| session.index <= frozen.upto);
        let kept = frozen.kept.first_key_value().map(|(index, _)| *index);
        match (chained, kept) {
            (Some(session), kept) if kept.is_none_or(|kept| session.index < kept) => {
                frozen.told = session.index;
                frozen.next = session.newer;
                tell(Told { client: session.client, seq: session.seq, index: session.index, reply: &session.reply });
                true
            }
            _ => match frozen.kept.pop_first() {
                Some((index, (client, seq, reply))) => {
                    frozen.told = index;
                    tell(Told { client, seq, index, reply: &reply });
                    true
                }
                None => false,
            },
        }
    }

    /// Nothing has to be kept any more.
    pub(crate) fn thaw(&mut self) {
        self.frozen = None;
    }

    fn unchain(&mut self, place: u32) {
        let Session { older, newer, .. } = self.list[place as usize];
        if let Some(frozen) = self.frozen.as_mut().filter(|frozen| frozen.next == place) {
            frozen.next = newer;
        }
        match older {
            NONE => self.oldest = newer,
            o => self.list[o as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            n => self.list[n as usize].older = older,
        }
    }

    fn chain(&mut self, place: u32) {
        let session = &mut self.list[place as usize];
        session.older = self.newest;
        session.newer = NONE;
        match self.newest {
            NONE => self.oldest = place,
            n => self.list[n as usize].newer = place,
        }
        self.newest = place;
    }

    /// All sessions, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Told<'_>> {
        let mut place = self.oldest;
        std::iter::from_fn(move || {
            let session = self.list.get(place as usize)?;
            place = session.newer;
            Some(Told { client: session.client, seq: session.seq, index: session.index, reply: &session.reply })
        })
    }
}
