//! `digests.bin`: the state digest after each batch, as this node computed it when it executed the batch.
//!
//! ```text
//! header  "RPCDGST1" 8 bytes, cluster configuration digest 32 bytes
//! record  batch index u64 little-endian, digest 32 bytes      (consecutive from index 1)
//! ```
//!
//! The file is a witness, not a source of truth: it is written lazily and never synced, and a torn tail only means
//! fewer witnesses. A node that starts again re-executes its log and compares what it gets with what stands here, record
//! by record: what it holds of the file in memory does not grow with the file.

use anyhow::{Context, Result, ensure};
use replicode_log::{BatchIndex, Digest};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"RPCDGST1";
const RECORD: usize = 40;
/// Bytes gathered before they are handed to the operating system.
const BUFFER: usize = 64 << 10;

/// Reads the digests of a recording, all of them: element `i` is that of batch `i + 1`. A missing file has none.
///
/// # Errors
/// When the file belongs to another configuration, or cannot be read.
pub fn load(path: &Path, config: Digest) -> Result<Vec<Digest>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    let mut digests = Vec::new();
    let Some(mut records) = Records::new(file, path, config)? else { return Ok(digests) };
    while let Some(digest) = records.next(digests.len() as u64 + 1, path)? {
        digests.push(digest);
    }
    Ok(digests)
}

/// The last complete record of a file that another process may be writing; nothing where it cannot be told.
#[must_use]
pub fn last(path: &Path, config: Digest) -> Option<(u64, Digest)> {
    let mut file = File::open(path).ok()?;
    let records = (file.metadata().ok()?.len() / RECORD as u64).checked_sub(1).filter(|records| *records > 0)?;
    let mut header = [0; RECORD];
    file.read_exact(&mut header).ok()?;
    let mut record = [0; RECORD];
    file.seek(SeekFrom::Start(records * RECORD as u64)).ok()?;
    file.read_exact(&mut record).ok()?;
    let (index, digest) = split(&record);
    (header[..8] == *MAGIC && split(&header).1 == config && index == records).then_some((index, digest))
}

/// The records of a file, one after the other.
#[derive(Debug)]
struct Records(BufReader<File>);

impl Records {
    /// Reads the header; `None` when not even that is complete.
    fn new(file: File, path: &Path, config: Digest) -> Result<Option<Self>> {
        let mut records = Self(BufReader::with_capacity(BUFFER, file));
        let Some(header) = records.read(path)? else { return Ok(None) };
        ensure!(header[..8] == *MAGIC, "{} is not a file of digests; remove it to go on without", path.display());
        let (_, written_for) = split(&header);
        ensure!(
            written_for == config,
            "{} belongs to another cluster configuration ({}, not {})",
            path.display(),
            written_for.short(),
            config.short()
        );
        Ok(Some(records))
    }

    /// The record of the batch that is due; `None` at the end, which a crash of the machine may have torn.
    fn next(&mut self, due: u64, path: &Path) -> Result<Option<Digest>> {
        let record = self.read(path)?.map(|record| split(&record));
        Ok(record.filter(|(index, _)| *index == due).map(|(_, digest)| digest))
    }

    fn read(&mut self, path: &Path) -> Result<Option<[u8; RECORD]>> {
        let mut record = [0; RECORD];
        match self.0.read_exact(&mut record) {
            Ok(()) => Ok(Some(record)),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }
}

fn split(record: &[u8; RECORD]) -> (u64, Digest) {
    let (mut index, mut digest) = ([0; 8], [0; 32]);
    index.copy_from_slice(&record[..8]);
    digest.copy_from_slice(&record[8..]);
    (u64::from_le_bytes(index), Digest::from_bytes(digest))
}

fn join(first: [u8; 8], digest: Digest) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&first);
    record[8..].copy_from_slice(digest.bytes());
    record
}

/// A batch whose digest is not what it was when the batch was first executed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "batch {index} gave digest {} when it was first executed on this node, but {} now: this machine or its engine does \
     not compute the same thing twice. The data is kept as it is; check the machine's memory, then remove {} to \
     trust the present result", .recorded.short(), .computed.short(), .path.display()
)]
pub struct NotReproduced {
    /// The batch.
    pub index: BatchIndex,
    /// Its digest in the file.
    pub recorded: Digest,
    /// Its digest now.
    pub computed: Digest,
    /// The file.
    pub path: PathBuf,
}

/// Compares digests with those recorded, and appends those that are new.
#[derive(Debug)]
pub struct DigestFile {
    path: PathBuf,
    file: File,
    /// Records that this start has not come to yet; none once it writes records itself.
    recorded: Option<Records>,
    buffer: Vec<u8>,
    next: u64,
}

impl DigestFile {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the file belongs to another configuration, or the disk fails.
    pub fn open(path: &Path, config: Digest) -> Result<Self> {
        let mut options = OpenOptions::new();
        let mut file = crate::datadir::private_file(options.read(true).write(true).create(true).truncate(false), path)?;
        let prepare = |file: &mut File| {
            if file.metadata()?.len() < RECORD as u64 {
                file.set_len(0)?;
                file.write_all(&join(*MAGIC, config))?;
                file.rewind()?;
            }
            // A descriptor of its own, but the position is shared: nobody writes before everything has been read.
            file.try_clone()
        };
        let reader = prepare(&mut file).with_context(|| format!("cannot write {}", path.display()))?;
        let recorded = Records::new(reader, path, config)?;
        Ok(Self { path: path.into(), file, recorded, buffer: Vec::new(), next: 1 })
    }

