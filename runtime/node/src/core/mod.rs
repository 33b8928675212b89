//! A node between the log and the world: what follows from each batch, each question and each silence.
//!
//! ```text
//! log ── batch ──> [ core: machine ] ── deeds ──> clients, console, witness, log
//!          questions ──┘   ├── boot      whether the log has admitted this start
//!          time, silence ──┘   outputs, console, main_program, recent, hints, queries, divergence, rest
//! ```
//!
//! This file is the table of contents; what a batch causes stands in `batch`, what follows from a difference in `parting`.

mod batch;
mod parting;
#[cfg(test)]
mod tests;

use crate::boot::Boot;
use crate::console::Console;
use crate::deed::{Deed, End, Tone};
use crate::hints::Hints;
use crate::main_program::MainProgram;
use crate::outputs::Outputs;
use crate::queries::{self, Answer, Query};
use crate::recent::Recent;
use crate::rest::{self, Rest};
use batch::AtHand;
use parting::Parting;
use replicode_log::{BatchIndex, Input, Mono, NodeId, Pid};
use replicode_machine::{GuestLoader, Machine};
use replicode_pacing::{Progress, Reports};
use std::collections::VecDeque;
use std::time::Duration;

/// What a note is about when a process could not be started.
const NOBODY: Pid = Pid(0);

/// What differs from node to node.
#[derive(Debug)]
pub struct Settings {
    /// This node.
    pub node: NodeId,
    /// Silence after which the others give a node up.
    pub node_down_after: Duration,
    /// Where console output goes.
    pub console: Console,
    /// The program that a `run` is about, if it is one.
    pub main: Option<MainProgram>,
}

/// How far the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogState {
    /// Its last entry.
    pub last: Option<u64>,
    /// The last entry that is agreed on.
    pub agreed: Option<u64>,
    /// The last batch that is agreed on.
    pub batch: BatchIndex,
}

/// A node's decisions. The shell above it has the threads, sockets and files.
///
/// # How to drive it
///
/// For each batch, in this order: [`Core::handle_batch`], [`Core::execute`], which may take long, [`Core::handle_applied`].
/// Tell it of everything else with the other `handle_*`. After any of them carry out what [`Core::poll_deed`] gives, until
/// there is none. When nothing more is waiting to be handled, and at [`Core::deadline`] at the latest,
/// [`Core::handle_drained`]: only then do clients and whoever makes batches hear of what was applied, so that one wake-up
/// serves many batches. Once [`Core::is_over`] says so nothing more is to be handled, but [`Core::handle_drained`] still is.
pub struct Core<L> {
    node: NodeId,
    /// Without other nodes there is nobody to come to an agreement with.
    alone: bool,
    machine: Machine<L>,
    at_hand: Option<AtHand>,
    boot: Boot,
    outputs: Outputs,
    console: Console,
    main: Option<MainProgram>,
    recent: Recent,
    reports: Reports,
    hints: Hints,
    /// Batches were applied that whoever makes batches has not heard of.
    unsettled: bool,
    /// The node was told to stop, and lets what is on its way arrive; and when the log was last looked at for that.
    rest: Option<(Rest, Option<Mono>)>,
    parting: Option<Parting>,
    end: Option<End>,
    deeds: VecDeque<Deed>,
}

impl<L: GuestLoader> Core<L> {
    /// A node that begins. Its first deed is to ask the log for a boot.
    #[must_use]
    pub fn new(settings: Settings, machine: Machine<L>) -> Self {
        let Settings { node, node_down_after, console, main } = settings;
        let mut core = Self {
            node,
            alone: machine.config().nodes.len() == 1,
            at_hand: None,
            boot: Boot::new(node, node_down_after),
            outputs: Outputs::default(),
            console,
            main,
            recent: Recent::default(),
            reports: Reports::default(),
            hints: Hints::new(machine.config().limits.connections),
            unsettled: false,
            rest: None,
            parting: None,
            end: None,
            deeds: VecDeque::new(),
            machine,
        };
        core.ask_for_boot();
        core
    }

    /// The log is asked for a boot, with this nonce.
    pub fn handle_asked(&mut self, nonce: u64) {
        self.boot.handle_asked(nonce);
    }

    /// That another node was started could not be noted.
    pub fn handle_unnoted(&mut self, node: NodeId, why: &str) {
        let text = format!("{why}; were node {} to come back with an older log, it might not be noticed", node.get());
        self.warn(text);
    }

    /// The node is told to stop. Alone, it has nobody to come to an agreement with; with others it comes to rest first.
    pub fn handle_stop(&mut self, now: Mono) {
        if self.is_over() {
            return;
        }
        if self.alone {
            self.end = Some(End::Stopped);
            return;
        }
        self.deeds.push_back(Deed::WatchOver(None));
        self.rest.get_or_insert_with(|| (Rest::new(now), None));
        self.deeds.push_back(Deed::Suspend);
    }

