//! Everything that a contract can say, run in a world whose host checks arguments, returns, events and layouts against the document.

use replicode_contract::prelude::*;
use replicode_contract_world::World;
use replicode_contract_world::contracts::abi::Abi;

/// Money, calls of others, errors that are handed on, entry points of the runtime.
#[contract]
pub mod bank {
    use replicode_contract::prelude::*;

    #[interface]
    pub trait Other {
        #[call]
        fn deposit(&mut self) -> u128;
        #[call]
        fn withdraw(&mut self, amount: u128) -> Result<(), Error>;
        #[view]
        fn have(&self, owner: Address) -> u128;
        #[call]
        fn nothing_there(&mut self);
    }

    #[storage]
    pub struct Bank {
        accounts: Map<Address, u128>,
        calls: Var<u32>,
    }

    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        #[code(40)]
        TooMuch { have: u128 },
        #[call_failed]
        OtherFailed { status: u32, code: u32 },
    }

    impl Bank {
        #[init]
        #[payable]
        pub fn new(&mut self, owner: Address) {
            self.accounts.insert(&owner, &context::value());
        }

        #[call]
        #[payable]
        pub fn deposit(&mut self) -> u128 {
            let have = self.have(context::sender()) + context::value();
            self.accounts.insert(&context::sender(), &have);
            have
        }

        #[call]
        pub fn withdraw(&mut self, amount: u128) -> Result<(), Error> {
            let have = self.have(context::sender());
            let left = have.checked_sub(amount).ok_or(Error::TooMuch { have })?;
            self.accounts.insert(&context::sender(), &left);
            assert!(context::transfer(context::sender(), amount), "a bank has what it owes");
            Ok(())
        }

        #[view]
        #[reentrant]
        pub fn have(&self, owner: Address) -> u128 {
            self.accounts.get(&owner).unwrap_or(0)
        }

        /// Puts its own money into another bank.
        #[call]
        pub fn invest(&mut self, other: Address, amount: u128) -> Result<u128, Error> {
            self.calls.set(&(self.calls.get() + 1));
            Ok(Other::at(other).deposit().value(amount).send()?)
        }

        /// Takes more than there is, and survives that.
        #[call]
        pub fn try_withdraw(&mut self, other: Address, amount: u128) -> u128 {
            match Other::at(other).withdraw(amount).gas(200_000).send() {
                Ok(()) => 0,
                Err(failed) => match failed.error() {
                    Some(Error::TooMuch { have }) => have,
                    _ => u128::MAX,
                },
            }
        }

        /// Money cannot go into what may change nothing.
        #[call]
        pub fn only_reads(&mut self, other: Address) -> Result<u128, Error> {
            Ok(Other::at(other).deposit().read_only().send()?)
        }

        #[call]
        pub fn missing(&mut self, other: Address) -> Result<(), Error> {
            Ok(Other::at(other).nothing_there().send()?)
        }

        #[call]
        pub fn asks_itself(&self, may: bool) -> Result<u128, Error> {
            let own = Other::at(context::address()).have(context::sender());
            Ok(if may { own.may_reenter() } else { own }.send()?)
        }

        #[call]
        pub fn panics(&mut self) {
            self.calls.set(&99);
            panic!("on purpose");
        }

        #[view]
        pub fn when(&self) -> Vec<u64> {
            [context::batch(), context::time(), context::seed()].into()
        }

        #[view]
        pub fn calls(&self) -> u32 {
            self.calls.get()
        }

        #[upgrade]
        pub fn may_upgrade(&self, sender: Address, _template: Hash) -> bool {
            self.accounts.contains(&sender)
        }
    }
}

use bank::{Client as Bank, Error};

#[test]
fn documents_are_those_of_nodes() {
    for document in
        [<bank::Bank as replicode_contract::Contract>::ABI, <later::Later as replicode_contract::Contract>::ABI]
    {
        let abi = Abi::parse(document.as_bytes()).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        // Read and written again it says the same.
        let (ours, theirs): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(document).expect("JSON"), serde_json::from_slice(&abi.to_json()).expect("JSON"));
        for (name, value) in theirs.as_object().expect("an object") {
            if name != "errors" && name != "events" && name != "functions" {
                assert_eq!(ours[name], *value, "{name}");
            }
        }
        assert_eq!(Abi::parse(&abi.to_json()), Ok(abi));
    }
}

fn banks() -> (World, Bank, Bank) {
    let mut world = World::new();
    world.fund("ann", 1000);
    let ann = World::address("ann");
    let one = world.spawn_with("ann", Bank::new(ann), 100).unwrap();
    let two = world.spawn("ann", Bank::new(ann)).unwrap();
    (world, Bank::at(one), Bank::at(two))
}

