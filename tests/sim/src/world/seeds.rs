//! Random numbers from a seed: streams of their own for everything that draws, so that one draw more in one place shifts no other.

use replicode_store::sim_disk::Dice;

/// A stream of numbers.
#[derive(Clone, Debug)]
pub struct Stream(Dice);

impl Stream {
    /// The stream about `what`, of those that belong to a seed.
    #[must_use]
    pub fn new(seed: u64, what: &[u64]) -> Self {
        let mut state = seed;
        for word in what {
            state = Dice(state ^ word.wrapping_mul(0x9e37_79b9_7f4a_7c15)).roll();
        }
        Self(Dice(state))
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0.roll()
    }

    /// One of `from..to`, which must not be empty.
    pub fn range(&mut self, from: u64, to: u64) -> u64 {
        from + self.draw() % (to - from).max(1)
    }

    /// Whether something happens that does so `ppm` times in a million.
    pub fn chance(&mut self, ppm: u64) -> bool {
        ppm > 0 && self.draw() % 1_000_000 < ppm
    }

    /// Fills bytes.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.draw().to_le_bytes()[..chunk.len()]);
        }
    }

    /// One of several.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.range(0, of.len() as u64) as usize]
    }
}

/// A running hash of everything that a run decides: equal runs have equal ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace(pub u64);

impl Trace {
    /// Takes note of something.
    pub fn note(&mut self, kind: u64, one: u64, other: u64) {
        let mut hash = self.0.rotate_left(5) ^ kind;
        for word in [one, other] {
            hash = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        self.0 = hash;
    }
}

/// What bytes amount to, for the trace.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    (bytes.len() as u64) << 32 | u64::from(crc32c::crc32c(bytes))
}
