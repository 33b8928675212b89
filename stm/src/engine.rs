//! `Stm`: the engine, its settings, and how a batch is cut into direct and speculative segments.

use crate::arena::{Arena, STEP};
use crate::bag::{BagPart, TxBag};
use crate::cell::{TxCell, TxCounter};
use crate::chain::Rec;
use crate::chaos::Chaos;
use crate::direct::{Direct, Undo};
use crate::error::{BuildError, Fatal, Outcome, Stopped, TxResult};
use crate::limits::Limits;
use crate::map::{Key, MapIndex, TxMap};
use crate::park::Parking;
use crate::pool::{Clock, Pool, spawn_all};
use crate::run::{Audited, Done, Scratch, Segment, Shared, Worker, ring};
use crate::seeded::Baton;
use crate::slot::{NONE, Slot, Status};
use crate::spec::Buffer;
use crate::stats::{Stats, TraceEvent, TraceKind, chrome_trace};
use crate::store::Store;
use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Mutex, Padded, Relaxed, SeqCst, lock};
use crate::tx::{Mode as TxMode, Tx};
use crate::value::{Column, Value, is_word, word_of};
use crate::vec::{self, TxVec, VecIndex};
use crate::watchdog::{Alarm, Watchdog};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// Who runs the transactions. Results are the same bytes for all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Executor {
    /// One after the other, in place. The specification.
    Sequential,
    /// Block-STM on this many threads, the caller's included.
    Parallel {
        /// 1 to 64.
        threads: usize,
    },
    /// Block-STM with workers that take turns as the seed says: every interleaving can be run again.
    Seeded {
        /// Chooses the interleaving.
        seed: u64,
        /// 1 to 64.
        workers: usize,
    },
}

/// How a parallel executor treats a batch. Results are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Chosen from measurements: direct while transactions are tiny or nearly all conflict, else speculative.
    #[default]
    Auto,
    /// Always speculative.
    Speculative,
    /// Always direct.
    Direct,
    /// For tests: switches after every few transactions.
    Alternate(u32),
}

/// Settings of an [`Stm`].
#[derive(Clone)]
pub struct Builder {
    executor: Executor,
    mode: Mode,
    window: Option<usize>,
    window_per_thread: usize,
    group: Option<bool>,
    chaos: Option<u64>,
    audit: bool,
    trace: bool,
    watchdog: Option<Watchdog>,
    /// Sizes of keys and values; the setters are in `limits`.
    pub(crate) limits: Limits,
}

/// Most workers of one engine.
pub const MAX_THREADS: usize = 64;
/// Widest window above the commit index.
pub const MAX_WINDOW: usize = 1 << 14;
/// Most transactions of one batch.
pub const MAX_BATCH: usize = (1 << 31) - 1 - MAX_THREADS;

