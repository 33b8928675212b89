//! The directory of one node: where each file stands, who may read it, and that only one process uses it.
//!
//! ```text
//! genesis.bin            the encoded cluster configuration; written last, so its presence says "complete"
//! image.bin              the encoded file-system image of genesis
//! modules/<digest>.wasm  the programs
//! node.toml              what may differ from node to node: addresses
//! keys/                  ca.pem, node.pem, node.key (clusters only)
//! log/                   the log's segments
//! joined                 the node has taken part: its log must be there
//! contradicted           what the node found when the others contradicted it: it must not be started
//! digests.bin            the state digest after each batch
//! stdout.log stderr.log  what the programs wrote (nodes); node.log: what the node has to say; *.log.1: the part before
//! console.pos            how much of what the programs wrote has been written
//! lock, pid, admin.sock  while a node runs
//! ```
//!
//! Beside the directories of a cluster, `unfinished` says that they are being made ([`crate::making`]).
//!
//! Directories are 0700 and files 0600: the log holds whatever clients sent.

use crate::node::signals;
use crate::{genesis, hints, making};
use anyhow::{Context, Result, bail, ensure};
use replicode_log::{ClusterConfig, Digest, FsImage, codec};
use replicode_replication::log_store::file_disk;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A node's directory. Holds the path only; nothing is opened until asked for.
#[derive(Clone, Debug)]
pub struct DataDir {
    root: PathBuf,
}

/// What `genesis.bin`, `image.bin` and `modules/` hold together: all that a machine needs besides the log.
pub struct Genesis {
    /// The configuration.
    pub config: ClusterConfig,
    /// The file-system image.
    pub image: FsImage,
    /// The modules, in the order of [`ClusterConfig::modules`].
    pub modules: Vec<(Digest, Vec<u8>)>,
    /// The files that they were read from, in the same order: for messages.
    pub paths: Vec<PathBuf>,
}

/// Proof that this process alone uses the directory; released when dropped, or when the process dies.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
    pid: PathBuf,
}

impl Drop for DirLock {
    fn drop(&mut self) {
        // A leftover `pid` would name a process that is gone; nothing depends on its removal.
        let _ = fs::remove_file(&self.pid);
        signals::keep_at_hard_end(&self.pid);
    }
}

