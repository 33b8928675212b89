//! The last receipts, for whoever repeats a call or asks for one: in memory, and in two files that take turns.
//!
//! ```text
//! receipts.0, receipts.1   record: length u32 little-endian, batch u64, position u32, hash of the transaction 32 bytes, receipt
//! ```
//!
//! The files are what a start from a checkpoint has of batches that it does not execute again. They are never synced: what a crash of
//! the machine cuts off is not answered by this node, and is said to be unknown rather than made up.

use anyhow::{Context, Result};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::Receipt;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of receipts that are kept in memory, and about half of what the files may have.
const BYTES: usize = 64 << 20;
/// Bytes before a receipt in a file.
const HEAD: usize = 4 + 8 + 4 + 32;
/// Bytes gathered before they are handed to the operating system.
const BUFFER: usize = 256 << 10;

type At = (u64, u32);

/// See the module.
pub struct Kept {
    folder: PathBuf,
    file: File,
    buffer: Vec<u8>,
    written: usize,
    by_place: BTreeMap<At, Arc<[u8]>>,
    by_hash: BTreeMap<Hash, At>,
    oldest: VecDeque<(At, Hash)>,
    bytes: usize,
}

fn open(path: &Path, cut: bool) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(cut);
    crate::datadir::private_file(&mut options, path)
}

impl Kept {
    /// Reads what there is up to a batch; what is behind it will come again.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(folder: &Path, known: u64) -> Result<Self> {
        let [newer, older] = [folder.join("receipts.0"), folder.join("receipts.1")];
        let mut records = Vec::new();
        for path in [&older, &newer] {
            read(path, known, &mut records).with_context(|| format!("cannot read {}", path.display()))?;
        }
        let file = open(&newer, true)?;
        let mut kept = Self {
            folder: folder.to_path_buf(),
            file,
            buffer: Vec::new(),
            written: 0,
            by_place: BTreeMap::new(),
            by_hash: BTreeMap::new(),
            oldest: VecDeque::new(),
            bytes: 0,
        };
        // Written anew: what is behind the batch is not to be found between them.
        for (at, hash, receipt) in records {
            kept.put(at, hash, receipt)?;
        }
        kept.flush()?;
        Ok(kept)
    }

    /// The receipts of a batch.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add(&mut self, batch: u64, receipts: &[Receipt]) -> Result<()> {
        for receipt in receipts {
            self.put((batch, receipt.position), receipt.transaction, receipt.encode().into())?;
        }
        Ok(())
    }

    fn put(&mut self, at: At, hash: Hash, receipt: Arc<[u8]>) -> Result<()> {
        let length = u32::try_from(receipt.len()).unwrap_or(u32::MAX);
        for part in [&length.to_le_bytes()[..], &at.0.to_le_bytes(), &at.1.to_le_bytes(), hash.as_bytes(), &receipt] {
            self.buffer.extend_from_slice(part);
        }
        if self.buffer.len() >= BUFFER {
            self.flush()?;
        }
        if self.written >= BYTES {
            fs::rename(self.folder.join("receipts.0"), self.folder.join("receipts.1"))?;
            self.file = open(&self.folder.join("receipts.0"), true)?;
            self.written = 0;
        }
        self.bytes += HEAD + receipt.len();
        self.by_place.insert(at, receipt);
        self.by_hash.insert(hash, at);
        self.oldest.push_back((at, hash));
        while self.bytes > BYTES
            && let Some((at, hash)) = self.oldest.pop_front()
        {
            self.bytes -= HEAD + self.by_place.remove(&at).map_or(0, |receipt| receipt.len());
            if self.by_hash.get(&hash) == Some(&at) {
                self.by_hash.remove(&hash);
            }
        }
        Ok(())
    }

    /// Hands what has gathered to the operating system.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn flush(&mut self) -> Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len();
        self.buffer.clear();
        Ok(())
    }

    /// The receipt at a place, encoded.
    #[must_use]
    pub fn at(&self, batch: u64, position: u32) -> Option<Arc<[u8]>> {
        self.by_place.get(&(batch, position)).cloned()
    }

    /// All receipts, oldest first, encoded.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<[u8]>> {
        self.by_place.values().cloned().collect()
    }

    /// The newest receipt of a transaction, encoded.
    #[must_use]
    pub fn of(&self, transaction: &Hash) -> Option<Arc<[u8]>> {
        self.by_place.get(self.by_hash.get(transaction)?).cloned()
    }
}

type Record = (At, Hash, Arc<[u8]>);

fn read(path: &Path, known: u64, out: &mut Vec<Record>) -> Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let mut from = BufReader::with_capacity(BUFFER, File::open(path)?);
    let mut head = [0; HEAD];
    while from.read_exact(&mut head).is_ok() {
        let [mut length, mut batch, mut position, mut hash] =
            [&[0; 4][..], &[0; 8], &[0; 4], &[0; 32]].map(<[u8]>::to_vec);
        let mut rest = &head[..];
        for part in [&mut length, &mut batch, &mut position, &mut hash] {
            rest.read_exact(part)?;
        }
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
        let mut receipt = Vec::new();
        let length = number(&length);
        // A torn end, or rubbish: nothing behind it is believed.
        let Ok(found) = (&mut from).take(length).read_to_end(&mut receipt) else { break };
        let at = (number(&batch), number(&position) as u32);
        let mut name = [0; 32];
        name.copy_from_slice(&hash);
        let fits = |it: &Receipt| it.transaction == Hash::new(name) && (it.batch, it.position) == at;
        if found as u64 != length || !Receipt::decode(&receipt).is_ok_and(|receipt| fits(&receipt)) {
            break;
        }
        if at.0 <= known {
            out.push((at, Hash::new(name), receipt.into()));
        }
    }
    Ok(())
}
