//! What lies below a memory: values that are not resident yet.

use std::error::Error;

/// Why a base could not answer. Any error converts into it, and so does a text.
pub type BaseError = Box<dyn Error + Send + Sync>;

/// The values below a [`crate::TxMemory`], on disk say.
///
/// The engine asks once for a key when a transaction first names it, and keeps the answer (that there is none, too) until
/// the key is evicted ([`crate::Stm::memory_over`]). Speculative runs ask as well, for keys that no committed transaction
/// may have named: an answer costs time, never a result.
///
/// **Constant while a block runs** (invariant I3): the embedder changes what is below only between blocks, by the changes
/// that the engine tells it ([`crate::Stm::changes`]), and says so ([`crate::Stm::forget_changes`]).
///
/// An error is a [`crate::FatalCause::Fault`]: what the value is, nobody knows, so the batch ends without outcomes and the
/// engine refuses all later ones. The same holds for a panic.
pub trait Base<const N: usize>: Send + Sync + 'static {
    /// Puts the value of `key` into the empty buffer `into`; false if there is none. At most [`crate::MAX_BYTES`] bytes.
    ///
    /// # Errors
    /// Whatever keeps it from knowing.
    fn load(&self, key: &[u8; N], into: &mut Vec<u8>) -> Result<bool, BaseError>;
}

/// The counters below a [`crate::TxCounters`]; otherwise as [`Base`].
pub trait CounterBase<const N: usize>: Send + Sync + 'static {
    /// The sum at `key`, `None` if there is no counter.
    ///
    /// # Errors
    /// Whatever keeps it from knowing.
    fn load(&self, key: &[u8; N]) -> Result<Option<i128>, BaseError>;
}
