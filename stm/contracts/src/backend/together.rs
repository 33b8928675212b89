//! Transactions at the same time, on the transactional memory: the outcome is that of one by one.
//!
//! ```text
//! jobs ─ execute over InTransaction, speculatively ─ commit turn, in order: gas and room of the batch ─┬─ it fits: receipt
//!                                                                                                     └─ it does not: one by one
//! ```
//!
//! A run does not know how much gas, or room for functions, those before it leave to the batch: it behaves as if there were enough, and whether there is is
//! decided at its turn, where everything before it is final. Where there is not, the block ends, and the rest of the batch
//! goes **one by one**: the specification itself over the engine's cells. So does a single transaction that has more accesses
//! than the engine takes in a run. Neither is a question of speed: such a rest is mostly skipped, and such a transaction runs for long.

use super::runtime::{Executor, Ground, Progress};
use super::seal::fault;
use super::{Error, Result};
use crate::cell::CellKey;
use crate::kv::KeyValue;
use crate::receipt::{Receipt, Skipped, Status};
use crate::run::{self, Arrived, Left, Source, execute};
use crate::state::{self, BytesChange, Changes, InTransaction, Session, Shared, Stored, SumChange, Written};
use replicode_stm::{Contexts, Outcome, Stm, Stop, Tx, TxCounters, TxMemory, TxResult, Verdict};
use std::sync::{Arc, OnceLock};

/// How transactions are executed at the same time. Nothing of it can be seen in a result.
#[derive(Clone)]
pub struct Settings {
    /// Threads, window and the rest of the engine's settings.
    pub stm: replicode_stm::Builder,
    /// Bytes of cells that stay in the engine from batch to batch though the store has them too. Cells of the batch that has
    /// begun stay in any case.
    pub budget: usize,
}

impl Default for Settings {
    /// All threads of the machine, 64 MiB.
    fn default() -> Self {
        Self { stm: Stm::builder(), budget: 64 << 20 }
    }
}

/// The transactional memory over a store.
pub struct Together {
    settings: Settings,
    stm: Stm,
    cells: TxMemory<32>,
    sums: TxCounters<32>,
    contexts: Contexts<()>,
}

/// A transaction on its way. It is read by whoever first runs it.
struct Job<'a> {
    source: Source,
    bytes: &'a [u8],
    position: u32,
    arrived: OnceLock<Arrived>,
}

impl Job<'_> {
    fn arrived(&self, limits: &crate::transaction::Limits) -> &Arrived {
        self.arrived.get_or_init(|| Arrived::of(self.source, self.bytes, limits))
    }

    /// The most that it may burn; none of bytes that are no transaction.
    fn gas_limit(&self) -> Option<u64> {
        Some(self.arrived.get()?.transaction.as_ref()?.body.gas_limit)
    }
}

/// Set in the weight of a transaction that was not skipped. Gas stays below: [`run::Config::batch_gas`].
const EXECUTED: u64 = 1 << 63;
/// Set, without the other, in that of a request of functions: below is what it takes of their room, which is less than that.
const FUNCTION: u64 = 1 << 62;

