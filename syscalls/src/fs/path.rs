//! From paths to inodes, as POSIX.1-2017 §4.13 (pathname resolution) says, within the tree.
//!
//! There is no way out: `..` of the root is the root, and an absolute path or link target starts at the tree's root.
//! Where POSIX leaves a choice we do what Linux does, which the tests compare.

use super::Fs;
use super::inode::{Body, Ino, Inode, Kind};
use crate::abi::errno::Errno;

/// Bytes of one name (`NAME_MAX`).
pub(super) const NAME_MAX: usize = 255;

/// Symbolic links followed in one resolution; one more answers `ELOOP`, as on Linux.
const SYMLINKS_MAX: u32 = 40;

/// Where a path starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    /// The directory. An absolute path starts at the root instead.
    pub dir: Ino,
    /// Whether the path must not lead out of it: absolute paths and links, and `..` of the directory itself, answer
    /// `EPERM`, as preview 1 has it for the descriptor of a directory.
    pub confined: bool,
}

impl From<Ino> for Start {
    fn from(dir: Ino) -> Self {
        Self { dir, confined: false }
    }
}

/// What a resolution may still do: links to follow, and where it has to stay.
pub(super) struct Links {
    left: u32,
    within: Option<Ino>,
}

impl Links {
    pub(super) fn new(start: Start) -> Self {
        Self { left: SYMLINKS_MAX, within: start.confined.then_some(start.dir) }
    }

    /// Takes one.
    pub(super) fn take(&mut self) -> Result<(), Errno> {
        self.left = self.left.checked_sub(1).ok_or(Errno::Loop)?;
        Ok(())
    }
}

/// The last component of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Last<'p> {
    /// The path is nothing but slashes.
    Root,
    /// `.`
    Dot,
    /// `..`
    DotDot,
    /// Something that a directory entry can be called.
    Name(&'p [u8]),
}

impl<'p> Last<'p> {
    fn new(component: &'p [u8]) -> Result<Self, Errno> {
        match component {
            b"." => Ok(Self::Dot),
            b".." => Ok(Self::DotDot),
            name if name.len() > NAME_MAX => Err(Errno::NameTooLong),
            name => Ok(Self::Name(name)),
        }
    }
}

/// Where a path leads before its last component is looked up: what calls that make or remove names work on.
#[derive(Clone, Copy)]
pub(super) struct Spot<'p> {
    /// A directory (checked), possibly one that was removed.
    pub(super) dir: Ino,
    pub(super) last: Last<'p>,
    /// The path ends with a slash: the last component must be a directory, and a link there is followed by most calls.
    pub(super) slash: bool,
}

/// Splits at the first slash: the component, whether a slash follows, and what follows the slashes.
fn split(path: &[u8]) -> (&[u8], bool, &[u8]) {
    let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
    let (component, tail) = path.split_at(end);
    (component, !tail.is_empty(), skip_slashes(tail))
}

fn skip_slashes(path: &[u8]) -> &[u8] {
    let start = path.iter().position(|byte| *byte != b'/').unwrap_or(path.len());
    &path[start..]
}

impl Fs {
    /// What every path from a guest must meet: not empty (`ENOENT`), not too long (`ENAMETOOLONG`), no NUL (`EINVAL`).
    /// Any other byte is allowed, as on Linux; names need not be UTF-8.
    pub(super) fn check_path(&self, path: &[u8]) -> Result<(), Errno> {
        if path.is_empty() {
            Err(Errno::NoEnt)
        } else if path.len() > self.quota.max_path as usize {
            Err(Errno::NameTooLong)
        } else if path.contains(&0) {
            Err(Errno::Inval)
        } else {
            Ok(())
        }
    }

    /// The inode that `path` leads to from there. A link in last place is followed if `follow` is set or a slash
    /// follows it. A name in `/proc/self/fd` answers an [`Ino::descriptor`], open or not.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, `ELOOP`, `ENAMETOOLONG`, and `EINVAL` for a path that contains a NUL.
    /// `EPERM` for a path that leads out of where it has to stay ([`Start`]).
    pub fn lookup(&self, from: impl Into<Start>, path: &[u8], follow: bool) -> Result<Ino, Errno> {
        let from = from.into();
        self.check_path(path)?;
        self.resolve(from.dir, path, follow, &mut Links::new(from))
    }

    /// As [`Fs::lookup`] with a path that was checked. Recursion is bounded: each level takes one of `links`.
    pub(super) fn resolve(&self, dir: Ino, path: &[u8], follow: bool, links: &mut Links) -> Result<Ino, Errno> {
        let spot = self.resolve_parent(dir, path, links)?;
        let found = self.find(spot)?.ok_or(Errno::NoEnt)?;
        let ino = if follow || spot.slash { self.follow(spot.dir, found, links)? } else { found };
        if spot.slash {
            self.at(ino)?.directory()?;
        }
        Ok(ino)
    }

