//! A snapshot that is made in parts, while the store goes on.
//!
//! [`KvStore::begin_snapshot`] fixes which state it is of, and costs nothing. Each [`KvStore::snapshot_part`] then does a bounded piece of work:
//! first keys are sorted, a run of them at a time, then the runs are merged into parts, then come the sessions. What a command changes meanwhile
//! and no part has told yet is kept as it was. The bytes are those of [`KvStore::snapshot`] at the beginning, whatever was applied since.
//!
//! # Invariants
//! * While a snapshot is being made, no key changes its place: removed ones stay, without a value, and go afterwards.
//! * A key below `keys` is in the snapshot if something is kept for it, or else if it has a value that is not newer than `index`.

use crate::key::{Key, order};
use crate::sessions::Sessions;
use crate::snapshot::{self, DIGEST, HEAD, KEY, SESSION};
use crate::{Data, ENTRY, Entry, Fault, KvStore, sessions};
use paxos_types::Slot;
use paxos_types::wire::Put;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// Empty places that go with each slot, once no snapshot is being made any more.
const SWEPT: usize = 256;

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Sorting the run that begins at this place.
    Sorting(usize),
    Keys,
    Sessions,
}

#[derive(Clone, Debug)]
struct Run {
    /// Places in the order of their keys.
    places: Vec<u32>,
    /// How many of them are told.
    told: usize,
}

impl Run {
    fn next(&self) -> Option<u32> {
        self.places.get(self.told).copied()
    }
}

#[derive(Clone)]
pub(crate) struct Making {
    slot: Slot,
    total: u64,
    told: u64,
    /// The last command in it.
    index: u64,
    /// Places that may belong to it, and how many do.
    keys: usize,
    live: usize,
    sessions: usize,
    stage: Stage,
    runs: Vec<Run>,
    /// Runs that are not told to the end, as a heap: the one with the least key first.
    heap: Vec<u32>,
    /// The place that was told last.
    last: Option<u32>,
    /// What was changed since, as it was.
    kept: BTreeMap<u32, (u64, Vec<u8>)>,
    hash: Box<Xxh3>,
}

impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Making {{ {} of {} bytes, {:?} }}", self.told, self.total, self.stage)
    }
}

fn key(keys: &[Key], place: u32) -> &[u8] {
    keys.get(place as usize).map_or(&[], Key::bytes)
}

impl Making {
    /// Whether an entry has to be kept before it is changed.
    pub(crate) fn needs(&self, keys: &[Key], entry: &Entry) -> bool {
        if entry.place as usize >= self.keys || entry.version > self.index || entry.value.is_none() {
            return false;
        }
        match self.stage {
            Stage::Sorting(_) => true,
            Stage::Keys => self.last.is_none_or(|l| order(key(keys, entry.place), key(keys, l)) == Ordering::Greater),
            Stage::Sessions => false,
        }
    }

    pub(crate) fn keep(&mut self, place: u32, version: u64, value: Vec<u8>) {
        self.kept.insert(place, (version, value));
    }

    fn sort(&mut self, keys: &[Key], from: usize, count: usize) {
        let to = self.keys.min(from.saturating_add(count.max(1)));
        let mut places: Vec<u32> = (from as u32..to as u32).collect();
        places.sort_unstable_by(|a, b| order(key(keys, *a), key(keys, *b)));
        if !places.is_empty() {
            self.runs.push(Run { places, told: 0 });
        }
        self.stage = Stage::Sorting(to);
        if to == self.keys {
            self.stage = Stage::Keys;
            self.heap = (0..self.runs.len() as u32).collect();
            for at in (0..self.heap.len() / 2).rev() {
                self.sift(keys, at);
            }
        }
    }

    /// Lets the run at this place of the heap sink to where it belongs.
    fn sift(&mut self, keys: &[Key], mut at: usize) {
        loop {
            let mut least = at;
            for child in [2 * at + 1, 2 * at + 2] {
                if child < self.heap.len() && self.head(keys, child) < self.head(keys, least) {
                    least = child;
                }
            }
            if least == at {
                return;
            }
            self.heap.swap(at, least);
            at = least;
        }
    }

