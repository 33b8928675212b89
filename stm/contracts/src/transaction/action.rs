//! What a transaction can ask for.

use crate::account::Address;
use crate::hash::Hash;
use borsh::{BorshDeserialize, BorshSerialize};

/// One thing that the principal asks for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Action {
    /// Calls a function of an account.
    Call {
        /// Whose.
        account: Address,
        /// Which, by its name.
        function: String,
        /// Its arguments, encoded.
        arguments: Vec<u8>,
        /// Money that comes with the call.
        value: u128,
    } = 0,
    /// Pays an account and runs nothing.
    Transfer {
        /// Whom.
        to: Address,
        /// How much.
        value: u128,
    } = 1,
    /// Stores a template.
    Deploy {
        /// Its bytes.
        template: Vec<u8>,
    } = 2,
    /// Makes an account from a stored template.
    Spawn {
        /// Hash of the template.
        template: Hash,
        /// The constructor to run; none for a template that has none.
        constructor: Option<String>,
        /// Its arguments, encoded.
        arguments: Vec<u8>,
        /// The account's first balance, paid by the principal.
        value: u128,
    } = 3,
    /// Gives an account other code, if its present code allows that, and runs the new code's `migrate`.
    Upgrade {
        /// Which account.
        account: Address,
        /// Hash of the new template.
        template: Hash,
        /// Arguments of `migrate`, encoded; empty where there is none.
        arguments: Vec<u8>,
    } = 4,
    /// Stores a library under a name and a version of the principal's.
    Publish {
        /// The name.
        name: String,
        /// The version.
        version: String,
        /// Bytes of a template of kind library.
        template: Vec<u8>,
    } = 5,
}

impl Action {
    /// Money that leaves the principal with it.
    #[must_use]
    pub fn value(&self) -> u128 {
        match self {
            Self::Call { value, .. } | Self::Transfer { value, .. } | Self::Spawn { value, .. } => *value,
            Self::Deploy { .. } | Self::Upgrade { .. } | Self::Publish { .. } => 0,
        }
    }
}
