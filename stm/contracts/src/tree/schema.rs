//! What the contents behind leaves mean, for those who store, send or check them. The trees know only hashes.

use super::Name;
use crate::hash::{Domain, Hash, key, of};
use crate::proof::AccountContent;

/// What the contents behind the leaves mean. Each begins with its clear key, so it says itself where it belongs.
pub trait Schema {
    /// The key and the value under which a leaf of tree `name` stands for this content; none when it is no content of such a tree.
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)>;

    /// The trees that this content, which has been verified, refers to, each with its state. Empty ones may be left out.
    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)>;

    /// The content in words that a person knows it by: a page's index, an element's key.
    fn describe(&self, name: &Name, content: &[u8]) -> String;
}

/// The meaning of all trees: accounts, receipts, codes and what is beside them as told here, pages and collections as `S` says.
///
/// ```text
/// account   version u8 = 1 | address 20 | state 32 | rest
/// receipt   transaction 32 | receipt
/// code      the code itself; its clear key is its hash
/// beside    length of the key u16 | key | bytes
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Whole<S>(pub S);

/// A content of [`Name::Beside`]: bytes under a key, which has at most 65,535 bytes.
#[must_use]
pub fn beside(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes();
    [&length, key, bytes].concat()
}

/// The key and the bytes of a content of [`Name::Beside`].
#[must_use]
pub fn beside_parts(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.split_first_chunk()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

fn beside_key(content: &[u8]) -> Option<&[u8]> {
    Some(beside_parts(content)?.0)
}

impl<S: Schema> Schema for Whole<S> {
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)> {
        match name {
            Name::Accounts => {
                let account = AccountContent::decode(content)?;
                Some((key(&account.address), of(Domain::Account, content)))
            }
            Name::Receipts => Some((key(content.get(..32)?), of(Domain::Receipt, content))),
            Name::Codes => {
                let hash = of(Domain::Code, content);
                Some((key(hash.as_bytes()), hash))
            }
            Name::Beside => Some((key(beside_key(content)?), of(Domain::Record, content))),
            Name::Pages { .. } | Name::Collection { .. } => self.0.leaf(name, content),
        }
    }

    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)> {
        match name {
            Name::Accounts => AccountContent::decode(content)
                .map(|account| (Name::Pages { account: account.address }, account.state))
                .into_iter()
                .collect(),
            Name::Receipts | Name::Codes | Name::Beside => Vec::new(),
            Name::Pages { .. } | Name::Collection { .. } => self.0.children(name, content),
        }
    }

    fn describe(&self, name: &Name, content: &[u8]) -> String {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match name {
            Name::Accounts => match AccountContent::decode(content) {
                Some(account) => format!("account {}", hex(&account.address)),
                None => "an account".to_string(),
            },
            Name::Receipts => format!("receipt of transaction {}", hex(content.get(..32).unwrap_or_default())),
            Name::Codes => format!("code {}", of(Domain::Code, content)),
            Name::Beside => format!("record {}", hex(beside_key(content).unwrap_or_default())),
            Name::Pages { .. } | Name::Collection { .. } => self.0.describe(name, content),
        }
    }
}
