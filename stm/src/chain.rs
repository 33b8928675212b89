//! The version chain of a cell: lock-free, sorted by transaction, newest first.
//!
//! ```text
//! Unit.head -> Rec(txn 9) -> Rec(txn 4) -> 0        base: the committed value, constant within a block
//!                 |              |
//!                ver            ver = 0: nothing written by the newest incarnation
//!                 v
//!           a Rec read as a version: kind, word, fold; immutable once visible
//! ```
//!
//! One [`Rec`] plays two parts. As a *node* it says "transaction `txn` wrote this cell" and stays in the chain until
//! the block ends, so a plain compare-and-swap is enough to insert. As a *version* it holds one value. The node of a
//! first incarnation is its own first version: one record and one cache line per write; a later incarnation takes a
//! fresh record and swaps the node's `ver` to it.
//!
//! Publication: a record's plain fields are stored relaxed before the release store (or swap) of the link that makes
//! it visible, and are read after an acquire load of that link.

use crate::arena::{Arena, Run};
use crate::sync::{Acquire, AtomicU32, AtomicU64, Relaxed, Release};

/// Low bit of [`Rec::ver`]: the writer was aborted and will probably write this cell again. A hint.
pub(crate) const ESTIMATE: u32 = 1;

/// What a version says about its cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub(crate) enum Kind {
    /// The value is `word`: the value itself, or an index into the column of its type.
    Write = 0,
    /// There is no value.
    Tombstone = 1,
    /// Add `word` to what lies below (counters).
    Delta = 2,
    /// As `Delta`, with 128 bits that entry `word` of the vault holds: then there is a value, if there was none.
    WideDelta = 3,
    /// As `Delta`, and `fold` is the sum including everything below: set at commit, final.
    Folded = 4,
    /// As `WideDelta`, likewise.
    WideFolded = 5,
    /// Append the items of list `word` (bags).
    Append = 6,
}

impl Kind {
    #[inline(always)]
    fn of(bits: u32) -> Kind {
        match bits {
            0 => Kind::Write,
            1 => Kind::Tombstone,
            2 => Kind::Delta,
            3 => Kind::WideDelta,
            4 => Kind::Folded,
            5 => Kind::WideFolded,
            _ => Kind::Append,
        }
    }

    /// A change that commutes, and is folded when its writer commits.
    #[inline(always)]
    pub(crate) fn is_delta(self) -> bool {
        matches!(self, Kind::Delta | Kind::WideDelta)
    }
}

/// A node of a chain, a version, or both at once. Two to a cache line.
#[derive(Default)]
#[repr(align(32))]
pub(crate) struct Rec {
    txn: AtomicU32,
    next: AtomicU32,
    ver: AtomicU32,
    kind: AtomicU32,
    word: AtomicU64,
    fold: AtomicU64,
}

/// One conflict unit. Padded to a cache line: two hot cells never share one.
#[derive(Default)]
#[repr(align(64))]
pub(crate) struct Unit {
    head: AtomicU32,
    /// Greatest index known to have read this cell (hint, kept only while there are conflicts).
    pub(crate) reader: AtomicU32,
    /// Committed value: the word, or 1 + an index into the column's bases (0: none yet). Constant within a block.
    pub(crate) base: AtomicU64,
    /// Bit 0: the cell has a committed value. Other bits: the part that keeps its values (0: the word is the value).
    pub(crate) meta: AtomicU32,
    /// The container that made this cell (0: a cell of its own).
    pub(crate) owner: AtomicU32,
    /// Conflicts seen here, for `stats`.
    pub(crate) heat: AtomicU32,
    /// Readers that should take the line for themselves, because lately they went on to write (see [`Unit::expect`]).
    intent: AtomicU32,
    /// How often this cell was given up and taken again, so that a handle knows a stranger. Constant within a block.
    pub(crate) generation: AtomicU32,
}

/// Reads without a write until a cell counts as read-mostly.
const INTENT: u32 = 4;