impl Together {
    pub(super) fn new<K: KeyValue + Send + 'static>(settings: Settings, shared: &Arc<Shared<K>>) -> Result<Self> {
        let built = settings.stm.clone().panics_are_faults(true).build();
        let mut stm = built.map_err(|error| Error::Order { verb: "build the engine", why: error.to_string() })?;
        let cells = stm.memory_over::<32>(Arc::clone(shared) as _, settings.budget);
        let sums = stm.counters_over::<32>(Arc::clone(shared) as _, settings.budget / 4);
        Ok(Self { settings, stm, cells, sums, contexts: Contexts::new(|_| ()) })
    }

    /// What the engine has counted: executions, conflicts, and at which cells.
    #[must_use]
    pub fn stats(&self) -> replicode_stm::Stats {
        self.stm.stats()
    }

    /// Executes jobs until gas or room of the batch do not suffice for one, or one is too long for the engine.
    fn block<K: KeyValue>(
        &mut self,
        ground: &Ground<'_, K>,
        progress: &mut Progress,
        jobs: &[Job<'_>],
    ) -> Result<Vec<Receipt>> {
        let (cells, sums, limits) = (self.cells, self.sums, &ground.config.limits);
        let Ground { config, loader, moment, .. } = *ground;
        let mut left = progress.left();
        let at_its_turn = |turn: replicode_stm::Turn| {
            if turn.reverted {
                return Verdict::EndBefore;
            }
            match (turn.weight & EXECUTED > 0, turn.weight & FUNCTION > 0) {
                (true, _) => {
                    let limit = jobs.get(turn.index).and_then(Job::gas_limit).unwrap_or(0);
                    if limit > left.gas {
                        return Verdict::EndBefore;
                    }
                    left.gas -= turn.weight & !EXECUTED;
                }
                (false, true) if left.room == 0 => return Verdict::EndBefore,
                (false, true) => left.room = left.room.saturating_sub(turn.weight & !FUNCTION),
                (false, false) => {}
            }
            Verdict::Proceed
        };
        let one = |tx: &mut Tx<'_>, (): &mut (), job: &Job<'_>| -> TxResult<(Receipt, u64)> {
            let arrived = job.arrived(limits);
            let mut access = InTransaction::new(tx, cells, sums, *arrived.name.as_bytes());
            let around = run::Around { config, loader, moment };
            let result = execute(&mut access, around, job.position, arrived, Left::ENOUGH);
            access.finish()?;
            let (receipt, work) = result.map_err(|fault| match fault {
                run::Fault::Access(stop) => stop,
                other => Stop::fault(other.to_string()),
            })?;
            if arrived.request.is_some() {
                tx.weigh(FUNCTION | work.min(FUNCTION - 1));
            } else if !matches!(receipt.status, Status::Skipped { .. }) {
                tx.weigh(EXECUTED | receipt.gas.burnt);
            }
            Ok((receipt, work))
        };
        let outcomes = self.stm.execute_until(jobs, &self.contexts, at_its_turn, one);
        let outcomes = outcomes.map_err(|stopped| Error::Fault(stopped.fatal.to_string()))?;
        let mut receipts = Vec::with_capacity(outcomes.len());
        for outcome in outcomes {
            match outcome {
                Outcome::Committed((receipt, work)) => receipts.push(progress.after(receipt, work)),
                Outcome::Reverted(why) => return Err(Error::Fault(format!("a transaction was dropped: {why}"))),
            }
        }
        Ok(receipts)
    }

    /// Executes the first of the jobs and, once gas or room of the batch do not suffice for one, all others, as the specification
    /// does.
    fn one_by_one<K: KeyValue>(
        &mut self,
        ground: &Ground<'_, K>,
        progress: &mut Progress,
        jobs: &[Job<'_>],
    ) -> Result<Vec<Receipt>> {
        let mut resident = Resident { stm: &mut self.stm, cells: self.cells, sums: self.sums };
        let mut session = Session::new(&mut resident);
        let (mut receipts, mut all) = (Vec::new(), false);
        for job in jobs {
            if !receipts.is_empty() && !all {
                break;
            }
            let arrived = job.arrived(&ground.config.limits);
            session.begin_transaction(*arrived.name.as_bytes());
            all |= arrived.request.is_some() && progress.room == 0;
            let done = execute(&mut session, ground.around(), job.position, arrived, progress.left());
            let (receipt, work) = done.map_err(fault)?;
            all |= matches!(receipt.status, Status::Skipped { why: Skipped::BatchGasLimit { .. } });
            receipts.push(progress.after(receipt, work));
        }
        let written = session.finish();
        self.write_back(&written)?;
        Ok(receipts)
    }

    fn write_back(&mut self, written: &Written) -> Result<()> {
        let (cells, sums, changes) = (self.cells, self.sums, written.changes());
        self.in_pieces(changes.bytes(), &|tx, change: &BytesChange<'_>| match change.new {
            Some(value) => cells.set(tx, &change.key.0, value),
            None => cells.unset(tx, &change.key.0),
        })?;
        self.in_pieces(changes.sums(), &|tx, change: &SumChange| sums.set(tx, &change.key.0, change.new))
    }

    /// Does something for each of these, so many in a transaction as the engine takes.
    fn in_pieces<T>(&mut self, all: &[T], one: &dyn Fn(&mut Tx<'_>, &T) -> TxResult<()>) -> Result<()> {
        let mut open = vec![all];
        while let Some(some) = open.pop() {
            match self.stm.run(|tx| some.iter().try_for_each(|item| one(tx, item))) {
                Ok(Outcome::Committed(())) => {}
                Ok(Outcome::Reverted(_)) if some.len() > 1 => {
                    let (left, right) = some.split_at(some.len() / 2);
                    open.extend([right, left]);
                }
                Ok(Outcome::Reverted(why)) => return Err(Error::Fault(why.to_string())),
                Err(stopped) => return Err(Error::Fault(stopped.fatal.to_string())),
            }
        }
        Ok(())
    }
}

/// The engine's cells as they are between two transactions.
struct Resident<'a> {
    stm: &'a mut Stm,
    cells: TxMemory<32>,
    sums: TxCounters<32>,
}

