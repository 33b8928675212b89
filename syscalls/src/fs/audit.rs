//! The invariants of the whole tree, written down as a check.

use super::Fs;
use super::inode::{Body, Ino};
use std::collections::BTreeMap;

/// An invariant of the file system that does not hold: the state was damaged on disk, or the code is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("file system state is damaged: {what}; discard it and restore another copy")]
pub struct Damage {
    what: String,
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Damage> {
    if holds { Ok(()) } else { Err(Damage { what: what() }) }
}

impl Fs {
    /// Checks everything that the calls rely on. Takes time in proportion to the number of inodes and chunks: meant
    /// for tests and for a state that was just read from disk.
    ///
    /// - Every inode with a name is reached from the root; every directory by exactly one name, and its `..` leads back.
    /// - Link counts are the numbers of names; unnamed inodes are held by a descriptor.
    /// - The bytes and nodes in use are what the tree holds.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn audit(&self) -> Result<(), Damage> {
        let names = self.count_names()?;
        let (mut bytes, mut nodes) = (0, 1);
        for (ino, inode) in self.table.iter() {
            let found = names.get(&ino).copied().unwrap_or_default();
            let number = ino.number();
            bytes += inode.size();
            let expected = match &inode.body {
                Body::Directory(directory) => {
                    nodes += directory.len();
                    let alive = found.names == 1 || ino == self.root;
                    ensure(found.names <= 1, || format!("directory {number} has {} names", found.names))?;
                    ensure(alive || directory.is_empty(), || format!("removed directory {number} has entries"))?;
                    if alive { 2 + found.subdirectories } else { 0 }
                }
                Body::File(content) => {
                    ensure(content.is_sound(), || format!("file {number} stores bytes behind its end"))?;
                    ensure(content.stored() <= content.size(), || format!("file {number} stores too much"))?;
                    found.names
                }
                Body::Symlink(_) | Body::Device(_) => found.names,
            };
            ensure(inode.nlink == expected, || format!("inode {number} has {} links, not {expected}", inode.nlink))?;
            ensure(inode.nlink > 0 || inode.holds > 0, || format!("inode {number} is unreachable"))?;
            nodes += usize::from(inode.nlink == 0);
        }
        ensure(bytes == self.quota.bytes, || format!("{} bytes counted, {bytes} found", self.quota.bytes))?;
        ensure(nodes == self.quota.nodes as usize, || format!("{} nodes counted, {nodes} found", self.quota.nodes))
    }

    /// Walks the tree from the root.
    fn count_names(&self) -> Result<BTreeMap<Ino, Names>, Damage> {
        let mut found: BTreeMap<Ino, Names> = BTreeMap::new();
        let root = self.table.get(self.root).and_then(|root| root.directory());
        ensure(root.is_ok_and(|root| root.parent == Some(self.root)), || "the root is not its own parent".into())?;
        let mut todo = vec![self.root];
        while let Some(dir) = todo.pop() {
            let number = dir.number();
            let directory = self.table.get(dir).and_then(|inode| inode.directory());
            let directory = directory.map_err(|_| Damage { what: format!("directory {number} is gone") })?;
            for ino in directory.inodes() {
                let inode = self.table.get(ino);
                let inode = inode.map_err(|_| Damage { what: format!("an entry of {number} leads nowhere") })?;
                let names = found.entry(ino).or_default();
                names.names += 1;
                if let Body::Directory(below) = &inode.body {
                    // Also ends the walk if the tree has a cycle.
                    ensure(names.names == 1 && ino != self.root, || {
                        format!("directory {} in two places", ino.number())
                    })?;
                    ensure(below.parent == Some(dir), || format!("'..' of {} leads elsewhere", ino.number()))?;
                    found.entry(dir).or_default().subdirectories += 1;
                    todo.push(ino);
                }
            }
        }
        Ok(found)
    }
}

/// How often an inode was met.
#[derive(Clone, Copy, Default)]
struct Names {
    names: u32,
    subdirectories: u32,
}
