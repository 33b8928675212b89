//! What is asked of a disk: a directory of flat files, five verbs on a file, five on the directory.
//!
//! The promises that recovery relies on, no more: bytes written before a successful [`DiskFile::sync`] are read back
//! after a crash; names are durable after [`Disk::sync_dir`]; anything not synced may be there, in part, or not at all,
//! in units of 512 bytes that are old or new as a whole. A failed sync means that nothing is known about what was written since the
//! last one, and that asking again proves nothing: the file's owner must give up.

use std::io;
use std::sync::Arc;

/// An open file.
pub trait DiskFile: Send + Sync + 'static {
    /// Its length in bytes.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether it has no bytes.
    ///
    /// # Errors
    /// As the system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills `buf` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`, extending the file if needed.
    ///
    /// # Errors
    /// As the system says; how much has been written is then unknown.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes what was written durable, and the length if it grew (`fdatasync`).
    ///
    /// # Errors
    /// As the system says; never to be tried again.
    fn sync(&self) -> io::Result<()>;
}

/// A directory of flat files.
pub trait Disk: Send + Sync + 'static {
    /// Opens a file for reading, and for writing unless the disk is read-only.
    ///
    /// # Errors
    /// `NotFound`, or as the system says. Symbolic links are not followed.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes an empty file, replacing one of that name.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// The names of all files, in any order.
    ///
    /// # Errors
    /// As the system says.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Gives a file another name, replacing one that has it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a name.
    ///
    /// # Errors
    /// As the system says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes names durable.
    ///
    /// # Errors
    /// As the system says; never to be tried again.
    fn sync_dir(&self) -> io::Result<()>;

    /// Where this is, for messages.
    fn place(&self) -> String;
}
