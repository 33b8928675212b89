//! Functions for replicode.
//!
//! ```
//! use replicode_plugin::{Result, log, plugin, state};
//!
//! #[plugin]
//! fn greet(input: &[u8]) -> Result<Vec<u8>> {
//!     let name = std::str::from_utf8(input)?;
//!     log(&format!("somebody is called {name}"));
//!     state::set(b"last", input);
//!     Ok(format!("hello, {name}").into_bytes())
//! }
//!
//! assert_eq!(greet(b"ann").unwrap(), b"hello, ann");
//! assert_eq!(state::get(b"last").as_deref(), Some(&b"ann"[..]));
//! ```
//!
//! Natively, for tests, each thread is a world of its own: state is a map, log lines are kept ([`testing`]).

#[cfg(target_arch = "wasm32")]
mod heap;
#[cfg(not(target_arch = "wasm32"))]
mod native;
#[cfg(not(target_arch = "wasm32"))]
use native as host;
#[cfg(target_arch = "wasm32")]
mod wasm;
#[cfg(target_arch = "wasm32")]
use wasm as host;

pub use replicode_plugin_macros::plugin;

/// Why a function failed: a code other than 0, and words.
#[derive(Debug, PartialEq, Eq)]
pub struct Error {
    /// What the entry point returns; 1 unless something else was said.
    pub code: i32,
    /// For people.
    pub message: String,
}

/// What a function gives.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A failure with code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// A failure with another code. Code 0 would be success, and becomes 1.
    pub fn with_code(code: i32, message: impl Into<String>) -> Self {
        Self { code: if code == 0 { 1 } else { code }, message: message.into() }
    }
}

impl<E: std::fmt::Display> From<E> for Error {
    fn from(error: E) -> Self {
        Self::new(error.to_string())
    }
}

/// Adds a line to the function's log.
pub fn log(line: &str) {
    host::log(line.as_bytes());
}

/// Appends to the output. What the entry point returns comes behind it.
pub fn output(bytes: &[u8]) {
    host::output(bytes);
}

/// Fuel that this execution may still burn.
pub fn fuel_left() -> i64 {
    host::fuel_left()
}

/// Calls another function, by name or UUID. `Ok(None)`: there is none.
///
/// # Errors
/// When it fails. What it had done to state is undone then.
pub fn call(function: &str, input: &[u8]) -> Result<Option<Vec<u8>>> {
    host::call(function, input)
}

/// The function's state: all that an execution does to it is seen together, or not at all.
pub mod state {
    use super::host;

    /// The value of a key.
    pub fn get(key: &[u8]) -> Option<Vec<u8>> {
        host::get(key)
    }

    /// Sets a key.
    pub fn set(key: &[u8], value: &[u8]) {
        host::set(key, value);
    }

    /// Deletes a key. True if it was there.
    pub fn delete(key: &[u8]) -> bool {
        host::delete(key)
    }

    /// All keys that begin with a prefix, in order.
    pub fn list(prefix: &[u8]) -> Vec<Vec<u8>> {
        host::list(prefix)
    }
}

/// What tests ask of the native world of their thread.
#[cfg(not(target_arch = "wasm32"))]
pub mod testing {
    /// Lines that were logged so far.
    pub fn lines() -> Vec<String> {
        super::native::lines()
    }

    /// Output that was written with [`output`](super::output) so far.
    pub fn written() -> Vec<u8> {
        super::native::written()
    }
}

/// What the entry point does with the function; for `#[plugin]` only.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub fn entry(input: *mut u8, len: usize, function: fn(&[u8]) -> Result<Vec<u8>>) -> i32 {
    wasm::entry(input, len, function)
}

/// Where the host puts input; for `#[plugin]` only.
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub fn alloc(len: usize) -> *mut u8 {
    wasm::alloc(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_native_world_is_a_map() {
        assert_eq!(state::get(b"a1"), None);
        state::set(b"a1", b"x");
        state::set(b"a2", b"");
        state::set(b"b", b"y");
        assert_eq!(state::list(b"a"), [b"a1", b"a2"]);
        assert!(state::delete(b"a1") && !state::delete(b"a1"));
        log("one");
        output(b"two");
        assert_eq!((testing::lines(), testing::written()), (vec!["one".to_string()], b"two".to_vec()));
        assert_eq!(Error::with_code(0, "x").code, 1);
    }
}
