//! What stands behind the leaves, for proofs and snapshots; and kept states, opened.

use crate::cell::CellKey;
use crate::collection::CollectionId;
use crate::hash::Hash;
use crate::kv::KeyValue;
use crate::proof::{Contents, Question};
use crate::run::cells;
use crate::slice::Layout;
use crate::state::{self, Contract, Elements, Fault, Past, PastEntry, Session, Shared, Storage, Stored};
use crate::tree::{Name, Whole};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Contents of kept states.
pub(super) struct Behind<'a, K>(pub(super) &'a Storage<K>);

/// Cells that are no slices.
struct Cells<'a, K>(&'a Storage<K>);

impl<K: KeyValue> Stored for Cells<'_, K> {
    fn cell(&mut self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        self.0.record_of(key)
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault> {
        Err(Fault::Cell { cell: *key, what: "no sums are read here" })
    }
}

impl<K: KeyValue> Contents for Behind<'_, K> {
    fn content(&mut self, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, String> {
        if *name != Name::Codes {
            return self.0.content(name, key, value).map_err(|fault| fault.to_string());
        }
        let mut cells = Cells(self.0);
        let code = cells::template(&mut Session::new(&mut cells), value).map_err(|fault| fault.to_string())?;
        code.ok_or_else(|| format!("there is no template {value}"))
    }
}

/// What the contents mean, by the layouts that accounts have.
pub(super) fn schema<K: KeyValue>(storage: &Storage<K>) -> Whole<state::Contents> {
    let layouts = storage.layouts().map(|(account, layout)| (*account, Layout::clone(layout)));
    Whole(state::Contents { layouts: layouts.collect() })
}

/// The same as far as a question needs it.
pub(super) fn schema_of<K: KeyValue>(storage: &Storage<K>, question: &Question) -> Whole<state::Contents> {
    let mut layouts = BTreeMap::new();
    if let Question::Element { address, .. } = question
        && let Some(layout) = storage.layout(address)
    {
        layouts.insert(*address, Layout::clone(layout));
    }
    Whole(state::Contents { layouts })
}

/// A kept state of a contract.
pub(super) struct Opened<'a, K> {
    shared: &'a Shared<K>,
    account: [u8; 20],
    state: Hash,
    layout: Arc<Layout>,
}

impl<'a, K: KeyValue> Opened<'a, K> {
    pub(super) fn of(shared: &'a Shared<K>, account: [u8; 20], state: Hash) -> Result<Option<Self>, Fault> {
        shared
            .with(|storage| {
                let layout = Arc::clone(storage.layout(&account)?);
                storage.open(&account, &state, &layout)?;
                Some(layout)
            })
            .map(|layout| layout.map(|layout| Opened { shared, account, state, layout }))
    }

    fn past<T>(&self, f: impl FnOnce(Past<'_, K>) -> Result<T, Fault>) -> Result<T, Fault> {
        self.shared.with(|storage| match storage.open(&self.account, &self.state, &self.layout) {
            Some(past) => f(past),
            None => Err(Fault::Content { name: Name::Pages { account: self.account }, hash: self.state }),
        })?
    }
}

impl<K: KeyValue> Contract for Opened<'_, K> {
    fn slice(&mut self, index: u32) -> Result<Option<PastEntry>, Fault> {
        self.past(|past| past.slice(index))
    }

    fn elements(&mut self, id: &CollectionId) -> Result<Vec<(Vec<u8>, PastEntry)>, Fault> {
        self.past(|past| past.elements(id))
    }

    fn some_elements(&mut self, id: &CollectionId, after: Option<&[u8]>, limit: usize) -> Result<Elements, Fault> {
        self.past(|past| past.some_elements(id, after, limit))
    }
}
