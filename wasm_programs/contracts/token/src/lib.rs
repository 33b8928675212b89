//! A token: a fixed supply, balances, and what owners allow others to spend.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod token {
    use replicode_contract::prelude::*;

    /// What it keeps. Balances are counters: payments to one account do not wait for each other.
    #[storage]
    pub struct Token {
        supply: Var<u128>,
        balances: Map<Address, Counter>,
        allowed: Map<Address, Map<Address, u128>>,
    }

    /// Why it refuses.
    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// There is not so much.
        InsufficientFunds { have: u128, need: u128 },
        /// The owner has not allowed so much.
        NotAllowed { allowed: u128, need: u128 },
    }

    /// Something has changed hands.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Transfer {
        #[topic]
        pub from: Address,
        #[topic]
        pub to: Address,
        pub amount: u128,
    }

    impl Token {
        /// All of it belongs to whoever makes the account.
        #[init]
        pub fn new(&mut self, supply: u128) {
            self.supply.set(&supply);
            assert!(self.balances.add(&context::sender(), supply), "the supply is below 2^127");
        }

        /// Pays from the sender.
        #[call]
        pub fn transfer(&mut self, to: Address, amount: u128) -> Result<(), Error> {
            self.pay(context::sender(), to, amount)
        }

        /// Lets somebody spend so much of what is the sender's.
        #[call]
        pub fn approve(&mut self, spender: Address, amount: u128) {
            self.allowed.create(&context::sender()).insert(&spender, &amount);
        }

        /// Pays from somebody who has allowed it.
        #[call]
        pub fn transfer_from(&mut self, owner: Address, to: Address, amount: u128) -> Result<(), Error> {
            let (spender, mut of_owner) = (context::sender(), self.allowed.create(&owner));
            let allowed = of_owner.get(&spender).unwrap_or(0);
            let left = allowed.checked_sub(amount).ok_or(Error::NotAllowed { allowed, need: amount })?;
            of_owner.insert(&spender, &left);
            self.pay(owner, to, amount)
        }

        /// What an account has.
        #[view]
        pub fn balance_of(&self, owner: Address) -> u128 {
            self.balances.sum(&owner).cast_unsigned()
        }

        /// What somebody may still spend of an owner's.
        #[view]
        pub fn allowance(&self, owner: Address, spender: Address) -> u128 {
            self.allowed.open(&owner).and_then(|of_owner| of_owner.get(&spender)).unwrap_or(0)
        }

        /// All there is.
        #[view]
        pub fn supply(&self) -> u128 {
            self.supply.get()
        }

        fn pay(&mut self, from: Address, to: Address, amount: u128) -> Result<(), Error> {
            if !self.balances.sub(&from, amount) {
                return Err(Error::InsufficientFunds { have: self.balance_of(from), need: amount });
            }
            assert!(self.balances.add(&to, amount), "no balance is above the supply");
            Transfer { from, to, amount }.emit();
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
