//! The model: a contract that does what its arguments say, and a second interpreter of the same arguments that knows no
//! marks, no journal and no gas. Where a frame fails it puts back the world as it was, cloned before.

use super::support::*;
use crate::account::Address;
use crate::cell::{Access, CellKey};
use crate::hash::Hash;
use crate::receipt::status::Rule;
use crate::receipt::{GasKind, Status, Trap};
use crate::run::cells;
use crate::run::host::{CallRequest, Halt, Host, SpawnRequest};
use crate::transaction::{Action, Limits};
use borsh::{BorshDeserialize, BorshSerialize};
use proptest::prelude::*;
use std::collections::BTreeMap;

const DEPTH: usize = 4;
/// Enough at every depth that no frame runs out of gas but by its own will.
const BUDGET: u64 = 1_000_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Way {
    Run,
    Reentrant,
    Look,
    Init,
    Missing,
}

impl Way {
    fn function(self) -> &'static str {
        match self {
            Way::Run => "run",
            Way::Reentrant => "run_again",
            Way::Look => "look",
            Way::Init => "init",
            Way::Missing => "missing",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
enum Op {
    Set(u8, u64),
    Copy(u8, u8),
    Add(i8),
    Emit(u64),
    Transfer(Address, u32),
    Call {
        to: Address,
        way: Way,
        value: u32,
        read_only: bool,
        may_reenter: bool,
        script: Vec<Op>,
    },
    Spawn {
        value: u32,
        script: Vec<Op>,
    },
    Revert(u32),
    Trap,
    BurnAll,
    /// Ends successfully, whatever comes after.
    Stop,
    /// Swallows the end of the frame and goes on: it must not help.
    Swallow(Box<Op>),
}

fn document() -> serde_json::Value {
    let function = |name: &str, kind: &str, payable: bool, reentrant: bool| {
        serde_json::json!({
            "name": name, "kind": kind, "payable": payable, "reentrant": reentrant,
            "args": [{"name": "script", "type": "bytes"}],
        })
    };
    serde_json::json!({
        "abi": 1,
        "name": "script",
        "functions": [
            function("init", "init", true, false),
            function("run", "call", true, false),
            function("run_again", "call", true, true),
            function("look", "view", false, false),
        ],
        "events": [{"name": "Said", "fields": [{"name": "what", "type": "u64", "topic": true}]}],
        "storage": [
            {"name": "a", "type": "u64", "slice": 0},
            {"name": "b", "type": "u64", "slice": 1},
            {"name": "sum", "type": "counter", "slice": 2},
        ],
    })
}

fn script(_: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    let ops: Vec<u8> = borsh::from_slice(arguments).expect("decoded before");
    let ops: Vec<Op> = borsh::from_slice(&ops).expect("written by the test");
    let gas = BUDGET / 20u64.pow(u32::from(host.message().depth) + 1);
    for op in ops {
        if let Op::Stop = op {
            break;
        }
        step(op, gas, host)?;
    }
    Ok(vec![])
}

fn step(op: Op, gas: u64, host: &mut dyn Host) -> Result<(), Halt> {
    match op {
        Op::Set(slice, value) => write(host, slice.into(), &value.to_le_bytes())?,
        Op::Copy(from, to) => {
            let bytes = read(host, from.into())?;
            write(host, to.into(), &bytes)?;
        }
        Op::Add(delta) => {
            add(host, 2, delta.into())?;
        }
        Op::Emit(what) => host.emit(0, &what.to_le_bytes(), None)?,
        Op::Transfer(to, value) => {
            host.transfer(&to, value.into())?;
        }
        Op::Call { to, way, value, read_only, may_reenter, script } => {
            let arguments = encoded(&encoded(&script));
            let function = way.function().to_string();
            let value = value.into();
            host.call(CallRequest { account: to, function, arguments, value, gas, read_only, may_reenter })?;
        }
        Op::Spawn { value, script } => {
            let template = host.message().template;
            let arguments = encoded(&encoded(&script));
            let constructor = Some("init".to_string());
            host.spawn(SpawnRequest { template, constructor, arguments, value: value.into(), gas })?;
        }
        Op::Revert(code) => return Err(host.revert(code, vec![1])),
        Op::Trap => return Err(host.trap(Trap::Unreachable)),
        Op::BurnAll => host.charge(GasKind::Compute, u64::MAX)?,
        Op::Stop => {}
        Op::Swallow(op) => drop(step(*op, gas, host)),
    }
    Ok(())
}

/// Everything that can be seen, as the model has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Model {
    template: Hash,
    balances: BTreeMap<Address, u128>,
    slices: BTreeMap<(Address, u8), u64>,
    sums: BTreeMap<Address, i128>,
    spawned: BTreeMap<Address, u64>,
    contracts: Vec<Address>,
    events: Vec<(Address, u64)>,
}

struct Frame<'a> {
    me: Address,
    read_only: bool,
    below: &'a [Address],
}

