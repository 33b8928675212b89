//! Keys of the map: equal by words instead of byte by byte.
//!
//! Each look-up that finds something compares whole keys once. What a comparison of slices becomes for WebAssembly is a call that goes byte by
//! byte, and was the hottest line of a learner.

use hashbrown::Equivalent;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// A key that is held: by the map, and by the list of places.
#[derive(Clone, Debug)]
pub(crate) struct Key(Arc<[u8]>);

impl Key {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Key(bytes.into())
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for Key {}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.0);
    }
}

/// A key that is looked for.
pub(crate) struct Wanted<'a>(pub(crate) &'a [u8]);

impl Hash for Wanted<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0);
    }
}

impl Equivalent<Key> for Wanted<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        same(self.0, &key.0)
    }
}

/// Whether the bytes are the same.
#[inline]
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let ((words_a, rest_a), (words_b, rest_b)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    if words_a.iter().zip(words_b).any(|(x, y)| u64::from_ne_bytes(*x) != u64::from_ne_bytes(*y)) {
        return false;
    }
    match (a.last_chunk::<8>(), b.last_chunk::<8>()) {
        // The last word again, as far as it reaches back: dearer only than no rest at all.
        (Some(x), Some(y)) => u64::from_ne_bytes(*x) == u64::from_ne_bytes(*y),
        _ => rest_a.iter().zip(rest_b).all(|(x, y)| x == y),
    }
}

/// Their order, as that of slices.
#[inline]
pub(crate) fn order(a: &[u8], b: &[u8]) -> Ordering {
    let ((words_a, _), (words_b, _)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    let alike = words_a.iter().zip(words_b).take_while(|(x, y)| x == y).count();
    match (words_a.get(alike), words_b.get(alike)) {
        (Some(x), Some(y)) => u64::from_be_bytes(*x).cmp(&u64::from_be_bytes(*y)),
        // At most one word is left of one of them.
        _ => a[alike * 8..].iter().cmp(&b[alike * 8..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Mostly alike, of few letters, so that differences lie anywhere.
        #[test]
        fn keys_compare_as_slices_do(
            a in proptest::collection::vec(0u8..2, 0..40),
            change in proptest::option::of((0usize..40, any::<u8>())),
            len in 0usize..40,
        ) {
            let mut b = a.clone();
            b.truncate(len.max(a.len().saturating_sub(2)));
            if let Some((at, byte)) = change && let Some(place) = b.get_mut(at) {
                *place = byte;
            }
            prop_assert_eq!(same(&a, &b), a == b);
            prop_assert_eq!(order(&a, &b), a.cmp(&b));
            prop_assert_eq!(order(&b, &a), b.cmp(&a));
        }
    }
}
