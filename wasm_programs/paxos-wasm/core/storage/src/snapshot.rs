//! The snapshot: one file, replaced as a whole.

use crate::files::{Files, StorageError};
use crate::format::{TEMPORARY, VERSION, check, check_version, put_whole};
use paxos_types::wire::{Put, Reader, WireError};
use paxos_types::{Bytes, Incarnation, Slot};

const HEAD: usize = 4 + 2 + 8 + 8 + 8 + 8;

pub(crate) fn name(slot: Slot) -> String {
    format!("snapshot-{:016x}", slot.0)
}

pub(crate) fn save(
    files: &mut impl Files,
    incarnation: Incarnation,
    slot: Slot,
    bytes: &[u8],
    old: Option<Slot>,
) -> Result<(), StorageError> {
    let mut head = Vec::with_capacity(HEAD);
    head.extend_from_slice(b"RPSN");
    head.put_u16(VERSION);
    head.put_u64(incarnation.0);
    head.put_u64(slot.0);
    head.put_u64(bytes.len() as u64);
    head.put_u64(check(incarnation, &[&head, bytes]));
    // A try that failed half way must not be continued.
    let temporary = format!("{}{TEMPORARY}", name(slot));
    if files.list()?.contains(&temporary) {
        files.remove(&temporary)?;
    }
    put_whole(files, &name(slot), &[&head, bytes])?;
    if let Some(old) = old.filter(|old| *old != slot) {
        files.remove(&name(old))?;
    }
    Ok(())
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
    let damaged = |offset, reason: &str| StorageError::damaged(name, offset, reason);
    if bytes.len() < HEAD || &bytes[..4] != b"RPSN" {
        return Err(damaged(0, "it does not begin with a whole head, marked RPSN"));
    }
    check_version(name, u16::from_le_bytes([bytes[4], bytes[5]]))?;
    let mut r = Reader::new(&bytes[6..HEAD]);
    let fields = (|| Ok::<_, WireError>((r.u64("")?, r.u64("")?, r.u64("")?, r.u64("")?)))();
    let Ok((_, slot, len, expected)) = fields else { return Err(damaged(6, "it is cut short")) };
    let contents = bytes.slice(HEAD..);
    if len != contents.len() as u64 {
        return Err(damaged(22, &format!("it says {len} bytes, and {} are there", contents.len())));
    }
    if check(incarnation, &[&bytes[..30], &contents]) != expected {
        return Err(damaged(0, "its check is wrong"));
    }
    Ok((Slot(slot), contents))
}
