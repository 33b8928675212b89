//! Inodes: what a file, a directory or a symbolic link is apart from its names, and the table that holds them all.

use super::content::Content;
use super::dir::Directory;
use super::time::FileTime;
use crate::abi::errno::Errno;
use borsh::{BorshDeserialize, BorshSerialize};

/// A reference to an inode: its number and its place in the table, so that finding it costs one array access.
///
/// Numbers come from a counter that never repeats, places are used again. A reference whose inode is gone is recognised
/// and answers [`Errno::Stale`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, BorshSerialize, BorshDeserialize)]
pub struct Ino(u64);

impl Ino {
    /// Enough for the most inodes that limits allow (16 Mi); 40 bits remain for numbers.
    const PLACE_BITS: u32 = 24;
    const MAX_NUMBER: u64 = u64::MAX >> Self::PLACE_BITS;

    const fn new(number: u64, place: usize) -> Self {
        Self(number << Self::PLACE_BITS | place as u64)
    }

    /// What a name in `/proc/self/fd` leads to. It is no inode: no table holds number 0.
    pub(super) const fn of_descriptor(fd: u32) -> Self {
        Self::new(0, fd as usize)
    }

    /// The descriptor that a path led to: whoever asked has to look it up in his own table.
    #[must_use]
    pub const fn descriptor(self) -> Option<u32> {
        if self.number() == 0 { Some(self.place() as u32) } else { None }
    }

    /// The inode number that a guest sees as `st_ino`: 1 for the root, then one more for each inode ever made.
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0 >> Self::PLACE_BITS
    }

    const fn place(self) -> usize {
        (self.0 & ((1 << Self::PLACE_BITS) - 1)) as usize
    }
}

/// What kind of thing an inode is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device.
    Device(Device),
}

/// The devices that there are (Linux: null(4), full(4), random(4)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, BorshSerialize, BorshDeserialize)]
pub enum Device {
    /// Empty; takes everything.
    Null,
    /// Zeros without end; takes everything.
    Zero,
    /// Zeros without end; takes nothing (`ENOSPC`).
    Full,
    /// Random numbers without end, of the process that reads; takes everything and forgets it.
    Random,
}

/// The attributes of an inode, as `fstat` of POSIX.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// `number()` of it is the guest's inode number; the device is always [`super::DEVICE`].
    pub ino: Ino,
    /// What it is.
    pub kind: Kind,
    /// Permission bits (`07777`): kept and told, they refuse nothing.
    pub mode: u16,
    /// Number of names; for a directory 2 plus its subdirectories; 0 when it only lives in open descriptors.
    pub nlink: u32,
    /// Bytes of a file, bytes of a link's target, 0 for a directory.
    pub size: u64,
    /// Last access. Reading does not change it (as under `noatime`): a read would otherwise be a write to the state.
    pub atim: FileTime,
    /// Last change of the content.
    pub mtim: FileTime,
    /// Last change of content or attributes.
    pub ctim: FileTime,
}

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) enum Body {
    File(Content),
    Directory(Directory),
    Symlink(Vec<u8>),
    Device(Device),
}

impl Body {
    /// The permission bits of what is made without saying any: what a umask of 022 leaves.
    const fn usual_mode(&self) -> u16 {
        match self {
            Self::File(_) => 0o644,
            Self::Directory(_) => 0o755,
            Self::Symlink(_) => 0o777,
            Self::Device(_) => 0o666,
        }
    }
}

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Inode {
    number: u64,
    pub(super) nlink: u32,
    /// Open descriptors; an inode goes away when both this and `nlink` are 0.
    pub(super) holds: u32,
    /// Whether guests may not change it, nor take it from its place.
    pub(super) read_only: bool,
    /// Whether it came with the cell, without having been imported, and is as it came.
    pub(super) given: bool,
    pub(super) mode: u16,
    pub(super) atim: FileTime,
    pub(super) mtim: FileTime,
    pub(super) ctim: FileTime,
    pub(super) body: Body,
}

impl Inode {
    pub(super) fn kind(&self) -> Kind {
        match self.body {
            Body::File(_) => Kind::File,
            Body::Directory(_) => Kind::Directory,
            Body::Symlink(_) => Kind::Symlink,
            Body::Device(device) => Kind::Device(device),
        }
    }

    /// Bytes that count against the quota, and what `stat` calls the size.
    pub(super) fn size(&self) -> u64 {
        match &self.body {
            Body::File(content) => content.size(),
            Body::Directory(_) | Body::Device(_) => 0,
            Body::Symlink(target) => target.len() as u64,
        }
    }

