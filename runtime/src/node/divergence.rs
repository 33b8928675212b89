//! A node that differs from the others finds out where: at which batch first, and at which system call.
//!
//! Digests are compared through the log, now and then. When that shows a difference, the node asks a peer for its
//! digests since the last agreement, and for the hashes of the system calls of the first batch that differs.

use crate::admin::ProcessRow;
use crate::rows;
use anyhow::{Context, Result};
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{BatchIndex, Digest, NodeId, Pid, codec};
use replicode_machine::Machine;
use replicode_replication::Replica;
use replicode_syscalls::StepRecord;
use replicode_syscalls::abi::IMPORTS;
use std::fmt::Write as _;
use std::time::Duration;

/// Most bytes of a question or an answer.
const MAX_MESSAGE: usize = 8 << 20;
/// Most digests or steps in one answer.
const MAX_ITEMS: usize = 200_000;
/// How long to wait for one answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// What a node asks a peer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Question {
    /// The digests of these batches, both ends included.
    Digests(BatchIndex, BatchIndex),
    /// The system calls of a batch.
    Steps(BatchIndex),
}

/// A system call: who, which (position in [`IMPORTS`]), and the hash of the rest.
type Call = (Pid, u16, u64);

/// What the peer remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Reply {
    digests: Vec<(BatchIndex, Digest)>,
    steps: Option<Vec<Call>>,
}

/// Answers a peer's question from what this machine remembers; nothing for what is no question.
pub fn answer<L>(machine: &Machine<L>, question: &[u8]) -> Vec<u8> {
    let reply = match codec::decode("question", question, MAX_MESSAGE) {
        Ok(Question::Digests(from, to)) => Reply { digests: digests(machine, from, to), steps: None },
        Ok(Question::Steps(index)) => {
            let steps = machine.steps_of(index).map(|steps| steps.iter().take(MAX_ITEMS).map(plain).collect());
            Reply { digests: Vec::new(), steps }
        }
        Err(_) => Reply::default(),
    };
    codec::encode(&reply)
}

fn digests<L>(machine: &Machine<L>, from: BatchIndex, to: BatchIndex) -> Vec<(BatchIndex, Digest)> {
    let last = to.0.min(machine.applied().0);
    let known = (from.0..=last).rev().map_while(|n| Some((BatchIndex(n), machine.digest_of(BatchIndex(n))?)));
    let mut known: Vec<_> = known.take(MAX_ITEMS).collect();
    known.reverse();
    known
}

fn plain(step: &StepRecord) -> Call {
    (step.pid, step.call, step.hash.0)
}

/// What this node knows of its own, taken from the machine before others are asked.
pub struct Own {
    node: NodeId,
    agreed: BatchIndex,
    index: BatchIndex,
    digests: Vec<(BatchIndex, Digest)>,
    steps: Vec<(BatchIndex, Vec<Call>)>,
    processes: Vec<ProcessRow>,
}

impl Own {
    /// Collects digests and system calls after `agreed` up to `index`.
    pub fn collect<L: replicode_machine::GuestLoader>(
        machine: &Machine<L>,
        node: NodeId,
        agreed: BatchIndex,
        index: BatchIndex,
    ) -> Self {
        let digests = digests(machine, agreed.next(), index);
        let steps =
            digests.iter().filter_map(|(n, _)| Some((*n, machine.steps_of(*n)?.iter().map(plain).collect()))).collect();
        Self { node, agreed, index, digests, steps, processes: rows::processes(machine, &[]) }
    }

    /// Asks the peers, in order, until one can say where the histories part; the text of the report.
    #[must_use]
    pub fn investigate(&self, replica: &Replica, peers: &[NodeId]) -> String {
        let mut out = format!(
            "node {} differs from the other nodes: at batch {} its digest is another; up to batch {} all agreed.\n",
            self.node.get(),
            self.index,
            self.agreed
        );
        let mut told = false;
        for peer in peers {
            let found = ask(replica, *peer, &Question::Digests(self.agreed.next(), self.index))
                .and_then(|theirs| self.locate(replica, *peer, &theirs.digests));
            match found {
                Ok(text) => {
                    let _ = writeln!(out, "compared with node {}:\n{text}", peer.get());
                    told = true;
                    break;
                }
                Err(why) => {
                    let _ = writeln!(out, "node {} could not be asked: {why:#}", peer.get());
                }
            }
        }
        if !told {
            let _ = writeln!(
                out,
                "first differing batch: not before {}\nfirst differing system call: not known",
                self.agreed.next()
            );
        }
        out.push_str("processes on this node:\n");
        for process in &self.processes {
            let _ = writeln!(
                out,
                "  {} {}: {}, {} calls",
                process.pid,
                process.name,
                process.state,
                process.calls.unwrap_or_default()
            );
        }
        out.push_str(
            "The log is the same on all nodes; this node computed something else from it. Start it again to execute the \
             log anew; if it differs again, suspect its memory or processor, or a replicode binary unlike the others'.\n",
        );
        out
    }

