//! Per-transaction control block: one status word, the read log and the write log.
//!
//! Slots form a ring a little larger than the window: transaction `i` uses slot `i % ring`, and the window guarantees
//! that the former user of the slot has committed. So all speculative bookkeeping stays in the first-level cache.
//!
//! ```text
//!            claim                publish                 commit (token)
//!   (none) --------> RUNNING ---------------> EXECUTED ------------------> COMMITTED
//!                     ^   |                    |    ^                          ^
//!          claim again|   | retry              |    | thaw       FROZEN -------+
//!                     |   v      hint: abort   v    +------------- ^  (group certification)
//!                  ABORTED <------------- ABORTING   freeze--------+
//! ```
//!
//! The word also holds the transaction's index and incarnation, and every transition but the first is a
//! compare-and-swap on the whole word: a late hint about an older incarnation, or an older user of the slot, fails
//! (I6). RUNNING and ABORTING mean that exactly one worker owns the logs; in all other states they are constant.

use crate::arena::Arena;
use crate::sync::{AcqRel, Acquire, AtomicU32, AtomicU64, Mutex, Relaxed, Release, SeqCst, lock};
use crate::tx::RangeCheck;
use std::sync::Arc;

pub(crate) const NONE: u64 = 0;
pub(crate) const RUNNING: u64 = 1;
pub(crate) const EXECUTED: u64 = 2;
pub(crate) const ABORTING: u64 = 3;
pub(crate) const ABORTED: u64 = 4;
pub(crate) const FROZEN: u64 = 5;
pub(crate) const COMMITTED: u64 = 6;

const INLINE_READS: usize = 10;
const INLINE_WRITES: usize = 6;

/// Status word: transaction (32 bits), incarnation (24), state (8).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Status(pub(crate) u64);

impl Status {
    #[inline(always)]
    pub(crate) fn new(txn: u32, incarnation: u32, state: u64) -> Self {
        Status(u64::from(txn) << 32 | u64::from(incarnation & 0xff_ffff) << 8 | state)
    }
    #[inline(always)]
    pub(crate) fn txn(self) -> u32 {
        (self.0 >> 32) as u32
    }
    pub(crate) fn incarnation(self) -> u32 {
        (self.0 >> 8) as u32 & 0xff_ffff
    }
    #[inline(always)]
    pub(crate) fn state(self) -> u64 {
        self.0 & 0xff
    }
    #[inline(always)]
    pub(crate) fn with(self, state: u64) -> Self {
        Status(self.0 & !0xff | state)
    }
    /// The next incarnation, running.
    pub(crate) fn again(self) -> Self {
        Status::new(self.txn(), self.incarnation().wrapping_add(1), RUNNING)
    }
    /// Whether this is transaction `txn` in `state`.
    #[inline(always)]
    pub(crate) fn is(self, txn: u32, state: u64) -> bool {
        self.txn() == txn && self.state() == state
    }
}

/// A short list of words: inline, or spilled to the block's log arena.
#[repr(C)]
struct WordLog<const N: usize> {
    /// Length (32 bits), start of the spill (32 bits, 0: inline).
    head: AtomicU64,
    inline: [AtomicU64; N],
}

