//! Sets, and sets that know the neighbours and ranks of their keys.

use super::collection::Handle;
use crate::key::Key;
use crate::sys;
use alloc::vec::Vec;
use core::marker::PhantomData;

/// Keys, in the order of their hashes.
pub struct Set<K> {
    pub(super) handle: Handle,
    key: PhantomData<fn(K) -> K>,
}

/// Keys with their order: the least, the next, how many are below one.
pub struct SortedSet<K> {
    pub(super) handle: Handle,
    key: PhantomData<fn(K) -> K>,
}

macro_rules! sets {
    ($($name:ident)*) => { $(
        impl<K> $name<K> {
            pub(super) fn with(handle: Handle) -> Self {
                $name { handle, key: PhantomData }
            }
        }

        impl<K: Key> $name<K> {
            /// Whether a key is there.
            #[must_use]
            pub fn contains(&self, key: &K) -> bool {
                sys::contains(self.handle.number(), &key.key())
            }

            /// Adds a key; whether it is new.
            pub fn insert(&mut self, key: &K) -> bool {
                sys::set_insert(self.handle.number(), &key.key())
            }

            /// Removes a key; whether it was there.
            pub fn remove(&mut self, key: &K) -> bool {
                sys::remove(self.handle.number(), &key.key())
            }

            /// Keys behind one (or from the first on), at most 256 and as many as fit into 4 KiB.
            #[must_use]
            pub fn keys_after(&self, after: Option<&K>, limit: u32) -> Vec<K> {
                self.handle.keys_after(after, limit)
            }
        }
    )* };
}

sets!(Set SortedSet);

impl<K: Key> SortedSet<K> {
    /// The least key.
    #[must_use]
    pub fn first(&self) -> Option<K> {
        K::from_key(&sys::first(self.handle.number())?)
    }

    /// The greatest.
    #[must_use]
    pub fn last(&self) -> Option<K> {
        K::from_key(&sys::last(self.handle.number())?)
    }

    /// The least above a key, which need not be there.
    #[must_use]
    pub fn next(&self, key: &K) -> Option<K> {
        K::from_key(&sys::next(self.handle.number(), &key.key())?)
    }

    /// The greatest below a key, which need not be there.
    #[must_use]
    pub fn previous(&self, key: &K) -> Option<K> {
        K::from_key(&sys::previous(self.handle.number(), &key.key())?)
    }

    /// How many are below a key, which need not be there.
    #[must_use]
    pub fn rank(&self, key: &K) -> u64 {
        sys::rank(self.handle.number(), &key.key())
    }

    /// The key with so many others below it.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> Option<K> {
        K::from_key(&sys::at_rank(self.handle.number(), rank)?)
    }
}
