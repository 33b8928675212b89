//! What a role keeps over a restart: a log of records in segments, and a snapshot. One format for every provider.
//!
//! The outside world is a directory with a few verbs ([`Files`]): [`disk::Directory`] is a real one (a host's, or a component's through
//! `wasi:filesystem`), [`memory::Memory`] one that can crash.
//!
//! ```text
//! identity              "RPID" | version u16 | cluster u64 | node u16 | role u8 | incarnation u64 | check u64
//! segment-<position>    "RPSG" | version u16 | incarnation u64 | first position u64 | check u64 | frame …
//!   frame               len u32 | position u64 | durable u64 | check u64 | bytes
//! snapshot-<slot>       "RPSN" | version u16 | incarnation u64 | slot u64 | bytes | len u64 | check u64
//! ```
//! Positions count records, from 1; they stand in names as 16 hexadecimal digits. A check is XXH3 (64 bit), seeded with the incarnation,
//! over all other fields and the bytes. A frame without bytes carries no record: it only says what is durable.
//!
//! # Invariants
//! * **A record that was durable is never lost silently.** Each frame says which position was known to be durable when it was written.
//!   A frame that cannot be read is a torn tail, and cut off, only if nothing that can be read says that its position was durable;
//!   otherwise it is damage, and reported by file and offset.
//! * **The identity is written last, and a storage always has a segment.** So a directory with an identity and no segment has lost its
//!   log, and is refused instead of passing as the storage that it was.
//! * **A segment begins when all before it is durable**, so only the last one can have a torn tail.
//! * Identity, segments' heads and snapshots appear whole or not at all: written beside, synced, renamed, directory synced.
//! * After a failed write or sync nothing is believed any more: every later call gives the same error.
#![forbid(unsafe_code)]

pub mod disk;
mod files;
mod format;
pub mod memory;
mod recover;
mod snapshot;

pub use files::{Files, StorageError};
pub use recover::{Cut, Opened};
pub use snapshot::parse as parse_snapshot;

use paxos_types::{Bytes, ClusterId, Incarnation, NodeId, Role, Slot};

/// Whose storage it is. Opening somebody else's is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// The role.
    pub role: Role,
}

/// How a storage is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// A segment that has reached this many bytes is followed by a new one.
    pub segment_bytes: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { segment_bytes: 64 * 1024 * 1024 }
    }
}

/// What has to be synced for everything up to `position` to be durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The file.
    pub file: String,
    /// The last record in it.
    pub position: u64,
}

#[derive(Clone, Debug)]
struct Segment {
    name: String,
    first: u64,
}

/// An open storage.
#[derive(Debug)]
pub struct Storage<F: Files> {
    files: F,
    options: Options,
    incarnation: Incarnation,
    /// In ascending order; the last one is written to.
    segments: Vec<Segment>,
    /// Bytes of the last segment.
    bytes: u64,
    appended: u64,
    durable: u64,
    /// The durable position that the last frame tells.
    told: u64,
    snapshot: Option<Slot>,
    writing: Option<snapshot::Writing>,
    failed: Option<StorageError>,
    buffer: Vec<u8>,
}

impl<F: Files> Storage<F> {
    /// Opens the storage in `files`, or creates one with `fresh` as its incarnation if there is nothing. See [`Opened`].
    pub fn open(files: F, identity: Identity, fresh: Incarnation, options: Options) -> Result<Opened<F>, StorageError> {
        let place = files.place();
        recover::open(files, identity, fresh, options).map_err(|error| error.within(&place))
    }

    /// The number that the storage got when it was created.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The position of the last record.
    pub fn appended(&self) -> u64 {
        self.appended
    }

    /// The last position that survives a crash.
    pub fn durable(&self) -> u64 {
        self.durable
    }

    /// The last position of which the log itself says that it is durable.
    pub fn told(&self) -> u64 {
        self.told
    }

    /// Writes records behind all others, in one write, and returns the position of the last. They are durable only when
    /// [`Storage::durable`] says so.
    pub fn append<B: AsRef<[u8]>>(&mut self, records: &[B]) -> Result<u64, StorageError> {
        self.check()?;
        if self.bytes >= self.options.segment_bytes && !records.is_empty() {
            self.roll()?;
        }
        self.buffer.clear();
        for record in records {
            self.appended += 1;
            format::frame(&mut self.buffer, self.incarnation, self.appended, self.durable, record.as_ref())?;
        }
        self.told = self.durable;
        self.write()?;
        Ok(self.appended)
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let Some(segment) = self.segments.last() else { return Ok(()) };
        let result = self.files.append(&segment.name, &self.buffer);
        self.bytes += self.buffer.len() as u64;
        self.keep(result)
    }

    /// What a sync is needed for; `None` if everything is durable. Whoever syncs the file elsewhere (on a thread) says so with
    /// [`Storage::synced`].
    pub fn pending(&self) -> Option<Pending> {
        let segment = self.segments.last()?;
        (self.durable < self.appended && self.failed.is_none())
            .then(|| Pending { file: segment.name.clone(), position: self.appended })
    }

