//! The whole state as bytes, the same on every node that has applied the same slots.
//!
//! ```text
//! "RPKV" | version u16 | slot u64 | index u64 | session limit u64
//! keys u64     | (key block | version u64 | value block) …            by key
//! sessions u64 | (client u128 | seq u64 | index u64 | reply block) …  the oldest first
//! digest u64                                                          XXH3 (64 bit) of all before it
//! ```
//! A block is `len u32 | bytes`.

use crate::sessions::Told;
use crate::{Fault, KvStore};
use paxos_types::wire::{Put, Reader, WireError};
use paxos_types::{ClientId, Slot};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 4] = b"RPKV";
const VERSION: u16 = 1;
/// Bytes in front of the first key.
pub(crate) const HEAD: usize = 4 + 2 + 8 + 8 + 8 + 8;
/// Bytes of a key besides key and value, of a session besides its reply, and of the end.
pub(crate) const KEY: usize = 4 + 8 + 4;
pub(crate) const SESSION: usize = 16 + 8 + 8 + 4;
pub(crate) const DIGEST: usize = 8;

pub(crate) fn put_head(out: &mut Vec<u8>, slot: Slot, index: u64, sessions: usize, keys: usize) {
    out.extend_from_slice(MAGIC);
    out.put_u16(VERSION);
    out.put_u64(slot.0);
    out.put_u64(index);
    out.put_u64(sessions as u64);
    out.put_u64(keys as u64);
}

pub(crate) fn put_key(out: &mut Vec<u8>, key: &[u8], version: u64, value: &[u8]) {
    out.put_block(key);
    out.put_u64(version);
    out.put_block(value);
}

pub(crate) fn put_session(out: &mut Vec<u8>, session: Told<'_>) {
    out.put_u128(session.client.0);
    out.put_u64(session.seq);
    out.put_u64(session.index);
    out.put_block(session.reply);
}

impl KvStore {
    /// The state after the last applied slot, at once: the store does nothing else meanwhile. [`KvStore::begin_snapshot`] is for where
    /// that would be too long.
    pub fn snapshot(&self) -> Vec<u8> {
        let live = self.data.iter().filter_map(|(key, e)| Some((key.bytes(), e.version, e.value.as_deref()?)));
        let mut keys: Vec<(&[u8], u64, &[u8])> = live.collect();
        keys.sort_unstable_by_key(|(key, ..)| *key);
        let mut out = Vec::new();
        put_head(&mut out, self.applied, self.index, self.sessions.limit(), keys.len());
        for (key, version, value) in keys {
            put_key(&mut out, key, version, value);
        }
        out.put_u64(self.sessions.len() as u64);
        for session in self.sessions.iter() {
            put_session(&mut out, session);
        }
        out.put_u64(xxh3_64(&out));
        out
    }

    /// A number that is the same exactly where the state is (as far as 64 bits go).
    pub fn digest(&self) -> u64 {
        xxh3_64(&self.snapshot())
    }

    /// Replaces the state by that of a snapshot. On an error nothing is changed.
    pub fn restore(&mut self, snapshot: &[u8]) -> Result<(), Fault> {
        let fault = |e: WireError| Fault(format!("a snapshot of {} bytes cannot be used: {e}", snapshot.len()));
        let mut store = KvStore::new(self.config.clone());
        let result = store.read(snapshot);
        result.map_err(fault)?;
        *self = store;
        Ok(())
    }

    fn read(&mut self, snapshot: &[u8]) -> Result<(), WireError> {
        let Some((body, digest)) = snapshot.split_last_chunk::<8>() else {
            return Err(WireError::new(0, "it is cut short"));
        };
        let mut r = Reader::new(body);
        if r.take(4, "the mark")? != MAGIC {
            return Err(WireError::new(0, "it does not begin with RPKV"));
        }
        let version = r.u16("the version")?;
        if version != VERSION {
            return Err(WireError::new(4, format!("it has format {version}, and this program reads {VERSION}")));
        }
        if xxh3_64(body) != u64::from_le_bytes(*digest) {
            return Err(WireError::new(body.len(), "its digest is wrong"));
        }
        self.applied = Slot(r.u64("the slot")?);
        self.index = r.u64("the index")?;
        let limit = r.u64("the limit of sessions")?;
        if limit != self.sessions.limit() as u64 {
            let own = self.sessions.limit();
            let what =
                format!("it was made with limits.sessions {limit}, this node has {own}: all nodes need the same");
            return Err(WireError::new(r.at() - 8, what));
        }
        for _ in 0..r.u64("the number of keys")? {
            let key = r.block("a key")?;
            let version = r.u64("a version")?;
            let value = r.block("a value")?;
            self.insert(key, version, value);
        }
        for _ in 0..r.u64("the number of sessions")? {
            let client = ClientId(r.u128("a session's client")?);
            let seq = r.u64("a session's number")?;
            let index = r.u64("a session's index")?;
            let reply = r.block("a session's reply")?;
            let place = self.sessions.open(client);
            self.sessions.answered(place, seq, index, reply);
        }
        r.end("a snapshot")
    }
}
