//! `TxMap`: one conflict unit per key, ordered iteration without phantoms.
//!
//! Keys are found in an index that is constant within a block (no lock) plus a small one for keys first seen in this
//! block (a read-write lock). The index may hold keys without a value: asking for an absent key makes its cell, so a
//! negative read is an ordinary read. Which keys *exist* is decided by the cells alone.
//!
//! **Phantoms.** An iteration records the key range it covered and the cells it looked at. At commit the range is
//! walked again: a cell that the run did not look at must be absent. By then all lower transactions have committed, so
//! all their keys are in the index. Insertions thus conflict with iterations that cover them, and with nothing else.

mod cursor;
mod walk;

pub use self::cursor::{Cursor, Direction};
use self::walk::{AtPresence, AtValue, Look, Scan, Scanning, Walk, empty, visit_all};
use crate::arena::Arena;
use crate::chain::Unit;
use crate::error::{Stop, TxResult};
use crate::store::{Part, Store};
use crate::tx::{Mode, Tx};
use crate::value::Value;
use std::any::Any;
use std::borrow::Borrow;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

/// What a map may be keyed by.
pub trait Key: Ord + Clone + Debug + Send + Sync + 'static {}
impl<K: Ord + Clone + Debug + Send + Sync + 'static> Key for K {}

/// A borrowed form of a key, `str` for `String` say: ordered like the key, and a key can be made of it.
pub trait KeyRef<K>: Ord + ToOwned<Owned = K> {}
impl<K, Q: Ord + ToOwned<Owned = K> + ?Sized> KeyRef<K> for Q {}

/// A range of keys, owned.
pub(crate) type Span<K> = (Bound<K>, Bound<K>);

/// Marks a handle as one for these very types: neither their sub- nor their supertypes will do.
type Exactly<K, V> = PhantomData<fn(K, V) -> (K, V)>;

/// Most keys of the running block that a walk fetches at a time.
const FETCH: usize = 64;

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

    fn fresh(&self) -> RwLockReadGuard<'_, BTreeMap<K, u32>> {
        self.fresh.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The cell of `key`, made if there is none.
    fn make(&self, store: &Store, key: K) -> TxResult<u32> {
        let mut fresh = self.fresh.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = fresh.get(&key) {
            return Ok(id);
        }
        let id = store.new_cell_tx(self.column, self.me)?;
        fresh.insert(key, id);
        Ok(id)
    }

    /// Keys and cells of a range, in order or backwards. Fetches them as it goes.
    fn walk<'i>(&'i self, span: &'i Span<K>, back: bool) -> Walk<'i, K> {
        let known = if empty(span) { None } else { Some(self.known.range((span.0.as_ref(), span.1.as_ref()))) };
        let mut walk =
            Walk { index: self, span, back, known, next: None, ahead: VecDeque::new(), after: None, fetch: 1 };
        walk.step();
        if walk.known.is_some() {
            walk.look_ahead();
        }
        walk
    }

    pub(crate) fn seed(&mut self, key: K, cell: u32) {
        self.known.insert(key, cell);
    }
}

impl<K: Key> Part for MapIndex<K> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn settle_keys(&mut self, cells: &Arena<Unit>, freed: &mut Vec<u32>) {
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
    fn label(&self, cell: u32, _: &Unit) -> Option<String> {
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
///     let have = stock.get(tx, *what)?.unwrap_or(0); // by `&str`
///     stock.set(tx, what.to_string(), have + n)
/// })?;
/// let all = stm.run(|tx| stock.range(tx, ..))?.committed();
/// assert_eq!(all, Some(vec![("apple".to_string(), 4), ("pear".to_string(), 2)]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Looking at what was there makes a transaction depend on it: [`TxMap::insert`] and [`TxMap::remove`] give the old value
/// and so conflict with lower changes of the key; [`TxMap::set`] and [`TxMap::unset`] do the same blindly, and never do.
///
/// A handle is for keys and values of exactly its types (so are the handles of vectors and bags):
///
/// ```compile_fail
/// # use replicode_stm::{Stm, TxMap};
/// let mut stm = Stm::builder().threads(1).build()?;
/// let any: TxMap<u8, for<'a> fn(&'a u8) -> u32> = stm.map();
/// let one: TxMap<u8, fn(&'static u8) -> u32> = any;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TxMap<K, V> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) of: Exactly<K, V>,
}

impl<K: Key, V: Value> TxMap<K, V> {
    fn index<'t>(&self, tx: &'t Tx<'_>) -> TxResult<(&'t MapIndex<K>, &'t Store)> {
        let store: &Store = match &tx.mode {
            Mode::Direct(d) => d.store,
            Mode::Spec(s) => s.shared.store,
        };
        match store.part::<MapIndex<K>>(self.part) {
            Some(index) => Ok((index, store)),
            None => Err(Stop::broken("a map has lost its index")),
        }
    }

