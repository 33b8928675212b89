//! The model: cells in plain maps, with an undo list. What every other implementation of [`Access`] must agree with.

use std::collections::BTreeMap;
use std::convert::Infallible;

use super::{Access, Bounds, CellKey, Mark};

/// Cells in two ordered maps. Never fails.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Maps {
    bytes: BTreeMap<CellKey, Vec<u8>>,
    sums: BTreeMap<CellKey, i128>,
    undo: Vec<Undo>,
    names: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Undo {
    Bytes(CellKey, Option<Vec<u8>>),
    Sum(CellKey, i128),
}

impl Maps {
    /// No cells.
    #[must_use]
    pub fn new() -> Maps {
        Maps::default()
    }

    /// Cells with bytes, in key order.
    #[must_use]
    pub fn bytes(&self) -> &BTreeMap<CellKey, Vec<u8>> {
        &self.bytes
    }

    /// Sums that are not zero, in key order.
    #[must_use]
    pub fn sums(&self) -> &BTreeMap<CellKey, i128> {
        &self.sums
    }

    fn put(&mut self, key: &CellKey, value: Option<Vec<u8>>) {
        let old = match value {
            Some(value) => self.bytes.insert(*key, value),
            None => self.bytes.remove(key),
        };
        self.undo.push(Undo::Bytes(*key, old));
    }

    fn put_sum(&mut self, key: &CellKey, sum: i128) -> i128 {
        let old = match sum {
            0 => self.sums.remove(key),
            sum => self.sums.insert(*key, sum),
        };
        old.unwrap_or(0)
    }
}

impl Access for Maps {
    type Error = Infallible;

    fn get(&mut self, key: &CellKey, into: &mut Vec<u8>) -> Result<bool, Infallible> {
        into.clear();
        let value = self.bytes.get(key);
        into.extend_from_slice(value.map_or(&[], Vec::as_slice));
        Ok(value.is_some())
    }

    fn set(&mut self, key: &CellKey, value: &[u8]) -> Result<(), Infallible> {
        self.put(key, Some(value.to_vec()));
        Ok(())
    }

    fn remove(&mut self, key: &CellKey) -> Result<(), Infallible> {
        self.put(key, None);
        Ok(())
    }

    fn sum(&mut self, key: &CellKey) -> Result<i128, Infallible> {
        Ok(self.sums.get(key).copied().unwrap_or(0))
    }

    fn add(&mut self, key: &CellKey, delta: i128, within: Bounds) -> Result<bool, Infallible> {
        let now = self.sums.get(key).copied().unwrap_or(0);
        let Some(then) = now.checked_add(delta).filter(|then| within.hold(*then)) else { return Ok(false) };
        self.put_sum(key, then);
        self.undo.push(Undo::Sum(*key, now));
        Ok(true)
    }

    fn fresh(&mut self) -> Result<[u8; 32], Infallible> {
        self.names += 1;
        Ok(*blake3::hash(&self.names.to_le_bytes()).as_bytes())
    }

    fn mark(&mut self) -> Mark {
        Mark(self.undo.len())
    }

    fn roll_back(&mut self, to: Mark) {
        while self.undo.len() > to.0 {
            match self.undo.pop() {
                Some(Undo::Bytes(key, Some(old))) => drop(self.bytes.insert(key, old)),
                Some(Undo::Bytes(key, None)) => drop(self.bytes.remove(&key)),
                Some(Undo::Sum(key, old)) => drop(self.put_sum(&key, old)),
                None => {}
            }
        }
    }
}
