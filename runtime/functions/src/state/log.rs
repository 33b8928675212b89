//! The log of commits: one file, appended to; at the start it is read from its beginning.
//!
//! A record is `length u32 | crc32c u32 | body`, the body a list of `key length u32 | key | value length u32 | value`, where the length
//! `u32::MAX` is a key that was deleted; all little endian. Before the first record stand eight bytes that say what the file is. A record
//! that is cut short or whose sum is wrong ends the file: what a machine that lost its power had not finished. A file that has become
//! long is written anew beside it and takes its place.

use super::{StateError, Value};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: &[u8; 8] = b"RFNSTAT1";
const DELETED: u32 = u32::MAX;
/// Bytes of the file's name for the next one.
const NEXT: &str = "state.log.new";

/// When a commit is on the disk. In every case it is with the operating system before anybody is told: a killed server loses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sync {
    /// Before anybody is told.
    Always,
    /// At the latest so many milliseconds later.
    Interval(u64),
    /// When the operating system likes.
    Never,
}

/// What all entries of the file come to, in the order of their keys, and its length as far as it is whole.
type Contents = (BTreeMap<Vec<u8>, Value>, u64);

/// A log, what all its records come to, and what had to be left out.
type Opened = (Log, BTreeMap<Vec<u8>, Value>, Vec<String>);

pub(super) struct Log {
    /// `None`: state that is nowhere.
    file: Option<(Arc<File>, PathBuf)>,
    /// Committed and not written yet.
    waiting: Vec<u8>,
    /// Commits so far.
    number: u64,
    /// Bytes in the file.
    length: u64,
}

impl Log {
    pub(super) fn open(directory: Option<&Path>) -> Result<Opened, StateError> {
        let Some(directory) = directory else {
            let log = Self { file: None, waiting: Vec::new(), number: 0, length: 0 };
            return Ok((log, BTreeMap::new(), Vec::new()));
        };
        let path = directory.join("state.log");
        let failed = |error| StateError::File(path.display().to_string(), error);
        // A server that ended while it wrote the file anew.
        let _ = fs::remove_file(directory.join(NEXT));
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(failed(error)),
        };
        let mut warnings = Vec::new();
        let (entries, whole) = read(&bytes);
        if whole < bytes.len() as u64 {
            let rest = bytes.len() as u64 - whole;
            let aside = directory.join("state.log.damaged");
            fs::write(&aside, &bytes).map_err(failed)?;
            warnings.push(format!(
                "{}: the last {rest} bytes are no whole record and are left out; the file as it was is {}",
                path.display(),
                aside.display()
            ));
        }
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).mode(0o600).open(&path).map_err(failed)?;
        file.set_len(whole).map_err(failed)?;
        let mut length = whole;
        if whole == 0 {
            file.write_all(MAGIC).map_err(failed)?;
            length = MAGIC.len() as u64;
        }
        file.sync_all().map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
        let log = Self { file: Some((Arc::new(file), path)), waiting: Vec::new(), number: 0, length };
        Ok((log, entries, warnings))
    }

    /// Appends a commit, and says which it is.
    pub(super) fn append(&mut self, writes: &BTreeMap<Vec<u8>, Option<Value>>) -> u64 {
        self.number += 1;
        if self.file.is_some() {
            let entries = writes.iter().map(|(key, value)| (key.as_slice(), value.as_deref()));
            record(&mut self.waiting, entries);
        }
        self.number
    }

    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    pub(super) fn write(&mut self) -> Result<(), StateError> {
        let Some((file, path)) = &self.file else { return Ok(()) };
        if self.waiting.is_empty() {
            return Ok(());
        }
        // A part of it may have been written: the next attempt must not follow it.
        let written = (&**file).write_all(&self.waiting);
        if let Err(error) = written {
            let _ = file.set_len(self.length);
            return Err(StateError::File(path.display().to_string(), error));
        }
        self.length += self.waiting.len() as u64;
        self.waiting.clear();
        self.waiting.shrink_to(1 << 20);
        Ok(())
    }

    /// The file, for whoever gives it to the disk.
    pub(super) fn file(&self) -> Result<Option<(Arc<File>, String)>, StateError> {
        Ok(self.file.as_ref().map(|(file, path)| (Arc::clone(file), path.display().to_string())))
    }

    /// Whether the file is much longer than it has to be.
    pub(super) const fn is_wasteful(&self, live: u64, at_least: u64) -> bool {
        self.file.is_some() && self.length > at_least && self.length / 4 > live
    }

    /// Writes the file anew.
    pub(super) fn replace(&mut self, all: &[(Vec<u8>, Value)]) -> Result<(), StateError> {
        let Some((_, path)) = &self.file else { return Ok(()) };
        let failed = |error| StateError::File(path.display().to_string(), error);
        let directory = path.parent().unwrap_or(Path::new("."));
        let next = directory.join(NEXT);
        let mut bytes = MAGIC.to_vec();
        // Records of some entries each: a reader needs no more memory than for one of them.
        for some in all.chunks(1024) {
            record(&mut bytes, some.iter().map(|(key, value)| (key.as_slice(), Some(&**value))));
        }
        let mut options = OpenOptions::new();
        let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(&next).map_err(failed)?;
        file.write_all(&bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&next, path).map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
        drop(file);
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        let path = path.clone();
        self.length = bytes.len() as u64;
        self.waiting.clear();
        self.file = Some((Arc::new(file), path));
        Ok(())
    }
}

