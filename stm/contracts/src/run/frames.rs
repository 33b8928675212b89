//! Frames: one call in another. Who may call what, what a failure undoes and what it burns.

use super::host::{Entry, Halt, Loaded, Loader, Message, Unloaded};
use super::meter::Meter;
use super::{Config, Moment, cells};
use crate::abi::{Function, FunctionKind, Mutability};
use crate::account::Address;
use crate::cell::{Access, CellKey};
use crate::event::Event;
use crate::hash::Hash;
use crate::receipt::status::Rule;
use crate::receipt::{FrameGas, GasKind, Status, Touched, TouchedSlice};
use crate::registers::Registers;
use crate::template::{Kind, Template};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Libraries that a template may need, with those that they need: each is an instance more in a frame.
pub const MAX_LINKED: usize = 8;

/// Records of frames that a receipt has room for; what further ones burn is in the record of the frame that called them.
const MAX_RECORDS: usize = 1024;

/// This node cannot go on, or this run has to be done again: never a contract's doing, and never shown to one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault<E> {
    /// What the cells said.
    #[error("the cells could not be read or written")]
    Access(E),
    /// A cell holds what is never written.
    #[error("cell {cell} is damaged: {what}")]
    Damaged {
        /// Which one.
        cell: CellKey,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A stored template that was fit to run once is so no longer: engine or rules are not those of the cell.
    #[error("template {template} does not load: {why}")]
    Template {
        /// Which one.
        template: Hash,
        /// What is wrong with it.
        why: String,
    },
    /// The engine could not give a running contract what the configuration promises.
    #[error("this node cannot run template {template}: {why}")]
    Engine {
        /// Whose code it was.
        template: Hash,
        /// What was missing.
        why: String,
    },
}

/// How a call has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub status: Status,
    /// What it has returned, encoded; empty unless it succeeded.
    pub returned: Vec<u8>,
    /// What it has burnt, with everything below.
    pub burnt: u64,
}

impl Outcome {
    pub(super) fn failed(status: Status) -> Self {
        Self { status, returned: Vec::new(), burnt: 0 }
    }

    /// Whether it took effect.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.status == Status::Success
    }
}

/// What a function is called for. Each purpose has its kind of function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// By a transaction or another contract.
    Call,
    /// To make an account.
    Construct,
    /// By the runtime, which knows the kind.
    Rule(FunctionKind),
}

/// A call before it is known whether it can be made.
pub(super) struct Invocation<'a> {
    pub(super) purpose: Purpose,
    pub(super) account: Address,
    pub(super) function: &'a str,
    pub(super) arguments: &'a [u8],
    pub(super) sender: Address,
    /// Taken from the sender, except where the account was given it before.
    pub(super) value: u128,
    pub(super) gas: u64,
    pub(super) read_only: bool,
    pub(super) may_reenter: bool,
}

/// One call that is running.
pub(super) struct Frame {
    pub(super) message: Message,
    pub(super) loaded: Arc<Loaded>,
    pub(super) meter: Meter,
    pub(super) registers: Option<Registers>,
    /// Set when it has ended other than by returning.
    pub(super) ending: Option<Status>,
    pub(super) last: Option<Outcome>,
    /// Its place in the receipt.
    record: Option<usize>,
}

#[derive(Default)]
pub(super) struct Touch {
    slices: BTreeMap<u32, bool>,
    read: u32,
    written: u32,
}

/// Where everything of one transaction happens.
pub(super) struct Frames<'a, A: Access> {
    pub(super) cells: &'a mut A,
    pub(super) config: &'a Config,
    pub(super) loader: &'a dyn Loader,
    pub(super) moment: Moment,
    pub(super) principal: Address,
    /// Of the transaction outside of its frames.
    pub(super) outside: Meter,
    pub(super) stack: Vec<Frame>,
    pub(super) records: Vec<FrameGas>,
    pub(super) made: Made,
    pub(super) touched: BTreeMap<Address, Touch>,
    pub(super) fault: Option<Fault<A::Error>>,
}

/// What a failed frame takes back besides its cells.
#[derive(Default)]
pub(super) struct Made {
    pub(super) events: Vec<Event>,
    /// Of all events together.
    pub(super) event_bytes: usize,
    pub(super) spawned: Vec<Address>,
    pub(super) deployed: Vec<Hash>,
}

/// A point that everything can be taken back to.
pub(super) struct Point {
    mark: crate::cell::Mark,
    made: [usize; 4],
}

pub(super) type Run<T, A> = Result<T, Fault<<A as Access>::Error>>;

