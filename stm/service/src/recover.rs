//! Reading a log back: what a crash explains is repaired, everything else is refused by name.
//!
//! | found | verdict |
//! |---|---|
//! | nothing | a new log |
//! | at the end of the newest segment bytes that no block makes, no more than one write, and nothing acknowledged in them | a torn write: cut |
//! | the same below the mark, or longer than one write, or in an older segment | [`LogError::Damaged`] |
//! | a segment shorter than its mark | [`LogError::Damaged`] |
//! | a header, a mark, the snapshot, or `founded`, that does not verify | [`LogError::Damaged`] |
//! | a hole in the numbers of the segments, or none where the snapshot says | [`LogError::Missing`] |
//! | the first segment is not number 1, and no snapshot | [`LogError::Missing`] |
//! | `founded`, and neither a segment nor a snapshot | [`LogError::Missing`] |
//! | no log, but other files; or files of two logs | [`LogError::Foreign`] |
//! | segments below the snapshot's, unfinished files | leftovers of a compaction: removed |
//!
//! Reading changes nothing; [`crate::log::Log::open`] does, afterwards.

use crate::counters::Operation;
use crate::disk::Disk;
use crate::founded::{self, FOUNDED};
use crate::log::{LogError, Options, SNAPSHOT, UNFINISHED, doing, segment_name};
use crate::segment::{HEADER, Header, MARK_AT, Next, next};
use crate::snapshot::Snapshot;
use crate::state::State;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// At the snapshot, if there is one.
    Snapshot,
    /// At the first block of all; needs a log that has kept its segments.
    Beginning,
}

/// What is read, in this order.
#[derive(Debug)]
pub enum Replayed<'a> {
    /// Where it begins: once, first.
    State(State),
    /// The next block.
    Block(&'a [Operation]),
    /// Only from the beginning: the snapshot says that this is the state here.
    Check(&'a State),
}

/// The limits that a log must have, where given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    max_keys: Option<u64>,
    max_sessions: Option<u64>,
}

impl std::convert::From<Options> for Wanted {
    fn from(o: Options) -> Self {
        Wanted { max_keys: o.max_keys, max_sessions: o.max_sessions }
    }
}

/// What was found.
#[derive(Debug)]
pub struct Found {
    pub(crate) header: Header,
    /// Bytes of the newest segment that are blocks.
    pub(crate) len: u64,
    /// Bytes after them, of a torn write.
    pub(crate) torn: u64,
    pub(crate) chain: [u8; 32],
    /// Blocks of the whole log.
    pub blocks: u64,
    /// Segments read.
    pub segments: u64,
    pub(crate) snapshot_bytes: u64,
    pub(crate) leftovers: Vec<String>,
    /// Whether the file that says that there is a log is there.
    pub(crate) founded: bool,
}

impl Found {
    /// Number of the newest segment: one more than compactions so far.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.header.number
    }
}

/// The files of a log.
struct Files {
    /// Numbers of the segments, ascending.
    segments: Vec<u64>,
    snapshot: bool,
    founded: bool,
    unfinished: Vec<String>,
}

fn files(disk: &impl Disk) -> Result<Files, LogError> {
    let mut names = doing(|| "list the folder".to_string(), disk.list())?;
    names.sort();
    let (mut segments, mut unfinished, mut other) = (Vec::new(), Vec::new(), Vec::new());
    let (mut snapshot, mut founded) = (false, false);
    for name in names {
        let number = name.strip_suffix(".log").and_then(|n| n.parse().ok()).filter(|n| segment_name(*n) == name);
        match number {
            Some(n) => segments.push(n),
            None if name == SNAPSHOT => snapshot = true,
            None if name == FOUNDED => founded = true,
            None if UNFINISHED.contains(&name.as_str()) => unfinished.push(name),
            None => other.push(name),
        }
    }
    if let (true, false, Some(name)) = (segments.is_empty(), snapshot || founded, other.first()) {
        return Err(LogError::Foreign(format!("it holds {name} and no counter log; name a new or an empty folder")));
    }
    Ok(Files { segments, snapshot, founded, unfinished })
}

fn damaged(file: &str, at: u64, why: impl Into<String>) -> LogError {
    LogError::Damaged { file: file.to_string(), at, why: why.into() }
}

fn check_limits(header: &Header, wanted: Wanted) -> Result<(), LogError> {
    let was = header.limits;
    for (what, was, asked) in
        [("keys", was.max_keys, wanted.max_keys), ("sessions", was.max_sessions, wanted.max_sessions)]
    {
        if let Some(asked) = asked.filter(|a| *a != was) {
            return Err(LogError::Limits { what, was, asked });
        }
    }
    Ok(())
}

/// Which segments to read, and which are left over.
fn plan(files: &Files, snapshot: Option<&Snapshot>, from: From) -> Result<(Vec<u64>, Vec<u64>), LogError> {
    let covered = snapshot.map_or(1, |s| s.next);
    let first = if from == From::Beginning { 1 } else { covered };
    let (old, read): (Vec<u64>, Vec<u64>) = files.segments.iter().partition(|n| **n < first);
    let missing = |n: u64, why: String| Err(LogError::Missing { file: segment_name(n), why });
    match read.first() {
        None if snapshot.is_some() => return missing(covered, "the snapshot says that it comes next".to_string()),
        Some(n) if *n != first && snapshot.is_none() && from == From::Snapshot => {
            let why = format!("the log begins with {}, so there was one", segment_name(*n));
            return Err(LogError::Missing { file: SNAPSHOT.to_string(), why });
        }
        _ => {}
    }
    for (want, n) in (first..).zip(&read) {
        if want != *n {
            return missing(want, format!("{} is there", segment_name(*n)));
        }
    }
    if read.last().is_some_and(|n| *n < covered) {
        return missing(covered, "the snapshot says that it comes next".to_string());
    }
    Ok((read, old))
}

