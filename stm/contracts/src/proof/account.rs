//! The content behind an account's leaf, as far as proofs look into it.

use crate::hash::Hash;

/// Version of the content.
const VERSION: u8 = 1;

/// What every account's content begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountContent<'a> {
    /// Its address.
    pub address: [u8; 20],
    /// Its contract's state: the root of its pages.
    pub state: Hash,
    /// The rest: template, balance, nonce, in the account's own encoding.
    pub rest: &'a [u8],
}

impl<'a> AccountContent<'a> {
    /// None: the bytes are no account's.
    pub fn decode(content: &'a [u8]) -> Option<AccountContent<'a>> {
        let (version, content) = content.split_first()?;
        let (address, content) = content.split_first_chunk()?;
        let (state, rest) = content.split_first_chunk()?;
        (*version == VERSION).then(|| AccountContent { address: *address, state: Hash::new(*state), rest })
    }
}

/// `version u8 = 1 | address 20 | state 32 | rest`.
pub fn account_content(address: &[u8; 20], state: &Hash, rest: &[u8]) -> Vec<u8> {
    [&[VERSION], address.as_slice(), state.as_bytes(), rest].concat()
}