impl Builder {
    /// Block-STM on `n` threads (the calling one included). Default: as many as the machine has, at most 64.
    #[must_use]
    pub fn threads(mut self, n: usize) -> Self {
        self.executor = Executor::Parallel { threads: n };
        self
    }
    /// One after the other.
    #[must_use]
    pub fn sequential(mut self) -> Self {
        self.executor = Executor::Sequential;
        self
    }
    /// Reproducible interleavings of `workers` workers.
    #[must_use]
    pub fn seeded(mut self, seed: u64, workers: usize) -> Self {
        self.executor = Executor::Seeded { seed, workers };
        self
    }
    /// Any executor.
    #[must_use]
    pub fn executor(mut self, executor: Executor) -> Self {
        self.executor = executor;
        self
    }
    /// Direct, speculative or chosen by the engine (default).
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }
    /// How far above the commit index transactions are started, per thread. Default 16.
    #[must_use]
    pub fn window_per_thread(mut self, n: usize) -> Self {
        self.window_per_thread = n;
        self.window = None;
        self
    }
    /// The same as a total.
    #[must_use]
    pub fn window(mut self, n: usize) -> Self {
        self.window = Some(n);
        self
    }
    /// Certify in groups, many workers side by side. Default: from 8 threads on.
    #[must_use]
    pub fn group_certification(mut self, on: bool) -> Self {
        self.group = Some(on);
        self
    }
    /// Lets hints lie, chosen by this seed: invalidations dropped and invented, wake-ups lost. Results do not change;
    /// that is the point of this test mode.
    #[must_use]
    pub fn chaos(mut self, seed: u64) -> Self {
        self.chaos = Some(seed);
        self
    }
    /// After each block, checks every committed read against the committed prefix ([`Stats::audit_failures`]).
    #[must_use]
    pub fn audit(mut self, on: bool) -> Self {
        self.audit = on;
        self
    }
    /// Records what each worker does when ([`Stm::chrome_trace`]).
    #[must_use]
    pub fn trace(mut self, on: bool) -> Self {
        self.trace = on;
        self
    }
    /// Calls `alarm` with a dump whenever no transaction has committed for `patience`: with the window's states, and
    /// with the transaction that blocks. Costs a thread per block. The alarm cannot stop a closure; a service will
    /// usually log the dump and abort the process.
    #[must_use]
    pub fn watchdog(mut self, patience: Duration, alarm: impl Fn(&str) + Send + Sync + 'static) -> Self {
        let alarm: Alarm = Arc::new(alarm);
        self.watchdog = Some(Watchdog { patience, alarm });
        self
    }

    /// Builds the engine.
    ///
    /// # Errors
    /// Zero or too many threads, a window of zero or beyond [`MAX_WINDOW`], or no threads from the system.
    pub fn build(self) -> Result<Stm, BuildError> {
        let workers = match self.executor {
            Executor::Sequential => 1,
            Executor::Parallel { threads } => threads,
            Executor::Seeded { workers, .. } => workers,
        };
        if workers == 0 || workers > MAX_THREADS {
            return Err(BuildError(format!(
                "cannot build an engine with {workers} threads: at least 1, at most {MAX_THREADS}"
            )));
        }
        let window = self.window.unwrap_or(self.window_per_thread.saturating_mul(workers));
        if window == 0 || window > MAX_WINDOW {
            return Err(BuildError(format!(
                "cannot build an engine with a window of {window}: at least 1, at most {MAX_WINDOW}"
            )));
        }
        if self.mode == Mode::Alternate(0) {
            return Err(BuildError("cannot alternate after every 0 transactions: at least 1".to_string()));
        }
        let helpers = if matches!(self.executor, Executor::Parallel { .. }) { workers - 1 } else { 0 };
        Ok(Stm {
            store: Store::new(self.limits.clone()),
            recs: Arena::new(1),
            log: Arena::new(1),
            slots: Vec::new(),
            places: Vec::new(),
            undo: Vec::new(),
            idle: (0..workers).map(|_| (Buffer::default(), Scratch::default())).collect(),
            pool: Pool::new(helpers).map_err(BuildError)?,
            workers,
            window: window as u32,
            heat: 0,
            stay_direct: 0,
            stats: Stats::default(),
            trace: Vec::new(),
            clock: Clock::start(),
            round: 0,
            settings: self,
        })
    }
}

/// An engine: committed state, and an executor for batches of transactions on it.
pub struct Stm {
    settings: Builder,
    store: Store,
    recs: Arena<Rec>,
    log: Arena<AtomicU64>,
    slots: Vec<Padded<Slot>>,
    places: Vec<AtomicU64>,
    undo: Vec<Undo>,
    idle: Vec<(Buffer, Scratch)>,
    pool: Pool,
    workers: usize,
    window: u32,
    heat: u32,
    /// Transactions to run in direct mode before speculation is tried again; grows while it keeps failing.
    stay_direct: usize,
    stats: Stats,
    trace: Vec<(usize, TraceEvent)>,
    clock: Clock,
    round: u64,
}

/// First stay in direct mode after speculation has failed, and the longest.
const STAY_MIN: usize = 512;
const STAY_MAX: usize = 1 << 14;
/// Direct transactions are timed until this many nanoseconds have passed.
const PROBE_NANOS: u64 = 3_000;
/// Below this cost per transaction, in nanoseconds, speculation on two threads does not pay.
const TINY_NANOS: u64 = 150;
/// Less remaining work than this is done before a second thread has woken up.
const WAKE_NANOS: u64 = 25_000;

