//! From files back to a storage: what is a torn tail, what is damage.

use crate::files::{Files, StorageError};
use crate::format::{
    FRAME_HEAD, IDENTITY, SEGMENT_HEAD, TEMPORARY, check_identity, check_segment, identity_bytes, new_segment,
    number_in, put_whole, read_frame, segment_name,
};
use crate::{Identity, Options, Segment, Storage, snapshot};
use paxos_types::{Bytes, Incarnation, Slot};

/// A torn tail that was cut off: writes of the last moment before a crash, which nobody had been told were durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub file: String,
    /// Its new length.
    pub offset: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// What was wrong with them.
    pub reason: String,
}

/// A storage and what was in it.
#[derive(Debug)]
pub struct Opened<F: Files> {
    /// The storage.
    pub storage: Storage<F>,
    /// Whether it was created just now.
    pub fresh: bool,
    /// All records with their positions, in order.
    pub records: Vec<(u64, Bytes)>,
    /// The snapshot and the last slot that it contains.
    pub snapshot: Option<(Slot, Bytes)>,
    /// What was cut off.
    pub cut: Option<Cut>,
}

pub(crate) fn open<F: Files>(
    mut files: F,
    identity: Identity,
    fresh_incarnation: Incarnation,
    options: Options,
) -> Result<Opened<F>, StorageError> {
    let mut names = files.list()?;
    names.sort();
    for name in names.extract_if(.., |n| n.ends_with(TEMPORARY)) {
        // Left behind by a crash while it was being written; nothing relied on it.
        files.remove(&name)?;
    }
    let mut firsts: Vec<u64> = names.iter().filter_map(|n| number_in(n, "segment-")).collect();
    let fresh = !names.iter().any(|n| n == IDENTITY);
    let incarnation = if fresh {
        create(&mut files, &names, &identity, fresh_incarnation)?;
        firsts = vec![1];
        fresh_incarnation
    } else {
        check_identity(&files.read(IDENTITY)?, &identity)?
    };
    if firsts.is_empty() {
        // Segments are there before the identity is. Beginning anew under the old number would forget promises, and pass as the storage
        // that gave them.
        return Err(StorageError::damaged(&segment_name(1), 0, "there is no segment, and a storage always has one"));
    }
    firsts.sort_unstable();

    let mut log =
        LogScan { incarnation, records: Vec::new(), next: firsts[0], durable: firsts[0] - 1, cut: None, told: 0 };
    let mut segments = Vec::with_capacity(firsts.len());
    let mut bytes = 0;
    for (i, first) in firsts.iter().copied().enumerate() {
        let name = segment_name(first);
        bytes = log.segment(&mut files, &name, first, i + 1 == firsts.len())?;
        segments.push(Segment { name, first });
    }
    let snapshots: Vec<u64> = names.iter().filter_map(|n| number_in(n, "snapshot-")).collect();
    let newest = snapshots.iter().copied().max();
    for old in snapshots.iter().copied().filter(|s| Some(*s) != newest) {
        files.remove(&snapshot::name(Slot(old)))?;
    }
    let snapshot = match newest {
        Some(slot) => Some(snapshot::load(&mut files, incarnation, Slot(slot))?),
        None => None,
    };
    let appended = log.next - 1;
    let mut storage = Storage {
        files,
        options,
        incarnation,
        segments,
        bytes,
        appended,
        durable: log.durable.min(appended),
        told: log.told,
        snapshot: newest.map(Slot),
        writing: None,
        failed: None,
        buffer: Vec::new(),
    };
    // What was read may be in the system's memory only. Whoever is told of it must be able to rely on it.
    if storage.durable < storage.appended || log.cut.is_some() {
        if let Some(segment) = storage.segments.last() {
            let name = segment.name.clone();
            storage.files.sync(&name)?;
        }
        storage.durable = storage.appended;
    }
    Ok(Opened { storage, fresh, records: log.records, snapshot, cut: log.cut })
}

