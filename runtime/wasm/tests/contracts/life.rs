//! A contract's life: deployed, spawned, called; by transactions and by each other.

use crate::world::{Pair, World, call, document, encoded, template};
use replicode_contracts::account::Address;
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{Status, Trap};
use replicode_contracts::template::Template;
use replicode_contracts::transaction::Action;

/// A purse: a constructor, a map of counters, events, errors, money.
pub fn purse() -> Template {
    let document = serde_json::json!({
        "abi": 1, "name": "purse",
        "functions": [
            {"name": "new", "kind": "init", "args": [{"name": "supply", "type": "u128"}], "payable": true},
            {"name": "send", "kind": "call", "args": [{"name": "to", "type": "address"}, {"name": "amount", "type": "u64"}]},
            {"name": "of", "kind": "view", "args": [{"name": "who", "type": "address"}], "returns": "u128"},
            {"name": "pay_out", "kind": "call", "args": [{"name": "amount", "type": "u64"}]},
        ],
        "errors": [{"name": "NotSoMuch", "code": 1, "fields": [{"name": "asked", "type": "u64"}]}],
        "events": [{"name": "Sent", "fields": [{"name": "to", "type": "address", "topic": true}, {"name": "amount", "type": "u64"}]}],
        "storage": [{"name": "supply", "type": "u128", "slice": 0}, {"name": "balances", "type": "map<address, counter>", "slice": 1}],
    });
    template(
        document,
        r#"(module
        (import "svm" "input" (func $input (param i32 i32 i32)))
        (import "svm" "output" (func $output (param i32 i32)))
        (import "svm" "sender" (func $sender (param i32)))
        (import "svm" "store" (func $store (param i32 i32 i32 i32)))
        (import "svm" "open" (func $open (param i32) (result i32)))
        (import "svm" "map_try_add" (func $add (param i32 i64 i64 i32 i32 i32) (result i32)))
        (import "svm" "map_get" (func $get (param i32 i32 i32 i32 i32) (result i32)))
        (import "svm" "emit" (func $emit (param i32 i64 i32 i32)))
        (import "svm" "revert" (func $revert (param i32 i32 i32)))
        (import "svm" "transfer" (func $transfer (param i32 i64 i64) (result i32)))
        (memory (export "memory") 1)
        ;; 0: arguments, 64: the sender, 128: bounds 0 to 2^127 - 1, 192: a result
        (data (i32.const 144) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\7f")
        (func (export "new")
            (call $input (i32.const 0) (i32.const 0) (i32.const 16))
            (call $store (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 16))
            (call $sender (i32.const 64))
            (drop (call $add (call $open (i32.const 1)) (i64.load (i32.const 0)) (i64.load (i32.const 8))
                (i32.const 128) (i32.const 64) (i32.const 20))))
        (func (export "send") (local $map i32) (local $amount i64)
            (call $input (i32.const 0) (i32.const 0) (i32.const 28))
            (call $sender (i32.const 64))
            (local.set $map (call $open (i32.const 1)))
            (local.set $amount (i64.load (i32.const 20)))
            (if (i32.eqz (call $add (local.get $map) (i64.sub (i64.const 0) (local.get $amount))
                    (select (i64.const 0) (i64.const -1) (i64.eqz (local.get $amount)))
                    (i32.const 128) (i32.const 64) (i32.const 20)))
                (then (call $revert (i32.const 1) (i32.const 20) (i32.const 8))))
            (drop (call $add (local.get $map) (local.get $amount) (i64.const 0)
                (i32.const 128) (i32.const 0) (i32.const 20)))
            (call $emit (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 28)))
        (func (export "of")
            (call $input (i32.const 0) (i32.const 0) (i32.const 20))
            (drop (call $get (call $open (i32.const 1)) (i32.const 0) (i32.const 20) (i32.const 192) (i32.const 16)))
            (call $output (i32.const 192) (i32.const 16)))
        (func (export "pay_out")
            (call $input (i32.const 0) (i32.const 0) (i32.const 8))
            (call $sender (i32.const 64))
            (if (i32.eqz (call $transfer (i32.const 64) (i64.load (i32.const 0)) (i64.const 0)))
                (then (call $revert (i32.const 1) (i32.const 0) (i32.const 8))))))"#,
    )
}

