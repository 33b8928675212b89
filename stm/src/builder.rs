//! Settings of an engine, and the limits they are checked against.

use crate::engine::Stm;
use crate::error::BuildError;
use crate::limits::Limits;
use crate::watchdog::{Alarm, Watchdog};
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
    /// Chosen from measurements: direct while transactions are tiny or one core is faster because of conflicts, else
    /// speculative. What a block has shown is kept for the next ones of about its length.
    #[default]
    Auto,
    /// Always in versions, certified or under the commit token; never in place. See [`Builder::run_ahead`].
    Speculative,
    /// Always direct.
    Direct,
    /// For tests: switches after every few transactions.
    Alternate(u32),
}

/// Settings of an [`Stm`].
#[derive(Clone)]
pub struct Builder {
    pub(crate) executor: Executor,
    pub(crate) mode: Mode,
    pub(crate) window: Option<usize>,
    pub(crate) window_per_thread: usize,
    pub(crate) group: Option<bool>,
    pub(crate) chaos: Option<u64>,
    pub(crate) audit: bool,
    pub(crate) trace: bool,
    pub(crate) run_ahead: bool,
    pub(crate) panics_are_faults: bool,
    pub(crate) watchdog: Option<Watchdog>,
    /// Sizes of keys and values; the setters are in `limits`.
    pub(crate) limits: Limits,
}

/// Most workers of one engine.
pub const MAX_THREADS: usize = 64;
/// Widest window above the commit index that can be asked for.
pub const MAX_WINDOW: usize = 1 << 14;
/// Most transactions of one batch.
pub const MAX_BATCH: usize = (1 << 31) - 1 - MAX_THREADS * 64;

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
    /// How far above the commit index transactions are started, per thread. Default 16; twice as far while none has been
    /// thrown away for long. When many are, the window narrows, down to 2 per thread, and widens again when few are.
    #[must_use]
    pub fn window_per_thread(mut self, n: usize) -> Self {
        self.window_per_thread = n;
        self.window = None;
        self
    }
    /// The same as a total, and never farther.
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
    /// After each block, checks every committed read against the committed prefix ([`crate::Stats::audit_failures`]).
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
    /// Lets speculative mode run transactions as final ones, once everything below them is committed: ahead of all others
    /// on one core, where they are tiny or nearly all conflict ([`Stats::run_ahead`](crate::Stats::run_ahead)), and at the
    /// commit turn, where nothing conflicts and groups are not certified ([`Stats::at_turn`](crate::Stats::at_turn)).
    /// Default: on. Off: every transaction is claimed, certified and
    /// committed the long way, whatever it costs; for measurements.
    #[must_use]
    pub fn run_ahead(mut self, on: bool) -> Self {
        self.run_ahead = on;
        self
    }
    /// Takes a panic of a closure for a failure of this node ([`crate::FatalCause::HostFault`]) instead of the transaction's
    /// own affair ([`crate::Revert::PANIC`]). For hosts that run foreign code below the closure: then a panic is a bug of the
    /// host, and must not become an answer. A panic of a run that is thrown away counts for nothing in either case.
    #[must_use]
    pub fn panics_are_faults(mut self, on: bool) -> Self {
        self.panics_are_faults = on;
        self
    }
    /// Calls `alarm` with a dump whenever no transaction has committed for `patience`: with the window's states, and
    /// with the transaction that blocks and why: a closure that does not come back, one that waits for another engine's
    /// batch, or a thread that has not come. Costs a thread per block. The alarm cannot stop a closure; a service will
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
        Stm::assemble(self, workers, window as u32)
    }
}
