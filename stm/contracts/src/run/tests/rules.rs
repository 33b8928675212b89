//! Which transactions are skipped, in which order that is decided, what they cost, and that their actions happen all or
//! not at all.

use super::support::*;
use crate::account::Address;
use crate::hash::Hash;
use crate::receipt::{Receipt, Skipped, Status};
use crate::run::cells;
use crate::transaction::{Action, BadProof, Body, Proof, SigningKey, Transaction};

fn pay(to: &str, value: u128) -> Action {
    Action::Transfer { to: Address::of_name(to), value }
}

fn why(receipt: &Receipt) -> Skipped {
    match &receipt.status {
        Status::Skipped { why } => *why,
        other => panic!("not skipped: {other}"),
    }
}

/// A transaction with everything wrong; each step mends the first thing that is said.
#[test]
fn the_first_rule_that_is_broken_is_the_one_that_is_said() {
    let mut world = World::new(&[]);
    world.config.batch_gas = 10_000_000;
    let key = SigningKey::from_bytes(&[5; 32]);
    let account = Address::of_key(&key.verifying_key().to_bytes());
    let mut body = Body { principal: account, nonce: 1, gas_price: 3, ..world.body("ann", vec![pay("bob", 1)]) };
    body.gas_limit = 20_000_000;
    let cell = world.config.cell;
    let before = world.cells.clone();
    let bad = |body: &Body| Transaction { body: body.clone(), proof: Proof::sign(&Hash::ZERO, &key) };

    let said = why(&world.batch(&[bad(&body)])[0]);
    assert_eq!(said, Skipped::BadNonce { next: 0, given: 1 });
    body.nonce = 0;
    let said = why(&world.batch(&[bad(&body)])[0]);
    assert_eq!(said, Skipped::BadSignature { why: BadProof::BadSignature });
    let said = why(&world.batch(&[body.clone().sign(&cell, &key)])[0]);
    assert_eq!(said, Skipped::NoMoney { have: 0, need: 60_000_000 });
    assert_eq!((world.cells.bytes(), world.cells.sums()), (before.bytes(), before.sums()), "skipped: nothing happened");

    assert_eq!(cells::credit(&mut world.cells, &account, 59_999_999), Ok(true));
    let said = why(&world.batch(&[body.clone().sign(&cell, &key)])[0]);
    assert_eq!(said, Skipped::NoMoney { have: 59_999_999, need: 60_000_000 });
    assert_eq!(cells::credit(&mut world.cells, &account, 1), Ok(true));
    let said = why(&world.batch(&[body.clone().sign(&cell, &key)])[0]);
    assert_eq!(said, Skipped::BatchGasLimit { left: 10_000_000, need: 20_000_000 });
    assert_eq!(world.balance(&account), 60_000_000);

    body.gas_limit = 10_000_000;
    let receipt = world.batch(&[body.clone().sign(&cell, &key)]).remove(0);
    assert!(receipt.is_success(), "{}", receipt.status);
    assert_adds_up(&receipt);
    // The same bytes again: their nonce is used up.
    assert_eq!(why(&world.batch(&[body.sign(&cell, &key)])[0]), Skipped::BadNonce { next: 1, given: 0 });
}

#[test]
fn a_signature_for_one_cell_is_worth_nothing_in_another() {
    let mut world = World::new(&[]);
    let key = SigningKey::from_bytes(&[5; 32]);
    let principal = Address::of_key(&key.verifying_key().to_bytes());
    let body = Body { principal, ..world.body("ann", vec![pay("bob", 0)]) };
    let elsewhere = body.clone().sign(&Hash::new([8; 32]), &key);
    assert_eq!(why(&world.batch(&[elsewhere])[0]), Skipped::BadSignature { why: BadProof::BadSignature });
    let here = body.sign(&world.config.cell, &key);
    assert!(world.batch(&[here])[0].is_success());
}

#[test]
fn fees_are_what_was_burnt_and_go_to_the_collector() {
    let mut world = World::new(&[]);
    let (ann, fees) = (Address::of_name("ann"), world.config.collector);
    let mut transaction = world.named("ann", vec![pay("bob", 10)]);
    (transaction.body.gas_price, transaction.body.gas_limit) = (3, 100_000);
    let receipt = world.batch(&[transaction]).remove(0);
    let price = 2 * world.config.prices.write;
    assert_eq!(
        (receipt.gas.burnt, receipt.gas.refund(), receipt.fee()),
        (price, 100_000 - price, 3 * u128::from(price))
    );
    assert_eq!(world.balance(&ann), 1_000_000 - 10 - receipt.fee());
    assert_eq!(world.balance(&fees), receipt.fee());
    assert_eq!(world.balance(&Address::of_name("bob")), 1_000_010);
}