impl Stm {
    /// Default settings: all cores (at most 64), window 16 per thread, mode chosen by measurement.
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
            watchdog: None,
            limits: Limits::default(),
        }
    }

    fn new_value_cell<T: Value>(&mut self, owner: u32, value: T) -> u32 {
        let part = self.column::<T>();
        let id = match self.store.new_cell_mut(part, owner) {
            Some(id) => id,
            // Documented at `cell`.
            None => panic!("out of cells: an engine holds at most {}", crate::store::MAX_CELLS),
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
            None => panic!("out of cells: an engine holds at most {}", crate::store::MAX_CELLS),
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

    /// The executor in use.
    #[must_use]
    pub fn executor(&self) -> Executor {
        self.settings.executor
    }

    /// Runs one transaction, directly: for setting up and looking at the state between batches.
    ///
    /// # Errors
    /// The stop, if the transaction asked for one or misused a handle.
    pub fn run<R>(&mut self, f: impl Fn(&mut Tx<'_>) -> TxResult<R>) -> Result<Outcome<R>, Stopped<R>> {
        let mut out = Vec::with_capacity(1);
        let done = self.direct(&[()], 0, 1, &|tx: &mut Tx<'_>, (): &()| f(tx), &mut out);
        self.store.settle_parts();
        match (done, out.pop()) {
            (Ok(()), Some(outcome)) => Ok(outcome),
            (Err((at, fatal)), _) => Err(Stopped { outcomes: out, at, fatal }),
            (Ok(()), None) => unreachable!("one job gives one outcome"),
        }
    }

    /// Runs one transaction per job, with the result of running them one by one in order.
    ///
    /// `f` is called one or more times per job and must be a function of the job and of what it reads (see [`Tx`]).
    ///
    /// # Errors
    /// [`Stopped`] when a transaction stopped the stream: all lower ones are committed, the others have no effect.
    ///
    /// # Panics
    /// With more than [`MAX_BATCH`] jobs.
    pub fn execute<J, R, F>(&mut self, jobs: &[J], f: F) -> Result<Vec<Outcome<R>>, Stopped<R>>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        assert!(jobs.len() <= MAX_BATCH, "a batch of {} jobs is too long: at most {MAX_BATCH}", jobs.len());
        let mut out = Vec::with_capacity(jobs.len());
        self.store.cells.settle();
        let result = match (self.settings.executor, self.settings.mode) {
            (Executor::Sequential, _) | (_, Mode::Direct) => self.direct(jobs, 0, jobs.len(), &f, &mut out),
            (_, Mode::Alternate(k)) => self.alternate(jobs, k as usize, &f, &mut out),
            (Executor::Parallel { .. }, Mode::Auto) => self.auto(jobs, &f, &mut out),
            (Executor::Parallel { .. } | Executor::Seeded { .. }, _) => {
                self.speculate(jobs, 0, jobs.len(), &f, false, &mut out).map(|_| ())
            }
        };
        self.store.settle_parts();
        match result {
            Ok(()) => Ok(out),
            Err((at, fatal)) => Err(Stopped { outcomes: out, at, fatal }),
        }
    }

    fn alternate<J, R, F>(
        &mut self,
        jobs: &[J],
        k: usize,
        f: &F,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), (usize, Fatal)>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let (mut at, mut direct) = (0, true);
        while at < jobs.len() {
            let to = (at + k).min(jobs.len());
            if direct {
                self.direct(jobs, at, to, f, out)?;
            } else {
                self.speculate(jobs, at, to, f, false, out)?;
            }
            direct = !direct;
            at = to;
        }
        Ok(())
    }

    /// Direct while transactions are tiny or nearly all conflict, speculative otherwise.
    fn auto<J, R, F>(&mut self, jobs: &[J], f: &F, out: &mut Vec<Outcome<R>>) -> Result<(), (usize, Fatal)>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        let n = jobs.len();
        if self.workers == 1 {
            return self.direct(jobs, 0, n, f, out);
        }
        let mut at = 0;
        // A batch like the last one is likely; but let every batch try again sooner than the last one did.
        let mut owed = self.stay_direct / 2;
        while at < n {
            let began = Clock::start();
            let (start, mut step) = (at, 1);
            while at < n && began.nanos() < PROBE_NANOS {
                let to = (at + step).min(n);
                self.direct(jobs, at, to, f, out)?;
                at = to;
                step *= 2;
            }
            let cost = (began.nanos() / (at - start).max(1) as u64).max(1);
            owed = owed.saturating_sub(at - start);
            let rest = cost.saturating_mul((n - at) as u64);
            if cost < TINY_NANOS || rest < WAKE_NANOS {
                let to = n.min(at + (40_000 / cost) as usize + 1);
                self.direct(jobs, at, to, f, out)?;
                at = to;
                continue;
            }
            if owed > 0 {
                let to = n.min(at + owed);
                self.direct(jobs, at, to, f, out)?;
                at = to;
                owed = 0;
            }
            if at == n {
                break;
            }
            let stopped = self.speculate(jobs, at, n, f, true, out)?;
            if stopped < n {
                self.stats.switches += 1;
                self.stay_direct = (self.stay_direct * 4).clamp(STAY_MIN, STAY_MAX);
                owed = self.stay_direct;
            } else {
                self.stay_direct /= 2;
            }
            at = stopped;
        }
        Ok(())
    }

    /// Runs jobs `from..to` one after the other, in place.
    fn direct<J, R, F>(
        &mut self,
        jobs: &[J],
        from: usize,
        to: usize,
        f: &F,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<(), (usize, Fatal)>
    where
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R>,
    {
        let Stm { store, undo, stats, trace, clock, settings, .. } = self;
        let began = settings.trace.then(|| clock.nanos());
        let progress = std::sync::atomic::AtomicU64::new(from as u64);
        let watched = settings.watchdog.as_ref();
        let mut body = || {
            for (k, job) in jobs[from..to].iter().enumerate() {
                let engine = store.engine;
                let result = {
                    let mut tx = Tx::new(TxMode::Direct(Direct { store, undo }), engine);
                    catch_unwind(AssertUnwindSafe(|| f(&mut tx, job)))
                };
                let done = Done::from_result(result);
                let mut ctx = Direct { store, undo };
                match done {
                    Done::Ok(_) => ctx.commit(),
                    _ => ctx.roll_back(0),
                }
                match done.outcome() {
                    Ok(outcome) => out.push(outcome),
                    Err(fatal) => return Err((from + k, fatal)),
                }
                stats.transactions += 1;
                stats.direct += 1;
                if watched.is_some() {
                    progress.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            }
            Ok(())
        };
        let at = || progress.load(std::sync::atomic::Ordering::Relaxed);
        let result = if watched.is_some() {
            let dump = || {
                format!(
                    "direct mode: transaction {} is running and blocks all later ones: a closure that never returns cannot be stopped",
                    at()
                )
            };
            Watchdog::watch(watched, &at, &dump, body)
        } else {
            body()
        };
        if let Some(began) = began {
            trace.push((
                0,
                TraceEvent { kind: TraceKind::Direct, txn: from as u32, incarnation: 0, began, ended: clock.nanos() },
            ));
        }
        result
    }

    /// Runs jobs `from..to` speculatively. Returns where it stopped: `to`, or earlier if nearly all conflict.
    fn speculate<J, R, F>(
        &mut self,
        jobs: &[J],
        from: usize,
        to: usize,
        f: &F,
        may_switch: bool,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<usize, (usize, Fatal)>
    where
        J: Sync,
        R: Send,
        F: Fn(&mut Tx<'_>, &J) -> TxResult<R> + Sync,
    {
        if from == to {
            return Ok(to);
        }
        self.round += 1;
        self.prepare(to, (to - from).min(1 << 18));
        let baton = match self.settings.executor {
            Executor::Seeded { seed, workers } => Some(Baton::new(seed ^ self.round << 32, workers)),
            _ => None,
        };
        let chaos = self.settings.chaos.map(|s| Chaos::new(s.wrapping_add(self.round), self.workers));
        let audit = self.settings.audit.then(|| Mutex::new(Vec::<Audited>::new()));
        let clock = self.clock;
        let now = move || clock.nanos();
        let shared = Shared {
            store: &self.store,
            recs: &self.recs,
            log: &self.log,
            slots: &self.slots,
            window: self.window,
            n: to as u32,
            next: Padded(AtomicU32::new(from as u32)),
            commit: Padded(AtomicU32::new(from as u32)),
            end: AtomicU32::new(to as u32),
            fatal: AtomicBool::new(false),
            token: Padded(AtomicBool::new(false)),
            heat: Padded(AtomicU32::new(self.heat)),
            again: (0..self.slots.len().div_ceil(64)).map(|_| Padded(AtomicU64::new(0))).collect(),
            group: crate::certify::Group::new(self.settings.group.unwrap_or(self.workers >= 8)),
            park: Parking::new(),
            arrived: AtomicU32::new(0),
            workers: self.workers as u32,
            baton: baton.as_ref(),
            chaos: chaos.as_ref(),
            meter: Padded(AtomicU64::new(0)),
            may_switch,
            places: &self.places,
            audit: audit.as_ref(),
            clock: if self.settings.trace { Some(&now) } else { None },
        };
        let segment = Segment { shared: &shared, jobs, f, of: PhantomData };
        let mut workers: Vec<Worker<R>> = self
            .idle
            .drain(..)
            .enumerate()
            .map(|(id, (buf, scratch))| Worker { id, buf, scratch, outcomes: Vec::new() })
            .collect();
        if let Some(w) = workers.first_mut() {
            w.outcomes.reserve(to - from);
        }
        let progress = || u64::from(shared.commit.load(SeqCst));
        Watchdog::watch(self.settings.watchdog.as_ref(), &progress, &|| shared.dump(), || {
            if baton.is_some() {
                spawn_all(&mut workers, |w| segment.work(w));
            } else {
                self.pool.run(&mut workers, |w| segment.work(w));
            }
        });
        let end = shared.end.load(SeqCst);
        self.heat = shared.heat.load(Relaxed);
        if let Some(audit) = &audit {
            self.stats.audit_failures += check(&shared, &lock(audit), end);
            self.stats.audited += u64::from(end) - from as u64;
        }
        let fatal = shared.fatal.load(SeqCst);
        self.finish(workers, from, end, fatal, out)
    }

    /// Sizes and empties what a segment needs.
    fn prepare(&mut self, to: usize, n: usize) {
        if self.slots.is_empty() {
            self.slots = ring(self.window, self.workers);
        }
        for s in &self.slots {
            s.status.store(Status::new(u32::MAX, 0, NONE).0, Relaxed);
        }
        if self.places.len() < to {
            self.places.resize_with(to, || AtomicU64::new(u64::MAX));
        }
        self.recs.reserve(2 * n + STEP as usize * self.workers + 1);
    }

    /// Moves the outcome of a segment into the committed state.
    fn finish<R>(
        &mut self,
        workers: Vec<Worker<R>>,
        from: usize,
        end: u32,
        fatal: bool,
        out: &mut Vec<Outcome<R>>,
    ) -> Result<usize, (usize, Fatal)> {
        let mut piles = Vec::with_capacity(workers.len());
        for mut w in workers {
            let s = &mut w.scratch;
            self.store.settle_cells(&self.recs, &s.touched, end);
            s.touched.clear();
            s.run = crate::arena::Run::default();
            self.stats.add(&std::mem::take(&mut s.counts));
            self.trace.extend(s.trace.drain(..).map(|e| (w.id, e)));
            self.idle.push((w.buf, w.scratch));
            piles.push(w.outcomes);
        }
        self.recs.rewind();
        self.log.rewind();
        self.store.settle_parts();
        let mut take = |k: usize| -> Option<Done<R>> {
            let place = self.places.get(k)?.load(Relaxed);
            piles.get_mut((place >> 32) as usize)?.get_mut(place as u32 as usize)?.take()
        };
        for k in from..end as usize {
            match take(k).map(Done::outcome) {
                Some(Ok(outcome)) => out.push(outcome),
                // The commit turn sets `end` to a fatal transaction, so there is none below.
                _ => unreachable!("committed transaction {k} has no outcome"),
            }
        }
        match fatal.then(|| take(end as usize).map(Done::outcome)) {
            Some(Some(Err(why))) => Err((end as usize, why)),
            _ => Ok(end as usize),
        }
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

/// The committed-read audit: every observation of a committed run must hold for the committed prefix below it.
fn check(shared: &Shared<'_>, audited: &[Audited], end: u32) -> u64 {
    let scratch = Slot::default();
    let mut bad = 0;
    for (txn, words, ranges) in audited {
        scratch.put_reads(shared.log, words);
        scratch.put_ranges(&mut ranges.clone());
        bad += u64::from(*txn < end && shared.view().stale(&scratch, *txn, None).is_some());
    }
    bad
}