#[test]
fn a_purse_lives() {
    let mut pair = Pair::new();
    let purse = pair.both(|world| {
        let hash = world.deploy(&purse());
        world.spawn(hash, Some("new"), encoded(&1000u128), 500)
    });
    let (ann, bob) = (Address::of_name("ann"), Address::of_name("bob"));
    let sent = pair.both(|world| world.call(purse, "send", encoded(&(bob, 300u64))));
    assert!(sent.is_success(), "{}", sent.status);
    assert_eq!((sent.events.len(), sent.events[0].name.as_str()), (1, "Sent"));
    assert_eq!(sent.events[0].data, encoded(&(bob, 300u64)));
    for (who, has) in [(ann, 700u128), (bob, 300), (purse, 0)] {
        let receipt = pair.both(|world| world.call(purse, "of", encoded(&who)));
        assert_eq!(receipt.returned, encoded(&has), "{}", receipt.status);
    }
    let too_much = pair.both(|world| world.call(purse, "send", encoded(&(bob, 701u64))));
    assert_eq!(too_much.status, Status::Reverted { code: 1, data: encoded(&701u64) });
    assert!(too_much.events.is_empty());
    let paid = pair.both(|world| world.call(purse, "pay_out", encoded(&200u64)));
    assert!(paid.is_success(), "{}", paid.status);
    let refused = pair.both(|world| world.call(purse, "pay_out", encoded(&301u64)));
    assert_eq!(refused.status, Status::Reverted { code: 1, data: encoded(&301u64) });
}

/// Calls what its arguments say, and returns status, what came back and how much it has burnt.
fn caller() -> Template {
    let document = serde_json::json!({
        "abi": 1, "name": "caller",
        "functions": [
            {"name": "forward", "kind": "call", "reentrant": true, "args": [
                {"name": "to", "type": "address"}, {"name": "flags", "type": "u32"}, {"name": "gas", "type": "u64"},
                {"name": "name", "type": "string"}, {"name": "args", "type": "bytes"}]},
            {"name": "closed", "kind": "call"},
            {"name": "dirty", "kind": "call"},
            {"name": "make", "kind": "call", "args": [{"name": "template", "type": "hash"}]},
            {"name": "down", "kind": "call", "reentrant": true, "args": [{"name": "depth", "type": "u32"}]},
            {"name": "spin", "kind": "call"},
            {"name": "store", "kind": "call"},
            {"name": "nap", "kind": "view", "returns": "u32"},
        ],
        "storage": [{"name": "n", "type": "u32", "slice": 0}],
    });
    template(
        document,
        r#"(module
        (import "svm" "input" (func $input (param i32 i32 i32)))
        (import "svm" "input_len" (func $input_len (result i32)))
        (import "svm" "output" (func $output (param i32 i32)))
        (import "svm" "address" (func $address (param i32)))
        (import "svm" "call" (func $call (param i32 i32 i32 i64 i64 i64 i32 i32 i32) (result i32)))
        (import "svm" "spawn" (func $spawn (param i32 i32 i32 i64 i64 i64 i32 i32 i32) (result i32)))
        (import "svm" "result" (func $result (param i32 i32 i32)))
        (import "svm" "result_len" (func $result_len (result i32)))
        (import "svm" "burnt" (func $burnt (result i64)))
        (import "svm" "depth" (func $depth (result i32)))
        (import "svm" "set32" (func $set (param i32 i32)))
        (import "svm" "get32" (func $get (param i32) (result i32)))
        (memory (export "memory") 1)
        (global $seen (mut i32) (i32.const 0))
        (data (i32.const 0x7000) "down")
        (func (export "forward") (local $name i32) (local $len i32)
            (call $input (i32.const 0) (i32.const 0) (call $input_len))
            (local.set $name (i32.load (i32.const 32)))
            (i32.store (i32.const 0x8000) (call $call (i32.const 0)
                (i32.const 36) (local.get $name) (i64.const 0) (i64.const 0)
                (i64.load (i32.const 24)) (i32.load (i32.const 20))
                (i32.add (i32.const 40) (local.get $name)) (i32.load (i32.add (i32.const 36) (local.get $name)))))
            (i64.store (i32.const 0x8004) (call $burnt))
            (local.set $len (call $result_len))
            (call $result (i32.const 0) (i32.const 0x800c) (local.get $len))
            (call $output (i32.const 0x8000) (i32.add (i32.const 12) (local.get $len))))
        (func (export "closed"))
        (func (export "dirty")
            (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0x100)) (global.get $seen)))
            (i32.store (i32.const 0x100) (i32.const 77))
            (global.set $seen (i32.const 1000))
            (call $output (i32.const 0) (i32.const 4)))
        (func (export "make")
            (call $input (i32.const 0) (i32.const 0) (i32.const 32))
            (i32.store (i32.const 64) (call $spawn (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 0)
                (i64.const 1000000) (i32.const 68) (i32.const 0) (i32.const 0)))
            (call $output (i32.const 64) (i32.const 24)))
        (func (export "down") (local $left i32)
            (call $input (i32.const 0) (i32.const 0) (i32.const 4))
            (local.set $left (i32.load (i32.const 0)))
            (i32.store (i32.const 4) (call $depth))
            (if (local.get $left) (then
                (i32.store (i32.const 0) (i32.sub (local.get $left) (i32.const 1)))
                (call $address (i32.const 64))
                (if (i32.eqz (call $call (i32.const 64) (i32.const 0x7000) (i32.const 4) (i64.const 0) (i64.const 0)
                        (i64.const -1) (i32.const 2) (i32.const 0) (i32.const 4)))
                    (then (call $result (i32.const 0) (i32.const 4) (i32.const 4)))
                    (else (i32.store (i32.const 4) (i32.const -1))))))
            (call $output (i32.const 4) (i32.const 4)))
        (func (export "spin") (loop (br 0)))
        (func (export "store") (call $set (i32.const 0) (i32.add (i32.const 1) (call $get (i32.const 0)))))
        (func (export "nap") (i32.store (i32.const 0) (call $get (i32.const 0))) (call $output (i32.const 0) (i32.const 4))))"#,
    )
}

