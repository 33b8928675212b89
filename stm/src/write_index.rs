//! Where a transaction with many writes finds them again: from cell to position in its buffer.
//!
//! Open addressing with linear probing, one word per place, emptied by counting up a stamp: no allocation and no sweep per
//! transaction. Nothing iterates over it, so its order is nobody's. Entries are removed last in, first out, which restores
//! the table as it was before them: no tombstones.

/// One word: stamp (14 bits), position (22), cell (28). A stamp of 0 is never current.
const CELL: u32 = 28;
const POSITION: u32 = 22;
const STAMPS: u64 = 1 << 14;

#[derive(Default)]
pub(crate) struct WriteIndex {
    places: Vec<u64>,
    stamp: u64,
    len: usize,
}

impl WriteIndex {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    #[inline]
    fn start(&self, cell: u32) -> usize {
        let spread = u64::from(cell).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        spread as usize & (self.places.len() - 1)
    }

    /// The place of `cell`, or the free one where it would be.
    #[inline]
    fn place(&self, cell: u32) -> (usize, bool) {
        let mut at = self.start(cell);
        loop {
            let word = self.places[at];
            if word >> (CELL + POSITION) != self.stamp {
                return (at, false);
            }
            if word as u32 & ((1 << CELL) - 1) == cell {
                return (at, true);
            }
            at = (at + 1) & (self.places.len() - 1);
        }
    }

    #[inline]
    pub(crate) fn get(&self, cell: u32) -> Option<usize> {
        if self.len == 0 {
            return None;
        }
        let (at, there) = self.place(cell);
        there.then(|| (self.places[at] >> CELL) as usize & ((1 << POSITION) - 1))
    }

    /// A cell that is not in here yet.
    #[inline]
    pub(crate) fn insert(&mut self, cell: u32, position: usize) {
        if (self.len + 1) * 2 > self.places.len() {
            self.grow();
        }
        let (at, _) = self.place(cell);
        self.places[at] = self.stamp << (CELL + POSITION) | (position as u64) << CELL | u64::from(cell);
        self.len += 1;
    }

    /// Takes out the cell that was put in last.
    pub(crate) fn remove_last(&mut self, cell: u32) {
        if self.len > 0
            && let (at, true) = self.place(cell)
        {
            self.places[at] = 0;
            self.len -= 1;
        }
    }

    pub(crate) fn clear(&mut self) {
        self.len = 0;
        self.stamp += 1;
        if self.stamp >= STAMPS {
            self.places.fill(0);
            self.stamp = 1;
        }
    }

    /// Doubles the table, in the order of positions: so that the newest still go out first.
    #[cold]
    fn grow(&mut self) {
        let stamp = self.stamp;
        let mut old: Vec<u64> =
            self.places.iter().copied().filter(|w| *w != 0 && w >> (CELL + POSITION) == stamp).collect();
        old.sort_unstable_by_key(|w| w >> CELL);
        let room = (self.places.len() * 2).max(64);
        self.places.clear();
        self.places.resize(room, 0);
        self.stamp = 1;
        self.len = 0;
        for word in old {
            let cell = word as u32 & ((1 << CELL) - 1);
            self.insert(cell, (word >> CELL) as usize & ((1 << POSITION) - 1));
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_map() {
        let (mut index, mut random) = (WriteIndex::default(), 1u64);
        for round in 0..300 {
            index.clear();
            let (mut want, mut order) = (BTreeMap::new(), Vec::new());
            for _ in 0..=round * 7 {
                random = crate::chaos::xorshift(random);
                let cell = ((random >> 20) as u32 % (1 << 12) * 65_521) & ((1 << CELL) - 1);
                if random.is_multiple_of(5) {
                    if let Some(last) = order.pop() {
                        index.remove_last(last);
                        want.remove(&last);
                    }
                } else if index.get(cell).is_none() {
                    index.insert(cell, order.len());
                    want.insert(cell, order.len());
                    order.push(cell);
                }
                assert_eq!(index.get(cell), want.get(&cell).copied());
            }
            assert!(want.iter().all(|(cell, at)| index.get(*cell) == Some(*at)));
            assert_eq!(index.is_empty(), want.is_empty());
        }
    }

    #[test]
    fn a_worn_out_stamp_starts_again() {
        let mut index = WriteIndex::default();
        for round in 0..3 * STAMPS {
            index.clear();
            assert_eq!(index.get(7), None, "round {round}");
            index.insert(7, round as usize % 1_000);
            assert_eq!(index.get(7), Some(round as usize % 1_000));
        }
    }
}
