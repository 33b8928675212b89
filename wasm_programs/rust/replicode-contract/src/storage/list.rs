//! Lists.

use super::Counter;
use super::collection::{Collection, Handle};
use crate::sys;
use crate::value::Value;
use alloc::vec::Vec;
use core::marker::PhantomData;

/// Elements by position. Each is a unit of conflict of its own, and so is the length.
pub struct List<T> {
    pub(super) handle: Handle,
    element: PhantomData<fn() -> T>,
}

impl<T> List<T> {
    pub(super) fn with(handle: Handle) -> Self {
        List { handle, element: PhantomData }
    }

    /// Takes the element at a position away and puts the last one in its place. The call ends where there is none.
    pub fn swap_remove(&mut self, index: u64) {
        sys::list_swap_remove(self.handle.number(), index);
    }
}

impl<T: Value> List<T> {
    /// The element at a position.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<T> {
        T::decode(&sys::list_get(self.handle.number(), index)?)
    }

    /// Sets the element at a position. The call ends where there is none.
    pub fn set(&mut self, index: u64, value: &T) {
        sys::list_set(self.handle.number(), index, &value.encode());
    }

    /// An element more; its position.
    pub fn push(&mut self, value: &T) -> u64 {
        sys::list_push(self.handle.number(), &value.encode())
    }

    /// Takes the last one away.
    pub fn pop(&mut self) -> Option<T> {
        T::decode(&sys::list_pop(self.handle.number())?)
    }

    /// Elements from a position on, at most 256 and as many as fit into 4 KiB.
    #[must_use]
    pub fn page(&self, start: u64, limit: u32) -> Vec<T> {
        let found = sys::list_iterate(self.handle.number(), start, false, limit);
        found.iter().filter_map(|bytes| T::decode(bytes)).collect()
    }

    /// Elements from a position on towards the first, at most 256 and as many as fit into 4 KiB.
    #[must_use]
    pub fn page_back(&self, start: u64, limit: u32) -> Vec<T> {
        let found = sys::list_iterate(self.handle.number(), start, true, limit);
        found.iter().filter_map(|bytes| T::decode(bytes)).collect()
    }
}

impl List<Counter> {
    /// A counter more, with this sum; its position.
    pub fn push_sum(&mut self, sum: i128) -> u64 {
        sys::list_push_counter(self.handle.number(), sum)
    }

    /// The sum at a position.
    #[must_use]
    pub fn sum(&self, index: u64) -> Option<i128> {
        i128::decode(&sys::list_get(self.handle.number(), index)?)
    }

    /// Adds if the sum does not fall below zero, and says whether it did.
    #[must_use]
    pub fn add(&mut self, index: u64, amount: i128) -> bool {
        sys::list_try_add(self.handle.number(), index, amount, 0, i128::MAX)
    }
}

impl<T: Collection> List<T> {
    /// The collection at a position.
    #[must_use]
    pub fn open(&self, index: u64) -> Option<T> {
        sys::open_at(self.handle.number(), index).map(T::opened)
    }

    /// A new collection at the end.
    pub fn push_new(&mut self) -> T {
        T::opened(sys::create_at_end(self.handle.number(), T::KIND))
    }
}
