//! `TxMap`: one conflict unit per key, ordered iteration without phantoms.
//!
//! Keys are found in an index that is constant within a block (no lock) plus a small one for keys first seen in this
//! block (a read-write lock). The index may hold keys without a value: asking for an absent key makes its cell, so a
//! negative read is an ordinary read. Which keys *exist* is decided by the cells alone.
//!
//! **Phantoms.** An iteration records the key range it covered and the cells it looked at. At commit the range is
//! walked again: a cell that the run did not look at must be absent. By then all lower transactions have committed, so
//! all their keys are in the index. Insertions thus conflict with iterations that cover them, and with nothing else.

use crate::arena::Arena;
use crate::chain::Cell;
use crate::error::{Revert, Stop, TxResult};
use crate::read_set::View;
use crate::store::{Part, Store};
use crate::tx::{Mode, RangeCheck, Tx};
use crate::value::Value;
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, PoisonError, RwLock};

/// What a map may be keyed by.
pub trait Key: Ord + Clone + Debug + Send + Sync + 'static {}
impl<K: Ord + Clone + Debug + Send + Sync + 'static> Key for K {}

/// Key to cell.
pub(crate) struct MapIndex<K> {
    known: BTreeMap<K, u32>,
    fresh: RwLock<BTreeMap<K, u32>>,
    column: u32,
    me: u32,
    /// Size at which the index is searched for keys without a value.
    sweep_at: usize,
}

impl<K: Key> MapIndex<K> {
    pub(crate) fn new(column: u32, me: u32) -> Self {
        MapIndex { known: BTreeMap::new(), fresh: RwLock::new(BTreeMap::new()), column, me, sweep_at: 64 }
    }

    fn cell(&self, store: &Store, key: &K) -> TxResult<u32> {
        if let Some(&id) = self.known.get(key) {
            return Ok(id);
        }
        if let Some(&id) = self.fresh.read().unwrap_or_else(PoisonError::into_inner).get(key) {
            return Ok(id);
        }
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = fresh.get(key) {
            return Ok(id);
        }
        let Some(id) = store.new_cell(self.column, self.me) else {
            return Err(Stop::revert(
                Revert::LIMIT,
                format!("no room for another key: at most {} cells", crate::store::MAX_CELLS),
            ));
        };
        fresh.insert(key.clone(), id);
        Ok(id)
    }

    /// Keys and cells of a range in order, up to `limit` of them.
    fn candidates(&self, range: &(Bound<K>, Bound<K>)) -> Vec<(K, u32)> {
        if empty(range) {
            return Vec::new();
        }
        let range = (range.0.as_ref(), range.1.as_ref());
        let mut all: Vec<(K, u32)> = self.known.range::<K, _>(range).map(|(k, &c)| (k.clone(), c)).collect();
        let fresh = self.fresh.read().unwrap_or_else(PoisonError::into_inner);
        let before = all.len();
        all.extend(fresh.range::<K, _>(range).map(|(k, &c)| (k.clone(), c)));
        drop(fresh);
        if all.len() > before {
            all.sort_by(|a, b| a.0.cmp(&b.0));
        }
        all
    }

    pub(crate) fn seed(&mut self, key: K, cell: u32) {
        self.known.insert(key, cell);
    }
}

/// Ranges that `BTreeMap::range` would panic on hold nothing.
fn empty<K: Ord>(range: &(Bound<K>, Bound<K>)) -> bool {
    match (&range.0, &range.1) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) | (Bound::Excluded(a), Bound::Included(b)) => {
            a >= b
        }
        _ => false,
    }
}

impl<K: Key> Part for MapIndex<K> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn settle_keys(&mut self, cells: &Arena<Cell>, freed: &mut Vec<u32>) {
        let fresh = self.fresh.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (key, id) in std::mem::take(fresh) {
            if cells.get(id).present() {
                self.known.insert(key, id);
            } else {
                freed.push(id);
            }
        }
        // Removed keys are swept when the index has doubled: constant cost per insertion.
        if self.known.len() >= self.sweep_at {
            self.known.retain(|_, &mut id| {
                let keep = cells.get(id).present();
                if !keep {
                    freed.push(id);
                }
                keep
            });
            self.sweep_at = (self.known.len() * 2).max(64);
        }
    }
    fn label(&self, cell: u32) -> Option<String> {
        self.known.iter().find(|&(_, &c)| c == cell).map(|(k, _)| format!("{k:?}"))
    }
}

