//! The last receipts, for whoever repeats a call or asks for one: in memory, and in two files that take turns.
//!
//! ```text
//! receipts.0, receipts.1   record: length u32 little-endian, batch u64, position u32, hash of the transaction 32 bytes, receipt
//! ```
//!
//! The files are what a start from a checkpoint has of batches that it does not execute again. They are with the operating system after each
//! batch, so that a kill costs nothing, and are never synced: what a crash of the machine cuts off is not answered by this node, and is said
//! to be unknown rather than made up.

use anyhow::{Context, Result};
use replicode_contracts::hash::Hash;
use replicode_contracts::receipt::{Receipt, Status};
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of receipts that are kept in memory, those of the newest batch besides, and about half of what the files may have.
const BYTES: usize = 64 << 20;
/// Bytes before a receipt in a file.
const HEAD: usize = 4 + 8 + 4 + 32;
/// Bytes gathered before they are handed to the operating system, at the latest.
const BUFFER: usize = 256 << 10;

type At = (u64, u32);

/// See the module.
pub struct Kept {
    folder: PathBuf,
    file: File,
    buffer: Vec<u8>,
    written: usize,
    by_place: BTreeMap<At, Arc<[u8]>>,
    /// And whether it was skipped there.
    by_hash: BTreeMap<Hash, (At, bool)>,
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
        // Written anew, for what is behind the batch is not to be found between them; and beside, for a kill may come now.
        let mut bytes = 0;
        let fits = records.iter().rev().take_while(|record| {
            bytes += HEAD + record.2.len();
            bytes <= BYTES
        });
        let records = records.split_off(records.len() - fits.count());
        let beside = folder.join("receipts.new");
        let file = open(&beside, true)?;
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
        for (at, hash, receipt, skipped) in records {
            kept.put(at, hash, receipt, skipped)?;
        }
        kept.flush()?;
        fs::rename(&beside, &newer)?;
        if older.exists() {
            fs::remove_file(&older)?;
        }
        Ok(kept)
    }

    /// The receipts of a batch.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add(&mut self, batch: u64, receipts: &[Receipt]) -> Result<()> {
        for receipt in receipts {
            let skipped = is_skipped(receipt);
            self.put((batch, receipt.position), receipt.transaction, receipt.encode().into(), skipped)?;
        }
        self.flush()
    }

    fn put(&mut self, at: At, hash: Hash, receipt: Arc<[u8]>, skipped: bool) -> Result<()> {
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
        // Who sends a transaction again has it skipped: that says nothing of the time when it took effect. Without any, the last.
        if !skipped || self.by_hash.get(&hash).is_none_or(|(_, skipped)| *skipped) {
            self.by_hash.insert(hash, (at, skipped));
        }
        self.oldest.push_back((at, hash));
        // Those of this batch stay until the next: whoever waits for one of them is told when all of them are here.
        while self.bytes > BYTES
            && self.oldest.front().is_some_and(|(oldest, _)| oldest.0 < at.0)
            && let Some((at, hash)) = self.oldest.pop_front()
        {
            self.bytes -= HEAD + self.by_place.remove(&at).map_or(0, |receipt| receipt.len());
            if self.by_hash.get(&hash).is_some_and(|(place, _)| *place == at) {
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

    /// The receipt of a transaction, encoded: the one with an effect, if there are several.
    #[must_use]
    pub fn of(&self, transaction: &Hash) -> Option<Arc<[u8]>> {
        self.by_place.get(&self.by_hash.get(transaction)?.0).cloned()
    }
}

/// Place, transaction, receipt, and whether it was skipped.
type Record = (At, Hash, Arc<[u8]>, bool);

const fn is_skipped(receipt: &Receipt) -> bool {
    matches!(receipt.status, Status::Skipped { .. })
}

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
        let decoded = Receipt::decode(&receipt).ok().filter(|it| found as u64 == length && fits(it));
        let Some(decoded) = decoded else { break };
        if at.0 <= known {
            out.push((at, Hash::new(name), receipt.into(), is_skipped(&decoded)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_contracts::receipt::{Gas, Skipped, VERSION};

    fn receipt(batch: u64, transaction: u8, status: Status) -> Receipt {
        Receipt {
            version: VERSION,
            transaction: Hash::new([transaction; 32]),
            batch,
            position: 0,
            status,
            action: 0,
            returned: vec![7; 300],
            gas: Gas::default(),
            spawned: Vec::new(),
            deployed: Vec::new(),
            events: Vec::new(),
            touched: Vec::new(),
            states: Vec::new(),
        }
    }

    fn files(folder: &Path) -> Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            files.push((entry.file_name().to_string_lossy().into_owned(), entry.metadata()?.len()));
        }
        files.sort();
        Ok(files)
    }

    #[test]
    fn a_kill_costs_no_receipt_and_what_is_behind_the_checkpoint_comes_again() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let mut kept = Kept::open(tmp.path(), 0)?;
        let receipts: Vec<_> = (1..=4).map(|batch| receipt(batch, batch as u8, Status::Success)).collect();
        for receipt in &receipts {
            kept.add(receipt.batch, std::slice::from_ref(receipt))?;
        }
        // Killed: nothing of it ends in order.
        std::mem::forget(kept);
        let kept = Kept::open(tmp.path(), 3)?;
        for receipt in &receipts[..3] {
            assert_eq!(kept.at(receipt.batch, 0).as_deref(), Some(&receipt.encode()[..]));
            assert_eq!(kept.of(&receipt.transaction), kept.at(receipt.batch, 0));
        }
        assert_eq!(kept.at(4, 0), None, "it is executed again");
        assert_eq!(kept.all().len(), 3);
        let before = files(tmp.path())?;
        drop(Kept::open(tmp.path(), 3)?);
        assert_eq!(files(tmp.path())?, before, "written anew, and nothing beside");
        Ok(())
    }

    #[test]
    fn who_is_skipped_does_not_hide_what_took_effect() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let skipped = || Status::Skipped { why: Skipped::BadNonce { next: 1, given: 0 } };
        let [early, done, late] = [receipt(1, 9, skipped()), receipt(3, 9, Status::Success), receipt(4, 9, skipped())];
        let mut kept = Kept::open(tmp.path(), 0)?;
        kept.add(1, std::slice::from_ref(&early))?;
        assert_eq!(kept.of(&early.transaction).as_deref(), Some(&early.encode()[..]));
        let again = receipt(2, 9, skipped());
        kept.add(2, std::slice::from_ref(&again))?;
        assert_eq!(
            kept.of(&early.transaction).as_deref(),
            Some(&again.encode()[..]),
            "without an effect the last one stands"
        );
        kept.add(3, std::slice::from_ref(&done))?;
        kept.add(4, std::slice::from_ref(&late))?;
        for kept in [kept, Kept::open(tmp.path(), 4)?] {
            assert_eq!(kept.of(&done.transaction).as_deref(), Some(&done.encode()[..]));
        }
        Ok(())
    }

    #[test]
    fn a_batch_is_there_as_a_whole_until_the_next_one() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let mut kept = Kept::open(tmp.path(), 0)?;
        let large = |batch: u64, position: u32| Receipt {
            position,
            returned: vec![7; 1 << 20],
            ..receipt(batch, position as u8, Status::Success)
        };
        // More than all receipts may have together.
        let receipts: Vec<_> = (0..70).map(|position| large(1, position)).collect();
        kept.add(1, &receipts)?;
        assert!((0..70).all(|position| kept.at(1, position).is_some()));
        kept.add(2, &[large(2, 0)])?;
        assert!(kept.at(1, 0).is_none() && kept.at(1, 69).is_some() && kept.at(2, 0).is_some());
        assert!(kept.bytes <= BYTES);
        Ok(())
    }
}
