//! Direct mode: one transaction after the other, in place, with an undo journal.
//!
//! This is also the `Sequential` executor, and so the specification: nothing in here knows about versions, read sets
//! or other threads.

use crate::error::{Stop, TxResult};
use crate::read_set::within;
use crate::store::Store;
use crate::sync::Relaxed;
use crate::value::{Column, Value, from_word, is_word, word_of};

/// How to take back one step.
pub(crate) enum Undo {
    /// The cell had this base word and meta.
    Cell { id: u32, base: u64, meta: u32 },
    /// The newest write of this part.
    Part { id: u32, meta: u32, base: u64, part: u32 },
    /// The newest item of this bag.
    Item { part: u32 },
}

/// The context of a transaction in direct mode.
pub(crate) struct Direct<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) undo: &'a mut Vec<Undo>,
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
            None => Err(Stop::misuse("a committed value is missing from its column")),
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
            self.undo.push(Undo::Cell { id, base, meta });
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
            self.undo.push(Undo::Cell { id, base, meta });
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
            self.undo.push(Undo::Part { id, meta, base: at, part });
        }
    }

    pub(crate) fn sum(&self, id: u32) -> u64 {
        self.store.cells.get(id).base.load(Relaxed)
    }

    pub(crate) fn set_sum(&mut self, id: u32, value: u64) {
        let cell = self.store.cells.get(id);
        self.undo.push(Undo::Cell { id, base: cell.base.load(Relaxed), meta: cell.meta.load(Relaxed) });
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

    /// Takes back everything after `mark`.
    pub(crate) fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some(Undo::Cell { id, base, meta }) => {
                    let cell = self.store.cells.get(id);
                    cell.base.store(base, Relaxed);
                    cell.meta.store(meta, Relaxed);
                }
                Some(Undo::Part { id, meta, base, part }) => {
                    self.store.undo_part(part);
                    let cell = self.store.cells.get(id);
                    cell.base.store(base, Relaxed);
                    cell.meta.store(meta, Relaxed);
                }
                Some(Undo::Item { part }) => self.store.undo_part(part),
                None => return,
            }
        }
    }

    /// Everything so far is final.
    #[inline(always)]
    pub(crate) fn commit(&mut self) {
        for u in self.undo.drain(..) {
            if let Undo::Part { part, .. } | Undo::Item { part } = u {
                self.store.forget_undo(part);
            }
        }
    }
}
