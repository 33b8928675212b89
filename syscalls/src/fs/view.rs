//! The tree seen from outside of the cell, to copy it out: nothing here changes anything, and no guest can call it.
//!
//! From [`Fs::root`], [`Fs::children`] leads down; [`Fs::stat`] and [`Fs::read_at`] tell of what is there.

use super::Fs;
use super::inode::{Body, Ino};
use crate::abi::errno::Errno;

impl Fs {
    /// The entries of a directory, sorted by the bytes of their names, without `.` and `..`.
    ///
    /// # Errors
    /// `ENOTDIR`, and as [`Fs::kind`].
    pub fn children(&self, dir: Ino) -> Result<impl Iterator<Item = (&[u8], Ino)>, Errno> {
        let directory = self.table.get(dir)?.directory()?;
        Ok(directory.names().zip(directory.inodes()))
    }

    /// Where a symbolic link leads, as it was written.
    ///
    /// # Errors
    /// `EINVAL` for anything else, and as [`Fs::kind`].
    pub fn target(&self, link: Ino) -> Result<&[u8], Errno> {
        match &self.table.get(link)?.body {
            Body::Symlink(target) => Ok(target),
            Body::File(_) | Body::Directory(_) | Body::Device(_) => Err(Errno::Inval),
        }
    }

    /// Whether guests may not change it, because it was imported so.
    ///
    /// # Errors
    /// As [`Fs::kind`].
    pub fn is_read_only(&self, ino: Ino) -> Result<bool, Errno> {
        Ok(self.table.get(ino)?.read_only)
    }

    /// Whether it came with the cell without having been imported, and is as it came, all below it included: what a copy
    /// of the cell's files need not hold.
    ///
    /// # Errors
    /// As [`Fs::kind`].
    pub fn is_given(&self, ino: Ino) -> Result<bool, Errno> {
        // What is below what came with the cell is no deeper than what came.
        let mut todo = vec![ino];
        while let Some(at) = todo.pop() {
            let inode = self.table.get(at)?;
            if !inode.given {
                return Ok(false);
            }
            if let Body::Directory(directory) = &inode.body {
                todo.extend(directory.inodes());
            }
        }
        Ok(true)
    }

    /// A path from the root to an inode: the first in order of names if it has several, `None` if it has none. Looks
    /// through the tree until it is found.
    #[must_use]
    pub fn path_of(&self, ino: Ino) -> Option<Vec<u8>> {
        if ino == self.root {
            return Some(b"/".to_vec());
        }
        let mut todo = vec![(self.root, Vec::new())];
        while let Some((dir, path)) = todo.pop() {
            let below = todo.len();
            for (name, found) in self.children(dir).ok()? {
                let path = || [&path[..], b"/", name].concat();
                if found == ino {
                    return Some(path());
                }
                if self.table.get(found).is_ok_and(|inode| inode.directory().is_ok()) {
                    todo.push((found, path()));
                }
            }
            todo[below..].reverse();
        }
        None
    }

    /// Whether its entries are the descriptors of whoever looks (`/proc/self/fd`); it has none of its own.
    #[must_use]
    pub fn shows_descriptors(&self, ino: Ino) -> bool {
        self.table.get(ino).and_then(|inode| inode.directory()).is_ok_and(|directory| directory.of_descriptors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{FsEntry, FsImage, FsNode, Limits};

    #[test]
    fn the_whole_tree_is_seen() {
        let entry = |path: &[u8], node, read_only| FsEntry { path: path.to_vec(), node, read_only };
        let image = FsImage::from_entries(vec![
            entry(b"d", FsNode::Directory, false),
            entry(b"d/f", FsNode::File(b"text".to_vec()), true),
            entry(b"l", FsNode::Symlink(b"/d/f".to_vec()), false),
        ]);
        let fs = Fs::new(&image, &Limits::default()).unwrap();
        let list = |dir| fs.children(dir).unwrap().map(|(name, ino)| (name.to_vec(), ino)).collect::<Vec<_>>();
        let root = list(fs.root());
        assert_eq!(root.iter().map(|(name, _)| name.as_slice()).collect::<Vec<_>>(), [b"d", b"l"]);
        let below = list(root[0].1);
        assert_eq!((below.len(), below[0].0.as_slice()), (1, &b"f"[..]));
        assert_eq!((fs.is_read_only(below[0].1), fs.is_read_only(root[0].1)), (Ok(true), Ok(false)));
        assert_eq!((fs.target(root[1].1), fs.target(root[0].1)), (Ok(&b"/d/f"[..]), Err(Errno::Inval)));
        assert_eq!(fs.children(below[0].1).err(), Some(Errno::NotDir));
    }
}