    /// The content of a regular file; `EISDIR` or `EINVAL` for anything else, as `read` and `ftruncate` answer.
    pub(super) fn file(&self) -> Result<&Content, Errno> {
        match &self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::IsDir),
            Body::Symlink(_) | Body::Device(_) => Err(Errno::Inval),
        }
    }

    /// As [`Inode::file`], to change it.
    pub(super) fn file_mut(&mut self) -> Result<&mut Content, Errno> {
        match &mut self.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Errno::IsDir),
            Body::Symlink(_) | Body::Device(_) => Err(Errno::Inval),
        }
    }

    /// The entries of a directory; `ENOTDIR` for anything else.
    pub(super) fn directory(&self) -> Result<&Directory, Errno> {
        match &self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NotDir),
        }
    }

    /// As [`Inode::directory`], to change it.
    pub(super) fn directory_mut(&mut self) -> Result<&mut Directory, Errno> {
        match &mut self.body {
            Body::Directory(directory) => Ok(directory),
            _ => Err(Errno::NotDir),
        }
    }

    /// `EROFS` when guests may not change it.
    pub(super) fn check_writable(&self) -> Result<(), Errno> {
        if self.read_only { Err(Errno::Rofs) } else { Ok(()) }
    }

    /// Notes a change of content and attributes at `now`.
    pub(super) fn changed(&mut self, now: FileTime) {
        (self.mtim, self.ctim, self.given) = (now, now, false);
    }
}

/// All inodes, by place. Free places are used again, the last one freed first: an order that depends on the calls only.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Table {
    places: Vec<Option<Inode>>,
    free: Vec<u32>,
    last_number: u64,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new(), last_number: 0 }
    }

    #[inline]
    pub(super) fn get(&self, ino: Ino) -> Result<&Inode, Errno> {
        match self.places.get(ino.place()) {
            Some(Some(inode)) if inode.number == ino.number() => Ok(inode),
            _ => Err(Errno::Stale),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, ino: Ino) -> Result<&mut Inode, Errno> {
        match self.places.get_mut(ino.place()) {
            Some(Some(inode)) if inode.number == ino.number() => Ok(inode),
            _ => Err(Errno::Stale),
        }
    }

    /// Adds an inode without names. `ENOSPC` when there are no numbers or places left; quotas are checked elsewhere
    /// and smaller.
    pub(super) fn insert(&mut self, body: Body, now: FileTime) -> Result<Ino, Errno> {
        let place = self.free.last().map_or(self.places.len(), |place| *place as usize);
        if place >> Ino::PLACE_BITS != 0 || self.last_number == Ino::MAX_NUMBER {
            return Err(Errno::NoSpc);
        }
        self.last_number += 1;
        let number = self.last_number;
        let mode = body.usual_mode();
        let (read_only, given) = (false, false);
        let inode = Inode { number, nlink: 0, holds: 0, read_only, given, mode, atim: now, mtim: now, ctim: now, body };
        if self.free.pop().is_none() {
            self.places.push(None);
        }
        self.places[place] = Some(inode);
        Ok(Ino::new(number, place))
    }

    pub(super) fn remove(&mut self, ino: Ino) -> Result<Inode, Errno> {
        self.get(ino)?;
        self.free.push(ino.place() as u32);
        self.places[ino.place()].take().ok_or(Errno::Stale)
    }

    pub(super) fn iter<'a>(&'a self) -> impl Iterator<Item = (Ino, &'a Inode)> {
        let numbered = |(place, inode): (usize, &'a Option<Inode>)| {
            inode.as_ref().map(|inode| (Ino::new(inode.number, place), inode))
        };
        self.places.iter().enumerate().filter_map(numbered)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_used_again_does_not_revive_old_references() {
        let mut table = Table::new();
        let old = table.insert(Body::Symlink(Vec::new()), FileTime::GENESIS).expect("room");
        table.remove(old).expect("is there");
        let new = table.insert(Body::Symlink(Vec::new()), FileTime::GENESIS).expect("room");
        assert_eq!((old.place(), old.number()), (new.place(), new.number() - 1));
        assert_eq!(table.get(old).err(), Some(Errno::Stale));
        assert_eq!(table.remove(old).err(), Some(Errno::Stale));
        assert!(table.get(new).is_ok());
        assert_eq!(table.iter().map(|(ino, _)| ino).collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn numbers_never_wrap() {
        let mut table = Table { last_number: Ino::MAX_NUMBER - 1, ..Table::new() };
        let last = table.insert(Body::Symlink(Vec::new()), FileTime::GENESIS).expect("one number left");
        assert_eq!(last.number(), Ino::MAX_NUMBER);
        assert_eq!(table.insert(Body::Symlink(Vec::new()), FileTime::GENESIS), Err(Errno::NoSpc));
    }
}
