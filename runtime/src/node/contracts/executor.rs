//! What the machine executes calls with: the node's backend, which it takes before those who ask.

use super::chain::Chain;
use super::{Contracts, locked};
use replicode_contract_store::Keeping;
use replicode_contracts::account::Address;
use replicode_contracts::backend::{AccountNow, Backend, View};
use replicode_contracts::proof::Batch;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::{Moment, Source, Viewed};
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
    /// Those of its transactions that have deployed or published something. Of the others nothing is kept: programs may submit many.
    deployed: Vec<Vec<u8>>,
    took: Duration,
    /// Whether something was executed since the state was brought up to date.
    behind: bool,
}

/// No step of a question begins between the beginning of a block and its end. When the machine stops halfway, none is left waiting, and
/// none is answered from half a block.
impl Drop for Executor {
    fn drop(&mut self) {
        if let Some(Open { batch, recorded: None, .. }) = &self.open {
            self.shared.backend.take().stop(&format!("the machine has stopped in the middle of batch {batch}"));
        }
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
        // Before those who ask, as a block; in one it is wanted already, and stays so until its end.
        let in_block = block.is_some();
        self.shared.backend.want();
        let found = {
            let mut backend = self.shared.backend.take();
            let up_to_date = match block.is_some_and(|open| std::mem::take(&mut open.behind)) {
                true => backend.root().map(drop),
                false => Ok(()),
            };
            up_to_date.and_then(|()| f(&*backend))
        };
        if !in_block {
            self.shared.backend.leave();
        }
        found.map_err(|error| error.to_string())
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
        self.open = Some(Open { batch, recorded, deployed: Vec::new(), took, behind: false });
        Ok(())
    }

    fn execute(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Option<Vec<Receipt>>, String> {
        let open = self.open.as_mut().ok_or("no block has begun")?;
        if open.recorded.is_some() {
            // What was published is not found by its name in the state: only whether a name was.
            self.shared.published(transactions.iter());
            return Ok(None);
        }
        let began = Instant::now();
        let receipts =
            self.shared.backend.take().execute_from(source, transactions).map_err(|error| error.to_string())?;
        open.took += began.elapsed();
        open.behind = true;
        let all = transactions.iter().zip(&receipts).filter(|(_, receipt)| !receipt.deployed.is_empty());
        open.deployed.extend(all.map(|(bytes, _)| bytes.clone()));
        Ok(Some(receipts))
    }

    fn commit(&mut self) -> Result<Block, String> {
        let open = self.open.take().ok_or("no block has begun")?;
        if let Some(batch) = open.recorded {
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
            self.shared.published(open.deployed.iter());
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
