//! What stands behind the leaves of the trees: an element, a page. Its hash is the leaf's value.
//!
//! ```text
//! element   u16 LE  length of the key
//!           …       key
//!           u8      kind
//!           …       value (0) · sum, i128 LE (1) · name 32, state 32 of a collection (2 to 5)
//! page      u32 LE  index
//!           …       content without zeros at its end
//! ```

use std::collections::BTreeMap;

use crate::collection::CollectionId;
use crate::hash::{self, Domain, Hash};
use crate::page;
use crate::slice::{Kind, Layout};
use crate::tree::{Name, Schema};

/// An element, as its collection's state covers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ElementContent<'a> {
    /// Its key; of a list, the position as 8 bytes, little-endian.
    pub key: &'a [u8],
    /// What stands there.
    pub value: ElementValue<'a>,
}

/// What stands in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElementValue<'a> {
    /// A value.
    Bytes(&'a [u8]),
    /// A counter.
    Sum(i128),
    /// A collection.
    Collection {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: [u8; 32],
        /// Its state.
        state: Hash,
    },
}

impl<'a> ElementContent<'a> {
    /// The bytes that are hashed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Keys are checked against MAX_KEY before anything is written.
        let length = u16::try_from(self.key.len()).unwrap_or(u16::MAX).to_le_bytes();
        match self.value {
            ElementValue::Bytes(value) => [&length, self.key, &[Kind::Bytes as u8], value].concat(),
            ElementValue::Sum(sum) => [&length, self.key, &[Kind::Counter as u8], &sum.to_le_bytes()].concat(),
            ElementValue::Collection { kind, name, state } => {
                [&length, self.key, &[kind as u8], &name, state.as_bytes()].concat()
            }
        }
    }

    /// None: the bytes are no element.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<ElementContent<'a>> {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (key, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let (kind, rest) = rest.split_first()?;
        let value = match Kind::of(*kind)? {
            Kind::Bytes => ElementValue::Bytes(rest),
            Kind::Counter => ElementValue::Sum(i128::from_le_bytes(rest.try_into().ok()?)),
            kind @ (Kind::List | Kind::Map | Kind::Set | Kind::SortedSet) => {
                let (name, state) = rest.split_first_chunk::<32>()?;
                ElementValue::Collection { kind, name: *name, state: Hash::new(state.try_into().ok()?) }
            }
        };
        Some(ElementContent { key, value })
    }

    /// The leaf's value.
    #[must_use]
    pub fn leaf(bytes: &[u8]) -> Hash {
        hash::of(Domain::Element, bytes)
    }
}

/// The tree of a collection's elements.
pub(crate) const fn tree(id: &CollectionId) -> Name {
    Name::Collection { account: id.account, id: Hash::new(id.name) }
}

/// The meaning of contents, for whoever sends, stores or verifies them. Knows pages and elements; accounts and receipts are not its own.
#[derive(Clone, Debug, Default)]
pub struct Contents {
    /// The layouts of the accounts whose pages may refer to collections.
    pub layouts: BTreeMap<[u8; 20], Layout>,
}

fn page_content(content: &[u8]) -> Option<(u32, &[u8])> {
    let (index, bytes) = content.split_first_chunk::<4>()?;
    Some((u32::from_le_bytes(*index), bytes))
}

impl Schema for Contents {
    fn leaf(&self, name: &Name, content: &[u8]) -> Option<(Hash, Hash)> {
        match name {
            Name::Pages { account } => {
                let (index, bytes) = page_content(content)?;
                // Zeros at the end would be a second way to write the same page, and a page of zeros stands in no tree.
                let whole = !bytes.is_empty() && page::trimmed(bytes) == bytes && bytes.len() <= hash::MAX_PAGE;
                whole.then(|| (page::place(index), hash::page(account, index, bytes)))
            }
            Name::Collection { .. } => {
                let element = ElementContent::decode(content)?;
                Some((hash::key(element.key), ElementContent::leaf(content)))
            }
            _ => None,
        }
    }

