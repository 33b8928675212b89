//! How a value of any type becomes a 64-bit word: itself if it fits, else an index into the column of its type.
//!
//! Integers up to 64 bits, `bool` and `()` live in the version record itself (relaxed atomics, published by the
//! chain's links). Everything else is written once into a [`Column`], one per type, and the version holds the index.
//! The choice is made from the type alone and disappears at compile time.

use crate::arena::Arena;
use crate::reclaim::{Chore, Spare};
use crate::store::Part;
use std::any::Any;
use std::sync::OnceLock;

/// What a cell may hold. Implemented for every cloneable, shareable type.
pub trait Value: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Value for T {}

macro_rules! words {
    ($($t:ty),*) => {
        /// The word of a value that fits one; `None` for all other types.
        #[inline(always)]
        pub(crate) fn to_word<T: Value>(v: &T) -> Option<u64> {
            let any = v as &dyn Any;
            $(if let Some(x) = any.downcast_ref::<$t>() { return Some(*x as u64); })*
            if any.is::<()>() { return Some(0); }
            None
        }
        /// The value of a word; `None` if `T` lives in a column.
        #[inline(always)]
        pub(crate) fn from_word<T: Value>(w: u64) -> Option<T> {
            $({
                // `as` undoes the `as` above exactly: same width, and sign extension cuts off again.
                let x = w as $t;
                if let Some(v) = (&x as &dyn Any).downcast_ref::<T>() { return Some(v.clone()); }
            })*
            let b = w != 0;
            if let Some(v) = (&b as &dyn Any).downcast_ref::<T>() { return Some(v.clone()); }
            if let Some(v) = (&() as &dyn Any).downcast_ref::<T>() { return Some(v.clone()); }
            None
        }
    };
}
words!(u64, i64, u32, i32, usize, isize, u16, i16, u8, i8);

/// As [`to_word`], with `bool`.
#[inline(always)]
pub(crate) fn word_of<T: Value>(v: &T) -> Option<u64> {
    match (v as &dyn Any).downcast_ref::<bool>() {
        Some(b) => Some(u64::from(*b)),
        None => to_word(v),
    }
}

/// Whether values of `T` are words.
#[inline(always)]
pub(crate) fn is_word<T: Value>() -> bool {
    from_word::<T>(0).is_some()
}

/// All values of one type that do not fit a word.
pub(crate) struct Column<T> {
    /// Values of versions of the running block, each written once by its transaction's worker.
    arena: Arena<OnceLock<T>>,
    /// Committed values; a cell's `base` is 1 + the index.
    bases: Vec<Option<T>>,
    free: Vec<u32>,
    undo: Vec<(u32, Option<T>)>,
    /// Committed values that this block replaced.
    old: Vec<T>,
    spare: Spare<T>,
}

impl<T: Value> Column<T> {
    pub(crate) fn new() -> Self {
        Column {
            arena: Arena::new(1),
            bases: Vec::new(),
            free: Vec::new(),
            undo: Vec::new(),
            old: Vec::new(),
            spare: Spare::new(),
        }
    }

    /// Stores the value of a speculative write.
    pub(crate) fn put(&self, value: T) -> u64 {
        let at = self.arena.claim(1);
        // The index is ours alone (I3), so the slot is empty and `set` cannot fail.
        let _ = self.arena.get(at).set(value);
        u64::from(at)
    }

    pub(crate) fn version(&self, word: u64) -> Option<&T> {
        self.arena.get(word as u32).get()
    }

    pub(crate) fn base(&self, base: u64) -> Option<&T> {
        self.bases.get((base as usize).wrapping_sub(1))?.as_ref()
    }

    /// Puts a committed value at `base` (0: takes a new place) and returns the place and what was there.
    fn put_base(&mut self, base: u64, value: Option<T>) -> (u64, Option<T>) {
        if base != 0 {
            let old = std::mem::replace(&mut self.bases[base as usize - 1], value);
            return (base, old);
        }
        if let Some(at) = self.free.pop() {
            self.bases[at as usize] = value;
            return (u64::from(at) + 1, None);
        }
        self.bases.push(value);
        (self.bases.len() as u64, None)
    }

    /// Overwrites a committed value in place, remembering the old one for [`Part::undo`].
    pub(crate) fn overwrite(&mut self, base: u64, value: Option<T>) -> u64 {
        let (at, old) = self.put_base(base, value);
        self.undo.push((at as u32 - 1, old));
        at
    }

    /// Gives the cell a first committed value.
    pub(crate) fn seed(&mut self, value: T) -> u64 {
        self.put_base(0, Some(value)).0
    }
}

impl<T: Value> Part for Column<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn fold(&mut self, base: u64, word: Option<u64>) -> u64 {
        if word.is_none() && base == 0 {
            return 0;
        }
        let value = word.and_then(|w| self.arena.get_mut(w as u32).take());
        let (at, old) = self.put_base(base, value);
        self.old.extend(old);
        at
    }
    fn overdrawn(&self) -> bool {
        self.arena.overdrawn()
    }
    fn end_block(&mut self) -> Option<Chore> {
        self.spare.empty(&mut self.arena, &mut self.old)
    }
    fn undo(&mut self) {
        if let Some((at, old)) = self.undo.pop() {
            self.bases[at as usize] = old;
        }
    }
    fn forget_undo(&mut self) {
        self.undo.clear();
    }
    fn release(&mut self, base: u64) {
        if base != 0 {
            self.bases[base as usize - 1] = None;
            self.free.push(base as u32 - 1);
        }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    fn round<T: Value + PartialEq + std::fmt::Debug>(v: T) {
        let w = word_of(&v).expect("is a word");
        assert_eq!(from_word::<T>(w), Some(v));
        assert!(is_word::<T>());
    }

    #[test]
    fn words_come_back_unchanged() {
        round(u64::MAX);
        round(i64::MIN);
        round(-1i32);
        round(-7i8);
        round(i16::MIN);
        round(65_535u16);
        round(true);
        round(false);
        round(());
        round(usize::MAX);
    }

    #[test]
    fn other_types_are_not_words() {
        assert!(!is_word::<String>() && !is_word::<u128>() && !is_word::<Option<u64>>() && !is_word::<char>());
        assert_eq!(word_of(&String::from("x")), None);
    }
}
