//! The sequential store: cells, pages and trees over a key-value store.
//!
//! ```text
//! c | cell key 32              newest bytes or sum (16, LE) of a cell, then 8 bytes of the record's hash
//! e | collection 32 | hash 32  an element of a kept state
//! p | hash 32                  a page of a kept state, without zeros at its end
//! a, r, b | hash 32            an account, a receipt, or something beside them of a kept state ([`super::tops`])
//! ```
//!
//! Slices have no records of their own: they are bytes of pages.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::history::History;
use super::session::Written;
use super::{Changes, Committed, Fault, Past, Session, Source, Stored, commit};
use crate::cell::{CellKey, Class, Error};
use crate::collection::{Grave, sweep};
use crate::hash::{self, Domain, Hash};
use crate::kv::{Batch, KeyValue};
use crate::page::{self, PageCache, PageError, PageSource, Pages};
use crate::slice::{Layout, SliceCache};
use crate::tree::{Forest, Name};

/// Contracts' storage, executed one by one. Committing after each call gives one state per call; committing at the end of a batch, one
/// per batch.
pub struct Storage<K> {
    pub(super) records: Records<K>,
    pub(super) forest: Forest,
    pub(super) slices: SliceCache,
    pub(super) history: History,
}

/// The key-value store, and what its pages mean.
pub(super) struct Records<K> {
    pub(super) kv: K,
    pub(super) layouts: BTreeMap<[u8; 20], Arc<Layout>>,
}

impl<K: KeyValue> Records<K> {
    fn fetch(&self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        let Some(mut record) = self.kv.get(&cell_record(key))? else { return Ok(None) };
        let end = record.len().saturating_sub(CHECK);
        if check(key, &record[..end]) != record[end..] {
            return Err(Fault::Cell { cell: *key, what: "its bytes are not those that were stored" });
        }
        record.truncate(end);
        Ok(Some(record))
    }
}

impl<K: KeyValue> Stored for Records<K> {
    fn cell(&mut self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        self.fetch(key)
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault> {
        let Some(bytes) = self.cell(key)? else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| Fault::Cell { cell: *key, what: "it is no sum" })?;
        Ok(i128::from_le_bytes(bytes))
    }
}

impl<K: KeyValue> Source for Records<K> {
    fn layout(&mut self, account: &[u8; 20]) -> Result<Option<Layout>, Fault> {
        Ok(self.layouts.get(account).map(|layout| Layout::clone(layout)))
    }

    fn page(&mut self, forest: &Forest, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
        Pages::new(&self.kv, forest.now()).load(account, index)
    }
}

/// Where the slices of a run come from.
struct Below<'a, K> {
    records: &'a Records<K>,
    forest: &'a Forest,
}

impl<K: KeyValue> PageSource for Below<'_, K> {
    fn load(&mut self, account: &[u8; 20], index: u32) -> Result<Vec<u8>, PageError> {
        Pages::new(&self.records.kv, self.forest.now()).load(account, index)
    }
}

/// Bytes of a record's hash that stand behind it.
const CHECK: usize = 8;

fn cell_record(key: &CellKey) -> Vec<u8> {
    [b"c", key.0.as_slice()].concat()
}

/// The cell of a record.
fn cell_of(record: &[u8]) -> Option<CellKey> {
    let (kind, key) = record.split_first()?;
    (*kind == b'c').then_some(CellKey(key.try_into().ok()?))
}

fn check(key: &CellKey, value: &[u8]) -> [u8; CHECK] {
    hash::parts(Domain::Record, &[&key.0, value]).prefix()
}

/// Under which key what stands behind a leaf is stored.
pub(super) fn record(name: &Name, hash: &Hash) -> Option<Vec<u8>> {
    match name {
        Name::Pages { .. } => Some(page::page_key(hash)),
        Name::Collection { id, .. } => Some([b"e", id.as_bytes().as_slice(), hash.as_bytes()].concat()),
        Name::Accounts => Some([b"a", hash.as_bytes().as_slice()].concat()),
        Name::Receipts => Some([b"r", hash.as_bytes().as_slice()].concat()),
        Name::Beside => Some([b"b", hash.as_bytes().as_slice()].concat()),
        // Templates are in cells already.
        Name::Codes => None,
    }
}

/// A cell's record, with what it was and what it is now.
type Rewritten = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>);

