use super::token::{Client, Error, Transfer};
use replicode_contract_world::World;

const SUPPLY: u128 = 1_000_000;

fn world() -> (World, Client) {
    let mut world = World::new();
    let token = world.spawn("ann", Client::new(SUPPLY)).unwrap();
    (world, Client::at(token))
}

fn balance(world: &mut World, token: Client, name: &str) -> u128 {
    world.view(token.balance_of(World::address(name))).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn a_transfer_moves_money_and_says_so() {
    let (mut world, token) = world();
    let (ann, bob) = (World::address("ann"), World::address("bob"));
    let outcome = world.call("ann", token.transfer(bob, 30));
    assert_eq!(outcome.events::<Transfer>(), [(token.address(), Transfer { from: ann, to: bob, amount: 30 })]);
    outcome.unwrap();
    assert_eq!((balance(&mut world, token, "ann"), balance(&mut world, token, "bob")), (SUPPLY - 30, 30));
    assert_eq!(world.view(token.supply()).ok(), Some(SUPPLY));
}

#[test]
fn what_is_not_there_is_not_paid() {
    let (mut world, token) = world();
    let eve = World::address("eve");
    let error = world.call("bob", token.transfer(eve, 1)).unwrap_error::<Error>();
    assert_eq!(error, Error::InsufficientFunds { have: 0, need: 1 });
    let error = world.call("ann", token.transfer(eve, u128::MAX)).unwrap_error::<Error>();
    assert_eq!(error, Error::InsufficientFunds { have: SUPPLY, need: u128::MAX });
    assert_eq!(balance(&mut world, token, "eve"), 0);
}

#[test]
fn others_spend_what_they_are_allowed_and_no_more() {
    let (mut world, token) = world();
    let [ann, bob, eve] = ["ann", "bob", "eve"].map(World::address);
    world.call("ann", token.approve(bob, 50)).unwrap();
    world.call("bob", token.transfer_from(ann, eve, 20)).unwrap();
    let error = world.call("bob", token.transfer_from(ann, eve, 31)).unwrap_error::<Error>();
    assert_eq!(error, Error::NotAllowed { allowed: 30, need: 31 });
    assert_eq!(world.view(token.allowance(ann, bob)).ok(), Some(30));
    assert_eq!((balance(&mut world, token, "eve"), balance(&mut world, token, "ann")), (20, SUPPLY - 20));
    // What was allowed is not undone by what fails after it.
    world.call("ann", token.transfer(bob, SUPPLY - 20)).unwrap();
    let error = world.call("bob", token.transfer_from(ann, eve, 10)).unwrap_error::<Error>();
    assert_eq!(error, Error::InsufficientFunds { have: 0, need: 10 });
    assert_eq!(world.view(token.allowance(ann, bob)).ok(), Some(30), "the call had no effect at all");
}

/// The sum of all balances never changes, whatever is tried.
#[test]
fn money_is_neither_made_nor_lost() {
    let (mut world, token) = world();
    let names = ["ann", "bob", "eve", "joe"];
    let mut random = 1u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let pick = |shift: u32| names[(random >> shift) as usize % names.len()];
        let (from, to, owner) = (pick(20), World::address(pick(30)), World::address(pick(40)));
        let amount = u128::from(random >> 33) % (SUPPLY / 2);
        let _ = match random >> 62 {
            0 => world.call(from, token.approve(to, amount)),
            1 => world.call(from, token.transfer_from(owner, to, amount)),
            _ => world.call(from, token.transfer(to, amount)),
        };
        let sum: u128 = names.iter().map(|name| balance(&mut world, token, name)).sum();
        assert_eq!(sum, SUPPLY);
    }
}
