//! Addresses, and what each kind of account's address follows from.
//!
//! Three kinds, told apart by the first byte of what is hashed, so that an address of one kind is never one of another:
//! the account of an Ed25519 key, the account of a name (cells whose clients are trusted), and what an account has
//! spawned.

use crate::hash::{self, Domain, Hash};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;
use std::str::FromStr;

/// The first byte of what is hashed.
const SPAWNED: u8 = 0;
const KEY: u8 = 1;
const NAME: u8 = 2;

/// Names an account: 20 bytes, as wide as the 160-bit registers that contracts keep addresses in.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address([u8; 20]);

impl Address {
    /// Bytes of an address.
    pub const LEN: usize = 20;

    /// The address with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// The account that `author` spawns as its `nth`, from the template with hash `template`.
    ///
    /// `nth` is the author's own count of spawns ([`super::Account::spawned`]). It grows by one with each spawn that is
    /// kept, so two spawns have different inputs here, also when one author spawns one template twice in one transaction.
    #[must_use]
    pub fn spawned(author: &Address, nth: u64, template: &Hash) -> Self {
        Self::derive(SPAWNED, [&author.0, &nth.to_le_bytes(), template.as_bytes()])
    }

    /// The account that the holder of this Ed25519 key controls. It needs no spawning.
    #[must_use]
    pub fn of_key(public: &[u8; 32]) -> Self {
        Self::derive(KEY, [public, &[], &[]])
    }

    /// The account that anybody may use who knows its name, in cells that allow it.
    #[must_use]
    pub fn of_name(name: &str) -> Self {
        Self::derive(NAME, [name.as_bytes(), &[], &[]])
    }

    /// The kind decides on the length of all parts but the last, so the parts are told apart.
    fn derive(kind: u8, parts: [&[u8]; 3]) -> Self {
        let [a, b, c] = parts;
        Self(hash::parts(Domain::Address, &[&[kind], a, b, c]).prefix())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address of 40 hexadecimal digits, got {0:?}")]
pub struct NotAnAddress(pub String);

impl FromStr for Address {
    type Err = NotAnAddress;

    /// Reads 40 hexadecimal digits, with or without `0x` before them.
    fn from_str(text: &str) -> Result<Self, NotAnAddress> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let mut bytes = [0; 20];
        match hex::decode_to_slice(digits, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_) => Err(NotAnAddress(text.chars().take(80).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_text_reads_back_and_other_texts_are_refused() {
        let address = Address::of_name("ann");
        assert_eq!(address.to_string().parse(), Ok(address));
        assert_eq!(format!("0x{address}").parse(), Ok(address));
        for wrong in ["", "0x", "ann", &address.to_string()[1..], &format!("{address}0"), &format!("0x0x{address}")] {
            assert_eq!(wrong.parse::<Address>(), Err(NotAnAddress(wrong.to_string())));
        }
    }

    #[test]
    fn the_derivation_is_the_documented_one() {
        let mut input = vec![0];
        input.extend([7; 20]);
        input.extend(258u64.to_le_bytes());
        input.extend([9; 32]);
        let key = blake3::hash(b"replicode contracts 1: address");
        let whole = blake3::keyed_hash(key.as_bytes(), &input);
        let address = Address::spawned(&Address([7; 20]), 258, &Hash::new([9; 32]));
        assert_eq!(address.as_bytes()[..], whole.as_bytes()[..20]);
    }

    #[test]
    fn kinds_do_not_meet_even_on_equal_bytes() {
        let key = [b'a'; 32];
        let name = "a".repeat(32);
        assert_ne!(Address::of_key(&key), Address::of_name(&name));
    }

    proptest! {
        /// Authors, templates and counts from small ranges, so that all pairs of equal and different parts occur.
        #[test]
        fn two_spawns_never_collide(spawns in prop::collection::vec((0u8..4, 0u64..4, 0u8..4), 1..200)) {
            let mut seen: BTreeMap<Address, (u8, u64, u8)> = BTreeMap::new();
            for (author, nth, template) in spawns {
                let address = Address::spawned(&Address([author; 20]), nth, &Hash::new([template; 32]));
                if let Some(before) = seen.insert(address, (author, nth, template)) {
                    prop_assert_eq!(before, (author, nth, template));
                }
            }
        }
    }
}
