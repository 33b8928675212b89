//! Writing checkpoints, and forgetting the oldest: one transaction each.

use std::collections::BTreeSet;

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_contracts::kv::{Batch as Writes, KeyValue, KvError, Record};

use crate::place::{
    Kind, Place, after, content_key, manifest_key, obsolete_key, open, place_prefix, read_key, seal, tree_prefix,
};
use crate::{Checkpoint, Damage};

/// Records that are read at once.
pub(crate) const SOME: usize = 1024;

/// Keys in one list of superfluous records.
const LIST: usize = 4096;

/// What a content record says.
pub(crate) const GONE: u8 = 0;
pub(crate) const HERE: u8 = 1;

/// The checkpoints in a store. One thread writes them; see the crate's documentation for the order of things.
pub struct Checkpoints<K> {
    pub(crate) kv: K,
    pub(crate) file: String,
    keep: usize,
}

/// Why a checkpoint was not written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] KvError),
    /// What it answers is not what was written. Each line names one thing.
    #[error("the store is damaged: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Damaged(Vec<Damage>),
    /// There is no thread to write with.
    #[error("could not write checkpoints: {0}")]
    Thread(String),
    /// What is to be written cannot be read from the state in memory.
    #[error("a content of {name} could not be written: {why}")]
    State {
        /// Of which tree.
        name: replicode_contracts::tree::Name,
        /// Why not.
        why: String,
    },
    /// What has to be on the disk before a checkpoint is not there.
    #[error("no checkpoint is written: {0}")]
    Before(String),
    /// Checkpoints are written in order.
    #[error("checkpoint {batch} cannot be written after checkpoint {newest}")]
    Order {
        /// Which was to be written.
        batch: u64,
        /// The newest that is there.
        newest: u64,
    },
}

/// How much a checkpoint wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Contents written.
    pub contents: usize,
    /// Records removed, because no checkpoint that is kept needs them.
    pub removed: usize,
    /// Bytes written.
    pub bytes: usize,
}

/// What a checkpoint makes superfluous once it is the oldest.
#[derive(Default, BorshSerialize, BorshDeserialize)]
struct Obsolete(Vec<Vec<u8>>);

impl<K: KeyValue> Checkpoints<K> {
    /// The checkpoints in `kv`, of which the newest `keep` (at least one) are kept. `file` is its name in messages.
    pub fn new(kv: K, file: impl Into<String>, keep: usize) -> Checkpoints<K> {
        Checkpoints { kv, file: file.into(), keep: keep.max(1) }
    }

    /// The store below, when nothing more is to be written.
    pub fn into_store(self) -> K {
        self.kv
    }

    /// The batches whose checkpoints are there, from the oldest on.
    pub fn batches(&self) -> Result<Vec<u64>, StoreError> {
        let mut out = Vec::new();
        self.each(b"m", |key, _| {
            if let Some(Kind::Manifest(batch)) = read_key(key) {
                out.push(batch);
            }
            Ok(())
        })?;
        Ok(out)
    }

    /// Every record whose key begins with `prefix`, in order.
    pub(crate) fn each(
        &self,
        prefix: &[u8],
        mut act: impl FnMut(&[u8], &[u8]) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut from = prefix.to_vec();
        loop {
            let some = self.kv.scan(&from, SOME)?;
            for (key, value) in &some {
                if !key.starts_with(prefix) {
                    return Ok(());
                }
                act(key, value)?;
            }
            let Some((last, _)) = some.last() else { return Ok(()) };
            from = [last.as_slice(), &[0]].concat();
        }
    }

    /// Writes a checkpoint, in one transaction, and gives up the oldest. When it returns, the checkpoint survives a crash; before,
    /// a crash leaves the ones that were there.
    pub fn write(&mut self, checkpoint: &Checkpoint) -> Result<Written, StoreError> {
        let batch = checkpoint.batch();
        let mut batches = self.batches()?;
        if let Some(newest) = batches.last().copied().filter(|newest| *newest >= batch) {
            return Err(StoreError::Order { batch, newest });
        }
        let mut writes = Writes::new();
        let mut obsolete = Vec::new();
        for name in &checkpoint.cleared {
            let mut places = BTreeSet::new();
            self.each(&tree_prefix(name), |key, _| {
                if let Some(Kind::Content(place, _)) = read_key(key) {
                    places.insert(place);
                }
                Ok(())
            })?;
            for place in places.iter().filter(|place| !checkpoint.contents.contains_key(place)) {
                self.replace(place, None, batch, &mut writes, &mut obsolete)?;
            }
        }
        for (place, content) in &checkpoint.contents {
            self.replace(place, content.as_deref(), batch, &mut writes, &mut obsolete)?;
        }
        let contents = writes.len();
        for (part, list) in (0..).zip(obsolete.chunks(LIST)) {
            put(&mut writes, obsolete_key(batch, part), &encode(&Obsolete(list.to_vec())));
        }
        put(&mut writes, manifest_key(batch), &encode(&checkpoint.manifest));
        let bytes = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        batches.push(batch);
        let mut removed = 0;
        while batches.len() > self.keep {
            let oldest = batches.remove(0);
            writes.insert(manifest_key(oldest), None);
            removed += self.give_up_before(batches[0], &mut writes)?;
        }
        self.kv.write(&writes)?;
        self.kv.sync()?;
        Ok(Written { contents, removed, bytes })
    }

