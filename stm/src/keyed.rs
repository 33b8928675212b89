//! What byte-keyed memories and keyed counters have in common: keys, resident values, what has changed, what may go.
//!
//! A key is hashed once and found in a table that is constant within a block (no lock), or in one of a few small ones for
//! keys first named in this block (a read-write lock each). Its **place** holds key and committed value side by side; its
//! **cell** is the conflict unit, and names the place. A cell is made when a key is first named: that is when the base is
//! asked, under the lock of the key's shard, so once.
//!
//! ```text
//!               known --+            Place: key, cell, value, dirty        Unit: chain, base = place
//!  hash(key) ->         +-> place -> ...                              -->  ...
//!        fresh[shard] --+
//! ```
//!
//! A place whose value was written since the changes were last forgotten is *dirty*: its old value is kept, and it stays.
//! Clean places may be evicted between blocks, if there is a base that knows their values.

use crate::arena::Arena;
use crate::base::BaseError;
use crate::chain::{Kind, Rec, Unit};
use crate::error::{Stop, TxResult, panic_fault};
use crate::store::{Part, Store};
use crate::sync::{Mutex, Relaxed, RwLock, lock};
use crate::table::{Table, hash};
use crate::vault::{Spare, Vault};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{OnceLock, PoisonError};

/// Tables for the keys of the running block.
const SHARDS: usize = 16;
/// Bytes that a resident key takes besides its place: cell and table entry.
const PER_KEY: usize = 64 + 8;
/// Instead of a number among the dirty ones: this place has been given up, and is released before the next block.
const GONE: u32 = u32::MAX;

/// A value of a keyed container.
pub(crate) trait Held: PartialEq + Send + Sync + Sized + 'static {
    /// Bytes outside the place.
    fn weight(&self) -> usize;
    /// What the versions below `limit` leave behind, `None` if there are none. Takes it out of the vault.
    #[allow(clippy::option_option, reason = "nothing was written, or that there is no value")]
    fn newest(
        vault: &mut Vault,
        recs: &Arena<Rec>,
        cell: &Unit,
        limit: u32,
        now: Option<&Self>,
    ) -> Option<Option<Self>>;
    /// Whether two versions of kind `Write` or `WideDelta` say the same.
    fn same(vault: &Vault, a: u64, b: u64) -> bool;
    /// Gives back what it has on the heap.
    fn recycle(self, _spare: &mut Spare) {}
    /// As bytes, if it is such a value.
    fn bytes(&self) -> Option<&[u8]> {
        None
    }
    /// As a sum, if it is one.
    fn sum(&self) -> Option<i128> {
        None
    }
}

/// Asks the base.
pub(crate) type Source<const N: usize, V> = Box<dyn Fn(&[u8; N]) -> Result<Option<V>, BaseError> + Send + Sync>;
/// Names a key for people.
pub(crate) type Namer<const N: usize> = Box<dyn Fn(&[u8; N]) -> String + Send + Sync>;

struct Place<const N: usize, V> {
    key: [u8; N],
    cell: u32,
    /// 1 + its number among the dirty ones; 0: clean.
    dirty: u32,
    /// What its value weighs is part of what is resident.
    counted: bool,
    /// Named since the hand of the clock last came by.
    seen: AtomicBool,
    /// The committed value. Constant within a parallel segment.
    value: Option<V>,
}

impl<const N: usize, V> Place<N, V> {
    fn give_up(&mut self, freed: &mut Vec<u32>) {
        self.dirty = GONE;
        freed.push(self.cell);
    }
}

/// A written place, and its value when changes were last forgotten.
struct Dirty<V> {
    place: u32,
    old: Option<V>,
}