impl<'a, A: Access> Frames<'a, A> {
    pub(super) fn new(
        cells: &'a mut A,
        config: &'a Config,
        loader: &'a dyn Loader,
        moment: Moment,
        principal: Address,
        gas: u64,
    ) -> Self {
        Self {
            cells,
            config,
            loader,
            moment,
            principal,
            outside: Meter::new(gas),
            stack: Vec::new(),
            records: Vec::new(),
            made: Made::default(),
            touched: BTreeMap::new(),
            fault: None,
        }
    }

    pub(super) fn point(&mut self) -> Point {
        let Made { events, event_bytes, spawned, deployed } = &self.made;
        Point { made: [events.len(), *event_bytes, spawned.len(), deployed.len()], mark: self.cells.mark() }
    }

    pub(super) fn take_back(&mut self, to: Point) {
        self.cells.roll_back(to.mark);
        let [events, event_bytes, spawned, deployed] = to.made;
        self.made.events.truncate(events);
        self.made.event_bytes = event_bytes;
        self.made.spawned.truncate(spawned);
        self.made.deployed.truncate(deployed);
    }

    /// A stored template, ready to run.
    pub(super) fn loaded(&mut self, template: &Hash) -> Run<Option<Arc<Loaded>>, A> {
        if !cells::has_template(self.cells, template)? {
            return Ok(None);
        }
        if let Some(loaded) = self.loader.at_hand(template) {
            return Ok(Some(loaded));
        }
        let Some(bytes) = cells::template(self.cells, template)? else { return Ok(None) };
        let fault = |why: String| Fault::Template { template: *template, why };
        let decoded =
            Template::decode(&bytes, &self.config.limits.template).map_err(|wrong| fault(wrong.to_string()))?;
        // Its libraries first. They were stored before it, and there are few of them, with all of theirs: see `linked`.
        for library in &decoded.libraries {
            if self.loaded(&library.hash)?.is_none() {
                return Err(fault(format!("its library {} is not stored", library.name)));
            }
        }
        self.loader.load(template, decoded).map(Some).map_err(|error| match error {
            Unloaded::Refused(why) => fault(why),
            Unloaded::Host(why) => Fault::Engine { template: *template, why },
        })
    }

    /// All libraries that a template needs, with those that they need; or why it cannot have them.
    pub(super) fn linked(&mut self, template: &Template) -> Run<Result<BTreeSet<Hash>, String>, A> {
        let mut linked = BTreeSet::new();
        let mut pins = template.libraries.clone();
        while let Some(pin) = pins.pop() {
            if !linked.insert(pin.hash) {
                continue;
            }
            if linked.len() > MAX_LINKED {
                return Ok(Err(format!("more than {MAX_LINKED} libraries, with those that they need themselves")));
            }
            let Some(library) = self.loaded(&pin.hash)? else {
                return Ok(Err(format!("there is no library {} with hash {}", pin.name, pin.hash)));
            };
            if library.template.header.kind != Kind::Library {
                return Ok(Err(format!("{} with hash {} is a contract and no library", pin.name, pin.hash)));
            }
            pins.extend(library.template.libraries.iter().cloned());
        }
        Ok(Ok(linked))
    }

    /// Makes a call. What it burns is the caller's to account for.
    pub(super) fn invoke(&mut self, call: &Invocation<'_>) -> Run<Outcome, A> {
        if self.stack.len() >= self.config.max_depth {
            return Ok(Outcome::failed(Status::TooDeep));
        }
        let account = call.account;
        let loaded = match cells::record(self.cells, &account)?.template {
            Some(template) => self.loaded(&template)?,
            None => None,
        };
        let Some(loaded) = loaded else { return Ok(Outcome::failed(Status::AccountNotFound { account })) };
        let function = match self.admit(call, &loaded) {
            Ok(function) => function,
            Err(status) => return Ok(Outcome::failed(status)),
        };
        let point = self.point();
        let given = call.purpose != Purpose::Construct && call.value > 0;
        if given && !cells::pay(self.cells, &call.sender, &account, call.value)? {
            return Ok(Outcome::failed(Status::NoMoney { need: call.value }));
        }
        self.enter(call, &loaded, function);
        let entry = Entry { function: &function.name, arguments: call.arguments };
        let result = match loaded.template.fixed_gas(&function.name) {
            Some(gas) => super::Host::charge(self, GasKind::Compute, gas).and_then(|()| {
                self.stack.last_mut().into_iter().for_each(|frame| frame.meter.prepay());
                loaded.code.run(entry, self)
            }),
            None => loaded.code.run(entry, self),
        };
        let Some(frame) = self.stack.pop() else { return Ok(Outcome::failed(Status::TooDeep)) };
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let outcome = self.leave(frame, result);
        if !outcome.is_success() {
            self.take_back(point);
        }
        Ok(outcome)
    }

