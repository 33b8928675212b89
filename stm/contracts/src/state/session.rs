//! One run over the sequential store: a call, or a batch of them one by one.

use std::collections::BTreeMap;

use super::parallel::fresh;
use super::{BytesChange, Changes, Fault, Stored, SumChange};
use crate::cell::{Access, Bounds, CellKey, Mark};

/// What the calls of a run have written, over what is stored. Dropping it drops all of that; [`super::Storage::commit`] stores it.
///
/// A call that fails is rolled back to the [`Access::mark`] before it; the others of the run stay.
pub struct Session<'a, S> {
    source: &'a mut S,
    written: Written,
    undo: Vec<Undo>,
    transaction: [u8; 32],
    names: u64,
}

/// What a cell holds.
type Bytes = Option<Vec<u8>>;

/// The cells that a run has written, with what was stored before.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    bytes: BTreeMap<CellKey, (Bytes, Bytes)>,
    sums: BTreeMap<CellKey, (i128, i128)>,
}

impl Written {
    /// What has changed.
    #[must_use]
    pub fn changes(&self) -> Changes<'_> {
        let bytes = self.bytes.iter().map(|(key, (old, new))| BytesChange {
            key: *key,
            old: old.as_deref(),
            new: new.as_deref(),
        });
        let sums = self.sums.iter().map(|(key, (old, new))| SumChange { key: *key, old: *old, new: *new });
        Changes::new(bytes.collect(), sums.collect())
    }
}

enum Undo {
    Bytes(CellKey, Option<Vec<u8>>),
    Sum(CellKey, i128),
}

impl<'a, S: Stored> Session<'a, S> {
    /// A run over this store.
    pub fn new(source: &'a mut S) -> Session<'a, S> {
        Session { source, written: Written::default(), undo: Vec::new(), transaction: [0; 32], names: 0 }
    }

    /// Goes on with a run that has written this over the same store.
    pub fn resume(source: &'a mut S, written: Written) -> Session<'a, S> {
        Session { written, ..Session::new(source) }
    }

    /// The accesses from here on belong to the transaction with this hash. Names of new collections are made from it, so they depend
    /// neither on the batch nor on the order.
    pub fn begin_transaction(&mut self, hash: [u8; 32]) {
        (self.transaction, self.names) = (hash, 0);
    }

    /// Ends the run, and keeps what it has written.
    #[must_use]
    pub fn finish(self) -> Written {
        self.written
    }

    fn put(&mut self, key: &CellKey, value: Option<Vec<u8>>) -> Result<(), Fault> {
        let undo = match self.written.bytes.get_mut(key) {
            Some((_, new)) => std::mem::replace(new, value),
            None => {
                let old = self.source.cell(key)?;
                self.written.bytes.insert(*key, (old.clone(), value));
                old
            }
        };
        self.undo.push(Undo::Bytes(*key, undo));
        Ok(())
    }
}

impl<S: Stored> Access for Session<'_, S> {
    type Error = Fault;

    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Fault> {
        into.clear();
        let stored;
        let value = match self.written.bytes.get(key) {
            Some((_, new)) => new,
            None => {
                stored = self.source.cell(key)?;
                &stored
            }
        };
        into.extend_from_slice(value.as_deref().unwrap_or_default());
        Ok(value.is_some())
    }

    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Fault> {
        self.put(key, Some(value.to_vec()))
    }

    fn remove(&mut self, key: &CellKey) -> Result<(), Fault> {
        self.put(key, None)
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Fault> {
        match self.written.sums.get(key) {
            Some((_, new)) => Ok(*new),
            None => self.source.sum(key),
        }
    }

    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Fault> {
        let now = self.sum(key)?;
        let Some(then) = now.checked_add(delta).filter(|then| within.hold(*then)) else { return Ok(false) };
        self.written.sums.entry(*key).or_insert((now, now)).1 = then;
        self.undo.push(Undo::Sum(*key, now));
        Ok(true)
    }

    fn fresh(&mut self) -> Result<[u8; 32], Fault> {
        let name = fresh(&self.transaction, self.names);
        self.names += 1;
        Ok(name)
    }

    fn mark(&mut self) -> Mark {
        Mark(self.undo.len())
    }

    fn roll_back(&mut self, to: Mark) {
        while self.undo.len() > to.0 {
            match self.undo.pop() {
                Some(Undo::Bytes(key, old)) => {
                    if let Some((_, new)) = self.written.bytes.get_mut(&key) {
                        *new = old;
                    }
                }
                Some(Undo::Sum(key, old)) => {
                    if let Some((_, new)) = self.written.sums.get_mut(&key) {
                        *new = old;
                    }
                }
                None => {}
            }
        }
    }
}