    fn head<'k>(&self, keys: &'k [Key], at: usize) -> Ordered<'k> {
        let run = self.heap.get(at).and_then(|run| self.runs.get(*run as usize));
        Ordered(run.and_then(Run::next).map_or(&[], |place| key(keys, place)))
    }

    /// Tells the least key that is left, if it is in the snapshot. `false`: there is none.
    fn tell_key(&mut self, keys: &[Key], data: &Data, out: &mut Vec<u8>) -> bool {
        let Some(run) = self.heap.first().and_then(|run| self.runs.get_mut(*run as usize)) else { return false };
        let Some(place) = run.next() else { return false };
        run.told += 1;
        if run.next().is_none() {
            // A run that is told needs no room any more.
            run.places = Vec::new();
            self.heap.swap_remove(0);
        }
        self.sift(keys, 0);
        self.last = Some(place);
        let Some(key) = keys.get(place as usize) else { return true };
        if let Some((version, value)) = self.kept.remove(&place) {
            snapshot::put_key(out, key.bytes(), version, &value);
        } else if let Some(Entry { version, value: Some(value), .. }) = data.get(key)
            && *version <= self.index
        {
            snapshot::put_key(out, key.bytes(), *version, value);
        }
        true
    }

    fn part(&mut self, store: (&[Key], &Data, &mut Sessions), limits: (usize, usize), out: &mut Vec<u8>) {
        let ((keys, data, sessions), (entries, bytes)) = (store, limits);
        if self.told == 0 && out.is_empty() {
            snapshot::put_head(out, self.slot, self.index, sessions.limit(), self.live);
        }
        if let Stage::Sorting(from) = self.stage {
            return self.sort(keys, from, entries);
        }
        for _ in 0..entries.max(1) {
            if out.len() >= bytes.max(1) {
                return;
            }
            if self.stage == Stage::Keys && !self.tell_key(keys, data, out) {
                self.stage = Stage::Sessions;
                self.runs = Vec::new();
                out.put_u64(self.sessions as u64);
            }
            if self.stage == Stage::Sessions && !sessions.tell(|session| snapshot::put_session(out, session)) {
                return;
            }
        }
    }
}

/// A key in the heap.
#[derive(PartialEq, Eq)]
struct Ordered<'a>(&'a [u8]);

impl PartialOrd for Ordered<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(order(self.0, other.0))
    }
}

impl KvStore {
    /// Begins a snapshot of the state as it is now; one that was being made is given up. Returns how many bytes it will have.
    /// [`KvStore::snapshot_part`] makes it.
    pub fn begin_snapshot(&mut self) -> u64 {
        let live = self.keys.len() - self.dead.len();
        let (sessions, bytes) = (self.sessions.len(), self.sessions.bytes());
        let of_keys = self.data_bytes - live * ENTRY + live * KEY;
        let of_sessions = bytes - sessions * sessions::SESSION + sessions * SESSION;
        let total = (HEAD + of_keys + 8 + of_sessions + DIGEST) as u64;
        self.sessions.freeze(self.index);
        self.making = Some(Making {
            slot: self.applied,
            total,
            told: 0,
            index: self.index,
            keys: self.keys.len(),
            live,
            sessions,
            stage: Stage::Sorting(0),
            runs: Vec::new(),
            heap: Vec::new(),
            last: None,
            kept: BTreeMap::new(),
            hash: Box::default(),
        });
        total
    }

    /// The next part of the snapshot that was begun, after a bounded piece of work ([`crate::Config::part_entries`],
    /// [`crate::Config::part_bytes`]): nothing, while keys are being sorted. It is whole when all parts have the bytes that were promised.
    pub fn snapshot_part(&mut self) -> Result<Vec<u8>, Fault> {
        let Some(making) = &mut self.making else {
            return Err(Fault("a part of a snapshot was asked for, and none was begun".into()));
        };
        let mut out = Vec::new();
        let limits = (self.config.part_entries, self.config.part_bytes);
        making.part((&self.keys, &self.data, &mut self.sessions), limits, &mut out);
        making.hash.update(&out);
        making.told += out.len() as u64;
        if making.told + DIGEST as u64 == making.total {
            out.put_u64(making.hash.digest());
            self.making = None;
            self.sessions.thaw();
        } else if making.told > making.total {
            let (told, total) = (making.told, making.total);
            return Err(Fault(format!("a snapshot has {told} bytes already, and was to have {total}")));
        }
        Ok(out)
    }

    /// Whether parts of a snapshot are still to come.
    pub fn is_making_snapshot(&self) -> bool {
        self.making.is_some()
    }

    /// Takes some of the empty places out that a snapshot has left, so that none stays for long.
    pub(crate) fn sweep(&mut self) {
        if self.making.is_some() {
            return;
        }
        for _ in 0..SWEPT {
            // From the end: what takes the place of a removed one is then none of the others.
            let Some(place) = self.dead.pop_last() else { return };
            self.clear(place);
        }
    }
}
