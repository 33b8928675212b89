//! This node differs from others, or from what it was itself: where they part is found out and reported, and it stops.
//!
//! Nothing is applied from then on, but peers' questions are still answered: they may be asking this node the same, and when
//! nobody has a majority, everybody does.

use super::Core;
use crate::deed::{Deed, Parted, Tone};
use crate::divergence::{Inquiry, Own, Process, concerns};
use crate::queries;
use replicode_log::{BatchIndex, Digest, Mono, NodeId};
use replicode_machine::GuestLoader;
use replicode_syscalls::ProcessState;
use std::time::Duration;

/// So long peers' questions are answered at least.
const LINGER: Duration = Duration::from_secs(2);

/// A difference that is being looked into.
#[derive(Debug)]
pub(super) struct Parting {
    index: BatchIndex,
    verdict: Option<String>,
    inquiry: Inquiry,
    /// Whose answer is waited for.
    asked: Option<NodeId>,
    report: Option<String>,
    linger: Mono,
}

impl Parting {
    pub(super) fn deadline(&self) -> Option<Mono> {
        self.inquiry.deadline().or_else(|| self.report.as_ref().map(|_| self.linger))
    }
}

impl<L: GuestLoader> Core<L> {
    /// Whether this node has found that it differs: it answers questions, and nothing else is to be handled any more.
    #[must_use]
    pub const fn is_parting(&self) -> bool {
        self.parting.is_some()
    }

    /// A peer's answer to what [`Deed::Ask`] asked it, or why there is none.
    pub fn handle_answer(&mut self, peer: NodeId, answer: Result<Vec<u8>, String>, now: Mono) {
        if let Some(parting) = self.parting.as_mut().filter(|parting| parting.asked == Some(peer)) {
            parting.asked = None;
            parting.inquiry.handle_answer(answer, now);
            self.pursue(now);
        }
    }

    /// The digest of a batch is not what this node itself got for it at an earlier start.
    pub fn handle_not_reproduced(&mut self, index: BatchIndex, now: Mono) {
        // What the batch causes is doubtful.
        self.deeds.clear();
        let others = self.machine.config().nodes.iter().copied().filter(|node| *node != self.node).collect();
        self.part(index, BatchIndex(index.0.saturating_sub(1)), others, None, now);
    }

    /// The nodes have compared digests and found a difference. Answers whether this node goes on.
    pub(super) fn diverged(
        &mut self,
        index: BatchIndex,
        majority: Option<Digest>,
        minority: &[(NodeId, Digest)],
        agreed: BatchIndex,
        live: bool,
        now: Mono,
    ) -> bool {
        let named: Vec<_> =
            minority.iter().map(|(node, digest)| format!("node {} ({})", node.get(), digest.short())).collect();
        let named = named.join(", ");
        let accused = minority.iter().any(|(node, _)| *node == self.node);
        if !concerns(self.machine.digest_of(index), majority, accused, live) {
            let text =
                format!("nodes differ at batch {index}: in the minority: {named}; this node is not, and goes on");
            self.tell(Tone::Error, text);
            return true;
        }
        let in_majority = |node: &NodeId| *node != self.node && minority.iter().all(|(other, _)| other != node);
        let mut peers: Vec<NodeId> = self.machine.config().nodes.iter().copied().filter(in_majority).collect();
        if peers.is_empty() {
            peers = minority.iter().map(|(node, _)| *node).filter(|node| *node != self.node).collect();
        }
        let verdict = match majority {
            Some(_) => {
                format!("this node differs from the majority at batch {index} and stops; the others go on.")
            }
            None => format!("the nodes differ at batch {index} and none has a majority ({named}): all stop."),
        };
        self.part(index, agreed, peers, Some(verdict), now);
        false
    }

    fn part(&mut self, index: BatchIndex, agreed: BatchIndex, peers: Vec<NodeId>, verdict: Option<String>, now: Mono) {
        // Whatever this node would say from now on is doubtful.
        self.outputs.handle_over();
        self.deeds.push_back(Deed::Suspend);
        let living = self.machine.processes().filter(|info| !matches!(info.state, ProcessState::Exited(_)));
        let processes = living.map(|info| Process {
            pid: info.pid.0,
            state: queries::state_in_words(info.state, None),
            name: info.name,
            calls: info.calls,
        });
        let own = Own::collect(&self.machine, self.node, agreed, index, processes.collect());
        let inquiry = Inquiry::new(own, peers, now);
        let linger = if self.alone { now } else { now.plus(LINGER) };
        self.parting = Some(Parting { index, verdict, inquiry, asked: None, report: None, linger });
        self.pursue(now);
    }

    /// Asks what is to be asked next, or reports.
    pub(super) fn pursue(&mut self, now: Mono) {
        let Some(parting) = &mut self.parting else { return };
        parting.inquiry.handle_timeout(now);
        if let Some((peer, question)) = parting.inquiry.poll_question() {
            parting.asked = Some(peer);
            let patience = parting.inquiry.deadline().map_or(Duration::ZERO, |deadline| deadline.since(now));
            self.deeds.push_back(Deed::Ask { peer, question, patience });
        }
        if let Some(report) = parting.inquiry.poll_report() {
            parting.report = Some(report);
        }
        if now >= parting.linger
            && let Some(report) = parting.report.take()
        {
            let (index, verdict) = (parting.index, parting.verdict.take());
            self.deeds.push_back(Deed::Parted(Parted { index, verdict, report }));
        }
    }
}
