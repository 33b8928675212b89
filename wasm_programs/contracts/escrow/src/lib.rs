//! Money that waits: the buyer releases it to the seller, the seller gives it back, or it goes back by itself when its time is over.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod escrow {
    use replicode_contract::prelude::*;

    /// What was agreed.
    #[value]
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum State {
        Waiting,
        Released,
        Returned,
    }

    #[storage]
    pub struct Escrow {
        buyer: Var<Address>,
        seller: Var<Address>,
        until: Var<u64>,
        state: Var<State>,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        NotTheBuyer,
        NotTheSeller,
        NotYet { now: u64, until: u64 },
        Over,
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Settled {
        #[topic]
        pub to: Address,
        pub amount: u128,
    }

    impl Escrow {
        /// The money that comes with it waits, until this logical time at most.
        #[init]
        #[payable]
        pub fn new(&mut self, seller: Address, until: u64) {
            self.buyer.set(&context::sender());
            self.seller.set(&seller);
            self.until.set(&until);
        }

        /// The buyer has got what was bought.
        #[call]
        pub fn release(&mut self) -> Result<(), Error> {
            let (buyer, seller) = (self.buyer.get(), self.seller.get());
            if context::sender() != buyer { Err(Error::NotTheBuyer) } else { self.settle(seller, State::Released) }
        }

        /// The seller does not want it.
        #[call]
        pub fn give_back(&mut self) -> Result<(), Error> {
            let (buyer, seller) = (self.buyer.get(), self.seller.get());
            if context::sender() != seller { Err(Error::NotTheSeller) } else { self.settle(buyer, State::Returned) }
        }

        /// Time is over: anybody may say so.
        #[call]
        pub fn expire(&mut self) -> Result<(), Error> {
            let (now, until, buyer) = (context::time(), self.until.get(), self.buyer.get());
            if now < until { Err(Error::NotYet { now, until }) } else { self.settle(buyer, State::Returned) }
        }

        /// How it stands.
        #[view]
        pub fn state(&self) -> State {
            self.state.get()
        }

        fn settle(&mut self, to: Address, state: State) -> Result<(), Error> {
            if self.state.get() != State::Waiting {
                return Err(Error::Over);
            }
            self.state.set(&state);
            let amount = context::balance(context::address());
            assert!(context::transfer(to, amount), "it has its balance");
            Settled { to, amount }.emit();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::escrow::{Client, Error, Settled, State};
    use replicode_contract_world::World;

    const UNTIL: u64 = 1_000_000_000;

    fn world() -> (World, Client) {
        let mut world = World::new();
        world.fund("ann", 100);
        let init = Client::new(World::address("bob"), UNTIL);
        let escrow = world.spawn_with("ann", init, 80).unwrap();
        (world, Client::at(escrow))
    }

    #[test]
    fn the_buyer_releases() {
        let (mut world, escrow) = world();
        let bob = World::address("bob");
        assert_eq!(world.call("bob", escrow.release()).unwrap_error::<Error>(), Error::NotTheBuyer);
        let outcome = world.call("ann", escrow.release());
        assert_eq!(outcome.events::<Settled>(), [(escrow.address(), Settled { to: bob, amount: 80 })]);
        outcome.unwrap();
        assert_eq!((world.balance(bob), world.balance(World::address("ann"))), (80, 20));
        assert_eq!(world.view(escrow.state()), Ok(State::Released));
        for again in [world.call("ann", escrow.release()), world.call("bob", escrow.give_back())] {
            assert_eq!(again.unwrap_error::<Error>(), Error::Over);
        }
    }

    #[test]
    fn the_seller_gives_back() {
        let (mut world, escrow) = world();
        assert_eq!(world.call("ann", escrow.give_back()).unwrap_error::<Error>(), Error::NotTheSeller);
        world.call("bob", escrow.give_back()).unwrap();
        assert_eq!(world.balance(World::address("ann")), 100);
    }

    #[test]
    fn time_gives_back() {
        let (mut world, escrow) = world();
        let error = world.call("eve", escrow.expire()).unwrap_error::<Error>();
        assert!(matches!(error, Error::NotYet { until: UNTIL, .. }), "{error:?}");
        world.advance(UNTIL);
        world.call("eve", escrow.expire()).unwrap();
        assert_eq!((world.balance(World::address("ann")), world.view(escrow.state())), (100, Ok(State::Returned)));
    }
}
