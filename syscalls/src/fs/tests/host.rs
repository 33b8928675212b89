//! Random calls compared with the file system of the machine that runs the test: the same calls must succeed or fail
//! with the same error, and leave the same tree. Only on Linux, whose choices we follow.
//!
//! Both trees start in a chain of directories that is deeper than any resolution can climb (40 links and the path, one
//! `..` each), so that no path of the test leaves the temporary directory.
#![cfg(target_os = "linux")]
#![expect(clippy::disallowed_types, reason = "the host's files are what this test compares with")]

use super::*;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const CHAIN: &str = "r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r/r";

/// Linux' numbers of `O_NOFOLLOW` and `O_DIRECTORY`, which the standard library does not name.
const NOFOLLOW: i32 = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o100_000 } else { 0o400_000 };
const DIRECTORY: i32 = if cfg!(any(target_arch = "aarch64", target_arch = "arm")) { 0o40_000 } else { 0o200_000 };

#[derive(Clone, Debug)]
enum Op {
    Mkdir(String),
    Rmdir(String),
    Open(String, OpenHow),
    Close(usize),
    Write(usize, u64, usize),
    Truncate(usize, u64),
    Unlink(String),
    Link(String, String),
    Symlink(String, String),
    Readlink(String),
    Rename(String, String),
    Stat(String, bool),
}

/// One to three components, at most one of them `..`, sometimes with slashes behind.
fn path() -> impl Strategy<Value = String> {
    let names = vec!["a", "b", "c", "a", "b", "c", "."];
    let component = || prop::sample::select(names.clone());
    let up = prop::option::weighted(0.1, 0..3_usize);
    let slash = prop::sample::select(vec!["", "", "", "", "", "", "", "", "/", "//"]);
    let components = prop_oneof![
        3 => prop::collection::vec(component(), 1..=2),
        1 => prop::collection::vec(component(), 3),
    ];
    (components, up, slash).prop_map(|(mut components, up, slash)| {
        if let Some(up) = up {
            let up = up.min(components.len() - 1);
            components[up] = "..";
        }
        components.join("/") + slash
    })
}

