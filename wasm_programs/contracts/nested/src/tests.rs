use super::nested::{self, Client as Nested, Order, Side};
use replicode_contract::prelude::*;
use replicode_contract_world::World;

fn order(price: u64) -> Order {
    Order {
        side: if price == 0 { Side::Buy } else { Side::Sell { price, note: "ü".repeat(price as usize % 70) } },
        by: World::address("ann"),
        tags: vec![Bytes(vec![1, 2, 3]), Bytes(vec![])],
        limits: BTreeMap::from([("a".to_string(), None), ("b".to_string(), Some(-5))]),
        wide: vec![U256::from(7), U256([0xff; 32])],
    }
}

#[test]
fn values_of_every_type_come_back_as_they_went() {
    let mut world = World::new();
    let nested = Nested::at(world.spawn_bare::<nested::Nested>("ann"));
    assert_eq!(world.view(nested.totals()), Ok(None));
    let orders: Vec<Order> = (0..5).map(order).collect();
    for (place, order) in orders.iter().enumerate() {
        assert_eq!(world.call("ann", nested.order(order.clone())).unwrap(), place as u64);
    }
    assert_eq!(world.view(nested.orders(0, 100)), Ok(orders.clone()));
    assert_eq!(world.view(nested.orders(3, 1)), Ok(orders[3..4].to_vec()));
    assert_eq!(world.call("bob", nested.pop()).unwrap(), Some(orders[4].clone()));
    assert_eq!(world.view(nested.totals()), Ok(Some(5)));
}

/// Against the standard library's maps and sets, under random operations.
#[test]
fn collections_in_each_other_are_those_of_the_standard_library() {
    let mut world = World::new();
    let nested = Nested::at(world.spawn_bare::<nested::Nested>("ann"));
    let mut books: BTreeMap<(String, i32), std::collections::BTreeSet<u64>> = BTreeMap::new();
    let mut random = 7u64;
    for _ in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let (book, level, id) =
            (format!("book {}", (random >> 20) % 3), ((random >> 30) % 4) as i32 - 2, (random >> 40) % 9);
        if (random >> 60) == 0 {
            let there = books.keys().any(|(name, _)| *name == book);
            assert_eq!(world.call("ann", nested.forget(book.clone())).unwrap(), there);
            books.retain(|(name, _), _| *name != book);
        } else {
            let new = books.entry((book.clone(), level)).or_default().insert(id);
            assert_eq!(world.call("ann", nested.put(book.clone(), level, id)).unwrap(), new);
        }
        let expected = books.get(&(book.clone(), level)).map(|ids| ids.iter().copied().collect::<Vec<_>>());
        assert_eq!(world.view(nested.ids(book, level)), Ok(expected.unwrap_or_default()));
    }
}

#[test]
fn sorted_sets_sets_and_counters() {
    let mut world = World::new();
    let nested = Nested::at(world.spawn_bare::<nested::Nested>("ann"));
    let ranks: Vec<u64> = [5, -5, 300, 0, -300].map(|n| world.call("ann", nested.rank(n)).unwrap()).into();
    assert_eq!(ranks, [0, 0, 2, 1, 0]);
    assert_eq!(world.view(nested.around(1)), Ok(vec![Some(-300), Some(0), Some(5), Some(300), Some(-5)]));
    let hash = Hash([9; 32]);
    assert_eq!([0; 2].map(|_| world.call("ann", nested.seen(hash)).unwrap()), [false, true]);
    assert_eq!(world.call("ann", nested.sum(2, 40)).unwrap(), Some(40));
    assert_eq!(world.call("ann", nested.sum(2, -41)).unwrap(), None, "it does not fall below zero");
    assert_eq!(world.call("ann", nested.sum(2, -40)).unwrap(), Some(0));
}

/// More than the library has room for at once: longer values, longer pages.
#[test]
fn long_values_and_long_pages() {
    let mut world = World::new();
    let nested = Nested::at(world.spawn_bare::<nested::Nested>("ann"));
    let long = |bytes: usize| Order { tags: vec![Bytes(vec![7; bytes])], ..order(0) };
    for bytes in [1, 300, 5_000, 2] {
        world.call("ann", nested.order(long(bytes))).unwrap();
    }
    let all =
        |world: &mut World, from| world.view(nested.orders(from, 100)).unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(all(&mut world, 0), [long(1), long(300)], "a page ends where the next element does not fit");
    assert_eq!(all(&mut world, 2), [long(5_000)]);
    assert_eq!(all(&mut world, 3), [long(2)]);
    assert_eq!(
        [2, 5_000, 300, 1].map(|bytes| world.call("ann", nested.pop()).unwrap() == Some(long(bytes))),
        [true; 4]
    );
    assert_eq!(world.call("ann", nested.pop()).unwrap(), None);
    for id in 0..600 {
        world.call("ann", nested.put("many".into(), 1, id)).unwrap();
    }
    assert_eq!(world.view(nested.ids("many".into(), 1)), Ok((0..100).collect::<Vec<u64>>()));
}
