//! A node that differs from the others finds out where: at which batch first, and at which system call.
//!
//! Digests are compared through the log, now and then. When that shows a difference, the node asks a peer for its
//! digests since the last agreement, and for the hashes of the system calls of the first batch that differs. An [`Inquiry`] is
//! that conversation, one question at a time, with a deadline for each answer; it waits for nobody. Peers may be asking this
//! node the same meanwhile.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{BatchIndex, Digest, Mono, NodeId, Pid, codec};
use replicode_machine::{GuestLoader, Machine};
use replicode_syscalls::StepRecord;
use replicode_syscalls::abi::IMPORTS;
use std::collections::VecDeque;
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

/// Whether a verdict is this node's affair. It is in the log and comes again at every replay, so that today's digest of
/// the batch (`own`) says it if it is still remembered. A node that lags by more batches than it remembers believes the
/// verdict, unless it replays it (not `live`): then the verdict is about what an earlier start computed.
#[must_use]
pub fn concerns(own: Option<Digest>, majority: Option<Digest>, accused: bool, live: bool) -> bool {
    match (majority, own) {
        (Some(majority), Some(own)) => own != majority,
        (Some(_), None) => live && accused,
        (None, _) => live,
    }
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

/// A process, as the report names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Number in the cell.
    pub pid: u32,
    /// Name.
    pub name: String,
    /// What it does, or how it ended.
    pub state: String,
    /// System calls made.
    pub calls: u64,
}

/// What this node knows of its own, taken from the machine before others are asked.
#[derive(Clone, Debug)]
pub struct Own {
    node: NodeId,
    agreed: BatchIndex,
    index: BatchIndex,
    digests: Vec<(BatchIndex, Digest)>,
    steps: Vec<(BatchIndex, Vec<Call>)>,
    processes: Vec<Process>,
}

