//! Transactions: who asks for what, up to which price, and the proof that it was them.
//!
//! ```text
//! transaction = body, proof
//! body        = version u8, principal 20, nonce u64, gas limit u64, gas price u64, actions (count u32, then each)
//! ```
//!
//! The actions happen one after the other and all of them or none. The bytes are canonical (`docs/formats/transaction.md`):
//! one transaction has one encoding, and every other one is refused.
//!
//! | module | it is |
//! |---|---|
//! | [`action`] | what can be asked for |
//! | [`proof`] | Ed25519 and the two built-in principal templates |
//! | [`validate`] | whether bytes are a transaction at all: no state is asked |

pub mod action;
pub mod proof;
pub mod validate;

pub use action::Action;
pub use proof::{BadProof, Proof, SigningKey};
pub use validate::{Invalid, Limits};

use crate::account::Address;
use crate::hash::{self, Domain, Hash};
use borsh::{BorshDeserialize, BorshSerialize};

/// The version that this code reads and writes.
pub const VERSION: u8 = 1;

/// What is authorised.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Body {
    /// Version of the format, [`VERSION`].
    pub version: u8,
    /// The account that asks, pays, and is the sender of the actions.
    pub principal: Address,
    /// How many transactions of this account came before: each takes effect once, and in this order.
    pub nonce: u64,
    /// The most gas that it may burn.
    pub gas_limit: u64,
    /// What one unit of gas costs.
    pub gas_price: u64,
    /// What is asked for: all of it or nothing.
    pub actions: Vec<Action>,
}

/// A transaction as it travels and as the log holds it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// What is authorised.
    pub body: Body,
    /// Why it should be.
    pub proof: Proof,
}

impl Body {
    /// What is signed. `cell` names the cell, so that nothing signed for one cell is worth anything in another.
    #[must_use]
    pub fn signed(&self, cell: &Hash) -> Hash {
        hash::parts(Domain::Transaction, &[&[0], cell.as_bytes(), &encode(self)])
    }

    /// The transaction of the holder of this key.
    #[must_use]
    pub fn sign(self, cell: &Hash, key: &SigningKey) -> Transaction {
        let proof = Proof::sign(&self.signed(cell), key);
        Transaction { body: self, proof }
    }

    /// The most that it can cost, without what its actions transfer.
    #[must_use]
    pub fn greatest_fee(&self) -> u128 {
        u128::from(self.gas_limit) * u128::from(self.gas_price)
    }
}

impl Transaction {
    /// Canonical bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads a transaction back and checks its form.
    ///
    /// # Errors
    /// Everything that is wrong with its form.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Self, Vec<Invalid>> {
        validate::decode(bytes, limits)
    }

    /// Names the transaction: the hash of its bytes, proof included.
    #[must_use]
    pub fn hash(&self) -> Hash {
        Self::hash_of(&self.encode())
    }

    /// The hash of a transaction's bytes, whether they decode or not.
    #[must_use]
    pub fn hash_of(bytes: &[u8]) -> Hash {
        hash::parts(Domain::Transaction, &[&[1], bytes])
    }
}

/// Writing into memory fails only for lists of more than 2^32 elements.
pub(crate) fn encode<T: BorshSerialize>(value: &T) -> Vec<u8> {
    borsh::to_vec(value).unwrap_or_default()
}
