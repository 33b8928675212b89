//! The first state: the file image of the cluster, under the limits that guests have.

use super::Fs;
use super::content::Content;
use super::dir::Directory;
use super::inode::{Body, Ino};
use crate::abi::errno::Errno;
use replicode_log::{FsEntry, FsImage, FsNode, LogicalTime};

/// An entry of the file image that cannot be placed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "file image: cannot place '/{}' ({}): {errno}; raise the file limits of the cluster or leave it out",
    path.escape_ascii(),
    what(.errno)
)]
pub struct ImageError {
    /// Path of the entry below the root.
    pub path: Vec<u8>,
    /// What a guest that tried to make it would be told.
    pub errno: Errno,
}

fn what(errno: &Errno) -> &'static str {
    match errno {
        Errno::NoSpc => "the limits 'file_bytes' or 'inodes' are used up",
        Errno::FBig => "it is larger than the limit 'file_size'",
        Errno::NameTooLong => "a name has more than 255 bytes, or the limits 'path_bytes' or 'path_depth' are passed",
        Errno::NotDir => "what should hold it is no directory",
        Errno::Exist => "there is something already",
        Errno::MFile => "it is one preopened directory more than the limit 'descriptors' allows",
        _ => "the path is not a plain one below the root",
    }
}

impl Fs {
    /// Places all entries. Directories that the image does not mention are made on the way, writable.
    pub(super) fn load(&mut self, image: &FsImage) -> Result<(), ImageError> {
        for entry in &image.entries {
            self.load_entry(entry).map_err(|errno| ImageError { path: entry.path.clone(), errno })?;
        }
        // Only now, so that the order of the entries does not matter.
        for entry in image.entries.iter().filter(|entry| entry.read_only) {
            self.protect(&entry.path).map_err(|errno| ImageError { path: entry.path.clone(), errno })?;
        }
        Ok(())
    }

    fn load_entry(&mut self, entry: &FsEntry) -> Result<(), Errno> {
        // The empty path means the root, which is there.
        if entry.path.is_empty() && entry.node == FsNode::Directory {
            return Ok(());
        }
        self.check_path(&entry.path)?;
        let mut components = entry.path.split(|byte| *byte == b'/');
        let Some(name) = components.next_back() else { return Err(Errno::Inval) };
        let mut dir = self.root;
        for component in components {
            dir = match self.find_plain(dir, component)? {
                Some(found) => found,
                None => self.place(dir, component, Body::Directory(Directory::new(Some(dir))))?,
            };
        }
        match (&entry.node, self.find_plain(dir, name)?) {
            (FsNode::Directory, Some(found)) => self.table.get(found)?.directory().map(|_| ()),
            (_, Some(_)) => Err(Errno::Exist),
            (FsNode::Directory, None) => self.place(dir, name, Body::Directory(Directory::new(Some(dir)))).map(|_| ()),
            (FsNode::Symlink(target), None) => {
                self.check_path(target)?;
                self.place(dir, name, Body::Symlink(target.clone())).map(|_| ())
            }
            (FsNode::File(bytes), None) => {
                let size = bytes.len() as u64;
                self.quota.check_resize(0, size)?;
                let ino = self.place(dir, name, Body::File(Content::default()))?;
                self.table.get_mut(ino)?.file_mut()?.write(0, bytes);
                self.quota.resized(0, size);
                Ok(())
            }
        }
    }

    /// An entry by its plain name; links are not followed while the image is placed.
    fn find_plain(&self, dir: Ino, name: &[u8]) -> Result<Option<Ino>, Errno> {
        match name {
            b"" | b"." | b".." => Err(Errno::Inval),
            name if name.len() > super::path::NAME_MAX => Err(Errno::NameTooLong),
            name => Ok(self.table.get(dir)?.directory()?.get(name)),
        }
    }

    fn place(&mut self, dir: Ino, name: &[u8], body: Body) -> Result<Ino, Errno> {
        self.make(dir, name, body, LogicalTime::GENESIS)
    }

    fn protect(&mut self, path: &[u8]) -> Result<(), Errno> {
        let mut at = self.root;
        for component in path.split(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
            at = self.find_plain(at, component)?.ok_or(Errno::NoEnt)?;
        }
        self.table.get_mut(at)?.read_only = true;
        Ok(())
    }
}