/// Makes names in a directory last.
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn record<'a>(out: &mut Vec<u8>, entries: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) {
    let start = out.len();
    out.extend_from_slice(&[0; 8]);
    for (key, value) in entries {
        out.extend_from_slice(&(key.len() as u32).to_le_bytes());
        out.extend_from_slice(key);
        out.extend_from_slice(&value.map_or(DELETED, |value| value.len() as u32).to_le_bytes());
        out.extend_from_slice(value.unwrap_or_default());
    }
    let body = out.get(start + 8..).unwrap_or_default();
    let (length, sum) = (body.len() as u32, crc32c::crc32c(body));
    if let Some(head) = out.get_mut(start..start + 8) {
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn number(bytes: &mut &[u8]) -> Option<u32> {
    let (head, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(u32::from_le_bytes(*head))
}

fn some<'a>(bytes: &mut &'a [u8], count: u32) -> Option<&'a [u8]> {
    let (head, rest) = bytes.split_at_checked(count as usize)?;
    *bytes = rest;
    Some(head)
}

/// Reads as far as the file is whole.
pub(super) fn read(bytes: &[u8]) -> Contents {
    let mut entries = BTreeMap::new();
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (entries, 0) };
    let mut whole = MAGIC.len() as u64;
    while let Some((body, after)) = next(rest) {
        let Some(changes) = changes(body) else { break };
        for (key, value) in changes {
            match value {
                Some(value) => drop(entries.insert(key.to_vec(), Value::from(value))),
                None => drop(entries.remove(key)),
            }
        }
        whole = (bytes.len() - after.len()) as u64;
        rest = after;
    }
    (entries, whole)
}

fn next(mut bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, sum) = (number(&mut bytes)?, number(&mut bytes)?);
    let body = some(&mut bytes, length)?;
    (crc32c::crc32c(body) == sum).then_some((body, bytes))
}

/// Changes of one record: key, and value unless it was deleted.
type Changes<'a> = Vec<(&'a [u8], Option<&'a [u8]>)>;

fn changes(mut body: &[u8]) -> Option<Changes<'_>> {
    let mut changes = Vec::new();
    while !body.is_empty() {
        let length = number(&mut body)?;
        let key = some(&mut body, length)?;
        let value = match number(&mut body)? {
            DELETED => None,
            length => Some(some(&mut body, length)?),
        };
        changes.push((key, value));
    }
    Some(changes)
}
