//! A disk in memory that crashes on demand.
//!
//! It keeps two pictures: what a reader sees now, and what would be left if the power went. A crash keeps everything
//! synced, and of the rest any subset of 512-byte sectors and of changes of names, chosen by a seed. It can be frozen, too:
//! whoever asks anything of it waits then.

use crate::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

#[derive(Clone, Debug, Default)]
struct FileState {
    /// What a reader sees.
    now: Vec<u8>,
    /// What survives for certain.
    synced: Vec<u8>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Contents, by a number that a rename does not change.
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Operations left before the disk stops; counted over writes, syncs and changes of names.
    budget: Option<u64>,
    /// Operations so far.
    operations: u64,
    /// Reads so far.
    reads: u64,
    /// Nothing is answered for now.
    frozen: bool,
}

/// The disk. Clones are the same disk.
#[derive(Clone, Debug, Default)]
pub struct SimDisk(Arc<(Mutex<State>, Condvar)>);

struct SimFile {
    disk: SimDisk,
    file: usize,
}

/// A small generator (splitmix64), so that a seed gives one crash.
#[derive(Clone, Debug)]
pub struct Dice(pub u64);

impl Dice {
    /// The next number.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while state.frozen {
            state = self.0.1.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Lets everybody who asks anything from now on wait until [`SimDisk::thaw`].
    pub fn freeze(&self) {
        self.lock().frozen = true;
    }

    /// Ends it.
    pub fn thaw(&self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).frozen = false;
        self.0.1.notify_all();
    }

    /// Lets `operations` more changes succeed; all later ones fail, as do syncs.
    pub fn stop_after(&self, operations: u64) {
        self.lock().budget = Some(operations);
    }

    /// How many changes have been asked for.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }

    /// How many reads there have been.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// What is left after a power cut now, by the dice.
    #[must_use]
    pub fn crash(&self, dice: &mut Dice) -> Self {
        let mut state = self.lock().clone();
        for file in &mut state.files {
            let mut left = file.synced.clone();
            for at in (0..file.now.len()).step_by(SECTOR) {
                let end = file.now.len().min(at + SECTOR);
                let sector = &file.now[at..end];
                if left.get(at..end) != Some(sector) && dice.roll().is_multiple_of(2) {
                    if left.len() < end {
                        left.resize(end, 0);
                    }
                    left[at..end].copy_from_slice(sector);
                }
            }
            *file = FileState { now: left.clone(), synced: left };
        }
        // A directory is written as a whole by a journal: the change of names is there or not.
        if dice.roll().is_multiple_of(2) {
            state.synced_names = state.names.clone();
        }
        state.names = state.synced_names.clone();
        state.budget = None;
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Another disk with what is to be seen on this one now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut state = self.lock().clone();
        state.budget = None;
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// The bytes of a file, to be damaged by a test.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn bytes(&self, name: &str) -> io::Result<Vec<u8>> {
        let state = self.lock();
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(state.files[file].now.clone())
    }

    /// Puts a file there, as if it had always been.
    pub fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut state = self.lock();
        state.files.push(FileState { now: bytes.clone(), synced: bytes });
        let file = state.files.len() - 1;
        state.names.insert(name.to_string(), file);
        state.synced_names.insert(name.to_string(), file);
    }
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.budget {
            Some(0) => Err(io::Error::other("the simulated disk has stopped")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.lock().files[self.file].now.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.reads += 1;
        let offset = offset as usize;
        let bytes = state.files[self.file].now.get(offset..offset + buf.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.lock();
        let stopped = state.change();
        // A write that fails may have written anything; here it writes everything, not synced.
        let (now, offset) = (&mut state.files[self.file].now, offset as usize);
        if now.len() < offset + bytes.len() {
            now.resize(offset + bytes.len(), 0);
        }
        now[offset..offset + bytes.len()].copy_from_slice(bytes);
        stopped
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.change()?;
        let file = &mut state.files[self.file];
        file.synced = file.now.clone();
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = *self.lock().names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.lock();
        state.change()?;
        state.files.push(FileState::default());
        let file = state.files.len() - 1;
        state.names.insert(name.to_string(), file);
        Ok(Arc::new(SimFile { disk: self.clone(), file }))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        let file = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_string(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.names.remove(name).map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_dir(&self) -> io::Result<()> {
        let mut state = self.lock();
        state.change()?;
        state.synced_names = state.names.clone();
        Ok(())
    }

    fn place(&self) -> String {
        "the simulated disk".to_string()
    }
}
