//! Directories that are being made: the mark that says so, and how an attempt that did not come to its end is taken back.
//!
//! A single node's directory is complete when it holds `genesis.bin`, which is written last. A cluster's directory is when
//! it does not hold `unfinished` any more, which is written first and removed last. Until then nobody has been told of the
//! cluster, so whatever stands there may be removed and made anew.

use crate::datadir::{self, DataDir};
use anyhow::{Context, Result, ensure};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MARK: &str = "unfinished";
const TEXT: &[u8] = b"A cluster is being made here, or was until a crash. The same command again makes it anew.\n";

/// A cluster's directory that is being made. No other process makes one there as long as it lives.
#[derive(Debug)]
pub struct Making {
    root: PathBuf,
    origin: Origin,
    _lock: File,
}

impl Making {
    /// Whether an attempt did not come to its end in a directory, or is still under way.
    #[must_use]
    pub fn is_unfinished(root: &Path) -> bool {
        let Some(mark) = File::open(root.join(MARK)).ok().and_then(|mark| read(&mark).ok()) else { return false };
        // Nothing is made before the whole mark is durable, so what is finished was so before.
        mark == TEXT || (TEXT.starts_with(&mark) && !matches!(finished(root), Ok(Some(_))))
    }

    /// Begins, and removes what is left of an earlier attempt.
    ///
    /// # Errors
    /// When another process makes a cluster there, or has made one, when something else is in the way, or when the disk
    /// fails.
    pub fn begin(root: &Path) -> Result<Self> {
        let origin = Origin::of(root);
        let path = root.join(MARK);
        let mut lock = loop {
            datadir::make_private_dir(root)?;
            // Not cut: it may be another attempt's, or another's file of that name.
            let lock =
                datadir::private_file(OpenOptions::new().read(true).write(true).create(true).truncate(false), &path)?;
            match lock.try_lock() {
                // Whoever had it has removed it with what it was about: this is the lock of nothing.
                Ok(()) if !datadir::is_at(&lock, &path) => {}
                Ok(()) => break lock,
                Err(TryLockError::WouldBlock) => {
                    anyhow::bail!("another process is making a cluster in {}: wait for it", root.display());
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        };
        let mark = read(&lock).with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            TEXT.starts_with(&mark),
            "{} is in the way, which is not of this program: name a new directory",
            path.display()
        );
        let making = Self { root: root.to_path_buf(), origin, _lock: lock.try_clone()? };
        if mark == TEXT {
            making.take_back()?;
            return Ok(making);
        }
        // No attempt has come as far as to make anything; what stands there is somebody's.
        let vacant = finished(root).and_then(|node| match node {
            Some(node) => Err(anyhow::anyhow!(
                "{} is complete: another process may have made it just now; the same command again goes by what is there",
                node.display()
            )),
            None => making.check(),
        });
        if let Err(why) = vacant {
            let _ = fs::remove_file(&path);
            making.origin.restore();
            return Err(why);
        }
        let marked = lock.seek(SeekFrom::Start(0)).and_then(|_| lock.write_all(TEXT)).and_then(|()| lock.sync_all());
        marked.and_then(|()| sync(root)).with_context(|| format!("cannot write {}", path.display()))?;
        making.take_back()?;
        Ok(making)
    }

    /// Everything is there and durable.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn done(self) -> Result<()> {
        let mark = self.root.join(MARK);
        let removed = fs::remove_file(&mark).and_then(|()| sync(&self.root));
        removed.with_context(|| format!("cannot remove {}", mark.display()))
    }

    /// Removes what has been made. What cannot be removed stays, with the mark.
    pub fn give_up(self) {
        if self.take_back().is_ok() && fs::remove_file(self.root.join(MARK)).is_ok() {
            self.origin.restore();
        }
    }

    fn take_back(&self) -> Result<()> {
        let _held = self.check()?;
        for dir in node_dirs(&self.root)? {
            take_back(&dir)?;
            remove_dir(dir.root())?;
        }
        Ok(())
    }