/// Reads a log; `None` if there is none.
///
/// # Errors
/// See the table above; and what `replay` says.
pub fn recover(
    disk: &impl Disk,
    from: From,
    wanted: Wanted,
    replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), LogError>,
) -> Result<Option<Found>, LogError> {
    let files = files(disk)?;
    let read = |name: &str| doing(|| format!("read {name}"), disk.read(name));
    let id = match files.founded {
        true => Some(founded::decode(&read(FOUNDED)?).map_err(|why| damaged(FOUNDED, 0, why))?),
        false => None,
    };
    if files.segments.is_empty() && !files.snapshot {
        return match id {
            None => Ok(None),
            Some(_) => {
                let why = format!("{FOUNDED} says that a log was begun here, and no file of it is left");
                Err(LogError::Missing { file: segment_name(1), why })
            }
        };
    }
    let (mut snapshot, snapshot_bytes) = match files.snapshot {
        true => {
            let bytes = read(SNAPSHOT)?;
            let snapshot = Snapshot::decode(&bytes).map_err(|why| damaged(SNAPSHOT, 0, why))?;
            (Some(snapshot), bytes.len() as u64)
        }
        false => (None, 0),
    };
    let (numbers, old) = plan(&files, snapshot.as_ref(), from)?;
    let mut leftovers = files.unfinished;
    leftovers.extend(old.into_iter().map(segment_name));

    let mut at: Option<Found> = None;
    let newest = numbers.last().copied();
    for number in numbers {
        let name = segment_name(number);
        let bytes = read(&name)?;
        let header = Header::decode(&bytes).map_err(|why| damaged(&name, 0, why))?;
        if header.number != number {
            return Err(damaged(&name, 32, format!("it says that it is segment {}", header.number)));
        }
        check_limits(&header, wanted)?;
        if let Some(id) = &id {
            same_log(&name, &header, id)?;
        }
        match (&at, &mut snapshot) {
            (None, Some(s)) if from == From::Snapshot => {
                same_log(&name, &header, &s.id)?;
                follows(&name, &header, s.chain, s.state.blocks, SNAPSHOT)?;
                if header.limits != s.state.limits {
                    return Err(damaged(&name, 80, "its limits are not those of the snapshot"));
                }
                // Moved out, not copied: a million keys are a hundred megabytes.
                replay(Replayed::State(std::mem::replace(&mut s.state, State::empty(header.limits))))?;
            }
            (None, _) => {
                follows(&name, &header, [0; 32], 0, "the beginning")?;
                replay(Replayed::State(State::empty(header.limits)))?;
            }
            (Some(before), _) => {
                same_log(&name, &header, &before.header.id)?;
                follows(&name, &header, before.chain, before.blocks, &segment_name(number - 1))?;
            }
        }
        if let (From::Beginning, Some(s)) = (from, snapshot.as_ref().filter(|s| s.next == number)) {
            same_log(&name, &header, &s.id)?;
            replay(Replayed::Check(&s.state))?;
        }
        let found = blocks_of(&name, &bytes, header, Some(number) == newest, replay)?;
        let segments = at.as_ref().map_or(0, |f| f.segments) + 1;
        at = Some(Found { segments, ..found });
    }
    Ok(at.map(|found| Found { snapshot_bytes, leftovers, founded: id.is_some(), ..found }))
}

fn same_log(name: &str, header: &Header, id: &[u8; 16]) -> Result<(), LogError> {
    if header.id == *id {
        return Ok(());
    }
    Err(LogError::Foreign(format!("{name} belongs to another log than the files beside it")))
}

fn follows(name: &str, header: &Header, chain: [u8; 32], blocks: u64, after: &str) -> Result<(), LogError> {
    if (header.chain, header.blocks) == (chain, blocks) {
        return Ok(());
    }
    let why = format!("it follows block {}, but {after} ends with block {blocks} or another one", header.blocks);
    Err(damaged(name, 40, why))
}

/// Follows the blocks of one segment.
fn blocks_of(
    name: &str,
    bytes: &[u8],
    header: Header,
    newest: bool,
    replay: &mut dyn FnMut(Replayed<'_>) -> Result<(), LogError>,
) -> Result<Found, LogError> {
    let (mut at, mut chain, mut blocks) = (HEADER, header.chain, header.blocks);
    let acknowledged = header.acknowledged(bytes).map_err(|why| damaged(name, MARK_AT as u64, why))?;
    let torn = loop {
        match next(&bytes[at..], &chain) {
            Next::Block(ops, len, seal) => {
                replay(Replayed::Block(&ops))?;
                (at, chain, blocks) = (at + len, seal, blocks + 1);
            }
            Next::End if (at as u64) < acknowledged => {
                return Err(damaged(name, at as u64, format!("{acknowledged} bytes of it were acknowledged")));
            }
            Next::End => break 0,
            Next::Unreadable { why, one_write } => {
                if !newest || !one_write || (at as u64) < acknowledged {
                    return Err(damaged(name, at as u64, why));
                }
                break (bytes.len() - at) as u64;
            }
        }
    };
    let (len, leftovers) = (at as u64, Vec::new());
    Ok(Found { header, len, torn, chain, blocks, segments: 0, snapshot_bytes: 0, leftovers, founded: false })
}