impl<const N: usize> Default for WordLog<N> {
    fn default() -> Self {
        WordLog { head: AtomicU64::new(0), inline: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const N: usize> WordLog<N> {
    #[inline(always)]
    fn write(&self, log: &Arena<AtomicU64>, words: &[u64]) {
        if words.len() <= N {
            for (to, from) in self.inline.iter().zip(words) {
                to.store(*from, Relaxed);
            }
            self.head.store(words.len() as u64, Relaxed);
        } else {
            let at = log.claim(words.len());
            for (k, from) in words.iter().enumerate() {
                log.get(at + k as u32).store(*from, Relaxed);
            }
            self.head.store(words.len() as u64 | u64::from(at) << 32, Release);
        }
    }
    #[inline(always)]
    fn len(&self) -> usize {
        self.head.load(Acquire) as u32 as usize
    }
    #[inline(always)]
    fn get(&self, log: &Arena<AtomicU64>, k: usize) -> u64 {
        let at = (self.head.load(Relaxed) >> 32) as u32;
        if at == 0 { self.inline.get(k).map_or(0, |w| w.load(Relaxed)) } else { log.get(at + k as u32).load(Relaxed) }
    }
}

/// Control block of one transaction in flight.
///
/// The order of the fields matters: what a certifier on another core needs of a small transaction is one cache line.
#[derive(Default)]
#[repr(C, align(128))]
pub(crate) struct Slot {
    pub(crate) status: AtomicU64,
    /// A running incarnation that has read something stale (hint): its status word.
    pub(crate) doomed: AtomicU64,
    /// Bit k: transaction `i + 1 + k` waits for `i` to publish (hint).
    pub(crate) waiters: AtomicU64,
    /// Bit 0: the outcome is fatal. Bit 1: there are deltas to fold at commit. Bit 2: it is a revert.
    pub(crate) flags: AtomicU32,
    /// Who runs the transaction, or ran it last; its outcome lies in that worker's pile, at index `at`.
    pub(crate) worker: AtomicU32,
    pub(crate) at: AtomicU32,
    reads: WordLog<INLINE_READS>,
    writes: WordLog<INLINE_WRITES>,
    ranges: Mutex<Vec<Arc<dyn RangeCheck>>>,
    /// What the hook is told; kept only if there is one.
    pub(crate) weight: AtomicU64,
}

impl Slot {
    #[inline(always)]
    pub(crate) fn load(&self) -> Status {
        Status(self.status.load(Acquire))
    }
    pub(crate) fn load_sc(&self) -> Status {
        Status(self.status.load(SeqCst))
    }
    #[inline(always)]
    pub(crate) fn change(&self, from: Status, to: Status) -> bool {
        self.status.compare_exchange(from.0, to.0, AcqRel, Relaxed).is_ok()
    }
    /// First claim: `worker` alone owns index `txn`, and the slot's former user has committed.
    #[inline(always)]
    pub(crate) fn open(&self, txn: u32, worker: u32) -> Status {
        let s = Status::new(txn, 0, RUNNING);
        self.waiters.store(0, Relaxed);
        self.worker.store(worker, Relaxed);
        self.writes.head.store(0, Relaxed);
        self.reads.head.store(0, Relaxed);
        self.status.store(s.0, Release);
        s
    }
    #[inline(always)]
    pub(crate) fn put_reads(&self, log: &Arena<AtomicU64>, words: &[u64]) {
        self.reads.write(log, words);
    }
    #[inline(always)]
    pub(crate) fn put_writes(&self, log: &Arena<AtomicU64>, words: &[u64]) {
        self.writes.write(log, words);
    }
    #[inline(always)]
    pub(crate) fn reads_len(&self) -> usize {
        self.reads.len()
    }
    #[inline(always)]
    pub(crate) fn read(&self, log: &Arena<AtomicU64>, k: usize) -> u64 {
        self.reads.get(log, k)
    }
    #[inline(always)]
    pub(crate) fn writes_len(&self) -> usize {
        self.writes.len()
    }
    #[inline(always)]
    pub(crate) fn write(&self, log: &Arena<AtomicU64>, k: usize) -> u64 {
        self.writes.get(log, k)
    }
    pub(crate) fn put_ranges(&self, ranges: &mut Vec<Arc<dyn RangeCheck>>) {
        let mut mine = lock(&self.ranges);
        mine.clear();
        mine.append(ranges);
    }
    pub(crate) fn range(&self, k: usize) -> Option<Arc<dyn RangeCheck>> {
        lock(&self.ranges).get(k).cloned()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests {
    use super::*;

    #[test]
    fn logs_spill_and_come_back() {
        let log = Arena::new(1);
        let slot = Slot::default();
        for n in [0usize, 1, 6, 7, 10, 11, 5000] {
            let words: Vec<u64> = (0..n as u64).map(|w| w * 3 + 1).collect();
            slot.put_reads(&log, &words);
            slot.put_writes(&log, &words);
            assert_eq!((slot.reads_len(), slot.writes_len()), (n, n));
            assert!((0..n).all(|k| slot.read(&log, k) == words[k] && slot.write(&log, k) == words[k]));
        }
    }

    #[test]
    fn a_late_hint_misses() {
        let slot = Slot::default();
        let first = slot.open(7, 0);
        assert!(slot.change(first, first.with(EXECUTED)));
        let stale = first.with(EXECUTED);
        assert!(slot.change(stale, stale.with(ABORTED)));
        let again = stale.again();
        assert!(slot.change(stale.with(ABORTED), again));
        assert!(slot.change(again, again.with(EXECUTED)));
        assert!(!slot.change(stale, stale.with(ABORTING)), "a hint about incarnation 0 must not touch incarnation 1");
        assert_eq!((again.txn(), again.incarnation()), (7, 1));
    }
}
