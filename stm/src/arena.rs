//! Memory that only grows during a block: index in, shared reference out, no lock and no unsafe code.
//!
//! An [`Arena`] is a flat base followed by levels that double in size. Workers claim short runs of indices with one
//! `fetch_add` and fill them privately. Between blocks, with exclusive access, [`Arena::settle`] melts the levels into
//! the base, so a warm engine always takes the fast path of [`Arena::get`]: one bounds check and one load.
//!
//! Nothing is ever handed out twice within a block. This is invariant I3: an index is a sound stamp of a version.

use crate::sync::{AtomicUsize, Padded, Relaxed};
use std::sync::OnceLock;

/// Elements of the first level; level `l` holds `FIRST << l`.
const FIRST: usize = if cfg!(any(loom, shuttle)) { 8 } else { 1 << 12 };
/// Indices that a worker claims at a time.
pub(crate) const STEP: u32 = if cfg!(any(loom, shuttle)) { 2 } else { 128 };
/// Enough levels for every `u32` index.
const LEVELS: usize = 20;

/// Growing storage of `E`, addressed by `u32`.
pub(crate) struct Arena<E> {
    base: Vec<E>,
    levels: [OnceLock<Box<[E]>>; LEVELS],
    next: Padded<AtomicUsize>,
    first: usize,
    /// No index reaches this.
    pub(crate) limit: usize,
}

impl<E: Default> Arena<E> {
    /// An empty arena whose first index is `first` (lower ones stay free for use as "none").
    pub(crate) fn new(first: u32) -> Self {
        Arena {
            base: Vec::new(),
            levels: [const { OnceLock::new() }; LEVELS],
            next: Padded(AtomicUsize::new(first as usize)),
            first: first as usize,
            limit: u32::MAX as usize,
        }
    }

    /// The same, with fewer indices.
    pub(crate) fn limited(first: u32, limit: usize) -> Self {
        Arena { limit, ..Arena::new(first) }
    }

    /// The element at `i`, which must have been claimed.
    #[inline(always)]
    pub(crate) fn get(&self, i: u32) -> &E {
        match self.base.get(i as usize) {
            Some(e) => e,
            None => self.level_get(i as usize),
        }
    }

    #[cold]
    #[inline(never)]
    fn level_get(&self, i: usize) -> &E {
        let (level, at) = self.place(i);
        &self.level(level)[at]
    }

    fn place(&self, i: usize) -> (usize, usize) {
        let over = i - self.base.len();
        let level = (over / FIRST + 1).ilog2() as usize;
        (level, over - (((1 << level) - 1) * FIRST))
    }

    fn level(&self, level: usize) -> &[E] {
        self.levels[level].get_or_init(|| (0..FIRST << level).map(|_| E::default()).collect())
    }

    /// Claims `n` neighbouring indices for the caller alone and returns the first.
    pub(crate) fn claim(&self, n: usize) -> u32 {
        let start = self.next.fetch_add(n, Relaxed);
        // Beyond u32 the process has tens of gigabytes of versions in one block; stop before an index can repeat.
        if start + n >= self.limit {
            self.give_up();
        }
        start as u32
    }

    #[cold]
    #[inline(never)]
    fn give_up(&self) -> ! {
        crate::error::give_up(full(self.limit))
    }

    /// As [`Arena::claim`] of one index, but nothing is claimed where the limit is reached.
    pub(crate) fn claim_one(&self) -> Option<u32> {
        let step = |now: usize| (now < self.limit).then_some(now + 1);
        self.next.fetch_update(Relaxed, Relaxed, step).ok().map(|at| at as u32)
    }

    /// Somebody has asked for more than there is in this block, whatever became of that.
    pub(crate) fn overdrawn(&self) -> bool {
        self.used() >= self.limit
    }

    /// Entries claimed so far, counted from index 0.
    pub(crate) fn used(&self) -> usize {
        self.next.load(Relaxed)
    }

    /// Exclusive access to element `i`.
    pub(crate) fn get_mut(&mut self, i: u32) -> &mut E {
        let i = i as usize;
        if i < self.base.len() {
            return &mut self.base[i];
        }
        self.settle();
        if i >= self.base.len() {
            self.base.resize_with(i + 1, E::default);
        }
        &mut self.base[i]
    }

