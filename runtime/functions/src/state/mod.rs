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
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};

/// A value, shared by whoever has read it.
pub type Value = Arc<[u8]>;
/// Which keys belong together: a function's, or those of a namespace that functions share.
pub type Namespace = [u8; 16];

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

/// The committed state of all functions.
pub struct State {
    cells: RwLock<Cells>,
    log: Mutex<Log>,
    /// Bytes of keys and values.
    bytes: AtomicU64,
    most_bytes: u64,
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
}

impl State {
    /// Opens the state in a directory, or one that is nowhere. Returns what had to be left out of a damaged one, too.
    ///
    /// # Errors
    /// When files cannot be read or written.
    pub fn open(directory: Option<&Path>, most_bytes: u64) -> Result<(Self, Vec<String>), StateError> {
        let (log, entries, warnings) = Log::open(directory)?;
        let bytes = entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum();
        let memory = |error: &dyn std::fmt::Display| StateError::Memory(error.to_string());
        let mut stm = Stm::builder().sequential().build().map_err(|error| memory(&error))?;
        let map = stm.map_from(entries);
        let cells = RwLock::new(Cells { stm, map });
        Ok((Self { cells, log: Mutex::new(log), bytes: AtomicU64::new(bytes), most_bytes }, warnings))
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
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

    /// The committed keys that begin with `prefix`, with their values.
    ///
    /// # Errors
    /// When the transactional memory refuses.
    pub fn list(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, Value)>, StateError> {
        let cells = self.cells();
        let outcome = cells.stm.view(|tx| cells.map.range(tx, overlay::range_of(prefix)));
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
        let outcome = stm.run(|tx| {
            if !overlay.holds(tx, map)? {
                return Ok((Commit::Conflict, bytes));
            }
            let mut total = bytes;
            for (key, value) in overlay.writes() {
                let size = |value: &Value| (key.len() + value.len()) as u64;
                total = total.saturating_sub(map.get(tx, key)?.as_ref().map_or(0, size));
                total += value.as_ref().map_or(0, size);
            }
            if total > most && total > bytes {
                return Ok((Commit::Full, bytes));
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
        // Under the same lock: the log has the order of the commits.
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Commit::Done(log.append(overlay.writes())))
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
        self.log.lock().unwrap_or_else(PoisonError::into_inner).number()
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

#[cfg(test)]
mod tests;
