//! The bytes of identities, segments and frames.

use crate::files::{Files, StorageError};
use crate::{Identity, StorageError as Error};
use paxos_types::wire::{Put, Reader};
use paxos_types::{ClusterId, Incarnation, NodeId, Role};
use xxhash_rust::xxh3::Xxh3;

pub(crate) const VERSION: u16 = 1;
pub(crate) const SEGMENT_HEAD: usize = 4 + 2 + 8 + 8 + 8;
pub(crate) const FRAME_HEAD: usize = 4 + 8 + 8 + 8;
/// Bytes of one record.
pub(crate) const MAX_RECORD: usize = 64 * 1024 * 1024;
pub(crate) const IDENTITY: &str = "identity";
pub(crate) const TEMPORARY: &str = ".tmp";

pub(crate) fn check(incarnation: Incarnation, parts: &[&[u8]]) -> u64 {
    let mut hash = Xxh3::with_seed(incarnation.0);
    for part in parts {
        hash.update(part);
    }
    hash.digest()
}

pub(crate) fn segment_name(first: u64) -> String {
    format!("segment-{first:016x}")
}

pub(crate) fn number_in(name: &str, prefix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?;
    (digits.len() == 16).then(|| u64::from_str_radix(digits, 16).ok())?
}

/// Writes a file so that it appears whole and durable, or not at all.
pub(crate) fn put_whole(files: &mut impl Files, name: &str, parts: &[&[u8]]) -> Result<(), Error> {
    let temporary = format!("{name}{TEMPORARY}");
    for part in parts {
        files.append(&temporary, part)?;
    }
    finish_whole(files, name)
}

/// Puts the file that was written beside in place.
pub(crate) fn finish_whole(files: &mut impl Files, name: &str) -> Result<(), Error> {
    let temporary = format!("{name}{TEMPORARY}");
    files.sync(&temporary)?;
    files.rename(&temporary, name)?;
    files.sync_dir()
}

/// Appends a frame to `out`.
#[inline]
pub(crate) fn frame(
    out: &mut Vec<u8>,
    incarnation: Incarnation,
    position: u64,
    durable: u64,
    bytes: &[u8],
) -> Result<(), Error> {
    if bytes.len() > MAX_RECORD {
        let reason = format!("a record has {} bytes, and {MAX_RECORD} is the most", bytes.len());
        return Err(StorageError::io("append to", "the log", reason));
    }
    let mut head = [0u8; 20];
    head[..4].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
    head[4..12].copy_from_slice(&position.to_le_bytes());
    head[12..].copy_from_slice(&durable.to_le_bytes());
    out.reserve(FRAME_HEAD + bytes.len());
    out.extend_from_slice(&head);
    out.put_u64(check(incarnation, &[&head, bytes]));
    out.extend_from_slice(bytes);
    Ok(())
}

/// A frame that could be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    pub(crate) position: u64,
    pub(crate) durable: u64,
    /// Bytes of the record.
    pub(crate) len: usize,
}

/// The frame that begins at `bytes`, if there is a whole one with the right check.
pub(crate) fn read_frame(bytes: &[u8], incarnation: Incarnation) -> Result<Frame, String> {
    let mut r = Reader::new(bytes);
    let mut read = || -> Result<(usize, u64, u64, u64), paxos_types::WireError> {
        Ok((r.u32("a frame's length")? as usize, r.u64("a position")?, r.u64("a position")?, r.u64("a check")?))
    };
    let (len, position, durable, expected) =
        read().map_err(|_| format!("a frame's head needs {FRAME_HEAD} bytes, and {} are there", bytes.len()))?;
    if len > MAX_RECORD || len > bytes.len() - FRAME_HEAD {
        return Err(format!("a frame says {len} bytes, and {} are there", bytes.len() - FRAME_HEAD));
    }
    if check(incarnation, &[&bytes[..20], &bytes[FRAME_HEAD..FRAME_HEAD + len]]) != expected {
        return Err(format!("the check of a frame of {len} bytes is wrong"));
    }
    Ok(Frame { position, durable, len })
}

