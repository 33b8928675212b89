//! Batches of transactions that do everything, and the contract that they call: it does what its arguments say.

#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::sync::Arc;

use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;
use replicode_contracts::account::Address;
use replicode_contracts::backend::stm::Builder;
use replicode_contracts::backend::{Backend, Ledger, Parallel, Sealed, Settings};
use replicode_contracts::cell::Bounds;
use replicode_contracts::collection::Range;
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::{KeyValue, Memory};
use replicode_contracts::receipt::{GasKind, Receipt, Status, Trap};
use replicode_contracts::run::native::slices;
use replicode_contracts::run::{CallRequest, Config, Halt, Host, Moment, Native, Natives, SpawnRequest};
use replicode_contracts::slice::Kind;
use replicode_contracts::state::Storage;
use replicode_contracts::template::{self, Template, builder};
use replicode_contracts::transaction::{Action, Body, Limits, Proof, SigningKey, Transaction, VERSION};

/// One thing that the contract does.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Op {
    Write(u8, u64),
    Copy(u8, u8),
    Add(i8),
    /// Of a map of counters.
    MapAdd(u8, i8),
    Push(u8),
    Pop,
    Insert(u8),
    Remove(u8),
    /// Looks at a range of the sorted set, and leaves what it has seen.
    Look(u8),
    /// Into a list in a map.
    Nest(u8, u8),
    /// Removes such a list with all that is in it.
    Unnest(u8),
    Emit(u8, Option<u8>),
    Transfer(u8, u16),
    Call {
        to: u8,
        read_only: bool,
        may_reenter: bool,
        value: u8,
        gas: u32,
        ops: Vec<Op>,
    },
    Spawn {
        value: u8,
        ops: Vec<Op>,
    },
    Burn(u16),
    Revert(u8),
    Trap,
}

/// A transaction, before it is known which nonce it has.
#[derive(Clone, Debug)]
pub struct Step {
    pub by: u8,
    pub what: What,
    pub price: u64,
    pub gas: u64,
}

#[derive(Clone, Debug)]
pub enum What {
    Run(Vec<(u8, Vec<Op>)>),
    Spawn(u8, Vec<Op>),
    Pay(u8, u16),
    Deploy(u8),
    Upgrade(u8, u8),
    Publish(u8),
    Malformed(u8),
    WrongNonce,
    WrongProof,
    /// The bytes of the transaction before, once more.
    Again,
}

pub const NAMES: [&str; 4] = ["ann", "bob", "eve", "poor"];

fn document(version: u8) -> String {
    let call = |name: &str, kind: &str, reentrant: bool| {
        serde_json::json!({"name": name, "kind": kind, "payable": kind != "view", "reentrant": reentrant,
                           "args": [{"name": "ops", "type": "bytes"}]})
    };
    let mut storage = vec![
        serde_json::json!({"name": "a", "type": "u64", "slice": 0}),
        serde_json::json!({"name": "b", "type": "u64", "slice": 1}),
        serde_json::json!({"name": "sum", "type": "counter", "slice": 2}),
        serde_json::json!({"name": "sums", "type": "map<u8, counter>", "slice": 3}),
        serde_json::json!({"name": "list", "type": "list<bytes>", "slice": 4}),
        serde_json::json!({"name": "sorted", "type": "sorted_set<u8>", "slice": 5}),
        serde_json::json!({"name": "lists", "type": "map<u8, list<u8>>", "slice": 6}),
    ];
    if version > 0 {
        storage.push(serde_json::json!({"name": "more", "type": "u64", "slice": 7}));
    }
    let mut functions = vec![
        call("new", "init", false),
        call("run", "call", false),
        call("run_again", "call", true),
        call("look", "view", false),
        serde_json::json!({"name": "may_upgrade", "kind": "upgrade", "returns": "bool",
            "args": [{"name": "sender", "type": "address"}, {"name": "to", "type": "hash"}]}),
    ];
    if version > 0 {
        functions.push(serde_json::json!({"name": "migrate", "kind": "migrate"}));
    }
    let name = if version == 2 { "unknown" } else { "script" };
    serde_json::json!({
        "abi": 1, "name": name, "functions": functions, "storage": storage,
        "events": [{"name": "Said", "fields": [{"name": "what", "type": "u8", "topic": true}]}],
    })
    .to_string()
}

