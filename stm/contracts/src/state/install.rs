//! A state that comes from elsewhere, a checkpoint or another node: trees that verify and the contents behind their leaves.

use super::content::{ElementContent, ElementValue, tree};
use super::history::History;
use super::storage::{cell_records, record};
use super::{Contract, Fault, PastEntry, Session, Storage, Stored, Written, restore};
use crate::cell::CellKey;
use crate::collection::CollectionId;
use crate::hash::Hash;
use crate::kv::{Batch, KeyValue};
use crate::proof::Contents;
use crate::slice::{Layout, SliceCache};
use crate::tree::{Forest, Name, Schema, Whole};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A state from elsewhere.
pub struct Received<'a> {
    /// Its trees. They have the roots that they should have.
    pub forest: Forest,
    /// What stands behind their leaves. What a leaf's hash does not cover is refused.
    pub contents: &'a mut dyn Contents,
}

/// Records that are written at once.
const MANY: usize = 1 << 14;

impl<K: KeyValue> Storage<K> {
    /// Takes a state over, whose own state and history go: contents, and the cells that follow from them. Layouts of accounts and
    /// cells that are no contract's are the caller's to give.
    ///
    /// # Errors
    /// When a content is missing or is not what its leaf says, or the key-value store does not take it.
    pub fn install(
        &mut self,
        received: Received<'_>,
        layouts: BTreeMap<[u8; 20], Arc<Layout>>,
        cells: &Written,
    ) -> Result<(), Fault> {
        let Received { forest, contents } = received;
        self.erase()?;
        self.forest = forest;
        self.records.layouts = layouts;
        let mut batch = Batch::new();
        for name in self.forest.now().names() {
            let leaves: Vec<(Hash, Hash)> = self.forest.now().leaves(&name).collect();
            for (key, value) in leaves {
                let Some(record) = record(&name, &value) else { continue };
                let content = read(contents, &name, &key, &value)?;
                let bytes =
                    if matches!(name, Name::Pages { .. }) { content.get(4..).unwrap_or_default() } else { &content };
                batch.insert(record, Some(bytes.to_vec()));
                if batch.len() >= MANY {
                    self.records.kv.write(&std::mem::take(&mut batch))?;
                }
            }
        }
        self.records.kv.write(&batch)?;
        self.write_cells(cells)?;
        let accounts: Vec<([u8; 20], Arc<Layout>)> =
            self.records.layouts.iter().map(|(account, layout)| (*account, Arc::clone(layout))).collect();
        for (account, layout) in accounts {
            let mut nothing = Nothing;
            let mut session = Session::new(&mut nothing);
            let mut from = Stands { storage: self, account, layout: &layout };
            restore(&mut session, &account, &layout, &mut from)?;
            let written = session.finish();
            self.write_cells(&written)?;
        }
        Ok(())
    }

    fn write_cells(&mut self, cells: &Written) -> Result<(), Fault> {
        let records = cell_records(&cells.changes()).map(|(record, _, new)| (record, new)).collect();
        Ok(self.records.kv.write(&records)?)
    }

    /// Removes all records.
    fn erase(&mut self) -> Result<(), Fault> {
        self.history = History::default();
        self.slices = SliceCache::new();
        loop {
            let some = self.records.kv.scan(&[], MANY)?;
            if some.is_empty() {
                return Ok(());
            }
            self.records.kv.write(&some.into_iter().map(|(key, _)| (key, None)).collect())?;
        }
    }
}

/// A content from elsewhere, if it is what its leaf says.
///
/// # Errors
/// When it is missing or is something else.
pub fn read(contents: &mut dyn Contents, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, Fault> {
    let content = contents.content(name, key, value).map_err(|why| Fault::Received { name: *name, why })?;
    match Whole(super::Contents::default()).leaf(name, &content) == Some((*key, *value)) {
        true => Ok(content),
        false => Err(Fault::Content { name: *name, hash: *value }),
    }
}

/// Below cells that are made anew.
pub(crate) struct Nothing;

impl Stored for Nothing {
    fn cell(&mut self, _: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        Ok(None)
    }

    fn sum(&mut self, _: &CellKey) -> Result<i128, Fault> {
        Ok(0)
    }
}

/// A contract whose contents are stored and whose cells are not yet.
struct Stands<'a, K> {
    storage: &'a Storage<K>,
    account: [u8; 20],
    layout: &'a Layout,
}

impl<K: KeyValue> Contract for Stands<'_, K> {
    fn slice(&mut self, index: u32) -> Result<Option<PastEntry>, Fault> {
        // Slices are no cells of their own: only what hangs on them is made.
        let Some(slice) = self.layout.get(index).filter(|slice| slice.kind.is_collection()) else { return Ok(None) };
        let id = CollectionId::in_slice(&self.account, index);
        Ok(Some(PastEntry::Collection { kind: slice.kind, id, state: self.storage.forest.root(&tree(&id)) }))
    }

    fn elements(&mut self, id: &CollectionId) -> Result<Vec<(Vec<u8>, PastEntry)>, Fault> {
        let name = tree(id);
        let leaves: Vec<(Hash, Hash)> = self.storage.forest.now().leaves(&name).collect();
        let entry = |(key, value): (Hash, Hash)| {
            let content = self.storage.content(&name, &key, &value)?;
            let damaged = || Fault::Element { name, hash: value };
            let element = ElementContent::decode(&content).ok_or_else(damaged)?;
            let entry = match element.value {
                ElementValue::Bytes(bytes) => PastEntry::Bytes(bytes.to_vec()),
                ElementValue::Sum(sum) => PastEntry::Sum(sum),
                ElementValue::Collection { kind, name, state } => {
                    PastEntry::Collection { kind, id: CollectionId { account: self.account, name }, state }
                }
            };
            Ok((element.key.to_vec(), entry))
        };
        leaves.into_iter().map(entry).collect()
    }
}
