//! Map: values, counters and collections by key, in the order of the keys' hashes.

use super::entries::{self, Entry, Found};
use super::index::{Index, Order};
use super::range::{Range, visit};
use super::{Collection, CollectionId, check_key, check_value};
use crate::cell::{Access, Bounds, Refusal, Result, count};
use crate::slice::Kind;

/// A map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    id: CollectionId,
}

impl Map {
    pub(crate) const fn of(id: CollectionId) -> Map {
        Map { id }
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

    /// Whether there is something under `key`.
    pub fn contains<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<bool, A> {
        check_key(key)?;
        Ok(entries::look(access, &self.id, key)?.is_some())
    }

    /// What is under `key`.
    pub fn get<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<Option<Entry>, A> {
        check_key(key)?;
        entries::get(access, &self.id, key)
    }

    /// Sets a value, and says whether the key is new. Refused over a counter or a collection.
    pub fn insert<A: Access + ?Sized>(&self, access: &mut A, key: &[u8], value: &[u8]) -> Result<bool, A> {
        check_key(key)?;
        check_value(value)?;
        let new = match entries::look(access, &self.id, key)? {
            None => true,
            Some(Found::Bytes) => false,
            Some(other) => {
                return Err(Refusal::Kind { what: "the element", is: other.kind(), asked: Kind::Bytes }.into());
            }
        };
        entries::put_bytes(access, &self.id, key, value)?;
        if new {
            self.enter(access, key)?;
        }
        Ok(new)
    }

    /// Adds to a counter, and makes it if nothing is under `key`. `false`: the sum would leave the bounds, and nothing was done.
    pub fn add<A: Access + ?Sized>(&self, access: &mut A, key: &[u8], delta: i128, within: Bounds) -> Result<bool, A> {
        check_key(key)?;
        match entries::look(access, &self.id, key)? {
            Some(Found::Counter) => entries::add(access, &self.id, key, delta, within),
            Some(other) => Err(Refusal::Kind { what: "the element", is: other.kind(), asked: Kind::Counter }.into()),
            None if !within.hold(delta) => Ok(false),
            None => {
                entries::put_counter(access, &self.id, key)?;
                self.enter(access, key)?;
                entries::add(access, &self.id, key, delta, within)
            }
        }
    }

    /// Makes an empty collection under `key`, where nothing may be.
    pub fn create<A: Access + ?Sized>(&self, access: &mut A, key: &[u8], kind: Kind) -> Result<Collection, A> {
        check_key(key)?;
        if entries::look(access, &self.id, key)?.is_some() {
            return Err(Refusal::Occupied.into());
        }
        let made = entries::put_collection(access, &self.id, key, kind)?;
        self.enter(access, key)?;
        Ok(made)
    }

    /// The collection of this kind under `key`: the one that is there, or a new one.
    pub fn open<A: Access + ?Sized>(&self, access: &mut A, key: &[u8], kind: Kind) -> Result<Collection, A> {
        check_key(key)?;
        match entries::look(access, &self.id, key)? {
            Some(Found::Collection(collection)) if collection.kind() == kind => Ok(collection),
            Some(other) => Err(Refusal::Kind { what: "the element", is: other.kind(), asked: kind }.into()),
            None => self.create(access, key, kind),
        }
    }

    /// Removes what is under `key`, a collection with all that is in it. `false`: nothing was.
    pub fn remove<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<bool, A> {
        check_key(key)?;
        let there = entries::take_away(access, &self.id, key)?;
        if there {
            self.index().remove(access, key)?;
            count(access, &entries::length_cell(&self.id), -1)?;
        }
        Ok(there)
    }

    /// Keys of a range, without looking at what is under them.
    pub fn keys<A: Access + ?Sized>(&self, access: &mut A, range: &Range<'_>) -> Result<Vec<Vec<u8>>, A> {
        let mut keys = Vec::new();
        self.visit(access, range, |_, key| {
            keys.push(key);
            Ok(())
        })?;
        Ok(keys)
    }

    /// Keys of a range and what is under them.
    pub fn iterate<A: Access + ?Sized>(&self, access: &mut A, range: &Range<'_>) -> Result<Vec<(Vec<u8>, Entry)>, A> {
        let mut all = Vec::new();
        self.visit(access, range, |access, key| {
            if let Some(entry) = entries::get(access, &self.id, &key)? {
                all.push((key, entry));
            }
            Ok(())
        })?;
        Ok(all)
    }

    fn visit<A: Access + ?Sized>(
        &self,
        access: &mut A,
        range: &Range<'_>,
        each: impl FnMut(&mut A, Vec<u8>) -> Result<(), A>,
    ) -> Result<(), A> {
        visit(access, &self.index(), range, |access, key| self.contains(access, key), each)
    }

    fn enter<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<(), A> {
        self.index().insert(access, key)?;
        count(access, &entries::length_cell(&self.id), 1)
    }
}
