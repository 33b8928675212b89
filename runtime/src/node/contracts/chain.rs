//! `contracts/chain.bin`: what each batch with calls has left behind, in a few bytes.
//!
//! ```text
//! header  "RPCCHAIN" 8 bytes, format u32 little-endian: 1, zeros 60 bytes, cluster configuration digest 32 bytes
//! record  index u64 little-endian, parent 32 bytes, root 32 bytes, root of the receipts 32 bytes
//! ```
//!
//! A record's parent is the digest of the record before (zeros in the first), so the file proves itself: if it leads to the batch of
//! a checkpoint, everything before is what this node had computed. A start then gives the machine the digests of batches that the
//! checkpoint holds, instead of executing them. The file is synced before each checkpoint is written, with the records of all its
//! batches: whatever crashes, it leads to every checkpoint that is on the disk. Where it does not, the log is executed from its beginning.

use anyhow::{Context, Result, ensure};
use replicode_contracts::backend::{Listener, Sealed};
use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Batch;
use replicode_log::Digest;
use std::fs::{File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const MAGIC: &[u8; 8] = b"RPCCHAIN";
const FORMAT: u32 = 1;
const RECORD: usize = 104;

/// The records: first those that a checkpoint holds, read one after the other; then new ones.
pub struct Chain {
    end: End,
    /// Records up to the checkpoint, unless this start has come to all of them.
    recorded: Option<(BufReader<File>, u64)>,
    anew: bool,
}

/// The end of the file, where new records go. As a listener of the backend it takes down every batch that is sealed; subscribed before
/// the checkpoints are, it has the batches of each of them.
#[derive(Clone)]
pub struct End(Arc<Mutex<Appended>>);

struct Appended {
    file: File,
    failed: Option<String>,
}

impl End {
    fn lock(&self) -> MutexGuard<'_, Appended> {
        // A record that a panic has cut off is cut away at the next start.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, batch: &Batch) {
        let mut end = self.lock();
        if end.failed.is_none()
            && let Err(error) = end.file.write_all(&record_of(batch))
        {
            end.failed = Some(format!("cannot write contracts/chain.bin: {error}"));
        }
    }

    /// Whether everything was written so far.
    ///
    /// # Errors
    /// When the disk has failed.
    pub fn check(&self) -> Result<(), String> {
        self.lock().failed.clone().map_or(Ok(()), Err)
    }

    /// Everything that was taken down is on the disk afterwards.
    ///
    /// # Errors
    /// When the disk fails, or has failed before.
    pub fn sync(&self) -> Result<(), String> {
        self.check()?;
        // Whoever appends does not wait for the disk.
        let file = self.lock().file.try_clone();
        let synced = file.and_then(|file| file.sync_data());
        synced.map_err(|error| format!("cannot write contracts/chain.bin: {error}"))
    }
}

impl Listener for End {
    fn sealed(&mut self, sealed: &Arc<Sealed>) {
        self.append(&sealed.batch);
    }
}

fn record_of(batch: &Batch) -> [u8; RECORD] {
    let mut record = [0; RECORD];
    record[..8].copy_from_slice(&batch.index.to_le_bytes());
    for (part, hash) in [batch.parent, batch.root, batch.receipts].iter().enumerate() {
        record[8 + 32 * part..][..32].copy_from_slice(hash.as_bytes());
    }
    record
}

fn batch_of(record: &[u8; RECORD]) -> Batch {
    let hash = |part: usize| {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&record[8 + 32 * part..][..32]);
        Hash::new(bytes)
    };
    let mut index = [0; 8];
    index.copy_from_slice(&record[..8]);
    Batch { index: u64::from_le_bytes(index), parent: hash(0), root: hash(1), receipts: hash(2) }
}

