//! A backend on disk: started from its last checkpoint, and followed by new ones.
//!
//! ```text
//! start: newest checkpoint that verifies ─► install ─► the log behind it is executed again
//! keep:  sealed batch ─► trail ─ now and then ─► checkpoint ─► a thread writes it, in one transaction
//! ```
//!
//! A batch never waits for the disk. What is lost in a crash is in the log, and comes again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use replicode_contracts::backend::{self, Backend, Listener, Sealed};
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::KeyValue;
use replicode_contracts::proof::{self, Contents};
use replicode_contracts::state::Received;
use replicode_contracts::tree::{Name, View, Whole};

use crate::writer::{Job, Writer};
use crate::{Checkpoints, Damage, Manifest, Reader, StoreError, Trail};

/// When a checkpoint is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Every {
    /// After so many batches.
    pub batches: u64,
    /// After about so many bytes of contents, if that is sooner.
    pub bytes: usize,
}

impl Default for Every {
    /// 256 batches or 64 MiB.
    fn default() -> Every {
        Every { batches: 256, bytes: 64 << 20 }
    }
}

/// What a backend was started from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// The checkpoint's batch: the log behind it is to be executed again.
    pub batch: proof::Batch,
    /// What was damaged in newer checkpoints, which are gone.
    pub passed: Vec<Damage>,
}

/// Why a backend was not started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There are checkpoints, and none can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backend does not take the state over.
    #[error(transparent)]
    Backend(#[from] backend::Error),
}

/// Gives a backend the state of the newest checkpoint that verifies, and removes newer ones. None: there is no checkpoint, and the
/// backend is as it was.
///
/// # Errors
/// When no checkpoint verifies, with all that is damaged; or the backend does not take it.
pub fn start<K: KeyValue>(
    backend: &mut dyn Backend,
    checkpoints: &mut Checkpoints<K>,
    depth: usize,
) -> Result<Option<Started>, StartError> {
    let layouts = checkpoints.layouts(&backend.config().limits.template)?;
    let schema = Whole(replicode_contracts::state::Contents { layouts });
    let Some(loaded) = checkpoints.load(&schema, depth)? else { return Ok(None) };
    let batch = loaded.manifest.batch;
    if !loaded.passed.is_empty() {
        checkpoints.forget_after(batch.index)?;
    }
    let mut contents = Reader { store: checkpoints, schema: &schema };
    backend.install(batch, Received { forest: loaded.forest, contents: &mut contents })?;
    Ok(Some(Started { batch, passed: loaded.passed }))
}

/// From now on checkpoints follow the backend. What is on disk must be what it was started from, or nothing; otherwise all of its
/// state is written first.
///
/// # Errors
/// When the store cannot be read, or there is no thread.
pub fn keep<K: KeyValue + Send + 'static>(
    backend: &mut dyn Backend,
    checkpoints: Checkpoints<K>,
    every: Every,
) -> Result<Keeping<K>, StartError> {
    keep_after(backend, checkpoints, every, Box::new(|| Ok(())))
}

/// The same, with something that is done before each checkpoint is written, on the thread that writes it: whatever a checkpoint is of no
/// use without goes to the disk first. Listeners that the backend had before this call have been told of all batches of a checkpoint by
/// then. When it fails, no checkpoint is written any more.
///
/// # Errors
/// As [`keep`].
pub fn keep_after<K: KeyValue + Send + 'static>(
    backend: &mut dyn Backend,
    checkpoints: Checkpoints<K>,
    every: Every,
    before: Box<dyn FnMut() -> Result<(), String> + Send>,
) -> Result<Keeping<K>, StartError> {
    let newest = checkpoints.batches()?.last().copied();
    let writer = Writer::start(checkpoints, before)?;
    let mut kept = Kept { writer, trail: Trail::default(), every, newest, behind: None, since: 0, failed: None };
    let tip = backend.tip();
    if tip.is_none() || newest != tip.map(|tip| tip.index) {
        let mut whole = Ok(());
        backend.look(None, &mut |view, contents| whole = kept.whole(tip.as_ref(), view, contents))?;
        whole?;
    }
    let kept = Arc::new(Mutex::new(kept));
    backend.subscribe(Box::new(Told(Arc::clone(&kept))));
    Ok(Keeping(kept))
}

/// The checkpoints that follow a backend.
pub struct Keeping<K>(Arc<Mutex<Kept<K>>>);

struct Kept<K> {
    writer: Writer<K>,
    trail: Trail,
    every: Every,
    /// The newest checkpoint, written or being written.
    newest: Option<u64>,
    /// The last batch that is in the trail and in no checkpoint.
    behind: Option<Manifest>,
    /// Batches since the newest checkpoint.
    since: u64,
    failed: Option<StoreError>,
}

struct Told<K>(Arc<Mutex<Kept<K>>>);

