//! What a call knows besides its arguments: who, when, with how much.

use crate::sys;
use crate::value::{Address, Hash};

/// The contract's own address.
#[must_use]
pub fn address() -> Address {
    Address(sys::address())
}

/// Who has called: the account whose transaction it is, or a contract.
#[must_use]
pub fn sender() -> Address {
    Address(sys::sender())
}

/// Whose transaction it is.
#[must_use]
pub fn principal() -> Address {
    Address(sys::principal())
}

/// The contract's template.
#[must_use]
pub fn template() -> Hash {
    Hash(sys::template())
}

/// Money that came with the call; it is in the balance already.
#[must_use]
pub fn value() -> u128 {
    sys::value()
}

/// An account's balance.
#[must_use]
pub fn balance(account: Address) -> u128 {
    sys::balance(&account.0)
}

/// Pays an account and runs nothing. `false`: there is not so much.
#[must_use]
pub fn transfer(account: Address, value: u128) -> bool {
    sys::transfer(&account.0, value)
}

/// How many transactions an account has sent.
#[must_use]
pub fn nonce(account: Address) -> u64 {
    sys::nonce(&account.0)
}

/// The batch's place in history.
#[must_use]
pub fn batch() -> u64 {
    sys::batch()
}

/// Logical time in nanoseconds: the only clock.
#[must_use]
pub fn time() -> u64 {
    sys::time()
}

/// The batch's entropy. Everybody knows it who sees the batch.
#[must_use]
pub fn seed() -> u64 {
    sys::seed()
}

/// Gas that this call may still burn.
#[must_use]
pub fn gas_left() -> u64 {
    sys::gas_left()
}

/// Calls that this one is nested in.
#[must_use]
pub fn depth() -> u32 {
    sys::depth()
}

/// Whether nothing may be changed.
#[must_use]
pub fn read_only() -> bool {
    sys::read_only()
}

/// BLAKE3 of bytes.
#[must_use]
pub fn blake3(bytes: &[u8]) -> Hash {
    Hash(sys::blake3(bytes))
}

/// SHA-256 of bytes.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(sys::sha256(bytes))
}

/// Whether an Ed25519 signature of a message holds, by the strict rules.
#[must_use]
pub fn ed25519_verify(key: &[u8; 32], signature: &[u8; 64], message: &[u8]) -> bool {
    sys::ed25519_verify(key, signature, message)
}
