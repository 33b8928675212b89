//! The tree of a cell, written below a directory of this machine.
//!
//! Every step goes from an open directory by one name, so no symbolic link that the cell holds leads the writing
//! elsewhere, and no path is too long. A name that the file system here refuses (too long, not its characters, the same
//! as another one to it) is left out and told; any other failure ends the whole.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{Mode, UtimensatFlags, futimens, mkdirat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{linkat, symlinkat};
use replicode_syscalls::fs::{Fs, Ino, Kind, Stat};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::{AsFd, OwnedFd};

/// Bytes that are copied at once. As many zeros in a row become a hole.
const PIECE: usize = 64 << 10;

/// What was written, and what could not be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Copied {
    /// Regular files; one with several names counts once.
    pub files: u64,
    /// Directories below the root.
    pub directories: u64,
    /// Symbolic links.
    pub links: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// Paths whose last name is refused here, with the reason.
    pub left_out: Vec<(String, String)>,
}

/// A directory that is being written.
struct Open<'a> {
    fd: OwnedFd,
    stat: Stat,
    rest: Vec<(&'a [u8], Ino)>,
    /// Length of its path, which the names below are appended to.
    path: usize,
}

struct Copy<'a> {
    files: &'a Fs,
    /// Unix time of genesis.
    epoch: u64,
    root: OwnedFd,
    /// The first path of each file that has several.
    several: BTreeMap<Ino, Vec<u8>>,
    path: Vec<u8>,
    copied: Copied,
}

/// Writes all of `files` into the empty directory `into`.
///
/// # Errors
/// When the disk fails or is full; what was written until then stays.
pub fn tree(files: &Fs, epoch: u64, into: &File) -> Result<Copied> {
    let root = into.as_fd().try_clone_to_owned()?;
    let mut copy = Copy { files, epoch, root, several: BTreeMap::new(), path: Vec::new(), copied: Copied::default() };
    copy.run(into.as_fd().try_clone_to_owned()?)?;
    Ok(copy.copied)
}

impl<'a> Copy<'a> {
    fn run(&mut self, root: OwnedFd) -> Result<()> {
        let mut open = vec![self.enter(root, self.files.root())?];
        while let Some(dir) = open.last_mut() {
            self.path.truncate(dir.path);
            let Some((name, ino)) = dir.rest.pop() else {
                // Its times last: every name that it was given has changed them.
                futimens(&dir.fd, &self.time(dir.stat.atim), &self.time(dir.stat.mtim))?;
                open.pop();
                continue;
            };
            if !self.path.is_empty() {
                self.path.push(b'/');
            }
            self.path.extend_from_slice(name);
            match self.entry(&dir.fd, name, ino) {
                Ok(Some(below)) => open.push(self.enter(below, ino)?),
                Ok(None) => {}
                Err(error) => match error.downcast_ref::<Errno>() {
                    Some(Errno::ENAMETOOLONG | Errno::EILSEQ | Errno::EINVAL | Errno::EEXIST) => {
                        let path = format!("/{}", self.path.escape_ascii());
                        self.copied.left_out.push((path, format!("{error:#}")));
                    }
                    _ => return Err(error.context(format!("at /{}", self.path.escape_ascii()))),
                },
            }
        }
        Ok(())
    }

    fn enter(&self, fd: OwnedFd, ino: Ino) -> Result<Open<'a>> {
        let mut rest: Vec<_> = told(self.files.children(ino))?.collect();
        rest.reverse();
        Ok(Open { fd, stat: told(self.files.stat(ino))?, rest, path: self.path.len() })
    }

    /// Writes one entry; of a directory, only itself, which it then answers.
    fn entry(&mut self, dir: &OwnedFd, name: &[u8], ino: Ino) -> Result<Option<OwnedFd>> {
        // What every cell has, and what is no file, is not the program's.
        if told(self.files.is_given(ino))? {
            return Ok(None);
        }
        let stat = told(self.files.stat(ino))?;
        match stat.kind {
            Kind::Directory => {
                mkdirat(dir, name, Mode::S_IRWXU)?;
                self.copied.directories += 1;
                let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
                return Ok(Some(openat(dir, name, flags, Mode::empty())?));
            }
            Kind::Symlink => {
                symlinkat(told(self.files.target(ino))?, dir, name)?;
                let (atim, mtim) = (self.time(stat.atim), self.time(stat.mtim));
                utimensat(dir, name, &atim, &mtim, UtimensatFlags::NoFollowSymlink)?;
                self.copied.links += 1;
            }
            Kind::Device(_) => {}
            Kind::File => {
                if let Some(first) = self.several.get(&ino) {
                    linkat(&self.root, first.as_slice(), dir, name, AtFlags::empty())?;
                    return Ok(None);
                }
                self.file(dir, name, ino, &stat)?;
                if stat.nlink > 1 {
                    self.several.insert(ino, self.path.clone());
                }
            }
        }
        Ok(None)
    }

    fn file(&mut self, dir: &OwnedFd, name: &[u8], ino: Ino, stat: &Stat) -> Result<()> {
        let write = if told(self.files.is_read_only(ino))? { Mode::empty() } else { Mode::S_IWUSR };
        let execute = Mode::from_bits_truncate(stat.mode.into()) & Mode::S_IXUSR;
        let mode = Mode::S_IRUSR | write | execute;
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut file = File::from(openat(dir, name, flags, mode)?);
        let mut piece = vec![0; PIECE];
        let mut offset = 0;
        while offset < stat.size {
            let got = told(self.files.read_at(ino, offset, &mut piece))?;
            if piece[..got].iter().all(|byte| *byte == 0) {
                file.seek(SeekFrom::Current(got as i64))?;
            } else {
                file.write_all(&piece[..got])?;
            }
            offset += got as u64;
        }
        file.set_len(stat.size)?;
        futimens(&file, &self.time(stat.atim), &self.time(stat.mtim))?;
        self.copied.files += 1;
        self.copied.bytes += stat.size;
        Ok(())
    }

    fn time(&self, time: replicode_syscalls::fs::FileTime) -> TimeSpec {
        let nanos = time.unix_ns(self.epoch);
        TimeSpec::new((nanos / 1_000_000_000) as _, (nanos % 1_000_000_000) as _)
    }
}

