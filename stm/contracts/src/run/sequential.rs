//! One transaction after the other: the specification.
//!
//! ```text
//! transaction ─ decodes? ─ nonce ─ proof ─ money ─ batch gas ─ actions ─ fee ─ receipt
//!                  └────────┴───────┴───────┴────────┴─ no: skipped, a receipt without effect
//! ```

use super::frames::{Fault, Frames, Invocation, Outcome, Purpose, Run};
use super::host::Loader;
use super::{Config, Moment, cells};
use crate::account::Address;
use crate::cell::Access;
use crate::functions::{self, Request, limits};
use crate::hash::Hash;
use crate::receipt::{FrameGas, Gas, Receipt, Skipped, Status, VERSION};
use crate::transaction::{BadProof, Proof, Transaction, validate};

/// All that a transaction can depend on besides its bytes, the cells, and the gas that the batch has left.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    pub(crate) config: &'a Config,
    pub(crate) loader: &'a dyn Loader,
    pub(crate) moment: Moment,
}

/// Who submits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A client, through the log: transactions, and what it asks of functions.
    Client,
    /// A program of the cell. It has transactions only: a request has no principal and pays no gas, and who may make one is decided
    /// where clients are let in.
    Program,
}

/// What a batch has left for those of it that are still to come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Left {
    /// Gas.
    pub(crate) gas: u64,
    /// Room for functions, see [`limits::BATCH`].
    pub(crate) room: u64,
}

impl Left {
    /// For one that does not know it yet, and behaves as if there were enough.
    pub(crate) const ENOUGH: Self = Self { gas: u64::MAX, room: u64::MAX };
}

/// A transaction as it has arrived: read, if it can be, and named.
pub(crate) struct Arrived {
    pub(crate) name: Hash,
    pub(crate) transaction: Option<Transaction>,
    /// What is asked of functions, where it is that and no transaction.
    pub(crate) request: Option<Request>,
}

impl Arrived {
    pub(crate) fn of(source: Source, bytes: &[u8], limits: &validate::Limits) -> Self {
        let name = Transaction::hash_of(bytes);
        if source == Source::Client && Request::is_marked(bytes) {
            return Self { name, transaction: None, request: Request::decode(bytes) };
        }
        Self { name, transaction: Transaction::decode(bytes, limits).ok(), request: None }
    }
}

/// Executes blocks of transactions on cells. The cells' owner decides what a block's end means for them.
pub struct Sequential<'a, A> {
    cells: &'a mut A,
    around: Around<'a>,
    position: u32,
    gas_left: u64,
    room: u64,
}

/// What a query has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewed {
    /// How it has ended.
    pub outcome: Outcome,
    /// What its frames have burnt.
    pub frames: Vec<FrameGas>,
}

impl<'a, A: Access> Sequential<'a, A> {
    /// Begins a batch.
    pub fn new(cells: &'a mut A, config: &'a Config, loader: &'a dyn Loader, moment: Moment) -> Self {
        Self {
            cells,
            around: Around { config, loader, moment },
            position: 0,
            gas_left: config.batch_gas,
            room: limits::BATCH,
        }
    }

    /// The cells, between two transactions.
    pub fn cells(&mut self) -> &mut A {
        self.cells
    }

    /// Executes the next transaction of the batch. States in the receipt are filled in when the batch has ended
    /// ([`Receipt::states`]).
    ///
    /// # Errors
    /// When this node cannot go on. The cells are then of no use.
    pub fn execute(&mut self, bytes: &[u8]) -> Run<Receipt, A> {
        let arrived = Arrived::of(Source::Client, bytes, &self.around.config.limits);
        let left = Left { gas: self.gas_left, room: self.room };
        let (receipt, work) = execute(self.cells, self.around, self.position, &arrived, left)?;
        self.position += 1;
        self.gas_left -= receipt.gas.burnt;
        self.room = self.room.saturating_sub(work);
        Ok(receipt)
    }

    /// Whether the next transaction would be skipped as things stand, and why. Takes everything back.
    ///
    /// # Errors
    /// When this node cannot go on.
    pub fn verify(&mut self, bytes: &[u8]) -> Run<Option<Skipped>, A> {
        let Around { config, loader, moment } = self.around;
        let Some(transaction) = Arrived::of(Source::Client, bytes, &config.limits).transaction else {
            return Ok(Some(Skipped::Malformed));
        };
        let begin = self.cells.mark();
        let body = &transaction.body;
        let mut frames = Frames::new(self.cells, config, loader, moment, body.principal, body.gas_limit);
        let why = skipped(&mut frames, &transaction, self.gas_left)?;
        self.cells.roll_back(begin);
        Ok(why)
    }

    /// Runs a function of kind view, or any other to see what it would do, and takes everything back.
    ///
    /// # Errors
    /// When this node cannot go on.
    pub fn view(
        &mut self,
        sender: Address,
        account: Address,
        function: &str,
        arguments: &[u8],
        gas: u64,
        read_only: bool,
    ) -> Run<Viewed, A> {
        let Around { config, loader, moment } = self.around;
        let mut frames = Frames::new(self.cells, config, loader, moment, sender, gas);
        let point = frames.point();
        let outcome = frames.invoke(&Invocation {
            purpose: Purpose::Call,
            account,
            function,
            arguments,
            sender,
            value: 0,
            gas,
            read_only,
            may_reenter: false,
        })?;
        frames.take_back(point);
        Ok(Viewed { outcome, frames: frames.records })
    }
}

