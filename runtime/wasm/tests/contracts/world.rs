//! A cell in memory with wasm contracts, on either engine.

use crate::other_engine::OtherLoader;
use replicode_contracts::abi::{Abi, FunctionKind};
use replicode_contracts::account::Address;
use replicode_contracts::cell::Maps;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Receipt;
use replicode_contracts::registers::Shape;
use replicode_contracts::run::{Config, Loader, Moment, Sequential, cells};
use replicode_contracts::template::{Class, Header, Kind, Layout, LibraryPin, SliceKind, Template};
use replicode_contracts::transaction::{Action, Body, Proof, Transaction, VERSION};
use replicode_wasm::contracts::{ContractEngine, ContractLoader, ContractSettings};
use std::sync::Arc;

pub const GAS: u64 = 1_000_000_000;

/// A cell: maps, and contracts on one engine.
pub struct World {
    pub cells: Maps,
    pub config: Config,
    pub loader: Box<dyn Loader>,
    pub batch: u64,
    pub gas_limit: u64,
}

pub fn settings() -> ContractSettings {
    ContractSettings::default()
}

/// One engine for all worlds of the test binary: making one is not what is tested.
pub fn engine() -> ContractEngine {
    static ENGINE: std::sync::OnceLock<ContractEngine> = std::sync::OnceLock::new();
    ENGINE.get_or_init(|| ContractEngine::new(&settings(), 16).expect("this host runs contracts")).clone()
}

impl World {
    /// On the node's engine.
    pub fn new() -> Self {
        Self::with(Box::new(ContractLoader::new(engine())))
    }

    /// On the other engine.
    pub fn other() -> Self {
        Self::with(Box::new(OtherLoader::new(ContractLoader::new(engine()))))
    }

    pub fn with(loader: Box<dyn Loader>) -> Self {
        let mut config = Config::standard(Hash::new([9; 32]));
        config.trust_names = true;
        let mut world = Self { cells: Maps::new(), config, loader, batch: 0, gas_limit: GAS };
        for name in ["ann", "bob"] {
            let ok = cells::credit(&mut world.cells, &Address::of_name(name), 1_000_000);
            assert_eq!(ok, Ok(true));
        }
        world
    }

    pub fn run(&mut self, name: &str, actions: Vec<Action>) -> Receipt {
        let principal = Address::of_name(name);
        let nonce = cells::record(&mut self.cells, &principal).expect("maps do not fail").nonce;
        let gas_limit = self.gas_limit;
        let body = Body { version: VERSION, principal, nonce, gas_limit, gas_price: 0, actions };
        let transaction = Transaction { body, proof: Proof::Name { name: name.into() } };
        self.batch += 1;
        let moment = Moment { batch: self.batch, time: self.batch * 1_000, seed: 7 };
        let mut block = Sequential::new(&mut self.cells, &self.config, &*self.loader, moment);
        let receipt = block.execute(&transaction.encode()).expect("the node goes on");
        let frames: u64 = receipt.gas.frames.iter().map(replicode_contracts::receipt::FrameGas::total).sum();
        assert_eq!(frames + receipt.gas.outside.iter().sum::<u64>(), receipt.gas.burnt, "{:?}", receipt.gas);
        assert!(receipt.gas.burnt <= receipt.gas.limit);
        receipt
    }

    pub fn deploy(&mut self, template: &Template) -> Hash {
        let receipt = self.try_deploy(template);
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.deployed[0]
    }

    pub fn try_deploy(&mut self, template: &Template) -> Receipt {
        self.run("ann", vec![Action::Deploy { template: template.encode() }])
    }

    pub fn publish(&mut self, name: &str, template: &Template) -> Hash {
        let action = Action::Publish { name: name.into(), version: "1".into(), template: template.encode() };
        let receipt = self.run("ann", vec![action]);
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.deployed[0]
    }

    pub fn spawn(&mut self, template: Hash, constructor: Option<&str>, arguments: Vec<u8>, value: u128) -> Address {
        let constructor = constructor.map(str::to_string);
        let receipt = self.run("ann", vec![Action::Spawn { template, constructor, arguments, value }]);
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.spawned[0]
    }

    /// Deploys and spawns a contract without a constructor.
    pub fn place(&mut self, template: &Template) -> Address {
        let hash = self.deploy(template);
        self.spawn(hash, None, vec![], 0)
    }

    pub fn call(&mut self, account: Address, function: &str, arguments: Vec<u8>) -> Receipt {
        self.run("ann", vec![call(account, function, arguments)])
    }
}

pub fn call(account: Address, function: &str, arguments: Vec<u8>) -> Action {
    Action::Call { account, function: function.into(), arguments, value: 0 }
}

pub fn encoded<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("into memory")
}

/// A contract of a text and a document.
pub fn template(document: serde_json::Value, text: &str) -> Template {
    let abi = Abi::parse(document.to_string().as_bytes()).expect("a good document");
    let kind = |variable: &replicode_contracts::abi::Variable| {
        use replicode_contracts::abi::StorageType as T;
        match &variable.ty {
            T::Value(_) => SliceKind::Bytes,
            T::Counter => SliceKind::Counter,
            T::List(_) => SliceKind::List,
            T::Map(..) => SliceKind::Map,
            T::Set(_) => SliceKind::Set,
            T::SortedSet(_) => SliceKind::SortedSet,
        }
    };
    let sizes: Vec<(SliceKind, usize)> =
        abi.storage.iter().map(|v| (kind(v), abi.slice_len(&v.ty).expect("a size"))).collect();
    let constructors = abi.functions.iter().filter(|f| f.kind == FunctionKind::Init);
    Template {
        header: Header { kind: Kind::Contract, interface: 1, name: abi.name.clone(), version: "1".into() },
        code: wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}")),
        layout: Layout::place(&sizes, 4096).expect("they fit"),
        constructors: constructors.map(|f| f.name.clone()).collect(),
        abi,
        registers: Shape::STANDARD,
        libraries: vec![],
        class: Class::Metered,
        memory: replicode_contracts::template::STANDARD_MEMORY,
    }
}

/// A library of a text.
pub fn library(name: &str, text: &str) -> Template {
    let mut template = template(serde_json::json!({"abi": 1, "name": name}), text);
    template.header.kind = Kind::Library;
    template
}

pub fn pin(name: &str, hash: Hash) -> LibraryPin {
    LibraryPin { name: name.into(), hash }
}

/// A document with functions of kind call without arguments.
pub fn document(name: &str, functions: &[&str]) -> serde_json::Value {
    let function = |name: &&str| serde_json::json!({"name": name, "kind": "call"});
    serde_json::json!({"abi": 1, "name": name, "functions": functions.iter().map(function).collect::<Vec<_>>()})
}

/// Two worlds that do the same: everything that can be seen of them has to be equal.
pub struct Pair {
    pub ours: World,
    pub other: World,
}

impl Pair {
    pub fn new() -> Self {
        Self { ours: World::new(), other: World::other() }
    }

    /// Does the same in both, and compares receipts and cells.
    pub fn both<T: PartialEq + std::fmt::Debug>(&mut self, act: impl Fn(&mut World) -> T) -> T {
        let (ours, other) = (act(&mut self.ours), act(&mut self.other));
        assert_eq!(ours, other, "this engine, and the other one");
        assert!(self.ours.cells == self.other.cells, "cells differ after {ours:?}");
        ours
    }
}

#[expect(dead_code, reason = "loaders are shared between threads in a node")]
fn loaders_are_shared(loader: ContractLoader) -> Arc<dyn Loader + Send + Sync> {
    Arc::new(loader)
}
