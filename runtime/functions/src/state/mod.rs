//! The state of functions: keys and values that are changed by whole executions or not at all.
//!
//! ```text
//!  execution ─ reads ──> what it has written itself, else what is committed; noted
//!            ─ writes ─> kept aside
//!            ─ end ────> one transaction of the STM: is all that it has read as it was? then all that it wrote, else it runs again
//! ```
//!
//! So an execution that takes its time holds nobody up, and one that fails leaves nothing. The result is that of running them one by one,
//! in the order in which they ended. What is committed is written to the log before anybody is told.

mod log;
mod overlay;

pub use log::Sync;
pub use overlay::Overlay;

use log::Log;
use replicode_stm::{Stm, TxMap};
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// A value, shared by whoever has read it.
pub type Value = Arc<[u8]>;
/// Which keys belong together: a function's, or those of a namespace that functions share.
pub type Namespace = [u8; 16];
/// What all namespaces of a tenant begin with.
pub type Share = [u8; 8];

/// Why state cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file failed.
    #[error("the state in {0}: {1}")]
    File(String, std::io::Error),
    /// The transactional memory refuses.
    #[error("the state: {0}")]
    Memory(String),
}

/// Bytes that a key takes besides itself and its value, about. They count, or many small keys would fill the memory of a server whose bound
/// is far away.
pub const ENTRY: u64 = 64;

/// What a look at the state answers.
type Look<T> = Result<T, StateError>;

/// The committed state of all functions.
pub struct State {
    cells: RwLock<Cells>,
    log: Mutex<Log>,
    /// Bytes of keys and values, and [`ENTRY`] for each key.
    bytes: AtomicU64,
    most_bytes: u64,
    /// The same for each share: that of the server's own user has many, which nobody looks at.
    shares: Mutex<HashMap<Share, u64>>,
    /// Commits so far. It grows under the lock of the cells: whoever has read a value finds its commit counted.
    number: AtomicU64,
    /// Commits that are on the disk.
    synced: AtomicU64,
}

struct Cells {
    stm: Stm,
    map: TxMap<Vec<u8>, Value>,
}

/// What became of an execution's changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Commit {
    /// They are committed, the log's so many-th; 0 if there were none.
    Done(u64),
    /// What it had read has changed since: it has to run again.
    Conflict,
    /// There is no room for them.
    Full,
    /// Their tenant may not have so much.
    Quota(u64),
}

