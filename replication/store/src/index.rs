//! Where entries are, in memory that does not grow with them. Pure.
//!
//! Offsets are kept only for the segment being written; of the others only the range of entries that are still valid.
//! Who reads an old entry scans its segment once and keeps the offsets for a while (see [`crate::picture`]).

use crate::record::{Entry, Item};
use std::collections::VecDeque;
use std::ops::Range;

/// The entries that one segment ends up with, in the order of its records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offsets {
    base: u64,
    offsets: Vec<u32>,
}

impl Offsets {
    /// Follows a record at `offset`. Entries continue the ones before; where they do not (after a purge beyond the end),
    /// the ones before are void.
    pub fn follow(&mut self, offset: u32, item: &Item) {
        match item {
            Item::Entry(Entry { id, .. }) => {
                if id.index != self.next() {
                    self.base = id.index;
                    self.offsets.clear();
                }
                self.offsets.push(offset);
            }
            Item::Truncate(from) => self.truncate(*from),
            Item::Vote(_) | Item::Committed(_) | Item::Purge(_) => {}
        }
    }

    fn truncate(&mut self, from: u64) {
        if from < self.base {
            self.base = from;
        }
        self.offsets.truncate((from - self.base) as usize);
    }

    fn next(&self) -> u64 {
        self.base + self.offsets.len() as u64
    }

    /// Where the entry is.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<u32> {
        self.offsets.get(usize::try_from(index.checked_sub(self.base)?).ok()?).copied()
    }
}

/// A segment's share of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    generation: u64,
    /// Its size.
    bytes: u64,
    /// Entries of this segment that no later truncation has made void.
    live: Range<u64>,
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// At this offset of the segment being written.
    Active(u32),
    /// Somewhere in this older segment.
    Sealed(u64),
}

/// All segments. Ranges are in ascending order and overlap nowhere; some may be empty.
#[derive(Clone, Debug, Default)]
pub struct Index {
    spans: VecDeque<Span>,
    active: Offsets,
}

impl Index {
    /// A new segment of so many bytes is being written; by its header, its first entry is `next_index`. Answers the one before,
    /// with its offsets.
    pub fn begin(&mut self, generation: u64, next_index: u64, bytes: u64) -> Option<(u64, Offsets)> {
        let before = self.spans.back().map(|span| span.generation);
        let next = self.spans.back().map_or(next_index, |span| span.live.end);
        self.spans.push_back(Span { generation, bytes, live: next..next });
        let offsets = std::mem::replace(&mut self.active, Offsets { base: next, offsets: Vec::new() });
        before.map(|generation| (generation, offsets))
    }

    /// Follows a record of the segment being written. Answers segments that are no longer needed, each with its size.
    pub fn follow(&mut self, offset: u32, item: &Item) -> Vec<(u64, u64)> {
        self.active.follow(offset, item);
        match item {
            Item::Entry(Entry { id, .. }) => {
                if let Some(span) = self.spans.back_mut() {
                    if span.live.end != id.index {
                        span.live = id.index..id.index;
                    }
                    span.live.end = id.index + 1;
                }
            }
            Item::Truncate(from) => {
                #[cfg(feature = "planted")]
                if crate::planted::planted(crate::planted::Mistake::VoidOnceMore) {
                    if let Some(span) = self.spans.back_mut() {
                        span.live = span.live.start.min(*from)..span.live.end.min(*from);
                    }
                    return Vec::new();
                }
                for span in &mut self.spans {
                    span.live = span.live.start.min(*from)..span.live.end.min(*from);
                }
            }
            Item::Purge(upto) => return self.purge(upto.index + 1),
            Item::Vote(_) | Item::Committed(_) => {}
        }
        Vec::new()
    }

    fn purge(&mut self, first: u64) -> Vec<(u64, u64)> {
        let mut unused = Vec::new();
        while self.spans.len() > 1
            && let Some(span) = self.spans.front()
            && span.live.end <= first
        {
            unused.push((span.generation, span.bytes));
            self.spans.pop_front();
        }
        unused
    }

    /// Where an entry is.
    #[must_use]
    pub fn find(&self, index: u64) -> Option<Place> {
        let at = self.spans.partition_point(|span| span.live.end <= index);
        let span = self.spans.get(at).filter(|span| span.live.contains(&index))?;
        if at + 1 == self.spans.len() {
            self.active.get(index).map(Place::Active)
        } else {
            Some(Place::Sealed(span.generation))
        }
    }

    /// The first entry there is.
    #[must_use]
    pub fn first(&self) -> Option<u64> {
        self.spans.iter().find(|span| !span.live.is_empty()).map(|span| span.live.start)
    }

    /// The index after the last entry.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.spans.back().map_or(0, |span| span.live.end)
    }

    /// Number of segments.
    #[must_use]
    pub fn segments(&self) -> usize {
        self.spans.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Body, EntryId};

    fn entry(index: u64) -> Item {
        Item::Entry(Entry { id: EntryId { term: 1, index }, body: Body::Blank })
    }

    fn index_of(segments: &[&[u64]]) -> Index {
        let mut index = Index::default();
        for (generation, entries) in segments.iter().enumerate() {
            index.begin(generation as u64 + 1, 0, 9);
            for (n, at) in entries.iter().enumerate() {
                index.follow(n as u32 * 8, &entry(*at));
            }
        }
        index
    }

    #[test]
    fn entries_are_found_in_their_segment() {
        let index = index_of(&[&[0, 1, 2], &[], &[3, 4]]);
        assert_eq!(index.find(2), Some(Place::Sealed(1)));
        assert_eq!(index.find(3), Some(Place::Active(0)));
        assert_eq!(index.find(4), Some(Place::Active(8)));
        assert_eq!((index.find(5), index.next()), (None, 5));
    }

    #[test]
    fn a_truncation_reaches_back_over_segments() {
        let mut index = index_of(&[&[0, 1, 2], &[3, 4]]);
        index.follow(16, &Item::Truncate(1));
        assert_eq!((index.find(0), index.find(1), index.next()), (Some(Place::Sealed(1)), None, 1));
        index.follow(24, &entry(1));
        index.follow(32, &entry(2));
        assert_eq!((index.find(1), index.find(2)), (Some(Place::Active(24)), Some(Place::Active(32))));
        index.begin(3, 0, 9);
        index.follow(0, &entry(3));
        let places = (0..4).map(|at| index.find(at)).collect::<Option<Vec<_>>>();
        assert_eq!(places, Some(vec![Place::Sealed(1), Place::Sealed(2), Place::Sealed(2), Place::Active(0)]));
    }

    #[test]
    fn a_purge_frees_whole_segments_only() {
        let mut index = index_of(&[&[0, 1, 2], &[3, 4], &[5]]);
        let purge = |index| Item::Purge(EntryId { term: 1, index });
        assert_eq!(index.follow(8, &purge(3)), [(1, 9)]);
        assert_eq!(index.find(4), Some(Place::Sealed(2)));
        assert_eq!(index.follow(8, &purge(9)), [(2, 9)]);
        index.follow(16, &entry(10));
        assert_eq!((index.find(5), index.find(10), index.next()), (None, Some(Place::Active(16)), 11));
    }
}