impl Model {
    fn pay(&mut self, from: Address, to: Address, value: u128) -> bool {
        let have = self.balances.entry(from).or_default();
        if *have < value {
            return false;
        }
        *have -= value;
        *self.balances.entry(to).or_default() += value;
        true
    }

    fn call(&mut self, from: &Frame<'_>, op: &Op) -> Status {
        let Op::Call { to, way, value, read_only, may_reenter, script } = op else { panic!("a call") };
        let mut below = from.below.to_vec();
        if from.me != Address::of_name("ann") {
            below.push(from.me);
        }
        let read_only = *read_only || from.read_only;
        if below.len() >= DEPTH {
            return Status::TooDeep;
        }
        if !self.contracts.contains(to) {
            return Status::AccountNotFound { account: *to };
        }
        match way {
            Way::Missing => return Status::FunctionNotFound { function: "missing".into() },
            Way::Init => return Status::NotAllowed { what: Rule::NotCallable },
            Way::Run | Way::Reentrant if read_only => return Status::NotAllowed { what: Rule::ReadOnly },
            Way::Look if *value > 0 => return Status::NotAllowed { what: Rule::NotPayable },
            _ => {}
        }
        if below.contains(to) && !(*may_reenter && *way == Way::Reentrant) {
            return Status::Reentered { account: *to };
        }
        let before = self.clone();
        if !self.pay(from.me, *to, (*value).into()) {
            return Status::NoMoney { need: (*value).into() };
        }
        let frame = Frame { me: *to, read_only: read_only || *way == Way::Look, below: &below };
        let status = self.script(&frame, script);
        if status != Status::Success {
            *self = before;
        }
        status
    }

    fn spawn(&mut self, from: &Frame<'_>, value: u32, script: &[Op]) {
        let before = self.clone();
        let mut below = from.below.to_vec();
        below.push(from.me);
        let nth = self.spawned.entry(from.me).or_default();
        let address = Address::spawned(&from.me, *nth, &self.template);
        *nth += 1;
        self.contracts.push(address);
        let paid = self.pay(from.me, address, value.into());
        let frame = Frame { me: address, read_only: false, below: &below };
        let done = paid && below.len() < DEPTH && self.script(&frame, script) == Status::Success;
        if !done {
            *self = before;
        }
    }

    fn script(&mut self, frame: &Frame<'_>, ops: &[Op]) -> Status {
        for op in ops {
            if *op == Op::Stop {
                break;
            }
            if let Err(status) = self.step(frame, op) {
                return status;
            }
        }
        Status::Success
    }

    fn step(&mut self, frame: &Frame<'_>, op: &Op) -> Result<(), Status> {
        let me = frame.me;
        let changes = match op {
            Op::Set(..) | Op::Copy(..) | Op::Add(_) | Op::Emit(_) | Op::Transfer(..) | Op::Spawn { .. } => true,
            Op::Call { value, .. } => *value > 0,
            _ => false,
        };
        if changes && frame.read_only {
            return Err(Status::Trapped { trap: Trap::ReadOnly });
        }
        match op {
            Op::Set(slice, value) => drop(self.slices.insert((me, *slice), *value)),
            Op::Copy(from, to) => {
                let value = self.slices.get(&(me, *from)).copied().unwrap_or(0);
                self.slices.insert((me, *to), value);
            }
            Op::Add(delta) => {
                let sum = self.sums.entry(me).or_default();
                if *sum + i128::from(*delta) >= 0 {
                    *sum += i128::from(*delta);
                }
            }
            Op::Emit(what) => self.events.push((me, *what)),
            Op::Transfer(to, value) => drop(self.pay(me, *to, (*value).into())),
            Op::Call { .. } => drop(self.call(frame, op)),
            Op::Spawn { value, script } => self.spawn(frame, *value, script),
            Op::Revert(code) => return Err(Status::Reverted { code: *code, data: vec![1] }),
            Op::Trap => return Err(Status::Trapped { trap: Trap::Unreachable }),
            Op::BurnAll => return Err(Status::OutOfGas),
            Op::Stop => {}
            Op::Swallow(op) => return self.step(frame, op),
        }
        Ok(())
    }
}

fn contract(number: usize, template: &Hash) -> Address {
    Address::spawned(&Address::of_name("ann"), number as u64, template)
}

fn template_hash() -> Hash {
    crate::template::Template::hash_of(&template("script", document()))
}

fn any_address() -> impl Strategy<Value = Address> {
    prop_oneof![
        8 => (0usize..3).prop_map(|n| contract(n, &template_hash())),
        1 => Just(Address::of_name("bob")),
        1 => Just(Address::from_bytes([1; 20])),
    ]
}

