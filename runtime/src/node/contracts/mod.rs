//! A cell's contracts on this node: the backend, its checkpoints, receipts, and whoever waits for one.
//!
//! ```text
//! gRPC ── Submit ─> waiting ─ Input::Call ─> log ─> machine thread: executor ── receipts ─> waiting ─> gRPC
//!   └──── View, Proof, … ─────────────── backend, between two batches ──┘└─ chain.bin, receipts, checkpoints
//! ```
//!
//! | module | it is |
//! |---|---|
//! | [`gate`] | who has the state: the machine goes before those who ask |
//! | [`executor`] | what the machine executes calls with |
//! | [`chain`] | the digest of each batch with calls, so that a start need not execute what a checkpoint has |
//! | [`kept`] | the last receipts, in memory and on disk |
//! | [`counted`] | what was executed since the start, and at what pace |
//! | [`waiting`] | who waits for which answer |
//! | [`api`], `submitting` | the gRPC service; transactions on their way through it |
//! | [`answers`] | what is answered from the state |
//!
//! The log is the ground. A checkpoint, the chain and the receipts only shorten a start: where the first two do not fit each other,
//! the log is executed from its beginning.

pub mod answers;
pub mod api;
pub mod chain;
pub mod counted;
pub mod executor;
pub mod gate;
pub mod kept;
mod submitting;
pub mod waiting;

use super::functions::desk::Desk;
use crate::admin;
use crate::datadir::{self, DataDir};
use anyhow::{Context, Result, anyhow};
use chain::Chain;
use counted::Counted;
use executor::Executor;
use gate::Gate;
use kept::Kept;
use replicode_contract_store::{Checkpoints, Every, Keeping, RedbStore, keep_after, start};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{self, Backend, Parallel};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::Memory;
use replicode_contracts::proof::Batch;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::transaction::{Action, Limits, Transaction};
use replicode_log::{BatchIndex, ClusterConfig, Output};
use replicode_wasm::contracts::cell;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use waiting::{Own, Waiting};

/// Bytes of the store's file that are held in memory: it is read at starts only.
const CACHE: usize = 16 << 20;
/// Checkpoints that are kept.
const CHECKPOINTS: usize = 2;
/// Threads that execute, at most: further ones gain nothing on calls of a microsecond.
const THREADS: usize = 8;

/// What the threads of a node share of its contracts.
pub struct Contracts {
    backend: Gate<Parallel<Memory>>,
    /// Whether the log has admitted this start, and it has not ended: then everything that it had before has been executed.
    admitted: AtomicBool,
    /// Where a start needs not execute everything.
    keeping: Option<Keeping<RedbStore>>,
    kept: Mutex<Kept>,
    /// Who waits for which answer.
    pub waiting: Waiting,
    /// Who waits for what functions are asked through the log.
    pub functions: Desk,
    counted: Mutex<Counted>,
    seen: Mutex<Seen>,
    /// Who has published what, as far as transactions say: whether it was done, the state says.
    published: Mutex<BTreeSet<(Address, String, String)>>,
    /// The newest batch, for those who follow events.
    newest: watch::Sender<u64>,
}

/// What was so after the last batch, for whoever asks while the machine has the state.
#[derive(Clone, Copy, Default)]
struct Seen {
    tip: Option<Batch>,
    stats: Executions,
}

/// How often the transactional memory has executed what.
#[derive(Clone, Copy, Default)]
struct Executions {
    transactions: u64,
    direct: u64,
    executions: u64,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A backend that was left half way says so itself; whoever panics with it stops the node.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Threads that execute contracts here.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(THREADS)
}

/// A backend before the first batch, with its accounts funded; none where the cell has no contracts.
///
/// # Errors
/// When this host cannot run contracts.
pub fn fresh(config: &ClusterConfig) -> Result<Option<Parallel<Memory>>> {
    let Some(contracts) = &config.contracts else { return Ok(None) };
    let backend = cell::backend(config, threads()).map_err(|why| anyhow!("contracts cannot run here: {why}"))?;
    let Some(mut backend) = backend else { return Ok(None) };
    cell::fund(&mut backend, contracts).map_err(anyhow::Error::msg).context("cannot fund the accounts of genesis")?;
    Ok(Some(backend))
}

