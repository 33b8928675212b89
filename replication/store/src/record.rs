//! The bytes of a record, and its checksum.
//!
//! ```text
//!  0       4       8               16      20   21    22    24                      24 + length
//! +-------+-------+---------------+-------+----+-----+-----+------------------------+---------+
//! | crc   | len   | link          | group |kind|flags| 0   | payload                | 0 to 8  |
//! +-------+-------+---------------+-------+----+-----+-----+------------------------+---------+
//!   crc    CRC-32C over bytes 4.. of the record, seeded with the cluster, the segment's generation and the record's
//!          position, so that bytes of another cluster, of a segment's former life or from another place do not verify
//!   len    bytes of payload
//!   link   first eight bytes of the hash chain before this record, so that records cannot be lost or swapped
//!   group  number of the sync that made it durable, counted within the segment from 1
//!   flags  1: last record of its group
//! ```
//!
//! All integers are little-endian. Payloads:
//!
//! ```text
//! entry (1)      term u64, index u64, what u8 (0 blank, 1 batch, 2 membership), content
//! vote (2)       term u64, node u64, granted by a quorum u8
//! truncate (3)   first index that is no longer valid u64
//! committed (4)  term u64, index u64
//! purge (5)      term u64, index u64
//! ```

use bytes::{Buf, BufMut, Bytes};
use replicode_log::Digest;

/// Bytes before a record's payload.
pub const HEADER: usize = 24;
/// No record takes less.
pub const LEAST: usize = HEADER + ALIGN;
/// Records start at multiples of this.
pub const ALIGN: usize = 8;
/// Flag: last record of its group.
const END_OF_GROUP: u8 = 1;
/// Bytes of an entry's payload before its content.
const ENTRY_HEAD: usize = 17;

/// Names an entry of the consensus log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntryId {
    /// The term of the leader that made it.
    pub term: u64,
    /// Its position, from 0.
    pub index: u64,
}

/// What an entry carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Nothing: a leader's first entry.
    Blank,
    /// An encoded batch.
    Batch(Bytes),
    /// A set of members, in the consensus engine's encoding.
    Membership(Bytes),
}

impl Body {
    const fn parts(&self) -> (u8, Option<&Bytes>) {
        match self {
            Self::Blank => (0, None),
            Self::Batch(bytes) => (1, Some(bytes)),
            Self::Membership(bytes) => (2, Some(bytes)),
        }
    }

    /// Bytes of content.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parts().1.map_or(0, Bytes::len)
    }

    /// Whether there is no content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// An entry of the consensus log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// What it carries.
    pub body: Body,
}

/// A vote, or the leader that a quorum voted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteRecord {
    /// The term.
    pub term: u64,
    /// For whom.
    pub node: u64,
    /// Whether a quorum did the same.
    pub committed: bool,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// The next entry.
    Entry(Entry),
    /// The latest vote.
    Vote(VoteRecord),
    /// Entries from this index on are void.
    Truncate(u64),
    /// Entries up to this one are known to be committed. A hint: it may lag.
    Committed(EntryId),
    /// Entries up to this one are no longer needed.
    Purge(EntryId),
}

impl Item {
    const fn kind(&self) -> u8 {
        match self {
            Self::Entry(_) => 1,
            Self::Vote(_) => 2,
            Self::Truncate(_) => 3,
            Self::Committed(_) => 4,
            Self::Purge(_) => 5,
        }
    }

    fn payload_len(&self) -> usize {
        match self {
            Self::Entry(entry) => ENTRY_HEAD + entry.body.len(),
            Self::Vote(_) => 17,
            Self::Truncate(_) => 8,
            Self::Committed(_) | Self::Purge(_) => 16,
        }
    }

    /// The same without an entry's content.
    #[must_use]
    pub fn name_only(&self) -> Self {
        match self {
            Self::Entry(Entry { id, .. }) => Self::Entry(Entry { id: *id, body: Body::Blank }),
            other => other.clone(),
        }
    }

