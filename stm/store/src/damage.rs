//! What is damaged, in words.

use std::fmt;

use replicode_contracts::hash::{Hash, key};
use replicode_contracts::tree::Name;

use crate::place::{Kind, read_key};

/// Something in the store that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// Under which key; empty when there is none, or when it is the file itself.
    pub key: Vec<u8>,
    /// Which tree it belongs to, so which account and collection.
    pub tree: Option<Name>,
    /// Which page, account or element, as far as that can be known.
    pub thing: String,
    /// What is wrong with it.
    pub what: String,
}

impl Damage {
    pub(crate) fn file(file: &str, what: impl fmt::Display) -> Damage {
        let what = what.to_string();
        Damage { file: file.to_string(), key: Vec::new(), tree: None, thing: String::new(), what }
    }

    pub(crate) fn tree(file: &str, name: Name, what: impl fmt::Display) -> Damage {
        Damage { tree: Some(name), ..Damage::file(file, what) }
    }

    pub(crate) fn record(file: &str, record: &[u8], accounts: &[[u8; 20]], what: impl fmt::Display) -> Damage {
        let (tree, thing) = match read_key(record) {
            Some(Kind::Content((name, at), batch)) => {
                (Some(name), format!("{} of checkpoint {batch}", thing(&name, &at, accounts)))
            }
            Some(Kind::Manifest(batch)) => (None, format!("manifest of checkpoint {batch}")),
            Some(Kind::Obsolete(batch)) => (None, format!("list of what checkpoint {batch} replaced")),
            None => (None, "record".to_string()),
        };
        Damage { key: record.to_vec(), tree, thing, ..Damage::file(file, what) }
    }
}

/// A tree has only the hash of a key; pages are few and accounts known, so theirs are found by trying.
fn thing(name: &Name, at: &Hash, accounts: &[[u8; 20]]) -> String {
    let found = match name {
        Name::Pages { .. } => {
            (0..1_u32 << 16).find(|index| key(&index.to_le_bytes()) == *at).map(|index| format!("page {index}"))
        }
        Name::Accounts => accounts
            .iter()
            .find(|account| key(account.as_slice()) == *at)
            .map(|account| format!("account {}", account.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
        Name::Collection { .. } | Name::Receipts | Name::Codes | Name::Beside => None,
    };
    found.unwrap_or_else(|| format!("key {at}"))
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(tree) = &self.tree {
            write!(f, ", {tree}")?;
        }
        if !self.thing.is_empty() {
            write!(f, ", {}", self.thing)?;
        }
        if !self.key.is_empty() {
            f.write_str(" (record ")?;
            self.key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            f.write_str(")")?;
        }
        write!(f, ": {}", self.what)
    }
}