#[test]
fn a_failed_transaction_pays_and_its_nonce_is_used_up() {
    let mut world = World::new(&[]);
    let ann = Address::of_name("ann");
    let mut transaction = world.named("ann", vec![pay("bob", 10), pay("bob", 5_000_000), pay("bob", 1)]);
    (transaction.body.gas_price, transaction.body.gas_limit) = (1, 100_000);
    let receipt = world.batch(&[transaction]).remove(0);
    assert_eq!(receipt.status, Status::NoMoney { need: 5_000_000 });
    assert_eq!(receipt.action, 1, "the second one has failed");
    assert_eq!(world.balance(&Address::of_name("bob")), 1_000_000, "all or nothing");
    assert_eq!(world.balance(&ann), 1_000_000 - receipt.fee());
    assert!(receipt.fee() > 0);
    assert_eq!(cells::record(&mut world.cells, &ann).expect("maps").nonce, 1);
}

/// Money that is set aside for gas is not there to be given away.
#[test]
fn what_gas_may_cost_cannot_be_spent() {
    let mut world = World::new(&[]);
    let mut transaction = world.named("ann", vec![pay("bob", 900_001)]);
    (transaction.body.gas_price, transaction.body.gas_limit) = (1, 100_000);
    let receipt = world.batch(&[transaction.clone()]).remove(0);
    assert_eq!(receipt.status, Status::NoMoney { need: 900_001 });
}

#[test]
fn a_batch_burns_no_more_than_its_gas_and_goes_on_with_what_fits() {
    let mut world = World::new(&[]);
    let price = 2 * world.config.prices.write;
    world.config.batch_gas = 3 * price;
    let transaction = |world: &mut World, nonce: u64, gas_limit: u64| {
        let mut transaction = world.named("ann", vec![pay("bob", 1)]);
        (transaction.body.nonce, transaction.body.gas_limit) = (nonce, gas_limit);
        transaction
    };
    let transactions = [
        transaction(&mut world, 0, 3 * price),
        // Two thirds are left: the first has burnt one only.
        transaction(&mut world, 1, 2 * price + 1),
        transaction(&mut world, 1, 2 * price),
        transaction(&mut world, 2, price),
        transaction(&mut world, 3, 1),
    ];
    let receipts = world.batch(&transactions);
    let statuses: Vec<bool> = receipts.iter().map(Receipt::is_success).collect();
    assert_eq!(statuses, [true, false, true, true, false]);
    assert_eq!(why(&receipts[1]), Skipped::BatchGasLimit { left: 2 * price, need: 2 * price + 1 });
    assert_eq!(why(&receipts[4]), Skipped::BatchGasLimit { left: 0, need: 1 });
    let places: Vec<u32> = receipts.iter().map(|receipt| receipt.position).collect();
    assert_eq!(places, [0, 1, 2, 3, 4]);
}

#[test]
fn bytes_that_are_no_transaction_have_a_receipt_too() {
    let mut world = World::new(&[]);
    let moment = crate::run::Moment::default();
    let mut block = crate::run::Sequential::new(&mut world.cells, &world.config, &world.natives, moment);
    let receipt = block.execute(b"\x01nonsense").expect("maps do not fail");
    assert_eq!(receipt.status, Status::Skipped { why: Skipped::Malformed });
    assert_eq!(receipt.gas.burnt, 0);
}

#[test]
fn money_cannot_be_made_by_paying_oneself_or_too_much() {
    let mut world = World::new(&[]);
    assert!(world.run("ann", vec![pay("ann", 1_000_000)]).is_success());
    assert_eq!(world.balance(&Address::of_name("ann")), 1_000_000);
    assert_eq!(world.run("ann", vec![pay("ann", 1_000_001)]).status, Status::NoMoney { need: 1_000_001 });
    let rich = Address::of_name("rich");
    assert_eq!(cells::credit(&mut world.cells, &rich, i128::MAX as u128), Ok(true));
    assert_eq!(cells::credit(&mut world.cells, &rich, 1), Ok(false));
    let receipt = world.run("ann", vec![pay("rich", 1)]);
    assert_eq!(receipt.status, Status::NoMoney { need: 1 }, "the receiver has no room");
    assert_eq!(world.balance(&Address::of_name("ann")), 1_000_000);
}
