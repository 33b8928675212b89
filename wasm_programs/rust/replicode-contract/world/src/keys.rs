//! Ed25519 keys for tests.

use ed25519_dalek::{Signer as _, SigningKey};
use replicode_contract::Hash;

/// A key that signs; of 32 bytes of a test's choice: `Key::from_bytes(&[1; 32])`.
pub type Key = SigningKey;

/// The part of it that everybody may know.
#[must_use]
pub fn public(key: &Key) -> Hash {
    Hash(key.verifying_key().to_bytes())
}

/// A signature of a transaction's hash.
#[must_use]
pub fn sign(key: &Key, transaction: Hash) -> Vec<u8> {
    key.sign(&transaction.0).to_bytes().to_vec()
}
