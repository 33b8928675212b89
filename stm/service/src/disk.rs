//! The folder as the log sees it: a handful of verbs, each with what it promises.
//!
//! Everything above is written against these verbs, so that tests can run it on a disk that loses power.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A flat folder of files.
pub trait Disk: Send {
    /// The names in it, in any order.
    ///
    /// # Errors
    /// What the system says; the same holds for all other verbs.
    fn list(&self) -> io::Result<Vec<String>>;
    /// A whole file.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;
    /// Makes or replaces a file. On return its bytes are durable, its name is not.
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
    /// Writes into a file at `at`. Nothing is durable before [`Disk::sync`].
    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// On return everything written to the file is durable.
    fn sync(&mut self, name: &str) -> io::Result<()>;
    /// Cuts a file. Durable on return.
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()>;
    /// Gives a file another name, replacing what had it, as one step. Durable after [`Disk::sync_names`].
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file. Durable after [`Disk::sync_names`].
    fn remove(&mut self, name: &str) -> io::Result<()>;
    /// On return all names are durable as they are.
    fn sync_names(&mut self) -> io::Result<()>;
}

/// Held by the server that uses the folder.
const LOCK: &str = "lock";

/// A folder of the file system, for one process at a time.
pub struct Folder {
    path: PathBuf,
    /// The file that was written last stays open: appending names it again and again.
    open: Option<(String, File)>,
    /// Released by the system when the process ends, however it ends.
    _lock: Option<File>,
}

impl Folder {
    /// Opens a folder for this process alone; makes it if it is missing.
    ///
    /// # Errors
    /// `WouldBlock` if another process has it; else what the system says.
    pub fn open(path: &Path) -> io::Result<Folder> {
        std::fs::create_dir_all(path)?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(path.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Folder { path: path.into(), open: None, _lock: Some(lock) }),
            Err(std::fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(std::fs::TryLockError::Error(why)) => Err(why),
        }
    }

    /// A folder to be looked at only.
    #[must_use]
    pub fn look(path: &Path) -> Folder {
        Folder { path: path.into(), open: None, _lock: None }
    }

    fn file(&mut self, name: &str) -> io::Result<&File> {
        if self.open.as_ref().is_none_or(|(open, _)| open != name) {
            let path = self.path.join(name);
            let file = patiently(|| OpenOptions::new().read(true).write(true).open(&path))?;
            self.open = Some((name.to_string(), file));
        }
        match &self.open {
            Some((_, file)) => Ok(file),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

/// Opens a file. [`crate::accept`] leaves descriptors free for it, but for the moment in which it counts them.
fn patiently(open: impl Fn() -> io::Result<File>) -> io::Result<File> {
    /// EMFILE and ENFILE on Linux; the standard library has no kind for them.
    const NO_DESCRIPTOR: [Option<i32>; 2] = [Some(24), Some(23)];
    let mut tries = 0;
    loop {
        match open() {
            Err(why) if tries < 1000 && NO_DESCRIPTOR.contains(&why.raw_os_error()) => tries += 1,
            done => return done,
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

impl Disk for Folder {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.path)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name != LOCK && name != "lost+found" {
                names.push(name);
            }
        }
        Ok(names)
    }
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        std::fs::read(self.path.join(name))
    }
    fn create(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let path = self.path.join(name);
        let mut file = patiently(|| File::create(&path))?;
        file.write_all(bytes)?;
        file.sync_all()
    }
    fn write(&mut self, name: &str, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(name)?.write_all_at(bytes, at)
    }
    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.file(name)?.sync_data()
    }
    fn truncate(&mut self, name: &str, len: u64) -> io::Result<()> {
        let file = self.file(name)?;
        file.set_len(len)?;
        file.sync_all()
    }
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.open = None;
        std::fs::rename(self.path.join(from), self.path.join(to))
    }
    fn remove(&mut self, name: &str) -> io::Result<()> {
        self.open = None;
        std::fs::remove_file(self.path.join(name))
    }
    fn sync_names(&mut self) -> io::Result<()> {
        patiently(|| File::open(&self.path))?.sync_all()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod failing;
