//! Why a transaction should be believed: Ed25519, or one of the other two ways.
//!
//! | proof | the principal is | decided by |
//! |---|---|---|
//! | a key's | the address of the key | `wallet`: a signature over [`super::Body::signed`] |
//! | a name's | the address of the name | `open`: nothing; in cells that trust their clients only |
//! | an account's own | an account with code | the account's function of kind `verify` |
//!
//! `wallet` and `open` are built in: accounts of keys and names need no template and no spawning.

use crate::account::Address;
use crate::hash::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use ed25519_dalek::{Signature, Signer, VerifyingKey};

pub use ed25519_dalek::SigningKey;

/// The longest name of an account, in bytes.
pub const MAX_NAME: usize = 64;

/// The proof that comes with a transaction.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Proof {
    /// Of a key's account.
    Key {
        /// The key.
        public: [u8; 32],
        /// Over [`super::Body::signed`].
        signature: [u8; 64],
    } = 0,
    /// Of a name's account.
    Name {
        /// The name.
        name: String,
    } = 1,
    /// Of an account with code of its own.
    Own {
        /// What its `verify` is given.
        proof: Vec<u8>,
    } = 2,
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize, thiserror::Error)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum BadProof {
    /// The key or name is not the principal's.
    #[error("the proof is another account's")]
    NotThePrincipal = 0,
    /// The bytes are no point of the curve, or one of small order.
    #[error("the key is none that anybody may sign with")]
    BadKey = 1,
    /// The signature is not the key's over this transaction in this cell.
    #[error("the signature is not the key's over this transaction in this cell")]
    BadSignature = 2,
    /// Accounts of names are not in use here.
    #[error("this cell does not trust names: sign with a key")]
    NamesNotTrusted = 3,
    /// An account with code decides itself, and one without code cannot.
    #[error("the kind of proof is not the account's: one with code decides itself, one without cannot")]
    WrongKind = 4,
    /// The account's `verify` did not return true.
    #[error("the account's verify refused it")]
    Refused = 5,
}

impl Proof {
    /// The key's proof for what is signed.
    #[must_use]
    pub fn sign(signed: &Hash, key: &SigningKey) -> Self {
        Self::Key { public: key.verifying_key().to_bytes(), signature: key.sign(signed.as_bytes()).to_bytes() }
    }

