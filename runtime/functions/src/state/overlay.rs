//! What one execution has read and written.

use super::{ENTRY, Namespace, Share, State, StateError, Value};
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
    undo: Vec<Undo>,
    /// Where in it the newest entry of each key is.
    saved: BTreeMap<Vec<u8>, usize>,
    /// The newest mark that may be gone back to: what was saved since needs not be saved again.
    since: usize,
    /// Bytes of all of it.
    bytes: u64,
    /// Whose it is, if that is somebody with a share of the state, and how much of it that may have.
    owner: Option<(Share, u64)>,
}

/// What stood under a key before a write.
#[derive(Debug)]
struct Undo {
    key: Vec<u8>,
    before: Option<Option<Value>>,
    /// Where the entry of this key before this one is.
    saved: Option<usize>,
}

impl Undo {
    fn bytes(&self) -> u64 {
        // The key is in the list of what is saved, too.
        size(&self.key, self.before.as_ref().and_then(Option::as_ref)) + ENTRY + self.key.len() as u64
    }
}

fn size(key: &[u8], value: Option<&Value>) -> u64 {
    ENTRY + key.len() as u64 + value.map_or(0, |value| value.len() as u64)
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

/// Calls `each` with every committed key that begins with `prefix`, in order, as long as it answers that it wants more. False if it did not.
pub(super) fn each_key(
    tx: &mut Tx<'_>,
    map: &TxMap<Vec<u8>, Value>,
    prefix: &[u8],
    mut each: impl FnMut(&[u8]) -> bool,
) -> TxResult<bool> {
    let (mut from, to) = range_of(prefix);
    while let Some((key, _)) = map.first_in(tx, (from, to.clone()))? {
        if !each(&key) {
            return Ok(false);
        }
        from = Bound::Excluded(key);
    }
    Ok(true)
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
        self.saved.clear();
        (self.since, self.bytes) = (0, 0);
    }

    /// From now on it is that tenant's, who may have so many bytes; or the server's own user's.
    pub const fn belongs_to(&mut self, owner: Option<(Share, u64)>) {
        self.owner = owner;
    }

    pub(super) const fn owner(&self) -> Option<(Share, u64)> {
        self.owner
    }

    /// Bytes of memory that all of it takes, about: what was read, listed, written, and what is kept to go back.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
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
    pub const fn mark(&mut self) -> usize {
        self.since = self.undo.len();
        self.since
    }

    /// Nobody goes back further than to this mark any more, but to it somebody may.
    pub const fn resume(&mut self, mark: usize) {
        self.since = mark;
    }

    /// Undoes what was written since. What was read stays: it decided.
    pub fn roll_back(&mut self, mark: usize) {
        while self.undo.len() > mark {
            let Some(undo) = self.undo.pop() else { return };
            self.bytes = self.bytes.saturating_sub(undo.bytes());
            if let Some(saved) = undo.saved {
                self.saved.insert(undo.key.clone(), saved);
            } else {
                self.saved.remove(&undo.key);
            }
            if let Some(before) = undo.before {
                self.write(undo.key, before);
            } else if let Some(after) = self.writes.remove(&undo.key) {
                self.bytes = self.bytes.saturating_sub(size(&undo.key, after.as_ref()));
            }
        }
    }

    /// Writes, and says what stood there.
    fn write(&mut self, key: Vec<u8>, value: Option<Value>) -> Option<Option<Value>> {
        let length = key.len();
        let now = size(&key, value.as_ref());
        let before = self.writes.insert(key, value);
        let then = before
            .as_ref()
            .map_or(0, |value| ENTRY + length as u64 + value.as_ref().map_or(0, |value| value.len() as u64));
        self.bytes = self.bytes.saturating_add(now).saturating_sub(then);
        before
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
        self.bytes = self.bytes.saturating_add(size(&key, value.as_ref()));
        self.reads.push((key, value.clone()));
        Ok(value)
    }

    /// Sets a key, or deletes it.
    pub fn set(&mut self, namespace: &Namespace, key: &[u8], value: Option<&[u8]>) {
        let key = full(namespace, key);
        let before = self.write(key.clone(), value.map(Arc::from));
        let saved = self.saved.get(&key).copied();
        if saved.is_some_and(|saved| saved >= self.since) {
            // What is gone back to is older than what was overwritten here.
            return;
        }
        self.saved.insert(key.clone(), self.undo.len());
        let undo = Undo { key, before, saved };
        self.bytes = self.bytes.saturating_add(undo.bytes());
        self.undo.push(undo);
    }

    /// Calls `each` with every key of the namespace that begins with `prefix`, in order, until it says that it wants no more. False when they
    /// take more than `most` bytes of memory: then it has not been called.
    ///
    /// # Errors
    /// Those of the state.
    pub fn list(
        &mut self,
        state: &State,
        namespace: &Namespace,
        prefix: &[u8],
        most: u64,
        each: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<bool, StateError> {
        let prefix = full(namespace, prefix);
        let Some(committed) = state.list(&prefix, most)? else { return Ok(false) };
        let mut keys: BTreeMap<&[u8], bool> = committed.iter().map(|key| (key.as_slice(), true)).collect();
        for (key, value) in self.writes.range(range_of(&prefix)) {
            keys.insert(key, value.is_some());
        }
        for (key, there) in keys {
            if there && !each(key.get(namespace.len()..).unwrap_or_default()) {
                break;
            }
        }
        // Who looks again and again, and finds the same, has looked once.
        if self.lists.last().is_none_or(|(last, seen)| *last != prefix || *seen != committed) {
            let keys: u64 = committed.iter().map(|key| size(key, None)).sum();
            self.bytes = self.bytes.saturating_add(size(&prefix, None)).saturating_add(keys);
            self.lists.push((prefix, committed));
        }
        Ok(true)
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
            let mut seen = seen.iter();
            let same = each_key(tx, map, prefix, |key| seen.next().is_some_and(|seen| *seen == key))?;
            if !same || seen.next().is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
