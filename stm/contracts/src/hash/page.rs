//! The hash of a page, made so that a slice of it is proven without the rest.
//!
//! The content without its trailing zeros is cut into blocks of [`BLOCK`] bytes, and a binary tree of hashes stands over them: of
//! `n` blocks the largest power of two below `n` is to the left. A counter costs two blocks of the hash function, a slice's proof a
//! few hundred bytes.

use std::ops::Range;

use blake3::platform::Platform;
use borsh::{BorshDeserialize, BorshSerialize};

use super::many::BlockKey;
use super::{Domain, Hash, WIDTH, many, of, pair, parts};

/// Bytes of a block: one of the hash function, so that a proof shows as little as possible. Hashing them many at a time makes up for
/// the larger tree.
pub const BLOCK: usize = 64;

/// The largest page, in bytes; what is longer is no page.
pub const MAX_PAGE: usize = 65_536;

/// The hash of a page of `account`, or [`Hash::ZERO`] when it holds nothing but zeros: such a page stands in no tree.
/// Of more than [`MAX_PAGE`] bytes the first ones count.
pub fn page(account: &[u8; 20], index: u32, content: &[u8]) -> Hash {
    let content = trimmed(content);
    match content.is_empty() {
        true => Hash::ZERO,
        false => Page { account, index, length: content.len() as u32 }.hash(&top(content)),
    }
}

/// A page without its content.
pub struct Page<'a> {
    /// Whose page.
    pub account: &'a [u8; 20],
    /// Which one, from 0.
    pub index: u32,
    /// Bytes up to the last that is not zero.
    pub length: u32,
}

impl Page<'_> {
    fn hash(&self, top: &Hash) -> Hash {
        parts(Domain::Page, &[self.account, &self.index.to_le_bytes(), &self.length.to_le_bytes(), top.as_bytes()])
    }
}

/// That some bytes stand in a page: the blocks that hold them, and the hashes beside those.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct PageProof {
    /// Bytes of the page up to the last that is not zero; those behind are zero.
    pub length: u32,
    /// The blocks that hold what is proven.
    pub bytes: Vec<u8>,
    /// The largest spans without any of them, from left to right.
    pub beside: Vec<Hash>,
}

/// Why a [`PageProof`] proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PageProofError {
    /// The blocks are not as long as the page's length and the slice ask for.
    #[error("the page's blocks have {have} bytes instead of {need}")]
    Blocks {
        /// Bytes found.
        have: usize,
        /// Bytes that the blocks have.
        need: usize,
    },
    /// There are more or fewer hashes than the tree over the blocks has.
    #[error("the page's tree has another number of hashes beside the slice than {have}")]
    Beside {
        /// Hashes found.
        have: usize,
    },
    /// No page is so long, or the slice is behind its end.
    #[error("a page's slice ends within its {MAX_PAGE} bytes at most, not at {end}")]
    Outside {
        /// Where it would end.
        end: u64,
    },
}

impl PageProof {
    /// The proof of `slice` (bytes of the page) for a page of this content.
    pub fn new(content: &[u8], slice: Range<u32>) -> PageProof {
        let content = trimmed(content);
        let shown = shown(content.len(), &slice);
        let hashes = blocks(content);
        let mut beside = Vec::new();
        let _ = fold(0..hashes.len(), &shown, &mut |span, shown| {
            if !shown {
                beside.push(over(&hashes[span]));
            }
            Some(Hash::ZERO)
        });
        let bytes = content[span_of(&shown, content.len())].to_vec();
        PageProof { length: content.len() as u32, bytes, beside }
    }

