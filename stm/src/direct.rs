//! Direct mode: one transaction after the other, in place, with an undo journal.
//!
//! This is also the `Sequential` executor, and so the specification: nothing in here knows about versions, read sets
//! or other threads.

use crate::error::{Stop, TxResult};
use crate::keyed::{Held, Keyed};
use crate::read_set::{fits, within};
use crate::spec::Savepoint;
use crate::store::Store;
use crate::sync::Relaxed;
use crate::value::{Column, Value, from_word, is_word, word_of};
use crate::vault::Blob;

/// The journal of a running transaction: how to take back what it did, newest last.
///
/// Plain words, the common case, have a list of their own that a commit simply forgets. The two lists are about
/// different cells, so their order against each other does not matter.
#[derive(Default)]
pub(crate) struct Undo {
    words: Vec<WordUndo>,
    others: Vec<Other>,
    /// Values are being dropped: should one of them panic, it is not the closure that does.
    pub(crate) dropping: bool,
}

/// The cell had this base word and meta.
struct WordUndo {
    base: u64,
    id: u32,
    meta: u32,
}

/// A step that a part of the store remembers.
enum Other {
    /// The newest write of this part; the cell had this meta and keeps this place.
    Part { id: u32, meta: u32, base: u64, part: u32 },
    /// The newest item of this bag.
    Item { part: u32 },
}

impl Undo {
    /// A point to roll back to.
    pub(crate) fn mark(&self) -> Savepoint {
        (self.words.len(), self.others.len(), 0)
    }
    /// An item was appended to the bag `part`.
    pub(crate) fn item(&mut self, part: u32) {
        self.others.push(Other::Item { part });
    }
}

/// The context of a transaction in direct mode.
pub(crate) struct Direct<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) undo: &'a mut Undo,
}