    /// Bytes that the record takes in a segment.
    #[must_use]
    pub fn record_len(&self) -> usize {
        HEADER + self.payload_len().next_multiple_of(ALIGN)
    }

    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::Entry(entry) => {
                let (what, content) = entry.body.parts();
                out.put_u64_le(entry.id.term);
                out.put_u64_le(entry.id.index);
                out.put_u8(what);
                if let Some(content) = content {
                    out.extend_from_slice(content);
                }
            }
            Self::Vote(vote) => {
                out.put_u64_le(vote.term);
                out.put_u64_le(vote.node);
                out.put_u8(vote.committed.into());
            }
            Self::Truncate(from) => out.put_u64_le(*from),
            Self::Committed(id) | Self::Purge(id) => {
                out.put_u64_le(id.term);
                out.put_u64_le(id.index);
            }
        }
    }

    /// Reads a payload; `None` if it is not one of that kind.
    fn take(kind: u8, mut payload: Bytes) -> Option<Self> {
        let id = |payload: &mut Bytes| {
            (payload.len() >= 16).then(|| EntryId { term: payload.get_u64_le(), index: payload.get_u64_le() })
        };
        let item = match kind {
            1 if payload.len() >= ENTRY_HEAD => {
                let id = id(&mut payload)?;
                let body = match payload.get_u8() {
                    0 => Body::Blank,
                    1 => Body::Batch(payload.split_off(0)),
                    2 => Body::Membership(payload.split_off(0)),
                    _ => return None,
                };
                Self::Entry(Entry { id, body })
            }
            2 if payload.len() == 17 => {
                let (term, node, committed) = (payload.get_u64_le(), payload.get_u64_le(), payload.get_u8());
                Self::Vote(VoteRecord { term, node, committed: committed == 1 })
            }
            3 if payload.len() == 8 => Self::Truncate(payload.get_u64_le()),
            4 => Self::Committed(id(&mut payload)?),
            5 => Self::Purge(id(&mut payload)?),
            _ => return None,
        };
        payload.is_empty().then_some(item)
    }
}

/// The part of a checksum that all records of a segment share.
#[derive(Clone, Copy, Debug)]
pub struct Seed(u32);

impl Seed {
    /// The seed of a segment.
    #[must_use]
    pub fn new(cluster: &[u8; 16], generation: u64) -> Self {
        Self(crc32c::crc32c_append(crc32c::crc32c(cluster), &generation.to_le_bytes()))
    }

    fn checksum(self, position: u64, bytes: &[u8]) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c_append(self.0, &position.to_le_bytes()), bytes)
    }
}

/// The hash chain over the records of all segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain(pub Digest);

impl Chain {
    /// What the next record must name.
    #[must_use]
    pub fn link(&self) -> [u8; 8] {
        let mut link = [0; 8];
        link.copy_from_slice(&self.0.bytes()[..8]);
        link
    }

    /// The chain after a record with this header. The header holds the checksum of the rest.
    #[must_use]
    pub fn after(&self, header: &[u8]) -> Self {
        Self(Digest::chain(self.0, &[header]))
    }
}

/// Gathers records into the bytes of one group.
#[derive(Debug)]
pub struct GroupBuilder {
    seed: Seed,
    chain: Chain,
    start: u64,
    group: u32,
    bytes: Vec<u8>,
    /// Where the last record begins: it is sealed when it is known whether another follows.
    last: Option<usize>,
}

impl GroupBuilder {
    /// An empty group that will be written at `start`. `buffer` is reused.
    #[must_use]
    pub fn new(seed: Seed, chain: Chain, start: u64, group: u32, mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { seed, chain, start, group, bytes: buffer, last: None }
    }

    /// Bytes so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been gathered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Adds a record and tells its position in the segment.
    pub fn push(&mut self, item: &Item) -> u64 {
        self.seal(0);
        let at = self.bytes.len();
        self.last = Some(at);
        self.bytes.extend_from_slice(&[0; HEADER]);
        item.put(&mut self.bytes);
        let len = (self.bytes.len() - at - HEADER) as u32;
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        let header = &mut self.bytes[at..at + HEADER];
        header[4..8].copy_from_slice(&len.to_le_bytes());
        header[16..20].copy_from_slice(&self.group.to_le_bytes());
        header[20] = item.kind();
        self.start + at as u64
    }

    fn seal(&mut self, flags: u8) {
        let Some(at) = self.last.take() else { return };
        let position = self.start + at as u64;
        let record = &mut self.bytes[at..];
        record[8..16].copy_from_slice(&self.chain.link());
        record[21] = flags;
        let crc = self.seed.checksum(position, &record[4..]);
        record[..4].copy_from_slice(&crc.to_le_bytes());
        self.chain = self.chain.after(&record[..HEADER]);
    }

    /// Seals the group: its bytes, and the chain after it.
    #[must_use]
    pub fn finish(mut self) -> (Vec<u8>, Chain) {
        self.seal(END_OF_GROUP);
        (self.bytes, self.chain)
    }
}

/// A record whose checksum is right.
#[derive(Clone, Debug)]
pub struct Verified {
    /// The number of its group.
    pub group: u32,
    /// Whether it is the last of its group.
    pub end_of_group: bool,
    /// What it names as the chain before it.
    pub link: [u8; 8],
    /// What it says.
    pub item: Item,
    /// The chain after it, if it continues `chain`.
    header: [u8; HEADER],
    /// Bytes it takes in the segment.
    pub len: usize,
}