    /// The bytes of `slice`, and the hash that the page must have for them.
    pub fn open(&self, account: &[u8; 20], index: u32, slice: Range<u32>) -> Result<(Vec<u8>, Hash), PageProofError> {
        let length = self.length as usize;
        if length > MAX_PAGE || slice.start > slice.end || slice.end as usize > MAX_PAGE {
            return Err(PageProofError::Outside { end: u64::from(slice.end.max(self.length)) });
        }
        let shown = shown(length, &slice);
        let need = span_of(&shown, length).len();
        if self.bytes.len() != need {
            return Err(PageProofError::Blocks { have: self.bytes.len(), need });
        }
        let hashes = blocks(&self.bytes);
        let mut beside = self.beside.iter();
        let top = fold(0..length.div_ceil(BLOCK), &shown, &mut |span, is_shown| match is_shown {
            true => hashes.get(span.start - shown.start).copied(),
            false => beside.next().copied(),
        });
        let top = match (top, beside.next()) {
            (Some(top), None) => top,
            _ => return Err(PageProofError::Beside { have: self.beside.len() }),
        };
        let mut out = vec![0; (slice.end - slice.start) as usize];
        let from = shown.start * BLOCK;
        for (at, byte) in (slice.start as usize..).zip(&mut out) {
            *byte = self.bytes.get(at.wrapping_sub(from)).copied().unwrap_or(0);
        }
        let page = Page { account, index, length: self.length };
        Ok((out, if length == 0 { Hash::ZERO } else { page.hash(&top) }))
    }
}

fn trimmed(content: &[u8]) -> &[u8] {
    let content = &content[..content.len().min(MAX_PAGE)];
    let end = content.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    &content[..end]
}

/// The blocks that hold `slice`; none when it lies where the page is zero.
fn shown(length: usize, slice: &Range<u32>) -> Range<usize> {
    let count = length.div_ceil(BLOCK);
    let start = (slice.start as usize / BLOCK).min(count);
    let end = (slice.end as usize).min(length).div_ceil(BLOCK);
    start..if slice.is_empty() { start } else { end.max(start) }
}

/// The bytes of these blocks.
fn span_of(blocks: &Range<usize>, length: usize) -> Range<usize> {
    (blocks.start * BLOCK).min(length)..(blocks.end * BLOCK).min(length)
}

fn blocks(content: &[u8]) -> Vec<Hash> {
    let mut out = Vec::with_capacity(content.len().div_ceil(BLOCK));
    let whole: Vec<&[u8; BLOCK]> = content.chunks_exact(BLOCK).filter_map(|block| block.try_into().ok()).collect();
    let (platform, key, mut some) = (Platform::detect(), BlockKey::of(Domain::Block), [Hash::ZERO; WIDTH]);
    for run in whole.chunks(WIDTH) {
        many(platform, key, run, &mut some);
        out.extend_from_slice(&some[..run.len()]);
    }
    let rest = content.chunks_exact(BLOCK).remainder();
    if !rest.is_empty() {
        out.push(of(Domain::Block, rest));
    }
    out
}

fn top(content: &[u8]) -> Hash {
    over(&blocks(content))
}

/// The hash over a span of blocks; zero over none. Neighbours are joined level by level, and one that is left over goes up as it is: the
/// same tree.
fn over(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    let (platform, key, mut some) = (Platform::detect(), BlockKey::of(Domain::Span), [Hash::ZERO; WIDTH]);
    while level.len() > 1 {
        let pairs: Vec<[u8; 64]> = level.chunks_exact(2).map(|two| pair(&two[0], &two[1])).collect();
        let rest = level.chunks_exact(2).remainder().to_vec();
        level.clear();
        for run in pairs.iter().collect::<Vec<_>>().chunks(WIDTH) {
            many(platform, key, run, &mut some);
            level.extend_from_slice(&some[..run.len()]);
        }
        level.extend(rest);
    }
    level.first().copied().unwrap_or_default()
}

fn span(left: &Hash, right: &Hash) -> Hash {
    parts(Domain::Span, &[left.as_bytes(), right.as_bytes()])
}

