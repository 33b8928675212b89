//! A world for unit tests of contracts: several accounts and contracts, money, time, events, errors and gas, in one process.
//!
//! The life of contracts is the one that nodes have (`replicode-contracts`: frames, roll-backs, rules, storage, prices of what the host does); only a
//! contract's own instructions are native code, and cost nothing. Each world is apart from all others.
//!
//! With `REPLICODE_CONTRACT_MODULES=FOLDER` the same tests run against the wasm as well: beside each world is another one whose contracts are the
//! modules `contract_NAME.wasm` of that folder. Everything is done in both, and the test fails at the first transaction or view that
//! ends otherwise there: another status, return value, event, touched slice or price of what the host did. With
//! `REPLICODE_CONTRACT_COMPARE=effects` as well, the modules may go another way to the same end: written in another language, they need only
//! give the same status, return value, events and state.
//!
//! With `REPLICODE_CONTRACT_RECORD=FOLDER` each world writes down what is done in it, for `replicode contract test`, which does it again with
//! gas counted.
//!
//! ```
//! use replicode_contract::prelude::*;
//! use replicode_contract_world::World;
//!
//! #[contract]
//! mod counter {
//!     use replicode_contract::prelude::*;
//!
//!     #[storage]
//!     pub struct Counter {
//!         count: Var<u64>,
//!     }
//!
//!     impl Counter {
//!         #[call]
//!         pub fn add(&mut self, amount: u64) -> u64 {
//!             let count = self.count.get() + amount;
//!             self.count.set(&count);
//!             count
//!         }
//!     }
//! }
//!
//! let mut world = World::new();
//! let counter = counter::Client::at(world.spawn_bare::<counter::Counter>("ann"));
//! assert_eq!(world.call("bob", counter.add(3)).unwrap(), 3);
//! ```
#![warn(missing_docs)]
#![forbid(unsafe_code)]

mod bridge;
pub mod keys;
mod module;
mod native;
mod outcome;
mod record;
mod template;

pub use outcome::{Failure, Outcome};
pub use replicode_contracts as contracts;

use native::Natives;
use replicode_contract::call::Init;
use replicode_contract::{Address, Call, Contract, Hash, Value};
use replicode_contracts::account;
use replicode_contracts::cell::Maps;
use replicode_contracts::event::Event;
use replicode_contracts::hash;
use replicode_contracts::receipt::{Receipt, Status};
use replicode_contracts::run::{Config, Moment, Sequential, cells};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};

/// Gas that a transaction may burn unless stated.
pub const GAS: u64 = 1_000_000_000;
/// Nanoseconds of logical time between two batches unless stated.
pub const STEP: u64 = 1_000_000;

/// Accounts, contracts and what they have stored.
pub struct World {
    cells: Maps,
    config: Config,
    natives: Natives,
    moment: Moment,
    gas: u64,
    /// The same world, with modules for code.
    twin: Option<Box<World>>,
    /// Where everything that is done is written down.
    record: Option<record::Record>,
}

impl Default for World {
    fn default() -> Self {
        World::new()
    }
}

impl World {
    /// Nothing and nobody. Accounts of names are there as soon as they are named; they have no money ([`World::fund`]).
    #[must_use]
    pub fn new() -> World {
        let folder = std::env::var_os("REPLICODE_CONTRACT_MODULES");
        let twin = folder.map(|folder| Box::new(World::with(Natives::of_modules(folder.into()))));
        World { twin, record: record::Record::of_environment(), ..World::with(Natives::default()) }
    }

    fn with(natives: Natives) -> World {
        let mut config = Config::standard(hash::Hash::new([0; 32]));
        config.trust_names = true;
        World {
            cells: Maps::new(),
            config,
            natives,
            moment: Moment { batch: 0, time: 0, seed: 0 },
            gas: GAS,
            twin: None,
            record: None,
        }
    }

    /// Does it in the other world, too.
    fn both(&mut self, act: impl FnOnce(&mut World)) {
        if let Some(twin) = &mut self.twin {
            act(twin);
        }
    }

    /// The address of a name's account.
    #[must_use]
    pub fn address(name: &str) -> Address {
        Address(*account::Address::of_name(name).as_bytes())
    }