fn how() -> impl Strategy<Value = OpenHow> {
    let flag = || prop::bool::weighted(0.3);
    (any::<bool>(), flag(), flag(), flag(), any::<bool>(), any::<bool>()).prop_map(
        |(create, exclusive, truncate, directory, follow, write)| OpenHow {
            create,
            exclusive: exclusive && create,
            // Truncating without the permission to write is left open by POSIX, and by the standard library.
            truncate: truncate && write,
            // Kernels before 6.4 made something of both.
            directory: directory && !create,
            follow,
            write,
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    let file = 0..4_usize;
    let offset = || prop_oneof![0..200_u64, 65_000..66_000_u64];
    prop_oneof![
        4 => path().prop_map(Op::Mkdir),
        2 => path().prop_map(Op::Rmdir),
        5 => (path(), how()).prop_map(|(path, how)| Op::Open(path, how)),
        1 => file.clone().prop_map(Op::Close),
        2 => (file.clone(), offset(), 0..300_usize).prop_map(|(f, o, l)| Op::Write(f, o, l)),
        1 => (file, offset()).prop_map(|(f, len)| Op::Truncate(f, len)),
        2 => path().prop_map(Op::Unlink),
        2 => (path(), path()).prop_map(|(a, b)| Op::Link(a, b)),
        3 => (path(), path()).prop_map(|(a, b)| Op::Symlink(a, b)),
        1 => path().prop_map(Op::Readlink),
        5 => (path(), path()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (path(), any::<bool>()).prop_map(|(path, follow)| Op::Stat(path, follow)),
    ]
}

/// What a call answers, as far as both sides can be compared.
#[derive(Clone, PartialEq, Debug)]
enum Answer {
    Done,
    Bytes(Vec<u8>),
    Stat { kind: Kind, nlink: u64, size: u64 },
}

/// Linux' error numbers.
fn errno(error: &io::Error) -> Errno {
    match error.raw_os_error() {
        Some(1) => Errno::Perm,
        Some(2) => Errno::NoEnt,
        Some(16) => Errno::Busy,
        Some(17) => Errno::Exist,
        Some(20) => Errno::NotDir,
        Some(21) => Errno::IsDir,
        Some(22) => Errno::Inval,
        Some(36) => Errno::NameTooLong,
        Some(39) => Errno::NotEmpty,
        Some(40) => Errno::Loop,
        _ => panic!("an error of the host that the test does not know: {error}"),
    }
}

struct Host {
    base: PathBuf,
    /// Some file systems do not count directories in `nlink`.
    counts_directories: bool,
    open: Vec<Option<fs::File>>,
}

impl Host {
    fn path(&self, path: &str) -> PathBuf {
        // Not `join`, which would be free to tidy up.
        let mut whole = self.base.clone().into_os_string().into_vec();
        whole.push(b'/');
        whole.extend_from_slice(path.as_bytes());
        PathBuf::from(OsStr::from_bytes(&whole).to_os_string())
    }

    fn answer(&self, stat: &fs::Metadata) -> Answer {
        let kind = match stat.file_type() {
            kind if kind.is_dir() => Kind::Directory,
            kind if kind.is_symlink() => Kind::Symlink,
            _ => Kind::File,
        };
        comparable(kind, stat.nlink(), stat.len(), self.counts_directories)
    }

    fn open(&mut self, path: &str, how: OpenHow) -> io::Result<()> {
        let flags = if how.follow { 0 } else { NOFOLLOW } | if how.directory { DIRECTORY } else { 0 };
        let mut options = fs::OpenOptions::new();
        options.read(true).write(how.write).truncate(how.truncate).custom_flags(flags);
        options.create(how.create).create_new(how.exclusive);
        self.open.push(Some(options.open(self.path(path))?));
        Ok(())
    }

    fn apply(&mut self, op: &Op) -> io::Result<Answer> {
        match op {
            Op::Mkdir(path) => fs::create_dir(self.path(path))?,
            Op::Rmdir(path) => fs::remove_dir(self.path(path))?,
            Op::Open(path, how) => self.open(path, *how)?,
            Op::Close(file) => self.open[*file] = None,
            Op::Write(file, offset, len) => {
                if let Some(file) = &self.open[*file] {
                    file.write_all_at(&vec![b'w'; *len], *offset)?;
                }
            }
            Op::Truncate(file, len) => {
                if let Some(file) = &self.open[*file] {
                    file.set_len(*len)?;
                }
            }
            Op::Unlink(path) => fs::remove_file(self.path(path))?,
            Op::Link(old, new) => fs::hard_link(self.path(old), self.path(new))?,
            Op::Symlink(target, path) => std::os::unix::fs::symlink(target, self.path(path))?,
            Op::Readlink(path) => {
                return Ok(Answer::Bytes(fs::read_link(self.path(path))?.into_os_string().into_vec()));
            }
            Op::Rename(old, new) => fs::rename(self.path(old), self.path(new))?,
            Op::Stat(path, true) => return Ok(self.answer(&fs::metadata(self.path(path))?)),
            Op::Stat(path, false) => return Ok(self.answer(&fs::symlink_metadata(self.path(path))?)),
        }
        Ok(Answer::Done)
    }
}

/// Directories have sizes of their own on every file system.
fn comparable(kind: Kind, nlink: u64, size: u64, counts_directories: bool) -> Answer {
    match kind {
        Kind::Directory => Answer::Stat { kind, nlink: if counts_directories { nlink } else { 0 }, size: 0 },
        _ => Answer::Stat { kind, nlink, size },
    }
}

struct Guest {
    cell: Cell,
    base: Ino,
    counts_directories: bool,
    /// With the flag that the descriptor may write.
    open: Vec<Option<(Ino, bool)>>,
}

impl Guest {
    fn answer(&self, ino: Ino) -> Result<Answer, Errno> {
        let stat = self.cell.fs.stat(ino)?;
        Ok(comparable(stat.kind, stat.nlink.into(), stat.size, self.counts_directories))
    }

    fn apply(&mut self, op: &Op) -> Result<Answer, Errno> {
        let (base, now) = (self.base, self.cell.now());
        let tree = &mut self.cell.fs;
        match op {
            Op::Mkdir(path) => drop(tree.mkdir(base, path.as_bytes(), now)?),
            Op::Rmdir(path) => tree.rmdir(base, path.as_bytes(), now)?,
            Op::Open(path, how) => {
                let ino = tree.open(base, path.as_bytes(), *how, now)?;
                tree.hold(ino);
                self.open.push(Some((ino, how.write)));
            }
            Op::Close(file) => {
                if let Some((ino, _)) = self.open[*file].take() {
                    tree.release(ino);
                }
            }
            Op::Write(file, offset, len) => {
                if let Some((ino, _)) = self.open[*file] {
                    tree.write_at(ino, *offset, &vec![b'w'; *len], now)?;
                }
            }
            Op::Truncate(file, len) => {
                if let Some((ino, _)) = self.open[*file] {
                    tree.truncate(ino, *len, now)?;
                }
            }
            Op::Unlink(path) => tree.unlink(base, path.as_bytes(), now)?,
            Op::Link(old, new) => tree.link(base, old.as_bytes(), false, base, new.as_bytes(), now)?,
            Op::Symlink(target, path) => drop(tree.symlink(target.as_bytes(), base, path.as_bytes(), now)?),
            Op::Readlink(path) => return Ok(Answer::Bytes(tree.readlink(base, path.as_bytes())?.to_vec())),
            Op::Rename(old, new) => tree.rename(base, old.as_bytes(), base, new.as_bytes(), now)?,
            Op::Stat(path, follow) => return self.answer(self.cell.fs.lookup(base, path.as_bytes(), *follow)?),
        }
        Ok(Answer::Done)
    }

    fn read(&self, ino: Ino) -> Vec<u8> {
        self.cell.fs.read_all(ino).expect("a file")
    }
}

/// Compares the two trees below `path`, and the descriptors.
fn compare(host: &Host, guest: &Guest, path: &str) {
    let ino = guest.cell.fs.lookup(guest.base, path.as_bytes(), false).expect("on both sides");
    let metadata = fs::symlink_metadata(host.path(path)).expect("on both sides");
    assert_eq!(guest.answer(ino), Ok(host.answer(&metadata)), "{path}");
    if metadata.is_file() {
        assert!(guest.read(ino) == content(&fs::File::open(host.path(path)).expect("a file")), "{path}");
    }
    if metadata.is_dir() {
        let mut theirs: Vec<Vec<u8>> = fs::read_dir(host.path(path))
            .expect("a directory")
            .map(|entry| entry.expect("an entry").file_name().into_vec())
            .collect();
        theirs.sort();
        let ours = guest.cell.fs.list(ino).split_off(2);
        assert_eq!(ours, theirs, "{path}");
        for name in ours {
            compare(host, guest, &format!("{path}/{}", String::from_utf8_lossy(&name)));
        }
    }
}

fn compare_descriptors(host: &Host, guest: &Guest) {
    for (theirs, ours) in host.open.iter().zip(&guest.open) {
        if let (Some(theirs), Some((ino, _))) = (theirs, ours) {
            let metadata = theirs.metadata().expect("open");
            assert_eq!(guest.answer(*ino), Ok(host.answer(&metadata)));
            if metadata.is_file() {
                assert!(guest.read(*ino) == content(theirs));
            }
        }
    }
}

fn content(file: &fs::File) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(file.metadata().expect("open").len()).expect("small")];
    file.read_exact_at(&mut bytes, 0).expect("as long as it says");
    bytes
}

/// The chain and an empty directory at its end. Calls of an earlier case may have left something at every level.
fn fresh_base(top: &Path) -> io::Result<PathBuf> {
    fs::create_dir_all(top.join(CHAIN))?;
    let mut dir = top.to_path_buf();
    for link in CHAIN.split('/') {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_name() != link {
                remove(&entry.path())?;
            }
        }
        dir.push(link);
    }
    remove(&dir)?;
    fs::create_dir(&dir)?;
    Ok(dir)
}

