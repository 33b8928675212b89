//! The speculative context: reads go through the chains and are recorded, writes wait in a private buffer.

use crate::chain::{self, Kind};
use crate::error::{Stop, TxResult};
use crate::read_set::{self, within};
use crate::run::Shared;
use crate::slot::{self, Status};
use crate::sync::Relaxed;
use crate::tx::RangeCheck;
use crate::value::{Column, Value, from_word, is_word, word_of};
use crate::vault::Share;
use crate::write_index::WriteIndex;
use std::sync::Arc;

/// One buffered write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Write {
    pub(crate) cell: u32,
    pub(crate) kind: Kind,
    pub(crate) word: u64,
}

/// Beyond this many writes the buffer is searched through an index.
const LINEAR: usize = 12;

/// The reusable memory of one worker for the transaction it runs.
#[derive(Default)]
pub(crate) struct Buffer {
    pub(crate) reads: Vec<u64>,
    pub(crate) writes: Vec<Write>,
    pub(crate) ranges: Vec<Arc<dyn RangeCheck>>,
    undo: Vec<(u32, Write)>,
    index: WriteIndex,
    /// This worker's part of the vault. Elsewhere, so that what every transaction needs is close together.
    pub(crate) share: Box<Share>,
    /// This run is known to be wrong, whatever the closure returns.
    pub(crate) retry: Option<Retry>,
}

/// Why a speculative run was given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Retry {
    /// A lower transaction, aborted and about to run again, owns a value that was needed.
    Estimate(u32),
    /// Somebody marked this run as doomed.
    Doomed,
    /// The chaos mode said so.
    Chaos,
}

impl Buffer {
    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.reads.clear();
        self.writes.clear();
        self.undo.clear();
        self.retry = None;
        if !self.ranges.is_empty() {
            self.ranges.clear();
        }
        if !self.index.is_empty() {
            self.index.clear();
        }
    }

    /// Forgets the effects, keeps the observations: a revert is decided by what was read.
    pub(crate) fn drop_effects(&mut self) {
        self.writes.clear();
    }

    #[inline(always)]
    pub(crate) fn position(&self, cell: u32) -> Option<usize> {
        if self.writes.len() <= LINEAR { self.writes.iter().position(|w| w.cell == cell) } else { self.index.get(cell) }
    }

    #[inline(always)]
    fn add(&mut self, write: Write) {
        self.writes.push(write);
        if self.writes.len() > LINEAR {
            self.add_to_index(write.cell);
        }
    }

    #[cold]
    fn add_to_index(&mut self, cell: u32) {
        let n = self.writes.len();
        if n == LINEAR + 1 {
            self.index.clear();
            for (k, w) in self.writes.iter().enumerate() {
                self.index.insert(w.cell, k);
            }
        } else {
            self.index.insert(cell, n - 1);
        }
    }

    fn truncate(&mut self, len: usize) {
        while self.writes.len() > len {
            if let Some(w) = self.writes.pop() {
                self.index.remove_last(w.cell);
            }
        }
        if len <= LINEAR {
            self.index.clear();
        }
    }
}

/// The context of a transaction in speculative mode.
pub(crate) struct Spec<'a> {
    pub(crate) shared: &'a Shared<'a>,
    pub(crate) buf: &'a mut Buffer,
    pub(crate) worker: usize,
    pub(crate) txn: u32,
    pub(crate) status: Status,
    /// Under the commit token everything below is final: hints are ignored.
    pub(crate) token: bool,
    /// Observations are recorded, because somebody will check them.
    pub(crate) record: bool,
    pub(crate) frames: u32,
}

pub(crate) type Savepoint = (usize, usize, usize);

