//! What the machine executes calls with: the node's backend, behind a lock that questions share.

use super::chain::Chain;
use super::{Contracts, locked};
use replicode_contracts::receipt::Receipt;
use replicode_contracts::run::Moment;
use replicode_machine::calls::{Block, Execute, block_of};
use std::sync::Arc;
use std::time::Instant;

/// See [`Execute`].
pub struct Executor {
    shared: Arc<Contracts>,
    chain: Chain,
}

impl Executor {
    /// An executor. What the chain holds already is not executed.
    #[must_use]
    pub const fn new(shared: Arc<Contracts>, chain: Chain) -> Self {
        Self { shared, chain }
    }
}

impl Execute for Executor {
    fn execute(&mut self, moment: Moment, transactions: &[Vec<u8>]) -> Result<Block, String> {
        if let Some(batch) = self.chain.recorded(moment.batch)? {
            // What was published is not found by its name in the state: only whether a name was.
            self.shared.published(transactions.iter());
            return Ok(Block { batch, sealed: None });
        }
        let began = Instant::now();
        let block = {
            let mut backend = locked(&self.shared.backend);
            block_of(&mut *backend, moment, transactions).map_err(|error| error.to_string())?
        };
        // A disk that fails stops the node, and is never an answer.
        self.shared.keeping.check().map_err(|error| error.to_string())?;
        self.chain.append(&block.batch)?;
        if let Some(sealed) = &block.sealed {
            let nanos = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.shared.count(&sealed.receipts, nanos);
            let deployed = |(_, receipt): &(&Vec<u8>, &Receipt)| !receipt.deployed.is_empty();
            self.shared.published(transactions.iter().zip(&sealed.receipts).filter(deployed).map(|(bytes, _)| bytes));
            let kept = locked(&self.shared.kept).add(moment.batch, &sealed.receipts);
            kept.map_err(|error| format!("cannot write the receipts of contracts: {error}"))?;
            self.shared.newest.send_replace(moment.batch);
        }
        Ok(block)
    }
}
