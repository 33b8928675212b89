//! Calls that make and remove names: open, mkdir, symlink, link, unlink, rmdir.

use super::Fs;
use super::content::Content;
use super::dir::Directory;
use super::inode::{Body, Ino, Kind};
use super::path::{Last, Links, Start};
use super::time::FileTime;
use crate::abi::errno::Errno;
use replicode_log::LogicalTime;

/// How to open a path. The default opens what is there, for reading, without following a link in last place.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OpenHow {
    /// `O_CREAT`: make a regular file if there is nothing.
    pub create: bool,
    /// `O_EXCL`: with `create`, fail if there is anything, a link included.
    pub exclusive: bool,
    /// `O_TRUNC`: cut the file to zero bytes. Needs the permission to write but not the flag.
    pub truncate: bool,
    /// `O_DIRECTORY`: fail unless it is a directory.
    pub directory: bool,
    /// Not `O_NOFOLLOW`: follow a link in last place.
    pub follow: bool,
    /// The descriptor will be used to write.
    pub write: bool,
}

impl Fs {
    /// Opens what `path` leads to from `dir`, or makes it. The answer is never a symbolic link. The caller calls
    /// [`Fs::hold`] for each descriptor that it makes of it. A name in `/proc/self/fd` answers an [`Ino::descriptor`],
    /// for which the caller does what `how` says.
    ///
    /// # Errors
    /// `EEXIST` (`exclusive`), `EISDIR` (a directory opened to write, truncate or create), `ELOOP` (a link in last
    /// place without `follow`, or too many of them), `ENOTDIR`, `EROFS`, `ENOSPC`, `EINVAL` (`create` with `directory`),
    /// and those of [`Fs::lookup`].
    pub fn open(&mut self, from: impl Into<Start>, path: &[u8], how: OpenHow, now: LogicalTime) -> Result<Ino, Errno> {
        let from = from.into();
        self.check_path(path)?;
        if how.create && how.directory {
            return Err(Errno::Inval);
        }
        let ino = if how.create {
            self.open_or_create(from, path, how, now)?
        } else {
            self.resolve(from.dir, path, how.follow, &mut Links::new(from))?
        };
        if ino.descriptor().is_some() {
            // Whose it is knows what can be done with it.
            return if how.follow || how.exclusive { Ok(ino) } else { Err(Errno::Loop) };
        }
        self.check_open(ino, how, now)?;
        Ok(ino)
    }

    /// Whether what is there can be opened in that way, and the truncation if it can.
    ///
    /// # Errors
    /// Those of [`Fs::open`] that concern what was found.
    pub fn check_open(&mut self, ino: Ino, how: OpenHow, now: LogicalTime) -> Result<(), Errno> {
        let inode = self.table.get(ino)?;
        match inode.kind() {
            Kind::Directory if how.write || how.truncate || how.create => return Err(Errno::IsDir),
            Kind::File | Kind::Symlink | Kind::Device(_) if how.directory => return Err(Errno::NotDir),
            Kind::Symlink => return Err(Errno::Loop),
            Kind::File if how.write || how.truncate => inode.check_writable()?,
            Kind::File | Kind::Directory | Kind::Device(_) => {}
        }
        // A device has nothing to cut off.
        if how.truncate && inode.kind() == Kind::File {
            self.truncate(ino, 0, now)?;
        }
        Ok(())
    }

