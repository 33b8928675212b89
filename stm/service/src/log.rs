//! The durable log: blocks of increments, each sealed by a digest that chains to the one before.
//!
//! ```text
//! file   = magic "RCCOUNT1" , block*
//! block  = length u32 (of the body) | count u32 | body | digest 32
//! body   = count times: session u64 | sequence u64 | by i64 | key length u16 | key        all little endian
//! digest = blake3(previous digest | length | count | body)      first previous digest: 32 zero bytes
//! ```
//!
//! Opening: a block that does not verify and is followed by nothing that does is a torn tail (a crash while writing;
//! it was never acknowledged): it is cut off. Since digests chain, nothing after a bad block can verify by itself, so
//! the question is decided by size: bytes that make up more than the one block that may have been in flight are rot,
//! and the service refuses to start.

use crate::counters::{Increment, MAX_KEY, Operation};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"RCCOUNT1";
const HEAD: usize = 8;
const DIGEST: usize = 32;
/// Largest body of a block. One write in flight is never larger, so a longer unreadable tail cannot be a torn one.
pub const MAX_BODY: usize = 4 << 20;

/// A log open for appending.
pub struct Log {
    file: File,
    path: PathBuf,
    digest: [u8; 32],
    blocks: u64,
    buffer: Vec<u8>,
}

fn bad(path: &Path, at: u64, why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("log {} is damaged at byte {at}: {why}", path.display()))
}

fn encode(i: &Increment, out: &mut Vec<u8>) {
    out.extend_from_slice(&i.session.to_le_bytes());
    out.extend_from_slice(&i.sequence.to_le_bytes());
    out.extend_from_slice(&i.by.to_le_bytes());
    out.extend_from_slice(&(i.key.len() as u16).to_le_bytes());
    out.extend_from_slice(i.key.as_bytes());
}

fn take<const N: usize>(body: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = body.split_first_chunk::<N>()?;
    *body = rest;
    Some(*head)
}

fn decode(mut body: &[u8], count: u32) -> Option<Vec<Operation>> {
    let mut out = Vec::new();
    for _ in 0..count {
        let session = u64::from_le_bytes(take(&mut body)?);
        let sequence = u64::from_le_bytes(take(&mut body)?);
        let by = i64::from_le_bytes(take(&mut body)?);
        let len = u16::from_le_bytes(take(&mut body)?) as usize;
        if len > MAX_KEY || len > body.len() {
            return None;
        }
        let (key, rest) = body.split_at(len);
        body = rest;
        let key = String::from_utf8(key.to_vec()).ok()?;
        out.push(Operation::Increment(Increment { key, by, session, sequence }));
    }
    body.is_empty().then_some(out)
}

/// Why reading stopped.
enum End {
    /// At the end of the file.
    Clean,
    /// At something that is not a block.
    Unreadable(&'static str),
}

fn read_block(bytes: &[u8], previous: &[u8; 32]) -> Result<(Vec<Operation>, usize, [u8; 32]), End> {
    if bytes.is_empty() {
        return Err(End::Clean);
    }
    let mut rest = bytes;
    let (Some(len), Some(count)) = (take(&mut rest), take(&mut rest)) else {
        return Err(End::Unreadable("half a header"));
    };
    let (len, count) = (u32::from_le_bytes(len) as usize, u32::from_le_bytes(count));
    if len > MAX_BODY {
        return Err(End::Unreadable("an impossible length"));
    }
    let Some(body) = rest.get(..len) else { return Err(End::Unreadable("half a body")) };
    let Some(seal) = rest.get(len..len + DIGEST) else { return Err(End::Unreadable("half a digest")) };
    let digest = seal_of(previous, &bytes[..HEAD + len]);
    if seal != digest {
        return Err(End::Unreadable("the digest does not match"));
    }
    let Some(ops) = decode(body, count) else { return Err(End::Unreadable("a sealed body that cannot be decoded")) };
    Ok((ops, HEAD + len + DIGEST, digest))
}

fn seal_of(previous: &[u8; 32], block: &[u8]) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(previous);
    hash.update(block);
    *hash.finalize().as_bytes()
}