    /// Writes a checkpoint that holds a whole state, in one transaction; the ones that were there are gone with it.
    pub fn write_only(&mut self, checkpoint: &Checkpoint) -> Result<Written, StoreError> {
        let mut writes = self.all_gone()?;
        let removed = writes.len();
        let batch = checkpoint.batch();
        let mut contents = 0;
        for (place, content) in &checkpoint.contents {
            if let Some(content) = content {
                put(&mut writes, content_key(place, batch), &[&[HERE], content.as_slice()].concat());
                contents += 1;
            }
        }
        put(&mut writes, manifest_key(batch), &encode(&checkpoint.manifest));
        let bytes = writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Vec::len)).sum();
        self.kv.write(&writes)?;
        self.kv.sync()?;
        Ok(Written { contents, removed, bytes })
    }

    /// Removes everything.
    pub fn erase(&mut self) -> Result<Written, StoreError> {
        let writes = self.all_gone()?;
        self.kv.write(&writes)?;
        self.kv.sync()?;
        Ok(Written { contents: 0, removed: writes.len(), bytes: 0 })
    }

    fn all_gone(&self) -> Result<Writes, StoreError> {
        let mut writes = Writes::new();
        self.each(&[], |key, _| {
            writes.insert(key.to_vec(), None);
            Ok(())
        })?;
        Ok(writes)
    }

    fn replace(
        &self,
        place: &Place,
        content: Option<&[u8]>,
        batch: u64,
        writes: &mut Writes,
        obsolete: &mut Vec<Vec<u8>>,
    ) -> Result<(), StoreError> {
        let newest = self.versions(place)?.pop();
        let was_here = newest.as_ref().is_some_and(|(_, value)| value.get(32) == Some(&HERE));
        if content.is_none() && !was_here {
            return Ok(());
        }
        let key = content_key(place, batch);
        match content {
            Some(content) => put(writes, key, &[&[HERE], content].concat()),
            None => {
                // Once no older checkpoint is left, that there is nothing needs no record.
                obsolete.push(key.clone());
                put(writes, key, &[GONE]);
            }
        }
        obsolete.extend(newest.filter(|(_, value)| value.get(32) == Some(&HERE)).map(|(key, _)| key));
        Ok(())
    }

    /// All versions of a content that are there, the oldest first.
    pub(crate) fn versions(&self, place: &Place) -> Result<Vec<Record>, KvError> {
        let prefix = place_prefix(place);
        let (mut from, mut out) = (prefix.clone(), Vec::new());
        loop {
            let some = self.kv.scan(&from, 4)?;
            let count = some.len();
            out.extend(some.into_iter().take_while(|(key, _)| key.starts_with(&prefix)));
            match out.last() {
                Some((last, _)) if count == 4 && out.len() % 4 == 0 => from = [last.as_slice(), &[0]].concat(),
                _ => return Ok(out),
            }
        }
    }

    /// Removes what only checkpoints before `oldest` needed, `oldest` being the oldest that is kept.
    fn give_up_before(&self, oldest: u64, writes: &mut Writes) -> Result<usize, StoreError> {
        let prefix = &obsolete_key(oldest, 0)[..9];
        let mut lists = Vec::new();
        self.each(prefix, |key, value| {
            lists.push((key.to_vec(), value.to_vec()));
            Ok(())
        })?;
        // Those of a checkpoint that is being written right now are not in the store yet.
        let pending = writes.range(prefix.to_vec()..after(prefix));
        lists.extend(pending.filter_map(|(key, value)| Some((key.clone(), value.clone()?))));
        let mut removed = 0;
        for (key, value) in lists {
            let list = open(&key, &value).and_then(|bytes| borsh::from_slice::<Obsolete>(bytes).ok());
            let Some(Obsolete(list)) = list else {
                return Err(self.damaged(&key, "it does not have its hash"));
            };
            removed += list.len();
            writes.extend(list.into_iter().map(|key| (key, None)));
            writes.insert(key, None);
        }
        Ok(removed)
    }

    /// Removes all checkpoints after `batch`: they did not verify, or the node goes back.
    pub fn forget_after(&mut self, batch: u64) -> Result<(), StoreError> {
        let mut writes = Writes::new();
        for prefix in [b"m", b"x", b"d"] {
            self.each(prefix, |key, _| {
                let made = match read_key(key) {
                    Some(Kind::Manifest(made) | Kind::Obsolete(made) | Kind::Content(_, made)) => made,
                    None => 0,
                };
                if made > batch {
                    writes.insert(key.to_vec(), None);
                }
                Ok(())
            })?;
        }
        self.kv.write(&writes)?;
        Ok(self.kv.sync()?)
    }

    pub(crate) fn damaged(&self, record: &[u8], what: &str) -> StoreError {
        StoreError::Damaged(vec![Damage::record(&self.file, record, &[], what)])
    }
}

fn put(writes: &mut Writes, key: Vec<u8>, bytes: &[u8]) {
    let value = seal(&key, bytes);
    writes.insert(key, Some(value));
}

/// Encoding into memory does not fail.
pub(crate) fn encode(value: &impl BorshSerialize) -> Vec<u8> {
    borsh::to_vec(value).unwrap_or_default()
}
