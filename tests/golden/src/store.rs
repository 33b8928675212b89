//! The folder of recordings.
//!
//! ```text
//! results.txt              the list: names, and digests of what goes in and what comes out
//! covered.txt              what the recordings touch
//! recordings/NAME.history  what goes in: never rewritten
//! recordings/NAME.results  what came out
//! modules/DIGEST.wasm.z    the programs, each once
//! ```

use crate::list::List;
use crate::recording::{History, Results, pack_module, unpack_module};
use anyhow::{Context, Result, ensure};
use replicode_log::Digest;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The most bytes that all files together may have.
pub const MAX_BYTES: u64 = 4 << 20;

/// A folder of recordings.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
}

impl Store {
    /// The one of this source tree.
    #[must_use]
    pub fn here() -> Self {
        Self::at(env!("CARGO_MANIFEST_DIR"))
    }

    /// The one in a folder.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// Path of a file of the folder.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    fn recording(&self, name: &str, ending: &str) -> PathBuf {
        self.root.join("recordings").join(format!("{name}.{ending}"))
    }

    /// The names of all recordings, sorted.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn names(&self) -> Result<BTreeSet<String>> {
        let dir = self.root.join("recordings");
        let mut names = BTreeSet::new();
        for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".history")) {
                names.insert(name.to_string());
            }
        }
        Ok(names)
    }

    /// Bytes of all files that are committed.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn bytes(&self) -> Result<u64> {
        let mut sum = 0;
        for dir in ["recordings", "modules"] {
            for entry in fs::read_dir(self.root.join(dir))? {
                sum += entry?.metadata()?.len();
            }
        }
        Ok(sum)
    }

    /// A recording's history.
    ///
    /// # Errors
    /// When its file is missing or damaged.
    pub fn history(&self, name: &str) -> Result<History> {
        let path = self.recording(name, "history");
        History::unpack(&read(&path)?).with_context(|| path.display().to_string())
    }

    /// What was last expected to come of it.
    ///
    /// # Errors
    /// When its file is missing or damaged.
    pub fn results(&self, name: &str) -> Result<Results> {
        let path = self.recording(name, "results");
        Results::unpack(&read(&path)?).with_context(|| path.display().to_string())
    }

    /// Writes what is expected to come of a recording.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn put_results(&self, name: &str, results: &Results) -> Result<()> {
        write(&self.recording(name, "results"), &results.pack()?)
    }

    /// Adds a recording.
    ///
    /// # Errors
    /// When there is one of that name with another history: recordings are never changed.
    pub fn add(&self, name: &str, history: &History, modules: &[(Digest, Vec<u8>)]) -> Result<()> {
        let path = self.recording(name, "history");
        if path.exists() {
            let known = self.history(name)?;
            ensure!(
                known == *history,
                "there is a recording '{name}' with another history, and recordings are only added: take another name"
            );
            return Ok(());
        }
        for (digest, wasm) in modules {
            let path = self.module_path(*digest);
            if !path.exists() {
                write(&path, &pack_module(wasm)?)?;
            }
        }
        write(&path, &history.pack()?)
    }

    fn module_path(&self, digest: Digest) -> PathBuf {
        self.root.join("modules").join(format!("{}.wasm.z", &digest.to_string()[..16]))
    }

    /// The bytes of a module.
    ///
    /// # Errors
    /// When its file is missing or damaged.
    pub fn module(&self, digest: Digest) -> Result<Vec<u8>> {
        let path = self.module_path(digest);
        let wasm = unpack_module(&read(&path)?).with_context(|| path.display().to_string())?;
        ensure!(Digest::of(&wasm) == digest, "{} is damaged: its content has another digest", path.display());
        Ok(wasm)
    }

    /// The list of recordings; empty where there is none yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn list(&self) -> Result<List> {
        let path = self.file("results.txt");
        if !path.exists() {
            return Ok(List::default());
        }
        List::parse(&fs::read_to_string(&path)?).with_context(|| path.display().to_string())
    }

    /// What the recordings are known to touch, a line each; empty where there is no list yet.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn covered(&self) -> Result<BTreeSet<String>> {
        let path = self.file("covered.txt");
        if !path.exists() {
            return Ok(BTreeSet::new());
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        Ok(text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(str::to_string).collect())
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Writes a file, and the folder that it stands in.
///
/// # Errors
/// When the file system refuses.
pub fn write(path: &Path, content: &[u8]) -> Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    }
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}
