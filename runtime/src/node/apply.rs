//! The machine thread: takes what its queue brings, tells the node's core, and carries out what that wants done.
//!
//! ```text
//! replica ── Batch ──> [ core: machine ] ── outputs for our clients ──> gateway
//!    ^                     │ ├────── console ──> files or our own standard output
//!    └── applied, reports ─┘ └────── digests ──> digests.bin
//! ```
//!
//! What follows from what is decided in [`replicode_node::Core`]. Everything that is queued is applied before the gateway and
//! the replica hear of it, up to a bound, so that under load their wake-ups are shared by many batches.

mod carrying;
mod differing;

use super::answers;
use super::console::Console;
use super::contracts::Contracts;
use super::contracts::waiting::Own;
use super::contradicted;
use super::inbox::{Inbox, InboxReader, Message, StopReason};
use super::orders::Orders;
#[cfg(feature = "planted-nondeterminism")]
use super::plant::Plant;
use super::scheduling::ThreadPlace;
use super::stdin::Stdin;
use super::vitals::Vitals;
use crate::datadir::DataDir;
use crate::digests::DigestFile;
use anyhow::{Context, Error, Result};
use replicode_gateway::Gateway;
use replicode_log::{ExitStatus, NodeId};
use replicode_node::{Core, deed};
use replicode_pacing::gathering;
use replicode_replication::{Committed, Replica, mono};
use replicode_wasm::WasmLoader;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for a word when nothing is due.
const UNTIL_TOLD: Duration = Duration::from_secs(3600);

/// How a node ends when nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was told to.
    Stopped(StopReason),
    /// The program that it runs has ended.
    Exited(ExitStatus),
}

/// All that the machine thread owns or talks to.
pub struct ApplyLoop {
    pub node: NodeId,
    pub dir: DataDir,
    pub inbox: InboxReader,
    /// The other end of that, for whoever waits for a peer's answer.
    pub own: Inbox,
    /// Where its thread runs.
    pub place: ThreadPlace,
    pub core: Core<WasmLoader>,
    pub replica: Replica,
    pub gateway: Option<Arc<Gateway>>,
    pub console: Console,
    pub stdin: Stdin,
    pub digests: DigestFile,
    pub vitals: Arc<Vitals>,
    pub orders: Arc<Orders>,
    pub contracts: Option<Arc<Contracts>>,
    pub state: LoopState,
}

/// What the thread itself remembers.
#[derive(Default)]
pub struct LoopState {
    /// Taken out of the inbox and not yet handled.
    taken: VecDeque<Message>,
    /// Why the node was told to stop, first.
    reason: Option<StopReason>,
    /// What this node has for contracts in the batch at hand.
    own: Own,
    /// What the witness has said, while the core looks into it.
    doubt: Option<Error>,
    end: Option<deed::End>,
    #[cfg(feature = "planted-nondeterminism")]
    plant: Plant,
}

impl ApplyLoop {
    /// Runs until the node is told to stop, its program has ended, or something is broken.
    ///
    /// # Errors
    /// What is broken. The node must not go on.
    pub fn run(&mut self) -> Result<End> {
        #[cfg(feature = "planted-nondeterminism")]
        {
            self.state.plant = Plant::from_env();
        }
        self.carry_out()?;
        if let Some(contracts) = &self.contracts {
            // Who was served before this start has asked for its number was dropped with what was offered before: it has to ask again.
            contracts.waiting.forget();
            contracts.functions.forget();
        }
        loop {
            let patience = self.core.deadline().map_or(UNTIL_TOLD, |deadline| deadline.since(mono::now()));
            self.inbox.take(patience, gathering::GROUP, &mut self.state.taken);
            self.place.take();
            while !self.core.is_over()
                && let Some(message) = self.state.taken.pop_front()
            {
                self.handle(message)?;
            }
            self.console.flush()?;
            self.core.handle_drained(mono::now());
            self.carry_out()?;
            if let Some(end) = self.state.end {
                self.digests.flush()?;
                if let Some(contracts) = &self.contracts {
                    contracts.waiting.forget();
                    contracts.functions.forget();
                    contracts.flush()?;
                }
                return Ok(match (end, self.state.reason) {
                    (deed::End::Exited(status), _) => End::Exited(status),
                    (deed::End::Stopped, reason) => End::Stopped(reason.unwrap_or(StopReason::ParentGone)),
                });
            }
        }
    }

    fn handle(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Query(query, reply) => {
                // Whoever asked may have gone meanwhile.
                let _ = reply.send(answers::answer(&self.core, &self.vitals, query));
            }
            Message::Answered(peer, answer) => self.core.handle_answer(peer, answer, mono::now()),
            _ if self.core.is_parting() => {}
            Message::Batch(batch, place) => {
                self.batch(&batch)?;
                self.carry_out()?;
                if let Some(contracts) = &self.contracts {
                    contracts.functions.flush();
                }
                drop(place);
            }
            Message::Leadership(leadership) => match leadership.leader {
                Some(leader) => tracing::info!(term = leadership.term.0, "node {} leads", leader.get()),
                None => tracing::info!(term = leadership.term.0, "nobody leads"),
            },
            Message::Fatal(fault) => {
                return Err(contradicted::take_down(&self.dir, fault).context("this node is broken and stops"));
            }
            Message::Reopen => self.console.reopen()?,
            Message::Stop(reason) => {
                self.state.reason.get_or_insert(reason);
                self.core.handle_stop(mono::now());
            }
        }
        self.carry_out()
    }

    /// Applies one batch.
    fn batch(&mut self, committed: &Committed) -> Result<()> {
        let what = || format!("batch {} cannot be executed", committed.index);
        let began = mono::now();
        self.core.handle_batch(&committed.encoded, committed.content, began).with_context(what)?;
        let granted = self.core.boot().granted();
        if let Some(batch) = self.core.batch_at_hand().filter(|_| self.contracts.is_some()) {
            self.state.own = Own::of(batch, self.node, granted);
        }
        #[cfg(feature = "planted-nondeterminism")]
        if let Some(batch) = self.core.batch_at_hand() {
            self.state.plant.spoil(batch);
        }
        self.vitals.begin(committed.index, began);
        let applied = self.core.execute().with_context(what)?;
        let now = mono::now();
        self.vitals.done(applied.time, applied.digest, self.core.machine().connections(), now);
        for note in &applied.notes {
            self.vitals.note(note.pid, &note.text);
        }
        for output in &applied.outputs {
            self.vitals.follow(applied.index, output);
        }
        self.core.handle_applied(applied, now);
        Ok(())
    }
}
