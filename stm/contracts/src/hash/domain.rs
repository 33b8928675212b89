//! What can be hashed, and the key under which each kind is.

use std::sync::LazyLock;

/// A kind of thing that is hashed. Its key is the BLAKE3 hash of [`Domain::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A clear key on its way to a place in a tree.
    Key,
    /// A tree's leaf: key and value.
    Leaf,
    /// A tree's node: the last byte of this key is replaced by the node's bit.
    Node,
    /// A block of a page's content.
    Block,
    /// Two neighbouring spans of a page's blocks.
    Span,
    /// A page: account, index, length and what is above its blocks.
    Page,
    /// An element of a collection, with its key.
    Element,
    /// An account's record.
    Account,
    /// A contract's address.
    Address,
    /// A template, or a library.
    Code,
    /// A transaction, as it is signed and called.
    Transaction,
    /// A receipt.
    Receipt,
    /// What a batch leaves behind: root, receipts, and the batch before.
    Batch,
    /// A record on disk or in a snapshot, with its place.
    Record,
    /// The key of a cell or of a nested collection.
    Cell,
    /// An event.
    Event,
}

const ALL: [Domain; 16] = [
    Domain::Key,
    Domain::Leaf,
    Domain::Node,
    Domain::Block,
    Domain::Span,
    Domain::Page,
    Domain::Element,
    Domain::Account,
    Domain::Address,
    Domain::Code,
    Domain::Transaction,
    Domain::Receipt,
    Domain::Batch,
    Domain::Record,
    Domain::Cell,
    Domain::Event,
];

static KEYS: LazyLock<[[u8; 32]; ALL.len()]> =
    LazyLock::new(|| ALL.map(|domain| *blake3::hash(domain.name().as_bytes()).as_bytes()));

impl Domain {
    /// All of them, in the order of the table in `docs/formats/contract-state.md`.
    pub const ALL: [Domain; 16] = ALL;

    /// What its key is the hash of.
    pub const fn name(self) -> &'static str {
        match self {
            Domain::Key => "replicode contracts 1: key",
            Domain::Leaf => "replicode contracts 1: leaf",
            Domain::Node => "replicode contracts 1: node",
            Domain::Block => "replicode contracts 1: block",
            Domain::Span => "replicode contracts 1: span",
            Domain::Page => "replicode contracts 1: page",
            Domain::Element => "replicode contracts 1: element",
            Domain::Account => "replicode contracts 1: account",
            Domain::Address => "replicode contracts 1: address",
            Domain::Code => "replicode contracts 1: code",
            Domain::Transaction => "replicode contracts 1: transaction",
            Domain::Receipt => "replicode contracts 1: receipt",
            Domain::Batch => "replicode contracts 1: batch",
            Domain::Record => "replicode contracts 1: record",
            Domain::Cell => "replicode contracts 1: cell",
            Domain::Event => "replicode contracts 1: event",
        }
    }

    /// The key of its keyed hash.
    pub fn key(self) -> &'static [u8; 32] {
        &KEYS[self as usize]
    }
}

/// The key for nodes whose subtrees part at `bit`.
pub(super) fn node_key(bit: u8) -> [u8; 32] {
    let mut key = *Domain::Node.key();
    key[31] = bit;
    key
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_domains_share_a_key() {
        let mut keys: BTreeSet<[u8; 32]> = (0..=255).map(node_key).collect();
        keys.extend(ALL.iter().filter(|domain| **domain != Domain::Node).map(|domain| *domain.key()));
        assert_eq!(keys.len(), 256 + ALL.len() - 1);
        for (at, domain) in ALL.iter().enumerate() {
            assert_eq!(*domain as usize, at, "{domain:?} stands elsewhere in the table");
        }
    }
}