/// Walks the tree over `all` from left to right: single blocks that are shown, and the largest spans without any, are asked for;
/// gives the hash over all.
fn fold(
    all: Range<usize>,
    shown: &Range<usize>,
    ask: &mut impl FnMut(Range<usize>, bool) -> Option<Hash>,
) -> Option<Hash> {
    if all.end <= shown.start || shown.end <= all.start || shown.is_empty() {
        return match all.is_empty() {
            true => Some(Hash::ZERO),
            false => ask(all, false),
        };
    }
    if all.len() == 1 {
        return ask(all, true);
    }
    let middle = all.start + all.len().div_ceil(2).next_power_of_two();
    let left = fold(all.start..middle, shown, ask)?;
    let right = fold(middle..all.end, shown, ask)?;
    Some(span(&left, &right))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ACCOUNT: [u8; 20] = [7; 20];

    /// The same from the sentence in the document, with nothing shared but the hash function.
    fn slow(index: u32, content: &[u8]) -> Hash {
        fn top(blocks: &[&[u8]]) -> [u8; 32] {
            let keyed = |name: &str, bytes: &[u8]| {
                *blake3::keyed_hash(blake3::hash(name.as_bytes()).as_bytes(), bytes).as_bytes()
            };
            if let [one] = blocks {
                return keyed("replicode contracts 1: block", one);
            }
            let mut half = 1;
            while half * 2 < blocks.len() {
                half *= 2;
            }
            keyed("replicode contracts 1: span", &[top(&blocks[..half]), top(&blocks[half..])].concat())
        }
        let mut content = content.to_vec();
        while content.last() == Some(&0) {
            content.pop();
        }
        if content.is_empty() {
            return Hash::ZERO;
        }
        let top = top(&content.chunks(BLOCK).collect::<Vec<_>>());
        let mut all = ACCOUNT.to_vec();
        all.extend_from_slice(&index.to_le_bytes());
        all.extend_from_slice(&(content.len() as u32).to_le_bytes());
        all.extend_from_slice(&top);
        of(Domain::Page, &all)
    }

    fn content() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..300),
            (0..33_usize, any::<u8>()).prop_map(|(blocks, byte)| vec![byte; blocks * BLOCK]),
            proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..=4096),
        ]
    }

    proptest! {
        #[test]
        fn the_hash_is_what_the_document_says(index: u32, content in content()) {
            prop_assert_eq!(page(&ACCOUNT, index, &content), slow(index, &content));
            let mut longer = content.clone();
            longer.resize(4096.max(content.len()), 0);
            prop_assert_eq!(page(&ACCOUNT, index, &longer), slow(index, &content));
        }

        #[test]
        fn a_slice_is_proven_by_its_blocks(content in content(), from in 0..5000_u32, length in 0..300_u32) {
            let hash = page(&ACCOUNT, 3, &content);
            let proof = PageProof::new(&content, from..from + length);
            let (bytes, opened) = proof.open(&ACCOUNT, 3, from..from + length).expect("opens");
            let expected: Vec<u8> = (from..from + length).map(|at| content.get(at as usize).copied().unwrap_or(0)).collect();
            prop_assert_eq!(bytes, expected);
            prop_assert_eq!(opened, hash);
        }

        #[test]
        fn a_changed_proof_opens_to_nothing_else(content in content(), from in 0..4096_u32, length in 1..40_u32,
                                                 at: prop::sample::Index, bit in 0..8_u8) {
            let hash = page(&ACCOUNT, 3, &content);
            let proof = PageProof::new(&content, from..from + length);
            let (bytes, _) = proof.open(&ACCOUNT, 3, from..from + length).expect("opens");
            let mut wire = borsh::to_vec(&proof).expect("encodes");
            let at = at.index(wire.len());
            wire[at] ^= 1 << bit;
            if let Ok(Ok((other, opened))) = borsh::from_slice::<PageProof>(&wire).map(|p| p.open(&ACCOUNT, 3, from..from + length)) {
                prop_assert!(opened != hash || other == bytes, "another slice under the same hash");
            }
        }
    }

    #[test]
    fn a_slice_of_a_full_page_is_proven_with_268_bytes() {
        let content: Vec<u8> = (0..4096_u32).map(|at| (at % 251) as u8 + 1).collect();
        let proof = PageProof::new(&content, 1000..1008);
        assert!(borsh::to_vec(&proof).expect("encodes").len() <= 268);
    }
}
