//! A kept state of a contract, opened for reading: everything is found from the state through the trees and verified on the way.

use super::content::{ElementContent, ElementValue, tree};
use super::storage::record;
use super::{Contract, Elements, Fault};
use crate::collection::CollectionId;
use crate::hash::{self, Hash};
use crate::kv::KeyValue;
use crate::page::Pages;
use crate::slice::{Kind, Layout, Slice};
use crate::tree::View;

/// One contract as of one state.
pub struct Past<'a, K> {
    kv: &'a K,
    view: View<'a>,
    account: [u8; 20],
    layout: &'a Layout,
}

/// What stands in a slice or an element of a kept state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PastEntry {
    /// A value.
    Bytes(Vec<u8>),
    /// A counter.
    Sum(i128),
    /// A collection: kind, name, and its state.
    Collection {
        /// Its kind.
        kind: Kind,
        /// Its name.
        id: CollectionId,
        /// Its state then.
        state: Hash,
    },
}

impl<K: KeyValue> Contract for Past<'_, K> {
    fn slice(&mut self, index: u32) -> Result<Option<PastEntry>, Fault> {
        Past::slice(self, index)
    }

    fn elements(&mut self, id: &CollectionId) -> Result<Vec<(Vec<u8>, PastEntry)>, Fault> {
        Past::elements(self, id)
    }

    fn some_elements(&mut self, id: &CollectionId, after: Option<&[u8]>, limit: usize) -> Result<Elements, Fault> {
        Past::some_elements(self, id, after, limit)
    }
}

impl<'a, K: KeyValue> Past<'a, K> {
    pub(super) const fn new(kv: &'a K, view: View<'a>, account: [u8; 20], layout: &'a Layout) -> Past<'a, K> {
        Past { kv, view, account, layout }
    }

    /// What stands in a slice; none if there is no such slice.
    pub fn slice(&self, index: u32) -> Result<Option<PastEntry>, Fault> {
        let Some(Slice { page, offset, length, kind }) = self.layout.get(index).copied() else { return Ok(None) };
        let content = Pages::new(self.kv, self.view).load(&self.account, page)?;
        let mut bytes: Vec<u8> = content.iter().skip(offset as usize).take(length as usize).copied().collect();
        bytes.resize(length as usize, 0);
        Ok(Some(match kind {
            Kind::Bytes => PastEntry::Bytes(bytes),
            Kind::Counter => PastEntry::Sum(i128::from_le_bytes(bytes.try_into().unwrap_or_default())),
            Kind::List | Kind::Map | Kind::Set | Kind::SortedSet => {
                let state = Hash::new(bytes.try_into().unwrap_or_default());
                PastEntry::Collection { kind, id: CollectionId::in_slice(&self.account, index), state }
            }
        }))
    }

    /// The element of a collection under `key`; of a list, under its position as 8 bytes, little-endian.
    pub fn element(&self, id: &CollectionId, key: &[u8]) -> Result<Option<PastEntry>, Fault> {
        match self.view.get(&tree(id), &hash::key(key)) {
            Some(hash) => Ok(Some(self.entry(id, &hash)?.1)),
            None => Ok(None),
        }
    }

    /// All elements of a collection with their keys, in the order of the keys' hashes.
    pub fn elements(&self, id: &CollectionId) -> Result<Vec<(Vec<u8>, PastEntry)>, Fault> {
        self.view.leaves(&tree(id)).map(|(_, hash)| self.entry(id, &hash)).collect()
    }

    /// Elements behind the one with a key, in the same order, at most `limit` of them.
    pub fn some_elements(&self, id: &CollectionId, after: Option<&[u8]>, limit: usize) -> Result<Elements, Fault> {
        let name = tree(id);
        let leaves = match after {
            Some(key) => self.view.leaves_behind(&name, &hash::key(key)),
            None => self.view.leaves(&name),
        };
        leaves.take(limit).map(|(_, hash)| self.entry(id, &hash)).collect()
    }

    fn entry(&self, id: &CollectionId, hash: &Hash) -> Result<(Vec<u8>, PastEntry), Fault> {
        let name = tree(id);
        let damaged = || Fault::Element { name, hash: *hash };
        let bytes = self.kv.get(&record(&name, hash).ok_or_else(damaged)?)?.ok_or_else(damaged)?;
        if ElementContent::leaf(&bytes) != *hash {
            return Err(damaged());
        }
        let element = ElementContent::decode(&bytes).ok_or_else(damaged)?;
        let entry = match element.value {
            ElementValue::Bytes(value) => PastEntry::Bytes(value.to_vec()),
            ElementValue::Sum(sum) => PastEntry::Sum(sum),
            ElementValue::Collection { kind, name, state } => {
                PastEntry::Collection { kind, id: CollectionId { account: id.account, name }, state }
            }
        };
        Ok((element.key.to_vec(), entry))
    }
}
