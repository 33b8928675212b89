//! Publication: how the writes of a finished run become versions that others can find.

use crate::chain::{self, Kind};
use crate::run::{Scratch, Shared};
use crate::slot::{EXECUTED, Status};
use crate::spec::{Buffer, Write};
use crate::sync::{Relaxed, Release};

/// How a run has ended, as far as the commit turn is concerned.
#[derive(Clone, Copy)]
pub(crate) struct Ending {
    pub(crate) fatal: bool,
    pub(crate) reverted: bool,
    pub(crate) weight: u64,
}

impl Shared<'_> {
    /// Makes the writes of a finished run visible, withdraws what this incarnation no longer writes, and only then
    /// says so in the status word.
    #[inline]
    pub(crate) fn publish(
        &self,
        worker: usize,
        s: &mut Scratch,
        buf: &mut Buffer,
        status: Status,
        end: Ending,
        token: bool,
    ) {
        let txn = status.txn();
        let slot = self.slot(txn);
        s.changed.clear();
        s.nodes.clear();
        let mut deltas = false;
        if slot.writes_len() == 0 {
            for wr in &buf.writes {
                deltas |= wr.kind.is_delta();
                self.link(s, txn, wr.cell, wr.kind, wr.word);
            }
        } else {
            deltas = self.republish(s, buf, txn);
        }
        slot.put_reads(self.log, &buf.reads);
        slot.put_writes(self.log, &s.nodes);
        slot.flags.store(u32::from(end.fatal) | u32::from(deltas) << 1 | u32::from(end.reverted) << 2, Relaxed);
        if self.special {
            slot.weight.store(end.weight, Relaxed);
        }
        if !buf.ranges.is_empty() {
            slot.put_ranges(&mut buf.ranges);
        }
        self.pause(worker);
        self.delay(worker);
        // Under the token nobody may abort this run any more, so it goes straight to its final state. Release is
        // enough: this worker looks at the commit turn again before it sleeps, with a fence in between (`park`), so
        // if it misses here that the token became free, it does not miss it there.
        let state = if token { crate::slot::COMMITTED } else { EXECUTED };
        slot.status.store(status.with(state).0, Release);
        self.after_publish(worker, s, txn, status.with(state), token);
        self.park.wake();
    }

    /// Makes the writes of a transaction visible whose run was final from its beginning, and commits it but for
    /// the commit index, which the others are shown less often: it has no slot, and nobody waits for it. False if it
    /// stops the stream.
    #[inline(always)]
    pub(crate) fn publish_final(
        &self,
        worker: u32,
        at: u32,
        s: &mut Scratch,
        buf: &Buffer,
        txn: u32,
        end: Ending,
    ) -> bool {
        if self.special && self.final_turn(buf, txn, end) {
            return false;
        }
        for wr in &buf.writes {
            let rec = chain::new_version(self.recs, &mut s.run, wr.kind, wr.word);
            let cell = self.store.cells.get(wr.cell);
            if chain::insert(self.recs, cell, txn, rec) {
                s.touched.push(wr.cell);
            }
            if wr.kind.is_delta() {
                self.settle_delta(cell, txn, rec);
            }
        }
        if let Some(place) = self.places.get(txn as usize) {
            place.store(u64::from(worker) << 32 | u64::from(at), Relaxed);
        }
        if end.fatal {
            self.stop_at(txn);
        } else {
            self.finals.store(txn + 1, Release);
        }
        !end.fatal
    }

    #[inline(always)]
    fn link(&self, s: &mut Scratch, txn: u32, cell: u32, kind: Kind, word: u64) {
        let at = chain::new_version(self.recs, &mut s.run, kind, word);
        if chain::insert(self.recs, self.store.cells.get(cell), txn, at) {
            s.touched.push(cell);
        }
        s.nodes.push(u64::from(cell) << 32 | u64::from(at));
        if self.contended() {
            s.changed.push(cell);
        }
    }

    /// Publication of a later incarnation: its nodes are in the chains already.
    #[cold]
    #[inline(never)]
    fn republish(&self, s: &mut Scratch, buf: &Buffer, txn: u32) -> bool {
        let slot = self.slot(txn);
        s.prev.clear();
        s.prev.extend((0..slot.writes_len()).map(|k| slot.write(self.log, k)));
        // By cell, so that each of many is found without looking at all.
        s.prev.sort_unstable();
        s.nodes.extend_from_slice(&s.prev);
        let mut deltas = false;
        for p in &s.prev {
            let (cell, at) = ((p >> 32) as u32, *p as u32);
            if chain::current(self.recs, at) != 0 && buf.position(cell).is_none() {
                #[cfg(feature = "mutants")]
                if crate::mutants::on(crate::mutants::Mutant::LeftoverWrite) {
                    continue;
                }
                chain::swap(self.recs, at, 0);
                s.changed.push(cell);
            }
        }
        for wr in &buf.writes {
            deltas |= wr.kind.is_delta();
            let Ok(k) = s.prev.binary_search_by_key(&wr.cell, |p| (p >> 32) as u32) else {
                self.link(s, txn, wr.cell, wr.kind, wr.word);
                continue;
            };
            let at = s.prev[k] as u32;
            let old = chain::current(self.recs, at);
            #[cfg(feature = "mutants")]
            if old != 0 && self.mutate_version(wr, at, old) {
                continue;
            }
            if old != 0 && self.same(old, wr) {
                // The same value again: readers of the old version stay valid. The swap clears the estimate.
                chain::swap(self.recs, at, old);
            } else {
                let new = chain::new_version(self.recs, &mut s.run, wr.kind, wr.word);
                chain::swap(self.recs, at, new);
                s.changed.push(wr.cell);
            }
        }
        deltas
    }

    /// Whether version `old` says what `wr` says: in the same word, or in other words of the same content.
    fn same(&self, old: u32, wr: &Write) -> bool {
        let (kind, word) = chain::version(self.recs, old);
        if kind != wr.kind {
            return false;
        }
        let keeper = || self.store.keeper(self.store.cells.get(wr.cell));
        word == wr.word
            || matches!(kind, Kind::Write | Kind::WideDelta)
                && keeper().is_some_and(|p| p.same(&self.store.vault, kind, word, wr.word))
    }

    #[cfg(feature = "mutants")]
    fn mutate_version(&self, wr: &crate::spec::Write, at: u32, old: u32) -> bool {
        use crate::mutants::{Mutant, on};
        if on(Mutant::RecycledVersion) {
            chain::overwrite(self.recs, old, wr.kind, wr.word);
            chain::swap(self.recs, at, old);
            return true;
        }
        if on(Mutant::DoubleFold) && wr.kind == Kind::Delta {
            let (_, before) = chain::version(self.recs, old);
            chain::overwrite(self.recs, old, wr.kind, before.wrapping_add(wr.word));
            chain::swap(self.recs, at, old);
            return true;
        }
        false
    }
}
