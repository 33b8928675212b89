//! The trees above contracts' storage, accounts and receipts, and what an embedder keeps beside them; and the contents of all
//! trees, read back for proofs and for whoever sends them.

use std::collections::BTreeMap;

use super::storage::record;
use super::{Content, Fault, Storage};
use crate::hash::Hash;
use crate::kv::{Batch, KeyValue};
use crate::page;
use crate::tree::{Name, Schema, View, Whole};

impl<K: KeyValue> Storage<K> {
    /// Changes contents of a tree that is not a contract's. Those that do not change a leaf are left out of the answer; so are
    /// contents that this tree does not take.
    ///
    /// # Errors
    /// When the trees or the key-value store do not take them.
    pub fn put(&mut self, name: Name, contents: BTreeMap<Hash, Option<Vec<u8>>>) -> Result<Vec<Content>, Fault> {
        let schema = Whole(super::Contents::default());
        let mut changed = Vec::with_capacity(contents.len());
        for (key, content) in contents {
            let new = match content {
                Some(content) => match schema.leaf(&name, &content).filter(|(place, _)| *place == key) {
                    Some((_, value)) => Some((value, content)),
                    None => continue,
                },
                None => None,
            };
            let old = self.forest.get(&name, &key);
            if old != new.as_ref().map(|(value, _)| *value) {
                changed.push(Content { name, key, old, new });
            }
        }
        let leaves: Vec<_> =
            changed.iter().map(|content| (content.key, content.new.as_ref().map(|(value, _)| *value))).collect();
        self.forest.update(name, &leaves)?;
        self.keep(&changed)?;
        Ok(changed)
    }

    /// As [`Storage::put`] into the tree emptied before.
    ///
    /// # Errors
    /// As [`Storage::put`].
    pub fn replace(&mut self, name: Name, contents: BTreeMap<Hash, Option<Vec<u8>>>) -> Result<Vec<Content>, Fault> {
        let before = self.forest.now().leaves(&name);
        let gone: Vec<Content> =
            before.map(|(key, value)| Content { name, key, old: Some(value), new: None }).collect();
        self.forest.clear(name);
        self.keep(&gone)?;
        self.put(name, contents)
    }

    /// Stores what stands behind leaves that have changed.
    fn keep(&mut self, changed: &[Content]) -> Result<(), Fault> {
        let mut batch = Batch::new();
        for content in changed {
            self.history.content(content);
            if let Some((value, bytes)) = &content.new
                && let Some(record) = record(&content.name, value)
            {
                batch.insert(record, Some(bytes.clone()));
            }
        }
        Ok(self.records.kv.write(&batch)?)
    }

    /// The content behind a leaf of a kept state, verified. Those of [`Name::Codes`] are cells, and not found here.
    ///
    /// # Errors
    /// When it is not there or is not what its hash says.
    pub fn content(&self, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, Fault> {
        let damaged = || Fault::Content { name: *name, hash: *value };
        let stored = self.records.kv.get(&record(name, value).ok_or_else(damaged)?)?.ok_or_else(damaged)?;
        let content = match name {
            // A page's record is the page alone; which one it is says its place.
            Name::Pages { account } => {
                let pages = self.records.layouts.get(account).map_or(0, |layout| layout.pages());
                let index = (0..pages).find(|index| page::place(*index) == *key).ok_or_else(damaged)?;
                [&index.to_le_bytes(), stored.as_slice()].concat()
            }
            _ => stored,
        };
        match Whole(super::Contents::default()).leaf(name, &content) == Some((*key, *value)) {
            true => Ok(content),
            false => Err(damaged()),
        }
    }

    /// The trees as of a kept batch, or as they are now.
    ///
    /// # Errors
    /// When that state is not kept.
    pub fn at(&self, batch: Option<u64>) -> Result<View<'_>, Fault> {
        Ok(match batch {
            Some(batch) => self.forest.at(batch)?,
            None => self.forest.now(),
        })
    }
}