/// Creates a segment with nothing but its head in it. Returns name and length.
pub(crate) fn new_segment(
    files: &mut impl Files,
    incarnation: Incarnation,
    first: u64,
) -> Result<(String, u64), Error> {
    let mut head = Vec::with_capacity(SEGMENT_HEAD);
    head.extend_from_slice(b"RPSG");
    head.put_u16(VERSION);
    head.put_u64(incarnation.0);
    head.put_u64(first);
    head.put_u64(check(incarnation, &[&head]));
    let name = segment_name(first);
    put_whole(files, &name, &[&head])?;
    Ok((name, SEGMENT_HEAD as u64))
}

/// Checks a segment's head, which was durable before the segment had its name.
pub(crate) fn check_segment(name: &str, bytes: &[u8], incarnation: Incarnation, first: u64) -> Result<(), Error> {
    let damaged = |offset, reason: String| Err(StorageError::damaged(name, offset, reason));
    let Some(head) = bytes.get(..SEGMENT_HEAD) else {
        return damaged(0, format!("a segment begins with {SEGMENT_HEAD} bytes, and {} are there", bytes.len()));
    };
    if &head[..4] != b"RPSG" {
        return damaged(0, "it does not begin with RPSG".into());
    }
    check_version(name, u16::from_le_bytes([head[4], head[5]]))?;
    let mut r = Reader::new(&head[6..]);
    let fields = (|| Ok::<_, paxos_types::WireError>((r.u64("")?, r.u64("")?, r.u64("")?)))();
    let Ok((owner, position, expected)) = fields else { return damaged(6, "it is cut short".into()) };
    if expected != check(Incarnation(owner), &[&head[..22]]) {
        return damaged(0, "the check of its head is wrong".into());
    }
    if owner != incarnation.0 {
        return damaged(6, format!("it belongs to storage {}, and this is {incarnation}", Incarnation(owner)));
    }
    if position != first {
        return damaged(14, format!("it begins with record {position}, and its name says {first}"));
    }
    Ok(())
}

pub(crate) fn check_version(name: &str, version: u16) -> Result<(), Error> {
    if version == VERSION {
        return Ok(());
    }
    Err(StorageError {
        tried: "read".into(),
        file: name.into(),
        offset: Some(4),
        reason: format!("it has format {version}, and this program reads {VERSION}"),
        cure: "use the program that wrote it",
    })
}

pub(crate) fn identity_bytes(identity: &Identity, incarnation: Incarnation) -> Vec<u8> {
    let mut out = Vec::with_capacity(33);
    out.extend_from_slice(b"RPID");
    out.put_u16(VERSION);
    out.put_u64(identity.cluster.0);
    out.put_u16(identity.node.0);
    out.put_u8(identity.role.code());
    out.put_u64(incarnation.0);
    out.put_u64(check(Incarnation(0), &[&out]));
    out
}

/// Reads the identity and compares it with the one that is expected.
pub(crate) fn check_identity(bytes: &[u8], expected: &Identity) -> Result<Incarnation, Error> {
    let damaged = |reason: &str| StorageError::damaged(IDENTITY, 0, reason);
    let Some((body, check_bytes)) = bytes.split_last_chunk::<8>() else { return Err(damaged("it is cut short")) };
    if body.len() != 25 || &body[..4] != b"RPID" {
        return Err(damaged("it is no identity of 33 bytes that begins with RPID"));
    }
    if check(Incarnation(0), &[body]) != u64::from_le_bytes(*check_bytes) {
        return Err(damaged("its check is wrong"));
    }
    check_version(IDENTITY, u16::from_le_bytes([body[4], body[5]]))?;
    let mut r = Reader::new(&body[6..]);
    let fields = (|| Ok::<_, paxos_types::WireError>((r.u64("")?, r.u16("")?, r.u8("")?, r.u64("")?)))();
    let Ok((cluster, node, role, incarnation)) = fields else { return Err(damaged("it is cut short")) };
    let found = (ClusterId(cluster), NodeId(node), Role::from_code(role));
    if found != (expected.cluster, expected.node, Some(expected.role)) {
        return Err(StorageError {
            tried: "open".into(),
            file: IDENTITY.into(),
            offset: None,
            reason: format!(
                "it belongs to the {} of node {} of cluster {}, and this is the {} of node {} of cluster {}",
                found.2.map_or("unknown role", Role::name),
                found.1,
                found.0,
                expected.role,
                expected.node,
                expected.cluster
            ),
            cure: "give every role of every node a data directory of its own; with another list of nodes or other limits.sessions it is \
                   another cluster, which cannot go on from this state: restore the configuration",
        });
    }
    Ok(Incarnation(incarnation))
}