impl DataDir {
    /// The directory at `root`, which need not exist yet.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The directory's path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a file of the directory.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The log's segments.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.file("log")
    }

    /// The Unix socket on which a running node answers.
    #[must_use]
    pub fn admin_socket(&self) -> PathBuf {
        self.file("admin.sock")
    }

    /// The Unix socket on which a running node of a cell with contracts serves servers of functions beside it.
    #[must_use]
    pub fn functions_socket(&self) -> PathBuf {
        self.file("functions.sock")
    }

    /// Whether a complete recording or node stands here.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.file("genesis.bin").is_file()
    }

    /// Makes the directory with everything that genesis consists of: all of it or, when that fails, nothing.
    ///
    /// # Errors
    /// When something else stands there already, or the disk fails.
    pub fn create(&self, genesis: &Genesis) -> Result<()> {
        match fs::read_dir(&self.root) {
            // A first attempt that was interrupted leaves these; they are written again.
            Ok(entries) => {
                for entry in entries {
                    let name = entry.with_context(|| format!("cannot list {}", self.root.display()))?.file_name();
                    let ours = ["modules", "image.bin", "lock", "pid", "keys", "node.toml", "node.log"];
                    ensure!(
                        ours.iter().any(|known| name == *known) || name.as_encoded_bytes().ends_with(b".tmp"),
                        "cannot make a data directory in {}: it holds '{}' already; name an empty or new directory",
                        self.root.display(),
                        name.display()
                    );
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot use {} as data directory", self.root.display()));
            }
        }
        self.write(genesis).inspect_err(|_| {
            if !self.exists() {
                // What cannot be removed is no obstacle to the next attempt.
                let _ = making::take_back(self);
            }
        })
    }

    fn write(&self, genesis: &Genesis) -> Result<()> {
        make_private_dir(&self.root)?;
        make_private_dir(&self.file("modules"))?;
        for (digest, wasm) in &genesis.modules {
            write_atomically(&self.module(*digest), wasm)?;
        }
        write_atomically(&self.file("image.bin"), &codec::encode(&genesis.image))?;
        write_atomically(&self.file("genesis.bin"), &genesis::encode(&genesis.config))
    }

    fn module(&self, digest: Digest) -> PathBuf {
        self.root.join("modules").join(format!("{digest}.wasm"))
    }

    /// Reads the cluster configuration.
    ///
    /// # Errors
    /// When the directory holds none, or one that is damaged.
    pub fn config(&self) -> Result<ClusterConfig> {
        let path = self.file("genesis.bin");
        if !self.exists() {
            if let Some(why) = hints::not_a_directory(&self.root) {
                bail!("{why}: name a data directory");
            }
            ensure!(self.root.is_dir(), "there is no directory {}", self.root.display());
            let parent_of_nodes = self.file("node-1").join("genesis.bin").is_file();
            let hint = if parent_of_nodes { "; it holds several nodes: name one of them, such as node-1" } else { "" };
            bail!("{} is not a replicode data directory: genesis.bin is missing{hint}", self.root.display());
        }
        genesis::decode(&read_bounded(&path, genesis::MAX_LEN)?, &path)
    }

    /// Reads everything that genesis consists of and checks it against its digests.
    ///
    /// # Errors
    /// When a file is missing, damaged, or of another cluster.
    pub fn genesis(&self) -> Result<Genesis> {
        let config = self.config()?;
        let image = self.image(&config)?;
        let (mut modules, mut paths) = (Vec::new(), Vec::new());
        for entry in &config.modules {
            let path = self.module(entry.digest);
            let wasm = fs::read(&path)
                .with_context(|| format!("cannot read module '{}' from {}", entry.name, path.display()))?;
            ensure!(
                Digest::of(&wasm) == entry.digest,
                "module '{}' in {} is damaged: its content has another digest than its name says",
                entry.name,
                path.display()
            );
            modules.push((entry.digest, wasm));
            paths.push(path);
        }
        Ok(Genesis { config, image, modules, paths })
    }

    /// Reads the file-system image of genesis and checks it against its digest.
    ///
    /// # Errors
    /// When the file is missing, damaged, or of another cluster.
    pub fn image(&self, config: &ClusterConfig) -> Result<FsImage> {
        let path = self.file("image.bin");
        let bytes = read_bounded(&path, FsImage::MAX_ENCODED)?;
        ensure!(
            Digest::of(&bytes) == config.image,
            "{} is not the image that genesis.bin names: the file is damaged or of another cluster",
            path.display()
        );
        codec::decode("image.bin", &bytes, FsImage::MAX_ENCODED)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    /// Keeps nodes from being started here while the result lives; several readers may do so at once. `None` where
    /// no node ever ran, or where we may not write: then nobody can start one either.
    ///
    /// # Errors
    /// When a node runs here.
    pub fn hold_still(&self) -> Result<Option<File>> {
        let Ok(file) = File::open(self.file("lock")) else { return Ok(None) };
        match file.try_lock_shared() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => {
                let pid = fs::read_to_string(self.file("pid")).unwrap_or_default();
                bail!("{} belongs to a running node (process {}): stop it first", self.root.display(), pid.trim());
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", self.root.display()))
            }
        }
    }

    /// Takes the directory for this process and writes `pid`.
    ///
    /// # Errors
    /// When another process has it; the message names that process.
    pub fn lock(&self) -> Result<DirLock> {
        let path = self.file("lock");
        let open = || {
            make_private_dir(&self.root)?;
            private_file(OpenOptions::new().read(true).write(true).create(true).truncate(false), &path)
        };
        let mut file = open()?;
        let pid = self.file("pid");
        // A process that was killed holds its lock until the last of its threads is gone, some milliseconds after it
        // looks dead from outside: whoever starts it again at once must not be turned away.
        let until = Instant::now() + LOCK_PATIENCE;
        let locked = loop {
            match file.try_lock() {
                Err(fs::TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOCK_PATIENCE / 100),
                // Whoever had it has removed it with a directory that was not finished: this is the lock of nothing.
                Ok(()) if !is_at(&file, &path) => file = open()?,
                locked => break locked,
            }
        };
        match locked {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                let holder = fs::read_to_string(&pid).unwrap_or_default();
                let holder =
                    if holder.trim().is_empty() { "another process" } else { &format!("process {}", holder.trim()) };
                bail!("{} is in use by {holder}: stop that one first, or use another directory", self.root.display());
            }
            Err(fs::TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        write_plainly(&pid, format!("{}\n", std::process::id()).as_bytes())?;
        signals::remove_at_hard_end(&pid);
        Ok(DirLock { _file: file, pid })
    }
}

/// Whether an open file is the one at a path.
#[must_use]
pub fn is_at(file: &File, path: &Path) -> bool {
    let place = |meta: fs::Metadata| (meta.dev(), meta.ino());
    file.metadata().is_ok_and(|ours| fs::metadata(path).is_ok_and(|there| place(ours) == place(there)))
}

/// Bytes of a file that are written before a signal is looked for.
const PIECE: usize = 16 << 20;

/// How long to wait for a directory's lock.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Makes a directory that only its owner can enter, and its parents, durably; an existing one is left as it is.
///
/// # Errors
/// When the file system refuses.
pub fn make_private_dir(path: &Path) -> Result<()> {
    if let Some(why) = hints::not_a_directory(path) {
        bail!("cannot make a directory: {why}; name another one");
    }
    let _step = signals::undisturbed();
    file_disk::make_private_dir(path).with_context(|| format!("cannot make directory {}", path.display()))
}

/// Opens a file that, when it is made here, only its owner can read.
///
/// # Errors
/// When the file system refuses.
pub fn private_file(options: &mut OpenOptions, path: &Path) -> Result<File> {
    options.mode(0o600).open(path).with_context(|| format!("cannot open {}", path.display()))
}

/// Writes a file so that after a crash either the old or the new content stands there, durably.
///
/// # Errors
/// When the disk fails.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(".tmp");
    let tmp = PathBuf::from(tmp);
    let mut file = private_file(OpenOptions::new().write(true).create(true).truncate(true), &tmp)?;
    let what = || format!("cannot write {}", path.display());
    for piece in content.chunks(PIECE) {
        signals::interrupted()?;
        // So that there is never much to wait for, neither for a signal nor at the end.
        let done = file.write_all(piece).and_then(|()| if piece.len() == PIECE { file.sync_data() } else { Ok(()) });
        done.with_context(what)?;
    }
    let done = file.sync_all().and_then(|()| fs::rename(&tmp, path)).and_then(|()| {
        // The rename is durable when the directory is.
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    });
    done.with_context(what)
}

