//! `Stm`: the engine, the containers it makes, and what it tells about itself.

use crate::arena::Arena;
use crate::bag::{BagPart, TxBag};
use crate::builder::{Builder, Executor, MAX_THREADS, Mode};
use crate::cell::{TxCell, TxCounter};
use crate::chain::Rec;
use crate::direct::Undo;
use crate::error::{BuildError, Fatal};
use crate::lesson::Lessons;
use crate::limits::Limits;
use crate::map::{Key, MapIndex, TxMap};
use crate::pool::{Clock, Pool};
use crate::run::Scratch;
use crate::slot::Slot;
use crate::spec::Buffer;
use crate::stats::{Stats, TraceEvent, chrome_trace};
use crate::store::Store;
use crate::sync::{AtomicU64, Mutex, Padded, Relaxed, lock};
use crate::tx::{Mode as TxMode, Tx};
use crate::value::{Column, Value, is_word, word_of};
use crate::vec::{self, TxVec, VecIndex};
use std::marker::PhantomData;

/// An engine: committed state, and an executor for batches of transactions on it.
pub struct Stm {
    pub(crate) settings: Builder,
    pub(crate) store: Store,
    pub(crate) recs: Arena<Rec>,
    pub(crate) log: Arena<AtomicU64>,
    pub(crate) slots: Vec<Padded<Slot>>,
    pub(crate) places: Vec<AtomicU64>,
    pub(crate) undo: Undo,
    pub(crate) idle: Vec<(Buffer, Scratch)>,
    pub(crate) pool: Pool,
    pub(crate) workers: usize,
    pub(crate) window: u32,
    /// The window as it has adapted, and whether the last block ended running ahead: the next one is likely alike.
    pub(crate) window_now: u32,
    pub(crate) ahead: bool,
    /// Why the engine refuses further batches.
    pub(crate) broken: Option<Fatal>,
    /// A batch has begun and not ended.
    pub(crate) busy: bool,
    pub(crate) heat: u32,
    /// What blocks have taught about the faster way.
    pub(crate) lessons: Lessons,
    pub(crate) stats: Stats,
    pub(crate) trace: Vec<(usize, TraceEvent)>,
    pub(crate) clock: Clock,
    pub(crate) round: u64,
    /// Memory of read views. What they have taken of the vault is given back when the next batch begins.
    pub(crate) queries: Mutex<Vec<Buffer>>,
}

impl Stm {
    /// Default settings: all cores (at most 64), window 16 per thread (32 while nothing conflicts), mode chosen by measurement.
    #[must_use]
    pub fn builder() -> Builder {
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
        Builder {
            executor: Executor::Parallel { threads },
            mode: Mode::Auto,
            window: None,
            window_per_thread: 16,
            group: None,
            chaos: None,
            audit: false,
            trace: false,
            run_ahead: true,
            panics_are_faults: false,
            watchdog: None,
            limits: Limits::default(),
        }
    }

    pub(crate) fn assemble(settings: Builder, workers: usize, window: u32) -> Result<Stm, BuildError> {
        let helpers = if matches!(settings.executor, Executor::Parallel { .. }) { workers - 1 } else { 0 };
        Ok(Stm {
            store: Store::new(settings.limits.clone()),
            // A link is a record's index and one more bit.
            recs: Arena::limited(2, 1 << 31),
            log: Arena::new(1),
            slots: Vec::new(),
            places: Vec::new(),
            undo: Undo::default(),
            idle: (0..workers).map(|_| (Buffer::default(), Scratch::default())).collect(),
            pool: Pool::new(helpers).map_err(BuildError)?,
            workers,
            window,
            window_now: window,
            ahead: false,
            broken: None,
            busy: false,
            heat: 0,
            lessons: Lessons::new(),
            stats: Stats::default(),
            trace: Vec::new(),
            clock: Clock::start(),
            round: 0,
            queries: Mutex::new(Vec::new()),
            settings,
        })
    }

    fn new_value_cell<T: Value>(&mut self, owner: u32, value: T) -> u32 {
        let part = self.column::<T>();
        let id = match self.store.new_cell_mut(part, owner) {
            Some(id) => id,
            // Documented at `cell`.
            None => panic!("{}", self.store.out_of_cells()),
        };
        let base = match word_of(&value) {
            Some(w) => w,
            None => self.store.part_mut::<Column<T>>(part).map_or(0, |c| c.seed(value)),
        };
        let cell = self.store.cells.get(id);
        cell.base.store(base, Relaxed);
        cell.set_meta(part, true);
        id
    }

    fn column<T: Value>(&mut self) -> u32 {
        if is_word::<T>() { 0 } else { self.store.column_of(Column::<T>::new) }
    }

    /// A new cell.
    ///
    /// # Panics
    /// When the engine already holds 2^28 cells.
    pub fn cell<T: Value>(&mut self, value: T) -> TxCell<T> {
        let id = self.new_value_cell(0, value);
        TxCell { engine: self.store.engine, id, of: PhantomData }
    }

    /// A new counter.
    ///
    /// # Panics
    /// When the engine already holds 2^28 cells.
    pub fn counter(&mut self, value: i64) -> TxCounter {
        let id = self.new_value_cell(0, value);
        TxCounter { engine: self.store.engine, id }
    }

