//! The snapshot: one file, replaced as a whole, and written a part at a time.
//!
//! Length and check stand at the end, as they are known there. (Files of format 1 have them in front; they are read as well.)

use crate::files::{Files, StorageError};
use crate::format::{TEMPORARY, check, finish_whole};
use paxos_types::wire::{Put, Reader, WireError};
use paxos_types::{Bytes, Incarnation, Slot};
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

const VERSION: u16 = 2;
/// "RPSN", version, incarnation, slot; then the contents.
const HEAD: usize = 4 + 2 + 8 + 8;
/// Length of the contents, check.
const TAIL: usize = 8 + 8;
/// The head of format 1, which had them behind the slot.
const OLD_HEAD: usize = HEAD + TAIL;
/// A provider that syncs in its caller's time syncs so much at a time, and not all of it at the end.
const SYNCED: usize = 4 << 20;

pub(crate) fn name(slot: Slot) -> String {
    format!("snapshot-{:016x}", slot.0)
}

/// A snapshot that is being written.
pub(crate) struct Writing {
    slot: Slot,
    len: u64,
    unsynced: usize,
    hash: Box<Xxh3>,
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Writing {{ slot {}, {} bytes }}", self.slot, self.len)
    }
}

impl Writing {
    fn temporary(&self) -> String {
        format!("{}{TEMPORARY}", name(self.slot))
    }

    pub(crate) fn begin(files: &mut impl Files, incarnation: Incarnation, slot: Slot) -> Result<Writing, StorageError> {
        // A try that failed half way, or was given up, must not be continued.
        for old in files.list()?.iter().filter(|name| name.starts_with("snapshot-") && name.ends_with(TEMPORARY)) {
            files.remove(old)?;
        }
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(b"RPSN");
        head.put_u16(VERSION);
        head.put_u64(incarnation.0);
        head.put_u64(slot.0);
        let mut writing = Writing { slot, len: 0, unsynced: 0, hash: Box::new(Xxh3::with_seed(incarnation.0)) };
        writing.put(files, &head)?;
        Ok(writing)
    }

    pub(crate) fn add(&mut self, files: &mut impl Files, bytes: &[u8]) -> Result<(), StorageError> {
        self.len += bytes.len() as u64;
        self.put(files, bytes)?;
        if self.unsynced >= SYNCED {
            self.unsynced = 0;
            files.sync(&self.temporary())?;
        }
        Ok(())
    }

    /// Makes it the snapshot. When this returns it is durable.
    pub(crate) fn finish(mut self, files: &mut impl Files, old: Option<Slot>) -> Result<Slot, StorageError> {
        let mut tail = Vec::with_capacity(TAIL);
        tail.put_u64(self.len);
        self.hash.update(&tail);
        tail.put_u64(self.hash.digest());
        files.append(&self.temporary(), &tail)?;
        finish_whole(files, &name(self.slot))?;
        if let Some(old) = old.filter(|old| *old != self.slot) {
            files.remove(&name(old))?;
        }
        Ok(self.slot)
    }

    fn put(&mut self, files: &mut impl Files, bytes: &[u8]) -> Result<(), StorageError> {
        self.hash.update(bytes);
        self.unsynced += bytes.len();
        files.append(&self.temporary(), bytes)
    }
}

pub(crate) fn load(
    files: &mut impl Files,
    incarnation: Incarnation,
    slot: Slot,
) -> Result<(Slot, Bytes), StorageError> {
    let name = name(slot);
    let bytes = Bytes::from(files.read(&name)?);
    let (found, contents) = parse(&name, &bytes, incarnation)?;
    if found != slot {
        return Err(StorageError::damaged(&name, 14, format!("it is of slot {found}, and its name says {slot}")));
    }
    Ok((slot, contents))
}

/// Slot and contents of a snapshot file that was read.
pub fn parse(name: &str, bytes: &Bytes, incarnation: Incarnation) -> Result<(Slot, Bytes), StorageError> {
    let damaged = |offset: usize, reason: &str| StorageError::damaged(name, offset as u64, reason);
    if bytes.len() < OLD_HEAD || &bytes[..4] != b"RPSN" {
        return Err(damaged(0, "it does not begin with a whole head, marked RPSN"));
    }
    // Where length and check stand, and where the contents do.
    let (tail, contents) = match u16::from_le_bytes([bytes[4], bytes[5]]) {
        1 => (HEAD, OLD_HEAD..bytes.len()),
        VERSION => (bytes.len() - TAIL, HEAD..bytes.len() - TAIL),
        other => {
            return Err(damaged(4, &format!("it has format {other}, and this program reads 1 and {VERSION}")));
        }
    };
    let contents = bytes.slice(contents);
    let fields = |from: usize| {
        let mut r = Reader::new(&bytes[from..from + 16]);
        Ok::<_, WireError>((r.u64("")?, r.u64("")?))
    };
    let (Ok((_, slot)), Ok((len, expected))) = (fields(6), fields(tail)) else {
        return Err(damaged(6, "it is cut short"));
    };
    if len != contents.len() as u64 {
        return Err(damaged(tail, &format!("it says {len} bytes, and {} are there", contents.len())));
    }
    let parts: [&[u8]; 3] = match tail {
        HEAD => [&bytes[..tail + 8], &contents, &[]],
        _ => [&bytes[..HEAD], &contents, &bytes[tail..tail + 8]],
    };
    if check(incarnation, &parts) != expected {
        return Err(damaged(0, "its check is wrong"));
    }
    Ok((Slot(slot), contents))
}
