//! The speculative context, for byte values and keyed counters: as `spec`, with values in the vault.

use crate::chain::{self, Kind};
use crate::error::{Stop, TxResult};
use crate::read_set::{self, fits};
use crate::spec::{Spec, Write};
use crate::vault::split;

impl Spec<'_> {
    /// Kind and word of what a read of `id` sees, own writes left out; `None`: the committed value. Also the version.
    #[inline(always)]
    fn look(&mut self, id: u32) -> TxResult<(u32, Option<(Kind, u64)>)> {
        self.enter()?;
        let cell = self.shared.store.cells.get(id);
        cell.expect();
        self.note_reader(cell);
        let found = chain::find(self.shared.recs, cell, self.txn);
        if found.estimate {
            self.met_estimate(found.txn)?;
        }
        Ok((found.ver, (found.ver != 0).then(|| chain::version(self.shared.recs, found.ver))))
    }

    /// The bytes that `kind` and `word` stand for (`None`: the committed ones).
    #[inline(always)]
    fn bytes_of(&self, id: u32, version: Option<(Kind, u64)>) -> TxResult<Option<&[u8]>> {
        let store = self.shared.store;
        match version {
            None => Ok(store.committed_bytes(store.cells.get(id))),
            Some((Kind::Tombstone, _)) => Ok(None),
            Some((_, word)) => match store.vault.bytes(word) {
                Some(bytes) => Ok(Some(bytes)),
                None => Err(Stop::broken("a version's bytes are missing from the vault")),
            },
        }
    }

    /// Shows the bytes of `id` to `f`, where they lie.
    #[inline]
    pub(crate) fn bytes<R>(&mut self, id: u32, f: impl FnOnce(Option<&[u8]>) -> R) -> TxResult<R> {
        if let Some(w) = self.own(id) {
            return Ok(f(self.bytes_of(id, Some((w.kind, w.word)))?));
        }
        let (ver, version) = self.look(id)?;
        if self.record {
            self.buf.reads.push(read_set::word(read_set::BYTES, id, ver));
        }
        Ok(f(self.bytes_of(id, version)?))
    }

    /// How many bytes there are: an observation that another value of that length does not disturb.
    pub(crate) fn length(&mut self, id: u32) -> TxResult<Option<usize>> {
        if let Some(w) = self.own(id) {
            return Ok(self.bytes_of(id, Some((w.kind, w.word)))?.map(<[u8]>::len));
        }
        let (_, version) = self.look(id)?;
        let len = self.bytes_of(id, version)?.map(<[u8]>::len);
        if self.record {
            self.buf.reads.push(read_set::word(read_set::LEN, id, read_set::len_flag(len)));
        }
        Ok(len)
    }

    #[inline]
    pub(crate) fn set_bytes(&mut self, id: u32, value: &[u8]) {
        let word = self.shared.store.vault.put(&mut self.buf.share, value);
        self.put(id, Kind::Write, word);
    }

    fn put_wide(&mut self, id: u32, kind: Kind, value: i128) {
        let word = self.shared.store.vault.put_wide(&mut self.buf.share, value);
        self.put(id, kind, word);
    }

    /// What lies below this transaction's own changes.
    fn wide_below(&mut self, id: u32) -> TxResult<Option<i128>> {
        self.enter()?;
        let store = self.shared.store;
        let cell = store.cells.get(id);
        self.note_reader(cell);
        let (sum, blocker) = store.vault.fold(self.shared.recs, cell, self.txn, store.committed_sum(cell));
        if let Some(owner) = blocker {
            self.met_estimate(owner)?;
        }
        Ok(sum)
    }

    /// The transaction's own pending value, or change.
    fn own_wide(&self, w: Write) -> i128 {
        self.shared.store.vault.wide(w.word)
    }

    pub(crate) fn wide_sum(&mut self, id: u32) -> TxResult<Option<i128>> {
        let pending = match self.own(id) {
            Some(w) if w.kind == Kind::Write => return Ok(Some(self.own_wide(w))),
            Some(w) if w.kind == Kind::Tombstone => return Ok(None),
            Some(w) => Some(self.own_wide(w)),
            None => None,
        };
        let below = self.wide_below(id)?;
        if self.record {
            let [low, high] = split(below.unwrap_or(0));
            let first = read_set::word(read_set::WIDE, id, u32::from(below.is_some()));
            self.buf.reads.extend_from_slice(&[first, low, high]);
        }
        Ok(match pending {
            Some(delta) => Some(below.unwrap_or(0).wrapping_add(delta)),
            None => below,
        })
    }

    pub(crate) fn wide_add(&mut self, id: u32, delta: i128) {
        match self.own(id) {
            Some(w) if w.kind == Kind::Tombstone => self.put_wide(id, Kind::Write, delta),
            Some(w) => {
                let sum = self.own_wide(w).wrapping_add(delta);
                self.put_wide(id, w.kind, sum);
            }
            None => self.put_wide(id, Kind::WideDelta, delta),
        }
    }

    pub(crate) fn wide_set(&mut self, id: u32, value: i128) {
        self.put_wide(id, Kind::Write, value);
    }

    pub(crate) fn wide_try_add(&mut self, id: u32, delta: i128, lo: i128, hi: i128) -> TxResult<bool> {
        let fit = match self.own(id) {
            Some(w) if w.kind == Kind::Write => fits(self.own_wide(w), 0, delta, lo, hi),
            Some(w) if w.kind == Kind::Tombstone => fits(0, 0, delta, lo, hi),
            own => {
                let pending = own.map_or(0, |w| self.own_wide(w));
                let below = self.wide_below(id)?.unwrap_or(0);
                let fit = fits(below, pending, delta, lo, hi);
                if self.record {
                    let first = read_set::word(read_set::WIDE_BOUND, id, u32::from(fit));
                    self.buf.reads.push(first);
                    self.buf.reads.extend([pending, delta, lo, hi].into_iter().flat_map(split));
                }
                fit
            }
        };
        if fit {
            self.wide_add(id, delta);
        }
        Ok(fit)
    }
}
