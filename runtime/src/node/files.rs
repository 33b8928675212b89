//! What a running node answers about the cell's files, between two batches.

use crate::admin::files::{ENTRIES, FileRow, Listed, Name, PIECE, Piece, Stamp, hex};
use replicode_machine::{GuestLoader, Machine};
use replicode_syscalls::Errno;
use replicode_syscalls::fs::{Fs, Ino, Kind, Stat};

/// A question about files.
#[derive(Clone, Debug)]
pub enum FileQuery {
    /// What is at a path; of a directory, the entries behind a name.
    List(Name, Option<Name>),
    /// A piece of a file.
    Read(Name, u64),
}

/// What the machine thread says; [`Told::into_json`] is for others to do.
#[derive(Clone, Debug)]
pub enum Told {
    /// What is at a path.
    Listed(Listed),
    /// The piece, its bytes apart.
    Piece(Piece, Vec<u8>),
}

impl Told {
    /// The answer as the admin socket has it.
    ///
    /// # Errors
    /// None for what is told here.
    pub fn into_json(self) -> serde_json::Result<serde_json::Value> {
        match self {
            Self::Listed(listed) => serde_json::to_value(listed),
            Self::Piece(piece, bytes) => serde_json::to_value(Piece { data: hex(&bytes), ..piece }),
        }
    }
}

/// Answers from the files as they are.
///
/// # Errors
/// A text for whoever asked.
pub fn answer<L: GuestLoader>(machine: &Machine<L>, query: &FileQuery) -> Result<Told, String> {
    let Some(files) = machine.files() else { return Err("the last batch was not finished".to_string()) };
    let seen = Seen { files, epoch: machine.config().epoch_unix_ns };
    let (path, told) = match query {
        FileQuery::List(path, after) => (path, seen.list(path, after.as_ref()).map(Told::Listed)),
        FileQuery::Read(path, offset) => (path, seen.read(path, *offset)),
    };
    told.map_err(|errno| {
        let why = match errno {
            Errno::NoEnt => "no such file or directory".to_string(),
            Errno::NotDir => "a part of the path is not a directory".to_string(),
            Errno::IsDir => "it is a directory".to_string(),
            Errno::Loop => "too many links, or links in a circle".to_string(),
            Errno::Inval => "it is no regular file".to_string(),
            other => other.to_string(),
        };
        format!("{path}: {why} (in the cell's files)")
    })
}

struct Seen<'a> {
    files: &'a Fs,
    epoch: u64,
}

impl Seen<'_> {
    fn list(&self, path: &Name, after: Option<&Name>) -> Result<Listed, Errno> {
        let look = |follow| self.files.lookup(self.files.root(), path.bytes(), follow);
        let ino = look(true).or_else(|_| look(false))?;
        let row = self.row(path.bytes(), ino)?;
        if row.kind != "directory" {
            return Ok(Listed { row, entries: Vec::new(), more: false });
        }
        let behind = |name: &[u8]| after.is_none_or(|after| name > after.bytes());
        let mut rest = self.files.children(ino)?.filter(|(name, _)| behind(name));
        let entries = rest.by_ref().take(ENTRIES).map(|(name, ino)| self.row(name, ino)).collect::<Result<_, _>>()?;
        Ok(Listed { row, entries, more: rest.next().is_some() })
    }

    fn read(&self, path: &Name, offset: u64) -> Result<Told, Errno> {
        let ino = self.files.lookup(self.files.root(), path.bytes(), true)?;
        let stat = self.files.stat(ino)?;
        match stat.kind {
            Kind::Directory => return Err(Errno::IsDir),
            Kind::File => {}
            _ => return Err(Errno::Inval),
        }
        let left = stat.size.saturating_sub(offset);
        let mut bytes = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
        let got = self.files.read_at(ino, offset, &mut bytes)?;
        bytes.truncate(got);
        let stamp = Stamp { ino: ino.number(), changed_ns: stat.ctim.nanos(), size: stat.size };
        Ok(Told::Piece(Piece { stamp, row: self.row(path.bytes(), ino)?, data: String::new() }, bytes))
    }

    fn row(&self, name: &[u8], ino: Ino) -> Result<FileRow, Errno> {
        let Stat { kind, size, nlink, mtim, .. } = self.files.stat(ino)?;
        let target = if kind == Kind::Symlink { Some(Name::new(self.files.target(ino)?)) } else { None };
        let known = [(Kind::File, "file"), (Kind::Directory, "directory"), (Kind::Symlink, "link")];
        let kind = known.iter().find(|(known, _)| *known == kind).map_or("device", |(_, word)| word);
        Ok(FileRow {
            name: Name::new(name),
            kind: kind.to_string(),
            size,
            links: nlink,
            modified_ns: mtim.unix_ns(self.epoch),
            read_only: self.files.is_read_only(ino)?,
            target,
        })
    }
}
