//! A contract that uses a library: numbers and texts go there and come back.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod geometry {
    use replicode_contract::prelude::*;

    /// What it needs of the library.
    #[interface(library = "mathlib", native = contract_mathlib::mathlib)]
    pub trait MathLib {
        fn root(number: u128) -> u128;
        fn mul_div(a: u64, b: u64, c: u64) -> Option<u64>;
        fn shout(text: String, times: u32) -> String;
    }

    #[storage]
    pub struct Geometry {
        last: Var<u128>,
    }

    impl Geometry {
        /// The length of the hypotenuse, kept.
        #[call]
        pub fn hypotenuse(&mut self, a: u64, b: u64) -> u128 {
            let square = |side: u64| u128::from(side) * u128::from(side);
            let length = MathLib::root(square(a).saturating_add(square(b)));
            self.last.set(&length);
            length
        }

        /// A part of a number.
        #[view]
        pub fn part(&self, of: u64, nominator: u64, denominator: u64) -> Option<u64> {
            MathLib::mul_div(of, nominator, denominator)
        }

        /// What was kept, loudly.
        #[view]
        pub fn say(&self, unit: String) -> String {
            let mut text = MathLib::shout(unit, 2);
            text.push_str(if self.last.get() > 4 { " AND MORE" } else { "" });
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::geometry::{Client, Geometry};
    use replicode_contract_world::World;

    #[test]
    fn numbers_and_texts_go_to_the_library_and_come_back() {
        let mut world = World::new();
        let geometry = Client::at(world.spawn_bare::<Geometry>("ann"));
        assert_eq!(world.call("ann", geometry.hypotenuse(3, 4)).unwrap(), 5);
        assert_eq!(world.call("ann", geometry.hypotenuse(u64::MAX, 0)).unwrap(), u128::from(u64::MAX));
        assert_eq!(world.view(geometry.part(u64::MAX, 2, 3)), Ok(Some(12_297_829_382_473_034_410)));
        assert_eq!(world.view(geometry.part(1, 1, 0)), Ok(None));
        assert_eq!(world.view(geometry.say("metres ".into())), Ok("METRES METRES  AND MORE".into()));
        let long = "a long unit ".repeat(50);
        assert_eq!(world.view(geometry.say(long.clone())).map(|text| text.len()), Ok(long.len() * 2 + 9));
    }
}
