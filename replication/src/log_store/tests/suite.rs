//! The consensus engine's own tests of a log store. They also need a state machine, which here only counts: the real one
//! has no snapshots.

use super::{no_fault, options, owner};
use crate::log_store::Log;

use crate::log_store::store::LogStore;
use crate::raft::{LogId, TypeConfig};
use futures::{Stream, TryStreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::{EntryPayload, OptionalSend, StorageError};
use replicode_store::sim_disk::SimDisk;
use std::io;
use std::sync::Arc;

#[derive(Clone, Default)]
struct Counter {
    last: Option<LogId>,
    members: StoredMembershipOf<TypeConfig>,
    snapshot: Arc<std::sync::Mutex<Option<SnapshotMetaOf<TypeConfig>>>>,
}

impl Counter {
    fn keep(&self, meta: &SnapshotMetaOf<TypeConfig>) {
        if let Ok(mut snapshot) = self.snapshot.lock() {
            *snapshot = Some(meta.clone());
        }
    }
}

impl RaftSnapshotBuilder<TypeConfig> for Counter {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, ()>, io::Error> {
        let meta = SnapshotMetaOf::<TypeConfig> { last_log_id: self.last, last_membership: self.members.clone() };
        self.keep(&meta);
        Ok(SnapshotOf::<TypeConfig, ()> { meta, snapshot: () })
    }
}

impl RaftStateMachine<TypeConfig> for Counter {
    type SnapshotData = ();
    type SnapshotBuilder = Self;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<TypeConfig>), io::Error> {
        Ok((self.last, self.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.last = Some(entry.log_id);
            if let EntryPayload::Membership(members) = entry.payload {
                self.members = StoredMembershipOf::<TypeConfig>::new(self.last, members);
            }
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMetaOf<TypeConfig>, (): ()) -> Result<(), io::Error> {
        self.last = meta.last_log_id;
        self.members = meta.last_membership.clone();
        self.keep(meta);
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, ()>>, io::Error> {
        let meta = self.snapshot.lock().ok().and_then(|snapshot| snapshot.clone());
        Ok(meta.map(|meta| SnapshotOf::<TypeConfig, ()> { meta, snapshot: () }))
    }
}

struct Builder {
    cache_bytes: usize,
    /// Whether appends are made durable by their callers.
    alone: bool,
}

impl StoreBuilder<TypeConfig, LogStore, Counter, ()> for Builder {
    async fn build(&self) -> Result<((), LogStore, Counter), StorageError<TypeConfig>> {
        let disk = Arc::new(SimDisk::new());
        match Log::open(disk, owner(), options(12 << 10, self.cache_bytes), no_fault(), &mut |_| {}) {
            Ok(log) => Ok(((), LogStore { log, alone: self.alone, batch: Arc::default() }, Counter::default())),
            Err(error) => unreachable!("the log opens: {error}"),
        }
    }
}

#[tokio::test]
async fn the_engines_suite_passes_with_a_cache() -> Result<(), StorageError<TypeConfig>> {
    Suite::test_all(Builder { cache_bytes: 1 << 20, alone: false }).await
}

#[tokio::test]
async fn the_engines_suite_passes_without_a_cache() -> Result<(), StorageError<TypeConfig>> {
    Suite::test_all(Builder { cache_bytes: 0, alone: false }).await
}

#[tokio::test]
async fn the_engines_suite_passes_without_a_thread() -> Result<(), StorageError<TypeConfig>> {
    Suite::test_all(Builder { cache_bytes: 1 << 20, alone: true }).await
}