/// What a transaction does, wherever the cells are. With its receipt, what it takes of the batch's room for functions.
pub(crate) fn execute<A: Access>(
    cells: &mut A,
    around: Around<'_>,
    position: u32,
    arrived: &Arrived,
    left: Left,
) -> Run<(Receipt, u64), A> {
    if let Some(request) = &arrived.request {
        return functions::execute(cells, around, position, arrived.name, request, left);
    }
    Ok((execute_transaction(cells, around, position, arrived, left.gas)?, 0))
}

fn execute_transaction<A: Access>(
    cells: &mut A,
    around: Around<'_>,
    position: u32,
    arrived: &Arrived,
    gas_left: u64,
) -> Run<Receipt, A> {
    let Around { config, loader, moment } = around;
    let Some(transaction) = &arrived.transaction else {
        return Ok(blank(arrived.name, moment.batch, position, Status::Skipped { why: Skipped::Malformed }));
    };
    let body = &transaction.body;
    let mut receipt = blank(arrived.name, moment.batch, position, Status::Success);
    receipt.gas = Gas { limit: body.gas_limit, price: body.gas_price, ..Gas::default() };
    let begin = cells.mark();
    let mut frames = Frames::new(cells, config, loader, moment, body.principal, body.gas_limit);
    if let Some(why) = skipped(&mut frames, transaction, gas_left)? {
        frames.cells.roll_back(begin);
        receipt.status = Status::Skipped { why };
        return Ok(receipt);
    }
    let point = frames.point();
    for (number, action) in (0u16..).zip(&body.actions) {
        let outcome = frames.act(action)?;
        (receipt.action, receipt.returned, receipt.status) = (number, outcome.returned, outcome.status);
        if receipt.status != Status::Success {
            receipt.returned.clear();
            break;
        }
    }
    if !receipt.is_success() {
        frames.take_back(point);
    }
    receipt.gas.burnt = frames.outside.burnt();
    receipt.gas.outside = frames.outside.own;
    receipt.touched = frames.take_touched();
    receipt.gas.frames = frames.records;
    (receipt.events, receipt.spawned, receipt.deployed) =
        (frames.made.events, frames.made.spawned, frames.made.deployed);
    let fee = receipt.fee();
    // The most that it may cost was taken before, so both fit.
    cells::credit(cells, &body.principal, body.greatest_fee() - fee)?;
    cells::credit(cells, &config.collector, fee)?;
    Ok(receipt)
}

/// A receipt in which nothing has happened.
pub(crate) fn blank(transaction: Hash, batch: u64, position: u32, status: Status) -> Receipt {
    Receipt {
        version: VERSION,
        transaction,
        batch,
        position,
        status,
        action: 0,
        returned: Vec::new(),
        gas: Gas::default(),
        spawned: Vec::new(),
        deployed: Vec::new(),
        events: Vec::new(),
        touched: Vec::new(),
        states: Vec::new(),
    }
}

/// Whether a transaction has no effect, and why: the first of the rules that says so, in their order. When none does,
/// its nonce is used up and the most that it may cost is taken.
fn skipped<A: Access>(frames: &mut Frames<'_, A>, transaction: &Transaction, gas_left: u64) -> Run<Option<Skipped>, A> {
    let (body, principal) = (&transaction.body, transaction.body.principal);
    let mut record = cells::record(frames.cells, &principal)?;
    if body.nonce != record.nonce {
        return Ok(Some(Skipped::BadNonce { next: record.nonce, given: body.nonce }));
    }
    let signed = body.signed(&frames.config.cell);
    let decided = match (&record.template, &transaction.proof) {
        (Some(template), Proof::Own { proof }) => match frames.verify(template, &signed, proof)? {
            Some(burnt) => {
                frames.outside.burn_below(burnt);
                Ok(())
            }
            None => Err(BadProof::Refused),
        },
        (Some(_), _) => Err(BadProof::WrongKind),
        (None, proof) => proof.check_built_in(&principal, &signed, frames.config.trust_names),
    };
    if let Err(why) = decided {
        return Ok(Some(Skipped::BadSignature { why }));
    }
    let need = body.greatest_fee();
    if !cells::debit(frames.cells, &principal, need)? {
        return Ok(Some(Skipped::NoMoney { have: cells::balance(frames.cells, &principal)?, need }));
    }
    if body.gas_limit > gas_left {
        return Ok(Some(Skipped::BatchGasLimit { left: gas_left, need: body.gas_limit }));
    }
    let Some(next) = record.nonce.checked_add(1) else {
        return Err(Fault::Damaged { cell: cells::record_key(&principal), what: "its nonce is the last one" });
    };
    record.nonce = next;
    cells::set_record(frames.cells, &principal, &record)?;
    Ok(None)
}