    /// Nothing is removed of a node unless all of them may go. No node starts as long as the result lives.
    fn check(&self) -> Result<Vec<File>> {
        let held = |dir: DataDir| {
            check(&dir).with_context(|| {
                format!("cannot make {} anew; if the cluster is whole, remove the file '{MARK}'", self.root.display())
            })?;
            dir.hold_still()
        };
        node_dirs(&self.root)?.into_iter().filter_map(|dir| held(dir).transpose()).collect()
    }
}

/// The directories of nodes, complete or not.
fn node_dirs(root: &Path) -> Result<Vec<DataDir>> {
    let what = || format!("cannot list {}", root.display());
    let mut dirs = Vec::new();
    for entry in fs::read_dir(root).with_context(what)? {
        let entry = entry.with_context(what)?;
        if entry.file_name().as_encoded_bytes().starts_with(b"node-") {
            dirs.push(DataDir::at(entry.path()));
        }
    }
    Ok(dirs)
}

/// A node's directory that is complete.
fn finished(root: &Path) -> Result<Option<PathBuf>> {
    Ok(node_dirs(root)?.into_iter().find(DataDir::exists).map(|dir| dir.root().to_path_buf()))
}

/// What a mark says, and a byte more if it says more.
fn read(mark: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    mark.take(TEXT.len() as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Refuses the directory of a node that has run.
fn check(dir: &DataDir) -> Result<()> {
    for name in ["joined", "log", "digests.bin"] {
        ensure!(
            !dir.file(name).exists(),
            "{} belongs to a node that has run: it is not removed. use another directory",
            dir.file(name).display()
        );
    }
    Ok(())
}

/// Removes what this program puts into a node's directory before the directory is complete, and nothing else.
///
/// # Errors
/// When a node has run there, or the file system refuses.
pub fn take_back(dir: &DataDir) -> Result<()> {
    check(dir)?;
    let module = |name: &str| name.strip_suffix(".wasm").is_some_and(|name| name.len() == 64);
    remove(&dir.file("modules"), module)?;
    remove(&dir.file("keys"), |name| ["ca.pem", "node.pem", "node.key"].contains(&name))?;
    for below in ["modules", "keys"] {
        // One that holds something else stays, with what it holds.
        let _ = fs::remove_dir(dir.file(below));
    }
    let ours = ["genesis.bin", "image.bin", "node.toml", "node.log", "pid", "lock"];
    remove(dir.root(), |name| ours.contains(&name))
}

/// Removes files of a directory, and what writing them has left.
fn remove(dir: &Path, ours: impl Fn(&str) -> bool) -> Result<()> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("cannot list {}", dir.display())),
    };
    for entry in entries {
        let path = entry.with_context(|| format!("cannot list {}", dir.display()))?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if ours(name.strip_suffix(".tmp").unwrap_or(name)) {
            fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn remove_dir(dir: &Path) -> Result<()> {
    match fs::remove_dir(dir) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error)
            .with_context(|| format!("cannot remove {}, left by an attempt that was cut short", dir.display())),
        _ => Ok(()),
    }
}

fn sync(dir: &Path) -> std::io::Result<()> {
    File::open(dir)?.sync_all()
}

/// What was there before: which directories have to go again with what was made in them.
#[derive(Debug)]
pub struct Origin {
    made: Vec<PathBuf>,
}

