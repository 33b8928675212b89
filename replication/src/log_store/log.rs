//! The log as its users see it: append, read, vote, truncate.
//!
//! Whatever changes the log (entries, votes, truncations) is queued in order and made durable by [`super::work`].
//! What has been queued can be read at once. Recent entries are in a cache of limited size; older ones are read from
//! their segment.

use super::reading::Reading;
pub use super::work::OnFault;
use super::work::{Done, Job, Work};
use replicode_pacing::Bringer;
use replicode_store::lookup::{Lookup, Pictured};
use replicode_store::picture::Look;
use replicode_store::record::{Entry, EntryId, Item, VoteRecord};
use replicode_store::segment::Owner;
use replicode_store::{Disk, LogError, LogOptions, LogStatus, Opened, Picture, open};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

struct Shared {
    lookup: Lookup,
    owner: Owner,
    seen: Arc<Seen>,
    work: Arc<Work>,
    reading: Reading,
}

/// A log, open. Clones are the same log.
#[derive(Clone)]
pub struct Log(Arc<Shared>);

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Log({})", self.0.lookup.place())
    }
}

/// What readers see, changed under one lock.
pub(super) struct Seen(Mutex<Picture>);

impl Seen {
    pub(super) fn lock(&self) -> MutexGuard<'_, Picture> {
        locked(&self.0)
    }
}

impl Pictured for Seen {
    fn with<T>(&self, look: impl FnOnce(&mut Picture) -> T) -> T {
        look(&mut self.lock())
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code panics while it holds one of these locks, so what they guard is whole; but for the worker's, whose panic stops
    // the queue, so that nobody works with it again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Log {
    /// Opens a log for writing, or makes one, and starts its thread. Every record that it holds goes by `visit`, in order.
    ///
    /// # Errors
    /// [`LogError`]: the log is damaged, belongs to something else, or the system refuses.
    pub fn open(
        disk: Arc<dyn Disk>,
        owner: Owner,
        options: LogOptions,
        on_fault: OnFault,
        visit: &mut dyn FnMut(&Item),
    ) -> Result<Self, LogError> {
        let Opened { writer, hands, recovered } = open(&disk, owner, &options, true, visit)?;
        let tail = recovered.tail;
        if let Some(torn) = recovered.torn {
            tracing::warn!(
                segment = replicode_store::segment::name(tail.header.generation),
                offset = tail.position,
                bytes = torn - tail.position,
                "the log's last write was cut short by a crash; it was never acknowledged and is removed"
            );
        }
        let seen = Arc::new(Seen(Mutex::new(Picture::new(recovered))));
        let lookup = Lookup::new(disk.clone(), owner);
        let next = tail.next_index;
        if let Some(last) = lookup.read(&*seen, next.saturating_sub(1), next, usize::MAX)?.pop() {
            seen.lock().ends_with(last.id);
        }
        let work = Work::begin(writer, hands, disk, seen.clone(), options.cache_bytes, on_fault)?;
        Ok(Self(Arc::new(Shared { lookup, owner, seen, work, reading: Reading::begin()? })))
    }

    /// The disk counts as steady after so many syncs in a row that nobody noticed: see [`replicode_pacing::sync_choice`].
    pub fn trust_disk_after(&self, syncs: u32) {
        self.0.work.trust_after(syncs);
    }

    /// Appends entries. They must continue the log without a gap. They can be read at once, and are durable when `done`
    /// is called, which may be before this returns: see [`super::work`]. `peers`: whether others expect to hear from who calls.
    ///
    /// # Errors
    /// [`LogError::Stopped`]; then `done` is called with an error too.
    pub fn append(&self, entries: Vec<Entry>, peers: bool, done: Done) -> Result<(), LogError> {
        let bringer = {
            let mut picture = self.0.seen.lock();
            picture.append(&entries);
            let leads =
                picture.latest().vote.is_some_and(|vote| vote.committed && vote.node == self.0.owner.node.get());
            match (peers, leads) {
                (false, _) => Bringer::Alone,
                (true, false) => Bringer::Follower,
                (true, true) => Bringer::Leader,
            }
        };
        self.0.work.push(Job { items: entries.into_iter().map(Item::Entry).collect(), done: Some(done) }, Some(bringer))
    }

    /// Voids all entries after `last`.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn truncate_after(&self, last: Option<EntryId>, done: Done) -> Result<(), LogError> {
        let Some(from) = self.0.seen.lock().truncate_after(last) else {
            done(Ok(()));
            return Ok(());
        };
        self.0.work.push(Job { items: vec![Item::Truncate(from)], done: Some(done) }, None)
    }