    /// Decides for accounts without code.
    ///
    /// # Errors
    /// Why it does not hold.
    pub fn check_built_in(&self, principal: &Address, signed: &Hash, trust_names: bool) -> Result<(), BadProof> {
        match self {
            Self::Key { public, .. } if Address::of_key(public) != *principal => Err(BadProof::NotThePrincipal),
            Self::Key { public, signature } => {
                // Strict: no key of small order, no signature with a second form. What one implementation takes and
                // another does not would split a cell.
                let key = VerifyingKey::from_bytes(public).map_err(|_| BadProof::BadKey)?;
                if key.is_weak() {
                    return Err(BadProof::BadKey);
                }
                let signature = Signature::from_bytes(signature);
                key.verify_strict(signed.as_bytes(), &signature).map_err(|_| BadProof::BadSignature)
            }
            Self::Name { .. } if !trust_names => Err(BadProof::NamesNotTrusted),
            Self::Name { name } if Address::of_name(name) != *principal => Err(BadProof::NotThePrincipal),
            Self::Name { .. } => Ok(()),
            Self::Own { .. } => Err(BadProof::WrongKind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::Verifier;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn check(proof: &Proof, signed: &Hash) -> Result<(), BadProof> {
        let Proof::Key { public, .. } = proof else { panic!("a key's") };
        proof.check_built_in(&Address::of_key(public), signed, false)
    }

    fn bytes<const N: usize>(digits: &str) -> [u8; N] {
        hex::decode(digits).expect("digits").try_into().expect("as many")
    }

    /// RFC 8032, section 7.1, test 3: key, message and signature of another implementation.
    #[test]
    fn the_signatures_are_those_of_the_rfc() {
        let key = SigningKey::from_bytes(&bytes("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"));
        let public: [u8; 32] = bytes("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025");
        assert_eq!(key.verifying_key().to_bytes(), public);
        let signature: [u8; 64] = bytes(
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac\
             18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        );
        assert_eq!(key.sign(&[0xaf, 0x82]).to_bytes(), signature);
    }

    #[test]
    fn a_signature_holds_for_its_key_and_its_bytes() {
        let signed = Hash::new([3; 32]);
        let proof = Proof::sign(&signed, &key(1));
        assert_eq!(check(&proof, &signed), Ok(()));
        assert_eq!(check(&proof, &Hash::new([4; 32])), Err(BadProof::BadSignature));
        let other = Address::of_key(&key(2).verifying_key().to_bytes());
        assert_eq!(proof.check_built_in(&other, &signed, true), Err(BadProof::NotThePrincipal));
    }

    /// S plus the group's order satisfies the equation as well as S: whoever sees a transaction could make a second one
    /// of it with another hash.
    #[test]
    fn a_signature_has_no_second_form() {
        let order: [u8; 32] = bytes("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let signed = Hash::new([3; 32]);
        let Proof::Key { public, mut signature } = Proof::sign(&signed, &key(1)) else { panic!("a key's") };
        let mut carry = 0u16;
        for (byte, add) in signature[32..].iter_mut().zip(order) {
            carry += u16::from(*byte) + u16::from(add);
            *byte = carry.to_le_bytes()[0];
            carry >>= 8;
        }
        assert_eq!(check(&Proof::Key { public, signature }, &signed), Err(BadProof::BadSignature));
    }

    /// The identity is a point of order one: with it as the key, one signature holds for every message under rules that
    /// are not strict.
    #[test]
    fn keys_of_small_order_are_refused() {
        let mut public = [0; 32];
        public[0] = 1;
        let mut signature = [0; 64];
        signature[0] = 1;
        let weak = VerifyingKey::from_bytes(&public).expect("a point of the curve");
        for message in [[1; 32], [2; 32]] {
            assert!(weak.verify(&message, &Signature::from_bytes(&signature)).is_ok(), "holds where rules are lax");
            assert_eq!(check(&Proof::Key { public, signature }, &Hash::new(message)), Err(BadProof::BadKey));
        }
        let off_the_curve = Proof::Key { public: bytes(&format!("02{}", "00".repeat(31))), signature };
        assert_eq!(check(&off_the_curve, &Hash::ZERO), Err(BadProof::BadKey));
    }

    #[test]
    fn names_hold_where_they_are_trusted() {
        let proof = Proof::Name { name: "ann".into() };
        let ann = Address::of_name("ann");
        assert_eq!(proof.check_built_in(&ann, &Hash::ZERO, true), Ok(()));
        assert_eq!(proof.check_built_in(&ann, &Hash::ZERO, false), Err(BadProof::NamesNotTrusted));
        assert_eq!(proof.check_built_in(&Address::of_name("bob"), &Hash::ZERO, true), Err(BadProof::NotThePrincipal));
        let own = Proof::Own { proof: vec![] };
        assert_eq!(own.check_built_in(&ann, &Hash::ZERO, true), Err(BadProof::WrongKind));
    }

    proptest! {
        #[test]
        fn no_other_signature_holds(seed: u8, bit in 0usize..64 * 8) {
            let signed = Hash::new([3; 32]);
            let Proof::Key { public, mut signature } = Proof::sign(&signed, &key(seed)) else { panic!("a key's") };
            signature[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(check(&Proof::Key { public, signature }, &signed), Err(BadProof::BadSignature));
        }

        #[test]
        fn any_bytes_are_a_proof_or_none(public: [u8; 32], half: [u8; 32], other: [u8; 32]) {
            let mut signature = [0; 64];
            signature[..32].copy_from_slice(&half);
            signature[32..].copy_from_slice(&other);
            let proof = Proof::Key { public, signature };
            prop_assert!(check(&proof, &Hash::ZERO).is_err());
        }
    }
}
