//! Hashing of keys: fast, the same on every platform, with a seed.

use std::hash::{BuildHasher, Hasher};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Makes hashers with one seed.
#[derive(Clone, Debug)]
pub(crate) struct Hash64 {
    seed: u64,
}

impl Hash64 {
    pub(crate) fn new(seed: u64) -> Self {
        Hash64 { seed }
    }
}

impl BuildHasher for Hash64 {
    type Hasher = State;

    fn build_hasher(&self) -> State {
        State(self.seed)
    }
}

/// The hash so far, which is the seed of what comes next.
pub(crate) struct State(u64);

impl Hasher for State {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }

    /// The length in front of a slice: mixed in when the bytes come.
    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.0 ^= (value as u64).rotate_left(32);
    }
}
