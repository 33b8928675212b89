//! A real directory, through the standard library: on a host the system's, in a component `wasi:filesystem`.

use crate::files::{Files, StorageError};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A directory. Files that were appended to stay open until they are renamed or removed.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    open: BTreeMap<String, File>,
}

impl Directory {
    /// The directory at `path`, which is created if it is not there.
    pub fn open(path: impl Into<PathBuf>) -> Result<Directory, StorageError> {
        let path = path.into();
        fs::create_dir_all(&path).map_err(|e| StorageError::io("create", &path.display().to_string(), e))?;
        Ok(Directory { path, open: BTreeMap::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn full(&self, name: &str) -> String {
        self.path.join(name).display().to_string()
    }

    fn error(&self, tried: &str, name: &str) -> impl FnOnce(std::io::Error) -> StorageError {
        let file = self.full(name);
        let tried = tried.to_string();
        move |e| StorageError::io(&tried, &file, e)
    }

    fn handle(&mut self, name: &str) -> Result<&mut File, StorageError> {
        if !self.open.contains_key(name) {
            let file = OpenOptions::new().create(true).append(true).open(self.path.join(name));
            let file = file.map_err(self.error("open", name))?;
            self.open.insert(name.to_string(), file);
        }
        self.open.get_mut(name).ok_or_else(|| StorageError::io("open", name, "it was closed at once"))
    }
}

impl Files for Directory {
    fn place(&self) -> String {
        self.path.display().to_string()
    }

    fn list(&mut self) -> Result<Vec<String>, StorageError> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(self.error("list", ""))? {
            let entry = entry.map_err(self.error("list", ""))?;
            if entry.file_type().map_err(self.error("look at", ""))?.is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError> {
        fs::read(self.path.join(name)).map_err(self.error("read", name))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let result = self.handle(name)?.write_all(bytes);
        result.map_err(self.error("write to", name))
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        let result = self.handle(name)?.sync_data();
        result.map_err(self.error("sync", name))
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        let result = File::open(&self.path).and_then(|d| d.sync_all());
        result.map_err(self.error("sync", ""))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.open.remove(from);
        self.open.remove(to);
        fs::rename(self.path.join(from), self.path.join(to)).map_err(self.error("rename", from))
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        self.open.remove(name);
        fs::remove_file(self.path.join(name)).map_err(self.error("remove", name))
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        self.open.remove(name);
        let file = OpenOptions::new().write(true).open(self.path.join(name));
        file.and_then(|f| f.set_len(len)).map_err(self.error("cut", name))
    }
}
