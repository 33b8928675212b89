//! An auction: who has offered most when its time is over has it; everybody else takes back what they offered.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod auction {
    use replicode_contract::prelude::*;

    /// What it keeps. What it owes are counters: two who were outbid do not wait for each other.
    #[storage]
    pub struct Auction {
        seller: Var<Address>,
        until: Var<u64>,
        least: Var<u128>,
        best: Var<u128>,
        leader: Var<Address>,
        settled: Var<bool>,
        owed: Map<Address, Counter>,
    }

    /// Why it refuses.
    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// It takes as much, or one more than the best.
        TooLow { least: u128 },
        /// Its time is over, or it is settled.
        Over,
        /// Its time is not over.
        NotYet { now: u64, until: u64 },
        /// Nothing is owed.
        Nothing,
    }

    /// Somebody leads.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Bid {
        #[topic]
        pub by: Address,
        pub amount: u128,
    }

    /// It is over.
    #[event]
    #[derive(Debug, PartialEq, Eq)]
    pub struct Sold {
        #[topic]
        pub to: Address,
        pub amount: u128,
    }

    impl Auction {
        /// Runs until this logical time; nothing below `least` is taken.
        #[init]
        pub fn new(&mut self, until: u64, least: u128) {
            self.seller.set(&context::sender());
            self.until.set(&until);
            self.least.set(&least);
        }

        /// Offers the money that comes with the call. Who led before can take theirs back.
        #[call]
        #[payable]
        pub fn bid(&mut self) -> Result<(), Error> {
            if context::time() >= self.until.get() {
                return Err(Error::Over);
            }
            let (by, amount, best) = (context::sender(), context::value(), self.best.get());
            let least = if best == 0 { self.least.get().max(1) } else { best + 1 };
            if amount < least {
                return Err(Error::TooLow { least });
            }
            if best > 0 {
                let leader = self.leader.get();
                assert!(self.owed.add(&leader, best), "no balance is above all money");
            }
            self.best.set(&amount);
            self.leader.set(&by);
            Bid { by, amount }.emit();
            Ok(())
        }

        /// Takes back what was offered and outbid; says how much.
        #[call]
        pub fn withdraw(&mut self) -> Result<u128, Error> {
            let by = context::sender();
            let owed = self.owed(by);
            if owed == 0 {
                return Err(Error::Nothing);
            }
            assert!(self.owed.sub(&by, owed), "it was just read");
            assert!(context::transfer(by, owed), "it has what it owes");
            Ok(owed)
        }

        /// Time is over: the seller is paid. Anybody may say so.
        #[call]
        pub fn settle(&mut self) -> Result<(), Error> {
            let (now, until) = (context::time(), self.until.get());
            if now < until {
                return Err(Error::NotYet { now, until });
            }
            if self.settled.get() {
                return Err(Error::Over);
            }
            self.settled.set(&true);
            let amount = self.best.get();
            if amount > 0 {
                assert!(context::transfer(self.seller.get(), amount), "it has what was offered");
                Sold { to: self.leader.get(), amount }.emit();
            }
            Ok(())
        }

        /// What was offered most; 0 when nothing was.
        #[view]
        pub fn best(&self) -> u128 {
            self.best.get()
        }

        /// What somebody can take back.
        #[view]
        pub fn owed(&self, whom: Address) -> u128 {
            self.owed.sum(&whom).cast_unsigned()
        }
    }
}

#[cfg(test)]
mod tests;