impl Own {
    /// Collects digests and system calls after `agreed` up to `index`.
    pub fn collect<L: GuestLoader>(
        machine: &Machine<L>,
        node: NodeId,
        agreed: BatchIndex,
        index: BatchIndex,
        processes: Vec<Process>,
    ) -> Self {
        let digests = digests(machine, agreed.next(), index);
        let steps =
            digests.iter().filter_map(|(n, _)| Some((*n, machine.steps_of(*n)?.iter().map(plain).collect()))).collect();
        Self { node, agreed, index, digests, steps, processes }
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

/// Asks the peers, in order, until one can say where the histories part.
///
/// Send what [`Inquiry::poll_question`] gives, and tell the answer with [`Inquiry::handle_answer`], or that there is none by
/// [`Inquiry::deadline`]; when there is no further question, [`Inquiry::poll_report`] has the text.
#[derive(Debug)]
pub struct Inquiry {
    own: Own,
    /// Not asked yet.
    peers: VecDeque<NodeId>,
    stage: Stage,
    /// Whether the question at hand has been handed out.
    asked: bool,
    deadline: Mono,
    report: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// This peer is asked for its digests.
    Digests(NodeId),
    /// This peer is asked for its system calls in that batch; its digests were told.
    Steps(NodeId, BatchIndex, String),
    /// The report is whole.
    Over,
    /// It has been fetched.
    Told,
}

impl Inquiry {
    /// Begins with the first peer.
    #[must_use]
    pub fn new(own: Own, peers: Vec<NodeId>, now: Mono) -> Self {
        let report = format!(
            "node {} differs from the other nodes: at batch {} its digest is another; up to batch {} all agreed.\n",
            own.node.get(),
            own.index,
            own.agreed
        );
        let mut inquiry = Self { own, peers: peers.into(), stage: Stage::Over, asked: false, deadline: now, report };
        inquiry.ask_next(now);
        inquiry
    }

    /// The next question, and whom to ask.
    pub fn poll_question(&mut self) -> Option<(NodeId, Vec<u8>)> {
        if self.asked {
            return None;
        }
        let (peer, question) = match self.stage {
            Stage::Digests(peer) => (peer, Question::Digests(self.own.agreed.next(), self.own.index)),
            Stage::Steps(peer, index, _) => (peer, Question::Steps(index)),
            Stage::Over | Stage::Told => return None,
        };
        self.asked = true;
        Some((peer, codec::encode(&question)))
    }

    /// Until when the answer must have come; `None` when nobody is asked.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        matches!(self.stage, Stage::Digests(_) | Stage::Steps(..)).then_some(self.deadline)
    }

    /// The answer of whoever was asked last, or why there is none.
    pub fn handle_answer(&mut self, answer: Result<Vec<u8>, String>, now: Mono) {
        let reply = answer.and_then(|bytes| {
            codec::decode::<Reply>("answer of a peer", &bytes, MAX_MESSAGE).map_err(|error| error.to_string())
        });
        match (std::mem::replace(&mut self.stage, Stage::Over), reply) {
            (Stage::Digests(peer), Ok(reply)) => match first_difference(&self.own.digests, &reply.digests) {
                Some((index, mine, theirs)) => {
                    let told =
                        format!("first differing batch: {index} (here {}, there {})\n", mine.short(), theirs.short());
                    self.ask(Stage::Steps(peer, index, told), now);
                }
                None => self.give_up(peer, "it remembers none of these batches any more", now),
            },
            (Stage::Steps(peer, index, told), Ok(reply)) => {
                let own = self.own.steps.iter().find(|(n, _)| *n == index).map(|(_, steps)| &steps[..]);
                let call = self.own.first_call(own.unwrap_or_default(), &reply.steps.unwrap_or_default());
                let _ = writeln!(
                    self.report,
                    "compared with node {}:\n{told}first differing system call: {call}",
                    peer.get()
                );
                self.close();
            }
            (Stage::Digests(peer) | Stage::Steps(peer, ..), Err(why)) => self.give_up(peer, &why, now),
            (stage @ (Stage::Over | Stage::Told), _) => self.stage = stage,
        }
    }

    /// Time has passed: whoever has not answered by its deadline is not waited for.
    pub fn handle_timeout(&mut self, now: Mono) {
        if self.deadline().is_some_and(|deadline| now >= deadline) {
            self.handle_answer(Err("it does not answer".to_string()), now);
        }
    }

    /// The text of the report, once it is whole.
    pub fn poll_report(&mut self) -> Option<String> {
        if self.stage != Stage::Over {
            return None;
        }
        self.stage = Stage::Told;
        Some(std::mem::take(&mut self.report))
    }

    fn ask(&mut self, stage: Stage, now: Mono) {
        (self.stage, self.asked, self.deadline) = (stage, false, now.plus(PATIENCE));
    }

    fn give_up(&mut self, peer: NodeId, why: &str, now: Mono) {
        let _ = writeln!(self.report, "node {} could not be asked: {why}", peer.get());
        self.ask_next(now);
    }

    fn ask_next(&mut self, now: Mono) {
        if let Some(peer) = self.peers.pop_front() {
            return self.ask(Stage::Digests(peer), now);
        }
        let _ = writeln!(
            self.report,
            "first differing batch: not before {}\nfirst differing system call: not known",
            self.own.agreed.next()
        );
        self.close();
    }

    fn close(&mut self) {
        self.stage = Stage::Over;
        self.report.push_str("processes on this node:\n");
        for Process { pid, name, state, calls } in &self.own.processes {
            let _ = writeln!(self.report, "  {pid} {name}: {state}, {calls} calls");
        }
        self.report.push_str(
            "The log is the same on all nodes; this node computed something else from it. Start it again to execute the \
             log anew; if it differs again, suspect its memory or processor, or a replicode binary unlike the others'.\n",
        );
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

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: u64) -> Digest {
        Digest::of(&n.to_le_bytes())
    }

    fn node(n: u64) -> NodeId {
        NodeId::new(n).expect("valid")
    }

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(9).plus(Duration::from_millis(ms))
    }

    fn list(range: std::ops::Range<u64>, from: u64) -> Vec<(BatchIndex, Digest)> {
        range.map(|n| (BatchIndex(n), digest(if n >= from { n + 1000 } else { n }))).collect()
    }

    fn random() -> u16 {
        IMPORTS.iter().position(|import| import.name == "random_get").expect("listed") as u16
    }

    fn own() -> Own {
        let process = Process { pid: 1, name: "web".into(), state: "waits".into(), calls: 7 };
        Own {
            node: node(1),
            agreed: BatchIndex(4),
            index: BatchIndex(19),
            digests: list(5..20, 99),
            steps: vec![(BatchIndex(12), vec![(Pid(1), 0, 1), (Pid(1), random(), 2)])],
            processes: vec![process],
        }
    }

    fn reply(digests: Vec<(BatchIndex, Digest)>, steps: Option<Vec<Call>>) -> Result<Vec<u8>, String> {
        Ok(codec::encode(&Reply { digests, steps }))
    }

    fn asked(inquiry: &mut Inquiry) -> Option<(u64, Question)> {
        let (peer, question) = inquiry.poll_question()?;
        Some((peer.get(), codec::decode("question", &question, MAX_MESSAGE).expect("it is one")))
    }