/// The first is what contracts are made of, the second what they are upgraded to, the third has no code here.
pub fn template(version: u8) -> Vec<u8> {
    let version = version % 3;
    let bytes = builder::native(document(version).as_bytes(), &version.to_string(), &template::Limits::STANDARD);
    bytes.unwrap()
}

fn library(version: u8) -> Vec<u8> {
    let document = format!(
        r#"{{"abi": 1, "name": "script", "functions": [], "storage": [], "events": [
        {{"name": "V{version}", "fields": []}}]}}"#
    );
    let bytes = builder::native(document.as_bytes(), "1", &template::Limits::STANDARD).unwrap();
    let mut template = Template::decode(&bytes, &template::Limits::STANDARD).unwrap();
    template.header.kind = template::Kind::Library;
    template.encode()
}

fn who(number: u8) -> Address {
    match number % 8 {
        name @ 0..4 => Address::of_name(NAMES[usize::from(name)]),
        contract => contract_at(contract - 4),
    }
}

/// The contracts that ann makes in the first batch.
pub fn contract_at(number: u8) -> Address {
    Address::spawned(&Address::of_name("ann"), u64::from(number % 4), &Template::hash_of(&template(0)))
}

fn script(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    match function {
        "may_upgrade" => return Ok(vec![u8::from(host.message().principal != Address::of_name("eve"))]),
        "migrate" => {
            slices(host, |slices, host| slices.write(host, 7, &7_u64.to_le_bytes()))?;
            return Ok(vec![]);
        }
        _ => {}
    }
    let ops: Vec<u8> = borsh::from_slice(arguments).expect("decoded before");
    let ops: Vec<Op> = borsh::from_slice(&ops).expect("written by the test");
    for op in &ops {
        step(op, host)?;
    }
    Ok(vec![])
}

fn read(host: &mut dyn Host, slice: u8) -> Result<u64, Halt> {
    let mut bytes = Vec::new();
    slices(host, |slices, host| slices.read(host, (slice % 2).into(), &mut bytes))?;
    Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
}

fn write(host: &mut dyn Host, slice: u8, value: u64) -> Result<(), Halt> {
    slices(host, |slices, host| slices.write(host, (slice % 2).into(), &value.to_le_bytes()))
}

