//! Freeing what is left of a collection that was removed, a bounded number of elements at a time.

use super::entries::Found;
use super::index::{Index, Order};
use super::{Grave, entries};
use crate::cell::{Access, Error, Result, count};
use crate::slice::Kind;

/// How far a sweep has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Elements freed: each is one step, with the same bound on its cost as its insertion had.
    pub steps: u64,
    /// Nothing of the collection is left.
    pub done: bool,
    /// Collections that stood in the elements freed. They have graves of their own now.
    pub orphans: Vec<Grave>,
}

/// Frees `limit` elements at most of a collection that stands nowhere any more.
///
/// A removed collection is no longer part of any state, and no contract can reach it: when its cells are freed changes no answer and
/// no state, so this may be done between batches, at whatever pace. A step frees one element; a collection in it is not entered but handed
/// back, so depth costs nothing. An insertion pays for the step that will free it.
pub fn sweep<A: Access + ?Sized>(access: &mut A, grave: &Grave, limit: u64) -> Result<Swept, A> {
    let mut swept = Swept::default();
    let id = grave.id;
    let index = match grave.kind {
        Kind::Map | Kind::Set => Some(Index::of(id, Order::Hashed)),
        Kind::SortedSet => Some(Index::of(id, Order::Keys)),
        Kind::List | Kind::Bytes | Kind::Counter => None,
    };
    while swept.steps < limit {
        let key = match &index {
            Some(index) => index.after(access, None)?,
            None => entries::length(access, &id)?.checked_sub(1).map(|last| last.to_le_bytes().to_vec()),
        };
        let Some(key) = key else {
            access.remove(&Grave::cell(&id)).map_err(Error::Access)?;
            swept.done = true;
            return Ok(swept);
        };
        if let Some(Found::Collection(orphan)) = entries::look(access, &id, &key)? {
            swept.orphans.push(Grave { id: orphan.id(), kind: orphan.kind() });
        }
        if !entries::take_away(access, &id, &key)? {
            let cell = entries::element_cell(&id, &key);
            return Err(Error::Damaged { cell, what: "an element of a removed collection is missing" });
        }
        if let Some(index) = &index {
            index.remove(access, &key)?;
        }
        count(access, &entries::length_cell(&id), -1)?;
        swept.steps += 1;
    }
    Ok(swept)
}
