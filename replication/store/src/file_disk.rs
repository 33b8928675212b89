//! The real disk: a directory that only one process may write. The one module of the crate that touches real files.

#![allow(clippy::disallowed_types, clippy::disallowed_methods, reason = "this is where files are opened")]

use crate::LogError;
use crate::disk::{Disk, DiskFile};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const LOCK: &str = "lock";

/// A directory of the host's file system. Writable ones hold a lock as long as they live.
#[derive(Debug)]
pub struct FileDisk {
    dir: PathBuf,
    writable: bool,
    /// Held, not read: the lock goes with the file.
    _lock: Option<File>,
}

impl FileDisk {
    /// Opens a directory for writing, and takes its lock. Makes it first (mode 0700) when `make` is set; the one that holds it is
    /// somebody else's affair, who may just be taking it away.
    ///
    /// # Errors
    /// [`LogError::Busy`] when another process has the lock; [`LogError::NoLog`] when there is no directory.
    pub fn open(dir: &Path, make: bool) -> Result<Self, LogError> {
        let place = dir.display();
        if make {
            make_in_parent(dir).map_err(|why| LogError::io(format!("make the directory {place}"), why))?;
        }
        if !dir.is_dir() {
            return Err(LogError::NoLog(place.to_string()));
        }
        let mut how = OpenOptions::new();
        how.create(true).truncate(false).write(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        let lock = how.open(dir.join(LOCK)).map_err(|why| LogError::io(format!("open {place}/{LOCK}"), why))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_path_buf(), writable: true, _lock: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(LogError::Busy(place.to_string())),
            Err(TryLockError::Error(why)) => Err(LogError::io(format!("lock {place}/{LOCK}"), why)),
        }
    }

    /// Opens a directory for reading. Takes no lock and changes nothing.
    ///
    /// # Errors
    /// [`LogError::NoLog`] when there is no directory.
    pub fn open_read_only(dir: &Path) -> Result<Self, LogError> {
        if !dir.is_dir() {
            return Err(LogError::NoLog(dir.display().to_string()));
        }
        Ok(Self { dir: dir.to_path_buf(), writable: false, _lock: None })
    }

    fn for_writing(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::ReadOnlyFilesystem.into()) }
    }
}

/// Makes a directory (mode 0700) and those above it, each of them durable: its name is, once the directory that holds it
/// has been synced. The last one is synced there even if it exists: whoever made it may not have come so far. An existing
/// one's mode is left as it is.
///
/// # Errors
/// When the system refuses.
pub fn make_private_dir(dir: &Path) -> io::Result<()> {
    let parent = parent(dir);
    if !dir.is_dir() && !parent.is_dir() {
        make_private_dir(parent)?;
    }
    make_in_parent(dir)
}

fn parent(dir: &Path) -> &Path {
    match dir.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn make_in_parent(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        match DirBuilder::new().mode(0o700).create(dir) {
            // Somebody else makes it at the same time.
            Err(why) if why.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            made => made?,
        }
    }
    match File::open(parent(dir)) {
        Ok(parent) => parent.sync_all(),
        // It may be passed through but not looked into, so it cannot be synced from here either.
        Err(why) if why.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        Err(why) => Err(why),
    }
}

struct OsFile(File);

impl DiskFile for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Disk for FileDisk {
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut how = OpenOptions::new();
        how.read(true).write(self.writable).custom_flags(nix::libc::O_NOFOLLOW);
        let file = how.open(self.dir.join(name))?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        Ok(Arc::new(OsFile(file)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.for_writing()?;
        let mut how = OpenOptions::new();
        how.read(true).write(true).create(true).truncate(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW);
        Ok(Arc::new(OsFile(how.open(self.dir.join(name))?)))
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.for_writing()?;
        std::fs::rename(self.dir.join(from), self.dir.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.for_writing()?;
        std::fs::remove_file(self.dir.join(name))
    }

    fn sync_dir(&self) -> io::Result<()> {
        File::open(&self.dir)?.sync_all()
    }

    fn place(&self) -> String {
        self.dir.display().to_string()
    }
}