impl Verified {
    /// The chain after this record.
    #[must_use]
    pub fn chain_after(&self, chain: &Chain) -> Chain {
        chain.after(&self.header)
    }
}

/// How many bytes the record that begins with these bytes takes in all, if they can be a header.
#[must_use]
pub fn length_of(header: &[u8]) -> Option<usize> {
    if header.len() < HEADER || !(1..=5).contains(&header[20]) || header[21] > END_OF_GROUP || header[22..24] != [0, 0]
    {
        return None;
    }
    let len = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
    Some(HEADER + len.next_multiple_of(ALIGN))
}

/// The group that a record with this header belongs to. `header` has at least [`HEADER`] bytes.
#[must_use]
pub fn group_of(header: &[u8]) -> u32 {
    u32::from_le_bytes([header[16], header[17], header[18], header[19]])
}

/// Whether the record at `position` with this header, `len` bytes in all, has the checksum that it says, where
/// `content` is the plain CRC-32C of all its bytes from 4 on.
#[must_use]
pub fn checksum_fits(seed: Seed, position: u64, header: &[u8], len: usize, content: u32) -> bool {
    let crc = u32::from_le_bytes([header[0], header[1], header[2], header[3]]);
    crc32c::crc32c_combine(seed.checksum(position, &[]), content, len - 4) == crc
}

/// The record at `at` in `bytes`, where `bytes[0]` lies at `base` in its segment; `None` if none verifies there.
#[must_use]
pub fn verify(seed: Seed, bytes: &Bytes, at: usize, base: u64) -> Option<Verified> {
    let len = length_of(bytes.get(at..at + HEADER)?)?;
    let record = bytes.get(at..at.checked_add(len)?)?;
    let crc = u32::from_le_bytes([record[0], record[1], record[2], record[3]]);
    if seed.checksum(base + at as u64, &record[4..]) != crc {
        return None;
    }
    let payload_len = u32::from_le_bytes([record[4], record[5], record[6], record[7]]) as usize;
    let mut header = [0; HEADER];
    header.copy_from_slice(&record[..HEADER]);
    let mut link = [0; 8];
    link.copy_from_slice(&record[8..16]);
    let item = Item::take(record[20], bytes.slice(at + HEADER..at + HEADER + payload_len))?;
    Some(Verified { group: group_of(record), end_of_group: record[21] == END_OF_GROUP, link, item, header, len })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items() -> Vec<Item> {
        let id = EntryId { term: 3, index: 9 };
        vec![
            Item::Entry(Entry { id, body: Body::Blank }),
            Item::Entry(Entry { id, body: Body::Batch(Bytes::from_static(b"batch")) }),
            Item::Entry(Entry { id, body: Body::Membership(Bytes::from_static(b"m")) }),
            Item::Vote(VoteRecord { term: 4, node: 2, committed: true }),
            Item::Truncate(7),
            Item::Committed(id),
            Item::Purge(id),
        ]
    }

    fn group() -> (Seed, Bytes) {
        let seed = Seed::new(&[7; 16], 5);
        let mut builder = GroupBuilder::new(seed, Chain(Digest::ZERO), 4096, 1, Vec::new());
        for item in items() {
            builder.push(&item);
        }
        (seed, Bytes::from(builder.finish().0))
    }

    #[test]
    fn records_are_read_back_and_chain() {
        let (seed, bytes) = group();
        let (mut at, mut chain, mut seen) = (0, Chain(Digest::ZERO), Vec::new());
        while let Some(record) = verify(seed, &bytes, at, 4096) {
            assert_eq!(record.link, chain.link());
            assert_eq!(record.len, record.item.record_len());
            chain = record.chain_after(&chain);
            at += record.len;
            assert_eq!(record.end_of_group, at == bytes.len());
            seen.push(record.item);
        }
        assert_eq!((at, seen), (bytes.len(), items()));
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (seed, bytes) = group();
        let first = items()[1].record_len() + items()[0].record_len();
        let start = items()[0].record_len();
        for bit in start * 8..first * 8 {
            let mut damaged = bytes.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(seed, &Bytes::from(damaged), start, 4096).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_belongs_to_its_cluster_generation_and_place() {
        let (seed, bytes) = group();
        assert!(verify(seed, &bytes, 0, 4096).is_some());
        assert!(verify(seed, &bytes, 0, 4104).is_none());
        assert!(verify(Seed::new(&[7; 16], 6), &bytes, 0, 4096).is_none());
        assert!(verify(Seed::new(&[8; 16], 5), &bytes, 0, 4096).is_none());
    }
}
