//! What keeps a replica going: inputs to the leader, batches to the engine, changes of leadership to everybody.
//!
//! One task, woken by whatever has changed, which then looks at everything: offers of this node, parcels of others,
//! progress of the state machine and of the machine above, the engine's view of who leads.

use crate::answers::{Answer, Refusal};
use crate::delivery::{Delivery, Leadership};
use crate::network::forward::Route;
use crate::network::server::Forwarded;
use crate::raft::{self, Payload, TypeConfig};
use crate::replica::{Faults, Shared};
use crate::state_machine::StateMachine;
use crate::step_down::step_down;
use crate::{host, mono};
use openraft::Raft;
use openraft::alias::WatchReceiverOf;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use replicode_log::{BatchIndex, Digest, Mono, NodeId, Term};
use replicode_pacing::stall::{Lead, Overdue, Sight, Stall, Wait};
use replicode_pacing::{Batcher, Gather, Gathering, Pause, Progress, Proposal};
#[cfg(feature = "planted")]
use replicode_store::planted::{Mistake, planted};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;

/// Silent losses of a proposal after which a leader gives up.
const LOSSES: u32 = 2;
/// The engine takes a proposal off the driver's hands within this time; it queues thousands.
const HAND_OVER: Duration = Duration::from_secs(3);

/// See the module.
pub(crate) struct Driver<D: Delivery> {
    pub(crate) shared: Arc<Shared>,
    pub(crate) raft: Raft<TypeConfig, StateMachine<D>>,
    pub(crate) delivery: Arc<D>,
    pub(crate) faults: Arc<Faults<D>>,
    pub(crate) inbox: mpsc::Receiver<Forwarded>,
    pub(crate) batcher: Batcher,
    pub(crate) seeds: Seeds,
    pub(crate) leadership: Option<Leadership>,
    pub(crate) route: Option<Route>,
    /// After the route to the leader has broken.
    pub(crate) retry: Pause,
    pub(crate) stall: Stall,
    /// After the engine has refused a proposal: until then it is given none.
    pub(crate) refusal: Pause,
    /// The term in which the engine's refusals have been told.
    pub(crate) refused_in: Option<u64>,
    /// Whether more is waited for: see [`crate::Replica::expect_more`].
    pub(crate) gathering: Gathering,
}

/// Numbers that nobody can guess: the hash of a secret and a counter.
#[derive(Debug)]
pub(crate) struct Seeds {
    pub(crate) secret: Digest,
    pub(crate) drawn: u64,
}

impl Seeds {
    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let digest = Digest::chain(self.secret, &[&self.drawn.to_le_bytes()]);
        digest.bytes().iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte))
    }
}

type ServerMetrics = WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>;