impl Spec<'_> {
    /// The next transaction of the same stretch.
    #[inline(always)]
    pub(crate) fn begin(&mut self, txn: u32, status: Status) {
        (self.txn, self.status, self.frames) = (txn, status, 0);
        self.buf.clear();
    }

    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.frames += 1;
        (self.buf.writes.len(), self.buf.undo.len(), self.buf.reads.len())
    }

    pub(crate) fn roll_back(&mut self, (writes, undo, _reads): Savepoint) {
        while self.buf.undo.len() > undo {
            if let Some((k, old)) = self.buf.undo.pop()
                && let Some(w) = self.buf.writes.get_mut(k as usize)
            {
                *w = old;
            }
        }
        self.buf.truncate(writes);
        #[cfg(feature = "mutants")]
        if crate::mutants::on(crate::mutants::Mutant::ForgottenFrame) {
            self.buf.reads.truncate(_reads);
        }
    }

    /// As if nothing had been written over since then: exactly what a roll-back must not assume.
    #[cfg(feature = "mutants")]
    pub(crate) fn forget_overwritten(&mut self, (_, undo, _): Savepoint) {
        self.buf.undo.truncate(undo);
    }

    #[inline(always)]
    pub(crate) fn own(&self, cell: u32) -> Option<Write> {
        self.buf.position(cell).map(|k| self.buf.writes[k])
    }

    #[inline(always)]
    pub(crate) fn put(&mut self, cell: u32, kind: Kind, word: u64) {
        let new = Write { cell, kind, word };
        match self.buf.position(cell) {
            Some(k) => {
                if self.frames > 0 {
                    self.buf.undo.push((k as u32, self.buf.writes[k]));
                }
                self.buf.writes[k] = new;
            }
            None => {
                self.shared.store.cells.get(cell).intend();
                self.buf.add(new);
            }
        }
    }

    #[cold]
    #[inline(never)]
    fn give_up(&mut self, why: Retry) -> Stop {
        self.buf.retry = Some(why);
        Stop::RETRY
    }

    /// The door before every shared read: a doomed run leaves here, and the seeded executor switches workers here.
    #[inline(always)]
    pub(crate) fn enter(&mut self) -> TxResult<()> {
        if self.buf.retry.is_some() {
            return Err(Stop::RETRY); // sticky: a swallowed retry does not come back to life
        }
        self.shared.pause(self.worker);
        if !self.token {
            if self.shared.slot(self.txn).doomed.load(Relaxed) == self.status.0 {
                return Err(self.give_up(Retry::Doomed));
            }
            if self.shared.chaos_hit(self.worker, crate::chaos::Trick::Abort) {
                return Err(self.give_up(Retry::Chaos));
            }
        }
        Ok(())
    }

    /// An estimate counts only while its writer really is between two incarnations.
    #[cold]
    #[inline(never)]
    pub(crate) fn met_estimate(&mut self, owner: u32) -> TxResult<()> {
        if self.token {
            return Ok(());
        }
        let s = self.shared.slot(owner).load();
        if s.txn() == owner && matches!(s.state(), slot::ABORTING | slot::ABORTED | slot::RUNNING) {
            return Err(self.give_up(Retry::Estimate(owner)));
        }
        Ok(())
    }

    #[inline(always)]
    pub(crate) fn note_reader(&self, cell: &chain::Unit) {
        if self.shared.contended() && cell.reader.load(Relaxed) < self.txn {
            cell.reader.store(self.txn, Relaxed);
        }
    }

    #[inline(never)]
    pub(crate) fn read<T: Value>(&mut self, id: u32) -> TxResult<Option<T>> {
        if let Some(w) = self.own(id) {
            return self.own_value(w);
        }
        self.enter()?;
        let cell = self.shared.store.cells.get(id);
        cell.expect();
        self.note_reader(cell);
        let found = chain::find(self.shared.recs, cell, self.txn);
        if found.estimate {
            self.met_estimate(found.txn)?;
        }
        if self.record {
            self.buf.reads.push(read_set::word(read_set::VALUE, id, found.ver));
        }
        if found.ver == 0 {
            if !cell.present() {
                return Ok(None);
            }
            let base = cell.base.load(Relaxed);
            if is_word::<T>() {
                return Ok(from_word::<T>(base));
            }
            return self.typed(cell.part(), |c: &Column<T>| c.base(base).cloned());
        }
        let (kind, word) = chain::version(self.shared.recs, found.ver);
        if kind == Kind::Tombstone {
            return Ok(None);
        }
        if is_word::<T>() {
            return Ok(from_word::<T>(word));
        }
        self.typed(cell.part(), |c: &Column<T>| c.version(word).cloned())
    }

    fn own_value<T: Value>(&self, w: Write) -> TxResult<Option<T>> {
        if w.kind == Kind::Tombstone {
            return Ok(None);
        }
        if is_word::<T>() {
            return Ok(from_word::<T>(w.word));
        }
        self.typed(self.shared.store.cells.get(w.cell).part(), |c: &Column<T>| c.version(w.word).cloned())
    }

    fn typed<T: Value>(&self, part: u32, f: impl FnOnce(&Column<T>) -> Option<T>) -> TxResult<Option<T>> {
        match self.shared.store.part::<Column<T>>(part).and_then(f) {
            Some(v) => Ok(Some(v)),
            None => Err(Stop::broken("a version's value is missing from its column")),
        }
    }

    pub(crate) fn exists(&mut self, id: u32) -> TxResult<bool> {
        if let Some(w) = self.own(id) {
            return Ok(w.kind != Kind::Tombstone);
        }
        self.enter()?;
        let cell = self.shared.store.cells.get(id);
        self.note_reader(cell);
        let found = chain::find(self.shared.recs, cell, self.txn);
        if found.estimate {
            self.met_estimate(found.txn)?;
        }
        let there = match found.ver {
            0 => cell.present(),
            v => chain::version(self.shared.recs, v).0 != Kind::Tombstone,
        };
        self.buf.reads.push(read_set::word(read_set::EXISTS, id, u32::from(there)));
        Ok(there)
    }

    #[inline(never)]
    pub(crate) fn write<T: Value>(&mut self, id: u32, value: T) -> TxResult<()> {
        let word = match word_of(&value) {
            Some(w) => w,
            None => {
                let part = self.shared.store.cells.get(id).part();
                match self.shared.store.part::<Column<T>>(part) {
                    Some(c) => c.put(value),
                    None => return Err(Stop::broken("a cell has no column for its values")),
                }
            }
        };
        self.put(id, Kind::Write, word);
        Ok(())
    }

    pub(crate) fn remove(&mut self, id: u32) {
        self.put(id, Kind::Tombstone, 0);
    }

    fn folded(&mut self, id: u32) -> TxResult<u64> {
        self.enter()?;
        let cell = self.shared.store.cells.get(id);
        self.note_reader(cell);
        let (sum, blocker) = chain::fold(self.shared.recs, cell, self.txn);
        if let Some(owner) = blocker {
            self.met_estimate(owner)?;
        }
        Ok(sum)
    }

    pub(crate) fn sum(&mut self, id: u32) -> TxResult<u64> {
        let pending = match self.own(id) {
            Some(w) if w.kind == Kind::Write => return Ok(w.word),
            Some(w) => w.word,
            None => 0,
        };
        let below = self.folded(id)?;
        self.buf.reads.extend_from_slice(&[read_set::word(read_set::SUM, id, 0), below]);
        Ok(below.wrapping_add(pending))
    }

    pub(crate) fn add(&mut self, id: u32, delta: u64) {
        match self.own(id) {
            Some(w) => self.put(id, w.kind, w.word.wrapping_add(delta)),
            None => self.put(id, Kind::Delta, delta),
        }
    }

    pub(crate) fn set_sum(&mut self, id: u32, value: u64) {
        self.put(id, Kind::Write, value);
    }

    pub(crate) fn try_add(&mut self, id: u32, delta: i64, lo: i64, hi: i64) -> TxResult<bool> {
        let own = self.own(id);
        let fits = match own {
            Some(w) if w.kind == Kind::Write => within(w.word, 0, delta, lo, hi),
            _ => {
                let pending = own.map_or(0, |w| w.word);
                let below = self.folded(id)?;
                let fits = within(below, pending, delta, lo, hi);
                let first = read_set::word(read_set::BOUND, id, u32::from(fits));
                self.buf.reads.extend_from_slice(&[first, pending, delta as u64, lo as u64, hi as u64]);
                fits
            }
        };
        if fits {
            self.add(id, delta as u64);
        }
        Ok(fits)
    }

    /// The transaction's own pending list of a bag (0: empty).
    pub(crate) fn pending_list(&self, id: u32) -> u64 {
        self.own(id).map_or(0, |w| w.word)
    }

    pub(crate) fn append(&mut self, id: u32, list: u64) {
        self.put(id, Kind::Append, list);
    }

    /// The lists that lower transactions of this block appended, newest first.
    pub(crate) fn lists(&mut self, id: u32) -> TxResult<Vec<u64>> {
        self.enter()?;
        let cell = self.shared.store.cells.get(id);
        self.note_reader(cell);
        let (mut words, mut stamps, mut blocker) = (Vec::new(), Vec::new(), None);
        chain::for_each(self.shared.recs, cell, self.txn, |found, _, word| {
            words.push(word);
            stamps.push(u64::from(found.ver));
            if found.estimate {
                blocker = Some(found.txn);
            }
        });
        if let Some(owner) = blocker {
            self.met_estimate(owner)?;
        }
        self.buf.reads.push(read_set::word(read_set::LIST, id, stamps.len() as u32));
        self.buf.reads.extend_from_slice(&stamps);
        Ok(words)
    }

    pub(crate) fn observe_range(&mut self, check: Arc<dyn RangeCheck>) {
        self.buf.reads.push(read_set::word(read_set::RANGE, 0, self.buf.ranges.len() as u32));
        self.buf.ranges.push(check);
    }
}