    /// All of `path` but its last component.
    pub(super) fn resolve_parent<'p>(&self, dir: Ino, path: &'p [u8], links: &mut Links) -> Result<Spot<'p>, Errno> {
        let mut rest = skip_slashes(path);
        let absolute = rest.len() < path.len();
        if absolute && links.within.is_some() {
            return Err(Errno::Perm);
        }
        let mut dir = if absolute { self.root } else { dir };
        self.table.get(dir)?.directory()?;
        if rest.is_empty() {
            return Ok(Spot { dir, last: Last::Root, slash: true });
        }
        loop {
            let (component, slash, tail) = split(rest);
            let spot = Spot { dir, last: Last::new(component)?, slash };
            if spot.last == Last::DotDot && links.within == Some(dir) {
                return Err(Errno::Perm);
            }
            if tail.is_empty() {
                return Ok(spot);
            }
            let found = self.find(spot)?.ok_or(Errno::NoEnt)?;
            dir = self.follow(dir, found, links)?;
            self.at(dir)?.directory()?;
            rest = tail;
        }
    }

    /// Looks a last component up, without following it. `None`: there is no such name.
    pub(super) fn find(&self, spot: Spot<'_>) -> Result<Option<Ino>, Errno> {
        match spot.last {
            Last::Root | Last::Dot => Ok(Some(spot.dir)),
            Last::DotDot => Ok(self.table.get(spot.dir)?.directory()?.parent),
            Last::Name(name) => Ok(self.table.get(spot.dir)?.directory()?.get(name)),
        }
    }

    /// As [`Fs::find`], for calls that change names: what is no inode answers `errno`.
    pub(super) fn find_inode(&self, spot: Spot<'_>, errno: Errno) -> Result<Option<Ino>, Errno> {
        match self.find(spot)? {
            Some(ino) if ino.descriptor().is_some() => Err(errno),
            found => Ok(found),
        }
    }

    /// What a path has led to, to go on from there. Nothing lies below a name in `/proc/self/fd`.
    fn at(&self, ino: Ino) -> Result<&Inode, Errno> {
        if ino.descriptor().is_some() { Err(Errno::NotDir) } else { self.table.get(ino) }
    }

    /// `ino`, which stands in `dir`, or what it leads to if it is a symbolic link.
    fn follow(&self, dir: Ino, ino: Ino, links: &mut Links) -> Result<Ino, Errno> {
        if ino.descriptor().is_some() {
            return Ok(ino);
        }
        match &self.table.get(ino)?.body {
            Body::Symlink(target) => {
                links.take()?;
                self.resolve(dir, target, true, links)
            }
            _ => Ok(ino),
        }
    }

    /// The target of the symbolic link at `path`.
    ///
    /// # Errors
    /// `EINVAL` if it is no symbolic link, and those of [`Fs::lookup`].
    pub fn readlink(&self, from: impl Into<Start>, path: &[u8]) -> Result<&[u8], Errno> {
        self.target(self.lookup(from, path, false)?)
    }

    /// Steps from `dir` up to the root: 0 for the root itself.
    pub(super) fn depth(&self, dir: Ino) -> Result<u32, Errno> {
        let (mut at, mut depth) = (dir, 0);
        while at != self.root {
            at = self.table.get(at)?.directory()?.parent.ok_or(Errno::NoEnt)?;
            depth += 1;
        }
        Ok(depth)
    }

    /// Whether `dir` is `other` or lies below it.
    pub(super) fn is_within(&self, dir: Ino, other: Ino) -> Result<bool, Errno> {
        let mut at = dir;
        loop {
            if at == other {
                return Ok(true);
            }
            match self.table.get(at)?.directory()?.parent {
                Some(parent) if parent != at => at = parent,
                _ => return Ok(false),
            }
        }
    }

    /// Levels of directories below `dir`: 0 if it holds no directory.
    pub(super) fn height(&self, dir: Ino) -> Result<u32, Errno> {
        let (mut level, mut height) = (vec![dir], 0);
        loop {
            let mut below = Vec::new();
            for dir in level {
                let inode = self.table.get(dir)?;
                // Two links are its own name and `.`; more are the `..` of subdirectories.
                if inode.nlink > 2 {
                    let is_directory = |ino: &Ino| self.kind(*ino) == Ok(Kind::Directory);
                    below.extend(inode.directory()?.inodes().filter(is_directory));
                }
            }
            if below.is_empty() {
                return Ok(height);
            }
            (level, height) = (below, height + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_slashes() {
        assert_eq!(split(b"a"), (&b"a"[..], false, &b""[..]));
        assert_eq!(split(b"a/"), (&b"a"[..], true, &b""[..]));
        assert_eq!(split(b"a///b//"), (&b"a"[..], true, &b"b//"[..]));
        assert_eq!(skip_slashes(b"///"), b"");
    }

    #[test]
    fn names_have_255_bytes() {
        assert_eq!(Last::new(&[b'x'; 255]), Ok(Last::Name(&[b'x'; 255])));
        assert_eq!(Last::new(&[b'x'; 256]), Err(Errno::NameTooLong));
        assert_eq!((Last::new(b"."), Last::new(b"..")), (Ok(Last::Dot), Ok(Last::DotDot)));
    }
}
