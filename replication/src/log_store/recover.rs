//! What a segment's bytes amount to: whole, torn at the end, or damaged. Pure.
//!
//! Reading goes group by group. Group *n + 1* is written only when group *n* has been synced, so:
//!
//! - a group that does not verify, with no record of a *later* group after it, was being written when the power went:
//!   it was never acknowledged, and is cut whole (parts of it may well verify: a disk may keep the end of a write and
//!   lose its beginning);
//! - a group that does not verify, with a record of a later group somewhere after it, had been synced: that is damage;
//! - in a segment that has a successor nothing can be torn: its end must be where the successor's chain begins.

use super::LogError;
use super::record::{self, Chain, Item, Verified};
use super::segment::{self, Header};
use bytes::Bytes;

/// A segment that has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// Where the last whole group ends.
    pub end: usize,
    /// The number of that group; 0 if there is none.
    pub group: u32,
    /// The chain there.
    pub chain: Chain,
    /// Where the last byte that is not zero ends, if that is after `end`: remains of a group that was cut short.
    pub torn: Option<usize>,
}

/// Reads all whole groups of a segment and hands each record with its offset to `visit`, in order.
///
/// `successor` is the chain at which the next segment begins, if there is one.
///
/// # Errors
/// [`LogError::Damage`] names the offset of the first record that should be there and is not.
pub fn scan(
    file: &str,
    bytes: &Bytes,
    header: &Header,
    successor: Option<Chain>,
    visit: &mut dyn FnMut(u64, Item),
) -> Result<Scan, LogError> {
    let damage = |offset: usize, what: &str| {
        Err(LogError::Damage { file: file.to_string(), offset: offset as u64, what: what.to_string() })
    };
    if (bytes.len() as u64) < header.capacity {
        return damage(bytes.len(), "the file is shorter than it was made");
    }
    let seed = header.seed();
    let mut done = Scan { end: segment::HEADER, group: 0, chain: header.previous, torn: None };
    let (mut at, mut chain) = (done.end, done.chain);
    let mut group: Vec<(usize, Verified)> = Vec::new();
    while successor.is_none_or(|successor| done.chain != successor)
        && let Some(record) = record::verify(seed, bytes, at, 0)
    {
        if record.group != done.group + 1 {
            // A whole record, but of another group: what belongs here is gone.
            break;
        }
        if record.link != chain.link() {
            return damage(at, "the record does not continue the chain of the records before it");
        }
        chain = record.chain_after(&chain);
        let (len, end_of_group) = (record.len, record.end_of_group);
        group.push((at, record));
        at += len;
        if end_of_group {
            done = Scan { end: at, group: done.group + 1, chain, torn: None };
            for (offset, record) in group.drain(..) {
                visit(offset as u64, record.item);
            }
        }
    }
    if let Some(successor) = successor {
        if done.chain != successor {
            return damage(at, "no record verifies here, but the log continues in the next segment");
        }
        return Ok(done);
    }
    if let Some(later) = find_later(seed, bytes, done.end, done.group + 1) {
        return damage(at, &format!("no record verifies here, but one that was written later does, at offset {later}"));
    }
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    done.torn = (used > done.end).then_some(used);
    Ok(done)
}

/// The position of a record of a group later than `torn`, anywhere from `from` on.
fn find_later(seed: record::Seed, bytes: &Bytes, from: usize, torn: u32) -> Option<usize> {
    (from..bytes.len().saturating_sub(record::HEADER - 1)).step_by(record::ALIGN).find(|&at| {
        // The kind byte is never zero: most of an unused segment is passed over here.
        bytes[at + 20] != 0 && record::verify(seed, bytes, at, 0).is_some_and(|record| record.group > torn)
    })
}