    /// The file of a [`Pending`] that was asked for has been synced since.
    pub fn synced(&mut self, position: u64) {
        self.durable = self.durable.max(position.min(self.appended));
    }

    /// A sync that was made elsewhere has failed: nothing that was written since the last one can be relied upon.
    pub fn sync_failed(&mut self, error: StorageError) -> StorageError {
        self.failed.get_or_insert(error).clone()
    }

    /// Makes everything durable, here and now. Returns the durable position.
    pub fn sync(&mut self) -> Result<u64, StorageError> {
        self.check()?;
        if let Some(pending) = self.pending() {
            let result = self.files.sync(&pending.file);
            self.keep(result)?;
            self.durable = pending.position;
        }
        Ok(self.durable)
    }

    /// Writes down what is durable, if the last frame does not tell it: then damage to the last records is told from a torn tail as
    /// well. For times with nothing else to do; it needs no sync.
    pub fn idle(&mut self) -> Result<(), StorageError> {
        self.check()?;
        if self.told >= self.durable || self.durable == 0 {
            return Ok(());
        }
        self.buffer.clear();
        format::frame(&mut self.buffer, self.incarnation, self.appended + 1, self.durable, &[])?;
        self.told = self.durable;
        self.write()
    }

    /// Lets records before this position go: whole segments, and never the last one.
    pub fn truncate(&mut self, before: u64) -> Result<(), StorageError> {
        self.check()?;
        while self.segments.get(1).is_some_and(|next| next.first <= before) {
            let segment = self.segments.remove(0);
            // One after the other for certain: a gap would look like damage.
            let result = self.files.remove(&segment.name).and_then(|()| self.files.sync_dir());
            self.keep(result)?;
        }
        Ok(())
    }

    /// Begins a snapshot that is to replace the one held. One that was begun and is not finished is given up.
    pub fn begin_snapshot(&mut self, slot: Slot) -> Result<(), StorageError> {
        self.check()?;
        self.writing = None;
        let begun = snapshot::Writing::begin(&mut self.files, self.incarnation, slot);
        self.writing = Some(self.keep(begun)?);
        Ok(())
    }

    /// Its next bytes.
    pub fn add_to_snapshot(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        self.check()?;
        let Some(writing) = &mut self.writing else { return Err(not_begun()) };
        let result = writing.add(&mut self.files, bytes);
        self.keep(result)
    }

    /// It is whole. When this returns it is durable, and older ones are gone. Returns its slot.
    pub fn finish_snapshot(&mut self) -> Result<Slot, StorageError> {
        self.check()?;
        let Some(writing) = self.writing.take() else { return Err(not_begun()) };
        let result = writing.finish(&mut self.files, self.snapshot);
        let slot = self.keep(result)?;
        self.snapshot = Some(slot);
        Ok(slot)
    }

    /// Replaces the snapshot at once. When this returns it is durable, and older ones are gone.
    pub fn save_snapshot(&mut self, slot: Slot, bytes: &[u8]) -> Result<(), StorageError> {
        self.begin_snapshot(slot)?;
        self.add_to_snapshot(bytes)?;
        self.finish_snapshot().map(|_| ())
    }

    /// The newest snapshot.
    pub fn load_snapshot(&mut self) -> Result<Option<(Slot, Bytes)>, StorageError> {
        self.check()?;
        match self.snapshot {
            Some(slot) => {
                let place = self.files.place();
                let loaded = snapshot::load(&mut self.files, self.incarnation, slot);
                loaded.map(Some).map_err(|error| error.within(&place))
            }
            None => Ok(None),
        }
    }

    /// The directory.
    pub fn files(&mut self) -> &mut F {
        &mut self.files
    }

    /// The directory, when the storage is no longer needed.
    pub fn into_files(self) -> F {
        self.files
    }

    fn roll(&mut self) -> Result<(), StorageError> {
        // Also when all records are durable: a frame that only says so may not be, and must not be torn inside the log.
        if let Some(segment) = self.segments.last() {
            let result = self.files.sync(&segment.name);
            self.keep(result)?;
            self.durable = self.appended;
        }
        let first = self.appended + 1;
        let result = format::new_segment(&mut self.files, self.incarnation, first);
        let (name, bytes) = self.keep(result)?;
        self.segments.push(Segment { name, first });
        self.bytes = bytes;
        Ok(())
    }

    fn check(&self) -> Result<(), StorageError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    fn keep<T>(&mut self, result: Result<T, StorageError>) -> Result<T, StorageError> {
        if let Err(error) = &result {
            self.failed.get_or_insert_with(|| error.clone());
        }
        result
    }
}

fn not_begun() -> StorageError {
    StorageError::io("write to", "the snapshot", "none was begun")
}

#[cfg(test)]
mod tests;
