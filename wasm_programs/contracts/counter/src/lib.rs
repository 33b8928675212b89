//! The smallest contract: a number that anybody can add to, once a limit allows it.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod counter {
    use replicode_contract::prelude::*;

    /// What it keeps.
    #[storage]
    pub struct Counter {
        count: Var<u64>,
        limit: Var<u64>,
    }

    /// Why it refuses.
    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// The sum would be above the limit.
        AboveLimit {
            /// The sum.
            sum: u64,
            /// The limit.
            limit: u64,
        },
    }

    /// Something was added.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Added {
        /// By whom.
        #[topic]
        pub by: Address,
        /// How much.
        pub amount: u64,
    }

    impl Counter {
        /// Begins at 0.
        #[init]
        pub fn new(&mut self, limit: u64) {
            self.limit.set(&limit);
        }

        /// Adds, and returns the sum.
        #[call]
        pub fn add(&mut self, amount: u64) -> Result<u64, Error> {
            let (sum, limit) = (self.count.get().saturating_add(amount), self.limit.get());
            if sum > limit {
                return Err(Error::AboveLimit { sum, limit });
            }
            self.count.set(&sum);
            Added { by: context::sender(), amount }.emit();
            Ok(sum)
        }

        /// The sum.
        #[view]
        pub fn count(&self) -> u64 {
            self.count.get()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::counter::{Added, Client, Error};
    use replicode_contract_world::World;

    fn world() -> (World, Client) {
        let mut world = World::new();
        let counter = world.spawn("ann", Client::new(10)).unwrap();
        (world, Client::at(counter))
    }

    #[test]
    fn it_counts_and_says_who() {
        let (mut world, counter) = world();
        assert_eq!(world.call("ann", counter.add(3)).unwrap(), 3);
        let outcome = world.call("bob", counter.add(4));
        let bob = World::address("bob");
        assert_eq!(outcome.events::<Added>(), [(counter.address(), Added { by: bob, amount: 4 })]);
        assert_eq!(outcome.unwrap(), 7);
        assert_eq!(world.view(counter.count()).ok(), Some(7));
    }

    #[test]
    fn what_goes_above_the_limit_changes_nothing() {
        let (mut world, counter) = world();
        world.call("ann", counter.add(8)).unwrap();
        let outcome = world.call("ann", counter.add(3));
        assert!(outcome.events::<Added>().is_empty());
        assert_eq!(outcome.unwrap_error::<Error>(), Error::AboveLimit { sum: 11, limit: 10 });
        assert_eq!(
            world.call("ann", counter.add(u64::MAX)).unwrap_error::<Error>(),
            Error::AboveLimit { sum: u64::MAX, limit: 10 }
        );
        assert_eq!(world.view(counter.count()).ok(), Some(8));
    }

    #[test]
    fn a_call_without_gas_for_it_ends() {
        let (mut world, counter) = world();
        let gas = world.call("ann", counter.add(1)).gas();
        world.set_gas(gas);
        assert!(world.call("ann", counter.add(1)).result.is_ok());
        world.set_gas(gas - 1);
        let failure = world.call("ann", counter.add(1)).unwrap_failure();
        assert_eq!(failure.to_string(), "out of gas");
    }
}