    /// For how long neither a leader nor a quorum has been heard, as [`Deed::LookAround`] asks.
    pub fn handle_silence(&mut self, silence: Duration) {
        if self.rest.is_none() && self.boot.handle_silence(silence) {
            let ms = silence.as_millis();
            self.tell(Tone::Warn, format!("no leader and no quorum has been heard for {ms} ms; the clients are reset"));
            self.boot_over();
        }
    }

    /// How far the log is, as [`Deed::LookAtLog`] asks.
    pub fn handle_log(&mut self, log: LogState, now: Mono) {
        let Some((rest, _)) = &mut self.rest else { return };
        let settled = log.agreed == log.last && log.batch <= self.machine.applied();
        rest.handle_look(log.last.unwrap_or(0), settled, now);
        if rest.is_over() && self.end.is_none() {
            self.end = Some(End::Stopped);
            self.deeds.push_back(Deed::End(End::Stopped));
        }
    }

    /// Everything that was waiting to be handled has been.
    pub fn handle_drained(&mut self, now: Mono) {
        if self.parting.is_some() {
            self.pursue(now);
            return;
        }
        self.settle();
        if let Some(end) = self.end {
            self.deeds.push_back(Deed::End(end));
            return;
        }
        if let Some((_, looked)) = &mut self.rest {
            *looked = Some(now);
            self.deeds.push_back(Deed::LookAtLog);
            return;
        }
        self.idle(now);
    }

    /// What is to be done next.
    pub fn poll_deed(&mut self) -> Option<Deed> {
        self.deeds.pop_front()
    }

    /// When [`Core::handle_drained`] is due, if nothing happens until then.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        if let Some(parting) = &self.parting {
            return parting.deadline();
        }
        if let Some((_, looked)) = self.rest {
            return Some(looked.map_or(Mono::from_nanos(0), |looked| looked.plus(rest::LOOK)));
        }
        self.boot.granted()?;
        let watch = if self.alone { None } else { self.boot.deadline() };
        [self.reports.deadline(), watch].into_iter().flatten().min()
    }

    /// Whether the node ends: nothing more is to be handled.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// Answers a question about the cell.
    ///
    /// # Errors
    /// A text for whoever asked.
    pub fn answer(&self, query: Query) -> Result<Answer, String> {
        queries::answer(&self.machine, &self.recent, query)
    }

    /// The machine, to look at.
    #[must_use]
    pub const fn machine(&self) -> &Machine<L> {
        &self.machine
    }

    /// The boot of this node.
    #[must_use]
    pub const fn boot(&self) -> &Boot {
        &self.boot
    }

    /// Tells clients and the log what the last batches amount to.
    fn settle(&mut self) {
        if let Some(clients) = self.outputs.poll_clients() {
            self.deeds.push_back(Deed::Clients(clients));
        }
        if std::mem::take(&mut self.unsettled) {
            let next_seq = self.machine.origin(self.node).map_or(1, |(_, next)| next);
            let (index, next_deadline) = (self.machine.applied(), self.machine.next_deadline());
            self.deeds.push_back(Deed::Applied(Progress { index, next_deadline, next_seq }));
        }
    }

    /// What is done when there is nothing else to do.
    fn idle(&mut self, now: Mono) {
        if self.boot.granted().is_none() {
            return;
        }
        self.reports.handle_quiet(now);
        if let Some(report) = self.reports.poll_report() {
            self.deeds.push_back(Deed::FlushWitness);
            self.report(report);
        }
        if !self.alone && self.boot.poll_look(now) {
            self.deeds.push_back(Deed::LookAround);
        }
    }

    /// Alone, a node has nobody to compare with, and its witness says the same without a batch.
    fn report(&mut self, report: Input) {
        if !self.alone {
            self.deeds.push_back(Deed::Offer(report));
        }
    }

    /// This start is over for the log, or will be: clients are reset, and the log is asked for a new one.
    fn boot_over(&mut self) {
        self.outputs.handle_over();
        self.deeds.push_back(Deed::Over);
        self.ask_for_boot();
    }

    fn ask_for_boot(&mut self) {
        if self.boot.poll_ask() {
            self.deeds.push_back(Deed::AskForBoot);
        }
    }

    fn tell(&mut self, tone: Tone, text: String) {
        self.deeds.push_back(Deed::Tell(tone, text));
    }

    /// Something that whoever started the program should know. What earlier starts have lived through they were told.
    fn warn(&mut self, text: String) {
        let tone = if self.main.is_some() && self.boot.is_live() { Tone::Say } else { Tone::Warn };
        self.tell(tone, text);
    }
}

impl<L> std::fmt::Debug for Core<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core")
            .field("node", &self.node)
            .field("machine", &self.machine)
            .field("boot", &self.boot)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