/// The records of changed cells. Slices have none: they are in pages.
pub(super) fn cell_records<'c>(changes: &'c Changes<'_>) -> impl Iterator<Item = Rewritten> + 'c {
    let bytes = changes.bytes().iter().filter(|change| change.key.class() != Some(Class::Slice)).map(|change| {
        let value = |bytes: Option<&[u8]>| bytes.map(|bytes| [bytes, &check(&change.key, bytes)].concat());
        (cell_record(&change.key), value(change.old), value(change.new))
    });
    let sums = changes.sums().iter().filter(|change| change.key.class() != Some(Class::SliceSum)).map(|change| {
        let value = |sum: i128| {
            let bytes = sum.to_le_bytes();
            (sum != 0).then(|| [bytes.as_slice(), &check(&change.key, &bytes)].concat())
        };
        (cell_record(&change.key), value(change.old), value(change.new))
    });
    bytes.chain(sums)
}

/// How much was freed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Steps taken: elements freed and graves closed.
    pub steps: u64,
    /// No removed collection is left.
    pub done: bool,
}

impl<K: KeyValue> Storage<K> {
    /// An empty store of contracts over an empty key-value store. States of the last `depth` batches are kept.
    pub fn new(kv: K, depth: usize) -> Storage<K> {
        let records = Records { kv, layouts: BTreeMap::new() };
        Storage { records, forest: Forest::new(0, depth), slices: SliceCache::new(), history: History::default() }
    }

    /// Gives an account's slices a layout; must come before they are touched, and when a contract has got another one.
    pub fn set_layout(&mut self, account: [u8; 20], layout: impl Into<Arc<Layout>>) {
        self.records.layouts.insert(account, layout.into());
    }

    /// An account has no slices any more: the batch in which it was made was taken back.
    pub fn forget_layout(&mut self, account: &[u8; 20]) {
        self.records.layouts.remove(account);
    }

    /// The layout of an account's slices.
    #[must_use]
    pub fn layout(&self, account: &[u8; 20]) -> Option<&Arc<Layout>> {
        self.records.layouts.get(account)
    }

    /// All layouts.
    pub fn layouts(&self) -> impl Iterator<Item = (&[u8; 20], &Arc<Layout>)> {
        self.records.layouts.iter()
    }

    /// A cell that is neither a slice nor a sum, without the caches.
    ///
    /// # Errors
    /// When the store does not answer, or the cell is damaged.
    pub fn record_of(&self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        self.records.fetch(key)
    }