    /// A new vector.
    ///
    /// # Panics
    /// When the engine already holds 2^28 cells.
    pub fn vec<T: Value>(&mut self, items: impl IntoIterator<Item = T>) -> TxVec<T> {
        let column = self.column::<T>();
        let me = self.store.add_part(Box::new(VecIndex::new(Vec::new(), column, 0)));
        let known: Vec<u32> = items.into_iter().map(|v| self.new_value_cell(me, v)).collect();
        let len = self.new_value_cell(me, known.len() as u64);
        vec::seed(&mut self.store, len, known.len() as u64);
        if let Some(index) = self.store.part_mut::<VecIndex>(me) {
            *index = VecIndex::new(known, column, me);
        }
        TxVec { engine: self.store.engine, part: me, len, of: PhantomData }
    }

    /// A new, empty map.
    pub fn map<K: Key, V: Value>(&mut self) -> TxMap<K, V> {
        self.map_from([])
    }

    /// A new map with entries.
    ///
    /// # Panics
    /// When the engine already holds 2^28 cells.
    pub fn map_from<K: Key, V: Value>(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> TxMap<K, V> {
        let column = self.column::<V>();
        // The index is told its own number, which is the next one.
        let me = self.store.add_part(Box::new(MapIndex::<K>::new(column, 0)));
        let mut index = MapIndex::<K>::new(column, me);
        let entries: std::collections::BTreeMap<K, V> = entries.into_iter().collect();
        for (key, value) in entries {
            index.seed(key, self.new_value_cell(me, value));
        }
        if let Some(slot) = self.store.part_mut::<MapIndex<K>>(me) {
            *slot = index;
        }
        TxMap { engine: self.store.engine, part: me, of: PhantomData }
    }

    /// A new, empty bag.
    ///
    /// # Panics
    /// When the engine already holds 2^28 cells.
    pub fn bag<T: Value>(&mut self) -> TxBag<T> {
        let part = self.store.add_part(Box::new(BagPart::<T>::new()));
        match self.store.new_cell(part, part) {
            Some(id) => TxBag { engine: self.store.engine, part, id, of: PhantomData },
            None => panic!("{}", self.store.out_of_cells()),
        }
    }

    /// Gives a cell a name, for [`Stats::hottest`].
    pub fn name_cell<T>(&mut self, cell: &TxCell<T>, name: impl Into<String>) {
        self.store.name_cell(cell.id, name.into());
    }
    /// Gives a counter a name.
    pub fn name_counter(&mut self, counter: &TxCounter, name: impl Into<String>) {
        self.store.name_cell(counter.id, name.into());
    }
    /// Gives a map a name; its cells appear as `name[key]`.
    pub fn name_map<K, V>(&mut self, map: &TxMap<K, V>, name: impl Into<String>) {
        self.store.name_part(map.part, name.into());
    }
    /// Gives a vector a name; its cells appear as `name[position]`.
    pub fn name_vec<T>(&mut self, vec: &TxVec<T>, name: impl Into<String>) {
        let name = name.into();
        self.store.name_cell(vec.len, format!("{name}.len"));
        self.store.name_part(vec.part, name);
    }
    /// Gives a bag a name.
    pub fn name_bag<T>(&mut self, bag: &TxBag<T>, name: impl Into<String>) {
        self.store.name_cell(bag.id, name.into());
    }

    /// Takes all items out of a bag, oldest first: what the blocks since the last time have put in.
    pub fn drain<T: Value>(&mut self, bag: &TxBag<T>) -> Vec<T> {
        if bag.engine != self.store.engine {
            return Vec::new();
        }
        self.store.part_mut::<BagPart<T>>(bag.part).map_or_else(Vec::new, BagPart::drain)
    }

    /// A transaction of this engine.
    pub(crate) fn new_tx<'a>(&self, mode: TxMode<'a>) -> Tx<'a> {
        Tx::new(mode, self.store.engine)
    }

    /// Between blocks: what views have taken of the vault may be used again.
    pub(crate) fn wash_queries(&mut self) {
        for buf in lock(&self.queries).iter_mut() {
            self.store.vault.wash(&mut buf.share);
        }
    }

    /// The executor in use.
    #[must_use]
    pub fn executor(&self) -> Executor {
        self.settings.executor
    }

    /// What has happened so far, with the hottest cells by name. Walks over all cells.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats.clone();
        let mut hot: Vec<(u32, u32)> = (1..self.store.cells.used() as u32)
            .map(|id| (self.store.cells.get(id).heat.load(Relaxed), id))
            .filter(|(heat, _)| *heat > 0)
            .collect();
        hot.sort_unstable_by(|a, b| b.cmp(a));
        stats.hottest = hot.iter().take(10).map(|&(heat, id)| (self.store.label(id), heat)).collect();
        stats
    }

    /// Starts the counters again.
    pub fn reset_stats(&mut self) {
        self.stats = Stats::default();
        self.trace.clear();
        for id in 1..self.store.cells.used() as u32 {
            self.store.cells.get(id).heat.store(0, Relaxed);
        }
    }

    /// What each worker did when, as JSON for `chrome://tracing` or Perfetto (only with [`Builder::trace`]).
    #[must_use]
    pub fn chrome_trace(&self) -> String {
        chrome_trace(&self.trace)
    }
}
