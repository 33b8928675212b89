//! What a call moved, was given and told, folded into its step's hash.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::StepHash;

/// Bytes moved so far by a call, and a hash of them, of what the guest gave it through pointers, and of every value it
/// handed to the guest. A call that waits keeps it, so that a long send is hashed as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Moved {
    pub(crate) bytes: u64,
    pub(crate) hash: u64,
}

impl Moved {
    /// Bytes that went into or came out of the guest. None at all leave no mark: an attempt that moved nothing and goes
    /// on waiting is as if it had not been made.
    pub(crate) fn data(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.bytes += bytes.len() as u64;
            self.note_bytes(bytes);
        }
    }

    /// Bytes that came and went without being shown to the guest, which is told how many.
    pub(crate) const fn dropped(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// A structure that the guest gave or was told; it does not count as moved.
    pub(crate) fn note_bytes(&mut self, bytes: &[u8]) {
        self.note(StepHash::of(bytes).0);
    }

    /// A number that the guest was told.
    pub(crate) const fn note(&mut self, value: u64) {
        // An odd multiplier (2^64 / golden ratio) spreads the earlier values; order matters.
        self.hash = self.hash.rotate_left(23).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ value;
    }
}
