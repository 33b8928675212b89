//! Cells from contents: what a store needs that has got a contract's pages and elements, and nothing else.

use super::{Fault, PastEntry};
use crate::cell::{Access, Bounds, CellKey, Error};
use crate::collection::{self, CollectionId};
use crate::hash;
use crate::slice::{Kind, Layout};

/// Elements with their keys.
pub type Elements = Vec<(Vec<u8>, PastEntry)>;

/// Where the contents of one contract come from, verified.
pub trait Contract {
    /// What stands in a slice; none if it is zero.
    fn slice(&mut self, index: u32) -> Result<Option<PastEntry>, Fault>;

    /// The elements of a collection with their keys, in any order.
    fn elements(&mut self, id: &CollectionId) -> Result<Elements, Fault>;

    /// Some of them, behind the one with a key in an order that stays the same, at most `limit`.
    fn some_elements(&mut self, id: &CollectionId, after: Option<&[u8]>, limit: usize) -> Result<Elements, Fault> {
        let mut all = self.elements(id)?;
        all.sort_by_cached_key(|(key, _)| hash::key(key));
        let after = after.map(hash::key);
        all.retain(|(key, _)| after.is_none_or(|after| hash::key(key) > after));
        all.truncate(limit);
        Ok(all)
    }
}

/// Writes all cells of a contract into a store that has none of them yet. The order of keys, lengths and ranks are made anew; they are
/// functions of the contents, so the cells are those of the store that the contents come from.
pub fn restore<A: Access<Error = Fault> + ?Sized>(
    access: &mut A,
    account: &[u8; 20],
    layout: &Layout,
    from: &mut impl Contract,
) -> Result<(), Fault> {
    let mut open: Vec<(CollectionId, Kind)> = Vec::new();
    for (index, slice) in (0..).zip(layout.slices()) {
        match from.slice(index)? {
            Some(PastEntry::Bytes(bytes)) => access.set(&CellKey::slice(account, index), &bytes)?,
            Some(PastEntry::Sum(sum)) => {
                access.add(&CellKey::slice_sum(account, index), sum, Bounds::NONE)?;
            }
            Some(PastEntry::Collection { .. }) => open.push((CollectionId::in_slice(account, index), slice.kind)),
            None => {}
        }
    }
    // A list of what is still to do and no recursion: nesting has no limit.
    while let Some((id, kind)) = open.pop() {
        for (key, entry) in from.elements(&id)? {
            if let PastEntry::Collection { id, kind, .. } = &entry {
                open.push((*id, *kind));
            }
            collection::put_back(access, &id, kind, &key, &entry).map_err(|error| match error {
                Error::Access(fault) => fault,
                Error::Damaged { cell, what } => Fault::Cell { cell, what },
                Error::Refused(_) => {
                    let cell = collection::element_cell(&id, &key);
                    Fault::Cell { cell, what: "an element is beyond the limits" }
                }
            })?;
        }
    }
    Ok(())
}
