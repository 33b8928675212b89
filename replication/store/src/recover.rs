//! What a segment's bytes amount to: whole, torn at the end, or damaged. Pure.
//!
//! Reading goes group by group. Group *n + 1* is written only when group *n* has been synced, so:
//!
//! - a group that does not verify, with no record of a *later* group after it, was being written when the power went:
//!   it was never acknowledged, and is cut whole (parts of it may well verify: a disk may keep the end of a write and
//!   lose its beginning);
//! - a group that does not verify, with a record of a later group somewhere after it, had been synced: that is damage;
//! - in a segment that has a successor nothing can be torn: its end must be where the successor's chain begins.

use crate::LogError;
use crate::record::{self, Chain, Item, Verified};
use crate::segment::{self, Header};
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
    #[cfg(feature = "planted")]
    if crate::planted::planted(crate::planted::Mistake::CutAtBadSum) {
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        done.torn = (used > done.end).then_some(used);
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
///
/// What lies here may be content that a client chose, made of what looks like headers of records. So the cheap fields
/// are looked at first, and the checksum of a long candidate is computed from sums over all bytes: the time needed does
/// not grow with the square of the content.
fn find_later(seed: record::Seed, bytes: &Bytes, from: usize, torn: u32) -> Option<usize> {
    let mut sums = None;
    (from..bytes.len().saturating_sub(record::HEADER - 1)).step_by(record::ALIGN).find(|&at| {
        // The kind byte is never zero: most of an unused segment is passed over here.
        if bytes[at + 20] == 0 {
            return false;
        }
        let header = &bytes[at..at + record::HEADER];
        let Some(len) = record::length_of(header).filter(|len| *len <= bytes.len() - at) else { return false };
        let group = record::group_of(header);
        // Every group before it has at least one record.
        let plausible = group > torn && group as usize <= (at - segment::HEADER) / record::LEAST + 1;
        if !plausible {
            return false;
        }
        if len > DIRECT {
            let sums = sums.get_or_insert_with(|| Sums::new(bytes, from));
            if !record::checksum_fits(seed, at as u64, header, len, sums.of(bytes, at + 4, at + len)) {
                return false;
            }
        }
        record::verify(seed, bytes, at, 0).is_some()
    })
}

/// Records up to this long are checked directly.
const DIRECT: usize = 4096;

/// Checksums of all bytes from one position up to each record boundary: that of any piece follows from two of them.
struct Sums {
    from: usize,
    upto: Vec<u32>,
}

impl Sums {
    fn new(bytes: &[u8], from: usize) -> Self {
        let mut sum = 0;
        let mut upto = vec![sum];
        for piece in bytes[from..].chunks_exact(record::ALIGN) {
            sum = crc32c::crc32c_append(sum, piece);
            upto.push(sum);
        }
        Self { from, upto }
    }

    /// The checksum of `bytes[start..end]`, where `start` is less than a boundary's distance after one, and `end` is one.
    fn of(&self, bytes: &[u8], start: usize, end: usize) -> u32 {
        let boundary = start - (start - self.from) % record::ALIGN;
        let before = crc32c::crc32c_append(self.upto[(boundary - self.from) / record::ALIGN], &bytes[boundary..start]);
        // What comes before enters a checksum by exclusive or, shifted by the length of what follows.
        self.upto[(end - self.from) / record::ALIGN] ^ crc32c::crc32c_combine(before, 0, end - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_of_pieces_are_their_checksums() {
        let bytes: Vec<u8> = (0..2000u32).map(|n| (n * n / 7) as u8).collect();
        let sums = Sums::new(&bytes, 40);
        for (start, end) in [(44, 48), (44, 2000), (100, 104), (1004, 1504), (40, 1000), (1996, 2000)] {
            assert_eq!(sums.of(&bytes, start, end), crc32c::crc32c(&bytes[start..end]), "{start}..{end}");
        }
    }

    #[test]
    fn content_made_of_headers_is_passed_over_and_a_later_record_behind_it_is_found() {
        let seed = record::Seed::new(&[1; 16], 1);
        let mut bytes = vec![0; 4 << 20];
        let start = segment::HEADER;
        // Every 24 bytes a header with a plausible group, of a record that reaches nearly to the segment's end.
        for at in (start..bytes.len() - record::HEADER).step_by(record::HEADER) {
            let len = (bytes.len() - at - record::HEADER) as u32 / 8 * 8 - 8 * (at as u32 / 24 % 2);
            bytes[at + 4..at + 8].copy_from_slice(&len.to_le_bytes());
            bytes[at + 16..at + 20].copy_from_slice(&3u32.to_le_bytes());
            bytes[at + 20] = 1;
        }
        assert_eq!(find_later(seed, &Bytes::from(bytes.clone()), start, 1), None);
        let body = record::Body::Batch(Bytes::from(vec![7; 10_000]));
        let item = Item::Entry(record::Entry { id: record::EntryId { term: 1, index: 1 }, body });
        let at = (3 << 20) / 8 * 8;
        let chain = Chain(replicode_log::Digest::ZERO);
        let mut group = record::GroupBuilder::new(seed, chain, at as u64, 2, Vec::new());
        group.push(&item);
        let record = group.finish().0;
        bytes[at..at + record.len()].copy_from_slice(&record);
        let bytes = Bytes::from(bytes);
        assert_eq!(find_later(seed, &bytes, start, 1), Some(at));
        assert_eq!(find_later(seed, &bytes, start, 2), None, "not later than that");
    }
}