fn step(op: &Op, host: &mut dyn Host) -> Result<(), Halt> {
    match op {
        Op::Write(slice, value) => write(host, *slice, *value),
        Op::Copy(from, to) => {
            let value = read(host, *from)?;
            write(host, *to, value.wrapping_mul(3).wrapping_add(1))
        }
        Op::Add(delta) => {
            slices(host, |slices, host| slices.add(host, 2, (*delta).into(), Bounds::NOT_NEGATIVE)).map(drop)
        }
        Op::MapAdd(key, delta) => slices(host, |slices, host| {
            slices.collection(3)?.map()?.add(host, &[*key], (*delta).into(), Bounds::NOT_NEGATIVE)
        })
        .map(drop),
        Op::Push(byte) => slices(host, |slices, host| slices.collection(4)?.list()?.push(host, &[*byte; 5])).map(drop),
        Op::Pop => slices(host, |slices, host| slices.collection(4)?.list()?.pop(host)).map(drop),
        Op::Insert(key) => {
            slices(host, |slices, host| slices.collection(5)?.sorted_set()?.insert(host, &[*key])).map(drop)
        }
        Op::Remove(key) => {
            slices(host, |slices, host| slices.collection(5)?.sorted_set()?.remove(host, &[*key])).map(drop)
        }
        Op::Look(from) => {
            let seen = slices(host, |slices, host| {
                let set = slices.collection(5)?.sorted_set()?;
                let keys = set.keys(host, &Range::forward(4).beyond(&[*from]))?;
                Ok((keys, set.rank(host, &[*from])?, set.len(host)?))
            })?;
            let seen = seen.0.concat().iter().fold(seen.1 * 31 + seen.2, |all, byte| all * 31 + u64::from(*byte));
            write(host, 1, seen)
        }
        Op::Nest(key, value) => slices(host, |slices, host| {
            slices.collection(6)?.map()?.open(host, &[*key % 3], Kind::List)?.list()?.push(host, &[*value])
        })
        .map(drop),
        Op::Unnest(key) => {
            slices(host, |slices, host| slices.collection(6)?.map()?.remove(host, &[*key % 3])).map(drop)
        }
        Op::Emit(what, expires) => {
            let time = host.message().moment.time;
            host.emit(0, &[*what], expires.map(|after| time + u64::from(after)))
        }
        Op::Transfer(to, value) => host.transfer(&who(*to), (*value).into()).map(drop),
        Op::Call { to, read_only, may_reenter, value, gas, ops } => {
            let function = if *may_reenter {
                "run_again"
            } else if *read_only {
                "look"
            } else {
                "run"
            };
            let outcome = host.call(CallRequest {
                account: who(4 + *to % 4),
                function: function.into(),
                arguments: ops_of(ops),
                value: if *read_only { 0 } else { (*value).into() },
                gas: (*gas).into(),
                read_only: *read_only,
                may_reenter: *may_reenter,
            })?;
            // What became of it is seen by what comes after.
            match outcome.is_success() || host.message().read_only {
                true => Ok(()),
                false => write(host, 0, outcome.burnt),
            }
        }
        Op::Spawn { value, ops } => {
            let template = host.message().template;
            let request = SpawnRequest {
                template,
                constructor: Some("new".into()),
                arguments: ops_of(ops),
                value: (*value).into(),
                gas: 300_000,
            };
            host.spawn(request).map(drop)
        }
        Op::Burn(gas) => host.charge(GasKind::Compute, u64::from(*gas) * 50),
        Op::Revert(code) => Err(host.revert((*code).into(), vec![*code])),
        Op::Trap => Err(host.trap(Trap::Unreachable)),
    }
}

fn ops_of(ops: &[Op]) -> Vec<u8> {
    borsh::to_vec(&borsh::to_vec(ops).unwrap()).unwrap()
}

pub fn op() -> impl Strategy<Value = Op> {
    let leaf = prop_oneof![
        3 => (any::<u8>(), any::<u64>()).prop_map(|(slice, value)| Op::Write(slice, value)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(from, to)| Op::Copy(from, to)),
        3 => (-3_i8..9).prop_map(Op::Add),
        3 => (0_u8..4, -3_i8..9).prop_map(|(key, delta)| Op::MapAdd(key, delta)),
        2 => any::<u8>().prop_map(Op::Push),
        1 => Just(Op::Pop),
        2 => (0_u8..6).prop_map(Op::Insert),
        1 => (0_u8..6).prop_map(Op::Remove),
        2 => (0_u8..6).prop_map(Op::Look),
        2 => (any::<u8>(), any::<u8>()).prop_map(|(key, value)| Op::Nest(key, value)),
        1 => any::<u8>().prop_map(Op::Unnest),
        2 => (0_u8..4, prop::option::of(0_u8..200)).prop_map(|(what, expires)| Op::Emit(what, expires)),
        2 => (any::<u8>(), 0_u16..2000).prop_map(|(to, value)| Op::Transfer(to, value)),
        1 => any::<u16>().prop_map(Op::Burn),
        2 => any::<u8>().prop_map(Op::Revert),
        2 => Just(Op::Trap),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let ops = prop::collection::vec(inner, 0..4);
        let gas = prop_oneof![0_u32..60_000, Just(400_000)];
        prop_oneof![
            3 => (any::<u8>(), any::<bool>(), any::<bool>(), any::<u8>(), gas, ops.clone()).prop_map(
                |(to, read_only, may_reenter, value, gas, ops)| Op::Call { to, read_only, may_reenter, value, gas, ops }
            ),
            1 => (any::<u8>(), ops).prop_map(|(value, ops)| Op::Spawn { value, ops }),
        ]
    })
}

