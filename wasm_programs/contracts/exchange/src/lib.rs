//! Two tokens against each other, at the price that makes the product of both stocks stay. Calls two contracts, asks them without letting them
//! change anything, and survives when one of them refuses.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod exchange {
    use replicode_contract::prelude::*;

    /// What it needs of a token.
    #[interface]
    pub trait Token {
        #[call]
        fn transfer(&mut self, to: Address, amount: u128);
        #[call]
        fn transfer_from(&mut self, owner: Address, to: Address, amount: u128);
        #[view]
        fn balance_of(&self, owner: Address) -> u128;
    }

    #[storage]
    pub struct Exchange {
        one: Var<Address>,
        two: Var<Address>,
        refused: Counter,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// It would give less than was wanted.
        TooLittle {
            gives: u128,
        },
        /// A token did not do its part.
        #[call_failed]
        TokenFailed {
            status: u32,
            code: u32,
        },
        NotATokenHere,
        TooMuch,
    }

    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Swapped {
        #[topic]
        pub by: Address,
        pub paid: u128,
        pub got: u128,
    }

    impl Exchange {
        #[init]
        pub fn new(&mut self, one: Address, two: Address) {
            self.one.set(&one);
            self.two.set(&two);
        }

        /// Pays so much of a token, which was approved before, for the other one.
        #[call]
        pub fn swap(&mut self, pay: Address, amount: u128, at_least: u128) -> Result<u128, Error> {
            let (by, other, gives) = (context::sender(), self.other(pay)?, self.quote(pay, amount)?);
            if gives < at_least {
                return Err(Error::TooLittle { gives });
            }
            Token::at(pay).transfer_from(by, context::address(), amount).send()?;
            Token::at(other).transfer(by, gives).send()?;
            Swapped { by, paid: amount, got: gives }.emit();
            Ok(gives)
        }

        /// As `swap`, but one that does not succeed is counted, and undoes nothing else of the transaction.
        #[call]
        pub fn try_pay(&mut self, pay: Address, amount: u128) -> bool {
            let paid = Token::at(pay).transfer_from(context::sender(), context::address(), amount).send();
            if paid.is_err() {
                self.refused.add(1);
            }
            paid.is_ok()
        }

        /// What so much of a token is worth in the other one. The tokens are asked and may change nothing.
        #[view]
        pub fn quote(&self, pay: Address, amount: u128) -> Result<u128, Error> {
            let own = context::address();
            let have = Token::at(pay).balance_of(own).read_only().send()?;
            let other = Token::at(self.other(pay)?).balance_of(own).read_only().send()?;
            let (sum, product) = (have.checked_add(amount), other.checked_mul(amount));
            let (sum, product) = (sum.ok_or(Error::TooMuch)?, product.ok_or(Error::TooMuch)?);
            product.checked_div(sum).ok_or(Error::TooMuch)
        }

        /// Payments that tokens have refused.
        #[view]
        pub fn refused(&self) -> i128 {
            self.refused.get()
        }

        fn other(&self, token: Address) -> Result<Address, Error> {
            match (self.one.get(), self.two.get()) {
                (one, two) if token == one => Ok(two),
                (one, two) if token == two => Ok(one),
                _ => Err(Error::NotATokenHere),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::exchange::{Client, Error, Swapped};
    use contract_token::token::Client as Token;
    use replicode_contract_world::World;

    fn world() -> (World, Token, Token, Client) {
        let mut world = World::new();
        let tokens = [1_000_000, 2_000_000].map(|supply| Token::at(world.spawn("ann", Token::new(supply)).unwrap()));
        let [one, two] = tokens;
        let exchange = world.spawn("ann", Client::new(one.address(), two.address())).unwrap();
        world.call("ann", one.transfer(exchange, 100_000)).unwrap();
        world.call("ann", two.transfer(exchange, 400_000)).unwrap();
        world.call("ann", one.transfer(World::address("bob"), 50_000)).unwrap();
        (world, one, two, Client::at(exchange))
    }

    fn have(world: &mut World, token: Token, name: &str) -> u128 {
        world.view(token.balance_of(World::address(name))).unwrap_or_else(|failure| panic!("{failure}"))
    }

    #[test]
    fn a_swap_pays_both_ways_or_not_at_all() {
        let (mut world, one, two, exchange) = world();
        assert_eq!(world.view(exchange.quote(one.address(), 25_000)), Ok(80_000));
        // Nothing is approved: the token refuses, and the exchange says so.
        let error = world.call("bob", exchange.swap(one.address(), 25_000, 0)).unwrap_error::<Error>();
        assert_eq!(error, Error::TokenFailed { status: 1, code: 2 });
        world.call("bob", one.approve(exchange.address(), 30_000)).unwrap();
        let error = world.call("bob", exchange.swap(one.address(), 25_000, 80_001)).unwrap_error::<Error>();
        assert_eq!(error, Error::TooLittle { gives: 80_000 });
        let outcome = world.call("bob", exchange.swap(one.address(), 25_000, 80_000));
        let bob = World::address("bob");
        assert_eq!(outcome.events::<Swapped>()[0].1, Swapped { by: bob, paid: 25_000, got: 80_000 });
        assert_eq!(outcome.unwrap(), 80_000);
        assert_eq!((have(&mut world, one, "bob"), have(&mut world, two, "bob")), (25_000, 80_000));
        // The other way it is worth what it was, but for rounding.
        assert_eq!(world.view(exchange.quote(two.address(), 80_000)), Ok(25_000));
    }

    #[test]
    fn what_a_token_refuses_is_survived() {
        let (mut world, one, _, exchange) = world();
        assert!(!world.call("bob", exchange.try_pay(one.address(), 1)).unwrap());
        assert_eq!((world.view(exchange.refused()), have(&mut world, one, "bob")), (Ok(1), 50_000));
        let error = world.call("bob", exchange.swap(World::address("eve"), 1, 0)).unwrap_error::<Error>();
        assert_eq!(error, Error::NotATokenHere);
        let error = world.call("bob", exchange.swap(one.address(), u128::MAX, 0)).unwrap_error::<Error>();
        assert_eq!(error, Error::TooMuch);
    }
}