fn lock<K>(kept: &Mutex<Kept<K>>) -> MutexGuard<'_, Kept<K>> {
    // What a panic could leave half done is the trail, and a failure is noted then.
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K: KeyValue + Send + 'static> Keeping<K> {
    /// The batch of the newest checkpoint that was handed to the disk.
    #[must_use]
    pub fn newest(&self) -> Option<u64> {
        lock(&self.0).newest
    }

    /// About how many bytes the next checkpoint will write.
    #[must_use]
    pub fn trail_bytes(&self) -> usize {
        lock(&self.0).trail.bytes()
    }

    /// Whether all checkpoints were written so far. One that was not stops all later ones: the node should stop, and start again
    /// from what is on the disk.
    ///
    /// # Errors
    /// Why one was not.
    pub fn check(&self) -> Result<(), StoreError> {
        let mut kept = lock(&self.0);
        let idle = kept.writer.is_idle().map(drop);
        kept.note(idle);
        kept.failed.clone().map_or(Ok(()), Err)
    }

    /// Writes what is behind, and waits until it is on the disk: before the node stops.
    ///
    /// # Errors
    /// Why it is not.
    pub fn flush(&self) -> Result<(), StoreError> {
        let mut kept = lock(&self.0);
        let done = kept.writer.wait().and_then(|()| kept.hand_over()).and_then(|()| kept.writer.wait());
        kept.note(done);
        kept.failed.clone().map_or(Ok(()), Err)
    }

    /// Ends the thread, when it has written what it has; the store, unless the thread has panicked. What is behind stays behind.
    #[must_use]
    pub fn stop(self) -> Option<Checkpoints<K>> {
        lock(&self.0).writer.stop()
    }
}

impl<K: KeyValue + Send + 'static> Kept<K> {
    fn note(&mut self, result: Result<(), StoreError>) {
        if let Err(error) = result {
            self.failed.get_or_insert(error);
        }
    }

    fn sealed(&mut self, sealed: &Sealed) -> Result<(), StoreError> {
        self.trail.seal(sealed);
        self.behind = Some(Manifest { version: 1, batch: sealed.batch, roots: sealed.tops.clone() });
        self.since += 1;
        let due = self.since >= self.every.batches || self.trail.bytes() >= self.every.bytes;
        if due && self.writer.is_idle()? {
            self.hand_over()?;
        }
        Ok(())
    }

    fn hand_over(&mut self) -> Result<(), StoreError> {
        let Some(manifest) = self.behind.take() else { return Ok(()) };
        self.newest = Some(manifest.batch.index);
        self.since = 0;
        let checkpoint = self.trail.take_as(manifest);
        self.writer.begin(Job::Next(checkpoint))
    }

    /// Writes all of a state, and nothing else is there afterwards. A state before the first batch is in no checkpoint: it goes into
    /// the first one that comes.
    fn whole(
        &mut self,
        tip: Option<&proof::Batch>,
        view: View<'_>,
        contents: &mut dyn Contents,
    ) -> Result<(), StoreError> {
        (self.trail, self.behind, self.since) = (Trail::default(), None, 0);
        self.newest = tip.map(|tip| tip.index);
        for name in view.names() {
            for (key, value) in view.leaves(&name) {
                self.trail.put(name, key, Some(read(contents, &name, &key, &value)?));
            }
        }
        match tip {
            Some(tip) => {
                let checkpoint = self.trail.take(*tip, view);
                self.writer.begin(Job::Only(checkpoint))
            }
            None => self.writer.begin(Job::Nothing),
        }
    }

    /// History was taken back.
    fn rewound(
        &mut self,
        tip: Option<&proof::Batch>,
        view: View<'_>,
        contents: &mut dyn Contents,
    ) -> Result<(), StoreError> {
        let index = tip.map(|tip| tip.index);
        // The newest checkpoint is still a part of history: what has changed since then is what the trail has, as it is now.
        if self.newest <= index && self.newest.is_some() == index.is_some() {
            self.trail.refresh(view, |name, key, value| read(contents, name, key, value))?;
            self.behind = tip.filter(|_| self.newest != index).map(|tip| Manifest::of(*tip, view));
            return Ok(());
        }
        self.whole(tip, view, contents)
    }
}

fn read(contents: &mut dyn Contents, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, StoreError> {
    contents.content(name, key, value).map_err(|why| StoreError::State { name: *name, why })
}

impl<K: KeyValue + Send + 'static> Listener for Told<K> {
    fn sealed(&mut self, sealed: &Arc<Sealed>) {
        let mut kept = lock(&self.0);
        if kept.failed.is_none() {
            let done = kept.sealed(sealed);
            kept.note(done);
        }
    }

    fn rewound(&mut self, tip: Option<&proof::Batch>, view: View<'_>, contents: &mut dyn Contents) {
        let mut kept = lock(&self.0);
        if kept.failed.is_none() {
            let done = kept.rewound(tip, view, contents);
            kept.note(done);
        }
    }
}
