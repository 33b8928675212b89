//! Key-value store: bytes to bytes. It knows no contract, no state and no page; [`crate::page`] and [`crate::state`] stand on it.
//!
//! [`Memory`] is for tests and for stores that need no disk. On disk it is an implementation of the same five verbs.

mod memory;

pub use memory::Memory;

/// Why the store could not be read or written. A fault of this machine, never a contract's answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("could not {verb} the store: {reason}")]
pub struct KvError {
    /// What was tried.
    pub verb: &'static str,
    /// What came in its way.
    pub reason: String,
}

/// What is written at once: keys with their new values, or none to remove them. A key stands here once.
pub type Batch = std::collections::BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// Five verbs.
pub trait KeyValue {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError>;

    /// Keys from `from` on, in order, with their values, `limit` at most.
    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError>;

    /// Writes all of it or nothing.
    fn write(&mut self, batch: &Batch) -> Result<(), KvError>;

    /// When it returns, everything written survives a crash.
    fn sync(&mut self) -> Result<(), KvError>;

    /// Bytes of all keys and values together.
    fn bytes(&self) -> Result<u64, KvError>;
}