pub fn step_of() -> impl Strategy<Value = Step> {
    let ops = || prop::collection::vec(op(), 0..5);
    let what = prop_oneof![
        12 => prop::collection::vec((any::<u8>(), ops()), 1..3).prop_map(What::Run),
        2 => (any::<u8>(), ops()).prop_map(|(value, ops)| What::Spawn(value, ops)),
        3 => (any::<u8>(), any::<u16>()).prop_map(|(to, value)| What::Pay(to, value)),
        1 => any::<u8>().prop_map(What::Deploy),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(account, version)| What::Upgrade(account, version)),
        1 => any::<u8>().prop_map(What::Publish),
        1 => any::<u8>().prop_map(What::Malformed),
        1 => Just(What::WrongNonce),
        1 => Just(What::WrongProof),
        1 => Just(What::Again),
    ];
    let gas = prop_oneof![4 => Just(3_000_000_u64), 1 => 0_u64..200_000];
    (0_u8..4, what, 0_u64..3, gas).prop_map(|(by, what, price, gas)| Step { by, what, price, gas })
}

/// Steps by batch.
pub fn batches(most: usize) -> impl Strategy<Value = Vec<Vec<Step>>> {
    prop::collection::vec(prop::collection::vec(step_of(), 0..most), 1..4)
}

fn actions(what: &What) -> Vec<Action> {
    let call = |account: Address, ops: &[Op]| Action::Call {
        account,
        function: "run".into(),
        arguments: ops_of(ops),
        value: 3,
    };
    match what {
        What::Run(calls) => {
            let nobody = Address::of_name("nobody");
            let to = |to: u8| if to % 16 == 15 { nobody } else { who(4 + to % 4) };
            calls.iter().map(|(number, ops)| call(to(*number), ops)).collect()
        }
        What::Spawn(value, ops) => vec![spawn(*value, ops)],
        What::Pay(to, value) => vec![Action::Transfer { to: who(*to), value: (*value).into() }],
        What::Deploy(version) => vec![Action::Deploy { template: template(*version) }],
        What::Upgrade(account, version) => vec![Action::Upgrade {
            account: who(4 + account % 4),
            template: Template::hash_of(&template(*version % 2)),
            arguments: vec![],
        }],
        What::Publish(version) => vec![Action::Publish {
            name: "lib".into(),
            version: (version % 4).to_string(),
            template: library(version % 2),
        }],
        What::Malformed(_) | What::WrongNonce | What::WrongProof | What::Again => {
            vec![Action::Transfer { to: who(0), value: 1 }]
        }
    }
}

fn spawn(value: u8, ops: &[Op]) -> Action {
    Action::Spawn {
        template: Template::hash_of(&template(0)),
        constructor: Some("new".into()),
        arguments: ops_of(ops),
        value: value.into(),
    }
}

/// A configuration whose batches have so much gas.
pub fn config(batch_gas: u64) -> Config {
    let mut config = Config::standard(Hash::new([9; 32]));
    config.trust_names = true;
    config.batch_gas = batch_gas;
    config.event_life = 300;
    config.limits = Limits { ..config.limits };
    config
}

pub fn loader() -> Arc<Natives> {
    Arc::new(Natives::new([("script", script as Native)]))
}

pub fn funds() -> Vec<(Address, u128)> {
    let rich = NAMES[..3].iter().map(|name| (Address::of_name(name), 1_000_000_000));
    rich.chain([(Address::of_name("poor"), 4_000_000), (key_account(), 1_000_000_000)]).collect()
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[5; 32])
}

fn key_account() -> Address {
    Address::of_key(&key().verifying_key().to_bytes())
}

pub fn moment(batch: u64) -> Moment {
    Moment { batch, time: batch * 100, seed: batch ^ 0x55 }
}

pub fn ledger_on<K: KeyValue + Send + 'static>(kv: K, depth: usize, batch_gas: u64) -> Ledger<K> {
    Ledger::new(Storage::new(kv, depth), config(batch_gas), loader())
}

pub fn ledger(depth: usize, batch_gas: u64) -> Ledger<Memory> {
    let mut ledger = ledger_on(Memory::new(), depth, batch_gas);
    ledger.fund(&funds()).unwrap();
    ledger
}

pub fn parallel(depth: usize, batch_gas: u64, stm: Builder, budget: usize) -> Parallel<Memory> {
    let settings = Settings { stm, budget };
    let storage = Storage::new(Memory::new(), depth);
    let mut parallel = Parallel::new(storage, config(batch_gas), loader(), settings).unwrap();
    parallel.fund(&funds()).unwrap();
    parallel
}

