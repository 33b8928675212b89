//! A disk in memory that crashes on demand.
//!
//! It keeps two pictures: what a reader sees now, and what would be left if the power went. A crash keeps everything
//! synced, and of the rest any subset of 512-byte sectors and of changes of names, chosen by a seed. It can be frozen, too:
//! whoever asks anything of it waits then.
//!
//! It can also fail: all changes from some moment on, or one sync, after which what was written counts as clean and is never
//! written again, as systems do it. And what lies on it can be altered, as if it had rotten.

use crate::disk::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

const SECTOR: usize = 512;

/// What a disk that fails says.
pub const REFUSED: &str = "the simulated disk has failed";

#[derive(Clone, Debug, Default)]
struct FileState {
    /// What a reader sees.
    now: Vec<u8>,
    /// What survives for certain.
    synced: Vec<u8>,
    /// Where the two may differ and a sync would make them equal: from, to.
    dirty: Vec<(usize, usize)>,
}

impl FileState {
    fn write(&mut self, bytes: &[u8], offset: usize) {
        let end = offset + bytes.len();
        if self.now.len() < end {
            // What a longer file begins with is zero, and has to be written as anything else has.
            let from = self.now.len().min(offset);
            self.now.resize(end, 0);
            self.touch(from, end);
        } else {
            self.touch(offset, end);
        }
        self.now[offset..end].copy_from_slice(bytes);
    }

    fn touch(&mut self, from: usize, to: usize) {
        match self.dirty.last_mut() {
            Some((first, last)) if from <= *last && to >= *first => {
                (*first, *last) = ((*first).min(from), (*last).max(to))
            }
            _ => self.dirty.push((from, to)),
        }
    }

    fn sync(&mut self) {
        if self.synced.len() < self.now.len() {
            self.synced.resize(self.now.len(), 0);
        }
        for (from, to) in self.dirty.drain(..) {
            self.synced[from..to].copy_from_slice(&self.now[from..to]);
        }
    }

    /// What is left after a power cut.
    fn crash(&mut self, dice: &mut Dice) {
        let mut sectors: Vec<usize> =
            self.dirty.iter().flat_map(|(from, to)| from / SECTOR..to.div_ceil(SECTOR)).collect();
        sectors.sort_unstable();
        sectors.dedup();
        let mut left = std::mem::take(&mut self.synced);
        for at in sectors.into_iter().map(|sector| sector * SECTOR) {
            let end = self.now.len().min(at + SECTOR);
            let sector = &self.now[at..end];
            if left.get(at..end) != Some(sector) && dice.roll().is_multiple_of(2) {
                if left.len() < end {
                    left.resize(end, 0);
                }
                left[at..end].copy_from_slice(sector);
            }
        }
        *self = Self { now: left.clone(), synced: left, dirty: Vec::new() };
    }
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Contents, by a number that a rename does not change.
    files: Vec<FileState>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    /// Operations left before the disk stops; counted over writes, syncs and changes of names.
    budget: Option<u64>,
    /// Syncs of files left before one fails.
    fails_sync: Option<u64>,
    /// Changes and syncs that were refused.
    refused: u64,
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

    /// Lets `syncs` more syncs of files succeed; then one fails, and what it was to make durable never is.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.lock().fails_sync = Some(syncs);
    }

    /// How many changes and syncs were refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.lock().refused
    }

    /// Whether a failure is bound to come.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        let state = self.lock();
        state.budget.is_some() || state.fails_sync.is_some()
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
            file.crash(dice);
        }
        // A directory is written as a whole by a journal: the change of names is there or not.
        if dice.roll().is_multiple_of(2) {
            state.synced_names = state.names.clone();
        }
        state.names = state.synced_names.clone();
        (state.budget, state.fails_sync, state.refused) = (None, None, 0);
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Another disk with what is to be seen on this one now.
    #[must_use]
    pub fn copy(&self) -> Self {
        let mut state = self.lock().clone();
        (state.budget, state.fails_sync, state.refused) = (None, None, 0);
        Self(Arc::new((Mutex::new(state), Condvar::new())))
    }

    /// Another disk with what survives a power cut for certain.
    #[must_use]
    pub fn synced(&self) -> Self {
        let copy = self.copy();
        {
            let mut state = copy.lock();
            state.names = state.synced_names.clone();
            for file in &mut state.files {
                *file =
                    FileState { now: file.synced.clone(), synced: std::mem::take(&mut file.synced), dirty: Vec::new() };
            }
        }
        copy
    }

    /// A look at what of a file survives a power cut for certain; `None`: not even its name.
    pub fn durable<T>(&self, name: &str, look: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let state = self.lock();
        state.synced_names.get(name).map(|file| look(&state.files[*file].synced))
    }

    /// Names that survive a power cut for certain.
    #[must_use]
    pub fn durable_names(&self) -> Vec<String> {
        self.lock().synced_names.keys().cloned().collect()
    }

    /// Alters a file where it lies: what is read is altered too. Answers whether there is one.
    pub fn alter(&self, name: &str, change: impl Fn(&mut [u8])) -> bool {
        let mut state = self.lock();
        let Some(file) = state.names.get(name).copied() else { return false };
        let file = &mut state.files[file];
        change(&mut file.now);
        change(&mut file.synced);
        true
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
        state.files.push(FileState { now: bytes.clone(), synced: bytes, dirty: Vec::new() });
        let file = state.files.len() - 1;
        state.names.insert(name.to_string(), file);
        state.synced_names.insert(name.to_string(), file);
    }
}

impl State {
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        match &mut self.budget {
            Some(0) => {
                self.refused += 1;
                Err(io::Error::other(REFUSED))
            }
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
        state.files[self.file].write(bytes, offset as usize);
        stopped
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.lock();
        state.change()?;
        match &mut state.fails_sync {
            Some(0) => {
                state.fails_sync = None;
                state.refused += 1;
                state.files[self.file].dirty.clear();
                return Err(io::Error::other(REFUSED));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        state.files[self.file].sync();
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