impl Contracts {
    /// Starts from the newest checkpoint that verifies and fits the chain, or from the beginning.
    ///
    /// Where programs call contracts (`programs_call`) it is always from the beginning, and no checkpoint is written: the programs run
    /// again from there, and are answered from the state as it was then.
    ///
    /// # Errors
    /// When the directory cannot be used, or what is there is damaged.
    pub fn open(dir: &DataDir, config: &ClusterConfig, programs_call: bool) -> Result<Option<(Arc<Self>, Executor)>> {
        let Some(contracts) = &config.contracts else { return Ok(None) };
        let folder = dir.file("contracts");
        datadir::make_private_dir(&folder)?;
        let opened = Self::open_in(&folder, config, contracts.history as usize, programs_call);
        opened.map(Some).with_context(|| {
            format!(
                "contracts cannot be started from {}; without that folder the node executes its log from the beginning",
                folder.display()
            )
        })
    }

    fn open_in(
        folder: &Path,
        config: &ClusterConfig,
        history: usize,
        programs_call: bool,
    ) -> Result<(Arc<Self>, Executor)> {
        let unstarted = || -> Result<Parallel<Memory>> {
            let backend =
                cell::backend(config, threads()).map_err(|why| anyhow!("contracts cannot run here: {why}"))?;
            backend.context("the cell has no contracts")
        };
        let store = RedbStore::open(&folder.join("state.redb"), CACHE).context("state.redb")?;
        let mut checkpoints = Checkpoints::new(store, "state.redb", CHECKPOINTS);
        let mut backend = unstarted()?;
        let started = match programs_call {
            true => None,
            false => start(&mut backend, &mut checkpoints, history)?,
        };
        for damage in started.iter().flat_map(|started| &started.passed) {
            tracing::warn!("contracts: a checkpoint was passed over: {damage}");
        }
        let path = folder.join("chain.bin");
        let mut chain = Chain::open(&path, config.digest(), started.map(|started| started.batch))?;
        if chain.starts_anew() {
            if backend.tip().is_some() {
                tracing::warn!(
                    "contracts: {} does not lead to the checkpoint: the log is executed from its beginning",
                    path.display()
                );
                backend = unstarted()?;
                chain = Chain::open(&path, config.digest(), None)?;
            }
            let contracts = config.contracts.as_ref().context("the cell has no contracts")?;
            cell::fund(&mut backend, contracts).map_err(anyhow::Error::msg)?;
        }
        let tip = backend.tip();
        let known = tip.map_or(0, |tip| tip.index);
        tracing::info!("contracts begin after batch {known}");
        let kept = Kept::open(folder, known)?;
        // In this order: a checkpoint is of use only where the chain leads to it.
        let end = chain.end();
        backend.subscribe(Box::new(end.clone()));
        let keeping = match programs_call {
            true => None,
            false => Some(keep_after(&mut backend, checkpoints, Every::default(), Box::new(move || end.sync()))?),
        };
        let shared = Arc::new(Self {
            backend: Gate::new(backend),
            admitted: AtomicBool::new(false),
            keeping,
            kept: Mutex::new(kept),
            waiting: Waiting::default(),
            functions: Desk::default(),
            counted: Mutex::default(),
            seen: Mutex::new(Seen { tip, stats: Executions::default() }),
            published: Mutex::default(),
            newest: watch::Sender::new(known),
        });
        Ok((shared.clone(), Executor::new(shared, chain)))
    }

    /// Asks the state, between two batches. The work is bounded: the machine waits for it.
    pub fn with<T>(&self, f: impl FnOnce(&Parallel<Memory>) -> T) -> T {
        self.backend.step(f)
    }

    /// This start of the node was admitted by the log, or is over for it.
    pub fn admit(&self, admitted: bool) {
        self.admitted.store(admitted, Ordering::Release);
    }