impl<D: Delivery> Driver<D> {
    /// Runs until the replica is told to stop, or the engine stops.
    pub(crate) async fn run(mut self) {
        let mut metrics: ServerMetrics = self.raft.server_metrics();
        loop {
            if self.shared.stopping() {
                return;
            }
            self.follow_leadership(&mut metrics);
            if let Err(why) = self.pump().await {
                self.faults.raise("the consensus engine has stopped", &why);
                return;
            }
            if self.see_to_what_is_overdue().await {
                continue;
            }
            let wake_at = self.wake_at();
            tokio::select! {
                // In this order: whatever it is, everything is looked at.
                biased;
                () = self.shared.wake.notified() => {}
                changed = metrics.changed() => if changed.is_err() {
                    self.faults.raise("the consensus engine has stopped", "its state is no longer told");
                    return;
                },
                // A cluster of one has nobody who could forward: its inbox is closed, and this branch rests.
                Some(forwarded) = self.inbox.recv(), if !self.batcher.is_full() => self.receive(forwarded),
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// A change of leader or term: what was on its way may be lost, everything is offered again.
    fn follow_leadership(&mut self, metrics: &mut ServerMetrics) {
        let now = {
            let metrics = metrics.borrow_and_update();
            // For a moment the engine tells of a new leader beside the vote for the one before, whose term it is not.
            let vote = raft::vote_record(&metrics.vote);
            let leader = metrics.current_leader.filter(|leader| vote.committed && vote.node == *leader);
            Leadership { term: Term(vote.term), leader: leader.and_then(|node| NodeId::new(node).ok()) }
        };
        if self.leadership == Some(now) {
            return;
        }
        self.leadership = Some(now);
        tracing::info!(term = now.term.0, leader = now.leader.map(NodeId::get), "leadership");
        self.batcher.follow();
        self.shared.time.rest();
        // What only a leader changes: how much is worth a word to it, and what it waits for.
        self.shared.awaits_progress.store(self.leads(), Ordering::Release);
        self.shared.outgoing().wake_above(1);
        self.shared.expect_no_more();
        self.gathering.forget();
        self.route = None;
        self.retry.end();
        self.refusal.end();
        self.shared.outgoing().rewind();
        self.delivery.leadership(now);
    }

    /// What the driver sees of itself.
    fn sight(&self) -> Sight {
        let lead = match self.leadership.and_then(|now| now.leader) {
            None => Lead::Nobody,
            Some(node) if node == self.shared.node => Lead::Own(self.term()),
            Some(_) => Lead::Other,
        };
        let oldest = self.batcher.oldest();
        Sight {
            lead,
            builds: self.batcher.leads(),
            oldest,
            logged: BatchIndex(self.shared.logged.load(Ordering::Acquire)),
            delivered: self.shared.applied.get().tip.index,
            // Of a machine that lags nothing can be expected: how its inputs fare shows once it has caught up.
            inputs: if oldest.is_none() && !self.shared.lag.is_behind() {
                self.shared.outgoing().awaited()
            } else {
                None
            },
        }
    }

    /// Does something about what is awaited for too long. Answers whether there is something to move now.
    async fn see_to_what_is_overdue(&mut self) -> bool {
        let sight = self.sight();
        self.stall.handle_sight(&sight, mono::now());
        #[cfg(feature = "planted")]
        if planted(Mistake::Wedge) {
            return false;
        }
        let Some(Overdue { wait, before }) = self.stall.poll_overdue() else { return false };
        match wait {
            Wait::Leader => {
                tracing::info!(term = self.term(), "there has been no leader for seconds: no quorum?");
                false
            }
            Wait::FirstEntry(term) => {
                tracing::info!(term, "this node leads, and waits for seconds until all that came before is applied");
                self.shared.hang_up_on_laggards();
                false
            }
            Wait::Log(batch) if before < LOSSES => {
                tracing::warn!(%batch, "the engine has neither taken nor refused a batch; it is proposed again");
                self.batcher.recall();
                true
            }
            Wait::Log(batch) => {
                self.step_down(&format!("the engine does not take batch {batch}")).await;
                false
            }
            Wait::Quorum(batch) => {
                tracing::warn!(%batch, "a batch in the log is not agreed on for seconds; it is proposed again");
                self.shared.hang_up_on_laggards();
                self.batcher.recall();
                true
            }
            Wait::Machine(batch) => {
                tracing::debug!(%batch, "the machine has been at a batch, or at those before, for seconds");
                false
            }
            Wait::Inputs(oldest) => {
                tracing::debug!(?oldest, "inputs are not applied for a long time; they are sent again");
                // With the route goes what still waits in it: repeats must not pile up there.
                self.route = None;
                self.shared.outgoing().rewind();
                true
            }
        }
    }

    /// Gives leadership up because it leads nowhere.
    async fn step_down(&mut self, why: &str) {
        if !step_down(&self.raft, &self.shared, self.term(), true, why).await {
            self.faults.raise("this node leads in vain, and nobody else can take over", why);
        }
    }

    fn leads(&self) -> bool {
        self.leadership.is_some_and(|now| now.leader == Some(self.shared.node))
    }

    fn term(&self) -> u64 {
        self.leadership.map_or(0, |now| now.term.0)
    }

    fn receive(&mut self, forwarded: Forwarded) {
        // Of another term: its sender has noticed by now, and sends it again.
        if self.leads() && forwarded.term == self.term() {
            self.batcher.push(forwarded.parcel);
        }
    }

    /// Moves everything that can be moved.
    async fn pump(&mut self) -> Result<(), String> {
        let refusals = self.shared.refusals.take();
        if self.leads() {
            // In this order: what the machine has applied was delivered before.
            let progress = self.shared.progress();
            let applied = self.shared.applied.get();
            // Entries of earlier terms come before the first one of this term: once that is applied, the tip is known.
            if !self.batcher.leads() && applied.term == self.term() {
                self.batcher.lead(applied.tip);
                self.shared.time.lead(applied.tip.time, &self.shared.peers);
                self.shared.logged.store(applied.tip.index.0, Ordering::Release);
            }
            if !self.batcher.agrees(applied.tip) {
                self.batcher.follow();
                let why = format!("batch {} of the history is not the one that it has proposed", applied.tip.index);
                self.step_down(&why).await;
                return Ok(());
            }
            // A machine that lags is not waited for: the others' clients are answered by theirs.
            let behind = self.shared.lag.is_behind();
            let agreed = || Progress { index: applied.tip.index, next_deadline: None, next_seq: 0 };
            if let Some(progress) = if behind { Some(agreed()) } else { progress } {
                self.batcher.applied(progress);
            }
            self.refused(refusals).await?;
            loop {
                while !self.batcher.is_full() {
                    let parcel = self.shared.outgoing().take();
                    let Some(parcel) = parcel else { break };
                    self.batcher.push(parcel);
                }
                while !self.batcher.is_full()
                    && let Ok(forwarded) = self.inbox.try_recv()
                {
                    self.receive(forwarded);
                }
                let expecting = self.expects_more();
                if !expecting {
                    self.propose().await?;
                }
                // What arrives while a batch is on its way gathers where it is offered: nobody is woken for each piece.
                let lacks = self.batcher.lacks(expecting);
                if !self.shared.outgoing().wake_above(lacks) {
                    return Ok(());
                }
            }
        } else {
            // Parcels for a leader that this node no longer is.
            while self.inbox.try_recv().is_ok() {}
            self.forward();
            Ok(())
        }
    }

    /// Whether the next batch should wait for more.
    fn expects_more(&mut self) -> bool {
        match self.gathering.handle_look(self.shared.expecting(), self.batcher.is_heavy(), mono::now()) {
            Gather::SetOut => false,
            Gather::Wait => true,
            Gather::GiveUp => {
                self.shared.expect_no_more();
                false
            }
        }
    }

    /// Takes back what the engine has refused.
    async fn refused(&mut self, refusals: Vec<Refusal>) -> Result<(), String> {
        for Refusal { index, attempt, why } in refusals {
            if !self.batcher.refused(index, attempt) {
                continue;
            }
            if self.refused_in.replace(self.term()) != Some(self.term()) {
                tracing::info!(batch = %index, "the engine refuses a batch, which is proposed again: {why}");
            }
            if self.refusal.begin(mono::now()) {
                // If it is only that nobody was heard of during a pause: an answer to this ends it.
                self.raft.trigger().heartbeat().await.map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    async fn propose(&mut self) -> Result<(), String> {
        if self.refusal.is_on(mono::now()) {
            return Ok(());
        }
        loop {
            let now = self.shared.time.now();
            let Some(Proposal { encoded, index, attempt }) = self.batcher.next(now, || self.seeds.draw()) else {
                return Ok(());
            };
            // What the log has taken of the batches before says nothing about this one.
            self.shared.logged.fetch_min(index.0.saturating_sub(1), Ordering::AcqRel);
            self.shared.batches.fetch_add(1, Ordering::Relaxed);
            #[cfg(feature = "planted")]
            if planted(Mistake::EarlyOutput) {
                let last = self.raft.metrics().borrow_watched().last_log_index.unwrap_or(0);
                let content = Digest::of(&encoded);
                let (raft_index, term) = (last + 1, Term(self.term()));
                let early = crate::Committed { index, encoded: encoded.clone(), content, raft_index, term };
                self.delivery.batch(early).await.map_err(|_| "nobody takes batches".to_string())?;
            }
            // That it is committed shows in what is delivered; everything else is answered.
            let answer = Answer::new(index, attempt, self.shared.refusals.clone());
            let giving = self.raft.client_write_ff(Payload(encoded), Some(answer));
            match host::timeout(HAND_OVER, giving).await {
                Ok(given) => given.map_err(|error| error.to_string())?,
                // The answer was dropped with it, and says so.
                Err(_) => return Ok(()),
            }
        }
    }

    fn forward(&mut self) {
        let Some(leader) = self.leadership.and_then(|now| now.leader) else { return };
        if self.route.as_ref().is_some_and(Route::is_broken) {
            self.route = None;
            self.retry.end();
            self.retry.begin(mono::now());
            self.shared.outgoing().rewind();
        }
        if self.retry.is_on(mono::now()) {
            return;
        }
        let (term, shared) = (self.term(), &self.shared);
        loop {
            let parcel = shared.outgoing().take();
            let Some(parcel) = parcel else { return };
            let route = self
                .route
                .get_or_insert_with(|| Route::open(shared.peers.clone(), leader.get(), term, shared.wake.clone()));
            route.send(parcel.bytes);
        }
    }

    /// When to look again even if nothing happens.
    fn wake_at(&mut self) -> Option<Mono> {
        // Whoever promised more is waited for first, ticks included.
        let deadline = self.batcher.deadline().filter(|_| self.gathering.deadline().is_none());
        let tick = deadline.map(|deadline| {
            let now = self.shared.time.now();
            // Time may go faster by a while, or forward: no sleep is longer than this.
            mono::now().plus(Duration::from_nanos(deadline.since(now)).min(Duration::from_secs(1)))
        });
        let pauses = [self.retry.deadline(), self.refusal.deadline()];
        let waits = [tick, self.stall.deadline(), self.gathering.deadline()];
        waits.into_iter().chain(pauses).flatten().min()
    }
}

async fn sleep_until(at: Option<Mono>) {
    match at {
        Some(at) => host::sleep(at.since(mono::now())).await,
        None => std::future::pending().await,
    }
}
