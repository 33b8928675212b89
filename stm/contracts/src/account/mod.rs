//! Accounts: what can hold a balance, be called, and pay for a transaction.
//!
//! An account is named by an [`Address`] of 160 bits. Nobody chooses one: it follows from the key or the name that the
//! account belongs to, or from who spawned it, so nobody has to ask whether it is free.

mod address;
mod record;

pub use address::{Address, NotAnAddress};
pub use record::Account;
