//! An entry that is not among the latest, read from its segment and proven to be what was written there.

use crate::LogError;
use crate::disk::{Disk, DiskFile};
use crate::index::Offsets;
use crate::opening::read_all;
use crate::picture::{Look, Picture};
use crate::record::{self, Entry, Item};
use crate::recover;
use crate::segment::{self, Header, Owner};
use bytes::Bytes;
use std::sync::Arc;

/// A segment that is no longer written, ready for reading.
pub struct Loaded {
    /// Its number.
    pub generation: u64,
    /// Its file.
    pub file: Arc<dyn DiskFile>,
    /// Where its entries are.
    pub offsets: Offsets,
}

/// A picture that may change between two looks at it: whoever reads holds nobody up meanwhile.
pub trait Pictured {
    /// One look.
    fn with<T>(&self, look: impl FnOnce(&mut Picture) -> T) -> T;
}

/// Reads a log's segments. Knows nothing of what is being written.
pub struct Lookup {
    disk: Arc<dyn Disk>,
    owner: Owner,
}

impl Lookup {
    /// Of this owner's log.
    #[must_use]
    pub const fn new(disk: Arc<dyn Disk>, owner: Owner) -> Self {
        Self { disk, owner }
    }

    /// Where the log is, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        self.disk.place()
    }

    /// Entries from `start` to before `end`, as far as the log has them, but no more than `max_bytes` of content; at
    /// least one if there is one.
    ///
    /// # Errors
    /// [`LogError`] when an entry that was written cannot be read back as it was.
    pub fn read(
        &self,
        picture: &impl Pictured,
        start: u64,
        end: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, LogError> {
        let (mut out, mut bytes, mut at) = (Vec::new(), 0, start);
        loop {
            let look = picture.with(|picture| {
                at = at.max(picture.first());
                picture.look(at, end, bytes, max_bytes, &mut out)
            });
            let entry = match look {
                Look::Held | Look::End => return Ok(out),
                Look::Active { generation, file, offset } => {
                    let file = match file {
                        Some(file) => file,
                        None => {
                            let file = self.open(generation)?;
                            picture.with(|picture| picture.keep_file(generation, file.clone()));
                            file
                        }
                    };
                    self.entry(generation, &*file, offset, at)?
                }
                Look::Loaded(loaded) => self.entry_of(&loaded, at)?,
                Look::Sealed(generation) => {
                    let loaded = Arc::new(self.load(generation)?);
                    picture.with(|picture| picture.keep(loaded.clone()));
                    self.entry_of(&loaded, at)?
                }
            };
            bytes += entry.body.len();
            if bytes > max_bytes && !out.is_empty() {
                return Ok(out);
            }
            out.push(entry);
            at += 1;
        }
    }

    fn entry_of(&self, loaded: &Loaded, index: u64) -> Result<Entry, LogError> {
        let Some(offset) = loaded.offsets.get(index) else {
            let what = format!("entry {index} is not in this segment any more");
            return Err(LogError::Damage { file: segment::name(loaded.generation), offset: 0, what });
        };
        self.entry(loaded.generation, &*loaded.file, offset, index)
    }

    /// Opens a segment's file.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open(&self, generation: u64) -> Result<Arc<dyn DiskFile>, LogError> {
        let name = segment::name(generation);
        self.disk.open(&name).map_err(|why| LogError::io(format!("open log segment {name}"), why))
    }

    /// Scans a segment that is no longer written.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read or is not what it was.
    pub fn load(&self, generation: u64) -> Result<Loaded, LogError> {
        let (name, file) = (segment::name(generation), self.open(generation)?);
        let bytes = read_all(&*file, &name)?;
        let header = Header::decode(&name, &bytes)?;
        header.check(&name, &self.owner)?;
        let mut offsets = Offsets::default();
        recover::scan(&name, &bytes, &header, None, &mut |offset, item| offsets.follow(offset as u32, &item))?;
        Ok(Loaded { generation, file, offsets })
    }

    /// The entry `index`, which was written at `offset` of a segment.
    ///
    /// # Errors
    /// [`LogError`] when it cannot be read back as it was.
    pub fn entry(&self, generation: u64, file: &dyn DiskFile, offset: u32, index: u64) -> Result<Entry, LogError> {
        let name = segment::name(generation);
        let failed = |why| LogError::io(format!("read log segment {name} at offset {offset}"), why);
        let damage = |what: String| LogError::Damage { file: name.clone(), offset: offset.into(), what };
        let mut bytes = vec![0; record::HEADER];
        file.read_at(&mut bytes, offset.into()).map_err(failed)?;
        let len = record::length_of(&bytes).ok_or_else(|| damage("this is no record any more".to_string()))?;
        if u64::from(offset) + len as u64 > file.len().map_err(failed)? {
            return Err(damage("the record's length is wrong".to_string()));
        }
        bytes.resize(len, 0);
        file.read_at(&mut bytes, offset.into()).map_err(failed)?;
        let seed = record::Seed::new(&self.owner.identity.cluster, generation);
        match record::verify(seed, &Bytes::from(bytes), 0, offset.into()).map(|record| record.item) {
            Some(Item::Entry(entry)) if entry.id.index == index => Ok(entry),
            Some(Item::Entry(entry)) => {
                Err(damage(format!("entry {} where entry {index} was written", entry.id.index)))
            }
            Some(_) => Err(damage("this is another record than was written here".to_string())),
            None => Err(damage("the record does not verify any more".to_string())),
        }
    }
}
