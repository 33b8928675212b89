//! The machine thread: takes committed batches, applies them, and carries what they cause to where it belongs.
//!
//! ```text
//! replica ── Batch ──> [ machine ] ── outputs for our clients ──> gateway
//!    ^                     │ ├────── console ──> files or our own standard output
//!    └── applied, reports ─┘ └────── digests ──> digests.bin
//! ```
//!
//! Everything that is queued is applied before the gateway and the replica hear of it, up to a bound, so that under
//! load their wake-ups are shared by many batches.

mod differing;

use super::console::Console;
use super::contracts::Contracts;
use super::contracts::waiting::Own;
use super::contradicted;
use super::crowd::Crowd;
use super::files;
use super::inbox::{Answered, InboxReader, Message, Query, StopReason};
use super::main_program::MainProgram;
use super::orders::Orders;
#[cfg(feature = "planted-nondeterminism")]
use super::plant::Plant;
use super::scheduling::ThreadPlace;
use super::vitals::{Recent, Vitals, took_long};
use crate::datadir::DataDir;
use crate::digests::DigestFile;
use crate::{rows, telemetry};
use anyhow::{Context, Result};
use replicode_gateway::Gateway;
use replicode_log::{Batch, BatchIndex, BootNo, ExitStatus, Input, NodeId, Output, Pid, ProgramSpec, Refusal};
use replicode_machine::Machine;
use replicode_node::{Rest, divergence, rest};
use replicode_pacing::{Reports, gathering, peer_watch};
use replicode_replication::{Committed, Progress, Replica, mono};
use replicode_wasm::WasmLoader;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a note is about when a process could not be started.
const NOBODY: Pid = Pid(0);
/// How often a node of a cluster looks whether it is cut off.
const WATCH: Duration = Duration::from_millis(500);

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
    /// Where its thread runs.
    pub place: ThreadPlace,
    pub machine: Machine<WasmLoader>,
    pub replica: Replica,
    pub gateway: Option<Arc<Gateway>>,
    pub console: Console,
    pub digests: DigestFile,
    pub vitals: Arc<Vitals>,
    pub crowd: Arc<Crowd>,
    pub main: Option<MainProgram>,
    pub orders: Arc<Orders>,
    pub contracts: Option<Arc<Contracts>>,
    pub node_down_after: Duration,
    pub state: LoopState,
}

