//! Contracts written as Rust functions, and a cell with some money in it.

use crate::abi::Abi;
use crate::account::Address;
use crate::cell::Maps;
use crate::hash::Hash;
use crate::receipt::Receipt;
use crate::registers::Shape;
pub(super) use crate::run::Natives;
use crate::run::host::{Halt, Host};
use crate::run::{Config, Moment, Native, Sequential, cells};
use crate::slice::Slices;
use crate::template::{Class, Header, Kind, Layout, SliceKind, Template};
use crate::transaction::{Action, Body, Proof, Transaction, VERSION};

/// The bytes of a template with this document.
pub(super) fn template(name: &str, document: serde_json::Value) -> Vec<u8> {
    template_with(name, document, |_| ())
}

pub(super) fn template_with(name: &str, document: serde_json::Value, change: impl FnOnce(&mut Template)) -> Vec<u8> {
    let abi = Abi::parse(document.to_string().as_bytes()).expect("a good document");
    let kind = |variable: &crate::abi::Variable| match &variable.ty {
        crate::abi::StorageType::Counter => SliceKind::Counter,
        crate::abi::StorageType::Map(..) => SliceKind::Map,
        _ => SliceKind::Bytes,
    };
    let sizes: Vec<(SliceKind, usize)> =
        abi.storage.iter().map(|v| (kind(v), abi.slice_len(&v.ty).expect("a size"))).collect();
    let constructors = abi.functions.iter().filter(|f| f.kind == crate::abi::FunctionKind::Init);
    let mut template = Template {
        header: Header { kind: Kind::Contract, interface: 1, name: name.into(), version: "1".into() },
        code: b"\0asm\x01\0\0\0".to_vec(),
        layout: Layout::place(&sizes, 4096).expect("they fit"),
        constructors: constructors.map(|f| f.name.clone()).collect(),
        abi,
        registers: Shape::STANDARD,
        libraries: vec![],
        class: Class::Metered,
        memory: crate::template::STANDARD_MEMORY,
    };
    change(&mut template);
    template.encode()
}

/// A cell without wasm: maps, native code, and accounts of names.
pub(super) struct World {
    pub(super) cells: Maps,
    pub(super) config: Config,
    pub(super) natives: Natives,
    pub(super) batch: u64,
}

pub(super) const GAS: u64 = 1_000_000_000;

impl World {
    /// Ann and bob have 1,000,000 each.
    pub(super) fn new(codes: &[(&'static str, Native)]) -> Self {
        let mut config = Config::standard(Hash::new([9; 32]));
        config.trust_names = true;
        let natives = Natives::new(codes.iter().copied());
        let mut world = Self { cells: Maps::new(), config, natives, batch: 0 };
        for name in ["ann", "bob"] {
            assert_eq!(cells::credit(&mut world.cells, &Address::of_name(name), 1_000_000), Ok(true));
        }
        world
    }

    pub(super) fn body(&mut self, name: &str, actions: Vec<Action>) -> Body {
        let principal = Address::of_name(name);
        let nonce = cells::record(&mut self.cells, &principal).expect("maps do not fail").nonce;
        Body { version: VERSION, principal, nonce, gas_limit: GAS, gas_price: 0, actions }
    }

    pub(super) fn named(&mut self, name: &str, actions: Vec<Action>) -> Transaction {
        Transaction { body: self.body(name, actions), proof: Proof::Name { name: name.into() } }
    }

    /// A batch of these transactions.
    pub(super) fn batch(&mut self, transactions: &[Transaction]) -> Vec<Receipt> {
        self.batch += 1;
        let moment = Moment { batch: self.batch, time: self.batch * 1_000, seed: 7 };
        let mut block = Sequential::new(&mut self.cells, &self.config, &self.natives, moment);
        transactions.iter().map(|t| block.execute(&t.encode()).expect("maps do not fail")).collect()
    }

    pub(super) fn run(&mut self, name: &str, actions: Vec<Action>) -> Receipt {
        let transaction = self.named(name, actions);
        let receipt = self.batch(&[transaction]).remove(0);
        assert_adds_up(&receipt);
        receipt
    }

    pub(super) fn deploy(&mut self, template: Vec<u8>) -> Hash {
        let receipt = self.run("ann", vec![Action::Deploy { template }]);
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.deployed[0]
    }

    pub(super) fn spawn(
        &mut self,
        template: Hash,
        constructor: Option<&str>,
        arguments: Vec<u8>,
        value: u128,
    ) -> Address {
        let constructor = constructor.map(str::to_string);
        let receipt = self.run("ann", vec![Action::Spawn { template, constructor, arguments, value }]);
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.spawned[0]
    }

    pub(super) fn balance(&mut self, account: &Address) -> u128 {
        cells::balance(&mut self.cells, account).expect("maps do not fail")
    }
}

/// Frames and what is outside of them make up what was burnt, and that is no more than the limit.
pub(super) fn assert_adds_up(receipt: &Receipt) {
    let frames: u64 = receipt.gas.frames.iter().map(crate::receipt::FrameGas::total).sum();
    let outside: u64 = receipt.gas.outside.iter().sum();
    assert_eq!(frames + outside, receipt.gas.burnt, "{:?}", receipt.gas);
    assert!(receipt.gas.burnt <= receipt.gas.limit);
    for frame in &receipt.gas.frames {
        assert!(frame.total() <= frame.limit, "{frame:?}");
    }
    assert_eq!(Receipt::decode(&receipt.encode()), Ok(receipt.clone()));
}

pub(super) fn call(account: Address, function: &str, arguments: Vec<u8>) -> Action {
    Action::Call { account, function: function.into(), arguments, value: 0 }
}

pub(super) fn encoded<T: borsh::BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).expect("into memory")
}

/// A slice of the running contract.
pub(super) fn read(host: &mut dyn Host, slice: u32) -> Result<Vec<u8>, Halt> {
    let program = host.program();
    let account = *host.message().account.as_bytes();
    let mut bytes = Vec::new();
    let done = Slices::of(&account, &program.layout).read(host, slice, &mut bytes);
    done.map_err(|error| host.storage_error(error))?;
    Ok(bytes)
}

pub(super) fn write(host: &mut dyn Host, slice: u32, bytes: &[u8]) -> Result<(), Halt> {
    let program = host.program();
    let account = *host.message().account.as_bytes();
    let done = Slices::of(&account, &program.layout).write(host, slice, bytes);
    done.map_err(|error| host.storage_error(error))
}

pub(super) fn add(host: &mut dyn Host, slice: u32, delta: i128) -> Result<bool, Halt> {
    let program = host.program();
    let account = *host.message().account.as_bytes();
    let done = Slices::of(&account, &program.layout).add(host, slice, delta, crate::cell::Bounds::NOT_NEGATIVE);
    done.map_err(|error| host.storage_error(error))
}