#[test]
fn money_comes_with_calls_and_goes_by_transfers() {
    let (mut world, bank, _) = banks();
    let ann = World::address("ann");
    assert_eq!((world.balance(ann), world.balance(bank.address())), (900, 100));
    assert_eq!(world.call("ann", bank.deposit().value(50)).unwrap(), 150);
    world.call("ann", bank.withdraw(120)).unwrap();
    assert_eq!((world.balance(ann), world.view(bank.have(ann))), (970, Ok(30)));
    assert_eq!(world.call("ann", bank.withdraw(31)).unwrap_error::<Error>(), Error::TooMuch { have: 30 });
    // A function that takes no money is given none.
    let failure = world.call("ann", bank.withdraw(1).value(5)).unwrap_failure();
    assert!(failure.to_string().contains("not allowed"), "{failure}");
    assert_eq!(world.balance(ann), 970);
}

#[test]
fn contracts_call_each_other_and_survive_what_fails_there() {
    let (mut world, one, two) = banks();
    assert_eq!(world.call("bob", one.invest(two.address(), 40)).unwrap(), 40);
    assert_eq!((world.balance(one.address()), world.balance(two.address())), (60, 40));
    assert_eq!(world.view(two.have(one.address())), Ok(40));
    assert_eq!(world.call("bob", one.try_withdraw(two.address(), 41)).unwrap(), 40, "the error's own field");
    assert_eq!(world.call("bob", one.try_withdraw(two.address(), 40)).unwrap(), 0);
    // What fails there is this contract's error, and nothing of the call stays.
    let error = world.call("bob", one.invest(two.address(), 101)).unwrap_error::<Error>();
    assert!(matches!(error, Error::OtherFailed { .. }), "{error:?}");
    assert_eq!(world.view(one.calls()), Ok(1));
    let error = world.call("bob", one.only_reads(two.address())).unwrap_error::<Error>();
    assert_eq!(error, Error::OtherFailed { status: 9, code: 0 }, "a call that may change nothing is of no `call`");
    let error = world.call("bob", one.missing(two.address())).unwrap_error::<Error>();
    assert_eq!(error, Error::OtherFailed { status: 6, code: 0 }, "there is no such function");
    let error = world.call("bob", one.missing(World::address("eve"))).unwrap_error::<Error>();
    assert_eq!(error, Error::OtherFailed { status: 5, code: 0 }, "there is no contract");
}

#[test]
fn who_runs_is_entered_again_only_where_both_allow_it() {
    let (mut world, bank, _) = banks();
    assert_eq!(world.call("ann", bank.asks_itself(true)).unwrap(), 100);
    let error = world.call("ann", bank.asks_itself(false)).unwrap_error::<Error>();
    assert_eq!(error, Error::OtherFailed { status: 11, code: 0 });
}

#[test]
fn a_panic_undoes_the_call_and_says_why() {
    let (mut world, bank, _) = banks();
    let failure = world.call("ann", bank.panics()).unwrap_failure();
    assert_eq!(failure.panic().as_deref(), Some("on purpose"));
    assert_eq!(world.view(bank.calls()), Ok(0));
}

#[test]
fn time_passes_as_the_test_says_and_worlds_are_apart() {
    let (mut world, bank, _) = banks();
    let (mut other, same, _) = banks();
    world.advance(5_000);
    world.set_seed(42);
    let times = |world: &mut World, bank: Bank| world.view(bank.when()).unwrap_or_else(|failure| panic!("{failure}"));
    let (mine, theirs) = (times(&mut world, bank), times(&mut other, same));
    assert_eq!(mine[1], theirs[1] + 5_000);
    assert_eq!((mine[0], mine[2], theirs[2]), (theirs[0], 42, 0));
}

/// What a bank may become: one variable more, and one of another type that `migrate` takes care of.
#[contract]
pub mod later {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Later {
        accounts: Map<Address, u128>,
        calls: Var<u32>,
        since: Var<u64>,
    }

    impl Later {
        #[migrate]
        pub fn migrate(&mut self, since: u64) {
            self.since.set(&since);
        }

        #[view]
        pub fn all(&self, owner: Address) -> Vec<u64> {
            [self.accounts.get(&owner).unwrap_or(0) as u64, u64::from(self.calls.get()), self.since.get()].into()
        }
    }
}

/// One whose layout clashes.
#[contract]
pub mod clashing {
    use replicode_contract::prelude::*;

    #[storage]
    pub struct Clashing {
        calls: Var<u64>,
    }

    impl Clashing {
        #[view]
        pub fn calls(&self) -> u64 {
            self.calls.get()
        }
    }
}

#[test]
fn an_account_gets_other_code_when_its_own_allows_it_and_layouts_fit() {
    let (mut world, bank, two) = banks();
    world.call("bob", bank.invest(two.address(), 1)).unwrap();
    let arguments = replicode_contract::Value::encode(&7u64);
    assert!(
        world.upgrade::<later::Later>("eve", bank.address(), &arguments).result.is_err(),
        "she has no account there"
    );
    let failure = world.upgrade::<clashing::Clashing>("ann", bank.address(), &[]).unwrap_failure();
    assert!(failure.to_string().contains("calls"), "{failure}");
    world.upgrade::<later::Later>("ann", bank.address(), &arguments).unwrap();
    let later = later::Client::at(bank.address());
    assert_eq!(world.view(later.all(World::address("ann"))), Ok(vec![100, 1, 7]));
}
