//! The five verbs over `redb`.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::{Builder, Database, Durability, ReadableDatabase, StorageBackend, TableDefinition};
use replicode_contracts::kv::{Batch, KeyValue, KvError, Record};

const TABLE: TableDefinition<&[u8], &[u8]> = TableDefinition::new("contracts");

/// A key-value store in one file.
///
/// What is written is there at once and survives a crash after the next [`sync`](KeyValue::sync). The library checks its own
/// pages when a file is opened; should it panic on a damaged one later, that is an error of the verb, and of all after it.
pub struct RedbStore {
    db: Database,
    /// A verb has panicked: nothing is believed any more.
    broken: AtomicBool,
}

impl RedbStore {
    /// Opens or makes the file, with at most `cache` bytes of it in memory. A file that is not in order is refused.
    pub fn open(path: &Path, cache: usize) -> Result<RedbStore, KvError> {
        RedbStore::with("open", |builder| builder.set_cache_size(cache).create(path))
    }

    /// The same on something that behaves like a file.
    pub fn on(backend: impl StorageBackend, cache: usize) -> Result<RedbStore, KvError> {
        RedbStore::with("open", |builder| builder.set_cache_size(cache).create_with_backend(backend))
    }

    fn with(
        verb: &'static str,
        open: impl FnOnce(&mut Builder) -> Result<Database, redb::DatabaseError>,
    ) -> Result<RedbStore, KvError> {
        let broken = AtomicBool::new(false);
        let db = guarded(verb, &broken, || {
            let mut builder = Builder::new();
            builder.set_check_integrity_on_open(true);
            let db = open(&mut builder).map_err(|error| failed(verb, error))?;
            let write = db.begin_write().map_err(|error| failed(verb, error))?;
            write.open_table(TABLE).map_err(|error| failed(verb, error))?;
            write.commit().map_err(|error| failed(verb, error))?;
            Ok(db)
        })?;
        Ok(RedbStore { db, broken })
    }
}

fn failed(verb: &'static str, error: impl Display) -> KvError {
    KvError { verb, reason: error.to_string() }
}

/// Runs a verb; a panic of the library below is its error, and the last that is asked of it.
fn guarded<T>(verb: &'static str, broken: &AtomicBool, act: impl FnOnce() -> Result<T, KvError>) -> Result<T, KvError> {
    if broken.load(Ordering::Relaxed) {
        return Err(failed(verb, "it was found damaged before"));
    }
    catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        broken.store(true, Ordering::Relaxed);
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref().copied());
        Err(failed(verb, format_args!("its file is damaged ({})", said.unwrap_or("the library gave up"))))
    })
}

impl KeyValue for RedbStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        guarded("read", &self.broken, || {
            let read = self.db.begin_read().map_err(|error| failed("read", error))?;
            let table = read.open_table(TABLE).map_err(|error| failed("read", error))?;
            let value = table.get(key).map_err(|error| failed("read", error))?;
            Ok(value.map(|value| value.value().to_vec()))
        })
    }

    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        guarded("read", &self.broken, || {
            let read = self.db.begin_read().map_err(|error| failed("read", error))?;
            let table = read.open_table(TABLE).map_err(|error| failed("read", error))?;
            let range = table.range(from..).map_err(|error| failed("read", error))?;
            let mut out = Vec::new();
            for entry in range.take(limit) {
                let (key, value) = entry.map_err(|error| failed("read", error))?;
                out.push((key.value().to_vec(), value.value().to_vec()));
            }
            Ok(out)
        })
    }

    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        guarded("write", &self.broken, || {
            let mut write = self.db.begin_write().map_err(|error| failed("write", error))?;
            write.set_durability(Durability::None).map_err(|error| failed("write", error))?;
            {
                let mut table = write.open_table(TABLE).map_err(|error| failed("write", error))?;
                for (key, value) in batch {
                    match value {
                        Some(value) => table.insert(key.as_slice(), value.as_slice()).map(drop),
                        None => table.remove(key.as_slice()).map(drop),
                    }
                    .map_err(|error| failed("write", error))?;
                }
            }
            write.commit().map_err(|error| failed("write", error))
        })
    }

    fn sync(&mut self) -> Result<(), KvError> {
        guarded("sync", &self.broken, || {
            let mut write = self.db.begin_write().map_err(|error| failed("sync", error))?;
            write.set_durability(Durability::Immediate).map_err(|error| failed("sync", error))?;
            write.commit().map_err(|error| failed("sync", error))
        })
    }

    fn bytes(&self) -> Result<u64, KvError> {
        let mut from = Vec::new();
        let mut sum = 0;
        loop {
            let some = self.scan(&from, 1024)?;
            sum += some.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
            let Some((last, _)) = some.last() else { return Ok(sum) };
            from = [last.as_slice(), &[0]].concat();
        }
    }
}