impl Direct<'_> {
    #[inline(always)]
    pub(crate) fn read<T: Value>(&self, id: u32) -> TxResult<Option<T>> {
        let cell = self.store.cells.get(id);
        if !cell.present() {
            return Ok(None);
        }
        let base = cell.base.load(Relaxed);
        if is_word::<T>() {
            return Ok(from_word::<T>(base));
        }
        let column = self.store.part::<Column<T>>(cell.part());
        match column.and_then(|c| c.base(base)) {
            Some(v) => Ok(Some(v.clone())),
            None => Err(Stop::broken("a committed value is missing from its column")),
        }
    }

    #[inline(always)]
    pub(crate) fn exists(&self, id: u32) -> bool {
        self.store.cells.get(id).present()
    }

    #[inline(always)]
    pub(crate) fn write<T: Value>(&mut self, id: u32, value: T) {
        let cell = self.store.cells.get(id);
        let (base, meta) = (cell.base.load(Relaxed), cell.meta.load(Relaxed));
        if let Some(word) = word_of(&value) {
            self.undo.words.push(WordUndo { base, id, meta });
            cell.base.store(word, Relaxed);
            cell.meta.store(meta | 1, Relaxed);
        } else {
            self.overwrite::<T>(id, base, meta, Some(value));
        }
    }

    pub(crate) fn remove<T: Value>(&mut self, id: u32) {
        let cell = self.store.cells.get(id);
        let (base, meta) = (cell.base.load(Relaxed), cell.meta.load(Relaxed));
        if is_word::<T>() {
            self.undo.words.push(WordUndo { base, id, meta });
            cell.meta.store(meta & !1, Relaxed);
        } else if meta & 1 == 1 {
            self.overwrite::<T>(id, base, meta, None);
        }
    }

    fn overwrite<T: Value>(&mut self, id: u32, base: u64, meta: u32, value: Option<T>) {
        let part = meta >> 1;
        let present = value.is_some();
        if let Some(column) = self.store.part_mut::<Column<T>>(part) {
            let at = column.overwrite(base, value);
            let cell = self.store.cells.get(id);
            cell.base.store(at, Relaxed);
            cell.set_meta(part, present);
            // The place stays with the cell: a new place that is undone is simply an empty one.
            self.undo.others.push(Other::Part { id, meta, base: at, part });
        }
    }

    pub(crate) fn sum(&self, id: u32) -> u64 {
        self.store.cells.get(id).base.load(Relaxed)
    }

    pub(crate) fn set_sum(&mut self, id: u32, value: u64) {
        let cell = self.store.cells.get(id);
        self.undo.words.push(WordUndo { base: cell.base.load(Relaxed), id, meta: cell.meta.load(Relaxed) });
        cell.base.store(value, Relaxed);
    }

    pub(crate) fn try_add(&mut self, id: u32, delta: i64, lo: i64, hi: i64) -> bool {
        let now = self.sum(id);
        let fits = within(now, 0, delta, lo, hi);
        if fits {
            self.set_sum(id, now.wrapping_add(delta as u64));
        }
        fits
    }

    /// The committed bytes of `id`, of a memory.
    #[inline(always)]
    pub(crate) fn bytes(&self, id: u32) -> Option<&[u8]> {
        self.store.committed_bytes(self.store.cells.get(id))
    }

    /// The committed sum of `id`, of keyed counters.
    #[inline(always)]
    pub(crate) fn wide_sum(&self, id: u32) -> Option<i128> {
        self.store.committed_sum(self.store.cells.get(id))
    }

    /// Writes a keyed value (`None`: removes it).
    pub(crate) fn put<const N: usize, V: Held>(&mut self, id: u32, value: Option<V>) {
        let cell = self.store.cells.get(id);
        let (base, meta) = (cell.base.load(Relaxed), cell.meta.load(Relaxed));
        let (part, present) = (cell.part(), value.is_some());
        if let Some(keyed) = self.store.part_mut::<Keyed<N, V>>(part) {
            keyed.overwrite(base, value);
            self.store.cells.get(id).set_meta(part, present);
            self.undo.others.push(Other::Part { id, meta, base, part });
        }
    }

    pub(crate) fn set_bytes<const N: usize>(&mut self, id: u32, value: &[u8]) {
        let part = self.store.cells.get(id).part();
        if let Some(keyed) = self.store.part_mut::<Keyed<N, Blob>>(part) {
            let blob = keyed.spare().blob(value);
            self.put::<N, Blob>(id, Some(blob));
        }
    }

    pub(crate) fn wide_try_add<const N: usize>(&mut self, id: u32, delta: i128, lo: i128, hi: i128) -> bool {
        let now = self.wide_sum(id).unwrap_or(0);
        let fit = fits(now, 0, delta, lo, hi);
        if fit {
            self.put::<N, i128>(id, Some(now.wrapping_add(delta)));
        }
        fit
    }

    /// Takes back everything after `mark`.
    #[cold]
    pub(crate) fn roll_back(&mut self, mark: Savepoint) {
        // Stays set if a destructor panics, and then whatever is rolled back later.
        let broken = std::mem::replace(&mut self.undo.dropping, true);
        while self.undo.words.len() > mark.0 {
            let Some(WordUndo { base, id, meta }) = self.undo.words.pop() else { break };
            let cell = self.store.cells.get(id);
            cell.base.store(base, Relaxed);
            cell.meta.store(meta, Relaxed);
        }
        while self.undo.others.len() > mark.1 {
            match self.undo.others.pop() {
                Some(Other::Part { id, meta, base, part }) => {
                    self.store.undo_part(part);
                    let cell = self.store.cells.get(id);
                    cell.base.store(base, Relaxed);
                    cell.meta.store(meta, Relaxed);
                }
                Some(Other::Item { part }) => self.store.undo_part(part),
                None => break,
            }
        }
        self.undo.dropping = broken;
    }

    /// Everything so far is final.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        self.undo.words.clear();
        if !self.undo.others.is_empty() {
            self.forget_others();
        }
    }

    #[cold]
    fn forget_others(&mut self) {
        self.undo.dropping = true;
        for u in self.undo.others.drain(..) {
            let (Other::Part { part, .. } | Other::Item { part }) = u;
            self.store.forget_undo(part);
        }
        self.undo.dropping = false;
    }
}
