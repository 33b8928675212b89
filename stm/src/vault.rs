//! Block memory: what versions of byte values and of wide counters point to.
//!
//! A version's record has room for a word. The bytes of a longer value, and the 128 bits of a wide counter, lie here, in
//! arenas of which every worker has runs of indices of its own ([`Run`]): writing takes no shared counter and, once the
//! engine is warm, no allocation. Each entry is written once and never again within the block (I3); after the block the
//! winners move into the committed state and the buffers of all others go back to the worker that had filled them.

use crate::arena::{Arena, Run};
use crate::chain::{self, Kind, Rec, Unit};
use crate::sync::{AtomicU64, Relaxed};
use std::sync::OnceLock;

/// Bytes that lie in the entry itself: what makes a [`Blob`] 48 bytes, and more than a hash.
const SHORT: usize = 39;
/// Size classes of spare buffers: powers of two from 2^5 to 2^17.
const CLASSES: usize = 13;
/// Bytes of spare buffers that are kept: as much as a block of a hundred thousand writes of 64 bytes fills.
const KEPT: usize = 8 << 20;

/// A byte value.
pub(crate) enum Blob {
    Short { len: u8, bytes: [u8; SHORT] },
    Long(Vec<u8>),
}

impl Blob {
    /// Without a spare buffer.
    pub(crate) fn new(value: &[u8]) -> Blob {
        Blob::short(value).unwrap_or_else(|| Blob::Long(value.to_vec()))
    }

    #[inline(always)]
    fn short(value: &[u8]) -> Option<Blob> {
        if value.len() > SHORT {
            return None;
        }
        let mut bytes = [0; SHORT];
        bytes[..value.len()].copy_from_slice(value);
        Some(Blob::Short { len: value.len() as u8, bytes })
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Blob::Short { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or(bytes),
            Blob::Long(bytes) => bytes,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Blob::Short { .. } => 0,
            Blob::Long(bytes) => bytes.capacity(),
        }
    }
}

impl PartialEq for Blob {
    fn eq(&self, other: &Blob) -> bool {
        self.bytes() == other.bytes()
    }
}

/// Buffers to fill again, by size.
#[derive(Default)]
pub(crate) struct Spare {
    classes: [Vec<Vec<u8>>; CLASSES],
    kept: usize,
}

impl Spare {
    fn class(len: usize) -> usize {
        (len.max(32).next_power_of_two().ilog2() as usize - 5).min(CLASSES - 1)
    }

    /// A copy of `value`, in a spare buffer if it does not fit an entry and there is one.
    #[inline]
    pub(crate) fn blob(&mut self, value: &[u8]) -> Blob {
        Blob::short(value).unwrap_or_else(|| {
            let class = Spare::class(value.len());
            let mut buffer = match self.classes[class].pop() {
                Some(buffer) => {
                    self.kept -= buffer.capacity();
                    buffer
                }
                None => Vec::with_capacity(32 << class),
            };
            buffer.extend_from_slice(value);
            Blob::Long(buffer)
        })
    }

    /// Keeps the buffer of a value that nobody needs any more.
    pub(crate) fn recycle(&mut self, blob: Blob) {
        if let Blob::Long(mut buffer) = blob {
            buffer.clear();
            // The class that it can serve, which is that of the power of two below its size.
            let class = (buffer.capacity().max(32).ilog2() as usize - 5).min(CLASSES - 1);
            if buffer.capacity() >= 32 && self.kept + buffer.capacity() <= KEPT {
                self.kept += buffer.capacity();
                self.classes[class].push(buffer);
            }
        }
    }
}

/// A value of a wide counter, or a change of it.
#[derive(Default)]
pub(crate) struct Wide {
    word: [AtomicU64; 2],
    /// The sum including everything below: set at commit, if the version is a change.
    fold: [AtomicU64; 2],
}

fn load(words: &[AtomicU64; 2]) -> i128 {
    (u128::from(words[0].load(Relaxed)) | u128::from(words[1].load(Relaxed)) << 64) as i128
}

fn store(words: &[AtomicU64; 2], value: i128) {
    let [low, high] = split(value);
    words[0].store(low, Relaxed);
    words[1].store(high, Relaxed);
}

/// As two words, the lower one first.
pub(crate) fn split(value: i128) -> [u64; 2] {
    [value as u64, (value as u128 >> 64) as u64]
}

/// From two words.
pub(crate) fn join(low: u64, high: u64) -> i128 {
    (u128::from(low) | u128::from(high) << 64) as i128
}

/// All block memory of an engine.
pub(crate) struct Vault {
    pub(crate) blobs: Arena<OnceLock<Blob>>,
    pub(crate) wides: Arena<Wide>,
}

/// What a worker has of it.
#[derive(Default)]
pub(crate) struct Share {
    blobs: Run,
    wides: Run,
    pub(crate) spare: Spare,
}