/// Keys, places, changes of one container.
pub(crate) struct Keyed<const N: usize, V> {
    places: Arena<OnceLock<Place<N, V>>>,
    known: Table,
    fresh: [RwLock<Table>; SHARDS],
    free: Mutex<Vec<u32>>,
    source: Option<Source<N, V>>,
    dirty: Vec<Dirty<V>>,
    /// Number of dirty places at which those are sought that came and went.
    sweep_at: usize,
    /// Direct mode: what the running transaction has replaced, newest last.
    undo: Vec<(u32, Option<V>)>,
    spare: Spare,
    budget: usize,
    resident: usize,
    hand: u32,
    pub(crate) namer: Option<Namer<N>>,
    me: u32,
}

impl<const N: usize, V: Held> Keyed<N, V> {
    pub(crate) fn new(source: Option<Source<N, V>>, budget: usize, me: u32) -> Self {
        Keyed {
            places: Arena::new(1),
            known: Table::default(),
            fresh: std::array::from_fn(|_| RwLock::new(Table::default())),
            free: Mutex::new(Vec::new()),
            source,
            dirty: Vec::new(),
            sweep_at: 64,
            undo: Vec::new(),
            spare: Spare::default(),
            budget,
            resident: 0,
            hand: 1,
            namer: None,
            me,
        }
    }

    #[inline(always)]
    fn place(&self, at: u32) -> Option<&Place<N, V>> {
        self.places.get(at).get()
    }

    #[inline(always)]
    fn is(&self, at: u32, key: &[u8; N]) -> bool {
        self.place(at).is_some_and(|p| p.key == *key)
    }

    fn hash_of(places: &Arena<OnceLock<Place<N, V>>>, at: u32) -> u64 {
        places.get(at).get().map_or(0, |p| hash(&p.key))
    }

    /// The cell of `key`, whose hash this is; made if there is none.
    #[inline(always)]
    pub(crate) fn cell(&self, store: &Store, hash: u64, key: &[u8; N]) -> TxResult<u32> {
        if let Some(at) = self.known.find(hash, |at| self.is(at, key))
            && let Some(place) = self.place(at)
        {
            if !place.seen.load(Relaxed) {
                place.seen.store(true, Relaxed);
            }
            return Ok(place.cell);
        }
        self.fresh_cell(store, hash, key)
    }

    #[inline(never)]
    fn fresh_cell(&self, store: &Store, hash: u64, key: &[u8; N]) -> TxResult<u32> {
        let shard = &self.fresh[(hash >> 20) as usize % SHARDS];
        let found =
            |table: &Table| table.find(hash, |at| self.is(at, key)).and_then(|at| self.place(at)).map(|p| p.cell);
        if let Some(cell) = found(&shard.read().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(cell);
        }
        let mut table = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(cell) = found(&table) {
            return Ok(cell);
        }
        let value = self.ask(store, key)?;
        let id = store.new_cell_tx(self.me, self.me)?;
        let at = lock(&self.free).pop().unwrap_or_else(|| self.places.claim(1));
        let cell = store.cells.get(id);
        cell.base.store(u64::from(at), Relaxed);
        cell.set_meta(self.me, value.is_some());
        let place = Place { key: *key, cell: id, dirty: 0, counted: false, seen: AtomicBool::new(true), value };
        // A place that is free is empty, so this cannot fail.
        let _ = self.places.get(at).set(place);
        table.insert(hash, at, |at| Self::hash_of(&self.places, at));
        Ok(id)
    }

    /// What the base says. A panic of it is a failure of this node as an error is, not the closure's.
    fn ask(&self, store: &Store, key: &[u8; N]) -> TxResult<Option<V>> {
        let Some(source) = &self.source else { return Ok(None) };
        // Unwind safety: the engine refuses everything afterwards.
        let why = match catch_unwind(AssertUnwindSafe(|| source(key))) {
            Ok(Ok(value)) => return Ok(value),
            Ok(Err(why)) => why.to_string(),
            Err(payload) => panic_fault(&*payload),
        };
        Err(store.fail(format!("the base below {}: {why}", self.name(key))))
    }