/// Gives each step its nonce by executing it on a ledger; the transactions of each batch, and what the ledger says.
pub fn write_down(ledger: &mut dyn Backend, batches: &[Vec<Step>]) -> (Vec<Vec<Vec<u8>>>, Vec<Arc<Sealed>>) {
    let mut nonces = [0_u64; 5];
    let first = [
        vec![Action::Deploy { template: template(0) }, spawn(200, &[Op::Add(5)])],
        vec![spawn(90, &[Op::Push(1), Op::Nest(1, 1)]), spawn(0, &[Op::Insert(3), Op::Write(0, 5)]), spawn(7, &[])],
        vec![Action::Deploy { template: template(1) }],
    ];
    let (mut all, mut sealed) = (Vec::new(), Vec::new());
    for (number, steps) in (1_u64..).zip([&Vec::new()].into_iter().chain(batches)) {
        ledger.begin(moment(number)).unwrap();
        let mut written: Vec<Vec<u8>> = Vec::new();
        let mut offer =
            |ledger: &mut dyn Backend, by: usize, nonces: &mut [u64; 5], step: &Step, actions: Vec<Action>| {
                let bytes = bytes_of(by, nonces[by], step, actions, written.last(), &ledger.config().cell);
                let receipt = ledger.execute(std::slice::from_ref(&bytes)).unwrap().remove(0);
                nonces[by] += u64::from(!matches!(receipt.status, Status::Skipped { .. }));
                written.push(bytes);
            };
        if number == 1 {
            for actions in first.clone() {
                let step = Step { by: 0, what: What::Run(vec![]), price: 1, gas: 2_500_000 };
                offer(ledger, 0, &mut nonces, &step, actions);
            }
        }
        for (at, step) in steps.iter().enumerate() {
            // Now and then by a key instead of a name.
            let by = if at % 7 == 6 { 4 } else { usize::from(step.by) };
            offer(ledger, by, &mut nonces, step, actions(&step.what));
        }
        all.push(written);
        sealed.push(ledger.commit().unwrap());
    }
    (all, sealed)
}

fn bytes_of(by: usize, nonce: u64, step: &Step, actions: Vec<Action>, last: Option<&Vec<u8>>, cell: &Hash) -> Vec<u8> {
    match (&step.what, last) {
        (What::Malformed(byte), _) => return vec![*byte; 40],
        (What::Again, Some(last)) => return last.clone(),
        _ => {}
    }
    let principal = NAMES.get(by).map_or_else(key_account, |name| Address::of_name(name));
    let nonce = if matches!(step.what, What::WrongNonce) { nonce + 1 } else { nonce };
    let body = Body { version: VERSION, principal, nonce, gas_limit: step.gas, gas_price: step.price, actions };
    let transaction = match (NAMES.get(by), &step.what) {
        (Some(_), What::WrongProof) => Transaction { body, proof: Proof::Name { name: "nobody".into() } },
        (Some(name), _) => Transaction { body, proof: Proof::Name { name: (*name).into() } },
        (None, What::WrongProof) => body.sign(&Hash::ZERO, &key()),
        (None, _) => body.sign(cell, &key()),
    };
    transaction.encode()
}

/// Executes batches that were written down, each in pieces of `piece` transactions.
pub fn execute(
    backend: &mut dyn Backend,
    first: u64,
    batches: &[Vec<Vec<u8>>],
    piece: usize,
) -> replicode_contracts::backend::Result<Vec<Arc<Sealed>>> {
    let mut sealed = Vec::new();
    for (number, transactions) in (first..).zip(batches) {
        backend.begin(moment(number))?;
        let mut receipts: Vec<Receipt> = Vec::new();
        for some in transactions.chunks(piece.max(1)) {
            receipts.extend(backend.execute(some)?);
        }
        let done = backend.commit()?;
        let stateless = |receipt: &Receipt| Receipt { states: vec![], ..receipt.clone() };
        assert_eq!(done.receipts.iter().map(stateless).collect::<Vec<_>>(), receipts);
        sealed.push(done);
    }
    Ok(sealed)
}