impl State {
    /// Opens the state in a directory, or one that is nowhere. Returns what had to be left out of a damaged one, too.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn open(directory: Option<&Path>, most_bytes: u64) -> Result<(Self, Vec<String>), StateError> {
        let (log, entries, warnings) = Log::open(directory)?;
        let bytes = entries.iter().map(|(key, value)| size(key, value)).sum();
        let mut shares = HashMap::new();
        for (key, value) in &entries {
            *shares.entry(share(key)).or_default() += size(key, value);
        }
        let memory = |error: &dyn std::fmt::Display| StateError::Memory(error.to_string());
        let mut stm = Stm::builder().sequential().build().map_err(|error| memory(&error))?;
        let map = stm.map_from(entries);
        let cells = RwLock::new(Cells { stm, map });
        let (number, synced) = (AtomicU64::new(0), AtomicU64::new(0));
        let state = Self {
            cells,
            log: Mutex::new(log),
            bytes: AtomicU64::new(bytes),
            most_bytes,
            shares: Mutex::new(shares),
            number,
            synced,
        };
        Ok((state, warnings))
    }

    /// Bytes of all keys and values, and [`ENTRY`] for each key.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The same for a tenant.
    #[must_use]
    pub fn bytes_of(&self, share: Share) -> u64 {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner).get(&share).copied().unwrap_or(0)
    }

    fn cells(&self) -> RwLockReadGuard<'_, Cells> {
        // The transactional memory refuses by itself after a panic.
        self.cells.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is committed under a key.
    ///
    /// # Errors
    /// When the transactional memory refuses.
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, StateError> {
        let cells = self.cells();
        let outcome = cells.stm.view(|tx| cells.map.get(tx, key));
        outcome
            .map_err(|fatal| StateError::Memory(fatal.to_string()))?
            .committed()
            .ok_or_else(|| StateError::Memory("a look at it was refused".into()))
    }

    /// The committed keys that begin with `prefix`, in order; `None` when they take more than `most` bytes of memory: no more than that is
    /// looked at.
    ///
    /// # Errors
    /// When the transactional memory refuses.
    pub fn list(&self, prefix: &[u8], most: u64) -> Look<Option<Vec<Vec<u8>>>> {
        let cells = self.cells();
        let outcome = cells.stm.view(|tx| {
            let (mut keys, mut bytes) = (Vec::new(), 0);
            let whole = overlay::each_key(tx, &cells.map, prefix, |key| {
                bytes += key.len() as u64 + ENTRY;
                keys.push(key.to_vec());
                bytes <= most
            })?;
            Ok(whole.then_some(keys))
        });
        outcome
            .map_err(|fatal| StateError::Memory(fatal.to_string()))?
            .committed()
            .ok_or_else(|| StateError::Memory("a look at it was refused".into()))
    }

    /// Commits what an execution has done, if what it has read is still so. Afterwards the overlay is as good as new.
    ///
    /// # Errors
    /// When the transactional memory refuses, or the log cannot take it.
    pub fn commit(&self, overlay: &Overlay) -> Result<Commit, StateError> {
        if overlay.is_read_only() {
            return if overlay.reads() < 2 || self.holds(overlay)? {
                Ok(Commit::Done(0))
            } else {
                Ok(Commit::Conflict)
            };
        }
        let mut cells = self.cells.write().unwrap_or_else(PoisonError::into_inner);
        let Cells { stm, map } = &mut *cells;
        let (bytes, most) = (self.bytes.load(Ordering::Relaxed), self.most_bytes);
        // Who has a quota writes in one share only. Nobody else commits meanwhile.
        let mine = overlay.owner().map(|(share, most)| (share, most, self.bytes_of(share)));
        let outcome = stm.run(|tx| {
            if !overlay.holds(tx, map)? {
                return Ok((Commit::Conflict, bytes));
            }
            let mut total = bytes;
            for (key, value) in overlay.writes() {
                total = total.saturating_sub(map.get(tx, key)?.as_ref().map_or(0, |value| size(key, value)));
                total += value.as_ref().map_or(0, |value| size(key, value));
            }
            if total > most && total > bytes {
                return Ok((Commit::Full, bytes));
            }
            if let Some((_, most, mine)) = mine
                && total > bytes
                && (mine + (total - bytes)) > most
            {
                return Ok((Commit::Quota(most), bytes));
            }
            for (key, value) in overlay.writes() {
                match value {
                    Some(value) => map.set(tx, key.clone(), Arc::clone(value))?,
                    None => map.unset(tx, key)?,
                }
            }
            Ok((Commit::Done(0), total))
        });
        let outcome = outcome.map_err(|stopped| StateError::Memory(stopped.fatal.to_string()))?.committed();
        let (commit, total) = outcome.ok_or_else(|| StateError::Memory("a transaction was refused".into()))?;
        if commit != Commit::Done(0) {
            return Ok(commit);
        }
        self.bytes.store(total, Ordering::Relaxed);
        if let Some((share, _, mine)) = mine {
            let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
            shares.insert(share, (mine + total).saturating_sub(bytes));
        }
        // Under the same lock: the log has the order of the commits.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let number = log.append(overlay.writes());
        self.number.store(number, Ordering::Release);
        Ok(Commit::Done(number))
    }

    /// Whether all that it has read is still so.
    ///
    /// # Errors
    /// When the transactional memory refuses.
    pub fn holds(&self, overlay: &Overlay) -> Result<bool, StateError> {
        let cells = self.cells();
        let outcome = cells.stm.view(|tx| overlay.holds(tx, &cells.map));
        outcome
            .map_err(|fatal| StateError::Memory(fatal.to_string()))?
            .committed()
            .ok_or_else(|| StateError::Memory("a look at it was refused".into()))
    }

    /// How many commits there have been.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number.load(Ordering::Acquire)
    }

    /// Whether everything that anybody can have read by now is on the disk.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire) >= self.number()
    }

    /// Gives what has been committed to the operating system. Whoever is about to tell somebody of a commit calls this before.
    ///
    /// # Errors
    /// When the file cannot be written: nothing may be told then.
    pub fn write(&self) -> Result<(), StateError> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).write()
    }

    /// Gives it to the disk, too. Returns up to which commit.
    ///
    /// # Errors
    /// When the file cannot be written: the server must stop.
    pub fn sync(&self) -> Result<u64, StateError> {
        // Whoever commits meanwhile does not wait for the disk.
        let (number, file) = {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            log.write()?;
            (log.number(), log.file()?)
        };
        if let Some((file, name)) = file {
            file.sync_data().map_err(|error| StateError::File(name, error))?;
        }
        self.synced.fetch_max(number, Ordering::AcqRel);
        Ok(number)
    }

    /// Makes the log as short as what is in it, when it has become much longer. Nobody commits meanwhile.
    ///
    /// # Errors
    /// When files cannot be written.
    pub fn compact(&self, at_least: u64) -> Result<bool, StateError> {
        let cells = self.cells();
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if !log.is_wasteful(self.bytes(), at_least) {
            return Ok(false);
        }
        let all = cells.stm.view(|tx| cells.map.range(tx, ..));
        let all = all.map_err(|fatal| StateError::Memory(fatal.to_string()))?.committed().unwrap_or_default();
        log.replace(&all)?;
        Ok(true)
    }
}

fn share(key: &[u8]) -> Share {
    key.first_chunk().copied().unwrap_or_default()
}

fn size(key: &[u8], value: &Value) -> u64 {
    key.len() as u64 + value.len() as u64 + ENTRY
}

#[cfg(test)]
mod tests;