fn next(from: &mut impl Read) -> std::io::Result<Option<[u8; RECORD]>> {
    let mut record = [0; RECORD];
    match from.read_exact(&mut record) {
        Ok(()) => Ok(Some(record)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}

impl Chain {
    /// Opens or makes the file. It ends with the batch of the checkpoint afterwards; where it does not lead there, or there is no
    /// checkpoint, it is empty ([`Chain::starts_anew`]).
    ///
    /// # Errors
    /// When the file belongs to another cell, or the disk fails.
    pub fn open(path: &Path, config: Digest, checkpoint: Option<Batch>) -> Result<Self> {
        let what = || format!("cannot read {}", path.display());
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = crate::datadir::private_file(&mut options, path)?;
        let mut header = [0; RECORD];
        header[..8].copy_from_slice(MAGIC);
        header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        header[RECORD - 32..].copy_from_slice(config.bytes());
        let mut reader = BufReader::with_capacity(1 << 16, file.try_clone().with_context(what)?);
        match next(&mut reader).with_context(what)? {
            Some(found) => {
                let path = path.display();
                ensure!(found == header, "{path} belongs to another cell, or is none of this program: remove it");
            }
            None => {
                file.set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| file.write_all(&header))
                    .with_context(what)?;
            }
        }
        let mut found = None;
        if let Some(checkpoint) = checkpoint {
            let (mut parent, mut count) = (Hash::ZERO, 0);
            while let Some(batch) = next(&mut reader).with_context(what)?.map(|record| batch_of(&record)) {
                if batch.parent != parent || batch.index > checkpoint.index {
                    break;
                }
                (parent, count) = (batch.digest(), count + 1);
                if batch == checkpoint {
                    found = Some(count);
                    break;
                }
            }
        }
        let end = RECORD as u64 * (1 + found.unwrap_or(0));
        file.set_len(end).and_then(|()| file.seek(SeekFrom::Start(end))).with_context(what)?;
        let recorded = match found {
            Some(count) => {
                let mut own = File::open(path).with_context(what)?;
                own.seek(SeekFrom::Start(RECORD as u64)).with_context(what)?;
                Some((BufReader::with_capacity(1 << 16, own), count))
            }
            None => None,
        };
        let end = End(Arc::new(Mutex::new(Appended { file, failed: None })));
        Ok(Self { end, recorded, anew: found.is_none() })
    }

    /// Whether nothing is recorded: everything has to be executed.
    #[must_use]
    pub const fn starts_anew(&self) -> bool {
        self.anew
    }

    /// What the next batch with calls has left behind; none when it has to be executed.
    ///
    /// # Errors
    /// When it is not the one that is recorded.
    pub fn recorded(&mut self, index: u64) -> Result<Option<Batch>, String> {
        let Some((reader, left)) = &mut self.recorded else { return Ok(None) };
        let record = next(reader).map_err(|error| format!("cannot read contracts/chain.bin: {error}"))?;
        let batch = record.map(|record| batch_of(&record)).filter(|batch| batch.index == index);
        let batch = batch.ok_or_else(|| {
            format!("contracts/chain.bin does not know batch {index} of the log: remove the folder contracts")
        })?;
        *left -= 1;
        if *left == 0 {
            self.recorded = None;
        }
        Ok(Some(batch))
    }

    /// Whether there is a batch to come that a checkpoint holds.
    #[must_use]
    pub const fn is_recorded(&self) -> bool {
        self.recorded.is_some()
    }

    /// Where new records go.
    #[must_use]
    pub fn end(&self) -> End {
        self.end.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(count: u64) -> Vec<Batch> {
        let mut batches: Vec<Batch> = Vec::new();
        for n in 1..=count {
            let parent = batches.last().map_or(Hash::ZERO, Batch::digest);
            batches.push(Batch { index: 3 * n, parent, root: Hash::new([n as u8; 32]), receipts: Hash::ZERO });
        }
        batches
    }

    #[test]
    fn what_leads_to_the_checkpoint_is_read_and_the_rest_cut_off() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (path, cell) = (tmp.path().join("chain.bin"), Digest::of(b"cell"));
        let all = batches(5);
        let mut chain = Chain::open(&path, cell, None)?;
        assert!(chain.starts_anew() && chain.recorded(3) == Ok(None));
        all.iter().for_each(|batch| chain.end().append(batch));
        chain.end().sync().map_err(anyhow::Error::msg)?;
        let mut chain = Chain::open(&path, cell, Some(all[2]))?;
        assert!(!chain.starts_anew());
        for batch in &all[..3] {
            assert_eq!(chain.recorded(batch.index), Ok(Some(*batch)));
        }
        assert_eq!(chain.recorded(12), Ok(None));
        chain.end().append(&all[3]);
        let mut chain = Chain::open(&path, cell, Some(all[3]))?;
        assert!(chain.recorded(5).is_err_and(|why| why.contains("does not know batch 5")));
        Ok(())
    }

    #[test]
    fn what_leads_elsewhere_is_nothing() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (path, cell) = (tmp.path().join("chain.bin"), Digest::of(b"cell"));
        let all = batches(5);
        let write = |batches: &[Batch]| -> Result<()> {
            let end = Chain::open(&path, cell, None)?.end();
            batches.iter().for_each(|batch| end.append(batch));
            end.check().map_err(anyhow::Error::msg)
        };
        write(&all[..2])?;
        assert!(Chain::open(&path, cell, Some(all[2]))?.starts_anew(), "it ends before the checkpoint");
        write(&all)?;
        let mut bytes = std::fs::read(&path)?;
        bytes[2 * RECORD + 50] ^= 1;
        std::fs::write(&path, bytes)?;
        assert!(Chain::open(&path, cell, Some(all[4]))?.starts_anew(), "a bit is another one");
        assert!(Chain::open(&path, Digest::of(b"other"), None).is_err_and(|e| e.to_string().contains("another cell")));
        Ok(())
    }
}
