//! Tests by theme. `model` compares with a naive model, `host` with the file system of the machine.

mod host;
mod image;
mod limits;
mod listing;
mod model;
mod names;
mod open_files;
mod paths;
mod rename;

use super::*;
use replicode_log::{FsEntry, FsNode};

/// A file system with a clock that moves at each use.
struct Cell {
    fs: Fs,
    clock: u64,
}

impl Cell {
    fn new() -> Self {
        Self::with(&Limits::default())
    }

    fn with(limits: &Limits) -> Self {
        Self { fs: Fs::new(&FsImage::default(), limits).expect("an empty image fits"), clock: 0 }
    }

    fn of(entries: Vec<FsEntry>) -> Self {
        let image = FsImage::from_entries(entries);
        Self { fs: Fs::new(&image, &Limits::default()).expect("the image fits"), clock: 0 }
    }

    fn now(&mut self) -> LogicalTime {
        self.clock += 1;
        LogicalTime::from_nanos(self.clock)
    }

    fn mkdir(&mut self, path: &str) -> Result<Ino, Errno> {
        let now = self.now();
        self.fs.mkdir(self.fs.root(), path.as_bytes(), now)
    }

    fn rmdir(&mut self, path: &str) -> Result<(), Errno> {
        let now = self.now();
        self.fs.rmdir(self.fs.root(), path.as_bytes(), now)
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let now = self.now();
        self.fs.unlink(self.fs.root(), path.as_bytes(), now)
    }

    fn rename(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let (now, root) = (self.now(), self.fs.root());
        self.fs.rename(root, old.as_bytes(), root, new.as_bytes(), now)
    }

    fn link(&mut self, old: &str, new: &str) -> Result<(), Errno> {
        let (now, root) = (self.now(), self.fs.root());
        self.fs.link(root, old.as_bytes(), false, root, new.as_bytes(), now)
    }

    fn symlink(&mut self, target: &str, path: &str) -> Result<Ino, Errno> {
        let now = self.now();
        self.fs.symlink(target.as_bytes(), self.fs.root(), path.as_bytes(), now)
    }

    fn open(&mut self, path: &str, how: OpenHow) -> Result<Ino, Errno> {
        let now = self.now();
        self.fs.open(self.fs.root(), path.as_bytes(), how, now)
    }

    fn write(&mut self, ino: Ino, offset: u64, bytes: &[u8]) -> Result<usize, Errno> {
        let now = self.now();
        self.fs.write_at(ino, offset, bytes, now)
    }

    /// Makes a file with content, as `echo text > path` does.
    fn put(&mut self, path: &str, text: &str) -> Result<Ino, Errno> {
        let ino = self.open(path, OpenHow { create: true, truncate: true, write: true, follow: true, ..READ })?;
        // One call, one moment: an empty write would only move the clock.
        if !text.is_empty() {
            self.write(ino, 0, text.as_bytes())?;
        }
        Ok(ino)
    }

    fn lookup(&self, path: &str) -> Result<Ino, Errno> {
        self.fs.lookup(self.fs.root(), path.as_bytes(), true)
    }

    fn stat(&self, path: &str) -> Result<Stat, Errno> {
        self.fs.stat(self.fs.lookup(self.fs.root(), path.as_bytes(), false)?)
    }

    fn text(&self, path: &str) -> Result<String, Errno> {
        self.fs.read_all(self.lookup(path)?).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    fn names(&self, path: &str) -> Vec<String> {
        let ino = self.lookup(path).expect("directory to list");
        self.fs.list(ino).into_iter().map(|name| String::from_utf8_lossy(&name).into_owned()).collect()
    }

    fn check(&self) {
        assert_eq!(self.fs.audit(), Ok(()));
    }
}

impl Fs {
    /// The names that a whole listing shows.
    fn list(&self, ino: Ino) -> Vec<Vec<u8>> {
        let directory = self.table.get(ino).expect("is there").directory().expect("a directory");
        let listing = Listing::Reading(Box::new(Snapshot::of(directory.names())));
        self.entries(ino, &listing, 0).expect("not removed").map(|entry| entry.name.to_vec()).collect()
    }

    fn read_all(&self, ino: Ino) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; usize::try_from(self.size(ino)?).expect("small file")];
        let read = self.read_at(ino, 0, &mut bytes)?;
        assert_eq!(read, bytes.len());
        Ok(bytes)
    }
}

/// Opens what is there, following links.
const READ: OpenHow =
    OpenHow { create: false, exclusive: false, truncate: false, directory: false, follow: true, write: false };

fn entry(path: &str, node: FsNode, read_only: bool) -> FsEntry {
    FsEntry { path: path.as_bytes().to_vec(), node, read_only }
}