/// An ordered map in which every key is a conflict unit of its own.
///
/// ```
/// # use replicode_stm::{Stm, TxMap};
/// let mut stm = Stm::builder().threads(2).build()?;
/// let stock: TxMap<String, u32> = stm.map();
/// let orders = [("apple", 3), ("pear", 2), ("apple", 1)];
/// stm.execute(&orders, |tx, (what, n)| {
///     let have = stock.get(tx, &what.to_string())?.unwrap_or(0);
///     stock.insert(tx, what.to_string(), have + n)
/// })?;
/// let all = stm.run(|tx| stock.range(tx, ..))?.committed();
/// assert_eq!(all, Some(vec![("apple".to_string(), 4), ("pear".to_string(), 2)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxMap<K, V> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) of: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for TxMap<K, V> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K, V> Copy for TxMap<K, V> {}

/// A range that was iterated: nothing else may exist in it.
struct Scan<K> {
    part: u32,
    range: (Bound<K>, Bound<K>),
    seen: Vec<u32>,
}

impl<K: Key> RangeCheck for Scan<K> {
    fn holds(&self, view: &View<'_>, txn: u32) -> bool {
        let Some(index) = view.store.part::<MapIndex<K>>(self.part) else { return false };
        // Cells that were looked at have observations of their own.
        index.candidates(&self.range).iter().all(|(_, c)| self.seen.binary_search(c).is_ok() || !view.exists(*c, txn))
    }
}

impl<K: Key, V: Value> TxMap<K, V> {
    #[inline]
    fn cell(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<u32> {
        tx.charge(self.engine)?;
        tx.admit_key(key)?;
        let store: &Store = match &tx.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        };
        match store.part::<MapIndex<K>>(self.part) {
            Some(index) => index.cell(store, key),
            None => Err(Stop::misuse("a map has lost its index")),
        }
    }

    /// The value at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn get(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<Option<V>> {
        let id = self.cell(tx, key)?;
        match &mut tx.mode {
            Mode::Direct(d) => d.read::<V>(id),
            Mode::Spec(s) => s.read::<V>(id),
        }
    }

    /// Whether there is a value at `key`. Weaker than [`TxMap::get`]: does not conflict with a change of the value.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn contains_key(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<bool> {
        let id = self.cell(tx, key)?;
        match &mut tx.mode {
            Mode::Direct(d) => Ok(d.exists(id)),
            Mode::Spec(s) => s.exists(id),
        }
    }

    /// Puts a value at `key`, without looking at what was there.
    ///
    /// # Errors
    /// A stop to be passed on; a revert with [`Revert::LIMIT`] when the engine is out of cells.
    #[inline]
    pub fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> TxResult<()> {
        let id = self.cell(tx, &key)?;
        tx.admit(&value)?;
        match &mut tx.mode {
            Mode::Direct(d) => d.write(id, value),
            Mode::Spec(s) => s.write(id, value)?,
        }
        Ok(())
    }

    /// Removes the value at `key`, without looking.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn remove(&self, tx: &mut Tx<'_>, key: &K) -> TxResult<()> {
        let id = self.cell(tx, key)?;
        match &mut tx.mode {
            Mode::Direct(d) => d.remove::<V>(id),
            Mode::Spec(s) => s.remove(id),
        }
        Ok(())
    }

    /// All entries of a key range in order.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn range(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Vec<(K, V)>> {
        self.scan(tx, (range.start_bound().cloned(), range.end_bound().cloned()), usize::MAX)
    }

    /// The first entry at or after the start of a range: reads no further than needed.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn first_in(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Option<(K, V)>> {
        let found = self.scan(tx, (range.start_bound().cloned(), range.end_bound().cloned()), 1)?;
        Ok(found.into_iter().next())
    }

    fn scan(&self, tx: &mut Tx<'_>, range: (Bound<K>, Bound<K>), limit: usize) -> TxResult<Vec<(K, V)>> {
        tx.charge(self.engine)?;
        let store: &Store = match &tx.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        };
        let Some(index) = store.part::<MapIndex<K>>(self.part) else {
            return Err(Stop::misuse("a map has lost its index"));
        };
        let candidates = index.candidates(&range);
        let (mut out, mut seen, mut end) = (Vec::new(), Vec::new(), range.1);
        for (key, id) in candidates {
            let value = match &mut tx.mode {
                Mode::Direct(d) => d.read::<V>(id)?,
                Mode::Spec(s) => s.read::<V>(id)?,
            };
            seen.push(id);
            if let Some(v) = value {
                // Only entries count: which absent keys the index happens to hold depends on scheduling.
                tx.charge(self.engine)?;
                out.push((key.clone(), v));
                if out.len() == limit {
                    end = Bound::Included(key);
                    break;
                }
            }
        }
        if let Mode::Spec(s) = &mut tx.mode {
            seen.sort_unstable();
            s.observe_range(Arc::new(Scan { part: self.part, range: (range.0, end), seen }));
        }
        Ok(out)
    }
}