    /// Melts the levels into the base; contents and indices stay.
    pub(crate) fn settle(&mut self) {
        // A level below an existing one may be missing, if nobody touched it; indices must stay in place.
        if let Some(top) = self.levels.iter().rposition(|l| l.get().is_some()) {
            for level in 0..=top {
                self.level(level);
            }
        }
        for level in &mut self.levels {
            if let Some(b) = level.take() {
                self.base.extend(b.into_vec());
            }
        }
        let used = self.used();
        if self.base.len() < used {
            self.base.resize_with(used.next_power_of_two(), E::default);
        }
    }

    /// Makes room for `n` entries in the base, so that a block of known size needs no level.
    pub(crate) fn reserve(&mut self, n: usize) {
        if self.base.len() < n {
            self.settle();
            let len = self.base.len().max(n);
            self.base.resize_with(len, E::default);
        }
    }

    /// Forgets all claims; contents stay and are overwritten by their next owners.
    pub(crate) fn rewind(&mut self) {
        self.settle();
        self.next.store(self.first, Relaxed);
    }

    /// All claimed elements, exclusively.
    pub(crate) fn used_mut(&mut self) -> &mut [E] {
        self.settle();
        let used = self.used().min(self.base.len());
        &mut self.base[self.first.min(used)..used]
    }
}

/// What to say when an arena is full. The same words for every executor, so nothing that depends on speculation.
#[cold]
pub(crate) fn full(limit: usize) -> String {
    format!("version memory is full: at most {limit} entries in one block are possible; use smaller blocks")
}

/// A worker's private indices of one arena, claimed in runs of [`STEP`].
///
/// Between blocks it can start again on the runs it has ([`Run::rewind`]) instead of claiming new ones: then a worker
/// meets the same memory in every block, and does not have to fetch it from another core's cache.
#[derive(Default)]
pub(crate) struct Run {
    at: u32,
    end: u32,
    /// First index of each run, in the order of claiming, and how many of them are in use in this block.
    runs: Vec<u32>,
    used: usize,
}

impl Run {
    /// The next private index.
    #[inline(always)]
    pub(crate) fn take<E: Default>(&mut self, arena: &Arena<E>) -> u32 {
        if self.at == self.end {
            self.refill(arena);
        }
        let i = self.at;
        self.at += 1;
        i
    }

    /// The index that [`Run::take`] will give next, if it is claimed already.
    #[inline(always)]
    pub(crate) fn peek(&self) -> Option<u32> {
        (self.at != self.end).then_some(self.at)
    }

    #[cold]
    #[inline(never)]
    fn refill<E: Default>(&mut self, arena: &Arena<E>) {
        if self.used == self.runs.len() {
            self.runs.push(arena.claim(STEP as usize));
        }
        self.at = self.runs[self.used];
        self.end = self.at + STEP;
        self.used += 1;
    }

    /// Every index that was taken since the last [`Run::rewind`].
    pub(crate) fn each_used(&self, mut f: impl FnMut(u32)) {
        let Some((last, full)) = self.runs[..self.used].split_last() else { return };
        full.iter().for_each(|from| (*from..from + STEP).for_each(&mut f));
        (*last..self.at).for_each(f);
    }

    /// Everything may be used again. Between blocks only, and only if the arena is never rewound.
    pub(crate) fn rewind(&mut self) {
        (self.at, self.end, self.used) = (0, 0, 0);
    }

    /// Indices that need no further claim.
    pub(crate) fn room(&self) -> usize {
        (self.runs.len() - self.used) * STEP as usize + (self.end - self.at) as usize
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;
    use crate::sync::AtomicU32;

    #[test]
    fn indices_survive_growth() {
        let mut a: Arena<AtomicU32> = Arena::new(1);
        for round in 1..4u32 {
            let mut run = Run::default();
            let got: Vec<u32> = (0..20_000).map(|_| run.take(&a)).collect();
            for &i in &got {
                a.get(i).store(i * round, Relaxed);
            }
            assert!(got.iter().all(|&i| a.get(i).load(Relaxed) == i * round));
            a.settle();
            assert!(got.iter().all(|&i| a.get(i).load(Relaxed) == i * round));
            assert_eq!(got[0], 1, "index 0 stays free");
            a.rewind();
        }
    }

    #[test]
    fn levels_that_were_skipped_keep_indices_in_place() {
        let mut a: Arena<AtomicU32> = Arena::new(0);
        let start = a.claim(40_000);
        a.get(start + 39_999).store(7, Relaxed);
        a.settle();
        assert_eq!(a.get(39_999).load(Relaxed), 7);
    }
}
