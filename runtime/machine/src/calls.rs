//! Contract calls: which of a batch's are executed, and their place in it.
//!
//! ```text
//! Input::Call ─ who, which number ─┬─ due: joins the block ─┐
//!                                  └─ repeat, gap, …        ├─ Output::Receipt, at once
//!                                                           └─ the block is executed ─ digest of contracts ─ state digest
//! ```
//!
//! Programs call contracts, too: what they submit is executed, as a further piece of the batch's block, when none of them can run on; then
//! those go on that wait for a receipt, until nothing is left to do.
//!
//! Whether a transaction is executed follows from the log, and is an output. What it came to is in its receipt, which is below the
//! block's digest. So a node that has the state after some batch need not execute what led to it, as long as it knows the digests.

use crate::guest::GuestLoader;
use crate::machine::{Fault, Machine, Work};
use replicode_contracts::account::Address;
use replicode_contracts::backend::{self, AccountNow, Backend, Sealed, View};
use replicode_contracts::clients::{Clients, Executed, Turn};
use replicode_contracts::proof;
use replicode_contracts::receipt::{Receipt, Status};
use replicode_contracts::run::{Moment, Source, Viewed};
use replicode_log::{BatchIndex, Call, Called, ContractsConfig, Output, codec};
use replicode_syscalls::Kernel;
use replicode_syscalls::contracts::{Question, SealedBatch};
use std::sync::Arc;

/// The most gas of a program's view.
const VIEW_GAS: u64 = 1_000_000_000;

/// What a block amounted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Roots, and the block before.
    pub batch: proof::Batch,
    /// Everything else; none where the node had the state after this batch and did not execute it again.
    pub sealed: Option<Arc<Sealed>>,
}

/// Executes the calls of a batch: what clients have submitted, and behind it what programs do, round by round. On nodes a store, an
/// engine of wasm and several threads; the machine knows none of them.
///
/// A block is begun, executed in pieces, and committed. An error says why this node cannot go on; what a contract does wrong is in its
/// receipt.
pub trait Execute: Send {
    /// Begins a block.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn begin(&mut self, moment: Moment) -> Result<(), String>;

    /// Executes further transactions of the block, in their order or as if, all of one source. Their receipts, without states; none
    /// where the node has the state after this block already.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn execute(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Option<Vec<Receipt>>, String>;

    /// Ends the block.
    ///
    /// # Errors
    /// When this node cannot go on.
    fn commit(&mut self) -> Result<Block, String>;

    /// Runs a function that changes nothing, on the state after everything that was executed so far.
    ///
    /// # Errors
    /// When this node cannot go on, or does not have that state.
    fn view(&mut self, view: &View<'_>) -> Result<Viewed, String>;

    /// An account in that state.
    ///
    /// # Errors
    /// As [`Execute::view`].
    fn account(&mut self, account: &Address) -> Result<AccountNow, String>;
}

/// Executes with a backend that is nobody else's: for a replay, a test.
pub struct InPlace(pub Box<dyn Backend>);

fn told<T>(result: backend::Result<T>) -> Result<T, String> {
    result.map_err(|error| error.to_string())
}

impl Execute for InPlace {
    fn begin(&mut self, moment: Moment) -> Result<(), String> {
        told(self.0.begin(moment))
    }

    fn execute(&mut self, source: Source, transactions: &[Vec<u8>]) -> Result<Option<Vec<Receipt>>, String> {
        told(self.0.execute_from(source, transactions)).map(Some)
    }

    fn commit(&mut self) -> Result<Block, String> {
        told(commit(&mut *self.0))
    }

    fn view(&mut self, view: &View<'_>) -> Result<Viewed, String> {
        told(self.0.root().and_then(|_| self.0.view(view)))
    }

