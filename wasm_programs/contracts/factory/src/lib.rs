//! A contract that makes accounts of another one, and remembers them.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod factory {
    use replicode_contract::call;
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Factory {
        template: Var<Hash>,
        made: List<Address>,
        of: Map<Address, List<Address>>,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// The constructor did not succeed.
        #[call_failed]
        NotMade { status: u32, code: u32 },
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Made {
        #[topic]
        pub by: Address,
        pub account: Address,
    }

    impl Factory {
        /// Accounts will be of this template.
        #[init]
        pub fn new(&mut self, template: Hash) {
            self.template.set(&template);
        }

        /// An account more, made by this constructor with these arguments; the money that comes with the call is its first balance.
        #[call]
        #[payable]
        pub fn make(&mut self, constructor: String, arguments: Bytes) -> Result<Address, Error> {
            let account = call::spawn(self.template.get(), &constructor, &arguments.0, context::value())?;
            let by = context::sender();
            self.made.push(&account);
            self.of.create(&by).push(&account);
            Made { by, account }.emit();
            Ok(account)
        }

        /// Those of one maker.
        #[view]
        pub fn made_by(&self, maker: Address) -> Vec<Address> {
            self.of.open(&maker).map_or_else(Vec::new, |made| made.page(0, 100))
        }

        /// How many there are.
        #[view]
        pub fn count(&self) -> u64 {
            self.made.len()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::factory::{Client, Error, Made};
    use contract_counter::counter::{Client as Counter, Counter as Code};
    use replicode_contract::{Bytes, Value};
    use replicode_contract_world::World;

    #[test]
    fn accounts_are_made_used_and_remembered() {
        let mut world = World::new();
        let template = world.deploy::<Code>("ann");
        let factory = Client::at(world.spawn("ann", Client::new(template)).unwrap());
        let make = |limit: u64| factory.make("new".into(), Bytes(limit.encode()));
        let bob = World::address("bob");
        let outcome = world.call("bob", make(5));
        let made = outcome.events::<Made>();
        let first = outcome.unwrap();
        assert_eq!(made, [(factory.address(), Made { by: bob, account: first })]);
        let second = world.call("bob", make(5)).unwrap();
        assert_ne!(first, second, "two accounts never collide");
        assert_eq!(world.call("ann", Counter::at(first).add(4)).unwrap(), 4);
        assert_eq!(world.view(Counter::at(second).count()), Ok(0));
        assert_eq!((world.view(factory.made_by(bob)), world.view(factory.count())), (Ok(vec![first, second]), Ok(2)));
    }

    #[test]
    fn one_that_cannot_be_made_is_not_remembered() {
        let mut world = World::new();
        let template = world.deploy::<Code>("ann");
        let factory = Client::at(world.spawn("ann", Client::new(template)).unwrap());
        let error = world.call("bob", factory.make("old".into(), Bytes(vec![]))).unwrap_error::<Error>();
        assert_eq!(error, Error::NotMade { status: 8, code: 0 }, "no such constructor");
        let error = world.call("bob", factory.make("new".into(), Bytes(vec![1]))).unwrap_error::<Error>();
        assert_eq!(error, Error::NotMade { status: 7, code: 0 }, "its arguments do not decode");
        assert_eq!(world.view(factory.count()), Ok(0));
    }
}