    /// A run of calls. Nothing is stored before [`Storage::commit`].
    pub fn session(&mut self) -> Session<'_, Storage<K>> {
        Session::new(self)
    }

    /// Stores what a run has written: states innermost first, then everything in one write.
    pub fn commit(&mut self, written: &Written) -> Result<Committed, Fault> {
        self.apply(&written.changes())
    }

    /// Stores the changes of a batch, or of a part of one.
    pub fn apply(&mut self, changes: &Changes<'_>) -> Result<Committed, Fault> {
        let Storage { records, forest, slices, history } = self;
        let committed = commit(forest, slices, records, changes).inspect_err(|_| slices.discard())?;
        let mut batch = Batch::new();
        for (record, old, new) in cell_records(changes) {
            history.cell(record.clone(), old);
            batch.insert(record, new);
        }
        for content in &committed.contents {
            history.content(content);
            if let Some((hash, bytes)) = &content.new
                && let Some(key) = record(&content.name, hash)
            {
                // A page's record is the page; its index is in the tree that leads to it.
                let value = if matches!(content.name, Name::Pages { .. }) { &bytes[4..] } else { bytes };
                batch.insert(key, Some(value.to_vec()));
            }
        }
        records.kv.write(&batch).inspect_err(|_| slices.discard())?;
        slices.committed();
        Ok(committed)
    }

    /// Ends a batch: its states are kept and can be opened. Forgets what no kept state needs any more.
    pub fn seal(&mut self, batch: u64) -> Result<(), Fault> {
        self.forest.seal(batch)?;
        let gone = self.history.seal(batch, &self.forest);
        self.records.kv.write(&gone)?;
        self.slices.forget();
        Ok(())
    }

    /// Goes back to the state after `batch`. Later batches are gone, and so is what was applied since the last one was sealed.
    /// The cells that are what they were then, slices excepted: layouts may hang on them.
    pub fn rewind(&mut self, batch: u64) -> Result<Vec<CellKey>, Fault> {
        self.forest.rewind(batch)?;
        let back = self.history.rewind(batch, &self.forest);
        self.records.kv.write(&back)?;
        self.slices.discard();
        self.slices.forget();
        Ok(back.keys().filter_map(|record| cell_of(record)).collect())
    }

    /// What is there now is where history begins: the state before the first batch, say.
    ///
    /// # Errors
    /// When the key-value store does not give up what only earlier states need.
    pub fn forget(&mut self) -> Result<(), Fault> {
        self.forest.forget();
        let gone = self.history.seal(self.forest.newest(), &self.forest);
        self.records.kv.write(&gone)?;
        self.slices.forget();
        Ok(())
    }

    /// Frees elements of removed collections, `limit` steps at most. Between batches, at whatever pace: no state and no answer
    /// depends on it.
    pub fn sweep(&mut self, limit: u64) -> Result<Sweep, Fault> {
        let mut all = Sweep::default();
        while all.steps < limit {
            let graves = [b'c', Class::Grave as u8];
            let found = self.records.kv.scan(&graves, 1)?.into_iter().find(|(key, _)| key.starts_with(&graves));
            let Some((key, _)) = found else {
                all.done = true;
                return Ok(all);
            };
            let cell = cell_of(&key).unwrap_or(CellKey([0; 32]));
            let bad = Fault::Cell { cell, what: "it is no grave" };
            let bytes = self.records.cell(&cell)?.ok_or(Fault::Cell { cell, what: "it is no grave" })?;
            let grave = Grave::decode(&bytes).ok_or(bad)?;
            let mut session = self.session();
            let swept = sweep(&mut session, &grave, limit - all.steps).map_err(|error| match error {
                Error::Access(fault) => fault,
                Error::Damaged { cell, what } => Fault::Cell { cell, what },
                Error::Refused(_) => Fault::Cell { cell, what: "its collection refuses to be freed" },
            })?;
            let written = session.finish();
            self.commit(&written)?;
            all.steps += swept.steps + u64::from(swept.done);
        }
        Ok(all)
    }

    /// The trees as they are now.
    #[must_use]
    pub const fn forest(&self) -> &Forest {
        &self.forest
    }

    /// The trees, for accounts and receipts, which are written beside the contracts' storage.
    pub fn forest_mut(&mut self) -> &mut Forest {
        &mut self.forest
    }

    /// The key-value store.
    #[must_use]
    pub const fn kv(&self) -> &K {
        &self.records.kv
    }

    /// The key-value store. What is written past this type must leave its records alone.
    pub fn kv_mut(&mut self) -> &mut K {
        &mut self.records.kv
    }

    /// The pages that are held.
    #[must_use]
    pub const fn pages(&self) -> &PageCache {
        self.slices.pages()
    }

    /// The contract's state: zero until its first write.
    #[must_use]
    pub fn state(&self, account: &[u8; 20]) -> Hash {
        self.forest.root(&page::tree(account))
    }

    /// A kept state of a contract, opened for reading under this layout; none if no kept batch has left this state.
    pub fn open<'a>(&'a self, account: &[u8; 20], state: &Hash, layout: &'a Layout) -> Option<Past<'a, K>> {
        let name = page::tree(account);
        let forest = &self.forest;
        let kept = self.history.batches().chain([forest.oldest()]);
        let views = std::iter::once(forest.now()).chain(kept.filter_map(|batch| forest.at(batch).ok()));
        let view = views.into_iter().find(|view| view.root(&name) == *state)?;
        Some(Past::new(&self.records.kv, view, *account, layout))
    }
}

impl<K: KeyValue> Stored for Storage<K> {
    /// Slices come out of pages, through the cache; all else has a record. An account has none before it has a layout: it may be
    /// made, or get another one, in the very run that asks.
    fn cell(&mut self, key: &CellKey) -> Result<Option<Vec<u8>>, Fault> {
        let Storage { records, forest, slices, .. } = self;
        let Some((account, index)) = key.as_slice() else { return records.cell(key) };
        let Some(layout) = records.layouts.get(&account) else { return Ok(None) };
        let Some(slice) = layout.get(index) else { return Ok(None) };
        let at = (index, slice, layout.page_size());
        Ok(Some(slices.read(&mut Below { records, forest }, &account, at)?))
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault> {
        if key.as_slice().is_none() {
            return self.records.sum(key);
        }
        let Some(bytes) = self.cell(key)? else { return Ok(0) };
        let bytes = bytes.try_into().map_err(|_| Fault::Cell { cell: *key, what: "its slice is no sum" })?;
        Ok(i128::from_le_bytes(bytes))
    }
}
