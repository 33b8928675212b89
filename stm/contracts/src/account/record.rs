//! What is kept of an account beside its balance and its storage.

use crate::hash::Hash;
use borsh::{BorshDeserialize, BorshSerialize};

/// An account without its balance, which changes by commutative additions and is kept apart, so that paying an
/// account is no conflict with calling it.
///
/// An account that nothing but money has ever reached equals [`Account::default`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Account {
    /// Hash of the template whose code answers calls. `None`: a key's or a name's account, which has no code and whose
    /// transactions one of the two built-in principal templates decides on.
    pub template: Option<Hash>,
    /// Transactions of which this account was the principal and which were not skipped: the nonce of the next one.
    pub nonce: u64,
    /// Accounts that it has spawned: the next one's number.
    pub spawned: u64,
}
