//! What a transaction has observed, as words, and whether it still holds.
//!
//! ```text
//! bits  63..60 tag   59..32 cell   31..0 stamp or flag        further words
//! VALUE  the version read (0: the base)                       -
//! EXISTS whether there was a value                            -
//! SUM    -                                                    the folded value
//! BOUND  whether  lo <= below + pending + delta <= hi  held   pending, delta, lo, hi
//! LIST   how many versions were folded                        their stamps, newest first
//! RANGE  (cell: 0) which range object of the slot             -
//! BYTES  the version read (0: the base)                       -
//! LEN    1 + the number of bytes (0: no value)                -
//! WIDE   whether there was a sum                              the folded value, 2
//! WIDE_BOUND  as BOUND                                        as BOUND, 2 each
//! ```
//!
//! A weaker observation survives more changes: EXISTS does not mind another value, LEN not one of the same length, BYTES not
//! another version with the same content, SUM does not mind how it came about, BOUND not even another sum.

use crate::arena::Arena;
use crate::chain::{self, Kind, Rec, Unit};
use crate::slot::Slot;
use crate::store::Store;
use crate::sync::AtomicU64;
use crate::vault::join;

pub(crate) const VALUE: u64 = 0;
pub(crate) const EXISTS: u64 = 1;
pub(crate) const SUM: u64 = 2;
pub(crate) const BOUND: u64 = 3;
pub(crate) const LIST: u64 = 4;
pub(crate) const RANGE: u64 = 5;
pub(crate) const BYTES: u64 = 6;
pub(crate) const LEN: u64 = 7;
pub(crate) const WIDE: u64 = 8;
pub(crate) const WIDE_BOUND: u64 = 9;

#[inline(always)]
pub(crate) fn word(tag: u64, cell: u32, low: u32) -> u64 {
    tag << 60 | u64::from(cell) << 32 | u64::from(low)
}

#[inline(always)]
pub(crate) fn split(word: u64) -> (u64, u32, u32) {
    (word >> 60, (word >> 32) as u32 & 0x0fff_ffff, word as u32)
}

/// Words that follow the first one.
#[inline(always)]
pub(crate) fn tail(tag: u64, low: u32) -> usize {
    match tag {
        SUM => 1,
        BOUND => 4,
        LIST => low as usize,
        WIDE => 2,
        WIDE_BOUND => 8,
        _ => 0,
    }
}

/// Whether a bounded change fits: the one definition for both executors and the certifier.
#[inline]
pub(crate) fn within(below: u64, pending: u64, delta: i64, lo: i64, hi: i64) -> bool {
    let now = below.wrapping_add(pending) as i64;
    let next = i128::from(now) + i128::from(delta);
    i128::from(lo) <= next && next <= i128::from(hi)
}

/// The same for wide counters, in which a sum that does not exist fits nowhere.
#[inline]
pub(crate) fn fits(below: i128, pending: i128, delta: i128, lo: i128, hi: i128) -> bool {
    below.wrapping_add(pending).checked_add(delta).is_some_and(|next| lo <= next && next <= hi)
}

/// Whether two byte values are the same.
#[inline]
pub(crate) fn same_content(a: Option<&[u8]>, b: Option<&[u8]>) -> bool {
    #[cfg(feature = "mutants")]
    if crate::mutants::on(crate::mutants::Mutant::LengthForContent) {
        return a.map(<[u8]>::len) == b.map(<[u8]>::len);
    }
    a == b
}

/// A length, as an observation holds it.
#[inline(always)]
pub(crate) fn len_flag(len: Option<usize>) -> u32 {
    len.map_or(0, |n| n as u32 + 1)
}

#[inline]
fn among(cells: &[u32], cell: u32) -> bool {
    if cells.len() <= crate::hints::FEW_CELLS { cells.contains(&cell) } else { cells.binary_search(&cell).is_ok() }
}

/// Where observations are checked: chains plus committed base.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) store: &'a Store,
    pub(crate) recs: &'a Arena<Rec>,
    pub(crate) log: &'a Arena<AtomicU64>,
}

