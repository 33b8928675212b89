//! What a batch leaves behind.

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::{Domain, Hash, parts};

/// What a batch leaves behind: its digest covers all before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Batch {
    /// Which one.
    pub index: u64,
    /// The digest of the one before; zero for the first.
    pub parent: Hash,
    /// The root of the accounts after it.
    pub root: Hash,
    /// The root of its receipts, by transaction.
    pub receipts: Hash,
}

impl Batch {
    /// Its digest.
    pub fn digest(&self) -> Hash {
        let hashes = [self.parent.as_bytes().as_slice(), self.root.as_bytes(), self.receipts.as_bytes()];
        parts(Domain::Batch, &[&self.index.to_le_bytes(), hashes[0], hashes[1], hashes[2]])
    }
}
