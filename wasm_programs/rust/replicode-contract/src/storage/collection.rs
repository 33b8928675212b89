//! What collections have in common: a place, opened when it is first used.

use super::{Counter, List, Map, Set, SortedSet};
use crate::key::Key;
use crate::sys::{self, Range, kind};
use alloc::vec::Vec;
use core::cell::Cell;

#[derive(Clone, Copy)]
enum Place {
    Slice(u32),
    Open(u32),
}

/// A collection's place. Opened once in a call, however often it is used.
pub(super) struct Handle(Cell<Place>);

impl Handle {
    pub(super) fn in_slice(slice: u32) -> Self {
        Handle(Cell::new(Place::Slice(slice)))
    }

    pub(super) fn of(number: u32) -> Self {
        Handle(Cell::new(Place::Open(number)))
    }

    pub(super) fn number(&self) -> u32 {
        match self.0.get() {
            Place::Open(number) => number,
            Place::Slice(slice) => {
                let number = sys::open(slice);
                self.0.set(Place::Open(number));
                number
            }
        }
    }

    /// Keys behind one, or from the first on, as many as the host gives at once.
    pub(super) fn keys_after<K: Key>(&self, after: Option<&K>, limit: u32) -> Vec<K> {
        let after = after.map(Key::key);
        self.keys(Range { from: after.as_deref().map(|key| (key, true)), limit, ..Range::default() })
    }

    /// Keys in front of one, or from the last on, backward.
    pub(super) fn keys_before<K: Key>(&self, before: Option<&K>, limit: u32) -> Vec<K> {
        let before = before.map(Key::key);
        self.keys(Range { to: before.as_deref().map(|key| (key, true)), backward: true, limit, ..Range::default() })
    }

    fn keys<K: Key>(&self, range: Range<'_>) -> Vec<K> {
        sys::keys(self.number(), range).iter().filter_map(|key| K::from_key(key)).collect()
    }
}

/// A collection that may be an element of another one.
pub trait Collection {
    /// Its kind, as the host numbers it.
    const KIND: u32;

    /// The one that the host has opened under this number.
    fn opened(number: u32) -> Self;
}

macro_rules! collections {
    ($($name:ident<$($parameter:ident),*> = $kind:ident;)*) => { $(
        impl<$($parameter),*> Collection for $name<$($parameter),*> {
            const KIND: u32 = kind::$kind;
            fn opened(number: u32) -> Self {
                Self::with(Handle::of(number))
            }
        }

        impl<$($parameter),*> super::Field for $name<$($parameter),*> {
            fn at(slice: u32) -> Self {
                Self::with(Handle::in_slice(slice))
            }
        }

        impl<$($parameter),*> $name<$($parameter),*> {
            /// How many elements there are.
            #[must_use]
            pub fn len(&self) -> u64 {
                sys::len(self.handle.number())
            }

            /// Whether there is none.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }
        }
    )* };
}

collections! {
    List<T> = LIST;
    Map<K, V> = MAP;
    Set<K> = SET;
    SortedSet<K> = SORTED_SET;
}

/// What may be an element of a list or map: a value, a [`Counter`], or again a collection.
pub trait Element {}

impl<T: crate::Value> Element for T {}
impl Element for Counter {}
impl<T> Element for List<T> {}
impl<K, V> Element for Map<K, V> {}
impl<K> Element for Set<K> {}
impl<K> Element for SortedSet<K> {}