    /// Gives up entries up to `upto`.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn purge(&self, upto: EntryId, done: Done) -> Result<(), LogError> {
        if !self.0.seen.lock().purge(upto) {
            done(Ok(()));
            return Ok(());
        }
        self.0.work.push(Job { items: vec![Item::Purge(upto)], done: Some(done) }, None)
    }

    /// Writes a vote.
    ///
    /// # Errors
    /// As for [`Log::append`].
    pub fn save_vote(&self, vote: VoteRecord, done: Done) -> Result<(), LogError> {
        self.0.seen.lock().vote(vote);
        self.0.work.push(Job { items: vec![Item::Vote(vote)], done: Some(done) }, None)
    }

    /// Notes how far entries are committed. It rides along with the next write and costs none of its own.
    ///
    /// # Errors
    /// [`LogError::Stopped`].
    pub fn note_committed(&self, upto: EntryId) -> Result<(), LogError> {
        self.0.seen.lock().committed(upto);
        self.0.work.add(Job { items: vec![Item::Committed(upto)], done: None })
    }

    /// The latest vote.
    #[must_use]
    pub fn vote(&self) -> Option<VoteRecord> {
        self.0.seen.lock().latest().vote
    }

    /// The last entry given up, and the last entry there is (the former if there is none).
    #[must_use]
    pub fn ends(&self) -> (Option<EntryId>, Option<EntryId>) {
        let picture = self.0.seen.lock();
        (picture.latest().purged, picture.last())
    }

    /// How far entries were noted to be committed, whether this log holds them or not.
    #[must_use]
    pub fn noted_committed(&self) -> Option<EntryId> {
        self.0.seen.lock().latest().committed
    }

    /// How far entries are known to be committed. Only an entry that this log holds is named.
    ///
    /// # Errors
    /// [`LogError`] when the entry cannot be read.
    pub fn committed(&self) -> Result<Option<EntryId>, LogError> {
        let latest = *self.0.seen.lock().latest();
        let Some(id) = latest.committed else { return Ok(None) };
        if latest.purged >= Some(id) {
            return Ok(Some(id));
        }
        let held = self.read(id.index, id.index + 1, usize::MAX)?.pop();
        Ok(held.map(|entry| entry.id).filter(|held| *held == id))
    }

    /// Figures.
    #[must_use]
    pub fn status(&self) -> LogStatus {
        self.0.seen.lock().status
    }

    /// Entries from `start` to before `end`, as far as the log has them, but no more than `max_bytes` of content; at
    /// least one if there is one.
    ///
    /// # Errors
    /// [`LogError`] when an entry that was written cannot be read back as it was.
    pub fn read(&self, start: u64, end: u64, max_bytes: usize) -> Result<Vec<Entry>, LogError> {
        self.0.lookup.read(&*self.0.seen, start, end, max_bytes)
    }

    /// As [`Log::read`], if that takes no disk.
    #[must_use]
    pub fn read_held(&self, start: u64, end: u64, max_bytes: usize) -> Option<Vec<Entry>> {
        let mut picture = self.0.seen.lock();
        let (at, mut out) = (start.max(picture.first()), Vec::new());
        match picture.look(at, end, 0, max_bytes, &mut out) {
            Look::Held | Look::End => Some(out),
            Look::Active { .. } | Look::Loaded(_) | Look::Sealed(_) => None,
        }
    }

    /// As [`Log::read`], for those who must not wait for a disk: entries that are not in memory are read on another thread.
    ///
    /// # Errors
    /// As for [`Log::read`], and [`LogError::Stopped`].
    pub async fn fetch(&self, start: u64, end: u64, max_bytes: usize) -> Result<Vec<Entry>, LogError> {
        match self.read_held(start, end, max_bytes) {
            Some(entries) => Ok(entries),
            None => self.elsewhere(move |log| log.read(start, end, max_bytes)).await?,
        }
    }

    /// Has something done with the log on the thread that may wait for a disk.
    ///
    /// # Errors
    /// [`LogError::Stopped`] when that ends first.
    pub async fn elsewhere<T: Send + 'static>(
        &self,
        what: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Result<T, LogError> {
        let (tell, told) = tokio::sync::oneshot::channel();
        let log = self.clone();
        // Whoever asked may have lost interest.
        self.0.reading.push(Box::new(move || drop(tell.send(what(&log)))));
        told.await.map_err(|_| LogError::Stopped("nothing is read any more".to_string()))
    }

    /// Writes what is queued and stops the threads. Later changes are refused.
    pub fn close(&self) {
        self.0.work.close();
        self.0.reading.close();
    }
}
