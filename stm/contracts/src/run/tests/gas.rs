//! What is burnt: exactly at the limit, one below and one above; by those who revert, trap or run out; and what stays
//! with the caller.

use super::support::*;
use crate::account::Address;
use crate::hash::Hash;
use crate::receipt::{GasKind, Receipt, Status, Trap};
use crate::run::host::{CallRequest, Halt, Host};
use crate::template::{Class, FixedPrice};
use crate::transaction::Action;

fn document() -> serde_json::Value {
    let function = |name: &str, args: &[(&str, &str)]| {
        let args: Vec<_> = args.iter().map(|(name, ty)| serde_json::json!({"name": name, "type": ty})).collect();
        serde_json::json!({"name": name, "kind": "call", "args": args})
    };
    serde_json::json!({
        "abi": 1,
        "name": "burner",
        "functions": [
            function("burn", &[("gas", "u64")]),
            function("store", &[]),
            function("revert", &[("gas", "u64")]),
            function("trap", &[("gas", "u64")]),
            function("below", &[("to", "address"), ("function", "string"), ("gas", "u64"), ("burn", "u64")]),
            function("deeper", &[("to", "list<address>")]),
        ],
        "storage": [{"name": "a", "type": "u64", "slice": 0}],
    })
}

fn burner(function: &str, arguments: &[u8], host: &mut dyn Host) -> Result<Vec<u8>, Halt> {
    let number = || borsh::from_slice::<u64>(arguments).expect("decoded before");
    match function {
        "burn" => host.charge(GasKind::Compute, number())?,
        "store" => write(host, 0, &[1; 8])?,
        "revert" => {
            host.charge(GasKind::Compute, number())?;
            return Err(host.revert(7, vec![1, 2]));
        }
        "trap" => {
            host.charge(GasKind::Compute, number())?;
            return Err(host.trap(Trap::Memory));
        }
        "below" => {
            let (account, function, gas, burn): (Address, String, u64, u64) =
                borsh::from_slice(arguments).expect("decoded before");
            let before = host.gas_left();
            let outcome = host.call(CallRequest {
                account,
                function,
                arguments: encoded(&burn),
                value: 0,
                gas,
                read_only: false,
                may_reenter: false,
            })?;
            assert_eq!(host.last_outcome(), Some(&outcome));
            let after = host.gas_left();
            return Ok(encoded(&(outcome.is_success(), outcome.burnt, before - after)));
        }
        "deeper" => {
            let mut chain: Vec<Address> = borsh::from_slice(arguments).expect("decoded before");
            let Some(account) = chain.pop() else { return Ok(encoded(&host.message().depth)) };
            let gas = host.gas_left();
            let arguments = encoded(&chain);
            let function = "deeper".to_string();
            let request =
                CallRequest { account, function, arguments, value: 0, gas, read_only: false, may_reenter: false };
            let outcome = host.call(request)?;
            return Ok(if outcome.status == Status::TooDeep { vec![0xff] } else { outcome.returned });
        }
        other => unreachable!("{other} is not in the document"),
    }
    Ok(vec![])
}

fn world() -> (World, Hash, Address) {
    let mut world = World::new(&[("burner", burner)]);
    let hash = world.deploy(template("burner", document()));
    let account = world.spawn(hash, None, vec![], 0);
    (world, hash, account)
}

fn run(world: &mut World, gas_limit: u64, action: Action) -> Receipt {
    let mut transaction = world.named("ann", vec![action]);
    transaction.body.gas_limit = gas_limit;
    let receipt = world.batch(&[transaction]).remove(0);
    assert_adds_up(&receipt);
    receipt
}

#[test]
fn gas_is_enough_exactly_from_what_is_needed_on() {
    let (mut world, _, account) = world();
    let prices = world.config.prices;
    let needed = prices.call + prices.write + 8 * prices.write_byte;
    for (limit, enough) in [(0, false), (needed - 1, false), (needed, true), (needed + 1, true)] {
        let receipt = run(&mut world, limit, call(account, "store", vec![]));
        let (status, burnt) = if enough { (Status::Success, needed) } else { (Status::OutOfGas, limit) };
        assert_eq!((receipt.status, receipt.gas.burnt), (status, burnt), "limit {limit}");
    }
    for (burn, enough) in [(9_999u64, true), (10_000, true), (10_001, false)] {
        let receipt = run(&mut world, prices.call + 10_000, call(account, "burn", encoded(&burn)));
        assert_eq!(receipt.is_success(), enough);
        assert_eq!(receipt.gas.burnt, prices.call + burn.min(10_000), "out of gas burns the limit and no more");
    }
}

