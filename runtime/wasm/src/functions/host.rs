//! What an execution asks of whoever runs it.

use super::code::FunctionCode;
use super::failure::Failure;
use std::sync::Arc;

/// The world of one execution: its clock, its state, its log, the other functions.
///
/// An error of any of these ends the whole execution, with all functions that it has called.
pub trait Host: Sized + Send + 'static {
    /// A slice of fuel is used up. Whoever runs the execution looks at the clock here, and may take its time: another thread can go on with
    /// other work meanwhile.
    ///
    /// # Errors
    /// Why the execution must not go on.
    fn slice(&mut self) -> Result<(), Failure>;

    /// Looks a key up. True if it is there, with its value in `value`.
    ///
    /// # Errors
    /// When the key is too long.
    fn get(&mut self, key: &[u8], value: &mut Vec<u8>) -> Result<bool, Failure>;

    /// Sets a key.
    ///
    /// # Errors
    /// When key or value are too long, or nothing may be written.
    fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure>;

    /// Deletes a key. True if it was there.
    ///
    /// # Errors
    /// As [`Host::set`].
    fn delete(&mut self, key: &[u8]) -> Result<bool, Failure>;

    /// Calls `each` with every key that begins with a prefix, in order, until it says that it wants no more.
    ///
    /// # Errors
    /// When the prefix is too long for a key.
    fn list(&mut self, prefix: &[u8], each: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Failure>;

    /// A line of log.
    ///
    /// # Errors
    /// When that is more than it may log.
    fn log(&mut self, line: &[u8]) -> Result<(), Failure>;

    /// The function of that name or number is to be called: from here on, state is that function's. `None` if there is none.
    ///
    /// # Errors
    /// When no further function may be called.
    fn enter(&mut self, name: &[u8]) -> Result<Option<Arc<FunctionCode<Self>>>, Failure>;

    /// The function that was entered last has ended. Unless it went well, what it has done to state is undone.
    fn leave(&mut self, well: bool);
}
