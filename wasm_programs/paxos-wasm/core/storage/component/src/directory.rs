//! A storage's directory over `wasi:filesystem`: one call per write and per sync.
//!
//! The standard library would do, but cuts writes into small pieces on this target.

use std::collections::BTreeMap;

use paxos_storage::{Files, StorageError};

use crate::generated::wasi::filesystem::preopens::get_directories;
use crate::generated::wasi::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, OpenFlags, PathFlags,
};

/// Bytes that one read asks for.
const READ: u64 = 1 << 20;

/// A directory. Files that were appended to stay open until they are renamed or removed.
pub struct Directory {
    path: String,
    directory: Descriptor,
    open: BTreeMap<String, (Descriptor, u64)>,
}

fn reason(code: ErrorCode) -> String {
    match code {
        ErrorCode::InsufficientSpace => "No space left on device".to_string(),
        ErrorCode::Quota => "No space left: the quota is used up".to_string(),
        other => other.name().to_string(),
    }
}

/// The parts of a path that name something.
fn parts(path: &str) -> Vec<&str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".").collect()
}

impl Directory {
    /// The directory at `path`, made where it is not there, in the deepest preopened directory that contains it.
    pub fn open(path: &str) -> Result<Directory, StorageError> {
        let failed = |why: String| StorageError::io("open", path, why);
        let wanted = parts(path);
        let absolute = path.starts_with('/');
        let best = get_directories()
            .into_iter()
            .filter(|(_, name)| name.starts_with('/') == absolute && wanted.starts_with(&parts(name)))
            .max_by_key(|(_, name)| parts(name).len());
        let Some((mut directory, name)) = best else {
            return Err(failed("the host has opened no directory that contains it".into()));
        };
        let flags = DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY;
        for part in &wanted[parts(&name).len()..] {
            match directory.create_directory_at(part) {
                Ok(()) | Err(ErrorCode::Exist) => {}
                Err(code) => return Err(failed(reason(code))),
            }
            let next = directory.open_at(PathFlags::empty(), part, OpenFlags::DIRECTORY, flags);
            directory = next.map_err(|code| failed(reason(code)))?;
        }
        Ok(Directory { path: path.to_string(), directory, open: BTreeMap::new() })
    }

    fn error(&self, tried: &str, name: &str) -> impl Fn(ErrorCode) -> StorageError + use<> {
        let (tried, file) = (tried.to_string(), format!("{}/{name}", self.path));
        move |code| StorageError::io(&tried, &file, reason(code))
    }

    fn handle(&mut self, name: &str) -> Result<&mut (Descriptor, u64), StorageError> {
        if !self.open.contains_key(name) {
            let failed = self.error("open", name);
            let flags = DescriptorFlags::READ | DescriptorFlags::WRITE;
            let file = self.directory.open_at(PathFlags::empty(), name, OpenFlags::CREATE, flags).map_err(&failed)?;
            let size = file.stat().map_err(&failed)?.size;
            self.open.insert(name.to_string(), (file, size));
        }
        self.open.get_mut(name).ok_or_else(|| StorageError::io("open", name, "it was closed at once"))
    }
}

impl Files for Directory {
    fn place(&self) -> String {
        self.path.clone()
    }

    fn list(&mut self) -> Result<Vec<String>, StorageError> {
        let failed = self.error("list", "");
        let entries = self.directory.read_directory().map_err(&failed)?;
        let mut names = Vec::new();
        while let Some(entry) = entries.read_directory_entry().map_err(&failed)? {
            if entry.type_ == DescriptorType::RegularFile {
                names.push(entry.name);
            }
        }
        Ok(names)
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, StorageError> {
        let failed = self.error("read", name);
        let flags = DescriptorFlags::READ;
        let file = self.directory.open_at(PathFlags::empty(), name, OpenFlags::empty(), flags).map_err(&failed)?;
        let mut bytes = Vec::new();
        loop {
            let (part, end) = file.read(READ, bytes.len() as u64).map_err(&failed)?;
            bytes.extend_from_slice(&part);
            if end || part.is_empty() {
                return Ok(bytes);
            }
        }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let failed = self.error("write to", name);
        let (file, size) = self.handle(name)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let count = file.write(rest, *size).map_err(&failed)?;
            if count == 0 {
                return Err(failed(ErrorCode::InsufficientSpace));
            }
            *size += count;
            rest = rest.get(usize::try_from(count).unwrap_or(usize::MAX)..).unwrap_or_default();
        }
        Ok(())
    }

    fn sync(&mut self, name: &str) -> Result<(), StorageError> {
        let failed = self.error("sync", name);
        self.handle(name)?.0.sync_data().map_err(failed)
    }

    fn sync_dir(&mut self) -> Result<(), StorageError> {
        self.directory.sync().map_err(self.error("sync", ""))
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), StorageError> {
        self.open.remove(from);
        self.open.remove(to);
        self.directory.rename_at(from, &self.directory, to).map_err(self.error("rename", from))
    }

    fn remove(&mut self, name: &str) -> Result<(), StorageError> {
        self.open.remove(name);
        self.directory.unlink_file_at(name).map_err(self.error("remove", name))
    }

    fn truncate(&mut self, name: &str, len: u64) -> Result<(), StorageError> {
        let failed = self.error("cut", name);
        let (file, size) = self.handle(name)?;
        file.set_size(len).map_err(failed)?;
        *size = len;
        Ok(())
    }
}
