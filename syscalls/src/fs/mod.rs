//! The file system: one tree in memory, the same on every node.
//!
//! All processes of a cell share it. It starts as the file image of the cluster and changes only by the calls of
//! guests, so it is a function of the log: inode numbers come from a counter, times from the batch, listings are sorted by
//! name. It behaves as POSIX says and, where POSIX leaves a choice, as Linux does.
//!
//! | file | it is |
//! |---|---|
//! | `inode` | what a file is apart from its names, and the table of all of them |
//! | `content` | the bytes of a file, with holes |
//! | `dir` | what each name of a directory leads to |
//! | `listing` | directories read in order of name; cookies that survive change |
//! | `path` | from a path to an inode |
//! | `names`, `rename` | calls that make, remove and move names |
//! | `data` | calls that read and change content |
//! | `quota` | how much there may be |
//! | `load` | the first state, from the file image |
//! | `given` | what every cell has: devices, `/tmp`, a small `/etc`, `/proc/self/fd` |
//! | `view` | the tree seen from outside of the cell |
//! | `audit` | the invariants of the tree |
//!
//! What is not here: descriptors, offsets and rights (the kernel's), owners (there is one user), permissions that
//! refuse anything, and any way out of the tree. Modules of the tree call each other through [`Fs`] only.
//!
//! Every call either succeeds or changes nothing. Errors are what the guest is told.

mod audit;
mod content;
mod data;
mod dir;
mod given;
mod inode;
mod listing;
mod load;
mod names;
mod path;
mod quota;
mod rename;
#[cfg(test)]
mod tests;
mod time;
mod view;

pub use audit::Damage;
pub use inode::{Device, Ino, Kind, Stat};
pub use listing::{Listing, Snapshot};
pub use load::ImageError;
pub use names::OpenHow;
pub use path::Start;
pub use time::FileTime;

use crate::abi::errno::Errno;
use borsh::{BorshDeserialize, BorshSerialize};
use dir::Directory;
use inode::{Body, Table};
use quota::Quota;
use replicode_log::{FsImage, Limits, LogicalTime};

/// The device number (`st_dev`) of everything in the tree.
pub const DEVICE: u64 = 1;

/// The file system of a cell.
///
/// Paths are given with the directory that they start from ([`Start`]), as for `openat`. What
/// a call finds is an [`Ino`]. A descriptor is an `Ino` that is held: [`Fs::hold`] when the descriptor is made,
/// [`Fs::release`] when it is closed, and in between the inode stays even if its last name goes.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Fs {
    table: Table,
    root: Ino,
    quota: Quota,
}

/// How much of the limits is in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Usage {
    /// Bytes of files and of symbolic links, by their length.
    pub bytes: u64,
    /// Names, the root, and inodes that only live in descriptors.
    pub nodes: u32,
    /// Bytes of names that listings under way keep.
    pub listed: u64,
}

/// One entry of a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DirEntry<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// What it leads to.
    pub ino: Ino,
    /// What that is.
    pub kind: Kind,
    /// The cookie to go on with behind this entry.
    pub next: u64,
}

impl Fs {
    /// The tree of `image`. An entry of the image with an empty path describes the root itself.
    ///
    /// # Errors
    /// The first entry that does not fit into the limits or is not a plain path.
    pub fn new(image: &FsImage, limits: &Limits) -> Result<Self, ImageError> {
        let mut table = Table::new();
        let at_root = |errno| ImageError { path: Vec::new(), errno };
        let root = table.insert(Body::Directory(Directory::new(None)), FileTime::GENESIS).map_err(at_root)?;
        let mut fs = Self { table, root, quota: Quota::new(limits) };
        fs.quota.nodes = 1;
        let inode = fs.table.get_mut(root).map_err(at_root)?;
        inode.nlink = 2;
        inode.directory_mut().map_err(at_root)?.parent = Some(root);
        fs.load(image)?;
        Ok(fs)
    }

    /// The root directory.
    #[must_use]
    pub const fn root(&self) -> Ino {
        self.root
    }

    /// How much of the limits is in use.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        Usage { bytes: self.quota.bytes, nodes: self.quota.nodes, listed: self.quota.listed }
    }

    /// Notes one more descriptor of `ino`.
    pub fn hold(&mut self, ino: Ino) {
        if let Ok(inode) = self.table.get_mut(ino) {
            inode.holds = inode.holds.saturating_add(1);
        }
    }

    /// Notes that a descriptor of `ino` was closed. Without names and descriptors the inode goes, and its bytes are
    /// free again.
    pub fn release(&mut self, ino: Ino) {
        let Ok(inode) = self.table.get_mut(ino) else { return };
        assert!(inode.holds > 0, "released more often than held");
        inode.holds = inode.holds.saturating_sub(1);
        if inode.holds == 0 && inode.nlink == 0 {
            let size = inode.size();
            if self.table.remove(ino).is_ok() {
                self.quota.resized(size, 0);
                self.quota.nodes = self.quota.nodes.saturating_sub(1);
            }
        }
    }

    /// What `ino` is.
    ///
    /// # Errors
    /// `ESTALE` if it is gone, which a held inode never is. The same holds for all calls that take an `Ino`.
    pub fn kind(&self, ino: Ino) -> Result<Kind, Errno> {
        Ok(self.table.get(ino)?.kind())
    }

    /// Bytes of a file or of a link's target, 0 for a directory: where an appending write goes.
    ///
    /// # Errors
    /// As [`Fs::kind`].
    #[inline]
    pub fn size(&self, ino: Ino) -> Result<u64, Errno> {
        Ok(self.table.get(ino)?.size())
    }

    /// The attributes of `ino`.
    ///
    /// # Errors
    /// As [`Fs::kind`].
    pub fn stat(&self, ino: Ino) -> Result<Stat, Errno> {
        let inode = self.table.get(ino)?;
        Ok(Stat {
            ino,
            kind: inode.kind(),
            mode: inode.mode,
            nlink: inode.nlink,
            size: inode.size(),
            atim: inode.atim,
            mtim: inode.mtim,
            ctim: inode.ctim,
        })
    }

    /// Sets the times of access and of modification as far as they are given (`utimensat`).
    ///
    /// # Errors
    /// `EROFS`.
    pub fn set_times(
        &mut self,
        ino: Ino,
        atim: Option<FileTime>,
        mtim: Option<FileTime>,
        now: LogicalTime,
    ) -> Result<(), Errno> {
        let inode = self.table.get_mut(ino)?;
        inode.check_writable()?;
        inode.atim = atim.unwrap_or(inode.atim);
        inode.mtim = mtim.unwrap_or(inode.mtim);
        if atim.is_some() || mtim.is_some() {
            (inode.ctim, inode.given) = (now.into(), false);
        }
        Ok(())
    }

    /// Sets the permission bits (`chmod`), of which the lowest twelve count. They are kept and told, and refuse nothing.
    ///
    /// # Errors
    /// `EROFS`.
    pub fn set_mode(&mut self, ino: Ino, mode: u32, now: LogicalTime) -> Result<(), Errno> {
        let inode = self.table.get_mut(ino)?;
        inode.check_writable()?;
        (inode.mode, inode.ctim, inode.given) = ((mode & 0o7777) as u16, now.into(), false);
        Ok(())
    }
}
