//! Where functions are kept: `functions/UUID.json` for what a function is, `modules/DIGEST.wasm` for its module, `modules/DIGEST.files` for
//! the files that a program is given.
//!
//! A file is written beside its place and renamed, the module before the function that is made of it, so what a name stands for is whole.
//! A file that is damaged all the same (its digest says so) is named and left out; the rest serves.

use super::function::{Function, Recipe, Stats};
use crate::limits::ExecutionConfig;
use crate::uuid::Uuid;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;

/// What files are called until they are whole.
const PART: &str = ".part";

pub(super) struct Disk {
    functions: PathBuf,
    modules: PathBuf,
}

/// What stands in a function's file.
#[derive(Serialize, Deserialize)]
struct Kept {
    version: u32,
    uuid: String,
    names: Vec<String>,
    digest: String,
    bytes: u64,
    #[serde(flatten)]
    recipe: Recipe,
    #[serde(default)]
    config: ExecutionConfig,
    #[serde(default)]
    executions: u64,
    #[serde(default)]
    failures: u64,
    #[serde(default)]
    fuel: u64,
    #[serde(default)]
    last_used_ms: u64,
    /// The greater, the later it got its newest name; files of earlier servers have none.
    #[serde(default)]
    number: u64,
}

fn hex(digest: &[u8; 32]) -> String {
    blake3::Hash::from(*digest).to_hex().to_string()
}

impl Disk {
    /// The places in a directory, made when they are not there. What an earlier server had not finished is removed.
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        let disk = Self { functions: directory.join("functions"), modules: directory.join("modules") };
        for place in [&disk.functions, &disk.modules] {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(place)?;
            for entry in fs::read_dir(place)? {
                let path = entry?.path();
                if path.to_string_lossy().ends_with(PART) {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok(disk)
    }

    /// All functions, and what is wrong with those that cannot be read. Modules that no function is made of are removed.
    pub(super) fn read(&self, each_read: fn()) -> io::Result<(Vec<Function>, Vec<String>)> {
        let (mut functions, mut damaged) = (Vec::new(), Vec::new());
        let mut paths: Vec<_> = fs::read_dir(&self.functions)?.collect::<Result<Vec<_>, _>>()?;
        paths.sort_by_key(fs::DirEntry::path);
        for entry in paths {
            let path = entry.path();
            each_read();
            match self.function(&path) {
                Ok(function) => functions.push(function),
                Err(why) => damaged.push(format!("{} is left out: {why}", path.display())),
            }
        }
        // With a damaged function nobody can say which module was its.
        if damaged.is_empty() {
            for entry in fs::read_dir(&self.modules)? {
                let path = entry?.path();
                let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let of = |function: &Function| {
                    let given = function.recipe.program.as_ref().and_then(|given| given.files.as_deref());
                    hex(&function.digest) == name || given == Some(&name)
                };
                if !functions.iter().any(of) {
                    fs::remove_file(&path)?;
                }
            }
        }
        Ok((functions, damaged))
    }

    fn function(&self, path: &Path) -> Result<Function, String> {
        let text = fs::read(path).map_err(|error| error.to_string())?;
        let kept: Kept = serde_json::from_slice(&text).map_err(|error| format!("it is damaged: {error}"))?;
        if kept.version != 1 {
            return Err(format!("it is of version {}, and this server knows version 1", kept.version));
        }
        let digest = blake3::Hash::from_hex(&kept.digest).map_err(|error| format!("its digest: {error}"))?;
        let uuid = Uuid::parse(&kept.uuid).ok_or("it has no UUID")?;
        if kept.recipe.uuid(digest.as_bytes()) != uuid || kept.names.is_empty() {
            return Err("its UUID does not follow from what it says".into());
        }
        let stats = Stats::default();
        stats.executions.store(kept.executions, Ordering::Relaxed);
        stats.failures.store(kept.failures, Ordering::Relaxed);
        stats.fuel.store(kept.fuel, Ordering::Relaxed);
        stats.last_used_ms.store(kept.last_used_ms, Ordering::Relaxed);
        let function = Function {
            uuid,
            digest: digest.into(),
            names: kept.names,
            bytes: kept.bytes,
            namespace: kept.recipe.namespace(uuid),
            recipe: kept.recipe,
            config: kept.config,
            number: kept.number,
            stats: Arc::new(stats),
            code: OnceLock::new(),
            wasm: OnceLock::new(),
            files: OnceLock::new(),
        };
        self.module(&function).map_err(|error| error.to_string())?;
        self.files(&function).map_err(|error| error.to_string())?;
        Ok(function)
    }

    fn module_path(&self, digest: &[u8; 32]) -> PathBuf {
        self.modules.join(format!("{}.wasm", hex(digest)))
    }

    fn files_path(&self, digest: &str) -> PathBuf {
        self.modules.join(format!("{digest}.files"))
    }

    /// The module of a function, as it was loaded.
    pub(super) fn module(&self, function: &Function) -> io::Result<Vec<u8>> {
        checked(&self.module_path(&function.digest), &hex(&function.digest))
    }

    /// The files that a program is given, encoded; empty without.
    pub(super) fn files(&self, function: &Function) -> io::Result<Vec<u8>> {
        match function.recipe.program.as_ref().and_then(|given| given.files.as_deref()) {
            Some(digest) if digest.len() == 64 && digest.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                checked(&self.files_path(digest), digest)
            }
            Some(_) => Err(io::Error::other("the digest of its files is none")),
            None => Ok(Vec::new()),
        }
    }

    /// Keeps a function, with its module and files if those are new.
    pub(super) fn keep(&self, function: &Function, new: Option<(&[u8], &[u8])>) -> io::Result<()> {
        if let Some((wasm, files)) = new {
            write(&self.module_path(&function.digest), wasm)?;
            if let Some(digest) = function.recipe.program.as_ref().and_then(|given| given.files.as_deref()) {
                write(&self.files_path(digest), files)?;
            }
        }
        let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let kept = Kept {
            version: 1,
            uuid: function.uuid.to_string(),
            names: function.names.clone(),
            digest: hex(&function.digest),
            bytes: function.bytes,
            recipe: function.recipe.clone(),
            config: function.config,
            executions: load(&function.stats.executions),
            failures: load(&function.stats.failures),
            fuel: load(&function.stats.fuel),
            last_used_ms: load(&function.stats.last_used_ms),
            number: function.number,
        };
        let mut text = serde_json::to_vec_pretty(&kept).map_err(io::Error::other)?;
        text.push(b'\n');
        write(&self.functions.join(format!("{}.json", function.uuid)), &text)
    }

    /// Forgets a function, and its module unless another one is made of it.
    pub(super) fn remove(&self, function: &Function, shared: bool) -> io::Result<()> {
        fs::remove_file(self.functions.join(format!("{}.json", function.uuid)))?;
        File::open(&self.functions)?.sync_all()?;
        // Files stay until the next start, which removes what nobody has: others may have the same.
        if !shared {
            fs::remove_file(self.module_path(&function.digest))?;
        }
        Ok(())
    }
}

/// A file whose name is its digest.
fn checked(path: &Path, digest: &str) -> io::Result<Vec<u8>> {
    let failed = |why: &dyn std::fmt::Display| io::Error::other(format!("{}: {why}", path.display()));
    let bytes = fs::read(path).map_err(|error| failed(&error))?;
    if blake3::hash(&bytes).to_hex().as_str() != digest {
        return Err(failed(&"it is damaged: its digest is another one than its name"));
    }
    Ok(bytes)
}

/// Writes a file so that its name stands for the old or the new content, whatever happens.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}
