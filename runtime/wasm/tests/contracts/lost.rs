//! A run that is known to be worth nothing: the store below has failed, or a parallel engine will run it again. It ends soon and by itself,
//! and nothing of it is seen.

use crate::life::purse;
use crate::world::{World, document, encoded, template};
use replicode_contracts::account::Address;
use replicode_contracts::cell::{Access, Bounds, CellKey, Maps, Mark};
use replicode_contracts::run::{Fault, Moment, Sequential};
use std::time::Instant;

/// Maps that fail from some access on.
struct Failing<'a> {
    maps: &'a mut Maps,
    left: u32,
    /// Accesses that were asked for after the first that failed.
    after: u32,
}

#[derive(Debug, PartialEq)]
struct Gone;

impl Failing<'_> {
    fn next(&mut self) -> Result<&mut Maps, Gone> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(self.maps)
            }
            None => {
                self.after += 1;
                Err(Gone)
            }
        }
    }
}

fn never<T>(result: Result<T, std::convert::Infallible>) -> Result<T, Gone> {
    result.map_err(|never| match never {})
}

impl Access for Failing<'_> {
    type Error = Gone;

    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Gone> {
        never(self.next()?.get(key, into))
    }

    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Gone> {
        never(self.next()?.set(key, value))
    }

    fn remove(&mut self, key: &CellKey) -> Result<(), Gone> {
        never(self.next()?.remove(key))
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Gone> {
        never(self.next()?.sum(key))
    }

    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Gone> {
        never(self.next()?.add(key, delta, within))
    }

    fn fresh(&mut self) -> Result<[u8; 32], Gone> {
        never(self.next()?.fresh())
    }

    fn mark(&mut self) -> Mark {
        self.maps.mark()
    }

    fn roll_back(&mut self, to: Mark) {
        self.maps.roll_back(to);
    }
}

/// Fails at every access in turn, until there is none left to fail at; gives how many there were.
fn everywhere(world: &mut World, account: Address, function: &str, arguments: &[u8]) -> u32 {
    let before = world.cells.clone();
    for at in 0.. {
        let mut failing = Failing { maps: &mut world.cells, left: at, after: 0 };
        let mark = failing.mark();
        let mut block = Sequential::new(&mut failing, &world.config, &*world.loader, Moment::default());
        let ann = Address::of_name("ann");
        match block.view(ann, account, function, arguments, 1_000_000_000, false) {
            Ok(viewed) => {
                assert!(viewed.outcome.is_success(), "{}", viewed.outcome.status);
                return at;
            }
            Err(fault) => assert!(matches!(fault, Fault::Access(Gone)), "{fault:?}"),
        }
        assert_eq!(failing.after, 1, "nothing is asked of the store after access {at} has failed");
        failing.roll_back(mark);
        assert!(world.cells.bytes() == before.bytes() && world.cells.sums() == before.sums());
    }
    unreachable!("some number is enough")
}

#[test]
fn every_access_may_fail_and_nothing_of_the_run_is_seen() {
    let mut world = World::new();
    let hash = world.deploy(&purse());
    let purse = world.spawn(hash, Some("new"), encoded(&1000u128), 0);
    let accesses = everywhere(&mut world, purse, "send", &encoded(&(Address::of_name("bob"), 30u64)));
    assert!(accesses > 10, "{accesses}");
}

/// With zeros for answers this one would go on for ever, or for a second of gas.
#[test]
fn a_lost_run_ends_soon() {
    let mut document = document("stubborn", &["go"]);
    document["storage"] = serde_json::json!([{"name": "n", "type": "u32", "slice": 0}]);
    let text = r#"(module (import "svm" "get32" (func $get (param i32) (result i32)))
        (func (export "go") (loop (br_if 0 (i32.eqz (call $get (i32.const 0)))))))"#;
    let mut world = World::new();
    let account = world.place(&template(document, text));
    let cell = CellKey::slice(account.as_bytes(), 0);
    assert_eq!(world.cells.set(&cell, &[1; 4]), Ok(()));
    let begin = Instant::now();
    assert!(everywhere(&mut world, account, "go", &[]) >= 1);
    assert!(begin.elapsed().as_millis() < 500, "{:?}", begin.elapsed());
}
