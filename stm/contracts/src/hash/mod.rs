//! The one hash of contracts' state: BLAKE3, keyed by what is hashed.
//!
//! Every kind of thing has a [`Domain`], and each domain a key of its own, so that no bytes of one kind can stand for another.
//! `docs/formats/contract-state.md` lists the domains; a verifier needs nothing else.

mod domain;
mod many;
mod page;

use std::fmt;
use std::str::FromStr;

use borsh::{BorshDeserialize, BorshSerialize};

pub use domain::Domain;
pub(crate) use many::{BlockKey, WIDTH, many};
pub use page::{BLOCK, MAX_PAGE, Page, PageProof, PageProofError, page};

/// 32 bytes that stand for what was hashed, or that are a key of the tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Hash([u8; 32]);

impl Hash {
    /// The state of a contract or collection that holds nothing. No hash is ever expected to be equal to it.
    pub const ZERO: Hash = Hash([0; 32]);

    /// The hash that these bytes write down.
    pub const fn new(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// Its bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first `N` of its bytes are what is wanted, for instance as an address; `N` is at most 32.
    pub fn prefix<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        out.copy_from_slice(&self.0[..N]);
        out
    }

    /// Bit `at` (0 to 255), counted from the most significant bit of byte 0: the order of bits is the order of keys.
    pub const fn bit(&self, at: u8) -> bool {
        self.0[at as usize / 8] >> (7 - at % 8) & 1 == 1
    }

    /// The first bit in which the two differ; none when they are equal.
    pub fn first_difference(&self, other: &Hash) -> Option<u8> {
        let at = self.0.iter().zip(&other.0).position(|(a, b)| a != b)?;
        let bit = (self.0[at] ^ other.0[at]).leading_zeros() as usize;
        u8::try_from(at * 8 + bit).ok()
    }
}

impl Hash {
    /// Whether the first `bits` bits are the same.
    pub fn begins_like(&self, other: &Hash, bits: u16) -> bool {
        self.first_difference(other).is_none_or(|differs| u16::from(differs) >= bits)
    }

    /// The same but for bit `at`, which is `on`.
    pub fn with_bit(&self, at: u8, on: bool) -> Hash {
        let mut out = *self;
        let mask = 0x80 >> (at % 8);
        match on {
            true => out.0[at as usize / 8] |= mask,
            false => out.0[at as usize / 8] &= !mask,
        }
        out
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Not the 64 hexadecimal digits of a hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits, not \"{0}\"")]
pub struct NotAHash(pub String);

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Hash, NotAHash> {
        let wrong = || NotAHash(text.chars().take(80).collect());
        if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        let mut out = [0; 32];
        for (byte, at) in out.iter_mut().zip((0..64).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Hash(out))
    }
}

/// The hash of `bytes` as a thing of this kind.
pub fn of(domain: Domain, bytes: &[u8]) -> Hash {
    Hash(*blake3::keyed_hash(domain.key(), bytes).as_bytes())
}

/// The same of the parts put one behind the other. The caller's format must say where one ends and the next begins.
pub fn parts(domain: Domain, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(domain.key());
    for part in parts {
        hasher.update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

/// Where something stands in a tree: the hash of its clear key (an address, a page's index, an element's key).
pub fn key(clear: &[u8]) -> Hash {
    of(Domain::Key, clear)
}

/// A leaf of the tree: `value` stands at `key`.
pub fn leaf(key: &Hash, value: &Hash) -> Hash {
    of(Domain::Leaf, &pair(key, value))
}

/// A node of the tree, whose two subtrees differ for the first time in `bit` of their keys.
pub fn node(bit: u8, left: &Hash, right: &Hash) -> Hash {
    Hash(*blake3::keyed_hash(&domain::node_key(bit), &pair(left, right)).as_bytes())
}

fn pair(left: &Hash, right: &Hash) -> [u8; 64] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(&left.0);
    block[32..].copy_from_slice(&right.0);
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_the_first_bit_that_differs() {
        let mut other = [0; 32];
        assert_eq!(Hash::ZERO.first_difference(&Hash(other)), None);
        for bit in (0..=255_u8).rev() {
            other[bit as usize / 8] |= 0x80 >> (bit % 8);
            assert_eq!(Hash::ZERO.first_difference(&Hash(other)), Some(bit));
            assert!(Hash(other).bit(bit) && !Hash::ZERO.bit(bit));
        }
    }

    #[test]
    fn a_hash_is_read_back_from_its_digits() {
        let hash = of(Domain::Key, b"some");
        assert_eq!(hash.to_string().parse(), Ok(hash));
        assert!("12".parse::<Hash>().is_err());
        assert!("é".repeat(32).parse::<Hash>().is_err());
        assert!("+1".repeat(32).parse::<Hash>().is_err());
    }

    #[test]
    fn parts_are_hashed_as_one() {
        assert_eq!(parts(Domain::Element, &[b"ab", b"", b"c"]), of(Domain::Element, b"abc"));
        assert_ne!(of(Domain::Element, b"abc"), of(Domain::Account, b"abc"));
    }
}
