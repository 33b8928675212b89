//! Which tree, and how the trees hang together.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

use crate::hash::Hash;

/// One of the trees of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum Name {
    /// All accounts, by address. Its root is the root.
    Accounts,
    /// The pages of an account, by index. Its root is the contract's state.
    Pages {
        /// Whose.
        account: [u8; 20],
    },
    /// The elements of a collection, by key. Its root is the collection's state.
    Collection {
        /// In whose storage it is.
        account: [u8; 20],
        /// Which one.
        id: Hash,
    },
    /// The receipts of a batch, by transaction.
    Receipts,
    /// Templates and libraries, by the hash of their code.
    Codes,
    /// What an embedder keeps beside the state, by keys of its own; below no root that clients see.
    Beside,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = |f: &mut fmt::Formatter<'_>, bytes: &[u8]| bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"));
        match self {
            Name::Accounts => f.write_str("accounts"),
            Name::Pages { account } => {
                f.write_str("pages of account ")?;
                hex(f, account)
            }
            Name::Collection { account, id } => {
                write!(f, "collection {id} of account ")?;
                hex(f, account)
            }
            Name::Receipts => f.write_str("receipts"),
            Name::Codes => f.write_str("codes"),
            Name::Beside => f.write_str("records beside the state"),
        }
    }
}