impl Resident<'_> {
    fn ask<T>(&mut self, f: impl Fn(&mut Tx<'_>) -> TxResult<T>) -> std::result::Result<T, state::Fault> {
        match self.stm.run(f) {
            Ok(Outcome::Committed(value)) => Ok(value),
            Ok(Outcome::Reverted(why)) => Err(state::Fault::Engine(why.to_string())),
            Err(stopped) => Err(state::Fault::Engine(stopped.fatal.to_string())),
        }
    }
}

impl Stored for Resident<'_> {
    fn cell(&mut self, key: &CellKey) -> std::result::Result<Option<Vec<u8>>, state::Fault> {
        let cells = self.cells;
        self.ask(|tx| cells.get(tx, &key.0))
    }

    fn sum(&mut self, key: &CellKey) -> std::result::Result<i128, state::Fault> {
        let sums = self.sums;
        Ok(self.ask(|tx| sums.get(tx, &key.0))?.unwrap_or(0))
    }
}

impl<K: KeyValue + Send + 'static> Executor<K> for Together {
    fn execute(
        &mut self,
        ground: &Ground<'_, K>,
        progress: &mut Progress,
        transactions: &[Vec<u8>],
    ) -> Result<Vec<Receipt>> {
        let jobs: Vec<Job<'_>> = (progress.position..)
            .zip(transactions)
            .map(|(position, bytes)| Job { source: ground.source, bytes, position, arrived: OnceLock::new() })
            .collect();
        let mut receipts = Vec::with_capacity(jobs.len());
        while receipts.len() < jobs.len() {
            receipts.extend(self.block(ground, progress, &jobs[receipts.len()..])?);
            if receipts.len() < jobs.len() {
                receipts.extend(self.one_by_one(ground, progress, &jobs[receipts.len()..])?);
            }
        }
        Ok(receipts)
    }

    fn take(&mut self, f: &mut dyn FnMut(&Changes<'_>) -> Result<()>) -> Result<()> {
        let (bytes, sums) = (self.stm.changes(&self.cells), self.stm.counter_changes(&self.sums));
        f(&Changes::of_block(&bytes, &sums))?;
        self.stm.forget_changes(&self.cells);
        self.stm.forget_counter_changes(&self.sums);
        Ok(())
    }

    fn reset(&mut self, ground: &Ground<'_, K>) -> Result<()> {
        *self = Self::new(self.settings.clone(), ground.shared)?;
        Ok(())
    }
}
