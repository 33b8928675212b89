//! Tests of a contract as steps in a file: who calls what, and what has to come of it. For contracts that no world runs natively.
//!
//! ```json
//! [{"test": "a transfer moves money", "steps": [
//!   {"as": "ann", "spawn": {"supply": "1000"}},
//!   {"as": "ann", "call": "transfer", "args": {"to": "bob", "amount": "30"}, "events": ["Transfer { from: ann, to: bob, amount: 30 }"]},
//!   {"view": "balance_of", "args": {"owner": "bob"}, "returns": "30"},
//!   {"as": "bob", "call": "transfer", "args": {"to": "eve", "amount": "31"}, "fails": "InsufficientFunds { have: 30, need: 31 }"}]}]
//! ```
//!
//! Names are accounts; `self` is the contract. Values are written as on the command line.

use super::gas::Measured;
use super::module::Module;
use crate::{show, telemetry};
use anyhow::{Context, Result, ensure};
use replicode_contracts::abi::{Abi, Function, FunctionKind, Given, Names};
use replicode_contracts::account::Address;
use replicode_contracts::cell::Maps;
use replicode_contracts::event::Event;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{Receipt, Status, show as receipts};
use replicode_contracts::run::{Config, Moment, Sequential, cells};
use replicode_contracts::template::{Kind, Limits, Template};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use serde::Deserialize;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

const GAS: u64 = 100_000_000;
/// Nanoseconds of logical time between two batches.
const STEP: u64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    test: String,
    #[serde(default)]
    fund: BTreeMap<String, u64>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    #[serde(rename = "as")]
    by: Option<String>,
    spawn: Option<BTreeMap<String, Json>>,
    call: Option<String>,
    view: Option<String>,
    /// Nanoseconds that pass before it.
    #[serde(default)]
    advance: u64,
    #[serde(default)]
    args: BTreeMap<String, Json>,
    #[serde(default)]
    value: u64,
    /// The value, as `contract view` shows it.
    returns: Option<String>,
    /// The reason, as it is shown.
    fails: Option<String>,
    /// All events, as they are shown.
    events: Option<Vec<String>>,
}

/// One test's world.
struct World<'a> {
    cells: Maps,
    config: Config,
    moment: Moment,
    contract: Option<Address>,
    template: &'a [u8],
    abi: &'a Abi,
    names: Called,
}

/// Names of accounts: every name is one.
struct Called {
    contract: Option<Address>,
    known: Vec<String>,
}

impl Names for Called {
    fn address(&self, name: &str) -> Option<Address> {
        match name {
            "self" => self.contract,
            name => name.parse().ok().or_else(|| Some(Address::of_name(name))),
        }
    }

    fn name(&self, address: &Address) -> Option<String> {
        let own = (self.contract == Some(*address)).then(|| "self".to_string());
        own.or_else(|| self.known.iter().find(|name| Address::of_name(name) == *address).cloned())
    }
}

/// Runs all tests of a file against a module.
///
/// # Errors
/// When the file cannot be read, or a test fails: all that fail are said.
pub fn run(path: &Path, wasm: &[u8], measured: &mut Measured, json: bool) -> Result<()> {
    let text = std::fs::read(path).with_context(|| format!("cannot read the tests {}", path.display()))?;
    let tests: Vec<Test> =
        serde_json::from_slice(&text).with_context(|| format!("{} is no list of tests", path.display()))?;
    ensure!(!tests.is_empty(), "{} holds no test", path.display());
    let module = Module::of(wasm.to_vec())?;
    let loader = super::module::loader()?;
    let template = module.template(Kind::Contract, Vec::new(), &loader, &Limits::STANDARD)?;
    let abi = Template::decode(&template, &Limits::STANDARD)?.abi;
    let mut failed = 0;
    for test in &tests {
        let result = one(test, &template, &abi, measured);
        let line = format!("test {} ... {}", test.test, if result.is_ok() { "ok" } else { "FAILED" });
        if json {
            telemetry::say(&line)
        } else {
            _ = show::print(&format!("{line}\n"))?
        };
        if let Err(error) = result {
            failed += 1;
            telemetry::say(&format!("{}: {error:#}", test.test));
        }
    }
    ensure!(failed == 0, "{failed} of {} tests have failed", tests.len());
    Ok(())
}

fn one(test: &Test, template: &[u8], abi: &Abi, measured: &mut Measured) -> Result<()> {
    let mut config = Config::standard(Hash::ZERO);
    config.trust_names = true;
    let mut known: Vec<String> = ["ann", "bob", "eve"].map(str::to_string).to_vec();
    known.extend(test.steps.iter().filter_map(|step| step.by.clone()));
    let names = Called { contract: None, known };
    let mut world =
        World { cells: Maps::new(), config, moment: Moment::default(), contract: None, template, abi, names };
    for (name, amount) in &test.fund {
        let credited = cells::credit(&mut world.cells, &Address::of_name(name), u128::from(*amount))?;
        ensure!(credited, "{name} cannot have {amount}");
    }
    for (number, step) in test.steps.iter().enumerate() {
        world.step(step, measured).with_context(|| format!("step {}", number + 1))?;
    }
    Ok(())
}

