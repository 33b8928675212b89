//! An account of a key: whoever signs with it acts for the account, and the key can be changed.
#![cfg_attr(target_family = "wasm", no_std)]

use replicode_contract::contract;

/// The contract.
#[contract]
pub mod wallet {
    use replicode_contract::prelude::*;

    /// What it keeps: an Ed25519 key.
    #[storage]
    pub struct Wallet {
        key: Var<Hash>,
    }

    /// Why it refuses.
    #[error]
    #[derive(Debug, PartialEq, Eq)]
    pub enum Error {
        /// Only the account itself changes its key.
        NotItself,
    }

    impl Wallet {
        /// An account of this key.
        #[init]
        #[payable]
        pub fn new(&mut self, key: Hash) {
            self.key.set(&key);
        }

        /// Whether a transaction is signed with the key. The hash has the cell, the nonce and all actions in it.
        #[verify]
        pub fn authorised(&self, transaction: Hash, proof: Bytes) -> bool {
            let signature: Result<[u8; 64], _> = proof.0.as_slice().try_into();
            signature.is_ok_and(|signature| context::ed25519_verify(&self.key.get().0, &signature, &transaction.0))
        }

        /// Another key, from the next transaction on.
        #[call]
        pub fn rotate(&mut self, key: Hash) -> Result<(), Error> {
            if context::sender() != context::address() {
                return Err(Error::NotItself);
            }
            self.key.set(&key);
            Ok(())
        }

        /// The key.
        #[view]
        pub fn key(&self) -> Hash {
            self.key.get()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::wallet::{Client, Error};
    use replicode_contract::prelude::*;
    use replicode_contract_world::World;
    use replicode_contract_world::keys::{Key, public, sign};

    fn world(key: &Key) -> (World, Address) {
        let mut world = World::new();
        world.fund("ann", 500);
        let wallet = world.spawn_with("ann", Client::new(public(key)), 200).unwrap();
        (world, wallet)
    }

    #[test]
    fn who_has_the_key_pays_and_nobody_else() {
        let (key, other) = (Key::from_bytes(&[1; 32]), Key::from_bytes(&[2; 32]));
        let (mut world, wallet) = world(&key);
        let bob = World::address("bob");
        world.send_as(wallet, |hash| sign(&key, hash), bob, 30).unwrap();
        assert_eq!((world.balance(wallet), world.balance(bob)), (170, 30));
        for proof in [sign(&other, Hash([0; 32])), vec![], vec![7; 64]] {
            let refused = world.send_as(wallet, |_| proof.clone(), bob, 30).unwrap_failure();
            assert!(refused.to_string().contains("skipped"), "{refused}");
        }
        world.send_as(wallet, |hash| sign(&other, hash), bob, 30).unwrap_failure();
        assert_eq!((world.balance(wallet), world.balance(bob)), (170, 30));
    }

    #[test]
    fn the_account_itself_changes_its_key() {
        let (old, new) = (Key::from_bytes(&[1; 32]), Key::from_bytes(&[2; 32]));
        let (mut world, wallet) = world(&old);
        let client = Client::at(wallet);
        assert_eq!(world.call("ann", client.rotate(public(&new))).unwrap_error::<Error>(), Error::NotItself);
        world.call_as(wallet, |hash| sign(&old, hash), client.rotate(public(&new))).unwrap();
        assert_eq!(world.view(client.key()), Ok(public(&new)));
        world.send_as(wallet, |hash| sign(&old, hash), World::address("bob"), 1).unwrap_failure();
        world.send_as(wallet, |hash| sign(&new, hash), World::address("bob"), 1).unwrap();
        assert_eq!(world.balance(wallet), 199);
    }
}