    #[test]
    fn a_verdict_concerns_whoever_computes_or_is_named_otherwise() {
        let (ours, theirs) = (Digest::of(b"ours"), Digest::of(b"theirs"));
        for (accused, live) in [(false, false), (false, true), (true, false), (true, true)] {
            assert!(concerns(Some(ours), Some(theirs), accused, live));
            assert!(!concerns(Some(theirs), Some(theirs), accused, live));
            // Too long ago to be remembered.
            assert_eq!(concerns(None, Some(theirs), accused, live), accused && live);
            // Nobody has a majority: all stop, once.
            assert_eq!(concerns(Some(ours), None, accused, live), live);
        }
    }

    #[test]
    fn the_first_differing_batch_is_found_among_those_both_remember() {
        let find = |own: &[_], theirs: &[_]| first_difference(own, theirs).map(|(index, ..)| index.0);
        assert_eq!(find(&list(5..20, 99), &list(1..20, 12)), Some(12));
        assert_eq!(find(&list(5..20, 99), &list(15..20, 12)), Some(15));
        assert_eq!(find(&list(5..20, 99), &list(5..20, 99)), None);
        assert_eq!(find(&list(5..20, 99), &[]), None);
    }

    #[test]
    fn the_first_differing_call_is_named() {
        let own = own();
        let (a, b) = ((Pid(1), 0, 1), (Pid(1), random(), 2));
        let text = own.first_call(&[a, b], &[a, (Pid(1), random(), 3)]);
        assert!(text.starts_with("number 2 of the batch: here random_get of process 1 'web'"), "{text}");
        assert!(own.first_call(&[a], &[a, b]).contains("here no further call, there random_get"));
        assert!(own.first_call(&[a], &[a]).starts_with("none: all 1 calls"));
    }

    #[test]
    fn peers_are_asked_in_turn_until_one_can_say() {
        let mut inquiry = Inquiry::new(own(), vec![node(2), node(3), node(5)], at(0));
        let digests = Question::Digests(BatchIndex(5), BatchIndex(19));
        assert_eq!(asked(&mut inquiry), Some((2, digests.clone())));
        assert_eq!((asked(&mut inquiry), inquiry.deadline()), (None, Some(at(4_000))), "one question at a time");
        inquiry.handle_timeout(at(3_999));
        assert_eq!((asked(&mut inquiry), inquiry.poll_report()), (None, None));
        inquiry.handle_timeout(at(4_000));
        assert_eq!((asked(&mut inquiry), inquiry.deadline()), (Some((3, digests.clone())), Some(at(8_000))));
        inquiry.handle_answer(reply(vec![], None), at(4_010));
        assert_eq!(asked(&mut inquiry), Some((5, digests)));
        inquiry.handle_answer(reply(list(1..20, 12), None), at(4_020));
        assert_eq!(asked(&mut inquiry), Some((5, Question::Steps(BatchIndex(12)))));
        inquiry.handle_answer(reply(vec![], Some(vec![(Pid(1), 0, 1)])), at(4_030));
        assert_eq!((asked(&mut inquiry), inquiry.deadline()), (None, None));
        let text = inquiry.poll_report().expect("it is whole");
        for line in [
            "node 1 differs from the other nodes: at batch #19 its digest is another; up to batch #4 all agreed.",
            "node 2 could not be asked: it does not answer",
            "node 3 could not be asked: it remembers none of these batches any more",
            "compared with node 5:",
            "first differing system call: number 2 of the batch: here random_get of process 1 'web' (hash 0000000000000002), there no further call",
            "  1 web: waits, 7 calls",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(text.contains("\nfirst differing batch: #12 (here "), "{text}");
        assert_eq!(inquiry.poll_report(), None);
    }

    #[test]
    fn where_nobody_can_say_the_report_says_so_and_garbage_is_no_answer() {
        let mut inquiry = Inquiry::new(own(), vec![node(2), node(3)], at(0));
        asked(&mut inquiry);
        inquiry.handle_answer(Ok(vec![0xff; 9]), at(1));
        asked(&mut inquiry);
        inquiry.handle_answer(reply(list(1..20, 12), None), at(2));
        asked(&mut inquiry);
        inquiry.handle_answer(Err("it is gone".to_string()), at(3));
        let text = inquiry.poll_report().expect("it is whole");
        assert!(
            text.contains("node 2 could not be asked: ") && text.contains("node 3 could not be asked: it is gone\n")
        );
        assert!(
            text.contains("first differing batch: not before #5\nfirst differing system call: not known\n"),
            "{text}"
        );
        let mut alone = Inquiry::new(own(), vec![], at(0));
        assert_eq!((asked(&mut alone), alone.poll_report().is_some()), (None, true));
    }
}