impl<'a> World<'a> {
    fn step(&mut self, step: &Step, measured: &mut Measured) -> Result<()> {
        let time = self.moment.time.checked_add(step.advance);
        self.moment.time =
            time.with_context(|| format!("\"advance\": {} goes beyond the end of time", step.advance))?;
        if let Some(name) = &step.view {
            let (function, contract) = (self.function(name)?, self.contract()?);
            let arguments = self.arguments(function, &step.args)?;
            let nobody = Address::from_bytes([0; 20]);
            let mut block = Sequential::new(&mut self.cells, &self.config, measured.loader(), self.moment);
            let viewed = block.view(nobody, contract, name, &arguments, GAS, true)?;
            return self.ends(step, function, &viewed.outcome.status, &viewed.outcome.returned, &[]);
        }
        let by = step.by.clone().context("who? \"as\" is missing")?;
        let (function, actions) = match (&step.spawn, &step.call) {
            (Some(args), None) => {
                let init = self.abi.functions.iter().find(|f| f.kind == FunctionKind::Init);
                let arguments = init.map_or(Ok(Vec::new()), |init| self.arguments(init, args))?;
                let (template, constructor) = (Template::hash_of(self.template), init.map(|init| init.name.clone()));
                let spawn = Action::Spawn { template, constructor, arguments, value: step.value.into() };
                (init, vec![Action::Deploy { template: self.template.to_vec() }, spawn])
            }
            (None, Some(name)) => {
                let function = self.function(name)?;
                let arguments = self.arguments(function, &step.args)?;
                let call = Action::Call {
                    account: self.contract()?,
                    function: name.clone(),
                    arguments,
                    value: step.value.into(),
                };
                (Some(function), vec![call])
            }
            _ => anyhow::bail!("a step has one of \"spawn\", \"call\" and \"view\""),
        };
        let receipt = self.run(&by, actions, measured)?;
        measured.receipt(&receipt, &mut self.cells)?;
        if step.spawn.is_some() && receipt.is_success() {
            self.contract = receipt.spawned.first().copied();
            self.names.contract = self.contract;
        }
        match function {
            Some(function) => self.ends(step, function, &receipt.status, &receipt.returned, &receipt.events),
            None => {
                ensure!(receipt.is_success(), "{}", receipt.status);
                Ok(())
            }
        }
    }

    fn contract(&self) -> Result<Address> {
        self.contract.context("nothing was spawned yet")
    }

    fn function(&self, name: &str) -> Result<&'a Function> {
        self.abi.function(name).with_context(|| format!("the contract has no function {name:?}"))
    }

    fn arguments(&self, function: &Function, args: &BTreeMap<String, Json>) -> Result<Vec<u8>> {
        let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let words: Vec<String> = args.iter().flat_map(|(name, value)| [format!("--{name}"), text(value)]).collect();
        let encoded = Given::read(&words).encode(self.abi, function, &self.names);
        encoded.map_err(|wrong| anyhow::anyhow!(wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")))
    }

    fn run(&mut self, by: &str, actions: Vec<Action>, measured: &Measured) -> Result<Receipt> {
        let principal = Address::of_name(by);
        self.moment.batch += 1;
        self.moment.time += STEP;
        let nonce = cells::record(&mut self.cells, &principal)?.nonce;
        let body = Body { version: VERSION, principal, nonce, gas_limit: GAS, gas_price: 0, actions };
        let transaction = Transaction { body, proof: Proof::Name { name: by.into() } };
        let mut block = Sequential::new(&mut self.cells, &self.config, measured.loader(), self.moment);
        Ok(block.execute(&transaction.encode())?)
    }

    fn ends(&self, step: &Step, function: &Function, status: &Status, returned: &[u8], events: &[Event]) -> Result<()> {
        let reason = receipts::status(status, Some(self.abi), &self.names);
        match &step.fails {
            Some(fails) => {
                ensure!(reason == *fails, "expected it to fail with {fails}, and it ends so: {reason}");
                return Ok(());
            }
            None => ensure!(*status == Status::Success, "it has failed: {reason}"),
        }
        if let Some(returns) = &step.returns {
            let ty = function.returns.as_ref().context("the function returns nothing")?;
            let shown = self.abi.show(ty, &self.abi.decode(ty, returned)?, &self.names);
            ensure!(shown == *returns, "expected it to return {returns}, and it returns {shown}");
        }
        if let Some(expected) = &step.events {
            let shown: Vec<String> =
                events.iter().map(|event| receipts::event(event, Some(self.abi), &self.names)).collect();
            ensure!(shown == *expected, "expected the events {expected:?}, and there are {shown:?}");
        }
        Ok(())
    }
}
