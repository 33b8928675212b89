//! This node differs from others, or from what it was itself: where they part is found out and reported, and it stops.

use super::super::inbox::Message;
use super::ApplyLoop;
use crate::digests::NotReproduced;
use crate::{datadir, rows};
use anyhow::{Context, Result, anyhow, bail};
use replicode_log::{BatchIndex, Digest, NodeId};
use replicode_node::Inquiry;
use replicode_node::divergence::{Own, Process, concerns};
use replicode_replication::{Replica, mono};
use std::time::{Duration, Instant};

/// Reports about a difference that are kept, with the digests that were set aside.
const REPORTS: usize = 2 * 8;

impl ApplyLoop {
    /// The nodes have compared digests and found a difference.
    pub(super) fn diverged(
        &mut self,
        index: BatchIndex,
        majority: Option<Digest>,
        minority: &[(NodeId, Digest)],
        agreed: BatchIndex,
    ) -> Result<()> {
        let named: Vec<_> =
            minority.iter().map(|(node, digest)| format!("node {} ({})", node.get(), digest.short())).collect();
        let named = named.join(", ");
        let accused = minority.iter().any(|(node, _)| *node == self.node);
        if !concerns(self.machine.digest_of(index), majority, accused, self.state.live) {
            tracing::error!("nodes differ at batch {index}: in the minority: {named}; this node is not, and goes on");
            return Ok(());
        }
        let members = self.machine.config().nodes.clone();
        let in_majority = |node: &NodeId| *node != self.node && minority.iter().all(|(other, _)| other != node);
        let mut peers: Vec<NodeId> = members.into_iter().filter(in_majority).collect();
        if peers.is_empty() {
            peers = minority.iter().map(|(node, _)| *node).filter(|node| *node != self.node).collect();
        }
        let report = self.write_report(index, agreed, &peers)?;
        match majority {
            Some(_) => {
                bail!("this node differs from the majority at batch {index} and stops; the others go on.\n{report}")
            }
            None => bail!("the nodes differ at batch {index} and none has a majority ({named}): all stop.\n{report}"),
        }
    }

    /// The digest of a batch is not what this node itself got for it at an earlier start.
    pub(super) fn not_reproduced(&mut self, error: anyhow::Error) -> anyhow::Error {
        let Some(NotReproduced { index, .. }) = error.downcast_ref() else { return error };
        let (index, agreed) = (*index, BatchIndex(index.0.saturating_sub(1)));
        let peers: Vec<_> = self.machine.config().nodes.iter().copied().filter(|node| *node != self.node).collect();
        match self.write_report(index, agreed, &peers) {
            Ok(report) => error.context(report),
            Err(other) => error.context(other),
        }
    }

    /// Finds out where this node parted from others and leaves `divergence-<index>.txt`.
    fn write_report(&mut self, index: BatchIndex, agreed: BatchIndex, peers: &[NodeId]) -> Result<String> {
        if let Some(gateway) = &self.gateway {
            // Whatever this node would say from now on is doubtful.
            gateway.suspend();
        }
        let processes = rows::processes(&self.machine, &[]).into_iter().map(|row| {
            let calls = row.calls.unwrap_or_default();
            Process { pid: row.pid, name: row.name, state: row.state, calls }
        });
        let own = Own::collect(&self.machine, self.node, agreed, index, processes.collect());
        let inquiry = Inquiry::new(own, peers.to_vec(), mono::now());
        let replica = self.replica.clone();
        let asking = std::thread::Builder::new().name("divergence".into());
        let asking =
            asking.spawn(move || ask(inquiry, &replica)).context("cannot start the thread that asks other nodes")?;
        // Peers may be asking us the same while we ask them: when nobody has a majority, everybody does.
        let linger = Instant::now() + Duration::from_secs(2);
        let in_company = self.machine.config().nodes.len() > 1;
        while !asking.is_finished() || (in_company && Instant::now() < linger) {
            // Questions may lie behind the batch that brought the news.
            if self.state.taken.is_empty() {
                self.inbox.take(Duration::from_millis(20), 1, &mut self.state.taken);
            }
            if let Some(Message::Query(query, reply)) = self.state.taken.pop_front() {
                let _ = reply.send(self.answer(query));
            }
        }
        let report = asking.join().map_err(|_| anyhow!("the comparison with other nodes failed"))?;
        let path = self.dir.file(&format!("divergence-{}.txt", index.0));
        datadir::write_atomically(&path, report.as_bytes())?;
        // A machine that is broken differs at another batch at each start.
        datadir::keep_newest(self.dir.root(), "divergence-", REPORTS)?;
        self.digests.set_aside(&self.dir.file(&format!("divergence-{}.digests", index.0)))?;
        Ok(format!("{report}This report: {}", path.display()))
    }
}

/// Asks what is to be asked, and answers with the report.
fn ask(mut inquiry: Inquiry, replica: &Replica) -> String {
    while let Some((peer, question)) = inquiry.poll_question() {
        let now = mono::now();
        let patience = inquiry.deadline().map_or(Duration::ZERO, |deadline| deadline.since(now));
        let answer = replica.ask(peer, &question, patience).map_err(|error| error.to_string());
        inquiry.handle_answer(answer, mono::now());
    }
    inquiry.poll_report().unwrap_or_default()
}
