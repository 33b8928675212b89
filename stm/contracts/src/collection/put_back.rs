//! One element of a collection from its content, with all cells that follow from it.

use super::index::{Index, Order};
use super::{CollectionId, check_key, check_value, entries};
use crate::cell::{Access, Bounds, Error, Refusal, Result, count};
use crate::slice::Kind;
use crate::state::PastEntry;

/// Puts back an element that is not there. A collection in it gets its old name; its own elements are put back by themselves.
pub(crate) fn put_back<A: Access + ?Sized>(
    access: &mut A,
    id: &CollectionId,
    kind: Kind,
    key: &[u8],
    entry: &PastEntry,
) -> Result<(), A> {
    check_key(key)?;
    match entry {
        PastEntry::Bytes(value) => {
            check_value(value)?;
            entries::put_bytes(access, id, key, value)?;
        }
        PastEntry::Sum(sum) => {
            entries::put_counter(access, id, key)?;
            if !entries::add(access, id, key, *sum, Bounds::NONE)? {
                let cell = entries::element_cell(id, key);
                return Err(Error::Damaged { cell, what: "it is there already" });
            }
        }
        PastEntry::Collection { kind, id: child, .. } => entries::put_named(access, id, key, *kind, child)?,
    }
    match kind {
        Kind::List => {}
        Kind::Map | Kind::Set => Index::of(*id, Order::Hashed).insert(access, key)?,
        Kind::SortedSet => Index::of(*id, Order::Keys).insert(access, key)?,
        Kind::Bytes | Kind::Counter => {
            return Err(Refusal::Kind { what: "the collection", is: kind, asked: Kind::Map }.into());
        }
    }
    count(access, &entries::length_cell(id), 1)
}