fn any_ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        3 => (0u8..2, 0u64..100).prop_map(|(slice, value)| Op::Set(slice, value)),
        2 => (0u8..2, 0u8..2).prop_map(|(from, to)| Op::Copy(from, to)),
        2 => (-5i8..6).prop_map(Op::Add),
        2 => (0u64..9).prop_map(Op::Emit),
        2 => (any_address(), 0u32..400).prop_map(|(to, value)| Op::Transfer(to, value)),
        1 => (0u32..4).prop_map(Op::Revert),
        1 => Just(Op::Trap),
        1 => Just(Op::BurnAll),
        1 => Just(Op::Stop),
    ];
    let way = prop_oneof![
        4 => Just(Way::Run),
        4 => Just(Way::Reentrant),
        2 => Just(Way::Look),
        1 => Just(Way::Init),
        1 => Just(Way::Missing),
    ];
    prop::collection::vec(op, 0..5).prop_recursive(5, 40, 4, move |script| {
        let value = prop_oneof![2 => Just(0u32), 1 => 0u32..400];
        let call =
            (any_address(), way.clone(), value.clone(), prop::bool::weighted(0.2), any::<bool>(), script.clone())
                .prop_map(|(to, way, value, read_only, may_reenter, script)| Op::Call {
                    to,
                    way,
                    value,
                    read_only,
                    may_reenter,
                    script,
                });
        let spawn = (value, script.clone()).prop_map(|(value, script)| Op::Spawn { value, script });
        let one = prop_oneof![4 => call, 1 => spawn];
        let one = prop_oneof![5 => one.clone(), 1 => one.prop_map(|op| Op::Swallow(Box::new(op)))];
        (script.clone(), prop::collection::vec(one, 1..3), script).prop_map(|(mut first, middle, last)| {
            first.extend(middle);
            first.extend(last);
            first
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn frames_do_what_a_cloned_world_does(
        transactions in prop::collection::vec((0usize..3, any::<bool>(), 0u32..300, any_ops()), 1..6),
    ) {
        let mut world = World::new(&[("script", script)]);
        world.config.max_depth = DEPTH;
        world.config.batch_gas = 10 * BUDGET;
        world.config.limits = Limits { gas: BUDGET, ..Limits::STANDARD };
        let hash = world.deploy(template("script", document()));
        for _ in 0..3 {
            world.spawn(hash, Some("init"), encoded(&encoded(&Vec::<Op>::new())), 500);
        }
        let ann = Address::of_name("ann");
        let mut model = Model { template: hash, ..Model::default() };
        model.spawned.insert(ann, 3);
        model.contracts = (0..3).map(|n| contract(n, &hash)).collect();
        for account in model.contracts.clone() {
            model.balances.insert(account, 500);
        }
        model.balances.insert(ann, 1_000_000 - 1500);
        model.balances.insert(Address::of_name("bob"), 1_000_000);

        for (number, again, value, ops) in transactions {
            let to = contract(number, &hash);
            let way = if again { Way::Reentrant } else { Way::Run };
            let op = Op::Call { to, way, value, read_only: false, may_reenter: false, script: ops.clone() };
            model.events.clear();
            let known = model.contracts.len();
            let status = model.call(&Frame { me: ann, read_only: false, below: &[] }, &op);

            let mut transaction = world.named("ann", vec![Action::Call {
                account: to,
                function: way.function().into(),
                arguments: encoded(&encoded(&ops)),
                value: value.into(),
            }]);
            transaction.body.gas_limit = BUDGET;
            let receipt = world.batch(&[transaction]).remove(0);
            assert_adds_up(&receipt);
            prop_assert_eq!(&receipt.status, &status);
            let events: Vec<(Address, u64)> = receipt
                .events
                .iter()
                .map(|e| (e.account, u64::from_le_bytes(e.data[..].try_into().expect("eight bytes"))))
                .collect();
            prop_assert_eq!(events, model.events.clone());
            prop_assert_eq!(&receipt.spawned[..], &model.contracts[known..]);
            for (account, balance) in model.balances.clone() {
                prop_assert_eq!(world.balance(&account), balance);
            }
            let sum: i128 = world.cells.sums().iter().filter(|(key, _)| matches!(cells::about(key), Some(cells::About::Balance(_)))).map(|(_, s)| s).sum();
            prop_assert_eq!(sum, 2_000_000, "no money is made or lost");
            for account in model.contracts.clone() {
                for slice in 0..2 {
                    let expected = model.slices.get(&(account, slice)).copied().unwrap_or(0);
                    let mut bytes = Vec::new();
                    let key = CellKey::slice(account.as_bytes(), slice.into());
                    world.cells.get(&key, &mut bytes).expect("maps do not fail");
                    bytes.resize(8, 0);
                    prop_assert_eq!(u64::from_le_bytes(bytes[..].try_into().expect("eight")), expected);
                }
                let key = CellKey::slice_sum(account.as_bytes(), 2);
                let expected = model.sums.get(&account).copied().unwrap_or(0);
                prop_assert_eq!(world.cells.sum(&key), Ok(expected));
            }
        }
    }
}