    fn locate(&self, replica: &Replica, peer: NodeId, theirs: &[(BatchIndex, Digest)]) -> Result<String> {
        let first = first_difference(&self.digests, theirs).context("it remembers none of these batches any more")?;
        let (index, mine, other) = first;
        let mut out = format!("first differing batch: {index} (here {}, there {})\n", mine.short(), other.short());
        let steps = ask(replica, peer, &Question::Steps(index))?.steps.unwrap_or_default();
        let own = self.steps.iter().find(|(n, _)| *n == index).map(|(_, steps)| &steps[..]).unwrap_or_default();
        out.push_str("first differing system call: ");
        out.push_str(&self.first_call(own, &steps));
        Ok(out)
    }

    /// The first position in which two lists of system calls differ, in words.
    fn first_call(&self, own: &[Call], theirs: &[Call]) -> String {
        let at = own.iter().zip(theirs).take_while(|(a, b)| a == b).count();
        let name = |step: Option<&Call>| match step {
            Some((pid, call, hash)) => {
                let call = IMPORTS.get(usize::from(*call)).map_or("unknown", |import| import.name);
                let process = self.processes.iter().find(|p| p.pid == pid.0).map_or("?", |p| &p.name);
                format!("{call} of process {} '{process}' (hash {hash:016x})", pid.0)
            }
            None => "no further call".to_string(),
        };
        if own.is_empty() && theirs.is_empty() {
            return "none is remembered on either side: the batch's inputs or outputs differ".to_string();
        }
        if at == own.len() && at == theirs.len() {
            return format!("none: all {at} calls are equal, so the outputs differ");
        }
        format!("number {} of the batch: here {}, there {}", at + 1, name(own.get(at)), name(theirs.get(at)))
    }
}

fn first_difference(
    own: &[(BatchIndex, Digest)],
    theirs: &[(BatchIndex, Digest)],
) -> Option<(BatchIndex, Digest, Digest)> {
    own.iter().find_map(|(index, mine)| {
        let at = theirs.binary_search_by_key(index, |(n, _)| *n).ok()?;
        (theirs[at].1 != *mine).then(|| (*index, *mine, theirs[at].1))
    })
}

fn ask(replica: &Replica, peer: NodeId, question: &Question) -> Result<Reply> {
    let bytes = replica.ask(peer, &codec::encode(question), PATIENCE)?;
    Ok(codec::decode("answer of a peer", &bytes, MAX_MESSAGE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    #[test]
    fn the_first_differing_batch_is_found_among_those_both_remember() {
        let list = |range: std::ops::Range<u64>, from: u64| -> Vec<_> {
            range.map(|n| (BatchIndex(n), digest(if n >= from { n + 1000 } else { n }))).collect()
        };
        let find = |own: &[_], theirs: &[_]| first_difference(own, theirs).map(|(index, ..)| index.0);
        assert_eq!(find(&list(5..20, 99), &list(1..20, 12)), Some(12));
        assert_eq!(find(&list(5..20, 99), &list(15..20, 12)), Some(15));
        assert_eq!(find(&list(5..20, 99), &list(5..20, 99)), None);
        assert_eq!(find(&list(5..20, 99), &[]), None);
    }

    #[test]
    fn the_first_differing_call_is_named() {
        let own = Own {
            node: NodeId::new(1).expect("valid"),
            agreed: BatchIndex(1),
            index: BatchIndex(2),
            digests: vec![],
            steps: vec![],
            processes: vec![],
        };
        let random = IMPORTS.iter().position(|import| import.name == "random_get").expect("listed") as u16;
        let (a, b) = ((Pid(1), 0, 1), (Pid(1), random, 2));
        let text = own.first_call(&[a, b], &[a, (Pid(1), random, 3)]);
        assert!(text.starts_with("number 2 of the batch: here random_get of process 1"), "{text}");
        assert!(own.first_call(&[a], &[a, b]).contains("here no further call, there random_get"));
        assert!(own.first_call(&[a], &[a]).starts_with("none: all 1 calls"));
    }
}
