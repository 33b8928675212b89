use super::auction::{Bid, Client, Error, Sold};
use replicode_contract::Address;
use replicode_contract_world::World;

const UNTIL: u64 = 1_000_000_000;

fn world() -> (World, Client) {
    let mut world = World::new();
    for name in ["ann", "bob", "eve"] {
        world.fund(name, 100);
    }
    let auction = world.spawn("joe", Client::new(UNTIL, 10)).unwrap();
    (world, Client::at(auction))
}

fn all(world: &mut World, auction: Client) -> [u128; 5] {
    let names = ["ann", "bob", "eve", "joe"].map(World::address);
    let [a, b, c, d] = names.map(|name| world.balance(name));
    [a, b, c, d, world.balance(auction.address())]
}

#[test]
fn the_best_offer_has_it_and_the_others_take_theirs_back() {
    let (mut world, auction) = world();
    let bob = World::address("bob");
    world.call("ann", auction.bid().value(10)).unwrap();
    let outcome = world.call("bob", auction.bid().value(11));
    assert_eq!(outcome.events::<Bid>(), [(auction.address(), Bid { by: bob, amount: 11 })]);
    outcome.unwrap();
    world.call("ann", auction.bid().value(20)).unwrap();
    world.call("bob", auction.bid().value(30)).unwrap();
    assert_eq!(world.view(auction.best()), Ok(30));
    assert_eq!(world.view(auction.owed(World::address("ann"))), Ok(30));
    assert_eq!(world.call("ann", auction.withdraw()).unwrap(), 30);
    assert_eq!(world.call("ann", auction.withdraw()).unwrap_error::<Error>(), Error::Nothing);
    assert!(matches!(world.call("eve", auction.settle()).unwrap_error(), Error::NotYet { until: UNTIL, .. }));
    world.advance(UNTIL);
    let outcome = world.call("eve", auction.settle());
    assert_eq!(outcome.events::<Sold>(), [(auction.address(), Sold { to: bob, amount: 30 })]);
    outcome.unwrap();
    assert_eq!(world.call("bob", auction.withdraw()).unwrap(), 11);
    assert_eq!(all(&mut world, auction), [100, 70, 100, 30, 0]);
}

#[test]
fn what_is_too_low_or_too_late_changes_nothing() {
    let (mut world, auction) = world();
    let error = world.call("ann", auction.bid().value(9)).unwrap_error::<Error>();
    assert_eq!(error, Error::TooLow { least: 10 });
    world.call("ann", auction.bid().value(50)).unwrap();
    let error = world.call("bob", auction.bid().value(50)).unwrap_error::<Error>();
    assert_eq!(error, Error::TooLow { least: 51 });
    world.advance(UNTIL);
    assert_eq!(world.call("bob", auction.bid().value(60)).unwrap_error::<Error>(), Error::Over);
    world.call("joe", auction.settle()).unwrap();
    assert_eq!(world.call("joe", auction.settle()).unwrap_error::<Error>(), Error::Over);
    assert_eq!(all(&mut world, auction), [50, 100, 100, 50, 0]);
}

#[test]
fn nobody_offers_and_nothing_is_sold() {
    let (mut world, auction) = world();
    world.advance(UNTIL);
    let outcome = world.call("eve", auction.settle());
    assert!(outcome.events::<Sold>().is_empty());
    outcome.unwrap();
    assert_eq!(all(&mut world, auction), [100, 100, 100, 0, 0]);
}

/// Money is neither made nor lost, and what it holds is the best offer and what it owes.
#[test]
fn it_holds_what_it_owes() {
    let (mut world, auction) = world();
    let names = ["ann", "bob", "eve"];
    let mut random = 1u64;
    for _ in 0..200 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let name = names[(random >> 33) as usize % 3];
        let amount = u128::from(random >> 40) % 40;
        let _ = match random >> 62 {
            0 => world.call(name, auction.withdraw()).result.map(drop),
            _ => world.call(name, auction.bid().value(amount)).result.map(drop),
        };
        let owed: u128 = names.iter().map(|name| owed(&mut world, auction, World::address(name))).sum();
        let best = world.view(auction.best()).unwrap_or_else(|failure| panic!("{failure}"));
        let balances = all(&mut world, auction);
        assert_eq!(balances.iter().sum::<u128>(), 300);
        assert_eq!(balances[4], best + owed);
    }
}

fn owed(world: &mut World, auction: Client, whom: Address) -> u128 {
    world.view(auction.owed(whom)).unwrap_or_else(|failure| panic!("{failure}"))
}
