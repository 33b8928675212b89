//! What the machine executes calls with: the node's backend, which it takes before those who ask.

use super::chain::Chain;
use super::{Contracts, locked};
use replicode_contract_store::Keeping;
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Backend, View};
use replicode_contracts::proof::Batch;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::{Moment, Viewed};
use replicode_machine::calls::{Block, Execute, commit};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// See [`Execute`].
pub struct Executor {
    shared: Arc<Contracts>,
    chain: Chain,
    open: Option<Open>,
}

/// A block that has begun.
struct Open {
    batch: u64,
    /// What it has left behind before: it is not executed again.
    recorded: Option<Batch>,
    /// All of it.
    transactions: Vec<Vec<u8>>,
    took: Duration,
    /// Whether something was executed since the state was brought up to date.
    behind: bool,
}

/// No step of a question begins between the beginning of a block and its end, nor is one left waiting when the machine stops halfway.
impl Drop for Executor {
    fn drop(&mut self) {
        self.shared.backend.leave();
    }
}

impl Executor {
    /// An executor. What the chain holds already is not executed.
    #[must_use]
    pub const fn new(shared: Arc<Contracts>, chain: Chain) -> Self {
        Self { shared, chain, open: None }
    }

    /// Looks at the state after everything that was executed so far.
    fn now<T>(&mut self, f: impl FnOnce(&dyn Backend) -> replicode_contracts::backend::Result<T>) -> Result<T, String> {
        let block = self.open.as_mut();
        if self.chain.is_recorded() || block.as_ref().is_some_and(|open| open.recorded.is_some()) {
            return Err("the state after an earlier batch was asked for, which a checkpoint is past".into());
        }
        let mut backend = self.shared.backend.take();
        if block.is_some_and(|open| std::mem::take(&mut open.behind)) {
            backend.root().map_err(|error| error.to_string())?;
        }
        f(&*backend).map_err(|error| error.to_string())
    }
}

impl Execute for Executor {
    fn begin(&mut self, moment: Moment) -> Result<(), String> {
        let recorded = self.chain.recorded(moment.batch)?;
        if recorded.is_none() {
            self.shared.backend.want();
            self.shared.backend.take().begin(moment).map_err(|error| error.to_string())?;
        }
        let (batch, took) = (moment.batch, Duration::ZERO);
        self.open = Some(Open { batch, recorded, transactions: Vec::new(), took, behind: false });
        Ok(())
    }

    fn execute(&mut self, transactions: &[Vec<u8>]) -> Result<Option<Vec<Receipt>>, String> {
        let open = self.open.as_mut().ok_or("no block has begun")?;
        open.transactions.extend_from_slice(transactions);
        if open.recorded.is_some() {
            return Ok(None);
        }
        let began = Instant::now();
        let receipts = self.shared.backend.take().execute(transactions).map_err(|error| error.to_string())?;
        open.took += began.elapsed();
        open.behind = true;
        Ok(Some(receipts))
    }

    fn commit(&mut self) -> Result<Block, String> {
        let open = self.open.take().ok_or("no block has begun")?;
        if let Some(batch) = open.recorded {
            // What was published is not found by its name in the state: only whether a name was.
            self.shared.published(open.transactions.iter());
            return Ok(Block { batch, sealed: None });
        }
        let began = Instant::now();
        let block = {
            let mut backend = self.shared.backend.take();
            let block = commit(&mut *backend).map_err(|error| error.to_string())?;
            self.shared.seen(&backend);
            block
        };
        self.shared.backend.leave();
        let root_took = began.elapsed();
        // A disk that fails stops the node, and is never an answer.
        self.chain.end().check()?;
        let written = self.shared.keeping.as_ref().map_or(Ok(()), Keeping::check);
        written.map_err(|error| error.to_string())?;
        if let Some(sealed) = &block.sealed {
            locked(&self.shared.counted).add(&sealed.receipts, open.took, root_took);
            let deployed = |(_, receipt): &(&Vec<u8>, &Receipt)| !receipt.deployed.is_empty();
            let all = open.transactions.iter().zip(&sealed.receipts);
            self.shared.published(all.filter(deployed).map(|(bytes, _)| bytes));
            let kept = locked(&self.shared.kept).add(open.batch, &sealed.receipts);
            kept.map_err(|error| format!("cannot write the receipts of contracts: {error}"))?;
            self.shared.newest.send_replace(open.batch);
        }
        Ok(block)
    }

    fn view(&mut self, view: &View<'_>) -> Result<Viewed, String> {
        self.now(|backend| backend.view(view))
    }

    fn account(&mut self, account: &Address) -> Result<AccountNow, String> {
        self.now(|backend| backend.account(account))
    }
}
