//! What every cell has, unless an import stands in its place: devices, `/tmp` and `/var/tmp`, a small `/etc`, and
//! `/proc/self/fd`.
//!
//! It is the same in all cells and costs no program anything: its names and bytes do not count against the limits. What
//! changes it counts as any other change does.

use super::content::Content;
use super::dir::Directory;
use super::inode::{Body, Device, Ino};
use super::{Fs, ImageError};
use crate::abi::errno::Errno;
use replicode_log::LogicalTime;

/// One thing that is given.
enum Given {
    /// A directory with these permission bits.
    Directory(u16),
    /// A directory that shows the descriptors of whoever looks.
    Descriptors,
    Device(Device),
    File(&'static str),
    Symlink(&'static str),
}

/// All of it, each after the directory that holds it.
const GIVEN: &[(&str, Given)] = &[
    ("dev", Given::Directory(0o755)),
    ("dev/fd", Given::Symlink("/proc/self/fd")),
    ("dev/full", Given::Device(Device::Full)),
    ("dev/null", Given::Device(Device::Null)),
    ("dev/random", Given::Device(Device::Random)),
    ("dev/stderr", Given::Symlink("/proc/self/fd/2")),
    ("dev/stdin", Given::Symlink("/proc/self/fd/0")),
    ("dev/stdout", Given::Symlink("/proc/self/fd/1")),
    ("dev/urandom", Given::Device(Device::Random)),
    ("dev/zero", Given::Device(Device::Zero)),
    ("etc", Given::Directory(0o755)),
    ("etc/group", Given::File("root:x:0:\nnogroup:x:65534:\n")),
    ("etc/hosts", Given::File("127.0.0.1 localhost\n")),
    ("etc/passwd", Given::File("root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")),
    ("proc", Given::Directory(0o555)),
    ("proc/self", Given::Directory(0o555)),
    ("proc/self/fd", Given::Descriptors),
    ("tmp", Given::Directory(0o1777)),
    ("var", Given::Directory(0o755)),
    ("var/tmp", Given::Directory(0o1777)),
];

impl Fs {
    /// Adds what every cell has, where nothing stands and a directory can hold it.
    ///
    /// # Errors
    /// Only when there is no number left for an inode.
    pub fn furnish(&mut self) -> Result<(), ImageError> {
        let (bytes, nodes) = (self.quota.bytes, self.quota.nodes);
        let bounds = self.quota.unbound();
        let mut all = GIVEN.iter();
        let furnished = all.try_for_each(|(path, given)| {
            self.give(path, given).map_err(|errno| ImageError { path: path.as_bytes().to_vec(), errno })
        });
        self.quota.bound(bounds, self.quota.bytes - bytes, self.quota.nodes - nodes);
        furnished
    }

    fn give(&mut self, path: &str, given: &Given) -> Result<(), Errno> {
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        // Links are not followed: what an import put there is its own.
        let Some(dir) = self.plain(above) else { return Ok(()) };
        if self.table.get(dir)?.directory()?.get(name.as_bytes()).is_some() {
            return Ok(());
        }
        // An import that is read-only does not count for what comes with it. A given directory stays as it came.
        let (protected, came) = self.table.get(dir).map(|inode| (inode.read_only, inode.given))?;
        self.table.get_mut(dir)?.read_only = false;
        let body = match given {
            Given::Directory(_) | Given::Descriptors => Body::Directory(Directory::new(Some(dir))),
            Given::Device(device) => Body::Device(*device),
            Given::File(text) => {
                let mut content = Content::default();
                content.write(0, text.as_bytes());
                Body::File(content)
            }
            Given::Symlink(target) => Body::Symlink(target.as_bytes().to_vec()),
        };
        let ino = self.make(dir, name.as_bytes(), body, LogicalTime::GENESIS)?;
        let holder = self.table.get_mut(dir)?;
        (holder.read_only, holder.given) = (protected, came);
        let inode = self.table.get_mut(ino)?;
        inode.given = true;
        match given {
            Given::Directory(mode) => inode.mode = *mode,
            Given::Descriptors => {
                inode.mode = 0o555;
                inode.directory_mut()?.of_descriptors = true;
            }
            Given::Device(_) | Given::File(_) | Given::Symlink(_) => {}
        }
        // What shows the state of the system is nobody's to change.
        inode.read_only = path == "proc" || path.starts_with("proc/");
        Ok(())
    }

    /// The directory at a path of plain names.
    fn plain(&self, path: &str) -> Option<Ino> {
        let mut names = path.split('/').filter(|name| !name.is_empty());
        let found = names.try_fold(self.root, |at, name| {
            self.table.get(at).ok()?.directory().ok()?.get(name.as_bytes()).filter(|ino| ino.descriptor().is_none())
        })?;
        self.table.get(found).ok()?.directory().is_ok().then_some(found)
    }
}
