//! What both benches move about, and what they do meanwhile.

/// A payment between two accounts, with some work in it.
#[derive(Clone, Copy)]
pub struct Transfer {
    pub from: usize,
    pub to: usize,
    pub amount: u64,
    /// Steps of [`work`].
    pub steps: u32,
}

/// A dependent multiply chain: no memory, no parallelism inside.
#[inline(never)]
pub fn work(steps: u32, seed: u64) -> u64 {
    (0..steps).fold(seed | 1, |x, _| x.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (x >> 29))
}
