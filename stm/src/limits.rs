//! How large a key or a value may be, and what "large" means for types the crate cannot look into.
//!
//! The limits guard memory against jobs from outside. They are checked where a transaction names a key or writes a
//! value, before anything is stored, so a key that is too long leaves no trace in an index. A breach is a revert like
//! any other: a function of the job and of what was read, hence the same on every executor with the same limits.

use crate::builder::Builder;
use crate::error::{Revert, Stop, TxResult};
use crate::tx::{MAX_ACCESSES, MAX_DEPTH, Mode, Tx};
use crate::value::{Value, is_word};
use std::any::{Any, TypeId};
use std::sync::Arc;

/// Longest key unless [`Builder::max_key_bytes`] says otherwise: 64 KiB.
pub const DEFAULT_MAX_KEY: usize = 64 << 10;
/// Largest value unless [`Builder::max_value_bytes`] says otherwise: 64 MiB.
pub const DEFAULT_MAX_VALUE: usize = 64 << 20;

/// Largest value of a [`crate::TxMemory`], whatever else is allowed: 66 KiB, for 64 KiB of a user's and a header of whoever
/// keeps them.
pub const MAX_BYTES: usize = 66 << 10;

/// The limits of one engine.
#[derive(Clone)]
pub(crate) struct Limits {
    key: usize,
    value: usize,
    depth: u32,
    accesses: u32,
    /// Per type a `fn(&T) -> usize`; a handful at most, so a list.
    measures: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            key: DEFAULT_MAX_KEY,
            value: DEFAULT_MAX_VALUE,
            depth: MAX_DEPTH,
            accesses: MAX_ACCESSES,
            measures: Vec::new(),
        }
    }
}

/// Types whose content is text or bytes that they own or share: their size is the length of that.
macro_rules! contents {
    ($any:expr, $($t:ty),*) => {
        $(if let Some(x) = $any.downcast_ref::<$t>() { return x.len(); })*
    };
}

impl Limits {
    /// Deepest nesting, most accesses.
    #[inline]
    pub(crate) fn counts(&self) -> (u32, u32) {
        (self.depth, self.accesses)
    }

    /// Bytes of `v` as the limits count them.
    fn size<T: 'static>(&self, v: &T) -> usize {
        let any = v as &dyn Any;
        contents!(any, String, &'static str, Box<str>, Arc<str>);
        contents!(any, Vec<u8>, &'static [u8], Box<[u8]>, Arc<[u8]>);
        let measure = self.measures.iter().find(|(id, _)| *id == TypeId::of::<T>());
        match measure.and_then(|(_, f)| f.downcast_ref::<fn(&T) -> usize>()) {
            Some(f) => f(v),
            None => size_of::<T>(),
        }
    }
}

impl Builder {
    /// Longest key of a [`crate::TxMap`], in bytes; default [`DEFAULT_MAX_KEY`]. An operation that names a longer one
    /// reverts its transaction with [`Revert::LIMIT`].
    ///
    /// Text and bytes (`String`, `Vec<u8>`, `Box`, `Arc` and `'static` slices of them) count by their length, types
    /// given to [`Builder::measure`] by that, everything else by its `size_of`. Keys and values that the embedder puts
    /// in between blocks ([`crate::Stm::cell`], [`crate::Stm::map_from`]) are its own affair and not checked.
    ///
    /// Outcomes depend on the limits: whoever compares executors must give them the same ones.
    #[must_use]
    pub fn max_key_bytes(mut self, n: usize) -> Self {
        self.limits.key = n;
        self
    }

    /// Largest value that a transaction may write, in bytes; default [`DEFAULT_MAX_VALUE`]. Counted and refused as
    /// [`Builder::max_key_bytes`] says. Integers, `bool` and `()` are never refused.
    #[must_use]
    pub fn max_value_bytes(mut self, n: usize) -> Self {
        self.limits.value = n;
        self
    }