    /// The cell of a key that is only borrowed, made if there is none.
    #[inline]
    fn cell<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> TxResult<u32>
    where
        K: Borrow<Q>,
        Q: KeyRef<K> + ?Sized,
    {
        tx.charge(self.engine)?;
        let (index, store) = self.index(tx)?;
        if let Some((known, &id)) = index.known.get_key_value(key) {
            tx.admit_key(known)?;
            return Ok(id);
        }
        if let Some((fresh, &id)) = index.fresh().get_key_value(key) {
            tx.admit_key(fresh)?;
            return Ok(id);
        }
        let key = key.to_owned();
        tx.admit_key(&key)?;
        index.make(store, key)
    }

    /// The cell of a key that may be kept.
    #[inline]
    fn cell_of(&self, tx: &mut Tx<'_>, key: K) -> TxResult<u32> {
        tx.charge(self.engine)?;
        tx.admit_key(&key)?;
        let (index, store) = self.index(tx)?;
        if let Some(&id) = index.known.get(&key) {
            return Ok(id);
        }
        if let Some(&id) = index.fresh().get(&key) {
            return Ok(id);
        }
        index.make(store, key)
    }

    #[inline(always)]
    fn read(tx: &mut Tx<'_>, id: u32) -> TxResult<Option<V>> {
        match &mut tx.mode {
            Mode::Direct(d) => d.read::<V>(id),
            Mode::Spec(s) => s.read::<V>(id),
        }
    }

    #[inline(always)]
    fn write(tx: &mut Tx<'_>, id: u32, value: V) -> TxResult<()> {
        match &mut tx.mode {
            Mode::Direct(d) => {
                d.write(id, value);
                Ok(())
            }
            Mode::Spec(s) => s.write(id, value),
        }
    }

    fn erase(tx: &mut Tx<'_>, id: u32) {
        match &mut tx.mode {
            Mode::Direct(d) => d.remove::<V>(id),
            Mode::Spec(s) => s.remove(id),
        }
    }

    /// The value at `key`.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn get<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> TxResult<Option<V>>
    where
        K: Borrow<Q>,
        Q: KeyRef<K> + ?Sized,
    {
        let id = self.cell(tx, key)?;
        Self::read(tx, id)
    }

    /// Whether there is a value at `key`. Weaker than [`TxMap::get`]: does not conflict with a change of the value.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn contains_key<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> TxResult<bool>
    where
        K: Borrow<Q>,
        Q: KeyRef<K> + ?Sized,
    {
        let id = self.cell(tx, key)?;
        match &mut tx.mode {
            Mode::Direct(d) => Ok(d.exists(id)),
            Mode::Spec(s) => s.exists(id),
        }
    }

    /// Puts a value at `key`; returns what was there. Whoever does not want to know should use [`TxMap::set`].
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn insert(&self, tx: &mut Tx<'_>, key: K, value: V) -> TxResult<Option<V>> {
        let id = self.cell_of(tx, key)?;
        tx.admit(&value)?;
        let old = Self::read(tx, id)?;
        Self::write(tx, id, value)?;
        Ok(old)
    }