    fn name(&self, key: &[u8; N]) -> String {
        match &self.namer {
            Some(namer) => namer(key),
            None => key.iter().fold(String::with_capacity(2 * N), |s, b| s + &format!("{b:02x}")),
        }
    }

    /// The committed value at place `at`.
    #[inline(always)]
    pub(crate) fn value(&self, at: u64) -> Option<&V> {
        self.place(at as u32)?.value.as_ref()
    }

    /// Puts a committed value and returns the one before.
    fn put(&mut self, at: u32, value: Option<V>) -> Option<V> {
        let place = self.places.get_mut(at).get_mut()?;
        let new = value.as_ref().map_or(0, V::weight);
        let old = std::mem::replace(&mut place.value, value);
        if place.counted {
            self.resident = (self.resident + new).saturating_sub(old.as_ref().map_or(0, V::weight));
        }
        old
    }

    /// The value of place `at` was `old` before a write that is final.
    fn written(&mut self, at: u32, old: Option<V>) {
        let Some(place) = self.places.get_mut(at).get_mut() else { return };
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::LostChange) && !place.counted {
            return;
        }
        if place.dirty == 0 {
            self.dirty.push(Dirty { place: at, old });
            place.dirty = self.dirty.len() as u32;
        } else if let Some(old) = old {
            old.recycle(&mut self.spare);
        }
    }

    /// Direct mode: writes in place, to be undone or forgotten.
    pub(crate) fn overwrite(&mut self, at: u64, value: Option<V>) {
        let old = self.put(at as u32, value);
        self.undo.push((at as u32, old));
    }

    /// Buffers for direct mode.
    pub(crate) fn spare(&mut self) -> &mut Spare {
        &mut self.spare
    }

    /// Keys whose value differs from the one at the last [`Keyed::forget`], in order: key, old, new.
    pub(crate) fn changes(&self) -> Vec<(&[u8; N], Option<&V>, Option<&V>)> {
        let changed = |d: &'_ Dirty<V>| {
            let place = self.place(d.place)?;
            (d.old != place.value).then_some(d.place)
        };
        let mut all: Vec<(&[u8; N], Option<&V>, Option<&V>)> = self
            .dirty
            .iter()
            .filter(|d| changed(d).is_some())
            .filter_map(|d| self.place(d.place).map(|p| (&p.key, d.old.as_ref(), p.value.as_ref())))
            .collect();
        all.sort_unstable_by_key(|(key, ..)| *key);
        all
    }

    /// The base answers as this container does: everything is clean, and what is not there is given up.
    pub(crate) fn forget(&mut self, freed: &mut Vec<u32>) {
        for Dirty { place, old } in std::mem::take(&mut self.dirty) {
            if let Some(old) = old {
                old.recycle(&mut self.spare);
            }
            if let Some(place) = self.places.get_mut(place).get_mut() {
                place.dirty = 0;
                if place.value.is_none() {
                    place.give_up(freed);
                }
            }
        }
        self.sweep_at = 64;
    }

    /// Gives up dirty places that were absent before and are absent again, when there are many dirty ones.
    fn sweep(&mut self, freed: &mut Vec<u32>) {
        if self.dirty.len() < self.sweep_at {
            return;
        }
        let mut kept = Vec::with_capacity(self.dirty.len());
        for d in std::mem::take(&mut self.dirty) {
            let Some(place) = self.places.get_mut(d.place).get_mut() else { continue };
            if d.old.is_none() && place.value.is_none() {
                place.give_up(freed);
            } else {
                kept.push(d);
                place.dirty = kept.len() as u32;
            }
        }
        self.dirty = kept;
        self.sweep_at = (self.dirty.len() * 2).max(64);
    }

    /// What resident keys and values take.
    pub(crate) fn resident(&self) -> usize {
        self.resident + self.known.len() * (PER_KEY + size_of::<Place<N, V>>())
    }

    /// Gives up clean places until the budget holds; those that nobody has named for longest first, roughly (a clock).
    pub(crate) fn evict(&mut self, freed: &mut Vec<u32>) {
        if self.source.is_none() || self.resident() <= self.budget {
            return;
        }
        let per_key = PER_KEY + size_of::<Place<N, V>>();
        let mut over = self.resident() - self.budget;
        let places = self.places.used() as u32;
        for _ in 0..2 * places {
            self.hand = if self.hand + 1 >= places { 1 } else { self.hand + 1 };
            let Some(place) = self.places.get_mut(self.hand).get_mut() else { continue };
            #[cfg(feature = "mutants")]
            if crate::mutants::on(crate::mutants::Mutant::DirtyEviction) && place.dirty != GONE {
                place.dirty = 0;
            }
            if place.dirty != 0 || std::mem::replace(place.seen.get_mut(), false) {
                continue;
            }
            place.give_up(freed);
            let bytes = per_key + place.value.as_ref().map_or(0, V::weight);
            over = over.saturating_sub(bytes);
            if over == 0 {
                break;
            }
        }
    }
}

