//! Sorted set: keys alone, in the order of their bytes, ranked.

use super::index::{Index, Order};
use super::range::Range;
use super::set::{contains, enter, keys, leave};
use super::{CollectionId, check_key, entries};
use crate::cell::{Access, Result};

/// A sorted set. Integers sort as numbers if they are written big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortedSet {
    id: CollectionId,
}

impl SortedSet {
    pub(crate) const fn of(id: CollectionId) -> SortedSet {
        SortedSet { id }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> CollectionId {
        self.id
    }

    pub(super) const fn index(&self) -> Index {
        Index::of(self.id, Order::Keys)
    }

    /// How many keys it has.
    pub fn len<A: Access + ?Sized>(&self, access: &mut A) -> Result<u64, A> {
        entries::length(access, &self.id)
    }

    /// Whether `key` is in it.
    pub fn contains<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<bool, A> {
        contains(access, &self.id, key)
    }

    /// Adds `key`. `false`: it was there.
    pub fn insert<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<bool, A> {
        check_key(key)?;
        enter(access, &self.index(), &self.id, key)
    }

    /// Removes `key`. `false`: it was not there.
    pub fn remove<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<bool, A> {
        check_key(key)?;
        leave(access, &self.index(), &self.id, key)
    }

    /// The least key.
    pub fn first<A: Access + ?Sized>(&self, access: &mut A) -> Result<Option<Vec<u8>>, A> {
        self.index().after(access, None)
    }

    /// The greatest key.
    pub fn last<A: Access + ?Sized>(&self, access: &mut A) -> Result<Option<Vec<u8>>, A> {
        self.index().before(access, None)
    }

    /// The least key above `key`, which need not be there.
    pub fn next<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<Option<Vec<u8>>, A> {
        check_key(key)?;
        self.index().after(access, Some(key))
    }

    /// The greatest key below `key`, which need not be there.
    pub fn previous<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<Option<Vec<u8>>, A> {
        check_key(key)?;
        self.index().before(access, Some(key))
    }

    /// How many keys are below `key`, which need not be there.
    pub fn rank<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<u64, A> {
        check_key(key)?;
        let rank = self.index().rank(access, key)?;
        // Ranks add up weights of cells; a negative one is found with the length, which counts the same keys.
        Ok(u64::try_from(rank).unwrap_or(u64::MAX))
    }

    /// The key with `rank` others below it.
    pub fn at_rank<A: Access + ?Sized>(&self, access: &mut A, rank: u64) -> Result<Option<Vec<u8>>, A> {
        self.index().at_rank(access, i128::from(rank))
    }

    /// Keys of a range.
    pub fn keys<A: Access + ?Sized>(&self, access: &mut A, range: &Range<'_>) -> Result<Vec<Vec<u8>>, A> {
        keys(access, &self.index(), &self.id, range)
    }
}
