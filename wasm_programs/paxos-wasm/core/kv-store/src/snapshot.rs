//! The whole state as bytes, the same on every node that has applied the same slots.
//!
//! ```text
//! "RPKV" | version u16 | slot u64 | index u64 | session limit u64
//! keys u64     | (key block | version u64 | value block) …            by key
//! sessions u64 | (client u128 | seq u64 | index u64 | reply block) …  the oldest first
//! digest u64                                                          XXH3 (64 bit) of all before it
//! ```
//! A block is `len u32 | bytes`.

use crate::{ENTRY, Entry, Fault, KvStore};
use paxos_types::wire::{Put, Reader, WireError};
use paxos_types::{ClientId, Slot};
use xxhash_rust::xxh3::xxh3_64;

const MAGIC: &[u8; 4] = b"RPKV";
const VERSION: u16 = 1;

impl KvStore {
    /// The state after the last applied slot.
    pub fn snapshot(&self) -> Vec<u8> {
        let mut keys: Vec<(&[u8], &Entry)> = self.data.iter().map(|(k, e)| (&k[..], e)).collect();
        keys.sort_unstable_by_key(|(k, _)| *k);
        let bytes: usize = keys.iter().map(|(k, e)| k.len() + e.value.len() + 16).sum();
        let mut out = Vec::with_capacity(bytes + self.sessions.iter().map(|s| 36 + s.3.len()).sum::<usize>() + 64);
        out.extend_from_slice(MAGIC);
        out.put_u16(VERSION);
        out.put_u64(self.applied.0);
        out.put_u64(self.index);
        out.put_u64(self.sessions.limit() as u64);
        out.put_u64(keys.len() as u64);
        for (key, entry) in keys {
            out.put_block(key);
            out.put_u64(entry.version);
            out.put_block(&entry.value);
        }
        out.put_u64(self.sessions.len() as u64);
        for (client, seq, index, reply) in self.sessions.iter() {
            out.put_u128(client.0);
            out.put_u64(seq);
            out.put_u64(index);
            out.put_block(reply);
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
            let value = r.block("a value")?.to_vec();
            self.data_bytes += ENTRY + key.len() + value.len();
            self.data.insert(key.into(), Entry { version, value });
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