/// Writes a file that need not survive a crash of the machine.
fn write_plainly(path: &Path, content: &[u8]) -> Result<()> {
    let mut file = private_file(OpenOptions::new().write(true).create(true).truncate(true), path)?;
    file.write_all(content).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes all but the newest files whose names begin so.
///
/// # Errors
/// When the file system refuses.
pub fn keep_newest(dir: &Path, prefix: &str, count: usize) -> Result<()> {
    let what = || format!("cannot remove old files in {}", dir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(what)? {
        let entry = entry.with_context(what)?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_bytes()) {
            found.push((entry.metadata().and_then(|meta| meta.modified()).with_context(what)?, entry.path()));
        }
    }
    found.sort();
    for (_, path) in found.iter().rev().skip(count) {
        fs::remove_file(path).with_context(what)?;
    }
    Ok(())
}

/// Reads a file of at most `max` bytes.
///
/// # Errors
/// When it is longer, or cannot be read.
pub fn read_bounded(path: &Path, max: usize) -> Result<Vec<u8>> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut bytes = Vec::new();
    file.take(max as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(bytes.len() <= max, "{} has more than the {max} bytes that it may have", path.display());
    Ok(bytes)
}

/// Bytes from the kernel's generator.
///
/// # Errors
/// When /dev/urandom cannot be read.
pub fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("cannot read /dev/urandom")?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{Limits, ModuleEntry, NodeId, ProgramSpec, Restart};
    use std::os::unix::fs::PermissionsExt;

    pub fn example() -> Result<Genesis> {
        let wasm = b"\0asm".to_vec();
        let module = Digest::of(&wasm);
        let image = FsImage::default();
        let config = ClusterConfig {
            cluster: [7; 16],
            name: "demo".into(),
            nodes: vec![NodeId::new(1)?],
            epoch_unix_ns: 1,
            engine: Digest::ZERO,
            limits: Limits::default(),
            modules: vec![ModuleEntry { digest: module, name: "demo".into() }],
            programs: vec![ProgramSpec {
                name: "demo".into(),
                module,
                args: vec!["demo".into()],
                env: vec![],
                stdin: true,
                listeners: vec![],
                at_genesis: true,
                restart: Restart::Never,
            }],
            image: Digest::of(&codec::encode(&image)),
            made_by: "replicode 0".into(),
            contracts: None,
        };
        Ok(Genesis { config, image, modules: vec![(module, wasm)], paths: vec!["demo.wasm".into()] })
    }

    #[test]
    fn what_is_written_is_read_and_private() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path().join("a/b"));
        let genesis = example()?;
        assert!(!dir.exists());
        dir.create(&genesis)?;
        assert!(dir.exists());
        let read = dir.genesis()?;
        assert_eq!((read.config, read.image, read.modules), (genesis.config, genesis.image, genesis.modules));
        let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
        assert_eq!((mode(dir.root())?, mode(&dir.file("genesis.bin"))?), (0o700, 0o600));
        Ok(())
    }

    #[test]
    fn a_foreign_directory_is_left_alone() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join("holiday.jpg"), b"x")?;
        let error = DataDir::at(tmp.path()).create(&example()?).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains("holds 'holiday.jpg' already")));
        Ok(())
    }

    #[test]
    fn damage_is_named() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        let genesis = example()?;
        dir.create(&genesis)?;
        let message = |dir: &DataDir| dir.genesis().err().map(|e| format!("{e:#}")).unwrap_or_default();
        fs::write(dir.module(genesis.modules[0].0), b"other")?;
        assert!(message(&dir).contains("module 'demo'"), "{}", message(&dir));
        fs::write(dir.file("image.bin"), b"")?;
        assert!(message(&dir).contains("image.bin is not the image"), "{}", message(&dir));
        fs::write(dir.file("genesis.bin"), b"short")?;
        assert!(message(&dir).contains("genesis.bin"), "{}", message(&dir));
        fs::remove_file(dir.file("genesis.bin"))?;
        assert!(message(&dir).contains("not a replicode data directory"), "{}", message(&dir));
        Ok(())
    }

    #[test]
    fn old_reports_go() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        fs::write(tmp.path().join("other"), b"x")?;
        for n in 0..5u64 {
            let file = File::create(tmp.path().join(format!("divergence-{}.txt", 9 - n)))?;
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(n))?;
        }
        keep_newest(tmp.path(), "divergence-", 2)?;
        let mut names: Vec<_> =
            fs::read_dir(tmp.path())?.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
        names.sort();
        assert_eq!(names, ["divergence-5.txt", "divergence-6.txt", "other"]);
        Ok(())
    }

    #[test]
    fn the_second_user_of_a_directory_is_told_of_the_first() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let dir = DataDir::at(tmp.path());
        let lock = dir.lock()?;
        let error = dir.lock().map(|_| ()).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.contains(&format!("in use by process {}", std::process::id()))));
        drop(lock);
        assert!(!dir.file("pid").exists());
        dir.lock()?;
        Ok(())
    }
}