/// Makes a storage in a directory without an identity. The identity comes last: it says that the storage is complete.
fn create(
    files: &mut impl Files,
    names: &[String],
    identity: &Identity,
    incarnation: Incarnation,
) -> Result<(), StorageError> {
    let first = segment_name(1);
    let others = names.iter().filter(|n| n.starts_with("segment-") || n.starts_with("snapshot-"));
    for name in others {
        // A crash may have come after the first segment's head; nothing is written to a storage that has no identity.
        if *name != first || files.read(name)?.len() != SEGMENT_HEAD {
            return Err(StorageError::damaged(IDENTITY, 0, format!("it is missing, and there is {name}")));
        }
    }
    new_segment(files, incarnation, 1)?;
    put_whole(files, IDENTITY, &[&identity_bytes(identity, incarnation)])
}

struct LogScan {
    incarnation: Incarnation,
    records: Vec<(u64, Bytes)>,
    /// The position that comes next.
    next: u64,
    /// The highest position that something says was durable.
    durable: u64,
    told: u64,
    cut: Option<Cut>,
}

impl LogScan {
    /// Reads one segment; returns its length after a torn tail was cut.
    fn segment(
        &mut self,
        files: &mut impl Files,
        name: &str,
        first: u64,
        last_segment: bool,
    ) -> Result<u64, StorageError> {
        let bytes = Bytes::from(files.read(name)?);
        check_segment(name, &bytes, self.incarnation, first)?;
        if first != self.next {
            let reason = format!("it begins with record {first}, and record {} comes next", self.next);
            return Err(StorageError::damaged(name, 14, reason));
        }
        // A segment begins only when all before it is durable.
        self.durable = self.durable.max(first - 1);
        let mut at = SEGMENT_HEAD;
        while at < bytes.len() {
            let read = read_frame(&bytes[at..], self.incarnation).and_then(|frame| match frame.position == self.next {
                true => Ok(frame),
                false => Err(format!("a frame is numbered {}, and {} comes next", frame.position, self.next)),
            });
            match read {
                Ok(frame) => {
                    self.durable = self.durable.max(frame.durable);
                    self.told = self.told.max(frame.durable);
                    let start = at + FRAME_HEAD;
                    at = start + frame.len;
                    if frame.len > 0 {
                        self.records.push((self.next, bytes.slice(start..at)));
                        self.next += 1;
                    }
                }
                Err(reason) => {
                    self.tail(files, name, &bytes, at, &reason, last_segment)?;
                    return Ok(at as u64);
                }
            }
        }
        Ok(at as u64)
    }

    /// A frame at `at` cannot be read. Looks at everything behind it for word that it was durable.
    fn tail(
        &mut self,
        files: &mut impl Files,
        name: &str,
        bytes: &Bytes,
        at: usize,
        reason: &str,
        last_segment: bool,
    ) -> Result<(), StorageError> {
        let mut durable = self.durable;
        let end = self.next.saturating_add((bytes.len() - at) as u64);
        let mut i = at + 1;
        while i + FRAME_HEAD <= bytes.len() {
            // Cheap looks first: the check is only computed for what could be a frame of this place.
            let position = bytes[i + 4..].first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
            if (self.next..=end).contains(&position)
                && let Ok(frame) = read_frame(&bytes[i..], self.incarnation)
            {
                durable = durable.max(frame.durable);
                i += FRAME_HEAD + frame.len;
            } else {
                i += 1;
            }
        }
        if !last_segment || self.next <= durable {
            let known = if last_segment { durable } else { self.next };
            let reason =
                format!("{reason}; it is record {}, and records up to at least {known} were durable", self.next);
            return Err(StorageError::damaged(name, at as u64, reason));
        }
        files.truncate(name, at as u64)?;
        self.cut = Some(Cut {
            file: name.to_string(),
            offset: at as u64,
            bytes: (bytes.len() - at) as u64,
            reason: reason.to_string(),
        });
        Ok(())
    }
}