fn forward(to: Address, flags: u32, gas: u64, name: &str, args: Vec<u8>) -> Vec<u8> {
    encoded(&(to, flags, gas, name, args))
}

#[test]
fn contracts_call_each_other() {
    let mut pair = Pair::new();
    let (one, two) = pair.both(|world| {
        let hash = world.deploy(&caller());
        (world.spawn(hash, None, vec![], 0), world.spawn(hash, None, vec![], 0))
    });
    let mut ask = |flags: u32, gas: u64, to: Address, name: &str| {
        let arguments = forward(to, flags, gas, name, vec![]);
        let receipt = pair.both(|world| {
            world.gas_limit = 1_000_000;
            world.call(one, "forward", arguments.clone())
        });
        assert!(receipt.is_success(), "{}", receipt.status);
        let (status, burnt) = borsh::from_slice::<(u32, u64)>(&receipt.returned[..12]).expect("twelve bytes");
        (status, burnt, receipt.returned[12..].to_vec(), receipt.gas.frames.len())
    };
    let (status, burnt, returned, frames) = ask(0, 100_000, two, "store");
    assert_eq!((status, returned, frames), (0, vec![], 2));
    assert!(burnt > 1_000 && burnt < 3_000, "{burnt}");
    let (status, _, returned, _) = ask(1, 100_000, two, "nap");
    assert_eq!((status, returned), (0, encoded(&1u32)));
    let (status, ..) = ask(1, 100_000, two, "store");
    assert_eq!(status, 9, "not allowed where it may change nothing");
    let (status, burnt, ..) = ask(0, 50_000, two, "spin");
    assert_eq!((status, burnt), (2, 50_000), "out of gas burns what it was given and the caller goes on");
    assert_eq!(ask(0, 100, two, "nothing").0, 6, "no such function");
    assert_eq!(ask(0, 100, Address::of_name("nobody"), "store").0, 5, "no such account");
    assert_eq!(ask(0, 100_000, one, "closed").0, 11, "it is running, and may not be re-entered");
    assert_eq!(ask(2, 100_000, one, "closed").0, 11, "nor when the caller alone allows it");
    let inner = pair.both(|world| {
        let arguments = forward(one, 2, 500_000, "forward", forward(two, 0, 100_000, "store", vec![]));
        world.call(one, "forward", arguments)
    });
    assert!(inner.is_success(), "{}", inner.status);
    assert_eq!((inner.gas.frames.len(), inner.returned[0]), (3, 0), "when both allow it");
}

#[test]
fn frames_nest_to_the_limit() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&caller()));
    let mut down = |depth: u32| {
        let receipt = pair.both(|world| world.call(account, "down", encoded(&depth)));
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.returned
    };
    assert_eq!(down(0), encoded(&0u32));
    assert_eq!(down(63), encoded(&63u32));
    assert_eq!(down(64), encoded(&u32::MAX), "one frame too many is told to the one above");
}

/// A thread with little stack runs the deepest nesting as well: nothing that a contract sees depends on the thread.
#[test]
fn frames_nest_on_small_threads() {
    let deep = || {
        let mut world = World::new();
        let account = world.place(&caller());
        world.call(account, "down", encoded(&63u32)).returned
    };
    let thread = std::thread::Builder::new().stack_size(512 << 10).spawn(deep).expect("a thread");
    assert_eq!(thread.join().expect("it ends well"), encoded(&63u32));
}

/// What one call has left in memory and globals no other one sees, in whatever instance it was.
#[test]
fn every_call_has_a_fresh_instance() {
    let mut world = World::new();
    let account = world.place(&caller());
    for _ in 0..100 {
        assert_eq!(world.call(account, "dirty", vec![]).returned, encoded(&0u32));
    }
    let actions = (0..10).map(|_| call(account, "dirty", vec![])).collect();
    assert_eq!(world.run("ann", actions).returned, encoded(&0u32));
}