impl Origin {
    /// Before `path` is made.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let made = path.ancestors().take_while(|at| !at.as_os_str().is_empty() && !at.exists());
        Self { made: made.map(Path::to_path_buf).collect() }
    }

    /// Removes the directories that were not there and are empty now.
    pub fn restore(&self) {
        for dir in &self.made {
            // One that somebody else uses by now stays.
            if fs::remove_dir(dir).is_err() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).into_iter().flatten().filter_map(std::result::Result::ok);
        let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    fn half_a_node(dir: &Path) -> Result<()> {
        fs::create_dir_all(dir.join("keys"))?;
        fs::create_dir_all(dir.join("modules"))?;
        for name in ["keys/node.key", "image.bin", "genesis.bin.tmp", "node.toml"] {
            fs::write(dir.join(name), b"x")?;
        }
        Ok(())
    }

    #[test]
    fn what_is_left_of_an_attempt_goes() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let root = tmp.path().join("a/b");
        let making = Making::begin(&root)?;
        half_a_node(&root.join("node-1"))?;
        assert!(Making::begin(&root).is_err_and(|error| error.to_string().contains("another process")));
        drop(making);
        assert!(Making::is_unfinished(&root));
        let making = Making::begin(&root)?;
        assert_eq!(names(&root), [MARK]);
        half_a_node(&root.join("node-7"))?;
        making.give_up();
        assert_eq!(names(&root), [] as [&str; 0], "the directories above it were there before this attempt");
        fs::remove_dir_all(tmp.path().join("a"))?;
        let making = Making::begin(&root)?;
        half_a_node(&root.join("node-1"))?;
        making.give_up();
        assert_eq!(names(tmp.path()), [] as [&str; 0]);
        Ok(())
    }

    #[test]
    fn what_may_be_of_use_to_somebody_stays() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let node = tmp.path().join("node-1");
        Making::begin(tmp.path())?;
        half_a_node(&node)?;
        fs::write(node.join("joined"), b"x")?;
        assert!(Making::begin(tmp.path()).is_err_and(|error| format!("{error:#}").contains("has run")));
        assert!(node.join("keys/node.key").exists());
        fs::remove_file(node.join("joined"))?;
        fs::write(node.join("holiday.jpg"), b"x")?;
        assert!(Making::begin(tmp.path()).is_err_and(|error| error.to_string().contains("node-1")));
        assert!(node.join("holiday.jpg").exists());
        Ok(())
    }

    #[test]
    fn a_cluster_that_another_process_has_finished_stays_and_can_be_used() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let node = tmp.path().join("node-1");
        Making::begin(tmp.path())?.done()?;
        half_a_node(&node)?;
        fs::write(node.join("genesis.bin"), b"x")?;
        // This one had looked before the other one was done; its mark is new, or was cut short by a crash.
        for mark in [None, Some(&b""[..]), Some(&TEXT[..7])] {
            if let Some(mark) = mark {
                fs::write(tmp.path().join(MARK), mark)?;
            }
            assert!(!Making::is_unfinished(tmp.path()));
            assert!(Making::begin(tmp.path()).is_err_and(|error| error.to_string().contains("is complete")));
            assert_eq!(names(tmp.path()), ["node-1"]);
            assert!(node.join("genesis.bin").exists() && node.join("keys/node.key").exists());
        }
        Ok(())
    }

    #[test]
    fn of_several_nodes_all_may_go_or_none() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        drop(Making::begin(tmp.path())?);
        let nodes = [1, 2, 3].map(|n| tmp.path().join(format!("node-{n}")));
        nodes.iter().try_for_each(|node| half_a_node(node))?;
        let lock = DataDir::at(&nodes[1]).lock()?;
        assert!(Making::begin(tmp.path()).is_err_and(|error| error.to_string().contains("running node")));
        assert!(nodes.iter().all(|node| node.join("node.toml").exists()));
        drop(lock);
        drop(Making::begin(tmp.path())?);
        assert_eq!(names(tmp.path()), [MARK]);
        Ok(())
    }

    #[test]
    fn a_file_of_the_users_is_not_the_mark() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join(MARK), b"symphony")?;
        assert!(!Making::is_unfinished(tmp.path()));
        assert!(Making::begin(tmp.path()).is_err_and(|error| error.to_string().contains("in the way")));
        assert_eq!(fs::read(tmp.path().join(MARK))?, b"symphony");
        Ok(())
    }
}
