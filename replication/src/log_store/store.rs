//! The log in the consensus engine's words.

use super::log::Log;
use super::work::Done;
use crate::raft::{self, Entry, LogId, TypeConfig, Vote};
use futures::Stream;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use replicode_store::record::{Body, Entry as LogEntry};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of content read at once for a follower: one message of the append stream.
const MESSAGE_BYTES: usize = 4 << 20;

/// The log store. Clones are the same store.
#[derive(Clone, Debug)]
pub struct LogStore {
    /// The log.
    pub log: Log,
    /// Whether its owner is the only member of its cluster.
    pub alone: bool,
    /// The number of the last batch that was appended.
    pub batch: Arc<AtomicU64>,
}

impl LogStore {
    /// Runs a change of the log and waits until it is durable.
    async fn durably(&self, change: impl FnOnce(&Log, Done) -> Result<(), super::LogError>) -> io::Result<()> {
        let (tx, rx) = tokio::sync::oneshot::channel();
        // A receiver that is gone is the engine shutting down.
        change(&self.log, Box::new(move |result| drop(tx.send(result))))?;
        rx.await.map_err(|_| io::Error::other("the log has stopped"))?
    }
}

fn convert(entries: Vec<LogEntry>) -> io::Result<Vec<Entry>> {
    entries.into_iter().map(raft::from_log).collect()
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(at) => *at,
        Bound::Excluded(at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(at) => at.saturating_add(1),
        Bound::Excluded(at) => *at,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, io::Error> {
        let (start, end) = bounds(&range);
        convert(self.log.fetch(start, end, usize::MAX).await?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.log.vote().map(raft::vote))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        convert(self.log.fetch(start, end, MESSAGE_BYTES).await?)
    }

    /// Reads piece by piece: a log may be longer than memory.
    async fn entries_stream<RB>(&mut self, range: RB) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let ready: std::vec::IntoIter<Entry> = Vec::new().into_iter();
        futures::stream::try_unfold((self.log.clone(), start, ready), move |(log, mut at, mut ready)| async move {
            if ready.len() == 0 && at < end {
                let entries = convert(log.fetch(at, end, MESSAGE_BYTES).await?)?;
                at = entries.last().map_or(end, |entry| entry.log_id.index() + 1);
                ready = entries.into_iter();
            }
            Ok(ready.next().map(|entry| (entry, (log, at, ready))))
        })
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        let (purged, last) = self.log.ends();
        Ok(LogState { last_purged_log_id: purged.map(raft::log_id), last_log_id: last.map(raft::log_id) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let record = raft::vote_record(vote);
        self.durably(|log, done| log.save_vote(record, done)).await
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        if let Some(id) = committed {
            self.log.note_committed(raft::entry_id(&id))?;
        }
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.log.elsewhere(Log::committed).await??.map(raft::log_id))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<TypeConfig>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries = entries.into_iter().map(raft::to_log).collect::<io::Result<Vec<_>>>()?;
        let batch = entries.iter().rev().find_map(|entry| match &entry.body {
            Body::Batch(encoded) => encoded.first_chunk().map(|index| u64::from_le_bytes(*index)),
            Body::Blank | Body::Membership(_) => None,
        });
        if let Some(batch) = batch {
            self.batch.store(batch, Ordering::Release);
        }
        self.log.append(entries, !self.alone, Box::new(move |result| callback.io_completed(result)))?;
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let last = last.as_ref().map(raft::entry_id);
        self.durably(|log, done| log.truncate_after(last, done)).await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let upto = raft::entry_id(&upto);
        self.durably(|log, done| log.purge(upto, done)).await
    }
}
