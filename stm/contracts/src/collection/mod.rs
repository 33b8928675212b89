//! Collections: list, map, set and sorted set, in each other without limit.
//!
//! A collection is a name of 32 bytes and the cells under it. Its elements are the units of conflict: whoever reads or sets one
//! element meets only those who change that element. What else is touched, and by whom:
//!
//! | operation | reads | writes |
//! |---|---|---|
//! | get, contains, set of an element that is there | its cell | its cell |
//! | add to a counter that is there | its cell | its sum, commutatively |
//! | insert into, remove from map, set, sorted set | its cell, the links on the way to its place | its cell, the two links of the gap, one or two branches' sides; length and weights, commutatively |
//! | push, pop, swap-remove | length, the elements | length, the elements |
//! | length | length | – |
//! | first, last | one link: the gap before the first, behind the last | – |
//! | next, previous of a key that is there; each step of an iteration or range | one link: the gap itself | – |
//! | next, previous of a key that is not there | the links on the way, and the gap | – |
//! | rank, the n-th | the links on the way, the weights beside it | – |
//!
//! A gap between two neighbours is a cell, so what a range has read conflicts with exactly the insertions into it and the removals
//! from it: no phantoms, and no meeting with writers elsewhere.
//!
//! A sorted set is ordered by the bytes of its keys (big-endian integers sort as numbers), maps and sets by the hash of the key, which
//! is the order of the leaves in their state. No answer depends on the shape of the index, and its shape depends only on the keys.
//!
//! Removing an element that is a collection takes it away at once and at a fixed cost, however large it is; its cells are freed
//! afterwards in steps of fixed size ([`sweep`]), each of which an insertion has paid for.

mod element;
mod entries;
mod id;
mod index;
mod list;
mod map;
mod put_back;
mod range;
mod set;
mod sorted;
mod sweep;

pub use element::{ELEMENT_HEADER, Element};
pub use entries::Entry;
pub use id::{CollectionId, Grave, Place};
pub use list::List;
pub use map::Map;
pub use range::{Direction, Range};
pub use set::Set;
pub use sorted::SortedSet;
pub use sweep::{Swept, sweep};

pub(crate) use entries::{element_cell, place_cell};
pub(crate) use put_back::put_back;

use crate::cell::{Access, Refusal, Result};
use crate::slice::Kind;

/// Longest key of a map, set or sorted set in bytes.
pub const MAX_KEY: usize = 256;
/// Longest value of a list or map in bytes.
pub const MAX_VALUE: usize = 64 * 1024;

/// A collection of any kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Collection {
    /// Elements by position.
    List(List),
    /// Elements by key.
    Map(Map),
    /// Keys alone.
    Set(Set),
    /// Keys alone, in order.
    SortedSet(SortedSet),
}

impl Collection {
    /// The collection of this kind and name, if the kind is a collection.
    pub(crate) fn of(kind: Kind, id: CollectionId) -> Option<Collection> {
        Some(match kind {
            Kind::List => Collection::List(List::of(id)),
            Kind::Map => Collection::Map(Map::of(id)),
            Kind::Set => Collection::Set(Set::of(id)),
            Kind::SortedSet => Collection::SortedSet(SortedSet::of(id)),
            Kind::Bytes | Kind::Counter => return None,
        })
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> CollectionId {
        match self {
            Collection::List(list) => list.id(),
            Collection::Map(map) => map.id(),
            Collection::Set(set) => set.id(),
            Collection::SortedSet(set) => set.id(),
        }
    }

    /// Its kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Collection::List(_) => Kind::List,
            Collection::Map(_) => Kind::Map,
            Collection::Set(_) => Kind::Set,
            Collection::SortedSet(_) => Kind::SortedSet,
        }
    }

    /// How many elements it has.
    pub fn len<A: Access + ?Sized>(&self, access: &mut A) -> Result<u64, A> {
        entries::length(access, &self.id())
    }

    /// As a list.
    pub fn list(self) -> std::result::Result<List, Refusal> {
        match self {
            Collection::List(list) => Ok(list),
            other => Err(other.is_not(Kind::List)),
        }
    }

    /// As a map.
    pub fn map(self) -> std::result::Result<Map, Refusal> {
        match self {
            Collection::Map(map) => Ok(map),
            other => Err(other.is_not(Kind::Map)),
        }
    }

    /// As a set.
    pub fn set(self) -> std::result::Result<Set, Refusal> {
        match self {
            Collection::Set(set) => Ok(set),
            other => Err(other.is_not(Kind::Set)),
        }
    }

    /// As a sorted set.
    pub fn sorted_set(self) -> std::result::Result<SortedSet, Refusal> {
        match self {
            Collection::SortedSet(set) => Ok(set),
            other => Err(other.is_not(Kind::SortedSet)),
        }
    }

    fn is_not(self, asked: Kind) -> Refusal {
        Refusal::Kind { what: "the collection", is: self.kind(), asked }
    }
}

/// Refuses keys that are too long.
pub(crate) fn check_key(key: &[u8]) -> std::result::Result<(), Refusal> {
    match key.len() {
        0..=MAX_KEY => Ok(()),
        length => Err(Refusal::KeyLength { length, most: MAX_KEY }),
    }
}

/// Refuses values that are too long.
pub(crate) fn check_value(value: &[u8]) -> std::result::Result<(), Refusal> {
    match value.len() {
        0..=MAX_VALUE => Ok(()),
        length => Err(Refusal::ValueLength { length, most: MAX_VALUE }),
    }
}