#[test]
fn who_reverts_gets_the_rest_back_and_who_traps_does_not() {
    let (mut world, _, account) = world();
    let call_price = world.config.prices.call;
    let reverted = run(&mut world, 50_000, call(account, "revert", encoded(&100u64)));
    assert_eq!(reverted.status, Status::Reverted { code: 7, data: vec![1, 2] });
    assert_eq!(reverted.gas.burnt, call_price + 100);
    let trapped = run(&mut world, 50_000, call(account, "trap", encoded(&100u64)));
    assert_eq!(trapped.status, Status::Trapped { trap: Trap::Memory });
    assert_eq!(trapped.gas.burnt, 50_000);
    let frame = &trapped.gas.frames[0];
    assert_eq!(frame.burnt[GasKind::Compute as usize], 100);
    assert_eq!(frame.burnt[GasKind::Lost as usize], 50_000 - call_price - 100);
}

#[test]
fn a_callee_burns_no_more_than_it_is_given_and_the_caller_keeps_a_reserve() {
    let (mut world, hash, account) = world();
    let callee = world.spawn(hash, None, vec![], 0);
    let price = world.config.prices.call;
    let mut below = |function: &str, gas: u64, burn: u64| {
        let arguments = encoded(&(callee, function, gas, burn));
        let receipt = run(&mut world, 1_000_000, call(account, "below", arguments));
        let told: (bool, u64, u64) = borsh::from_slice(&receipt.returned).expect("the caller has survived");
        assert_eq!(receipt.gas.frames.len(), 2);
        assert_eq!((receipt.gas.frames[1].depth, receipt.gas.frames[1].total()), (1, told.1));
        (told, receipt.gas.frames[1].limit)
    };
    assert_eq!(below("burn", 500, 100), ((true, 100, price + 100), 500));
    assert_eq!(below("burn", 500, 500), ((true, 500, price + 500), 500));
    assert_eq!(below("burn", 500, 501), ((false, 500, price + 500), 500));
    assert_eq!(below("revert", 500, 100), ((false, 100, price + 100), 500));
    assert_eq!(below("trap", 500, 100), ((false, 500, price + 500), 500));
    // It asks for everything and is given all but a 64th of what the caller has left.
    let left = 1_000_000 - 2 * price;
    let ((done, burnt, _), limit) = below("burn", u64::MAX, u64::MAX);
    assert_eq!((done, burnt, limit), (false, left - left / 64, left - left / 64));
}

#[test]
fn calls_nest_to_the_limit_and_not_deeper() {
    let (mut world, hash, first) = world();
    let chain: Vec<Address> = (0..64).map(|_| world.spawn(hash, None, vec![], 0)).collect();
    let mut deepest = |frames_below: usize| {
        let receipt = run(&mut world, GAS, call(first, "deeper", encoded(&chain[..frames_below].to_vec())));
        assert!(receipt.is_success(), "{}", receipt.status);
        receipt.returned
    };
    assert_eq!(deepest(62), [62]);
    assert_eq!(deepest(63), [63], "64 frames");
    assert_eq!(deepest(64), [0xff], "the 65th is not begun, and its caller is told");
}

/// Without a counter: the price is burnt before it runs, and nothing else of kind compute.
#[test]
fn the_fixed_class_burns_its_price_at_once() {
    fn nothing(_: &str, _: &[u8], _: &mut dyn Host) -> Result<Vec<u8>, Halt> {
        Ok(vec![])
    }
    let mut world = World::new(&[("fixed", nothing)]);
    let document = serde_json::json!({
        "abi": 1, "name": "fixed", "functions": [{"name": "go", "kind": "call"}],
    });
    let bytes = template_with("fixed", document, |template| {
        template.class = Class::Fixed(vec![FixedPrice { function: "go".into(), gas: 321 }]);
    });
    let hash = world.deploy(bytes);
    let account = world.spawn(hash, None, vec![], 0);
    let price = world.config.prices.call;
    let receipt = run(&mut world, price + 321, call(account, "go", vec![]));
    assert_eq!((receipt.is_success(), receipt.gas.burnt), (true, price + 321));
    let receipt = run(&mut world, price + 320, call(account, "go", vec![]));
    assert_eq!((receipt.status, receipt.gas.burnt), (Status::OutOfGas, price + 320));
}

#[test]
fn storing_a_template_costs_by_its_bytes() {
    let mut world = World::new(&[("burner", burner)]);
    let bytes = template("burner", document());
    let prices = world.config.prices;
    let needed = prices.write + prices.template_byte * bytes.len() as u64;
    let deploy = Action::Deploy { template: bytes };
    assert_eq!(run(&mut world, needed - 1, deploy.clone()).status, Status::OutOfGas);
    let receipt = run(&mut world, needed, deploy);
    assert_eq!((receipt.status, receipt.gas.burnt), (Status::Success, needed));
}