    fn account(&mut self, account: &Address) -> Result<AccountNow, String> {
        told(self.0.root().and_then(|_| self.0.account(account)))
    }
}

/// Ends a block on a backend.
///
/// # Errors
/// Those of the backend, which does not go on then.
pub fn commit(backend: &mut dyn Backend) -> backend::Result<Block> {
    let sealed = backend.commit()?;
    Ok(Block { batch: sealed.batch, sealed: Some(sealed) })
}

/// A cell's contracts.
pub(crate) struct Contracts {
    clients: Clients,
    executor: Option<Box<dyn Execute>>,
    /// A block has begun in this batch.
    open: bool,
}

impl Contracts {
    pub(crate) fn new(config: &ContractsConfig) -> Self {
        Self { clients: Clients::new(config.clients.into()), executor: None, open: false }
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
    pub(crate) fn execute_calls(&mut self, work: &mut Work) -> Result<(), Fault> {
        let calls = std::mem::take(&mut work.calls);
        if !calls.is_empty() {
            self.execute(Source::Client, &calls, work)?;
        }
        Ok(())
    }

    fn executor(&mut self) -> Result<(&mut dyn Execute, &mut bool), Fault> {
        let nothing = || Fault::Contracts("nothing executes them".into());
        let contracts = self.contracts.as_mut().ok_or_else(nothing)?;
        let executor = contracts.executor.as_deref_mut().ok_or_else(nothing)?;
        Ok((executor, &mut contracts.open))
    }

    /// Executes further transactions of the batch's block.
    fn execute(
        &mut self,
        source: Source,
        transactions: &[Vec<u8>],
        work: &Work,
    ) -> Result<Option<Vec<Receipt>>, Fault> {
        let moment = moment(work);
        let (executor, open) = self.executor()?;
        if !*open {
            executor.begin(moment).map_err(Fault::Contracts)?;
            *open = true;
        }
        executor.execute(source, transactions).map_err(Fault::Contracts)
    }

    /// Takes what programs have asked of contracts: questions are answered at once, transactions wait until no program can run on.
    pub(crate) fn take_questions(&mut self, kernel: &mut Kernel, work: &mut Work) -> Result<(), Fault> {
        while let Some((asker, question)) = kernel.poll_contracts() {
            let answer = match question {
                Question::Submit(transaction) => {
                    work.asked.push((asker, transaction));
                    continue;
                }
                Question::View { account, function, arguments, gas } => {
                    self.view(account, &function, &arguments, gas.min(VIEW_GAS), work)?
                }
                Question::Account(account) => {
                    let (executor, _) = self.executor()?;
                    let now = executor.account(&Address::from_bytes(account)).map_err(Fault::Contracts)?;
                    account_bytes(&now)
                }
                Question::Name(name) => match std::str::from_utf8(&name) {
                    Ok(name) => Address::of_name(name).as_bytes().to_vec(),
                    Err(_) => Vec::new(),
                },
            };
            kernel.deliver_contracts(asker, answer);
        }
        Ok(())
    }

    /// Runs a view for a program. It sees the program's batch, whether or not a block has begun in it.
    fn view(
        &mut self,
        account: [u8; 20],
        function: &[u8],
        arguments: &[u8],
        gas: u64,
        work: &Work,
    ) -> Result<Vec<u8>, Fault> {
        let account = Address::from_bytes(account);
        // What is no text is the name of no function.
        let function = std::str::from_utf8(function).unwrap_or("");
        let (executor, _) = self.executor()?;
        let (sender, moment) = (Address::from_bytes([0; 20]), Some(moment(work)));
        let view = View { sender, account, function, arguments, gas, moment };
        let outcome = executor.view(&view).map_err(Fault::Contracts)?.outcome;
        Ok(match outcome.status {
            Status::Success => [&[1], outcome.returned.as_slice()].concat(),
            status => [&[0], codec::encode(&status).as_slice()].concat(),
        })
    }

    /// Executes what programs have submitted, and tells them; whether there was anything.
    pub(crate) fn execute_asked(&mut self, kernel: &mut Kernel, work: &mut Work) -> Result<bool, Fault> {
        let (askers, transactions): (Vec<_>, Vec<_>) = std::mem::take(&mut work.asked).into_iter().unzip();
        if transactions.is_empty() {
            return Ok(false);
        }
        let receipts = self.execute(Source::Program, &transactions, work)?.ok_or_else(|| {
            Fault::Contracts(
                "what programs have submitted was not executed here, and so its receipts are not known".into(),
            )
        })?;
        for (asker, receipt) in askers.into_iter().zip(receipts) {
            let mut bytes = receipt.encode();
            if bytes.len() > kernel.contract_room(asker) {
                bytes = receipt.short().encode();
            }
            kernel.deliver_contracts(asker, bytes);
        }
        Ok(true)
    }

    /// Ends the batch's block, if it has one.
    pub(crate) fn commit_calls(&mut self, kernel: &mut Kernel) -> Result<Option<Block>, Fault> {
        if !self.contracts.as_ref().is_some_and(|contracts| contracts.open) {
            return Ok(None);
        }
        let (executor, open) = self.executor()?;
        *open = false;
        let block = executor.commit().map_err(Fault::Contracts)?;
        let batch = &block.batch;
        kernel.contracts_sealed(SealedBatch {
            batch: batch.index,
            root: *batch.root.as_bytes(),
            digest: *batch.digest().as_bytes(),
        });
        Ok(Some(block))
    }
}

/// When a batch is, for contracts.
fn moment(work: &Work) -> Moment {
    Moment { batch: work.header.index.0, time: work.header.time.nanos(), seed: work.header.seed }
}

/// An account for a program: nonce u64, balance u128, accounts spawned u64, whether it has code u8, its template 32 bytes, its state 32
/// bytes; numbers little-endian.
fn account_bytes(now: &AccountNow) -> Vec<u8> {
    let template = now.record.template.unwrap_or_default();
    let mut bytes = Vec::with_capacity(97);
    bytes.extend_from_slice(&now.record.nonce.to_le_bytes());
    bytes.extend_from_slice(&now.balance.to_le_bytes());
    bytes.extend_from_slice(&now.record.spawned.to_le_bytes());
    bytes.push(u8::from(now.record.template.is_some()));
    bytes.extend_from_slice(template.as_bytes());
    bytes.extend_from_slice(now.state.as_bytes());
    bytes
}
