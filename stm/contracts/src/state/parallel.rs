//! The same storage inside a transaction of the parallel engine.
//!
//! [`InTransaction`] is the [`Access`] of one transaction, [`Shared`] what lies below the engine's cells. A run that has read something
//! that is already known to be wrong may find cells that do not fit together; what comes of it is
//! [`Error::Damaged`](crate::cell::Error::Damaged) there, which the caller passes on as [`Stop::fault`]: it counts only if the run does.

use std::sync::Mutex;

use replicode_stm::{
    Base, BaseError, Changes as BytesChanges, CounterBase, CounterChanges, Stop, Tx, TxCounters, TxMemory, TxResult,
};

use super::{BytesChange, Changes, Fault, Storage, Stored, SumChange};
use crate::cell::{Access, Bounds, CellKey, Mark};
use crate::hash::{self, Domain};
use crate::kv::KeyValue;

/// Cells over a transaction.
pub struct InTransaction<'a, 'tx> {
    tx: &'a mut Tx<'tx>,
    cells: TxMemory<32>,
    sums: TxCounters<32>,
    transaction: [u8; 32],
    names: u64,
    marks: Vec<replicode_stm::Mark>,
    /// What a verb that cannot fail has to say.
    stop: Option<Stop>,
}

impl<'a, 'tx> InTransaction<'a, 'tx> {
    /// The cells of the transaction with this hash, in these containers.
    pub const fn new(tx: &'a mut Tx<'tx>, cells: TxMemory<32>, sums: TxCounters<32>, transaction: [u8; 32]) -> Self {
        InTransaction { tx, cells, sums, transaction, names: 0, marks: Vec::new(), stop: None }
    }

    /// Ends the accesses. To be called, and its error passed on, before the transaction returns.
    pub fn finish(self) -> TxResult<()> {
        self.stop.map_or(Ok(()), Err)
    }

    fn check(&mut self) -> TxResult<()> {
        self.stop.take().map_or(Ok(()), Err)
    }
}

impl Access for InTransaction<'_, '_> {
    type Error = Stop;

    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Stop> {
        self.check()?;
        into.clear();
        self.cells.read(self.tx, &key.0, |value| {
            into.extend_from_slice(value.unwrap_or_default());
            value.is_some()
        })
    }

    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Stop> {
        self.check()?;
        self.cells.set(self.tx, &key.0, value)
    }

    fn remove(&mut self, key: &CellKey) -> Result<(), Stop> {
        self.check()?;
        self.cells.unset(self.tx, &key.0)
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Stop> {
        self.check()?;
        Ok(self.sums.get(self.tx, &key.0)?.unwrap_or(0))
    }

    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Stop> {
        self.check()?;
        self.sums.try_add(self.tx, &key.0, delta, within.least..=within.most)
    }

    fn count(&mut self, key: &CellKey, delta: i128) -> Result<(), Stop> {
        self.check()?;
        self.sums.add(self.tx, &key.0, delta)
    }

    fn fresh(&mut self) -> Result<[u8; 32], Stop> {
        let name = fresh(&self.transaction, self.names);
        self.names += 1;
        Ok(name)
    }

    fn mark(&mut self) -> Mark {
        match self.tx.mark() {
            Ok(mark) => self.marks.push(mark),
            Err(stop) => self.stop = Some(stop),
        }
        Mark(self.marks.len().saturating_sub(1))
    }

    fn roll_back(&mut self, to: Mark) {
        self.marks.truncate(to.0 + 1);
        if let Some(mark) = self.marks.get(to.0)
            && let Err(stop) = self.tx.roll_back(mark)
        {
            self.stop = Some(stop);
        }
    }
}

/// The name of a new collection: how many names the transaction has asked for before.
pub(super) fn fresh(transaction: &[u8; 32], names: u64) -> [u8; 32] {
    *hash::parts(Domain::Cell, &[transaction, &names.to_le_bytes()]).as_bytes()
}

/// A store that many threads ask for cells during a block, and that one changes between blocks.
pub struct Shared<K> {
    storage: Mutex<Storage<K>>,
}

impl<K> Shared<K> {
    /// Shares a store.
    pub const fn new(storage: Storage<K>) -> Shared<K> {
        Shared { storage: Mutex::new(storage) }
    }

    /// The store, for one at a time.
    pub fn with<T>(&self, f: impl FnOnce(&mut Storage<K>) -> T) -> Result<T, Fault> {
        let mut storage = self.storage.lock().map_err(|_| Fault::Shared)?;
        Ok(f(&mut storage))
    }
}

impl<K: KeyValue + Send + 'static> Base<32> for Shared<K> {
    fn load(&self, key: &[u8; 32], into: &mut Vec<u8>) -> Result<bool, BaseError> {
        let value = self.with(|storage| storage.cell(&CellKey(*key)))??;
        into.extend_from_slice(value.as_deref().unwrap_or_default());
        Ok(value.is_some())
    }
}

impl<K: KeyValue + Send + 'static> CounterBase<32> for Shared<K> {
    fn load(&self, key: &[u8; 32]) -> Result<Option<i128>, BaseError> {
        Ok(Some(self.with(|storage| storage.sum(&CellKey(*key)))??))
    }
}

impl<'a> Changes<'a> {
    /// What a block has changed.
    #[must_use]
    pub fn of_block(cells: &BytesChanges<'a, 32>, sums: &CounterChanges<'a, 32>) -> Changes<'a> {
        let bytes =
            cells.iter().map(|change| BytesChange { key: CellKey(*change.key), old: change.old, new: change.new });
        let sums = sums.iter().map(|change| SumChange {
            key: CellKey(*change.key),
            old: change.old.unwrap_or(0),
            new: change.new.unwrap_or(0),
        });
        Changes::new(bytes.collect(), sums.collect())
    }
}