impl Log {
    /// Opens or creates the log, hands every block to `replay`, cuts a torn tail.
    ///
    /// # Errors
    /// What the file system says; `InvalidData` if the log is damaged in a way that no crash explains.
    pub fn open(path: &Path, mut replay: impl FnMut(&[Operation])) -> io::Result<Log> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        if bytes.len() < MAGIC.len() && MAGIC.starts_with(&bytes) {
            // New, or crashed while the first eight bytes were written.
            file.set_len(0)?;
            file.seek(SeekFrom::Start(0))?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            if let Some(dir) = path.parent().filter(|d| !d.as_os_str().is_empty()) {
                File::open(dir)?.sync_all()?;
            }
            return Ok(Log { file, path: path.into(), digest: [0; 32], blocks: 0, buffer: Vec::new() });
        }
        if !bytes.starts_with(MAGIC) {
            return Err(bad(path, 0, "it does not begin with the mark of a counter log"));
        }
        let (mut at, mut digest, mut blocks) = (MAGIC.len(), [0; 32], 0);
        loop {
            match read_block(&bytes[at..], &digest) {
                Ok((ops, len, next)) => {
                    replay(&ops);
                    (at, digest, blocks) = (at + len, next, blocks + 1);
                }
                Err(End::Clean) => break,
                Err(End::Unreadable(why)) => {
                    if bytes.len() - at > HEAD + MAX_BODY + DIGEST {
                        return Err(bad(path, at as u64, why));
                    }
                    // A whole block whose seal is wrong but that is followed by more was not the last write.
                    if complete_and_followed(&bytes[at..]) {
                        return Err(bad(path, at as u64, why));
                    }
                    file.set_len(at as u64)?;
                    file.sync_all()?;
                    break;
                }
            }
        }
        file.seek(SeekFrom::Start(at as u64))?;
        Ok(Log { file, path: path.into(), digest, blocks, buffer: Vec::new() })
    }

    /// Appends the increments of a block and returns when they are on disk. A block without increments is not logged.
    ///
    /// # Errors
    /// What the file system says. After an error the state of the file is unknown: the process must end, and the
    /// next start will find out.
    pub fn append(&mut self, block: &[Operation]) -> io::Result<()> {
        self.buffer.clear();
        self.buffer.extend_from_slice(&[0; HEAD]);
        let mut count = 0u32;
        for op in block {
            if let Operation::Increment(i) = op {
                encode(i, &mut self.buffer);
                count += 1;
            }
        }
        if count == 0 {
            return Ok(());
        }
        let len = self.buffer.len() - HEAD;
        if len > MAX_BODY {
            let why = format!("cannot log a block of {len} bytes to {}: at most {MAX_BODY}", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        self.buffer[..4].copy_from_slice(&(len as u32).to_le_bytes());
        self.buffer[4..HEAD].copy_from_slice(&count.to_le_bytes());
        let digest = seal_of(&self.digest, &self.buffer);
        self.buffer.extend_from_slice(&digest);
        self.file.write_all(&self.buffer)?;
        self.file.sync_data()?;
        self.digest = digest;
        self.blocks += 1;
        Ok(())
    }

    /// Blocks in the log.
    #[must_use]
    pub fn blocks(&self) -> u64 {
        self.blocks
    }
}

/// Whether these bytes claim to be a whole block and something comes after it.
fn complete_and_followed(mut bytes: &[u8]) -> bool {
    let total = bytes.len();
    match take(&mut bytes) {
        Some(len) => u32::from_le_bytes(len) as usize + HEAD + DIGEST < total,
        None => false,
    }
}

/// Reads a log without changing it.
///
/// # Errors
/// As [`Log::open`]; a torn tail is ignored.
pub fn replay(path: &Path, mut each: impl FnMut(&[Operation])) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    if !bytes.starts_with(MAGIC) {
        return Err(bad(path, 0, "it does not begin with the mark of a counter log"));
    }
    let (mut at, mut digest, mut blocks) = (MAGIC.len(), [0; 32], 0);
    while let Ok((ops, len, next)) = read_block(&bytes[at..], &digest) {
        each(&ops);
        (at, digest, blocks) = (at + len, next, blocks + 1);
    }
    Ok(blocks)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ops(n: u64) -> Vec<Operation> {
        (1..=n)
            .map(|s| Operation::Increment(Increment { key: format!("key{s}"), by: -3, session: 9, sequence: s }))
            .collect()
    }

    fn read(path: &Path) -> io::Result<Vec<Vec<Operation>>> {
        let mut all = Vec::new();
        Log::open(path, |b| all.push(b.to_vec()))?;
        Ok(all)
    }

    #[test]
    fn every_torn_tail_is_cut_and_every_earlier_block_survives() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::open(&path, |_| {}).unwrap();
        log.append(&ops(3)).unwrap();
        let first = std::fs::metadata(&path).unwrap().len();
        log.append(&ops(2)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in first as usize..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(read(&path).unwrap(), [ops(3)], "cut at {cut}");
            assert_eq!(std::fs::metadata(&path).unwrap().len(), first);
        }
        std::fs::write(&path, &whole).unwrap();
        assert_eq!(read(&path).unwrap(), [ops(3), ops(2)]);
    }

    #[test]
    fn a_flipped_bit_in_an_earlier_block_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut log = Log::open(&path, |_| {}).unwrap();
        log.append(&ops(3)).unwrap();
        log.append(&ops(2)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[40] ^= 1;
        std::fs::write(&path, &bytes).unwrap();
        let why = read(&path).unwrap_err();
        assert_eq!(why.kind(), io::ErrorKind::InvalidData);
        assert!(why.to_string().contains("byte 8"), "{why}");
        std::fs::write(&path, b"something else").unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn appending_goes_on_after_reopening() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        for k in 1..4 {
            let mut log = Log::open(&path, |_| {}).unwrap();
            assert_eq!(log.blocks(), k - 1);
            log.append(&ops(k)).unwrap();
            log.append(&[Operation::Get("x".into())]).unwrap();
        }
        assert_eq!(read(&path).unwrap(), [ops(1), ops(2), ops(3)]);
        assert_eq!(replay(&path, |_| {}).unwrap(), 3);
    }
}