    /// Deepest nesting of [`Tx::frame`]; default [`MAX_DEPTH`]. Every level takes stack of the closure's thread.
    #[must_use]
    pub fn max_depth(mut self, n: u32) -> Self {
        self.limits.depth = n;
        self
    }

    /// Most reads and writes of one transaction; default [`MAX_ACCESSES`]. Beyond, it reverts with [`Revert::LIMIT`].
    #[must_use]
    pub fn max_accesses(mut self, n: u32) -> Self {
        self.limits.accesses = n;
        self
    }

    /// Says how many bytes a `T` counts as, for types with content elsewhere. Must be a function of the value.
    ///
    /// ```
    /// # use replicode_stm::{Revert, Stm};
    /// let mut stm = Stm::builder().threads(1).max_value_bytes(8).measure::<Vec<u32>>(|v| 4 * v.len()).build()?;
    /// let list = stm.cell(Vec::<u32>::new());
    /// let out = stm.execute(&[2, 3], |tx, n| list.set(tx, vec![0; *n]))?;
    /// assert!(out[0].is_committed());
    /// assert_eq!(out[1].reverted().map(Revert::code), Some(Revert::LIMIT));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn measure<T: Value>(mut self, bytes: fn(&T) -> usize) -> Self {
        let id = TypeId::of::<T>();
        self.limits.measures.retain(|(known, _)| *known != id);
        self.limits.measures.push((id, Arc::new(bytes)));
        self
    }
}

#[cold]
fn too_large(what: &str, size: usize, limit: usize) -> Stop {
    Stop::revert(Revert::LIMIT, format!("a {what} of {size} bytes: this engine's limit is {limit}"))
}

impl Tx<'_> {
    #[inline(always)]
    fn limits(&self) -> &Limits {
        match &self.mode {
            Mode::Direct(d) => &d.store.limits,
            Mode::Spec(s) => &s.shared.store.limits,
        }
    }

    /// Every key that a transaction names passes here.
    #[inline(always)]
    pub(crate) fn admit_key<K: 'static>(&self, key: &K) -> TxResult<()> {
        let limits = self.limits();
        let size = limits.size(key);
        if size <= limits.key { Ok(()) } else { Err(too_large("key", size, limits.key)) }
    }

    /// Every byte value that a transaction writes passes here.
    #[inline(always)]
    pub(crate) fn admit_bytes(&self, value: &[u8]) -> TxResult<()> {
        let limit = self.limits().value.min(MAX_BYTES);
        if value.len() <= limit { Ok(()) } else { Err(too_large("value", value.len(), limit)) }
    }

    /// Every value that a transaction writes passes here. Nothing is left of it for values that are words.
    #[inline(always)]
    pub(crate) fn admit<T: Value>(&self, value: &T) -> TxResult<()> {
        if is_word::<T>() {
            return Ok(());
        }
        let limits = self.limits();
        let size = limits.size(value);
        if size <= limits.value { Ok(()) } else { Err(too_large("value", size, limits.value)) }
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn content_counts_where_it_is_known() {
        let limits = Limits::default();
        assert_eq!(limits.size(&String::from("four")), 4);
        assert_eq!(limits.size(&vec![0u8; 9]), 9);
        assert_eq!(limits.size(&"ab"), 2);
        assert_eq!(limits.size(&Arc::<str>::from("abc")), 3);
        assert_eq!(limits.size(&Box::<[u8]>::from([1, 2])), 2);
        assert_eq!(limits.size(&[0u64; 4]), 32);
        assert_eq!(limits.size(&vec![0u32; 100]), size_of::<Vec<u32>>(), "unknown content: name it with `measure`");
        let measured = crate::Stm::builder().measure::<Vec<u32>>(|v| v.len()).measure::<Vec<u32>>(|v| 4 * v.len());
        assert_eq!(measured.limits.size(&vec![0u32; 100]), 400, "the last word counts");
    }
}
