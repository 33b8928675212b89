//! The order of a collection's keys, made of cells.
//!
//! Two structures over the same keys. A **chain**: each key knows the one before and the one after it, so a gap between neighbours is
//! one cell in each direction. A **trie** over the keys' [positions](position): it finds the place of a key that is not there, and,
//! where keys are ranked, how many lie before it.
//!
//! The trie has no nodes with one side only: `n` keys have `n - 1` branches. A branch is named by its prefix, the bits that all
//! keys below it share, so its cells have the same names whatever the order of insertion was, and the shape is a function of the
//! set of keys. Each side of a branch is a cell of its own: an insertion changes one side that exists and makes two.
//!
//! ```text
//!   root ──► branch ""          keys 00.., 010.., 011.., 10..      chain: 00 ⇄ 010 ⇄ 011 ⇄ 10
//!            0│     │1
//!     branch "0"    10..        weight of branch "" = 4, of "0" = 3, of "01" = 2
//!      0│     │1
//!      00.. branch "01"
//!            0│  │1
//!          010.. 011..
//! ```
//!
//! Weights are sums and are added to without being read, so insertions below one branch do not meet in it. Only the branch that an
//! insertion makes takes over the weight of what it displaces, and reads it.
//!
//! Depth: for hashed positions about `log2(n)`, and each level more costs who forces it twice the hashes. For ordered positions at
//! most the bits of the key; hostile keys can make it deeper than `log2(n)`, at one key a level.

mod chain;
mod position;
mod trie;

use position::Bits;

use super::CollectionId;
use crate::cell::{Access, Result};

/// What decides about the order of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// By the hash of the key: maps and sets. Not ranked.
    Hashed,
    /// By the bytes of the key: sorted sets. Ranked.
    Keys,
}

/// The order of one collection's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Index {
    id: CollectionId,
    order: Order,
}

/// Neighbours of a key or of a place: before, after.
pub(crate) type Neighbours = (Option<Vec<u8>>, Option<Vec<u8>>);

impl Index {
    pub(crate) const fn of(id: CollectionId, order: Order) -> Index {
        Index { id, order }
    }

    fn position(&self, key: &[u8]) -> Bits {
        match self.order {
            Order::Hashed => Bits::hashed(key),
            Order::Keys => Bits::ordered(key),
        }
    }

    /// Adds a key that is not there.
    pub(crate) fn insert<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<(), A> {
        let (before, after) = self.hang(access, key)?;
        self.chain_in(access, before.as_deref(), key, after.as_deref())
    }

    /// Removes a key that is there.
    pub(crate) fn remove<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<(), A> {
        self.unhang(access, key)?;
        self.chain_out(access, key)
    }

    /// The first and the last key's neighbour outside: `after(None)` is the first key, `before(None)` the last.
    pub(crate) fn after<A: Access + ?Sized>(&self, access: &mut A, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, A> {
        match self.next_of(access, key)? {
            Some(next) => Ok(next),
            None => Ok(self.neighbours(access, key.unwrap_or_default())?.1),
        }
    }

    /// The greatest key before `key`, which need not be there; without one, the last key.
    pub(crate) fn before<A: Access + ?Sized>(&self, access: &mut A, key: Option<&[u8]>) -> Result<Option<Vec<u8>>, A> {
        match self.previous_of(access, key)? {
            Some(previous) => Ok(previous),
            None => Ok(self.neighbours(access, key.unwrap_or_default())?.0),
        }
    }

    /// How the index orders two keys.
    pub(crate) fn compare(&self, one: &[u8], other: &[u8]) -> std::cmp::Ordering {
        self.position(one).cmp(&self.position(other))
    }
}
