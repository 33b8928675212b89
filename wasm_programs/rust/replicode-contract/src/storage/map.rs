//! Maps.

use super::Counter;
use super::collection::{Collection, Handle};
use crate::key::Key;
use crate::sys::{self, Range};
use crate::value::Value;
use alloc::vec::Vec;
use core::marker::PhantomData;

/// Elements by key, in the order of the keys' hashes: whoever walks over a map meets each key once, and no order that means anything. (A
/// [`super::SortedSet`] has its keys in their own order.) Each element is a unit of conflict of its own.
pub struct Map<K, V> {
    pub(super) handle: Handle,
    element: PhantomData<fn(K) -> V>,
}

impl<K, V> Map<K, V> {
    pub(super) fn with(handle: Handle) -> Self {
        Map { handle, element: PhantomData }
    }
}

impl<K: Key, V> Map<K, V> {
    /// Whether something is under a key.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        sys::contains(self.handle.number(), &key.key())
    }

    /// Removes what is under a key, with all that is in it; whether something was there.
    pub fn remove(&mut self, key: &K) -> bool {
        sys::remove(self.handle.number(), &key.key())
    }

    /// Keys behind one (or from the first on), at most 256 and as many as fit into 4 KiB: the cursor of the next page is the last key of this one.
    #[must_use]
    pub fn keys_after(&self, after: Option<&K>, limit: u32) -> Vec<K> {
        self.handle.keys_after(after, limit)
    }

    /// Keys in front of one (or from the last on), backward, at most 256 and as many as fit into 4 KiB.
    #[must_use]
    pub fn keys_before(&self, before: Option<&K>, limit: u32) -> Vec<K> {
        self.handle.keys_before(before, limit)
    }
}

impl<K: Key, V: Value> Map<K, V> {
    /// What is under a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<V> {
        V::decode(&sys::map_get(self.handle.number(), &key.key())?)
    }

    /// Sets what is under a key; whether the key is new.
    pub fn insert(&mut self, key: &K, value: &V) -> bool {
        sys::map_insert(self.handle.number(), &key.key(), &value.encode())
    }

    /// As [`Map::keys_after`], with what is under them.
    #[must_use]
    pub fn page(&self, after: Option<&K>, limit: u32) -> Vec<(K, V)> {
        let after = after.map(Key::key);
        let range = Range { from: after.as_deref().map(|key| (key, true)), limit, ..Range::default() };
        let found = sys::map_iterate(self.handle.number(), range);
        found.iter().filter_map(|(key, value)| Some((K::from_key(key)?, V::decode(value)?))).collect()
    }
}

impl<K: Key> Map<K, Counter> {
    /// The sum under a key; 0 where there is none.
    #[must_use]
    pub fn sum(&self, key: &K) -> i128 {
        sys::map_get(self.handle.number(), &key.key()).and_then(|bytes| i128::decode(&bytes)).unwrap_or(0)
    }

    /// Adds to the sum under a key, which is made if nothing is there, if it does not fall below zero; whether it did.
    #[must_use]
    pub fn add(&mut self, key: &K, amount: u128) -> bool {
        let amount = i128::try_from(amount);
        amount.is_ok_and(|amount| sys::map_try_add(self.handle.number(), &key.key(), amount, 0, i128::MAX))
    }

    /// Subtracts likewise.
    #[must_use]
    pub fn sub(&mut self, key: &K, amount: u128) -> bool {
        let amount = i128::try_from(amount);
        amount.is_ok_and(|amount| sys::map_try_add(self.handle.number(), &key.key(), -amount, 0, i128::MAX))
    }
}

impl<K: Key, V: Collection> Map<K, V> {
    /// The collection under a key.
    #[must_use]
    pub fn open(&self, key: &K) -> Option<V> {
        sys::open_key(self.handle.number(), &key.key()).map(V::opened)
    }

    /// The collection under a key; made if nothing is there.
    pub fn create(&mut self, key: &K) -> V {
        V::opened(sys::create_key(self.handle.number(), V::KIND, &key.key()))
    }
}