/// What the file system of the cell says of itself. It refuses nothing that it has listed.
fn told<T>(result: Result<T, replicode_syscalls::Errno>) -> Result<T> {
    result.map_err(|errno| anyhow::anyhow!("{errno}")).context("the cell's files contradict themselves")
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{FsEntry, FsImage, FsNode, Limits, LogicalTime};
    use replicode_syscalls::fs::{FileTime, OpenHow};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    const EPOCH: u64 = 1_700_000_000_000_000_000;

    fn cell() -> Result<Fs> {
        let entry = |path: &[u8], node, read_only| FsEntry { path: path.to_vec(), node, read_only };
        let image = FsImage::from_entries(vec![
            entry(b"www", FsNode::Directory, false),
            entry(b"www/index.html", FsNode::File(b"<p>hello".to_vec()), true),
            entry(b"etc", FsNode::Symlink(b"/etc".to_vec()), false),
        ]);
        let mut fs = Fs::new(&image, &Limits::default())?;
        fs.furnish()?;
        let (root, now) = (fs.root(), LogicalTime::from_nanos(7_000_000_005));
        let how = OpenHow { create: true, write: true, ..OpenHow::default() };
        let sparse = told(fs.open(root, b"www/sparse", how, now))?;
        told(fs.write_at(sparse, 10 << 20, b"end", now))?;
        told(fs.link(root, b"www/sparse", false, root, b"again", now))?;
        told(fs.open(root, b"caf\xff", how, now))?;
        let deep = [b'd'; 200];
        let mut at = root;
        for _ in 0..40 {
            at = told(fs.mkdir(at, &deep, now))?;
        }
        told(fs.open(at, b"bottom", how, now))?;
        told(fs.open(root, b"var/tmp/mine", how, now))?;
        told(fs.set_times(told(fs.lookup(root, b"www", true))?, None, Some(FileTime::GENESIS), now))?;
        Ok(fs)
    }

    #[test]
    fn everything_is_there_as_it_was() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let copied = tree(&cell()?, EPOCH, &File::open(tmp.path())?)?;
        // Of what every cell has, only where the program has left something.
        assert_eq!((copied.files, copied.directories, copied.links), (5, 43, 1));
        assert!(tmp.path().join("var/tmp/mine").exists() && !tmp.path().join("dev").exists());
        assert_eq!((copied.bytes, copied.left_out), ((10 << 20) + 3 + 8, vec![]));
        let index = tmp.path().join("www/index.html");
        assert_eq!(std::fs::read(&index)?, b"<p>hello");
        assert_eq!(std::fs::metadata(&index)?.permissions().mode() & 0o777, 0o400);
        assert_eq!(std::fs::read_link(tmp.path().join("etc"))?, std::path::Path::new("/etc"));
        let sparse = std::fs::metadata(tmp.path().join("www/sparse"))?;
        assert_eq!((sparse.len(), sparse.nlink()), ((10 << 20) + 3, 2));
        assert!(sparse.blocks() < 1000, "a hole stays one: {} blocks", sparse.blocks());
        assert_eq!((sparse.mtime(), sparse.mtime_nsec()), (1_700_000_007, 5));
        assert_eq!(sparse.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read(tmp.path().join("again"))?.last(), Some(&b'd'));
        assert_eq!(std::fs::metadata(tmp.path().join("www"))?.mtime(), 1_700_000_000);
        Ok(())
    }

    #[test]
    fn names_that_stand_in_the_way_are_told() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        std::fs::write(tmp.path().join("www"), "mine")?;
        let copied = tree(&cell()?, EPOCH, &File::open(tmp.path())?)?;
        assert_eq!(copied.left_out.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["/www"]);
        assert_eq!(std::fs::read(tmp.path().join("www"))?, b"mine");
        assert!(tmp.path().join("again").exists());
        Ok(())
    }
}