impl Unit {
    #[inline(always)]
    pub(crate) fn present(&self) -> bool {
        self.meta.load(Relaxed) & 1 == 1
    }
    #[inline(always)]
    pub(crate) fn part(&self) -> u32 {
        self.meta.load(Relaxed) >> 1
    }
    #[inline(always)]
    pub(crate) fn set_meta(&self, part: u32, present: bool) {
        self.meta.store(part << 1 | u32::from(present), Relaxed);
    }
    /// A read: if readers of this cell lately went on to write it, asks for the cache line now.
    ///
    /// A plain store does not wait for the line; the compare-and-swap that links the version, a transaction's work
    /// later, would have to wait for the other cores to give it up. The value matters to nobody else.
    #[inline(always)]
    pub(crate) fn expect(&self) {
        let intent = self.intent.load(Relaxed);
        if intent > 0 {
            self.intent.store(intent - 1, Relaxed);
        }
    }
    /// A write is coming.
    #[inline(always)]
    pub(crate) fn intend(&self) {
        self.intent.store(INTENT, Relaxed);
    }
    /// Empties the chain. Only between blocks: the records it names are about to be reused.
    #[inline(always)]
    pub(crate) fn clear_chain(&self) {
        self.head.store(0, Relaxed);
        self.reader.store(0, Relaxed);
    }
}

/// What [`find`] saw: the version's record (0: the base), whether it is an estimate, and whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) ver: u32,
    pub(crate) estimate: bool,
    pub(crate) txn: u32,
}

/// The newest version of `cell` written by a transaction lower than `below`.
#[inline(always)]
pub(crate) fn find(recs: &Arena<Rec>, cell: &Unit, below: u32) -> Found {
    let mut at = cell.head.load(Acquire);
    while at != 0 {
        let rec = recs.get(at);
        let txn = rec.txn.load(Relaxed);
        if txn < below {
            let ver = rec.ver.load(Acquire);
            if ver != 0 {
                return Found { ver: ver >> 1, estimate: ver & ESTIMATE != 0, txn };
            }
        }
        at = rec.next.load(Acquire);
    }
    Found { ver: 0, estimate: false, txn: u32::MAX }
}

/// Kind and word of version `ver`.
#[inline(always)]
pub(crate) fn version(recs: &Arena<Rec>, ver: u32) -> (Kind, u64) {
    let rec = recs.get(ver);
    (Kind::of(rec.kind.load(Acquire)), rec.word.load(Relaxed))
}

/// Kind and word of the newest version of `cell` written by a transaction lower than `below`.
#[inline(always)]
pub(crate) fn newest(recs: &Arena<Rec>, cell: &Unit, below: u32) -> Option<(Kind, u64)> {
    let found = find(recs, cell, below);
    (found.ver != 0).then(|| version(recs, found.ver))
}

/// Asks for the cache line of the record that will be taken next: before the transaction runs, not after.
#[inline(always)]
pub(crate) fn prepare(recs: &Arena<Rec>, run: &Run) {
    if let Some(next) = run.peek() {
        recs.get(next).word.store(0, Relaxed);
    }
}

/// Takes a private record and fills it as a version.
#[inline(always)]
pub(crate) fn new_version(recs: &Arena<Rec>, run: &mut Run, kind: Kind, word: u64) -> u32 {
    let at = run.take(recs);
    let rec = recs.get(at);
    rec.kind.store(kind as u32, Relaxed);
    rec.word.store(word, Relaxed);
    at
}

/// Links record `at` (already filled as a version) into the chain as the node of `txn`. True if the chain was empty.
#[inline(always)]
pub(crate) fn insert(recs: &Arena<Rec>, cell: &Unit, txn: u32, at: u32) -> bool {
    let rec = recs.get(at);
    rec.txn.store(txn, Relaxed);
    rec.ver.store(at << 1, Relaxed);
    loop {
        let mut link = &cell.head;
        let mut cur = link.load(Acquire);
        let first = cur == 0;
        while cur != 0 {
            let node = recs.get(cur);
            if node.txn.load(Relaxed) < txn {
                break;
            }
            link = &node.next;
            cur = link.load(Acquire);
        }
        rec.next.store(cur, Relaxed);
        // AcqRel, not Release: whoever finds our node walks on through `next` to nodes that others published.
        if link.compare_exchange(cur, at, crate::sync::AcqRel, Relaxed).is_ok() {
            return first;
        }
    }
}

/// Makes `ver` the version of node `at` (0: withdraws what an earlier incarnation wrote).
#[inline(always)]
pub(crate) fn swap(recs: &Arena<Rec>, at: u32, ver: u32) {
    recs.get(at).ver.store(ver << 1, Release);
}

/// The version of node `at`, 0 if withdrawn.
#[inline(always)]
pub(crate) fn current(recs: &Arena<Rec>, at: u32) -> u32 {
    recs.get(at).ver.load(Relaxed) >> 1
}