/// What the thread remembers between batches.
#[derive(Default)]
pub struct LoopState {
    /// Taken out of the inbox and not yet handled.
    taken: VecDeque<Message>,
    recent: Recent,
    reports: Reports,
    /// Asked for with this number; the log answers with it.
    nonce: u64,
    /// Granted by the log.
    boot: Option<BootNo>,
    /// This start has been admitted once: what is applied from now on was not executed before.
    live: bool,
    /// Outputs for our clients, since the gateway last heard.
    outgoing: Vec<Output>,
    /// The last batch that the replica has not heard of.
    unsettled: bool,
    watched: Option<Instant>,
    /// The node was told to stop, and lets what is on its way arrive.
    rest: Option<(StopReason, Rest)>,
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
        self.ask_for_boot();
        if let Some(contracts) = &self.contracts {
            // Who was served before this start has asked for its number was dropped with what was offered before: it has to ask again.
            contracts.waiting.forget();
            contracts.functions.forget();
        }
        loop {
            self.inbox.take(self.patience(), gathering::GROUP, &mut self.state.taken);
            self.place.take();
            let mut end = None;
            while end.is_none()
                && let Some(message) = self.state.taken.pop_front()
            {
                end = self.handle(message)?;
            }
            self.console.flush()?;
            self.settle();
            if let Some(end) = end.or_else(|| self.at_rest()) {
                self.digests.flush()?;
                if let Some(contracts) = &self.contracts {
                    contracts.waiting.forget();
                    contracts.functions.forget();
                    contracts.flush()?;
                }
                return Ok(end);
            }
            self.idle(Instant::now())?;
        }
    }

    fn handle(&mut self, message: Message) -> Result<Option<End>> {
        match message {
            Message::Batch(batch, place) => {
                let end = self.batch(&batch)?;
                drop(place);
                return Ok(end.map(End::Exited));
            }
            Message::Leadership(leadership) => match leadership.leader {
                Some(leader) => tracing::info!(term = leadership.term.0, "node {} leads", leader.get()),
                None => tracing::info!(term = leadership.term.0, "nobody leads"),
            },
            Message::Fatal(fault) => {
                return Err(contradicted::take_down(&self.dir, fault).context("this node is broken and stops"));
            }
            Message::Reopen => self.console.reopen()?,
            Message::Query(query, reply) => {
                // Whoever asked may have gone meanwhile.
                let _ = reply.send(self.answer(query));
            }
            // Alone, a node has nobody to come to an agreement with.
            Message::Stop(reason) if self.machine.config().nodes.len() == 1 => return Ok(Some(End::Stopped(reason))),
            Message::Stop(reason) => {
                self.replica.watch_over(None);
                self.state.rest.get_or_insert_with(|| (reason, Rest::new(mono::now())));
                if let Some(gateway) = &self.gateway {
                    gateway.suspend();
                }
            }
        }
        Ok(None)
    }

    /// Applies one batch and sorts what it causes.
    fn batch(&mut self, committed: &Committed) -> Result<Option<ExitStatus>> {
        let what = || format!("batch {} cannot be executed", committed.index);
        #[cfg_attr(not(feature = "planted-nondeterminism"), allow(unused_mut, reason = "only a plant changes it"))]
        let mut batch = Batch::decode(&committed.encoded).with_context(what)?;
        self.state.recent.push(&batch, committed.encoded.len(), committed.content);
        let events = batch.sections.iter().flat_map(|section| &section.inputs).any(Input::is_event);
        if let Some(main) = &mut self.main {
            main.before(&batch);
        }
        let own_calls = self.contracts.is_some().then(|| Own::of(&batch, self.node, self.state.boot));
        #[cfg(feature = "planted-nondeterminism")]
        self.state.plant.spoil(&mut batch);

        let began = Instant::now();
        self.vitals.begin(committed.index, began);
        let applied = self.machine.apply(batch, committed.content).with_context(what)?;
        let now = Instant::now();
        self.vitals.done(applied.time, applied.digest, now);
        self.state.recent.result(applied.digest);
        self.state.unsettled = true;
        if now.duration_since(began) > Duration::from_secs(1) {
            tracing::warn!("{}", took_long(committed.index, now.duration_since(began), applied.calls));
        }
        if let Some(news) = self.crowd.look(self.machine.connections())
            && self.state.live
        {
            tracing::warn!("{news}");
        }
        for note in &applied.notes {
            self.vitals.note(note.pid, &note.text);
            if note.pid == NOBODY {
                // Its pid would have told; without one, this is what `status` and `up` have.
                self.vitals.hint(note.text.clone());
            }
        }
        if let Err(error) = self.digests.put(applied.index, applied.digest) {
            return Err(self.not_reproduced(error));
        }
        if let Some(main) = &mut self.main {
            main.refused(applied.notes.iter().find(|note| note.pid == NOBODY).map(|note| note.text.clone()));
        }
        if let (Some(contracts), Some(own)) = (&self.contracts, own_calls) {
            contracts.settle(applied.index, &applied.outputs, &own);
        }
        let exited = self.outputs(applied.index, applied.outputs)?;
        for note in applied.notes {
            match note.pid {
                // A run whose program it is says so when it ends because of it.
                NOBODY if self.main.is_some() => tracing::warn!("{}", note.text),
                NOBODY => self.warn(&note.text),
                pid => self.warn(&format!("process {}: {}", pid.0, note.text.trim_end())),
            }
        }
        if let Some(main) = &mut self.main {
            main.after();
        }
        if self.state.boot.is_some() {
            let (index, digest, acted) = (applied.index, applied.digest, applied.had_events);
            self.state.reports.handle_batch(index, digest, acted, events, mono::now());
            let report = self.state.reports.poll_report();
            self.report(report);
        }
        Ok(exited)
    }

    fn outputs(&mut self, index: BatchIndex, outputs: Vec<Output>) -> Result<Option<ExitStatus>> {
        let ours = |output: &Output| matches!(output, Output::Booted { node, nonce, .. } if (*node, *nonce) == (self.node, self.state.nonce));
        let admitted = outputs.iter().any(ours);
        // The batch that admits this start was proposed by it, so it was never executed before either.
        let new = self.state.live || admitted;
        let mut boots_changed = false;
        for output in outputs {
            boots_changed |= matches!(output, Output::Booted { .. } | Output::BootOver { .. });
            self.vitals.follow(index, &output);
            if let Some(main) = &mut self.main {
                main.output(&output, new, &self.replica)?;
            }
            if let Output::Refused { conn, why: Refusal::NoListener } = &output
                && conn.node() == Some(self.node)
            {
                self.nobody_listens();
            }
            match output {
                Output::Booted { node, boot, nonce } if (node, nonce) == (self.node, self.state.nonce) => {
                    tracing::info!("admitted as boot {} of node {} in batch {index}", boot.0, node.get());
                    self.state.boot = Some(boot);
                    self.vitals.boot(boot);
                    self.replica.booted(boot);
                    if let Some(contracts) = &self.contracts {
                        contracts.admit(true);
                    }
                    if let Some(gateway) = &self.gateway {
                        gateway.admit(boot);
                    }
                }
                Output::Booted { node, nonce, .. } if node != self.node => {
                    if let Err(why) = self.replica.started(node, nonce) {
                        self.warn(&format!(
                            "{why}; were node {} to come back with an older log, it might not be noticed",
                            node.get()
                        ));
                    }
                }
                Output::BootOver { node, boot } if node == self.node && self.state.boot == Some(boot) => {
                    tracing::warn!("the others took this node for dead (batch {index}); its clients are reset");
                    self.boot_over();
                }
                Output::BootOver { node, boot } if node != self.node => {
                    tracing::info!("boot {} of node {} is over (batch {index})", boot.0, node.get());
                }
                Output::Console { stream, bytes, .. } => self.console.write(stream, &bytes, new)?,
                Output::Started { pid, name } => tracing::info!("process {pid} '{name}' started in batch {index}"),
                Output::Exited { pid, status } => {
                    tracing::info!("process {pid} ended in batch {index}: {status}");
                    for line in self.vitals.ending_of(pid).unwrap_or_default().said {
                        tracing::info!("process {pid} said: {line}");
                    }
                }
                Output::Restarting { pid, at, failures } => {
                    tracing::warn!("process {pid} is started again at {at}: short run number {failures} in a row");
                }
                Output::Restarted { pid, by } => tracing::info!("process {pid} is followed by process {by}"),
                Output::NotRestarting { pid } => {
                    tracing::info!("process {pid} is not started again: an operator's order")
                }
                Output::Ordered { token, outcome } => self.orders.settle(token, outcome),
                Output::Diverged { index, majority, minority, agreed } => {
                    self.diverged(index, majority, &minority, agreed)?;
                }
                Output::Data { conn, .. }
                | Output::HalfClose { conn, .. }
                | Output::Reset { conn }
                | Output::Closed { conn }
                | Output::Credit { conn, .. }
                | Output::Deaf { conn }
                | Output::KeepAlive { conn, .. }
                | Output::Refused { conn, .. }
                    if conn.node() == Some(self.node) && Some(conn.boot()) == self.state.boot =>
                {
                    self.state.outgoing.push(output);
                }
                _ => {}
            }
        }
        if let Some(contracts) = &self.contracts {
            contracts.functions.flush();
        }
        if boots_changed {
            self.tell_boots();
        }
        let exited = self.main.as_mut().and_then(MainProgram::take_end);
        if admitted && !self.state.live {
            self.state.live = true;
            if let Some(main) = &mut self.main
                && exited.is_none()
            {
                main.admitted(&self.replica)?;
            }
        }
        Ok(exited)
    }

    /// Told to stop: whether it may do so now.
    fn at_rest(&mut self) -> Option<End> {
        let (reason, rest) = self.state.rest.as_mut()?;
        let status = self.replica.status();
        let agreed = status.commit_raft_index == status.last_raft_index;
        let settled = agreed && status.batch_index <= self.machine.applied();
        let last = status.last_raft_index.unwrap_or(0);
        rest.handle_look(last, settled, mono::now());
        rest.is_over().then_some(End::Stopped(*reason))
    }

    /// Tells gateway and replica what the last batches amount to.
    fn settle(&mut self) {
        if let Some(gateway) = &self.gateway
            && !self.state.outgoing.is_empty()
        {
            let at_once = gathering::written_at_once(self.state.outgoing.len());
            if !at_once {
                self.replica.expect_more();
            }
            gateway.outputs(std::mem::take(&mut self.state.outgoing), at_once);
        }
        if std::mem::take(&mut self.state.unsettled) {
            let next_seq = self.machine.origin(self.node).map_or(1, |(_, next)| next);
            let next_deadline = self.machine.next_deadline();
            self.replica.applied(Progress { index: self.machine.applied(), next_deadline, next_seq });
        }
    }

    /// How long there is nothing to do unless somebody says something.
    fn patience(&self) -> Duration {
        if self.state.rest.is_some() {
            return rest::LOOK;
        }
        let mut patience = Duration::from_secs(3600);
        if self.machine.config().nodes.len() > 1 {
            patience = WATCH;
        }
        match self.state.reports.deadline() {
            Some(deadline) if self.state.boot.is_some() => patience.min(deadline.since(mono::now())),
            _ => patience,
        }
    }

    /// What is done when the queue is empty.
    fn idle(&mut self, now: Instant) -> Result<()> {
        if self.state.boot.is_none() || self.state.rest.is_some() {
            return Ok(());
        }
        self.state.reports.handle_quiet(mono::now());
        let report = self.state.reports.poll_report();
        if report.is_some() {
            self.digests.flush()?;
        }
        self.report(report);
        if self.machine.config().nodes.len() > 1 && self.state.watched.is_none_or(|at| now >= at + WATCH) {
            self.state.watched = Some(now);
            self.let_go_if_cut_off()?;
        }
        Ok(())
    }

    /// A node that hears of nobody takes itself for dead: see [`peer_watch::is_cut_off`].
    fn let_go_if_cut_off(&mut self) -> Result<()> {
        let silence = self.replica.cut_off();
        if peer_watch::is_cut_off(silence, self.node_down_after) {
            tracing::warn!(
                "no leader and no quorum has been heard for {} ms; the clients are reset",
                silence.as_millis()
            );
            self.boot_over();
        }
        Ok(())
    }

    /// This start is over for the log, or will be: clients are reset, and the log is asked for a new one.
    fn boot_over(&mut self) {
        self.state.boot = None;
        self.vitals.boot(BootNo(0));
        self.replica.watch_over(None);
        if let Some(gateway) = &self.gateway {
            gateway.suspend();
        }
        self.ask_for_boot();
        if let Some(contracts) = &self.contracts {
            // What was on its way is dropped with the boot, or is applied after all: whoever waits asks again.
            contracts.admit(false);
            contracts.waiting.forget();
            contracts.functions.forget();
        }
    }

    fn report(&self, report: Option<Input>) {
        // Alone, a node has nobody to compare with, and `digests.bin` says the same without a batch.
        if let Some(report) = report.filter(|_| self.machine.config().nodes.len() > 1) {
            self.replica.offer(&mut vec![report]);
        }
    }

    /// Who is there for the log has changed: whoever watches over the others is told.
    fn tell_boots(&self) {
        if self.state.boot.is_some() && self.state.rest.is_none() {
            self.replica.watch_over(Some(self.machine.live_boots().collect()));
        }
    }

    /// Something that whoever started the program should know. What earlier starts have lived through they were told.
    fn warn(&self, text: &str) {
        if self.main.is_some() && self.state.live {
            telemetry::say(text);
        } else {
            tracing::warn!("{text}");
        }
    }

    /// A client of this node came to a published port behind which there is nobody: most likely it is the wrong one.
    fn nobody_listens(&self) {
        // Or too early: it is started again.
        if self.machine.restarts().next().is_some() {
            return;
        }
        let hint = rows::nobody_listens(&self.machine);
        if self.vitals.hint(hint.clone()) {
            self.warn(&hint);
        }
    }

    fn ask_for_boot(&mut self) {
        self.state.nonce = self.replica.boot();
    }

    fn answer(&self, query: Query) -> Result<Answered, String> {
        let json = |rows: serde_json::Result<serde_json::Value>| rows.map(Answered::Json).map_err(|e| e.to_string());
        match query {
            Query::Processes if self.machine.applied() == BatchIndex(0) => {
                let to_come = self.machine.config().programs.iter().filter(|program| program.at_genesis);
                let state = "not started: nothing has been agreed on yet";
                let row = |(pid, name): (u32, &ProgramSpec)| rows::known_by_name(pid, name.name.clone(), state.into());
                json(serde_json::to_value((1..).zip(to_come).map(row).collect::<Vec<_>>()))
            }
            Query::Processes => json(serde_json::to_value(rows::processes(&self.machine, &self.vitals.ended()))),
            Query::Nat => json(serde_json::to_value(rows::nat(&self.machine))),
            Query::Batches { from, limit } => match self.state.recent.rows(from, limit) {
                Ok(rows) => json(serde_json::to_value(rows)),
                Err(first) => Err(format!(
                    "a running node remembers its last batches only, from {first} on; stop it to read all of its log"
                )),
            },
            Query::Files(query) => files::answer(&self.machine, &query).map(Answered::Files),
            Query::Peer(question) => Ok(Answered::Bytes(divergence::answer(&self.machine, &question))),
        }
    }
}
