//! Pages: what a contract's variables are stored in. A page knows no variable.
//!
//! Pages of a contract have one size and are numbered from 0. A page's hash is derived from account, index and content
//! ([`crate::hash::page`]); which hash a page has is found in the contract's tree of pages, whose root is the contract's *state*. So a
//! page is read in an explicit context: account, state, index.

mod cache;
mod pages;

pub use cache::{PageCache, PageSource};
pub use pages::{PageError, Pages, page_key};

use crate::hash::Hash;
use crate::tree::Name;

/// Bytes of a page, unless a template says otherwise.
pub const PAGE_SIZE: u32 = 4096;

/// Where a page stands in its contract's tree.
#[must_use]
pub fn place(index: u32) -> Hash {
    crate::hash::key(&index.to_le_bytes())
}

/// The tree of a contract's pages.
#[must_use]
pub const fn tree(account: &[u8; 20]) -> Name {
    Name::Pages { account: *account }
}

/// The content up to the last byte that is not zero: what is stored and hashed.
#[must_use]
pub fn trimmed(content: &[u8]) -> &[u8] {
    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &content[..end]
}