    /// Puts a value at `key`, without looking at what was there: never conflicts by itself.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn set(&self, tx: &mut Tx<'_>, key: K, value: V) -> TxResult<()> {
        let id = self.cell_of(tx, key)?;
        tx.admit(&value)?;
        Self::write(tx, id, value)
    }

    /// Replaces the value at `key` (`None`: there is none) by what `f` makes of it; returns the new value.
    ///
    /// # Errors
    /// A stop to be passed on.
    #[inline]
    pub fn update(&self, tx: &mut Tx<'_>, key: K, f: impl FnOnce(Option<V>) -> V) -> TxResult<V> {
        let id = self.cell_of(tx, key)?;
        let new = f(Self::read(tx, id)?);
        tx.admit(&new)?;
        Self::write(tx, id, new.clone())?;
        Ok(new)
    }

    /// Removes the value at `key` and returns it. Whoever does not want to know should use [`TxMap::unset`].
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn remove<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> TxResult<Option<V>>
    where
        K: Borrow<Q>,
        Q: KeyRef<K> + ?Sized,
    {
        let id = self.cell(tx, key)?;
        let old = Self::read(tx, id)?;
        if old.is_some() {
            Self::erase(tx, id);
        }
        Ok(old)
    }

    /// Removes the value at `key`, without looking: never conflicts by itself.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn unset<Q>(&self, tx: &mut Tx<'_>, key: &Q) -> TxResult<()>
    where
        K: Borrow<Q>,
        Q: KeyRef<K> + ?Sized,
    {
        let id = self.cell(tx, key)?;
        Self::erase(tx, id);
        Ok(())
    }

    /// All entries of a key range in order.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn range(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Vec<(K, V)>> {
        self.entries(tx, range, false, usize::MAX)
    }

    /// All entries of a key range, last one first.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn range_back(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Vec<(K, V)>> {
        self.entries(tx, range, true, usize::MAX)
    }

    /// The first entry of a range. Reads up to its key and no further: changes beyond it do not matter.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn first_in(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Option<(K, V)>> {
        Ok(self.entries(tx, range, false, 1)?.pop())
    }

    /// The last entry of a range. Reads down to its key and no further: changes before it do not matter.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn last_in(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>) -> TxResult<Option<(K, V)>> {
        Ok(self.entries(tx, range, true, 1)?.pop())
    }

    /// The entry with the least key.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn first(&self, tx: &mut Tx<'_>) -> TxResult<Option<(K, V)>> {
        self.first_in(tx, ..)
    }

    /// The entry with the greatest key.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn last(&self, tx: &mut Tx<'_>) -> TxResult<Option<(K, V)>> {
        self.last_in(tx, ..)
    }

    /// Number of entries. Counts them, each as a read of whether it is there: conflicts with lower insertions and removals,
    /// not with changes of values. Where it is needed often, keep a [`crate::TxCounter`] beside the map.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn len(&self, tx: &mut Tx<'_>) -> TxResult<u64> {
        let mut n = 0;
        self.scan::<AtPresence>(tx, (Bound::Unbounded, Bound::Unbounded), false, &mut |_, ()| {
            n += 1;
            true
        })?;
        Ok(n)
    }

    /// Whether there are no entries. Looks no further than the first.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn is_empty(&self, tx: &mut Tx<'_>) -> TxResult<bool> {
        let mut none = true;
        self.scan::<AtPresence>(tx, (Bound::Unbounded, Bound::Unbounded), false, &mut |_, ()| {
            none = false;
            false
        })?;
        Ok(none)
    }

    fn entries(&self, tx: &mut Tx<'_>, range: impl RangeBounds<K>, back: bool, limit: usize) -> TxResult<Vec<(K, V)>> {
        let mut out = Vec::new();
        let span = (range.start_bound().cloned(), range.end_bound().cloned());
        self.scan::<AtValue<V>>(tx, span, back, &mut |key, value| {
            out.push((key.clone(), value));
            out.len() < limit
        })?;
        Ok(out)
    }

    fn scan<L: Look>(
        &self,
        tx: &mut Tx<'_>,
        span: Span<K>,
        back: bool,
        visit: &mut dyn FnMut(&K, L::Found) -> bool,
    ) -> TxResult<()> {
        tx.charge(self.engine)?;
        let (mode, left) = tx.parts();
        match mode {
            Mode::Direct(d) => {
                let d = &*d;
                let Some(index) = d.store.part::<MapIndex<K>>(self.part) else {
                    return Err(Stop::broken("a map has lost its index"));
                };
                visit_all(index.walk(&span, back), left, |cell| L::direct(d, cell), visit)?;
            }
            Mode::Spec(spec) => {
                let Some(index) = spec.shared.store.part::<MapIndex<K>>(self.part) else {
                    return Err(Stop::broken("a map has lost its index"));
                };
                // The walk needs the range as it was asked for, the observation gets its own.
                let scan = Scan { part: self.part, span: span.clone(), back, seen: Vec::new() };
                let mut scanning = Scanning { spec, scan: Some(scan) };
                let Scanning { spec, scan } = &mut scanning;
                let look = |cell| {
                    if let Some(scan) = scan.as_mut() {
                        scan.seen.push(cell);
                    }
                    L::spec(spec, cell)
                };
                let stopped = visit_all(index.walk(&span, back), left, look, visit)?;
                if let (Some(key), Some(scan)) = (stopped, &mut scanning.scan) {
                    let end = if back { &mut scan.span.0 } else { &mut scan.span.1 };
                    *end = Bound::Included(key);
                }
            }
        }
        Ok(())
    }
}
