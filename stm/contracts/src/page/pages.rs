//! Pages storage: from account, state and index to a hash, from the hash to the page.

use std::fmt;

use crate::hash::{self, Hash};
use crate::kv::{KeyValue, KvError};
use crate::tree::View;

/// Why a page could not be read: a fault of this machine's store.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageError {
    /// The store below.
    #[error(transparent)]
    Kv(#[from] KvError),
    /// The tree names a page that the store has not.
    #[error("page {index} of account {} is missing: the store has nothing under {hash}", Hex(.account))]
    Missing {
        /// Whose page.
        account: [u8; 20],
        /// Which one.
        index: u32,
        /// Its hash.
        hash: Hash,
    },
    /// The page is not what its hash says.
    #[error("page {index} of account {} is damaged: {hash} was stored, {found} is there", Hex(.account))]
    Damaged {
        /// Whose page.
        account: [u8; 20],
        /// Which one.
        index: u32,
        /// The hash in the tree.
        hash: Hash,
        /// The hash of what is there.
        found: Hash,
    },
}

struct Hex<'a>(&'a [u8; 20]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Under which key a page is stored: `p | hash`.
#[must_use]
pub fn page_key(hash: &Hash) -> Vec<u8> {
    [b"p", hash.as_bytes().as_slice()].concat()
}

/// The pages of all contracts as of one view of the trees.
pub struct Pages<'a, K> {
    kv: &'a K,
    view: View<'a>,
}

impl<'a, K: KeyValue> Pages<'a, K> {
    /// Pages in this store, as of this view.
    pub const fn new(kv: &'a K, view: View<'a>) -> Pages<'a, K> {
        Pages { kv, view }
    }

    /// The contract's state in this view: zero until its first page is written.
    #[must_use]
    pub fn state(&self, account: &[u8; 20]) -> Hash {
        self.view.root(&super::tree(account))
    }

    /// The hash of a page; none of one that holds zeros.
    #[must_use]
    pub fn hash(&self, account: &[u8; 20], index: u32) -> Option<Hash> {
        self.view.get(&super::tree(account), &super::place(index))
    }

    /// The content of a page, without zeros at its end. Verified against its hash.
    pub fn load(&self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
        let Some(hash) = self.hash(account, index) else { return Ok(Vec::new()) };
        let Some(content) = self.kv.get(&page_key(&hash))? else {
            return Err(PageError::Missing { account: *account, index, hash });
        };
        match hash::page(account, index, &content) {
            found if found == hash => Ok(content),
            found => Err(PageError::Damaged { account: *account, index, hash, found }),
        }
    }
}
