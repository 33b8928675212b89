//! Gas: burnt exactly, by module and host together; at the limit, one below and one above; and the stack.

use crate::world::{Pair, World, document, encoded, template};
use replicode_contracts::account::Address;
use replicode_contracts::receipt::{GasKind, Receipt, Status, Trap};
use replicode_contracts::template::Template;

/// Works in a loop, with storage in it.
fn worker() -> Template {
    let mut document = document("worker", &["go", "spin", "deep", "wild", "trap", "revert", "grow"]);
    document["functions"][0]["args"] = serde_json::json!([{"name": "rounds", "type": "u32"}]);
    document["functions"][2]["args"] = serde_json::json!([{"name": "depth", "type": "u32"}]);
    document["errors"] = serde_json::json!([{"name": "No", "code": 7, "fields": [{"name": "n", "type": "u32"}]}]);
    document["storage"] = serde_json::json!([{"name": "n", "type": "u64", "slice": 0}]);
    template(
        document,
        r#"(module
        (import "svm" "get64" (func $get (param i32) (result i64)))
        (import "svm" "set64" (func $set (param i32 i64)))
        (import "svm" "input" (func $input (param i32 i32 i32)))
        (import "svm" "output" (func $output (param i32 i32)))
        (import "svm" "revert" (func $revert (param i32 i32 i32)))
        (import "svm" "gas_left" (func $left (result i64)))
        (memory (export "memory") 1 3)
        (func (export "go") (local $i i32)
            (call $input (i32.const 0) (i32.const 0) (i32.const 4))
            (local.set $i (i32.load (i32.const 0)))
            (block (loop
                (br_if 1 (i32.eqz (local.get $i)))
                (call $set (i32.const 0) (i64.add (call $get (i32.const 0)) (i64.const 3)))
                (local.set $i (i32.sub (local.get $i) (i32.const 1)))
                (br 0)))
            (i64.store (i32.const 8) (call $left))
            (call $output (i32.const 8) (i32.const 8)))
        (func (export "spin") (loop (br 0)))
        (func $deeper (param i32) (result i32)
            (if (result i32) (i32.eqz (local.get 0))
                (then (i32.const 0))
                (else (i32.add (i32.const 1) (call $deeper (i32.sub (local.get 0) (i32.const 1)))))))
        (func (export "deep")
            (call $input (i32.const 0) (i32.const 0) (i32.const 4))
            (drop (call $deeper (i32.load (i32.const 0)))))
        (func (export "wild") (drop (i32.load (i32.const 0x30000))))
        (func (export "trap") (call $set (i32.const 0) (i64.const 99)) unreachable)
        (func (export "revert")
            (call $set (i32.const 0) (i64.const 99))
            (i32.store (i32.const 0) (i32.const 5))
            (call $revert (i32.const 7) (i32.const 0) (i32.const 4)) unreachable)
        (func (export "grow")
            (i32.store (i32.const 0) (memory.grow (i32.const 2)))
            (i32.store (i32.const 4) (memory.grow (i32.const 1)))
            (i32.store (i32.const 8) (memory.size))
            (call $output (i32.const 0) (i32.const 12))))"#,
    )
}

fn with_gas(world: &mut World, account: Address, gas: u64, function: &str, arguments: Vec<u8>) -> Receipt {
    world.gas_limit = gas;
    world.call(account, function, arguments)
}

#[test]
fn gas_is_enough_exactly_from_what_is_needed_on() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&worker()));
    for rounds in [0u32, 1, 10] {
        let free = pair.both(|world| with_gas(world, account, 1_000_000, "go", encoded(&rounds)));
        assert!(free.is_success(), "{}", free.status);
        let needed = free.gas.burnt;
        let frame = &free.gas.frames[0];
        assert_eq!(frame.burnt[GasKind::Read as usize], u64::from(rounds) * 208);
        assert_eq!(frame.burnt[GasKind::Write as usize], u64::from(rounds) * 1040);
        for gas in [needed - 1, needed, needed + 1] {
            let receipt = pair.both(|world| with_gas(world, account, gas, "go", encoded(&rounds)));
            assert_eq!(
                receipt.is_success(),
                gas >= needed,
                "{rounds} rounds with {gas} of {needed}: {}",
                receipt.status
            );
            assert_eq!(receipt.gas.burnt, gas.min(needed));
            if gas < needed {
                assert_eq!(receipt.status, Status::OutOfGas);
            }
        }
    }
}

