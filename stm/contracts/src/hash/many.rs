//! Many blocks of 64 bytes hashed at once.
//!
//! A node or leaf is one block, and a batch changes tens of thousands. The library's vector code does eight or sixteen in the time
//! of two, but offers it for the parts of one long input only; the way to it is public in Rust's sense and left out of its
//! documentation. So it is used here and nowhere else, and a test compares it with the documented function.

use blake3::IncrementCounter;
use blake3::platform::{Platform, words_from_le_bytes_32};

use super::Hash;
use super::domain::{Domain, node_key};

/// No more blocks than this are given to [`many`] at once.
pub(crate) const WIDTH: usize = 32;

// BLAKE3, table 3: a single block is the first and last of the only chunk, and the root.
const CHUNK_START: u8 = 1;
const CHUNK_END: u8 = 1 << 1;
const ROOT: u8 = 1 << 3;
const KEYED_HASH: u8 = 1 << 4;

/// Which key a run of blocks is hashed under.
#[derive(Clone, Copy)]
pub(crate) struct BlockKey([u32; 8]);

impl BlockKey {
    pub(crate) fn leaf() -> BlockKey {
        BlockKey(words_from_le_bytes_32(Domain::Leaf.key()))
    }

    pub(crate) fn node(bit: u8) -> BlockKey {
        BlockKey(words_from_le_bytes_32(&node_key(bit)))
    }

    pub(crate) fn of(domain: Domain) -> BlockKey {
        BlockKey(words_from_le_bytes_32(domain.key()))
    }
}

/// The hashes of up to [`WIDTH`] inputs of `N` bytes (a multiple of 64, at most 1024), in order.
pub(crate) fn many<const N: usize>(platform: Platform, key: BlockKey, blocks: &[&[u8; N]], out: &mut [Hash; WIDTH]) {
    let mut bytes = [0; WIDTH * 32];
    platform.hash_many(
        blocks,
        &key.0,
        0,
        IncrementCounter::No,
        KEYED_HASH,
        CHUNK_START,
        CHUNK_END | ROOT,
        &mut bytes[..blocks.len() * 32],
    );
    for (hash, bytes) in out.iter_mut().zip(bytes.chunks_exact(32)).take(blocks.len()) {
        hash.0.copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{leaf, node, of};
    use super::*;

    #[test]
    fn at_once_or_one_by_one_is_the_same() {
        let hashes: Vec<Hash> = (0..WIDTH as u64 + 1).map(|n| of(Domain::Key, &n.to_le_bytes())).collect();
        let blocks: Vec<[u8; 64]> = hashes.windows(2).map(|two| super::super::pair(&two[0], &two[1])).collect();
        let refs: Vec<&[u8; 64]> = blocks.iter().collect();
        for bit in [0, 7, 255] {
            for count in 0..=WIDTH {
                let mut out = [Hash::ZERO; WIDTH];
                many(Platform::detect(), BlockKey::node(bit), &refs[..count], &mut out);
                for (at, hash) in out[..count].iter().enumerate() {
                    assert_eq!(*hash, node(bit, &hashes[at], &hashes[at + 1]));
                }
                many(Platform::detect(), BlockKey::leaf(), &refs[..count], &mut out);
                for (at, hash) in out[..count].iter().enumerate() {
                    assert_eq!(*hash, leaf(&hashes[at], &hashes[at + 1]));
                }
            }
        }
        let long: Vec<[u8; 128]> = (0..20).map(|n| [n; 128]).collect();
        let mut out = [Hash::ZERO; WIDTH];
        many(Platform::detect(), BlockKey::of(Domain::Block), &long.iter().collect::<Vec<_>>(), &mut out);
        for (hash, block) in out.iter().zip(&long) {
            assert_eq!(*hash, of(Domain::Block, block));
        }
    }
}
