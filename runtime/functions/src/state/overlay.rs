//! What one execution has read and written.

use super::{Namespace, State, StateError, Value};
use replicode_stm::{Tx, TxMap, TxResult};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// Reads and writes of an execution, with marks to go back to.
#[derive(Debug, Default)]
pub struct Overlay {
    /// Keys and what was committed under them when they were looked at.
    reads: Vec<(Vec<u8>, Option<Value>)>,
    /// Prefixes, and the keys that they had.
    lists: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
    writes: BTreeMap<Vec<u8>, Option<Value>>,
    /// What to put back, newest last.
    undo: Vec<(Vec<u8>, Option<Option<Value>>)>,
}

/// All keys that begin with a prefix.
pub(super) fn range_of(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return (Bound::Included(prefix.to_vec()), Bound::Excluded(end));
        }
    }
    (Bound::Included(prefix.to_vec()), Bound::Unbounded)
}

fn full(namespace: &Namespace, key: &[u8]) -> Vec<u8> {
    let mut full = Vec::with_capacity(namespace.len() + key.len());
    full.extend_from_slice(namespace);
    full.extend_from_slice(key);
    full
}

impl Overlay {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.reads.clear();
        self.lists.clear();
        self.writes.clear();
        self.undo.clear();
    }

    /// Whether nothing was written.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.writes.is_empty()
    }

    /// How many things were looked at.
    #[must_use]
    pub const fn reads(&self) -> usize {
        self.reads.len() + self.lists.len()
    }

    /// What was written, in the order of the keys; `None` is deleted.
    #[must_use]
    pub const fn writes(&self) -> &BTreeMap<Vec<u8>, Option<Value>> {
        &self.writes
    }

    /// Where it stands now: what is done later can be undone.
    #[must_use]
    pub const fn mark(&self) -> usize {
        self.undo.len()
    }

    /// Undoes what was written since. What was read stays: it decided.
    pub fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            match self.undo.pop() {
                Some((key, Some(before))) => drop(self.writes.insert(key, before)),
                Some((key, None)) => drop(self.writes.remove(&key)),
                None => {}
            }
        }
    }

    /// Looks a key up.
    ///
    /// # Errors
    /// Those of the state.
    pub fn get(&mut self, state: &State, namespace: &Namespace, key: &[u8]) -> Result<Option<Value>, StateError> {
        let key = full(namespace, key);
        if let Some(written) = self.writes.get(&key) {
            return Ok(written.clone());
        }
        if let Some((_, value)) = self.reads.iter().find(|(read, _)| *read == key) {
            return Ok(value.clone());
        }
        let value = state.get(&key)?;
        self.reads.push((key, value.clone()));
        Ok(value)
    }

    /// Sets a key, or deletes it.
    pub fn set(&mut self, namespace: &Namespace, key: &[u8], value: Option<&[u8]>) {
        let key = full(namespace, key);
        let before = self.writes.insert(key.clone(), value.map(Arc::from));
        self.undo.push((key, before));
    }

    /// Calls `each` with every key of the namespace that begins with `prefix`, in order.
    ///
    /// # Errors
    /// Those of the state.
    pub fn list(
        &mut self,
        state: &State,
        namespace: &Namespace,
        prefix: &[u8],
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), StateError> {
        let prefix = full(namespace, prefix);
        let committed: Vec<Vec<u8>> = state.list(&prefix)?.into_iter().map(|(key, _)| key).collect();
        let mut keys: BTreeMap<&[u8], bool> = committed.iter().map(|key| (key.as_slice(), true)).collect();
        for (key, value) in self.writes.range(range_of(&prefix)) {
            keys.insert(key, value.is_some());
        }
        for (key, there) in keys {
            if there {
                each(key.get(namespace.len()..).unwrap_or_default());
            }
        }
        self.lists.push((prefix, committed));
        Ok(())
    }

    /// Whether all that was read is so in a transaction.
    pub(super) fn holds(&self, tx: &mut Tx<'_>, map: &TxMap<Vec<u8>, Value>) -> TxResult<bool> {
        for (key, seen) in &self.reads {
            let now = map.get(tx, key)?;
            let same = match (seen, &now) {
                (Some(seen), Some(now)) => Arc::ptr_eq(seen, now) || seen == now,
                (None, None) => true,
                _ => false,
            };
            if !same {
                return Ok(false);
            }
        }
        for (prefix, seen) in &self.lists {
            let now = map.range(tx, range_of(prefix))?;
            if now.len() != seen.len() || now.iter().zip(seen).any(|((key, _), seen)| key != seen) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
