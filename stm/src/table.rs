//! From hashed key to place: an open-addressing table that never looks at keys itself.
//!
//! One word per entry: the upper half of the hash and the number of a place, where the key is; the caller compares it. A
//! fixed function spreads the keys, so a table's layout is the same in every process; nothing iterates over it in an order
//! that could show.

/// The hash of a key: fixed for ever, of good quality for keys that are hashes themselves, and good enough for small
/// integers. Keys chosen by an enemy can collide: that makes look-ups slow, never wrong. Who lets strangers choose keys
/// should make them by a cryptographic hash, as contracts do.
#[inline(always)]
pub(crate) fn hash<const N: usize>(key: &[u8; N]) -> u64 {
    let mut h = 0x51_7c_c1_b7_27_22_0a_95 ^ (N as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (words, rest) = key.as_chunks::<8>();
    for word in words {
        h = fold(h ^ u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    if !rest.is_empty() {
        h = fold(h ^ u64::from_le_bytes(last));
    }
    fold(h)
}

/// Both halves of a 128-bit product.
#[inline(always)]
fn fold(x: u64) -> u64 {
    let wide = u128::from(x ^ 0x9e37_79b9_7f4a_7c15) * u128::from(0xd6e8_feb8_6659_fd93_u64);
    wide as u64 ^ (wide >> 64) as u64
}

/// Hash to place (never 0).
#[derive(Default)]
pub(crate) struct Table {
    /// Tag (upper half of the hash) and place; 0: free. A power of two of them, at most three quarters in use.
    entries: Vec<u64>,
    len: usize,
}

#[inline(always)]
fn entry(hash: u64, place: u32) -> u64 {
    hash & 0xffff_ffff_0000_0000 | u64::from(place)
}

impl Table {
    /// The place among those with this hash that `is` the right one.
    #[inline(always)]
    pub(crate) fn find(&self, hash: u64, is: impl Fn(u32) -> bool) -> Option<u32> {
        if self.entries.is_empty() {
            return None;
        }
        let mask = self.entries.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let e = self.entries[at];
            if e == 0 {
                return None;
            }
            if (e ^ hash) >> 32 == 0 && is(e as u32) {
                return Some(e as u32);
            }
            at = (at + 1) & mask;
        }
    }

    /// A place that is not in here. `hash_of`: the hashes of the others, should the table have to grow.
    pub(crate) fn insert(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        if (self.len + 1) * 4 > self.entries.len() * 3 {
            let room = (self.entries.len() * 2).max(16);
            let old = std::mem::replace(&mut self.entries, vec![0; room]);
            for e in old.into_iter().filter(|e| *e != 0) {
                self.put(hash_of(e as u32), e as u32);
            }
        }
        self.put(hash, place);
        self.len += 1;
    }

    fn put(&mut self, hash: u64, place: u32) {
        let mask = self.entries.len() - 1;
        let mut at = hash as usize & mask;
        while self.entries[at] != 0 {
            at = (at + 1) & mask;
        }
        self.entries[at] = entry(hash, place);
    }

    /// Takes out `place`, whose hash this is, and closes the gap: no tombstones.
    pub(crate) fn remove(&mut self, hash: u64, place: u32, hash_of: impl Fn(u32) -> u64) {
        if self.entries.is_empty() {
            return;
        }
        let mask = self.entries.len() - 1;
        let mut gap = hash as usize & mask;
        while self.entries[gap] as u32 != place {
            if self.entries[gap] == 0 {
                return;
            }
            gap = (gap + 1) & mask;
        }
        let mut at = gap;
        loop {
            at = (at + 1) & mask;
            let e = self.entries[at];
            if e == 0 {
                break;
            }
            // Whoever's search would come past the gap moves into it.
            let home = hash_of(e as u32) as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(gap) & mask {
                self.entries[gap] = e;
                gap = at;
            }
        }
        self.entries[gap] = 0;
        self.len -= 1;
    }

    /// Empties the table, and hands out its places in no particular order.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = u32> + use<'_> {
        self.len = 0;
        self.entries.iter_mut().filter(|e| **e != 0).map(|e| std::mem::take(e) as u32)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn agrees_with_a_map() {
        let (mut table, mut want, mut random) = (Table::default(), BTreeMap::new(), 7u64);
        // Few hashes, so that runs are long and gaps are closed across the end of the table.
        let spread = |key: u64| hash(&key.to_le_bytes()) & 0xffff_ffff_0000_003f;
        let hash_of = |place: u32| spread(u64::from(place) - 1);
        for step in 0..60_000 {
            random = crate::chaos::xorshift(random);
            let key = (random >> 33) % 300;
            let place = key as u32 + 1;
            let found = table.find(spread(key), |p| p == place);
            assert_eq!(found, want.get(&key).copied(), "step {step}");
            match (found, random.is_multiple_of(3)) {
                (None, false) => {
                    table.insert(spread(key), place, hash_of);
                    want.insert(key, place);
                }
                (Some(_), true) => {
                    table.remove(spread(key), place, hash_of);
                    want.remove(&key);
                }
                _ => {}
            }
            assert_eq!(table.len(), want.len());
        }
        let mut left: Vec<u32> = table.drain().collect();
        left.sort_unstable();
        assert_eq!(left, want.into_values().collect::<Vec<_>>());
        assert_eq!(table.find(spread(1), |_| true), None);
    }

    #[test]
    fn hashes_of_neighbours_and_lengths_differ() {
        let mut seen: Vec<u64> = (0..10_000u64).map(|k| hash(&k.to_le_bytes())).collect();
        seen.push(hash(&[0u8; 1]));
        seen.push(hash(&[0u8; 32]));
        seen.push(hash(&[0u8; 20]));
        let n = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), n);
        // Low bits are the places in a small table: no more than a few share one.
        let mut low = [0u32; 1 << 10];
        (0..10_240u64).for_each(|k| low[hash(&k.to_le_bytes()) as usize & 1_023] += 1);
        assert!(low.iter().all(|n| *n < 40), "{:?}", low.iter().max());
    }
}
