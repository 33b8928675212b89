//! A directory that ends with its process, for `durability: memory`: what is written to segments is gone at once, since nobody will
//! ever read it; the rest is kept.

use std::collections::BTreeMap;

use paxos_storage::{Files, StorageError};

/// Files in memory.
#[derive(Debug, Default)]
pub struct Volatile {
    files: BTreeMap<String, Vec<u8>>,
}

impl Volatile {
    fn file(&mut self, name: &str) -> Result<&mut Vec<u8>, StorageError> {
        self.files.get_mut(name).ok_or_else(|| StorageError::io("open", name, "there is no such file in memory"))
    }
}

impl Files for Volatile {
    fn list(&mut self) -> Result<Vec<String>, StorageError> {
        Ok(self.files.keys().cloned().collect())
    }
    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError> {
        self.file(name).cloned()
    }
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let file = self.files.entry(name.to_string()).or_default();
        // A segment's head is written under another name, and read again; records are not.
        if !name.starts_with("segment-") || name.ends_with(".tmp") {
            file.extend_from_slice(bytes);
        }
        Ok(())
    }
    fn sync(&mut self, _: &str) -> Result<(), StorageError> {
        Ok(())
    }
    fn sync_dir(&mut self) -> Result<(), StorageError> {
        Ok(())
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        let file = std::mem::take(self.file(from)?);
        self.files.remove(from);
        self.files.insert(to.to_string(), file);
        Ok(())
    }
    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        self.files.remove(name);
        Ok(())
    }
    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        self.file(name)?.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }
}