    /// Gives an account money out of nothing.
    pub fn fund(&mut self, name: &str, amount: u128) {
        let to = account::Address::of_name(name);
        let credited = cells::credit(&mut self.cells, &to, amount);
        assert!(matches!(credited, Ok(true)), "{name} cannot have {amount} more");
        if let Some(record) = &mut self.record {
            record.funded(to.as_bytes(), amount);
        }
        self.both(|twin| twin.fund(name, amount));
    }

    /// An account's balance.
    pub fn balance(&mut self, account: Address) -> u128 {
        ok(cells::balance(&mut self.cells, &native(account)))
    }

    /// Gas that each transaction from now on may burn.
    pub fn set_gas(&mut self, gas: u64) {
        self.gas = gas;
        self.both(|twin| twin.set_gas(gas));
    }

    /// Logical time, in nanoseconds.
    #[must_use]
    pub fn time(&self) -> u64 {
        self.moment.time
    }

    /// Time passes.
    pub fn advance(&mut self, nanoseconds: u64) {
        self.moment.time += nanoseconds;
        self.both(|twin| twin.advance(nanoseconds));
    }

    /// The entropy of the batches to come.
    pub fn set_seed(&mut self, seed: u64) {
        self.moment.seed = seed;
        self.both(|twin| twin.set_seed(seed));
    }

    /// Makes an account of a contract by one of its constructors.
    pub fn spawn<C: Contract>(&mut self, by: &str, init: Init<C>) -> Outcome<Address> {
        self.spawn_with(by, init, 0)
    }

    /// The same, with money as its first balance.
    pub fn spawn_with<C: Contract>(&mut self, by: &str, init: Init<C>, value: u128) -> Outcome<Address> {
        let template = self.deploy::<C>(by);
        let (constructor, arguments) = (Some(init.constructor), init.arguments);
        let template = hash::Hash::new(template.0);
        let receipt = self.run(by, Action::Spawn { template, constructor, arguments, value });
        Outcome::spawned(receipt)
    }

    /// Makes an account of a contract without constructors.
    pub fn spawn_bare<C: Contract>(&mut self, by: &str) -> Address {
        let template = hash::Hash::new(self.deploy::<C>(by).0);
        let receipt = self.run(by, Action::Spawn { template, constructor: None, arguments: Vec::new(), value: 0 });
        Outcome::spawned(receipt).unwrap()
    }

    /// Stores a contract's template, for contracts that make accounts of it themselves. The hash is not that of the wasm build.
    pub fn deploy<C: Contract>(&mut self, by: &str) -> Hash {
        let bytes = template::of::<C>();
        self.natives.know::<C>(&bytes);
        self.both(|twin| twin.natives.know::<C>(&bytes));
        let receipt = self.run(by, Action::Deploy { template: bytes });
        match receipt.deployed.first() {
            Some(hash) => Hash(*hash.as_bytes()),
            None => panic!("the template of {} is refused: {}", C::NAME, receipt.status),
        }
    }

    /// Gives an account the code of another contract, and runs that one's `migrate` with these arguments.
    pub fn upgrade<C: Contract>(&mut self, by: &str, account: Address, arguments: &[u8]) -> Outcome<()> {
        let template = hash::Hash::new(self.deploy::<C>(by).0);
        let action = Action::Upgrade { account: native(account), template, arguments: arguments.to_vec() };
        Outcome::of(self.run(by, action))
    }

    /// Calls a function, in a transaction of a name's account and a batch of its own.
    pub fn call<T: Value>(&mut self, by: &str, call: Call<T>) -> Outcome<T> {
        let Call { account, function, arguments, value, .. } = call;
        Outcome::of(self.run(by, Action::Call { account: native(account), function, arguments, value }))
    }

    /// Asks a function of kind view, and changes nothing.
    ///
    /// # Errors
    /// How it has ended, when it did not succeed.
    pub fn view<T: Value>(&mut self, call: Call<T>) -> Result<T, Failure> {
        let mut block = Sequential::new(&mut self.cells, &self.config, &self.natives, self.moment);
        let nobody = account::Address::of_name("");
        let viewed = ok(block.view(nobody, native(call.account), &call.function, &call.arguments, self.gas, true));
        if let Some(twin) = &mut self.twin {
            let mut block = Sequential::new(&mut twin.cells, &twin.config, &twin.natives, twin.moment);
            let there = ok(block.view(nobody, native(call.account), &call.function, &call.arguments, twin.gas, true));
            let (a, b) = (&there.outcome, &viewed.outcome);
            match effects_only() {
                true => assert_eq!((&a.status, &a.returned), (&b.status, &b.returned), "the module answers otherwise"),
                false => assert_eq!(there, viewed, "the module answers otherwise than native code"),
            }
        }
        outcome::answer(&viewed.outcome.status, &viewed.outcome.returned)
    }