    /// Takes the digest of the next batch.
    ///
    /// # Errors
    /// [`NotReproduced`] when the recorded digest is another; disk errors.
    pub fn put(&mut self, index: BatchIndex, digest: Digest) -> Result<()> {
        ensure!(index.0 == self.next, "batch {index} came where batch #{} was due", self.next);
        self.next += 1;
        if let Some(records) = &mut self.recorded {
            match records.next(index.0, &self.path)? {
                Some(recorded) if recorded == digest => return Ok(()),
                Some(recorded) => {
                    return Err(NotReproduced { index, recorded, computed: digest, path: self.path.clone() }.into());
                }
                None => self.end_of_records(index)?,
            }
        }
        self.buffer.extend_from_slice(&join(index.0.to_le_bytes(), digest));
        if self.buffer.len() >= BUFFER { self.flush() } else { Ok(()) }
    }

    /// Everything recorded has been compared: cuts a torn tail off, and goes on writing with the record of `index`.
    fn end_of_records(&mut self, index: BatchIndex) -> Result<()> {
        self.recorded = None;
        // The header is as long as a record.
        let end = index.0 * RECORD as u64;
        let cut = self.file.set_len(end).and_then(|()| self.file.seek(SeekFrom::Start(end)));
        cut.map(|_| ()).with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Puts the file aside: its content is doubtful, and the next start shall begin a new one.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn set_aside(&mut self, to: &Path) -> Result<()> {
        self.flush()?;
        std::fs::rename(&self.path, to)
            .with_context(|| format!("cannot rename {} to {}", self.path.display(), to.display()))
    }

    /// Hands what was gathered to the operating system.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&mut self) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        self.file.write_all(&self.buffer).with_context(|| format!("cannot write {}", self.path.display()))?;
        self.buffer.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    fn write(path: &Path, range: std::ops::RangeInclusive<u64>) -> Result<()> {
        let mut file = DigestFile::open(path, Digest::ZERO)?;
        for n in range {
            file.put(BatchIndex(n), digest(n))?;
        }
        file.flush()
    }

    #[test]
    fn a_second_start_compares_and_appends() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("digests.bin");
        write(&path, 1..=3)?;
        write(&path, 1..=5)?;
        assert_eq!(load(&path, Digest::ZERO)?, (1..=5).map(digest).collect::<Vec<_>>());
        assert_eq!(last(&path, Digest::ZERO), Some((5, digest(5))));
        assert_eq!((last(&path, digest(1)), last(&tmp.path().join("none"), Digest::ZERO)), (None, None));
        let mut file = DigestFile::open(&path, Digest::ZERO)?;
        file.put(BatchIndex(1), digest(1))?;
        let error = file.put(BatchIndex(2), digest(9)).err();
        let error = error.as_ref().and_then(|e| e.downcast_ref::<NotReproduced>());
        assert_eq!(error.map(|e| (e.index, e.recorded, e.computed)), Some((BatchIndex(2), digest(2), digest(9))));
        Ok(())
    }

    #[test]
    fn a_torn_tail_is_cut_and_written_again() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("digests.bin");
        write(&path, 1..=3)?;
        for torn in [41, 79, 119, 39] {
            OpenOptions::new().write(true).open(&path)?.set_len(torn)?;
            assert_eq!(load(&path, Digest::ZERO)?.len() as u64, (torn / 40).saturating_sub(1));
            write(&path, 1..=3)?;
            assert_eq!(load(&path, Digest::ZERO)?.len(), 3);
        }
        // A hole of zeros, as a file system may leave after a power cut.
        OpenOptions::new().write(true).open(&path)?.set_len(400)?;
        assert_eq!(load(&path, Digest::ZERO)?.len(), 3);
        write(&path, 1..=5)?;
        assert_eq!(load(&path, Digest::ZERO)?, (1..=5).map(digest).collect::<Vec<_>>());
        Ok(())
    }

    #[test]
    fn records_that_a_start_did_not_come_to_stay() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("digests.bin");
        // More than is read at once.
        write(&path, 1..=5000)?;
        write(&path, 1..=2)?;
        write(&path, std::ops::RangeInclusive::new(1, 0))?;
        assert_eq!(load(&path, Digest::ZERO)?.len(), 5000);
        write(&path, 1..=5001)?;
        assert_eq!(load(&path, Digest::ZERO)?.last(), Some(&digest(5001)));
        Ok(())
    }

    #[test]
    fn files_of_others_are_refused() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("digests.bin");
        assert_eq!(load(&path, Digest::ZERO)?, []);
        write(&path, 1..=1)?;
        assert!(load(&path, digest(1)).is_err());
        std::fs::write(&path, [b'x'; 80])?;
        assert!(load(&path, Digest::ZERO).is_err());
        Ok(())
    }
}
