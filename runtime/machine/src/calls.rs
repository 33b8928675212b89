//! Contract calls: which of a batch's are executed, and their place in it.
//!
//! ```text
//! Input::Call ─ who, which number ─┬─ due: joins the block ─┐
//!                                  └─ repeat, gap, …        ├─ Output::Receipt, at once
//!                                                           └─ the block is executed ─ digest of contracts ─ state digest
//! ```
//!
//! Whether a transaction is executed follows from the log, and is an output. What it came to is in its receipt, which is below the
//! block's digest. So a node that has the state after some batch need not execute what led to it, as long as it knows the digests.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Work};
use replicode_contracts::backend::{self, Backend, Sealed};
use replicode_contracts::clients::{Clients, Executed, Turn};
use replicode_contracts::proof;
use replicode_contracts::run::Moment;
use replicode_log::{BatchIndex, Call, Called, ContractsConfig, Output};
use std::sync::Arc;

/// What a block amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Roots, and the block before.
    pub batch: proof::Batch,
    /// Everything else; none where the node had the state after this batch and did not execute it again.
    pub sealed: Option<Arc<Sealed>>,
}

/// Executes the calls of a batch. On nodes a store, an engine of wasm and several threads; the machine knows none of them.
pub trait Execute: Send {
    /// Executes these, in their order or as if.
    ///
    /// # Errors
    /// When this node cannot go on, and why. What a contract does wrong is in its receipt.
    fn execute(&mut self, moment: Moment, transactions: &[Vec<u8>]) -> Result<Block, String>;
}

/// Executes with a backend that is nobody else's: for a replay, a test.
pub struct InPlace(pub Box<dyn Backend>);

impl Execute for InPlace {
    fn execute(&mut self, moment: Moment, transactions: &[Vec<u8>]) -> Result<Block, String> {
        block_of(&mut *self.0, moment, transactions).map_err(|error| error.to_string())
    }
}

/// One block on a backend.
///
/// # Errors
/// Those of the backend, which does not go on then.
pub fn block_of(backend: &mut dyn Backend, moment: Moment, transactions: &[Vec<u8>]) -> backend::Result<Block> {
    backend.begin(moment)?;
    backend.execute(transactions)?;
    let sealed = backend.commit()?;
    Ok(Block { batch: sealed.batch, sealed: Some(sealed) })
}

/// A cell's contracts.
pub(crate) struct Contracts {
    clients: Clients,
    executor: Option<Box<dyn Execute>>,
}

impl Contracts {
    pub(crate) fn new(config: &ContractsConfig) -> Self {
        Self { clients: Clients::new(config.clients.into()), executor: None }
    }

    pub(crate) fn set_executor(&mut self, executor: Box<dyn Execute>) {
        self.executor = Some(executor);
    }

    pub(crate) fn clients(&self) -> usize {
        self.clients.len()
    }
}

impl<L: GuestLoader> Machine<L> {
    /// Takes a call in, and answers it.
    pub(crate) fn call(&mut self, call: Call, work: &mut Work) {
        let batch = work.header.index;
        let output = match (call, &mut self.contracts) {
            (Call::Open { token }, contracts) => {
                Output::Client { token, client: contracts.as_mut().map(|it| it.clients.open(batch.0)) }
            }
            (Call::Submit { client, sequence, .. }, None) => {
                Output::Receipt { client, sequence, outcome: Called::NoContracts }
            }
            (Call::Submit { client, sequence, transaction }, Some(contracts)) => {
                let position = u32::try_from(work.calls.len()).unwrap_or(u32::MAX);
                let outcome = match contracts.clients.submit(client, sequence, Executed { batch: batch.0, position }) {
                    Turn::Execute => {
                        work.calls.push(transaction);
                        Called::Executed { position }
                    }
                    Turn::Repeated(Executed { batch, position }) => {
                        Called::Repeated { batch: BatchIndex(batch), position }
                    }
                    Turn::Forgotten => Called::Forgotten,
                    Turn::Gap(next) => Called::Gap { next },
                    Turn::Expired => Called::ExpiredClient,
                    Turn::Unknown => Called::UnknownClient,
                };
                Output::Receipt { client, sequence, outcome }
            }
        };
        work.outputs.push(output);
    }

    /// Executes what has come in; nothing happens where nothing has.
    pub(crate) fn execute_calls(&mut self, work: &mut Work) -> Result<Option<Block>, Fault> {
        let calls = std::mem::take(&mut work.calls);
        let Some(contracts) = self.contracts.as_mut().filter(|_| !calls.is_empty()) else { return Ok(None) };
        let executor = contracts.executor.as_mut().ok_or_else(|| Fault::Contracts("nothing executes them".into()))?;
        let moment = Moment { batch: work.header.index.0, time: work.header.time.nanos(), seed: work.header.seed };
        executor.execute(moment, &calls).map(Some).map_err(Fault::Contracts)
    }
}