#[test]
fn a_contract_makes_another_one() {
    let mut pair = Pair::new();
    let (factory, hash) = pair.both(|world| {
        let hash = world.deploy(&caller());
        (world.spawn(hash, None, vec![], 0), hash)
    });
    let receipt = pair.both(|world| world.call(factory, "make", encoded(&hash)));
    assert!(receipt.is_success(), "{}", receipt.status);
    assert_eq!(receipt.returned[..4], [0; 4]);
    assert_eq!(receipt.spawned.len(), 1);
    assert_eq!(&receipt.returned[4..], receipt.spawned[0].as_bytes());
    let made = receipt.spawned[0];
    let stored = pair.both(|world| world.call(made, "store", vec![]));
    assert!(stored.is_success(), "{}", stored.status);
    let none = pair.both(|world| world.call(factory, "make", encoded(&Hash::new([7; 32]))));
    assert_eq!(none.returned[..4], encoded(&4u32), "no such template");
}

#[test]
fn what_only_reads_changes_nothing() {
    let mut document = document("sly", &["go"]);
    document["functions"][0]["kind"] = "view".into();
    document["storage"] = serde_json::json!([{"name": "n", "type": "u32", "slice": 0}]);
    let mut pair = Pair::new();
    let text = r#"(module (import "svm" "set32" (func $set (param i32 i32)))
        (func (export "go") (call $set (i32.const 0) (i32.const 1))))"#;
    let account = pair.both(|world| world.place(&template(document.clone(), text)));
    let receipt = pair.both(|world| world.call(account, "go", vec![]));
    assert_eq!(receipt.status, Status::Trapped { trap: Trap::ReadOnly });
}

#[test]
fn a_module_without_memory_has_slices_and_registers() {
    let mut document = document("small", &["go"]);
    document["storage"] = serde_json::json!([{"name": "n", "type": "u64", "slice": 0}]);
    let mut pair = Pair::new();
    let text = r#"(module
        (import "svm" "get64" (func $get (param i32) (result i64)))
        (import "svm" "set64" (func $set (param i32 i64)))
        (import "svm" "reg_set64" (func $reg (param i32 i32 i32 i32 i64)))
        (import "svm" "reg_add" (func $add (param i32 i32 i32 i32) (result i32)))
        (import "svm" "reg_to_slice" (func $to (param i32 i32 i32 i32 i32)))
        (import "svm" "svm_get_balance_from_reg" (func $balance (param i32 i32) (result i64)))
        (func (export "go")
            (call $set (i32.const 0) (i64.add (call $get (i32.const 0)) (i64.const 40)))
            (call $reg (i32.const 256) (i32.const 0) (i32.const 0) (i32.const 0) (call $get (i32.const 0)))
            (call $reg (i32.const 256) (i32.const 1) (i32.const 0) (i32.const 0) (i64.add (i64.const 2) (call $balance (i32.const 160) (i32.const 1))))
            (drop (call $add (i32.const 256) (i32.const 2) (i32.const 0) (i32.const 1)))
            (call $to (i32.const 256) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 8))))"#;
    let account = pair.both(|world| world.place(&template(document.clone(), text)));
    let receipt = pair.both(|world| world.call(account, "go", vec![]));
    assert!(receipt.is_success(), "{}", receipt.status);
    assert!(pair.ours.cells.bytes().values().any(|value| value == &42u64.to_le_bytes()));
}

#[test]
fn small_memories_are_as_large_as_declared() {
    let document = document("tight", &["inside", "outside"]);
    let text = r#"(module (memory (export "memory") 1)
        (func (export "inside") (i32.store (i32.const 4092) (i32.const 1)))
        (func (export "outside") (i32.store (i32.const 4093) (i32.const 1))))"#;
    let mut tight = template(document, text);
    tight.memory = 4096;
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&tight));
    assert!(pair.both(|world| world.call(account, "inside", vec![])).is_success());
    let receipt = pair.both(|world| world.call(account, "outside", vec![]));
    assert_eq!(receipt.status, Status::Trapped { trap: Trap::Memory });
}

#[test]
fn several_calls_are_one_transaction() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&caller()));
    let actions = |last: &str| -> Vec<Action> {
        vec![call(account, "store", vec![]), call(account, "store", vec![]), call(account, last, vec![])]
    };
    let failed = pair.both(|world| {
        world.gas_limit = 100_000;
        world.run("ann", actions("spin"))
    });
    assert_eq!((failed.status, failed.action), (Status::OutOfGas, 2));
    let done = pair.both(|world| world.run("ann", actions("nap")));
    assert_eq!(done.returned, encoded(&2u32), "nothing of the first one is left: {}", done.status);
}
