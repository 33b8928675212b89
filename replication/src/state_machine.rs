//! What happens with an entry that is committed: how far that is goes up, with the batch in hand, everything else stays here.
//!
//! Nothing is kept on disk: after a restart the machine above runs through its whole life, from the log and in its own time
//! (`feed`). The engine does not wait for it: by what it is told, all that is known to be agreed on has been applied
//! ([`crate::history`]). Until guests can be checkpointed there is no snapshot to start from instead.

use crate::delivery::{Committed, Delivery};
use crate::feed::Feed;
use crate::history::Agreed;
use crate::raft::{self, LogId, TypeConfig, entry_id};
use futures::{Stream, TryStreamExt};
use openraft::alias::{SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use replicode_log::{Term, Tip};
#[cfg(feature = "planted")]
use replicode_store::planted::{Mistake, planted};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Bytes of content after which others get their turn on this thread.
const TURN: usize = 256 << 10;

/// How far this node knows the log to be agreed on, for whoever makes the next batches. The machine above may be behind.
#[derive(Clone, Copy, Debug)]
pub struct Applied {
    /// The end of the history.
    pub tip: Tip,
    /// The term of the last entry agreed on. A leader may build on `tip` once this is its own term.
    pub term: u64,
}

/// [`Applied`], shared with the proposer, which is woken when it changes.
#[derive(Debug)]
pub struct AppliedMark {
    value: Mutex<Applied>,
    wake: Arc<Notify>,
}

impl AppliedMark {
    /// What was agreed on when this node started.
    #[must_use]
    pub fn new(agreed: &Agreed, wake: Arc<Notify>) -> Self {
        let term = agreed.last.map_or(0, |id| id.term);
        Self { value: Mutex::new(Applied { tip: agreed.tip, term }), wake }
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
    feed: Arc<Feed<D>>,
    applied: Arc<AppliedMark>,
    last: Option<LogId>,
    members: StoredMembershipOf<TypeConfig>,
}

impl<D: Delivery> StateMachine<D> {
    /// A machine that has applied what is known to be agreed on.
    ///
    /// # Errors
    /// When the set of members cannot be decoded.
    pub(crate) fn new(feed: Arc<Feed<D>>, applied: Arc<AppliedMark>, agreed: &Agreed) -> io::Result<Self> {
        let members = match &agreed.members {
            None => StoredMembershipOf::<TypeConfig>::default(),
            Some((id, encoded)) => {
                StoredMembershipOf::<TypeConfig>::new(Some(raft::log_id(*id)), raft::members(encoded)?)
            }
        };
        Ok(Self { feed, applied, last: agreed.last.map(raft::log_id), members })
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
        let mut turn = 0;
        while let Some((entry, responder)) = entries.try_next().await? {
            let id = entry_id(&entry.log_id);
            let mut applied = Applied { term: id.term, ..self.applied.get() };
            let mut batch = None;
            match entry.payload {
                EntryPayload::Normal(payload) => match applied.tip.advance(&payload.0) {
                    Some(tip) => {
                        turn += payload.0.len();
                        applied.tip = tip;
                        batch = Some(Committed {
                            index: tip.index,
                            encoded: payload.0,
                            content: tip.content,
                            raft_index: id.index,
                            term: Term(id.term),
                        });
                    }
                    #[cfg(feature = "planted")]
                    None if planted(Mistake::UnchainedBatch) => {
                        let header = replicode_log::BatchHeader::peek(&payload.0).map_err(io::Error::other)?;
                        batch = Some(Committed {
                            index: header.index,
                            content: replicode_log::Digest::of(&payload.0),
                            encoded: payload.0,
                            raft_index: id.index,
                            term: Term(id.term),
                        });
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
            #[cfg(feature = "planted")]
            let batch = match batch {
                Some(batch) if planted(Mistake::SlowRestart) => {
                    self.feed.deliver_slowly(batch).await.map_err(io::Error::other)?;
                    None
                }
                batch => batch,
            };
            self.feed.hand(id.index, applied.tip, batch).map_err(io::Error::other)?;
            self.last = Some(entry.log_id);
            self.applied.set(applied);
            if let Some(responder) = responder {
                responder.send(());
            }
            if turn >= TURN {
                turn = 0;
                crate::host::yield_now().await;
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