    /// The part of `open` that `O_CREAT` changes: a link in last place may lead to a name that is still to be made.
    fn open_or_create(&mut self, from: Start, path: &[u8], how: OpenHow, now: LogicalTime) -> Result<Ino, Errno> {
        let mut links = Links::new(from);
        let (mut dir, mut path) = (from.dir, path.to_vec());
        loop {
            let spot = self.resolve_parent(dir, &path, &mut links)?;
            let Last::Name(name) = spot.last else {
                return Err(if how.exclusive { Errno::Exist } else { Errno::IsDir });
            };
            if spot.slash {
                return Err(Errno::IsDir);
            }
            let Some(found) = self.find(spot)? else {
                return self.make(spot.dir, name, Body::File(Content::default()), now);
            };
            // Only its owner knows whether it is open.
            if found.descriptor().is_some() {
                return Ok(found);
            }
            if how.exclusive {
                return Err(Errno::Exist);
            }
            match &self.table.get(found)?.body {
                Body::File(_) | Body::Device(_) => return Ok(found),
                Body::Directory(_) => return Err(Errno::IsDir),
                Body::Symlink(_) if !how.follow => return Err(Errno::Loop),
                Body::Symlink(target) => {
                    links.take()?;
                    (dir, path) = (spot.dir, target.clone());
                }
            }
        }
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENAMETOOLONG` (too deep), `EROFS`, `ENOSPC`, and those of [`Fs::lookup`].
    pub fn mkdir(&mut self, from: impl Into<Start>, path: &[u8], now: LogicalTime) -> Result<Ino, Errno> {
        let (parent, name) = self.vacancy(from.into(), path, true)?;
        self.make(parent, name, Body::Directory(Directory::new(Some(parent))), now)
    }

    /// Makes a symbolic link. The target may be any path; it is not looked at until the link is followed.
    ///
    /// # Errors
    /// `ENOENT` for an empty target, `ENAMETOOLONG` for a long one, `EINVAL` for one with a NUL, `EPERM` for an absolute
    /// one from where paths are confined, `EEXIST`, `EROFS`, `ENOSPC`, and those of [`Fs::lookup`].
    pub fn symlink(
        &mut self,
        target: &[u8],
        from: impl Into<Start>,
        path: &[u8],
        now: LogicalTime,
    ) -> Result<Ino, Errno> {
        self.check_path(target)?;
        let from = from.into();
        if from.confined && target.starts_with(b"/") {
            return Err(Errno::Perm);
        }
        let (parent, name) = self.vacancy(from, path, false)?;
        self.make(parent, name, Body::Symlink(target.to_vec()), now)
    }

    /// Gives a file or symbolic link one more name. A link in last place of the old path is followed if `follow` is
    /// set.
    ///
    /// # Errors
    /// `EPERM` for a directory, `EEXIST`, `EROFS` (where the name goes, or the file itself), `ENOSPC`, and those of
    /// [`Fs::lookup`].
    pub fn link(
        &mut self,
        old_from: impl Into<Start>,
        old_path: &[u8],
        follow: bool,
        new_from: impl Into<Start>,
        new_path: &[u8],
        now: LogicalTime,
    ) -> Result<(), Errno> {
        let ino = self.lookup(old_from, old_path, follow)?;
        if ino.descriptor().is_some() {
            return Err(Errno::XDev);
        }
        let (parent, name) = self.vacancy(new_from.into(), new_path, false)?;
        let inode = self.table.get(ino)?;
        if inode.kind() == Kind::Directory {
            return Err(Errno::Perm);
        }
        inode.check_writable()?;
        let nlink = inode.nlink.checked_add(1).ok_or(Errno::MLink)?;
        self.check_place(parent)?;
        self.enter(parent, name, ino, now.into())?;
        let inode = self.table.get_mut(ino)?;
        (inode.nlink, inode.ctim) = (nlink, now.into());
        Ok(())
    }

    /// Removes a name of a file or symbolic link. The inode stays while it has other names or descriptors.
    ///
    /// # Errors
    /// `EISDIR` for a directory, `ENOTDIR` for a path that ends with a slash, `EROFS` (the directory or the file), and
    /// those of [`Fs::lookup`].
    pub fn unlink(&mut self, from: impl Into<Start>, path: &[u8], now: LogicalTime) -> Result<(), Errno> {
        self.check_path(path)?;
        let from = from.into();
        let spot = self.resolve_parent(from.dir, path, &mut Links::new(from))?;
        let Last::Name(name) = spot.last else { return Err(Errno::IsDir) };
        let ino = self.find_inode(spot, Errno::Perm)?.ok_or(Errno::NoEnt)?;
        let inode = self.table.get(ino)?;
        if inode.kind() == Kind::Directory {
            return Err(Errno::IsDir);
        }
        if spot.slash {
            return Err(Errno::NotDir);
        }
        self.table.get(spot.dir)?.check_writable()?;
        inode.check_writable()?;
        self.leave(spot.dir, name, now.into())?;
        self.drop_name(ino, now.into())
    }

    /// Removes an empty directory. Descriptors of it stay usable: they see an empty directory without `..` in which
    /// nothing can be made.
    ///
    /// # Errors
    /// `ENOTEMPTY` (also for `..`), `ENOTDIR`, `EINVAL` for `.`, `EBUSY` for the root, `EROFS`, and those of
    /// [`Fs::lookup`].
    pub fn rmdir(&mut self, from: impl Into<Start>, path: &[u8], now: LogicalTime) -> Result<(), Errno> {
        self.check_path(path)?;
        let from = from.into();
        let spot = self.resolve_parent(from.dir, path, &mut Links::new(from))?;
        let name = match spot.last {
            Last::Name(name) => name,
            Last::Dot => return Err(Errno::Inval),
            Last::DotDot => return Err(Errno::NotEmpty),
            Last::Root => return Err(Errno::Busy),
        };
        let ino = self.find_inode(spot, Errno::NotDir)?.ok_or(Errno::NoEnt)?;
        let inode = self.table.get(ino)?;
        if !inode.directory()?.is_empty() {
            return Err(Errno::NotEmpty);
        }
        self.table.get(spot.dir)?.check_writable()?;
        inode.check_writable()?;
        self.leave(spot.dir, name, now.into())?;
        self.drop_directory(spot.dir, ino, now.into())
    }

    /// Where a new name can go: a directory and a name that is not there.
    fn vacancy<'p>(&self, from: Start, path: &'p [u8], for_directory: bool) -> Result<(Ino, &'p [u8]), Errno> {
        self.check_path(path)?;
        let spot = self.resolve_parent(from.dir, path, &mut Links::new(from))?;
        let Last::Name(name) = spot.last else { return Err(Errno::Exist) };
        if self.find(spot)?.is_some() {
            return Err(Errno::Exist);
        }
        // A slash asks for a directory, and there is none.
        if spot.slash && !for_directory { Err(Errno::NoEnt) } else { Ok((spot.dir, name)) }
    }

    /// Whether a name can be added to `dir`: not after its removal, not where it is read-only, not beyond the quota.
    pub(super) fn check_place(&self, dir: Ino) -> Result<(), Errno> {
        let inode = self.table.get(dir)?;
        if inode.nlink == 0 {
            return Err(Errno::NoEnt);
        }
        inode.check_writable()?;
        self.quota.check_node()
    }

    /// Makes an inode with one name. All checks come first: on an error nothing has changed.
    pub(super) fn make(&mut self, dir: Ino, name: &[u8], body: Body, now: LogicalTime) -> Result<Ino, Errno> {
        self.check_place(dir)?;
        let is_directory = matches!(body, Body::Directory(_));
        if is_directory && self.depth(dir)? >= self.quota.max_depth {
            return Err(Errno::NameTooLong);
        }
        if let Body::Symlink(target) = &body {
            self.quota.check_bytes(target.len() as u64)?;
        }
        let ino = self.table.insert(body, now.into())?;
        let inode = self.table.get_mut(ino)?;
        inode.nlink = if is_directory { 2 } else { 1 };
        self.quota.resized(0, inode.size());
        self.enter(dir, name, ino, now.into())?;
        if is_directory {
            self.table.get_mut(dir)?.nlink += 1;
        }
        Ok(ino)
    }

    /// Puts an entry into a directory.
    pub(super) fn enter(&mut self, dir: Ino, name: &[u8], ino: Ino, now: FileTime) -> Result<Option<Ino>, Errno> {
        let inode = self.table.get_mut(dir)?;
        let before = inode.directory_mut()?.set(name, ino);
        inode.changed(now);
        self.quota.nodes += u32::from(before.is_none());
        Ok(before)
    }

    /// Takes an entry out of a directory.
    pub(super) fn leave(&mut self, dir: Ino, name: &[u8], now: FileTime) -> Result<(), Errno> {
        let inode = self.table.get_mut(dir)?;
        let removed = inode.directory_mut()?.remove(name);
        inode.changed(now);
        self.quota.nodes = self.quota.nodes.saturating_sub(u32::from(removed.is_some()));
        Ok(())
    }

    /// Notes that a file or symbolic link has lost a name.
    pub(super) fn drop_name(&mut self, ino: Ino, now: FileTime) -> Result<(), Errno> {
        let inode = self.table.get_mut(ino)?;
        inode.nlink = inode.nlink.saturating_sub(1);
        inode.ctim = now;
        self.drop_if_unused(ino)
    }

    /// Notes that an empty directory has lost its name in `parent`.
    pub(super) fn drop_directory(&mut self, parent: Ino, ino: Ino, now: FileTime) -> Result<(), Errno> {
        let inode = self.table.get_mut(ino)?;
        (inode.nlink, inode.ctim) = (0, now);
        inode.directory_mut()?.parent = None;
        let parent = self.table.get_mut(parent)?;
        parent.nlink = parent.nlink.saturating_sub(1);
        self.drop_if_unused(ino)
    }

    /// After the last name went: frees the inode, or counts it as one that only lives in descriptors.
    fn drop_if_unused(&mut self, ino: Ino) -> Result<(), Errno> {
        let inode = self.table.get(ino)?;
        if inode.nlink > 0 {
            return Ok(());
        }
        if inode.holds > 0 {
            self.quota.nodes += 1;
            return Ok(());
        }
        self.quota.resized(inode.size(), 0);
        self.table.remove(ino).map(|_| ())
    }
}
