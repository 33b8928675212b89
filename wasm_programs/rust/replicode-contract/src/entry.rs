//! Between an export and the function that it is for. The macros use it; contracts need not.

use crate::sys;
use crate::value::Value;
use alloc::vec::Vec;

/// The code that a panic reverts with.
pub const PANIC: u32 = u32::MAX;

/// A module with `#[contract]`: what a world of tests takes for a template.
pub trait Contract {
    /// What it calls itself.
    const NAME: &'static str;
    /// Its document.
    const ABI: &'static str;

    /// Runs a function, as its export would. `false`: there is none of that name.
    fn run(function: &str) -> bool;
}

/// An enum with `#[error]`.
pub trait ContractError {
    /// The code of the variant.
    fn code(&self) -> u32;

    /// Its fields, encoded.
    fn fields(&self) -> Vec<u8>;

    /// The error that a call has ended with.
    fn from_parts(code: u32, fields: &[u8]) -> Option<Self>
    where
        Self: Sized;

    /// Ends the call, without effects.
    fn revert(&self) -> ! {
        sys::revert(self.code(), &self.fields())
    }
}

/// A struct with `#[event]`.
pub trait Event {
    /// Its place in the document.
    const NUMBER: u32;

    /// Its fields, encoded.
    fn fields(&self) -> Vec<u8>;

    /// Tells whoever listens. It is kept as long as the cell keeps events.
    fn emit(&self) {
        sys::emit(Self::NUMBER, 0, &self.fields());
    }

    /// The same, kept until this logical time.
    fn emit_until(&self, expires: u64) {
        sys::emit(Self::NUMBER, expires, &self.fields());
    }
}

/// Lays down what a function returns.
pub fn give<T: Value>(value: &T) {
    let bytes = value.encode();
    if !bytes.is_empty() {
        sys::output(&bytes);
    }
}

/// As [`give`]; an error ends the call.
pub fn give_result<T: Value, E: ContractError>(result: &Result<T, E>) {
    match result {
        Ok(value) => give(value),
        Err(error) => error.revert(),
    }
}

/// The call's arguments. Those of a document's function decode: the host has looked.
#[must_use]
pub fn arguments() -> Vec<u8> {
    sys::input()
}

/// An argument more.
pub fn argument<T: Value>(from: &mut &[u8]) -> T {
    match T::take(from) {
        Some(value) => value,
        None => sys::revert(PANIC, b"the arguments are none of this function"),
    }
}