impl Vault {
    pub(crate) fn new() -> Vault {
        Vault { blobs: Arena::new(1), wides: Arena::new(1) }
    }

    pub(crate) fn overdrawn(&self) -> bool {
        self.blobs.overdrawn() || self.wides.overdrawn()
    }

    /// Stores a byte value for a version.
    #[inline]
    pub(crate) fn put(&self, share: &mut Share, value: &[u8]) -> u64 {
        let at = share.blobs.take(&self.blobs);
        // The index is ours alone (I3) and its entry was emptied after the last block, so this cannot fail.
        let _ = self.blobs.get(at).set(share.spare.blob(value));
        u64::from(at)
    }

    /// The bytes of a version that is a value.
    #[inline]
    pub(crate) fn bytes(&self, word: u64) -> Option<&[u8]> {
        self.blobs.get(word as u32).get().map(Blob::bytes)
    }

    /// Stores a sum, or a change of one, for a version.
    pub(crate) fn put_wide(&self, share: &mut Share, value: i128) -> u64 {
        let at = share.wides.take(&self.wides);
        store(&self.wides.get(at).word, value);
        u64::from(at)
    }

    /// The value or change of a version.
    pub(crate) fn wide(&self, word: u64) -> i128 {
        load(&self.wides.get(word as u32).word)
    }

    /// A wide counter as `below` sees it (`None`: absent), above the committed `base`; and the owner of an estimate on the
    /// way.
    pub(crate) fn fold(
        &self,
        recs: &Arena<Rec>,
        cell: &Unit,
        below: u32,
        base: Option<i128>,
    ) -> (Option<i128>, Option<u32>) {
        let (mut sum, mut changed, mut blocker, mut end) = (0i128, false, None, None);
        chain::walk(recs, cell, below, |found, kind, word| {
            if found.estimate && blocker.is_none() {
                blocker = Some(found.txn);
            }
            match kind {
                Kind::Write => end = Some(Some(self.wide(word))),
                Kind::Tombstone => end = Some(None),
                Kind::WideFolded => end = Some(Some(load(&self.wides.get(word as u32).fold))),
                Kind::WideDelta => (sum, changed) = (sum.wrapping_add(self.wide(word)), true),
                Kind::Delta | Kind::Folded | Kind::Append => {}
            }
            end.is_none()
        });
        let below = end.unwrap_or(base);
        let now = if changed { Some(below.unwrap_or(0).wrapping_add(sum)) } else { below };
        (now, blocker)
    }

    /// At the commit of the writer: fixes the sum of node `at`, as [`chain::settle_delta`] does for small counters.
    pub(crate) fn settle(&self, recs: &Arena<Rec>, cell: &Unit, txn: u32, at: u32, base: Option<i128>) {
        let ver = chain::current(recs, at);
        if ver == 0 {
            return;
        }
        if let (Kind::WideDelta, word) = chain::version(recs, ver) {
            let below = self.fold(recs, cell, txn, base).0.unwrap_or(0);
            store(&self.wides.get(word as u32).fold, below.wrapping_add(self.wide(word)));
            chain::set_kind(recs, ver, Kind::WideFolded);
        }
    }

    /// After a block, when the winners are gone: empties what this worker has filled.
    pub(crate) fn wash(&mut self, share: &mut Share) {
        let Share { blobs, wides, spare } = share;
        blobs.each_used(|at| {
            if let Some(blob) = self.blobs.get_mut(at).take() {
                spare.recycle(blob);
            }
        });
        blobs.rewind();
        wides.rewind();
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_48_bytes_and_a_hash_lies_in_it() {
        assert_eq!(size_of::<Blob>(), 48);
        assert!(
            matches!(Blob::new(&[7; 32]), Blob::Short { .. }) && matches!(Blob::new(&[7; SHORT + 1]), Blob::Long(_))
        );
        for len in 0..100 {
            let value: Vec<u8> = (0..len).collect();
            assert_eq!(Blob::new(&value).bytes(), value);
        }
    }

    #[test]
    fn buffers_come_back_and_not_too_many_are_kept() {
        let mut spare = Spare::default();
        let blobs: Vec<Blob> = (0..200).map(|k| spare.blob(&vec![k as u8; 66_000])).collect();
        blobs.into_iter().for_each(|blob| spare.recycle(blob));
        assert!(spare.kept <= KEPT && spare.kept > KEPT / 2, "{} bytes", spare.kept);
        let before = spare.kept;
        let again = spare.blob(&[1; 70_000]);
        assert!(again.bytes() == [1; 70_000] && spare.kept < before, "a spare buffer was used");
        spare.recycle(again);
        assert_eq!(spare.kept, before);
    }

    #[test]
    fn words_of_wide_sums_come_back() {
        for v in [0, 1, -1, i128::MAX, i128::MIN, 1 << 64, -(1 << 64), i128::from(u64::MAX)] {
            let [low, high] = split(v);
            assert_eq!(join(low, high), v);
        }
    }
}
