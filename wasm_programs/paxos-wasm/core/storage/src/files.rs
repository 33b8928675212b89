//! The directory that a storage lives in: a few verbs, and what each promises.

use std::fmt;
use std::ops::DerefMut;

/// What went wrong, with which file, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageError {
    /// What was tried.
    pub tried: String,
    /// The file's name.
    pub file: String,
    /// The byte at which something is wrong, if it is about contents.
    pub offset: Option<u64>,
    /// The reason.
    pub reason: String,
    /// The way out.
    pub cure: &'static str,
}

impl StorageError {
    /// An error of the directory: what was tried with which file, and the system's reason.
    pub fn io(tried: &str, file: &str, reason: impl fmt::Display) -> Self {
        let reason = reason.to_string();
        let full = reason.contains("No space") || reason.contains("storage full") || reason.contains("insufficient");
        let cure = if full {
            "the disk is full: make room and start the node again; nothing that was acknowledged is lost"
        } else {
            "check the disk and the rights of the data directory, then start the node again"
        };
        StorageError { tried: tried.into(), file: file.into(), offset: None, reason, cure }
    }

    /// Contents that are wrong.
    pub fn damaged(file: &str, offset: u64, reason: impl Into<String>) -> Self {
        StorageError {
            tried: "read".into(),
            file: file.into(),
            offset: Some(offset),
            reason: reason.into(),
            cure: "this node's disk has lost what was durable, so it must not take part: the others go on without it; put back this data \
                   directory undamaged, not an older copy of it",
        }
    }
}

impl StorageError {
    /// The same error with the file's place in front of its name.
    pub(crate) fn within(mut self, place: &str) -> Self {
        if !place.is_empty() && !self.file.starts_with(place) {
            self.file = format!("{place}/{}", self.file);
        }
        self
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.tried, self.file)?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}; {}", self.reason, self.cure)
    }
}

impl std::error::Error for StorageError {}

/// A directory of plain files.
pub trait Files {
    /// Where it is, for people who read errors. Nothing if it is nowhere.
    fn place(&self) -> String {
        String::new()
    }

    /// The names of all files, in no particular order.
    fn list(&mut self) -> Result<Vec<String>, StorageError>;

    /// A file's whole contents.
    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError>;

    /// Appends to a file, which is created if it is not there. Not durable yet; after a crash any part of it may be there or not.
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError>;

    /// Makes a file's contents durable.
    fn sync(&mut self, name: &str) -> Result<(), StorageError>;

    /// Makes creations, renamings and removals durable.
    fn sync_dir(&mut self) -> Result<(), StorageError>;

    /// Renames a file, replacing another of that name.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError>;

    /// Removes a file.
    fn remove(&mut self, name: &str) -> Result<(), StorageError>;

    /// Cuts a file to `len` bytes.
    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError>;
}

/// A directory that is reached through something: one that somebody else keeps, or whose kind is chosen when it is opened.
impl<P: DerefMut<Target: Files>> Files for P {
    fn place(&self) -> String {
        (**self).place()
    }
    fn list(&mut self) -> Result<Vec<String>, StorageError> {
        (**self).list()
    }
    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError> {
        (**self).read(name)
    }
    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        (**self).append(name, bytes)
    }
    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        (**self).sync(name)
    }
    fn sync_dir(&mut self) -> Result<(), StorageError> {
        (**self).sync_dir()
    }
    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        (**self).rename(from, to)
    }
    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        (**self).remove(name)
    }
    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        (**self).truncate(name, len)
    }
}