    fn children(&self, name: &Name, content: &[u8]) -> Vec<(Name, Hash)> {
        match name {
            Name::Pages { account } => {
                let (Some((page, bytes)), Some(layout)) = (page_content(content), self.layouts.get(account)) else {
                    return Vec::new();
                };
                let of_page =
                    (0..).zip(layout.slices()).filter(|(_, slice)| slice.page == page && slice.kind.is_collection());
                let states = of_page.map(|(index, slice)| {
                    let mut state = [0; 32];
                    for (to, byte) in state.iter_mut().zip(bytes.iter().skip(slice.offset as usize)) {
                        *to = *byte;
                    }
                    (tree(&CollectionId::in_slice(account, index)), Hash::new(state))
                });
                states.filter(|(_, state)| *state != Hash::ZERO).collect()
            }
            Name::Collection { account, .. } => match ElementContent::decode(content).map(|element| element.value) {
                Some(ElementValue::Collection { name, state, .. }) if state != Hash::ZERO => {
                    vec![(tree(&CollectionId { account: *account, name }), state)]
                }
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn describe(&self, name: &Name, content: &[u8]) -> String {
        match name {
            Name::Pages { .. } => page_content(content).map(|(index, _)| format!("page {index}")),
            Name::Collection { .. } => ElementContent::decode(content).map(|element| {
                let key: String = element.key.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("element with key {key}")
            }),
            _ => None,
        }
        .unwrap_or_else(|| format!("{} bytes", content.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_come_back() {
        let collection = ElementValue::Collection { kind: Kind::Set, name: [1; 32], state: Hash::new([2; 32]) };
        for value in [ElementValue::Bytes(b""), ElementValue::Bytes(b"v"), ElementValue::Sum(i128::MIN), collection] {
            for key in [&b""[..], b"k", &[7; 256]] {
                let content = ElementContent { key, value };
                let bytes = content.encode();
                assert_eq!(ElementContent::decode(&bytes), Some(content));
                if !matches!(value, ElementValue::Bytes(_)) {
                    assert_eq!(ElementContent::decode(&bytes[..bytes.len() - 1]), None, "cut");
                }
            }
        }
    }

    #[test]
    fn a_page_of_zeros_or_with_zeros_behind_it_is_no_content() {
        let (schema, name) = (Contents::default(), page::tree(&[1; 20]));
        assert!(schema.leaf(&name, &[0, 0, 0, 0, 5]).is_some());
        for content in [&[0, 0, 0, 0][..], &[0, 0, 0, 0, 5, 0], &[0, 0, 0]] {
            assert_eq!(schema.leaf(&name, content), None);
        }
    }

    #[test]
    fn a_page_refers_to_the_collections_in_it() {
        let layout =
            Layout::packed(64, &[(Kind::Bytes, 4), (Kind::Map, 32), (Kind::List, 32), (Kind::Set, 32)]).unwrap();
        let schema = Contents { layouts: BTreeMap::from([([1; 20], layout)]) };
        // Page 0 has slices 0 and 1, page 1 slices 2 and 3; slice 3 is an empty set.
        let page = |index: u32, bytes: Vec<u8>| [index.to_le_bytes().to_vec(), bytes].concat();
        let map = tree(&CollectionId::in_slice(&[1; 20], 1));
        let list = tree(&CollectionId::in_slice(&[1; 20], 2));
        let name = page::tree(&[1; 20]);
        assert_eq!(schema.children(&name, &page(0, [vec![9; 4], vec![7; 32]].concat())), [(map, Hash::new([7; 32]))]);
        assert_eq!(schema.children(&name, &page(1, vec![8; 32])), [(list, Hash::new([8; 32]))]);
        assert_eq!(schema.children(&name, &page(2, vec![8; 32])), []);
    }
}