    /// Pays an account.
    pub fn send(&mut self, by: &str, to: Address, value: u128) -> Outcome<()> {
        Outcome::of(self.run(by, Action::Transfer { to: native(to), value }))
    }

    /// The same, in a transaction of an account with code of its own, whose `verify` is given what `proof` makes of the transaction's hash.
    pub fn call_as<T: Value>(
        &mut self,
        account: Address,
        proof: impl Fn(Hash) -> Vec<u8>,
        call: Call<T>,
    ) -> Outcome<T> {
        let Call { account: to, function, arguments, value, .. } = call;
        let action = Action::Call { account: native(to), function, arguments, value };
        Outcome::of(self.run_as(account, &proof, action))
    }

    /// A payment of such an account.
    pub fn send_as(
        &mut self,
        account: Address,
        proof: impl Fn(Hash) -> Vec<u8>,
        to: Address,
        value: u128,
    ) -> Outcome<()> {
        Outcome::of(self.run_as(account, &proof, Action::Transfer { to: native(to), value }))
    }

    /// One transaction, in a batch of its own.
    fn run(&mut self, by: &str, action: Action) -> Receipt {
        let proof = Proof::Name { name: by.into() };
        self.run_both(account::Address::of_name(by), &|_| proof.clone(), action)
    }

    fn run_as(&mut self, account: Address, proof: &dyn Fn(Hash) -> Vec<u8>, action: Action) -> Receipt {
        self.run_both(native(account), &|signed| Proof::Own { proof: proof(signed) }, action)
    }

    fn run_both(&mut self, by: account::Address, proof: &dyn Fn(Hash) -> Proof, action: Action) -> Receipt {
        let there = self.twin.as_mut().map(|twin| twin.run_here(by, proof, action.clone()));
        let receipt = self.run_here(by, proof, action);
        if let Some(there) = there {
            match effects_only() {
                true => assert_eq!(effects(&there), effects(&receipt), "the module ends otherwise than native code"),
                false => assert_eq!(there, receipt, "the module ends otherwise than native code"),
            }
            let cells = self.twin.as_ref().map(|twin| (twin.cells.bytes(), twin.cells.sums()));
            assert!(
                cells == Some((self.cells.bytes(), self.cells.sums())),
                "the module has stored something else than native code"
            );
        }
        receipt
    }

    fn run_here(&mut self, by: account::Address, proof: &dyn Fn(Hash) -> Proof, action: Action) -> Receipt {
        self.moment.batch += 1;
        self.moment.time += STEP;
        let nonce = ok(cells::record(&mut self.cells, &by)).nonce;
        let body =
            Body { version: VERSION, principal: by, nonce, gas_limit: self.gas, gas_price: 0, actions: vec![action] };
        let signed = Hash(*body.signed(&self.config.cell).as_bytes());
        let transaction = Transaction { body, proof: proof(signed) };
        let bytes = transaction.encode();
        if let Some(record) = &mut self.record {
            record.executed(self.moment, &bytes);
        }
        let mut block = Sequential::new(&mut self.cells, &self.config, &self.natives, self.moment);
        ok(block.execute(&bytes))
    }
}

/// Whether modules may go another way to the same end.
fn effects_only() -> bool {
    std::env::var_os("REPLICODE_CONTRACT_COMPARE").is_some_and(|what| what == "effects")
}

/// What of a receipt does not depend on the way there. Nothing but running out of gas does so.
fn effects(receipt: &Receipt) -> (&Status, &[u8], &[account::Address], &[Event]) {
    (&receipt.status, &receipt.returned, &receipt.spawned, &receipt.events)
}

fn native(address: Address) -> account::Address {
    account::Address::from_bytes(address.0)
}

/// What only a node's disk could refuse.
fn ok<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("the world has come to an end: {error:?}"),
    }
}
