//! List: values, counters and collections by position, without gaps.

use super::entries::{self, Entry, Found};
use super::range::Direction;
use super::{Collection, CollectionId, check_value};
use crate::cell::{Access, Bounds, Error, Refusal, Result, count};
use crate::slice::Kind;

/// A list. An element is found by its position alone, so reading and setting one does not look at the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct List {
    id: CollectionId,
}

/// The key of a position.
fn key(index: u64) -> [u8; 8] {
    index.to_le_bytes()
}

impl List {
    pub(crate) const fn of(id: CollectionId) -> List {
        List { id }
    }

    /// Its name.
    #[must_use]
    pub const fn id(&self) -> CollectionId {
        self.id
    }

    /// How many elements it has.
    pub fn len<A: Access + ?Sized>(&self, access: &mut A) -> Result<u64, A> {
        entries::length(access, &self.id)
    }

    /// The element at `index`.
    pub fn get<A: Access + ?Sized>(&self, access: &mut A, index: u64) -> Result<Option<Entry>, A> {
        entries::get(access, &self.id, &key(index))
    }

    /// Sets the value at `index`. Refused beyond the end, and over a counter or a collection.
    pub fn set<A: Access + ?Sized>(&self, access: &mut A, index: u64, value: &[u8]) -> Result<(), A> {
        check_value(value)?;
        match entries::look(access, &self.id, &key(index))? {
            Some(Found::Bytes) => entries::put_bytes(access, &self.id, &key(index), value),
            Some(other) => Err(Refusal::Kind { what: "the element", is: other.kind(), asked: Kind::Bytes }.into()),
            None => Err(Refusal::NoElement { index }.into()),
        }
    }

    /// Adds to the counter at `index`. `false`: the sum would leave the bounds, and nothing was done.
    pub fn add<A: Access + ?Sized>(&self, access: &mut A, index: u64, delta: i128, within: Bounds) -> Result<bool, A> {
        match entries::look(access, &self.id, &key(index))? {
            Some(Found::Counter) => entries::add(access, &self.id, &key(index), delta, within),
            Some(other) => Err(Refusal::Kind { what: "the element", is: other.kind(), asked: Kind::Counter }.into()),
            None => Err(Refusal::NoElement { index }.into()),
        }
    }

    /// A value more at the end; returns its position.
    pub fn push<A: Access + ?Sized>(&self, access: &mut A, value: &[u8]) -> Result<u64, A> {
        check_value(value)?;
        let index = self.grow(access)?;
        entries::put_bytes(access, &self.id, &key(index), value)?;
        Ok(index)
    }

    /// A counter more at the end; returns its position.
    pub fn push_counter<A: Access + ?Sized>(&self, access: &mut A, sum: i128) -> Result<u64, A> {
        let index = self.grow(access)?;
        entries::put_counter(access, &self.id, &key(index))?;
        entries::add(access, &self.id, &key(index), sum, Bounds::NONE)?;
        Ok(index)
    }

    /// An empty collection more at the end; returns it and its position.
    pub fn push_new<A: Access + ?Sized>(&self, access: &mut A, kind: Kind) -> Result<(u64, Collection), A> {
        if !kind.is_collection() {
            return Err(Refusal::Kind { what: "the new element", is: kind, asked: Kind::Map }.into());
        }
        let index = self.grow(access)?;
        let made = entries::put_collection(access, &self.id, &key(index), kind)?;
        Ok((index, made))
    }

    /// Takes the last element away and returns what it was; of a collection, that it was one.
    pub fn pop<A: Access + ?Sized>(&self, access: &mut A) -> Result<Option<Entry>, A> {
        let Some(last) = self.len(access)?.checked_sub(1) else { return Ok(None) };
        let entry = entries::get(access, &self.id, &key(last))?;
        self.shrink(access, last)?;
        Ok(entry)
    }

    /// Takes the element at `index` away and puts the last one in its place, a collection with all that is in it; at a fixed cost.
    pub fn swap_remove<A: Access + ?Sized>(&self, access: &mut A, index: u64) -> Result<(), A> {
        let Some(last) = self.len(access)?.checked_sub(1).filter(|last| index <= *last) else {
            return Err(Refusal::NoElement { index }.into());
        };
        if index == last {
            return self.shrink(access, last);
        }
        entries::take_away(access, &self.id, &key(index))?;
        entries::shift(access, &self.id, &key(last), &key(index))?;
        count(access, &entries::length_cell(&self.id), -1)
    }

    /// Elements from `start` on in one direction, `limit` at most. Looks at the elements and, if it gets there, at the end.
    pub fn iterate<A: Access + ?Sized>(
        &self,
        access: &mut A,
        start: u64,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<(u64, Entry)>, A> {
        let (mut all, mut at) = (Vec::new(), Some(start));
        while let Some(index) = at.filter(|_| all.len() < limit) {
            let Some(entry) = entries::get(access, &self.id, &key(index))? else { break };
            all.push((index, entry));
            at = match direction {
                Direction::Forward => index.checked_add(1),
                Direction::Backward => index.checked_sub(1),
            };
        }
        Ok(all)
    }

    fn grow<A: Access + ?Sized>(&self, access: &mut A) -> Result<u64, A> {
        let length = self.len(access)?;
        count(access, &entries::length_cell(&self.id), 1)?;
        Ok(length)
    }

    fn shrink<A: Access + ?Sized>(&self, access: &mut A, last: u64) -> Result<(), A> {
        if !entries::take_away(access, &self.id, &key(last))? {
            let cell = entries::element_cell(&self.id, &key(last));
            return Err(Error::Damaged { cell, what: "an element below the length of its list is missing" });
        }
        count(access, &entries::length_cell(&self.id), -1)
    }
}
