//! What happens with an entry that is committed: batches that continue the history go up, everything else stays here.
//!
//! Nothing is kept on disk: after a restart the engine applies the log again from its first entry, and the machine above
//! runs through its whole life. Until guests can be checkpointed there is no snapshot to start from instead.

use crate::delivery::{Committed, Delivery};
use crate::raft::{LogId, TypeConfig, entry_id};
use futures::{Stream, TryStreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use replicode_log::{Term, Tip};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// How far this node has applied the log, for whoever makes the next batches.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// The end of the history.
    pub tip: Tip,
    /// The term of the last entry applied. A leader may build on `tip` once this is its own term.
    pub term: u64,
}

/// [`Applied`], shared with the proposer, which is woken when it changes.
#[derive(Debug)]
pub struct AppliedCell {
    value: Mutex<Applied>,
    wake: Arc<Notify>,
}

impl AppliedCell {
    /// Nothing has been applied yet.
    #[must_use]
    pub fn new(tip: Tip, wake: Arc<Notify>) -> Self {
        Self { value: Mutex::new(Applied { tip, term: 0 }), wake }
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> Applied {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, applied: Applied) {
        *self.value.lock().unwrap_or_else(PoisonError::into_inner) = applied;
        self.wake.notify_one();
    }
}

/// See the module.
pub struct StateMachine<D> {
    delivery: Arc<D>,
    applied: Arc<AppliedCell>,
    last: Option<LogId>,
    members: StoredMembershipOf<TypeConfig>,
}

impl<D: Delivery> StateMachine<D> {
    /// A machine that has applied nothing.
    #[must_use]
    pub fn new(delivery: Arc<D>, applied: Arc<AppliedCell>) -> Self {
        Self { delivery, applied, last: None, members: StoredMembershipOf::<TypeConfig>::default() }
    }
}

impl<D: Delivery> RaftStateMachine<TypeConfig> for StateMachine<D> {
    type SnapshotData = ();
    type SnapshotBuilder = NoSnapshot;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembershipOf<TypeConfig>), io::Error> {
        Ok((self.last, self.members.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            let id = entry_id(&entry.log_id);
            let mut applied = Applied { term: id.term, ..self.applied.get() };
            match entry.payload {
                EntryPayload::Normal(payload) => match applied.tip.advance(&payload.0) {
                    Some(tip) => {
                        let batch = Committed {
                            index: tip.index,
                            encoded: payload.0,
                            content: tip.content,
                            raft_index: id.index,
                            term: Term(id.term),
                        };
                        self.delivery.batch(batch).await.map_err(io::Error::other)?;
                        applied.tip = tip;
                    }
                    None => {
                        tracing::debug!(index = id.index, term = id.term, tip = %applied.tip.index, "skipped a batch of a deposed leader");
                    }
                },
                EntryPayload::Membership(members) => {
                    self.members = StoredMembershipOf::<TypeConfig>::new(Some(entry.log_id), members);
                }
                EntryPayload::Blank => {}
            }
            self.last = Some(entry.log_id);
            self.applied.set(applied);
            if let Some(responder) = responder {
                responder.send(());
            }
        }
        Ok(())
    }

    async fn try_create_snapshot_builder(&mut self, _force: bool) -> Option<NoSnapshot> {
        Some(NoSnapshot)
    }

    async fn get_snapshot_builder(&mut self) -> NoSnapshot {
        NoSnapshot
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMetaOf<TypeConfig>, (): ()) -> Result<(), io::Error> {
        Err(no_snapshot())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<SnapshotOf<TypeConfig, ()>>, io::Error> {
        Ok(None)
    }
}

fn no_snapshot() -> io::Error {
    io::Error::other("there are no snapshots yet: the log is kept from its first entry")
}

/// Builds no snapshot: nothing asks for one while the log is kept whole.
#[derive(Clone, Copy, Debug)]
pub struct NoSnapshot;

impl RaftSnapshotBuilder<TypeConfig> for NoSnapshot {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<TypeConfig, ()>, io::Error> {
        Err(no_snapshot())
    }
}
