//! Content hashes, the digest chain, and the fast hash of a batch's system calls.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use xxhash_rust::xxh3::Xxh3;

/// A BLAKE3 hash: of content (a module, a configuration, a batch), or of all history up to a batch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize, BorshDeserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of nothing; stands for "before the first batch" where no better value exists.
    pub const ZERO: Self = Self([0; 32]);

    /// Hash of one piece of content.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        Self(*blake3::hash(content).as_bytes())
    }

    /// One step of a chain: a hash over the previous link and what is added to it. The pieces are length-prefixed, so
    /// that no two different lists of pieces hash alike.
    #[must_use]
    pub fn chain(previous: Self, pieces: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&previous.0);
        for piece in pieces {
            hasher.update(&(piece.len() as u64).to_le_bytes());
            hasher.update(piece);
        }
        Self(*hasher.finalize().as_bytes())
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest read from 32 bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The first eight hexadecimal digits, for tables and messages.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..8].to_string()
    }

    /// A digest from 64 hexadecimal digits; `None` if the text is anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.short())
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("a digest is 64 hexadecimal digits"))
    }
}

/// Hash of one system call: who, which, its arguments, its result, and the bytes it moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct StepHash(pub u64);

impl StepHash {
    /// Hash of a step in its fixed layout. XXH3, not a cryptographic hash: it runs once per system call and has to
    /// find accidents between nodes that trust each other.
    #[must_use]
    pub fn of(step: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_64(step))
    }
}

/// Running hash over the steps of one batch, folded into the BLAKE3 chain at the batch's end.
#[derive(Clone, Default)]
pub struct Trail {
    hash: Box<Xxh3>,
    steps: u64,
}

/// What a [`Trail`] amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub struct TrailHash {
    /// XXH3-128 over the hashes of all steps, in order.
    pub hash: u128,
    /// How many steps there were.
    pub steps: u64,
}

impl Trail {
    /// An empty trail.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one step.
    pub fn step(&mut self, step: StepHash) {
        self.hash.update(&step.0.to_le_bytes());
        self.steps += 1;
    }

    /// The number of steps so far.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.steps
    }

    /// The value so far; the trail goes on.
    #[must_use]
    pub fn peek(&self) -> TrailHash {
        TrailHash { hash: self.hash.digest128(), steps: self.steps }
    }

    /// The value, and an empty trail again.
    pub fn take(&mut self) -> TrailHash {
        let value = self.peek();
        self.hash.reset();
        self.steps = 0;
        value
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.peek().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trip() {
        let digest = Digest::of(b"replicode");
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(Digest::parse("abc"), None);
    }

    #[test]
    fn a_chain_separates_its_pieces() {
        let a = Digest::chain(Digest::ZERO, &[b"ab", b"c"]);
        let b = Digest::chain(Digest::ZERO, &[b"a", b"bc"]);
        assert_ne!(a, b);
    }

    #[test]
    fn taking_a_trail_starts_a_new_one() {
        let mut trail = Trail::new();
        trail.step(StepHash::of(b"one"));
        let first = trail.take();
        assert_eq!(trail.peek(), Trail::new().peek());
        trail.step(StepHash::of(b"one"));
        assert_eq!(trail.take(), first);
    }
}