    /// Whether the rules allow a call.
    fn admit<'l>(&self, call: &Invocation<'_>, loaded: &'l Loaded) -> Result<&'l Function, Status> {
        let name = call.function;
        let Some(function) = loaded.template.abi.function(name) else {
            return Err(Status::FunctionNotFound { function: name.to_string() });
        };
        let denied = |what: Rule| Status::NotAllowed { what };
        match (call.purpose, function.kind) {
            (Purpose::Call, FunctionKind::Call | FunctionKind::View) => {}
            (Purpose::Construct, _) if loaded.template.constructors.iter().any(|known| known == name) => {}
            (Purpose::Construct, _) => return Err(Status::NotAConstructor { function: name.to_string() }),
            (Purpose::Rule(wanted), kind) if wanted == kind => {}
            _ => return Err(denied(Rule::NotCallable)),
        }
        if call.read_only && function.kind.mutability() == Mutability::Changes {
            return Err(denied(Rule::ReadOnly));
        }
        if call.value > 0 && !function.payable && call.purpose != Purpose::Construct {
            return Err(denied(Rule::NotPayable));
        }
        let running = self.stack.iter().any(|frame| frame.message.account == call.account);
        if running && !(call.may_reenter && function.reentrant) {
            return Err(Status::Reentered { account: call.account });
        }
        match loaded.template.abi.decode_fields(&function.args, call.arguments) {
            Ok(_) => Ok(function),
            Err(error) => Err(Status::BadArguments { why: error.to_string() }),
        }
    }

    fn enter(&mut self, call: &Invocation<'_>, loaded: &Arc<Loaded>, function: &Function) {
        let depth = u8::try_from(self.stack.len()).unwrap_or(u8::MAX);
        let record = (self.records.len() < MAX_RECORDS).then_some(self.records.len());
        if record.is_some() {
            let (account, function) = (call.account, function.name.clone());
            self.records.push(FrameGas { depth, account, function, limit: call.gas, burnt: [0; 6] });
        }
        let message = Message {
            account: call.account,
            template: loaded.hash,
            sender: call.sender,
            principal: self.principal,
            value: call.value,
            depth,
            read_only: call.read_only || function.kind.mutability() == Mutability::ReadOnly,
            moment: self.moment,
        };
        self.stack.push(Frame {
            message,
            loaded: Arc::clone(loaded),
            meter: Meter::new(call.gas),
            registers: None,
            ending: None,
            last: None,
            record,
        });
    }

    fn leave(&mut self, mut frame: Frame, result: Result<Vec<u8>, Halt>) -> Outcome {
        let (status, returned) = match (frame.ending.take(), result) {
            (Some(status), _) => (status, Vec::new()),
            (None, Ok(returned)) => (Status::Success, returned),
            // A halt that the host has not made comes from another frame or nowhere.
            (None, Err(Halt(()))) => (Status::Trapped { trap: crate::receipt::Trap::Host }, Vec::new()),
        };
        if status.burns_all() {
            frame.meter.lose_the_rest();
        }
        if let Some(record) = frame.record.and_then(|record| self.records.get_mut(record)) {
            record.burnt = frame.meter.own;
        }
        Outcome { status, returned, burnt: frame.meter.burnt() }
    }

    /// A slice or an element was read or written.
    pub(super) fn touch(&mut self, account: Address, key: &CellKey, written: bool) {
        let touch = self.touched.entry(account).or_default();
        match key.as_slice() {
            Some((_, index)) => *touch.slices.entry(index).or_default() |= written,
            None if written => touch.written = touch.written.saturating_add(1),
            None => touch.read = touch.read.saturating_add(1),
        }
    }

    /// What was touched, as the receipt has it.
    pub(super) fn take_touched(&mut self) -> Vec<Touched> {
        let touched = std::mem::take(&mut self.touched).into_iter();
        let slices = |slices: BTreeMap<u32, bool>| {
            slices.into_iter().map(|(index, written)| TouchedSlice { index, written }).collect()
        };
        let as_written = |(account, touch): (Address, Touch)| Touched {
            account,
            slices: slices(touch.slices),
            elements_read: touch.read,
            elements_written: touch.written,
        };
        touched.map(as_written).collect()
    }
}