/// Marks the version of node `at` as an estimate.
pub(crate) fn mark_estimate(recs: &Arena<Rec>, at: u32) {
    let ver = &recs.get(at).ver;
    let now = ver.load(Relaxed);
    if now != 0 {
        ver.store(now | ESTIMATE, Release);
    }
}

/// Sum of a counter as `below` sees it, or the owner of an estimate on the way.
#[inline(always)]
pub(crate) fn fold(recs: &Arena<Rec>, cell: &Unit, below: u32) -> (u64, Option<u32>) {
    let mut acc = 0u64;
    let mut blocker = None;
    let mut at = cell.head.load(Acquire);
    while at != 0 {
        let rec = recs.get(at);
        let txn = rec.txn.load(Relaxed);
        if txn < below {
            let ver = rec.ver.load(Acquire);
            if ver != 0 {
                if ver & ESTIMATE != 0 && blocker.is_none() {
                    blocker = Some(txn);
                }
                let v = recs.get(ver >> 1);
                let word = v.word.load(Relaxed);
                match Kind::of(v.kind.load(Acquire)) {
                    Kind::Write => return (acc.wrapping_add(word), blocker),
                    Kind::Folded => return (acc.wrapping_add(v.fold.load(Relaxed)), blocker),
                    Kind::Delta => acc = acc.wrapping_add(word),
                    Kind::Tombstone | Kind::Append | Kind::WideDelta | Kind::WideFolded => {}
                }
            }
        }
        at = rec.next.load(Acquire);
    }
    (acc.wrapping_add(cell.base.load(Relaxed)), blocker)
}

/// At the commit of the writer: fixes the sum of node `at` of a counter, so that later folds stop here.
///
/// Everything below is committed, hence the walk ends at the next lower delta, which is folded already.
pub(crate) fn settle_delta(recs: &Arena<Rec>, cell: &Unit, txn: u32, at: u32) {
    let ver = current(recs, at);
    if ver == 0 {
        return;
    }
    let v = recs.get(ver);
    if Kind::of(v.kind.load(Relaxed)) == Kind::Delta {
        let (below, _) = fold(recs, cell, txn);
        v.fold.store(below.wrapping_add(v.word.load(Relaxed)), Relaxed);
        v.kind.store(Kind::Folded as u32, Release);
    }
}

/// Fixes the kind of a version at the commit of its writer; what it stands for is in place.
pub(crate) fn set_kind(recs: &Arena<Rec>, ver: u32, kind: Kind) {
    recs.get(ver).kind.store(kind as u32, Release);
}

/// Versions below `below`, newest first, until `f` has enough.
pub(crate) fn walk(recs: &Arena<Rec>, cell: &Unit, below: u32, mut f: impl FnMut(Found, Kind, u64) -> bool) {
    let mut at = cell.head.load(Acquire);
    while at != 0 {
        let rec = recs.get(at);
        let txn = rec.txn.load(Relaxed);
        if txn < below {
            let ver = rec.ver.load(Acquire);
            if ver != 0 {
                let (kind, word) = version(recs, ver >> 1);
                if !f(Found { ver: ver >> 1, estimate: ver & ESTIMATE != 0, txn }, kind, word) {
                    return;
                }
            }
        }
        at = rec.next.load(Acquire);
    }
}

/// All versions below `below`, newest first: for bags.
pub(crate) fn for_each(recs: &Arena<Rec>, cell: &Unit, below: u32, mut f: impl FnMut(Found, Kind, u64)) {
    walk(recs, cell, below, |found, kind, word| {
        f(found, kind, word);
        true
    });
}

/// The nearest lower transaction, at or above `from`, that has a node in the chain: a probable writer.
pub(crate) fn writers_below(recs: &Arena<Rec>, cell: &Unit, below: u32, from: u32, mut f: impl FnMut(u32) -> bool) {
    let mut at = cell.head.load(Acquire);
    while at != 0 {
        let rec = recs.get(at);
        let txn = rec.txn.load(Relaxed);
        if txn < from {
            return;
        }
        if txn < below && rec.ver.load(Relaxed) != 0 && f(txn) {
            return;
        }
        at = rec.next.load(Acquire);
    }
}

/// Overwrites a version that others may already hold: exactly what must never happen.
#[cfg(feature = "mutants")]
pub(crate) fn overwrite(recs: &Arena<Rec>, ver: u32, kind: Kind, word: u64) {
    recs.get(ver).word.store(word, Relaxed);
    recs.get(ver).kind.store(kind as u32, Release);
}
