//! The log of a local store: what was executed, in its order. It is the ground; checkpoints only shorten the way back.
//!
//! ```text
//! record = length u32 LE | its complement u32 LE | content (borsh) | BLAKE3 of the content, 32
//! ```
//!
//! A record that the end of the file has cut off was never answered for, and is cut away, and so are zeros that a crash of the machine
//! leaves in its place. Any other damage is named: a length that is not what was written does not pass for a cut.

use anyhow::{Context, Result, bail, ensure};
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_contracts::hash::Hash;
use replicode_contracts::run::Moment;
use replicode_log::Digest;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The longest content: a batch of one transaction fits many times.
const MAX_RECORD: u32 = 64 << 20;
/// Bytes before the content.
const HEAD: usize = 8;

/// What is in the log.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum Record {
    /// A batch is about to be executed.
    Batch {
        /// Its number, logical time and seed.
        moment: (u64, u64, u64),
        /// Its transactions.
        transactions: Vec<Vec<u8>>,
    } = 0,
    /// What executing it has left.
    Sealed {
        /// Which batch.
        batch: u64,
        /// Its digest.
        digest: [u8; 32],
    } = 1,
}

/// A batch, and what came of it where that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When it was.
    pub moment: Moment,
    /// Its transactions.
    pub transactions: Vec<Vec<u8>>,
    /// The digest that it had when it was executed first.
    pub digest: Option<Hash>,
}

/// The log's file.
pub struct Log {
    path: PathBuf,
    file: File,
    /// Where the next record is read.
    at: u64,
    /// All batches that were read, the oldest first.
    batches: Vec<Logged>,
}

impl Log {
    /// Opens the log, and reads it. With `write` a record that was cut off is cut away.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn open(path: &Path, write: bool) -> Result<Self> {
        let file = OpenOptions::new().read(true).append(write).create(write).open(path);
        let file = file.with_context(|| format!("cannot open {}", path.display()))?;
        let mut log = Self { path: path.to_path_buf(), file, at: 0, batches: Vec::new() };
        log.read_on()?;
        if write {
            log.file.set_len(log.at).with_context(|| format!("cannot cut {}", path.display()))?;
        }
        Ok(log)
    }

    /// The batches, oldest first.
    pub fn batches(&self) -> &[Logged] {
        &self.batches
    }

    /// Reads what was appended since the last time, by another process maybe.
    ///
    /// # Errors
    /// When the file cannot be read, or is damaged.
    pub fn read_on(&mut self) -> Result<()> {
        let what = || format!("cannot read {}", self.path.display());
        self.file.seek(SeekFrom::Start(self.at)).with_context(what)?;
        let mut bytes = Vec::new();
        self.file.read_to_end(&mut bytes).with_context(what)?;
        let mut rest = bytes.as_slice();
        while let Some((head, after)) = rest.split_first_chunk::<HEAD>() {
            if rest.iter().all(|byte| *byte == 0) {
                break;
            }
            let head = u64::from_le_bytes(*head);
            let (length, complement) = (head as u32, (head >> 32) as u32);
            ensure!(
                length == !complement && length <= MAX_RECORD,
                "{} is damaged at byte {}: {length} is no length of a record",
                self.path.display(),
                self.at
            );
            let Some((record, after)) = after.split_at_checked(length as usize + 32) else { break };
            let (content, sum) = record.split_at(length as usize);
            let sound = Digest::of(content).bytes() == sum;
            let Some(record) = sound.then(|| borsh::from_slice(content).ok()).flatten() else {
                bail!("{} is damaged at byte {}: the record's checksum does not hold", self.path.display(), self.at);
            };
            self.take(record)?;
            self.at += HEAD as u64 + u64::from(length) + 32;
            rest = after;
        }
        Ok(())
    }

    fn take(&mut self, record: Record) -> Result<()> {
        match record {
            Record::Batch { moment: (batch, time, seed), transactions } => {
                let moment = Moment { batch, time, seed };
                self.batches.push(Logged { moment, transactions, digest: None });
            }
            Record::Sealed { batch, digest } => match self.batches.last_mut() {
                Some(last) if last.moment.batch == batch => last.digest = Some(Hash::new(digest)),
                _ => bail!(
                    "{} is damaged at byte {}: the end of batch {batch} without its beginning",
                    self.path.display(),
                    self.at
                ),
            },
        }
        Ok(())
    }

    /// Appends a record; when this returns it survives a crash.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn append(&mut self, record: Record) -> Result<()> {
        let content = borsh::to_vec(&record)?;
        let length = u32::try_from(content.len()).ok().filter(|length| *length <= MAX_RECORD);
        let length = length.with_context(|| format!("a batch of {} bytes is too large for the log", content.len()))?;
        let head = u64::from(length) | u64::from(!length) << 32;
        let bytes = [&head.to_le_bytes(), content.as_slice(), Digest::of(&content).bytes()].concat();
        let written = self.file.write_all(&bytes).and_then(|()| self.file.sync_data());
        written.with_context(|| format!("cannot write {}", self.path.display()))?;
        self.at += bytes.len() as u64;
        self.take(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(batch: u64) -> [Record; 2] {
        let digest = [u8::try_from(batch).unwrap_or(0); 32];
        [
            Record::Batch { moment: (batch, 5, 6), transactions: vec![vec![1, 2], vec![]] },
            Record::Sealed { batch, digest },
        ]
    }

    #[test]
    fn what_was_cut_off_is_cut_away_and_damage_is_named() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("log");
        let mut log = Log::open(&path, true)?;
        for batch in 1..4 {
            record(batch).into_iter().try_for_each(|record| log.append(record))?;
        }
        let written = log.batches().to_vec();
        assert_eq!(Log::open(&path, false)?.batches(), written);
        let whole = std::fs::read(&path)?;
        for cut in [1, 33, 40] {
            std::fs::write(&path, &whole[..whole.len() - cut])?;
            let log = Log::open(&path, true)?;
            assert_eq!(log.batches().len(), 3);
            assert_eq!(log.batches()[2].digest, None, "cut by {cut}");
            assert!(std::fs::metadata(&path)?.len() < (whole.len() - cut) as u64);
        }
        let zeros = [&whole[..], &[0; 5_000]].concat();
        std::fs::write(&path, &zeros)?;
        assert_eq!(Log::open(&path, true)?.batches(), written);
        for at in 0..60 {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            std::fs::write(&path, &bytes)?;
            let error = Log::open(&path, true).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains("is damaged at byte 0"), "{at}: {error}");
            assert_eq!(std::fs::read(&path)?, bytes, "{at}: nothing is lost");
        }
        Ok(())
    }

    #[test]
    fn a_reader_sees_what_comes() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("log");
        let mut log = Log::open(&path, true)?;
        let mut reader = Log::open(&path, false)?;
        for batch in 1..4 {
            record(batch).into_iter().try_for_each(|record| log.append(record))?;
            reader.read_on()?;
            assert_eq!(reader.batches(), log.batches());
        }
        Ok(())
    }
}