impl View<'_> {
    /// Whether transaction `below` sees a value in `cell`.
    pub(crate) fn exists(&self, cell: u32, below: u32) -> bool {
        let c = self.store.cells.get(cell);
        chain::newest(self.recs, c, below).map_or_else(|| c.present(), |(kind, _)| kind != Kind::Tombstone)
    }

    /// The bytes that version `ver` of `cell` stands for (0: the committed ones).
    fn bytes(&self, cell: &Unit, ver: u32) -> Option<&[u8]> {
        match ver {
            0 => self.store.committed_bytes(cell),
            ver => match chain::version(self.recs, ver) {
                (Kind::Write, word) => self.store.vault.bytes(word),
                _ => None,
            },
        }
    }

    /// The sum that transaction `below` sees.
    fn wide(&self, cell: &Unit, below: u32) -> Option<i128> {
        self.store.vault.fold(self.recs, cell, below, self.store.committed_sum(cell)).0
    }

    /// The first observation of `slot` that does not hold for transaction `txn`, as the cell to blame.
    ///
    /// `only`: look at observations of these cells alone (for hints); in order, if they are many.
    #[inline(always)]
    pub(crate) fn stale(&self, slot: &Slot, txn: u32, only: Option<&[u32]>) -> Option<u32> {
        self.stale_from(slot, txn, only, 0)
    }

    /// As [`View::stale`], from word `k` of the log on.
    #[inline(always)]
    pub(crate) fn stale_from(&self, slot: &Slot, txn: u32, only: Option<&[u32]>, mut k: usize) -> Option<u32> {
        let len = slot.reads_len();
        while k < len {
            let (tag, cell, low) = split(slot.read(self.log, k));
            if only.is_none_or(|o| among(o, cell)) {
                let good = if tag == VALUE {
                    chain::find(self.recs, self.store.cells.get(cell), txn).ver == low
                } else {
                    self.holds(slot, txn, k, tag, cell, low)
                };
                if !good {
                    return Some(cell);
                }
            }
            k += 1 + tail(tag, low);
        }
        None
    }

    #[inline(never)]
    fn holds(&self, slot: &Slot, txn: u32, k: usize, tag: u64, cell: u32, low: u32) -> bool {
        let arg = |n: usize| slot.read(self.log, k + 1 + n);
        match tag {
            EXISTS => self.exists(cell, txn) == (low != 0),
            SUM => chain::fold(self.recs, self.store.cells.get(cell), txn).0 == arg(0),
            BOUND => {
                let below = chain::fold(self.recs, self.store.cells.get(cell), txn).0;
                within(below, arg(0), arg(1) as i64, arg(2) as i64, arg(3) as i64) == (low != 0)
            }
            LIST => {
                let mut n = 0;
                let mut same = true;
                chain::for_each(self.recs, self.store.cells.get(cell), txn, |found, _, _| {
                    same &= n < low as usize && arg(n) == u64::from(found.ver);
                    n += 1;
                });
                same && n == low as usize
            }
            RANGE => slot.range(low as usize).is_some_and(|r| r.holds(self, txn)),
            BYTES => {
                let c = self.store.cells.get(cell);
                let now = chain::find(self.recs, c, txn).ver;
                now == low || same_content(self.bytes(c, now), self.bytes(c, low))
            }
            LEN => {
                let c = self.store.cells.get(cell);
                let now = self.bytes(c, chain::find(self.recs, c, txn).ver);
                len_flag(now.map(<[u8]>::len)) == low
            }
            WIDE => {
                let now = self.wide(self.store.cells.get(cell), txn);
                now.is_some() == (low != 0) && now.unwrap_or(0) == join(arg(0), arg(1))
            }
            WIDE_BOUND => {
                let below = self.wide(self.store.cells.get(cell), txn).unwrap_or(0);
                let arg = |n: usize| join(arg(2 * n), arg(2 * n + 1));
                fits(below, arg(0), arg(1), arg(2), arg(3)) == (low != 0)
            }
            // A torn log can only be met by a hint; whatever it answers is allowed.
            _ => true,
        }
    }
}