/// Every limit below what is needed ends in the same status with everything burnt, wherever it strikes: in the module, at the host.
#[test]
fn less_gas_is_out_of_gas_wherever_it_strikes() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&worker()));
    let needed = pair.both(|world| with_gas(world, account, 1_000_000, "go", encoded(&1u32))).gas.burnt;
    for gas in (0..needed).step_by(7) {
        let receipt = pair.both(|world| with_gas(world, account, gas, "go", encoded(&1u32)));
        assert_eq!((receipt.status, receipt.gas.burnt), (Status::OutOfGas, gas));
    }
}

#[test]
fn what_gas_left_says_is_what_is_left() {
    let mut world = World::new();
    let account = world.place(&worker());
    let receipt = with_gas(&mut world, account, 500_000, "go", encoded(&2u32));
    let left = borsh::from_slice::<u64>(&receipt.returned).expect("8 bytes");
    // After it there is the rest of the function: a call of output, some instructions.
    let later = 500_000 - receipt.gas.burnt;
    assert!(left > later && left - later < 100, "{left} were left in the middle, {later} at the end");
}

#[test]
fn endless_loops_burn_the_limit() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&worker()));
    let receipt = pair.both(|world| with_gas(world, account, 1_000_000, "spin", vec![]));
    assert_eq!((receipt.status, receipt.gas.burnt), (Status::OutOfGas, 1_000_000));
}

#[test]
fn recursion_ends_at_the_same_depth_on_both_engines() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&worker()));
    let mut deep = |depth: u32| pair.both(|world| with_gas(world, account, 50_000_000, "deep", encoded(&depth)));
    let (mut good, mut bad) = (1, 100_000);
    assert!(deep(good).is_success());
    assert_eq!(deep(bad).status, Status::Trapped { trap: Trap::Stack });
    while bad - good > 1 {
        let middle = (good + bad) / 2;
        match deep(middle).status {
            Status::Success => good = middle,
            Status::Trapped { trap: Trap::Stack } => bad = middle,
            status => panic!("{status}"),
        }
    }
    assert!((500..2000).contains(&good), "64 KiB hold {good} frames");
}

#[test]
fn traps_burn_the_limit_and_reverts_what_they_have_burnt() {
    let mut pair = Pair::new();
    let account = pair.both(|world| world.place(&worker()));
    for (function, trap) in [("wild", Trap::Memory), ("trap", Trap::Unreachable)] {
        let receipt = pair.both(|world| with_gas(world, account, 100_000, function, vec![]));
        assert_eq!((receipt.status, receipt.gas.burnt), (Status::Trapped { trap }, 100_000));
    }
    let receipt = pair.both(|world| with_gas(world, account, 100_000, "revert", vec![]));
    assert_eq!(receipt.status, Status::Reverted { code: 7, data: encoded(&5u32) });
    assert!(receipt.gas.burnt < 10_000, "{}", receipt.gas.burnt);
    // Nothing of them has stayed.
    let receipt = pair.both(|world| with_gas(world, account, 100_000, "go", encoded(&1u32)));
    assert!(receipt.is_success());
    assert!(pair.ours.cells.bytes().values().any(|value| value == &3u64.to_le_bytes()));
}

#[test]
fn memory_grows_as_far_as_the_template_says() {
    let mut pair = Pair::new();
    for (declared, grown) in [(3u32 << 16, [1u32, u32::MAX, 3]), (1 << 16, [u32::MAX, u32::MAX, 1])] {
        let mut template = worker();
        template.header.version = declared.to_string();
        template.memory = declared;
        let account = pair.both(|world| world.place(&template));
        // Twice: the second instance is as fresh as the first one.
        for _ in 0..2 {
            let receipt = pair.both(|world| with_gas(world, account, 1_000_000, "grow", vec![]));
            assert!(receipt.is_success(), "{}", receipt.status);
            assert_eq!(receipt.returned, encoded(&grown));
        }
    }
}
