//! `rename`: the one call that moves a name, replaces what was there, and must never tear the tree.

use super::Fs;
use super::inode::{Ino, Kind};
use super::path::{Last, Links, Start};
use super::time::FileTime;
use crate::abi::errno::Errno;
use replicode_log::LogicalTime;

impl Fs {
    /// Gives what is at the old path the new path instead, in one step (POSIX `rename`). A link in last place is moved
    /// itself. What was at the new path is removed: a file by a non-directory, an empty directory by a directory. If
    /// both paths name one inode nothing happens.
    ///
    /// # Errors
    /// `EINVAL` (a directory into itself or below), `ENOTEMPTY` (onto a directory with entries), `EISDIR` and `ENOTDIR`
    /// (the two are of different kinds, or a slash follows what is no directory), `EBUSY` (`.`, `..` or the root),
    /// `EROFS` (either directory, what moves or what is replaced), `ENAMETOOLONG` (a tree would become too deep),
    /// and those of [`Fs::lookup`].
    pub fn rename(
        &mut self,
        old_from: impl Into<Start>,
        old_path: &[u8],
        new_from: impl Into<Start>,
        new_path: &[u8],
        now: LogicalTime,
    ) -> Result<(), Errno> {
        self.check_path(old_path)?;
        self.check_path(new_path)?;
        let (old_from, new_from) = (old_from.into(), new_from.into());
        let old = self.resolve_parent(old_from.dir, old_path, &mut Links::new(old_from))?;
        let new = self.resolve_parent(new_from.dir, new_path, &mut Links::new(new_from))?;
        let (Last::Name(old_name), Last::Name(new_name)) = (old.last, new.last) else { return Err(Errno::Busy) };

        let moving = self.find_inode(old, Errno::XDev)?.ok_or(Errno::NoEnt)?;
        let target = self.find_inode(new, Errno::XDev)?;
        let is_directory = self.kind(moving)? == Kind::Directory;
        if !is_directory && (old.slash || new.slash) {
            return Err(Errno::NotDir);
        }
        if is_directory && self.is_within(new.dir, moving)? {
            return Err(Errno::Inval);
        }
        if let Some(target) = target {
            // A directory that holds what moves is not empty, whatever else is wrong.
            if self.kind(target)? == Kind::Directory && self.is_within(old.dir, target)? {
                return Err(Errno::NotEmpty);
            }
            if target == moving {
                return Ok(());
            }
            self.check_replaceable(target, is_directory)?;
        }
        self.check_move(old.dir, moving, new.dir, target)?;

        self.leave(old.dir, old_name, now.into())?;
        self.enter(new.dir, new_name, moving, now.into())?;
        if is_directory {
            self.move_directory(old.dir, moving, new.dir)?;
        }
        self.table.get_mut(moving)?.ctim = now.into();
        target.map_or(Ok(()), |target| self.drop_replaced(new.dir, target, now.into()))
    }

    /// A directory replaces an empty directory, anything else replaces anything else.
    fn check_replaceable(&self, target: Ino, by_directory: bool) -> Result<(), Errno> {
        match (self.kind(target)?, by_directory) {
            (Kind::Directory, false) => Err(Errno::IsDir),
            (Kind::Directory, true) if !self.table.get(target)?.directory()?.is_empty() => Err(Errno::NotEmpty),
            (Kind::File | Kind::Symlink | Kind::Device(_), true) => Err(Errno::NotDir),
            _ => Ok(()),
        }
    }

    /// What limits and read-only trees say to a move that is otherwise possible.
    fn check_move(&self, old_dir: Ino, moving: Ino, new_dir: Ino, target: Option<Ino>) -> Result<(), Errno> {
        if self.table.get(new_dir)?.nlink == 0 {
            return Err(Errno::NoEnt);
        }
        for ino in [old_dir, new_dir, moving].into_iter().chain(target) {
            self.table.get(ino)?.check_writable()?;
        }
        // Only a move downwards can make the tree too deep. The walk over the moved tree is not needed otherwise.
        if self.kind(moving)? == Kind::Directory && old_dir != new_dir {
            let depth = self.depth(new_dir)? + 1;
            if depth > self.depth(moving)? && depth + self.height(moving)? > self.quota.max_depth {
                return Err(Errno::NameTooLong);
            }
        }
        Ok(())
    }

    /// `..` of a directory and the link counts of its old and new parent.
    fn move_directory(&mut self, old_dir: Ino, moving: Ino, new_dir: Ino) -> Result<(), Errno> {
        self.table.get_mut(moving)?.directory_mut()?.parent = Some(new_dir);
        let old_parent = self.table.get_mut(old_dir)?;
        old_parent.nlink = old_parent.nlink.saturating_sub(1);
        self.table.get_mut(new_dir)?.nlink += 1;
        Ok(())
    }

    fn drop_replaced(&mut self, dir: Ino, target: Ino, now: FileTime) -> Result<(), Errno> {
        match self.kind(target)? {
            Kind::Directory => self.drop_directory(dir, target, now),
            Kind::File | Kind::Symlink | Kind::Device(_) => self.drop_name(target, now),
        }
    }
}
