//! A directory in memory that forgets at a crash what was not synced, as unkindly as a real one may.

use crate::files::{Files, StorageError};
use crate::format::{FRAME_HEAD, SEGMENT_HEAD};
use std::collections::BTreeMap;

/// A file: what is durable, and what was written since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct File {
    durable: Vec<u8>,
    /// Contents as they are read now.
    now: Vec<u8>,
}

/// The directory. Verbs are counted, and from the one with number `fail_at` on all of them fail: a crash at that point.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    files: BTreeMap<String, File>,
    /// The directory as it is on the disk: names and the files (by number) they stand for.
    durable_names: BTreeMap<String, String>,
    verbs: u64,
    /// The verb at which the crash comes.
    fail_at: Option<u64>,
    /// The bytes of the verb at which the crash comes that are still written.
    torn: usize,
    /// The directory as it is seen now.
    names: BTreeMap<String, String>,
    created: u64,
}

/// How a crash treats what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// Nothing is lost: the process died and the system lives.
    Nothing,
    /// Everything that was not synced is lost.
    Everything,
    /// Of every file's unsynced end some is kept, some is lost, some is rubbish, as this number says.
    Some(u64),
}

impl Memory {
    /// An empty directory in which the verb with number `fail_at` and all later ones fail; of the bytes of that one, `torn` are written.
    pub fn failing(fail_at: u64, torn: usize) -> Memory {
        Memory { fail_at: Some(fail_at), torn, ..Memory::default() }
    }

    /// How many verbs that change something were called.
    pub fn verbs(&self) -> u64 {
        self.verbs
    }

    /// The power fails, and comes back.
    pub fn crash(&mut self, loss: Loss) {
        self.fail_at = None;
        self.torn = 0;
        match loss {
            Loss::Nothing => {}
            Loss::Everything => {
                self.names = self.durable_names.clone();
                for file in self.files.values_mut() {
                    file.now = file.durable.clone();
                }
            }
            Loss::Some(mut random) => {
                let mut next = || {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    random >> 33
                };
                if next() % 2 == 0 {
                    self.names = self.durable_names.clone();
                }
                for file in self.files.values_mut() {
                    if file.now.len() < file.durable.len() || !file.now.starts_with(&file.durable) {
                        // A cut that was not synced: either of the two.
                        if next() % 2 == 0 {
                            file.now = file.durable.clone();
                        }
                        continue;
                    }
                    let unsynced = file.now.len() - file.durable.len();
                    let keep = (next() as usize) % (unsynced + 1);
                    let rubbish = next() % 3;
                    for byte in &mut file.now[file.durable.len() + keep..] {
                        match rubbish {
                            0 => *byte = 0,
                            1 => *byte ^= (next() as u8) | 1,
                            _ => {}
                        }
                    }
                    if rubbish == 2 {
                        file.now.truncate(file.durable.len() + keep);
                    } else if next() % 2 == 0 {
                        // The end may have arrived and the middle not.
                        let cut = (next() as usize) % (unsynced + 1);
                        file.now.truncate(file.durable.len() + cut.max(keep));
                    }
                }
            }
        }
        self.durable_names = self.names.clone();
        for file in self.files.values_mut() {
            file.durable = file.now.clone();
        }
    }

    /// Changes one byte of a file, as a failing disk does.
    pub fn flip(&mut self, name: &str, at: usize, mask: u8) {
        if let Some(file) = self.names.get(name).and_then(|id| self.files.get_mut(id))
            && let Some(byte) = file.now.get_mut(at)
        {
            *byte ^= mask;
            file.durable = file.now.clone();
        }
    }

    /// Flips a bit among the last records of a log that ends with a frame without one. Which bit, `random` says. `false`: the last segment
    /// has no record.
    pub fn flip_near_the_end(&mut self, random: u64) -> bool {
        let last = self.names.keys().filter(|name| name.starts_with("segment-")).max().cloned();
        let Some((name, len)) = last.and_then(|name| self.len_of(&name).map(|len| (name, len))) else { return false };
        let records = len.saturating_sub(SEGMENT_HEAD + FRAME_HEAD);
        if records == 0 {
            return false;
        }
        let back = (random >> 8) as usize % records.min(100);
        self.flip(&name, SEGMENT_HEAD + records - 1 - back, 1 << (random % 8));
        true
    }

    /// The length of a file.
    pub fn len_of(&self, name: &str) -> Option<usize> {
        self.names.get(name).and_then(|id| self.files.get(id)).map(|f| f.now.len())
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        *self = Memory::default();
    }

    /// Counts a verb; says whether the crash comes here.
    fn verb(&mut self) -> bool {
        self.verbs += 1;
        self.fail_at.is_some_and(|at| self.verbs >= at)
    }

    fn crashed(&self, tried: &str, name: &str) -> StorageError {
        StorageError::io(tried, name, "the power failed")
    }

    fn file(&mut self, tried: &str, name: &str) -> Result<&mut File, StorageError> {
        let missing = || StorageError::io(tried, name, "no such file");
        let id = self.names.get(name).ok_or_else(missing)?;
        self.files.get_mut(id).ok_or_else(missing)
    }
}

impl Files for Memory {
    fn list(&mut self) -> Result<Vec<String>, StorageError> {
        Ok(self.names.keys().cloned().collect())
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError> {
        self.file("read", name).map(|f| f.now.clone())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let failing = self.verb();
        let last = failing && self.fail_at == Some(self.verbs);
        if failing && !last {
            return Err(self.crashed("write to", name));
        }
        if !self.names.contains_key(name) {
            self.created += 1;
            let id = format!("{}", self.created);
            self.names.insert(name.to_string(), id.clone());
            self.files.insert(id, File::default());
        }
        let torn = self.torn;
        let file = self.file("write to", name)?;
        if failing {
            file.now.extend_from_slice(&bytes[..torn.min(bytes.len())]);
            return Err(self.crashed("write to", name));
        }
        file.now.extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        if self.verb() {
            return Err(self.crashed("sync", name));
        }
        let file = self.file("sync", name)?;
        if file.now.starts_with(&file.durable) {
            let old = file.durable.len();
            file.durable.extend_from_slice(&file.now[old..]);
        } else {
            file.durable = file.now.clone();
        }
        Ok(())
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        if self.verb() {
            return Err(self.crashed("sync", "the directory"));
        }
        self.durable_names = self.names.clone();
        let used: Vec<&String> = self.durable_names.values().collect();
        self.files.retain(|id, _| used.contains(&id));
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        if self.verb() {
            return Err(self.crashed("rename", from));
        }
        self.file("rename", from)?;
        if let Some(id) = self.names.remove(from) {
            self.names.insert(to.to_string(), id);
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        if self.verb() {
            return Err(self.crashed("remove", name));
        }
        self.file("remove", name)?;
        self.names.remove(name);
        Ok(())
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        if self.verb() {
            return Err(self.crashed("cut", name));
        }
        self.file("cut", name)?.now.truncate(len as usize);
        Ok(())
    }
}