fn remove(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

/// Something to begin with, so that fewer calls end at `ENOENT`.
fn furniture() -> Vec<Op> {
    let file = OpenHow { create: true, write: true, ..READ };
    vec![
        Op::Mkdir("a".into()),
        Op::Mkdir("b".into()),
        Op::Mkdir("a/b".into()),
        Op::Mkdir("a/b/a".into()),
        Op::Open("c".into(), file),
        Op::Open("b/c".into(), file),
        Op::Open("a/b/c".into(), file),
        Op::Symlink("../b".into(), "a/a".into()),
        Op::Symlink("b/c".into(), "a/c".into()),
    ]
}

fn run(ops: Vec<Op>, top: &Path) {
    let base = fresh_base(top).expect("temporary directory");
    let counts_directories = fs::metadata(top).expect("temporary directory").nlink() == 3;
    let mut cell = Cell::of(vec![entry(CHAIN, FsNode::Directory, false)]);
    let at = cell.lookup(CHAIN).expect("in the image");
    cell.clock = 1;
    let mut host = Host { base, counts_directories, open: Vec::new() };
    let mut guest = Guest { cell, base: at, counts_directories, open: Vec::new() };
    for mut op in furniture().into_iter().chain(ops) {
        match &mut op {
            Op::Close(file) | Op::Write(file, ..) | Op::Truncate(file, _) if !host.open.is_empty() => {
                *file %= host.open.len();
            }
            Op::Close(_) | Op::Write(..) | Op::Truncate(..) => continue,
            // The standard library creates only what it may write to.
            Op::Open(_, how) => how.write |= how.create,
            _ => {}
        }
        if let Op::Write(file, ..) | Op::Truncate(file, _) = op
            && guest.open[file].is_some_and(|(_, write)| !write)
        {
            // Rights belong to descriptors, which the file system does not know.
            continue;
        }
        let theirs = host.apply(&op).map_err(|error| errno(&error));
        assert_eq!(guest.apply(&op), theirs, "{op:?}");
        compare_descriptors(&host, &guest);
        guest.cell.check();
    }
    compare(&host, &guest, ".");
}

#[test]
fn behaves_as_the_file_system_of_the_host() {
    let top = tempfile::tempdir().expect("temporary directory");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(300));
    let result = runner.run(&prop::collection::vec(op(), 1..80), |ops| {
        run(ops, top.path());
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
}
