//! Values in slices of their own, and numbers whose additions commute.

use super::Field;
use crate::sys;
use crate::value::Value;
use core::marker::PhantomData;

/// A variable: one value of a bounded length.
pub struct Var<T> {
    slice: u32,
    value: PhantomData<fn() -> T>,
}

impl<T: Value> Field for Var<T> {
    fn at(slice: u32) -> Self {
        Var { slice, value: PhantomData }
    }
}

impl<T: Value> Var<T> {
    /// What was set last. A variable that was never set is zeros: 0, `false`, `None`, the first variant of an enum.
    #[must_use]
    pub fn get(&self) -> T {
        let mut bytes = alloc::vec![0; T::MAX_LEN.unwrap_or(0)];
        sys::load(self.slice, 0, &mut bytes);
        match T::take(&mut &bytes[..]) {
            Some(value) => value,
            None => sys::revert(crate::entry::PANIC, b"a variable holds bytes of another type"),
        }
    }

    /// Sets it.
    pub fn set(&mut self, value: &T) {
        let mut bytes = value.encode();
        // What a slice has beyond its value is zero.
        bytes.resize(T::MAX_LEN.unwrap_or(0), 0);
        sys::store(self.slice, 0, &bytes);
    }
}

/// A number of 128 bits whose additions commute: transactions that add to one do not wait for each other, unless one reads it.
pub struct Counter {
    slice: u32,
}

impl Field for Counter {
    fn at(slice: u32) -> Self {
        Counter { slice }
    }
}

impl Counter {
    /// The sum.
    #[must_use]
    pub fn get(&self) -> i128 {
        sys::counter_get(self.slice)
    }

    /// Adds. The call ends where the sum leaves 128 bits.
    pub fn add(&mut self, amount: i128) {
        if !sys::counter_try_add(self.slice, amount, i128::MIN, i128::MAX) {
            sys::revert(crate::entry::PANIC, b"a counter has left 128 bits");
        }
    }

    /// Subtracts if the sum does not fall below zero, and says whether it did.
    #[must_use]
    pub fn sub(&mut self, amount: u128) -> bool {
        i128::try_from(amount).is_ok_and(|amount| sys::counter_try_add(self.slice, -amount, 0, i128::MAX))
    }
}
