//! Set: keys alone, in the order of their hashes.

use super::index::{Index, Order};
use super::range::{Range, visit};
use super::{CollectionId, check_key, entries};
use crate::cell::{Access, Result, count};

/// A set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set {
    id: CollectionId,
}

impl Set {
    pub(crate) const fn of(id: CollectionId) -> Set {
        Set { id }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> CollectionId {
        self.id
    }

    const fn index(&self) -> Index {
        Index::of(self.id, Order::Hashed)
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

    /// Keys of a range.
    pub fn keys<A: Access + ?Sized>(&self, access: &mut A, range: &Range<'_>) -> Result<Vec<Vec<u8>>, A> {
        keys(access, &self.index(), &self.id, range)
    }
}

/// Keys of a range of a set of either order.
pub(super) fn keys<A: Access + ?Sized>(
    access: &mut A,
    index: &Index,
    id: &CollectionId,
    range: &Range<'_>,
) -> Result<Vec<Vec<u8>>, A> {
    let mut keys = Vec::new();
    let contains = |access: &mut A, key: &[u8]| contains(access, id, key);
    visit(access, index, range, contains, |_, key| {
        keys.push(key);
        Ok(())
    })?;
    Ok(keys)
}

/// Whether a key is in a set of either order.
pub(super) fn contains<A: Access + ?Sized>(access: &mut A, id: &CollectionId, key: &[u8]) -> Result<bool, A> {
    check_key(key)?;
    Ok(entries::look(access, id, key)?.is_some())
}

/// Adds a key to a set of either order.
pub(super) fn enter<A: Access + ?Sized>(
    access: &mut A,
    index: &Index,
    id: &CollectionId,
    key: &[u8],
) -> Result<bool, A> {
    if entries::look(access, id, key)?.is_some() {
        return Ok(false);
    }
    entries::put_bytes(access, id, key, &[])?;
    index.insert(access, key)?;
    count(access, &entries::length_cell(id), 1)?;
    Ok(true)
}

/// Removes a key from a set of either order.
pub(super) fn leave<A: Access + ?Sized>(
    access: &mut A,
    index: &Index,
    id: &CollectionId,
    key: &[u8],
) -> Result<bool, A> {
    let there = entries::take_away(access, id, key)?;
    if there {
        index.remove(access, key)?;
        count(access, &entries::length_cell(id), -1)?;
    }
    Ok(there)
}