impl<const N: usize, V: Held> Part for Keyed<N, V> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn settle_cell(&mut self, vault: &mut Vault, recs: &Arena<Rec>, cell: &Unit, limit: u32) -> bool {
        let at = cell.base.load(Relaxed);
        if let Some(new) = V::newest(vault, recs, cell, limit, self.value(at)) {
            cell.set_meta(self.me, new.is_some());
            let old = self.put(at as u32, new);
            self.written(at as u32, old);
        }
        true
    }
    fn settle_keys(&mut self, _cells: &Arena<Unit>, freed: &mut Vec<u32>) {
        let Keyed { places, known, fresh, resident, .. } = self;
        for shard in fresh {
            for at in shard.get_mut().unwrap_or_else(PoisonError::into_inner).drain() {
                let Some(place) = places.get_mut(at).get_mut() else { continue };
                if place.dirty == 0 && place.value.is_none() {
                    place.give_up(freed);
                    continue;
                }
                place.counted = true;
                *resident += place.value.as_ref().map_or(0, V::weight);
                let hash = hash(&place.key);
                known.insert(hash, at, |at| Self::hash_of(places, at));
            }
        }
        self.sweep(freed);
        self.evict(freed);
    }
    fn undo(&mut self) {
        if let Some((at, old)) = self.undo.pop()
            && let Some(new) = self.put(at, old)
        {
            new.recycle(&mut self.spare);
        }
    }
    fn forget_undo(&mut self) {
        let mut undo = std::mem::take(&mut self.undo);
        undo.drain(..).for_each(|(at, old)| self.written(at, old));
        self.undo = undo;
    }
    fn release(&mut self, base: u64) {
        let at = base as u32;
        let Some(place) = self.places.get_mut(at).get_mut() else { return };
        let hash = hash(&place.key);
        if let Some(value) = self.put(at, None) {
            value.recycle(&mut self.spare);
        }
        self.known.remove(hash, at, |at| Self::hash_of(&self.places, at));
        self.places.get_mut(at).take();
        lock(&self.free).push(at);
    }
    fn overdrawn(&self) -> bool {
        self.places.overdrawn()
    }
    fn same(&self, vault: &Vault, _kind: Kind, a: u64, b: u64) -> bool {
        V::same(vault, a, b)
    }
    fn committed_bytes(&self, base: u64) -> Option<&[u8]> {
        self.value(base)?.bytes()
    }
    fn committed_sum(&self, base: u64) -> Option<i128> {
        self.value(base)?.sum()
    }
    fn label(&self, _id: u32, cell: &Unit) -> Option<String> {
        self.place(cell.base.load(Relaxed) as u32).map(|p| self.name(&p.key))
    }
}

/// What went wrong below, as a stop that nobody can swallow.
impl Store {
    #[cold]
    fn fail(&self, why: String) -> Stop {
        lock(&self.failed).get_or_insert_with(|| why.clone());
        Stop::broken(why)
    }
}