    /// Whether answers are as new as what this node hears of the others. A node that still executes its log, or was cut off from the
    /// others for so long that they have given it up, would answer from the past as if it were the present.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn current(&self) -> Result<(), String> {
        if self.admitted.load(Ordering::Acquire) {
            return Ok(());
        }
        let batch = locked(&self.seen).tip.map_or(0, |tip| tip.index);
        Err(format!(
            "this node has not caught up with the others: it still executes its log, or was cut off from them; its contracts are \
             as of batch {batch}. Ask again in a while, or another node"
        ))
    }

    /// The outputs of a batch: whoever waits for one of them is told.
    pub fn settle(&self, batch: BatchIndex, outputs: &[Output], own: &Own) {
        self.waiting.settle(batch, outputs, own, |batch, position| self.receipt_at(batch, position));
        for output in outputs {
            self.functions.settle(batch, output, |batch, position| self.receipt_at(batch, position));
        }
    }

    /// The receipt at a place, encoded; none where this node keeps it no longer.
    #[must_use]
    pub fn receipt_at(&self, batch: u64, position: u32) -> Option<Arc<[u8]>> {
        locked(&self.kept).at(batch, position)
    }

    /// The receipt of a transaction, encoded.
    #[must_use]
    pub fn receipt_of(&self, transaction: &Hash) -> Option<Arc<[u8]>> {
        locked(&self.kept).of(transaction)
    }

    /// Takes down what transactions publish.
    fn published<'a>(&self, transactions: impl Iterator<Item = &'a Vec<u8>>) {
        for bytes in transactions {
            let Ok(transaction) = Transaction::decode(bytes, &Limits::STANDARD) else { continue };
            for action in transaction.body.actions {
                if let Action::Publish { name, version, .. } = action {
                    locked(&self.published).insert((transaction.body.principal, name, version));
                }
            }
        }
    }

    /// All published libraries: publisher, name, version, template.
    ///
    /// # Errors
    /// When this node cannot go on.
    pub fn libraries(&self) -> backend::Result<Vec<(Address, String, String, Hash)>> {
        let all: Vec<_> = locked(&self.published).iter().cloned().collect();
        let found = |(publisher, name, version): (Address, String, String)| {
            let hash = self.with(|backend| backend.library(&publisher, &name, &version)).transpose()?;
            Some(hash.map(|hash| (publisher, name, version, hash)))
        };
        all.into_iter().filter_map(found).collect()
    }

    /// What has changed an account's state, oldest first, as far as receipts are kept: batch, transaction, state.
    #[must_use]
    pub fn history(&self, account: &Address) -> Vec<(u64, Hash, Hash)> {
        let kept = locked(&self.kept).all();
        let receipts = kept.iter().filter_map(|bytes| Receipt::decode(bytes).ok());
        let of = |receipt: Receipt| {
            let state = receipt.states.iter().find(|after| after.account == *account)?.state;
            Some((receipt.batch, receipt.transaction, state))
        };
        receipts.filter_map(of).collect()
    }

    /// Follows the newest batch.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// Notes what status tells. Before the block that was executed is counted.
    fn seen(&self, backend: &Parallel<Memory>) {
        let mut seen = locked(&self.seen);
        seen.tip = backend.tip();
        if locked(&self.counted).sample(Instant::now()) {
            let stats = backend.stats();
            let (transactions, direct, executions) = (stats.transactions, stats.direct, stats.executions);
            seen.stats = Executions { transactions, direct, executions };
        }
    }

    /// What `status` tells.
    #[must_use]
    pub fn status(&self) -> admin::ContractsStatus {
        // Not the state itself: the machine may have it for long, and then status is to tell.
        let Seen { tip, stats } = *locked(&self.seen);
        let counted = locked(&self.counted);
        let (calls_per_s, gas_per_s) = counted.pace(Instant::now());
        let executed = stats.transactions.saturating_sub(stats.direct);
        admin::ContractsStatus {
            listen: None,
            batch: tip.map_or(0, |tip| tip.index),
            root: tip.map(|tip| tip.root.to_string()).unwrap_or_default(),
            digest: tip.map(|tip| tip.digest().to_string()).unwrap_or_default(),
            current: self.admitted.load(Ordering::Acquire),
            calls: counted.sums.calls,
            failed: counted.sums.failed,
            skipped: counted.sums.skipped,
            gas: counted.sums.gas,
            calls_per_s,
            gas_per_s,
            execution_ms: counted.execution.as_secs_f64() * 1e3,
            root_ms: counted.root.as_secs_f64() * 1e3,
            executions_per_call: (executed > 0).then(|| stats.executions as f64 / executed as f64),
            checkpoint: self.keeping.as_ref().and_then(Keeping::newest).unwrap_or_default(),
            checkpoint_behind_bytes: self.keeping.as_ref().map_or(0, Keeping::trail_bytes) as u64,
            waiting: (self.waiting.len() + self.functions.waiting()) as u64,
        }
    }

    /// Before the node ends: what is behind is written, so that the next start is short.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&self) -> Result<()> {
        locked(&self.kept).flush().context("cannot write the receipts of contracts")?;
        let written = self.keeping.as_ref().map_or(Ok(()), Keeping::flush);
        written.context("cannot write a checkpoint of contracts")
    }
}
