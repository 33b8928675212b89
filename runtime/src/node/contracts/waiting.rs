//! Who waits for which answer. Every node computes every answer; the one that was asked passes it on.
//!
//! A client may have sent the same number through several nodes. That it **was** executed settles everybody who waits for it. That it
//! was **not** (a number before it was missing, say) is the answer to one input, and settles only who has offered that one: the same
//! number may stand in the log once more, behind the one that was missing.

use replicode_log::{Batch, BatchIndex, BootNo, Call, Called, Input, NodeId, Output};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// A client, and its number of a transaction.
type Numbered = (u64, u64);

/// How often a batch has each number from this node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Own(BTreeMap<Numbered, usize>);

impl Own {
    /// What a boot of a node has in a batch.
    #[must_use]
    pub fn of(batch: &Batch, node: NodeId, boot: Option<BootNo>) -> Self {
        let ours = batch.sections.iter().filter(|section| section.origin == node && Some(section.boot) == boot);
        let mut own = BTreeMap::new();
        for input in ours.flat_map(|section| &section.inputs) {
            if let Input::Call(Call::Submit { client, sequence, .. }) = input {
                *own.entry((*client, *sequence)).or_default() += 1;
            }
        }
        Self(own)
    }
}

/// What became of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// In which batch that was decided.
    pub batch: BatchIndex,
    /// What was decided.
    pub outcome: Called,
    /// The receipt, encoded, if there is one and it is still kept.
    pub receipt: Option<Arc<[u8]>>,
}

/// Waiting ends without an answer when this node cannot tell any more: what it offered may be lost, or not.
#[derive(Default)]
pub struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    /// In the order in which they were offered.
    calls: BTreeMap<Numbered, VecDeque<oneshot::Sender<Answer>>>,
    opens: BTreeMap<u64, oneshot::Sender<Option<u64>>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole at every moment at which its holder could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for what becomes of a client's number.
    pub fn call(&self, client: u64, sequence: u64) -> oneshot::Receiver<Answer> {
        let (tell, told) = oneshot::channel();
        let mut state = self.lock();
        state.calls.entry((client, sequence)).or_default().push_back(tell);
        told
    }

    /// Somebody waits for a client's number.
    pub fn open(&self, token: u64) -> oneshot::Receiver<Option<u64>> {
        let (tell, told) = oneshot::channel();
        self.lock().opens.insert(token, tell);
        told
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.lock();
        state.calls.len() + state.opens.len()
    }

    /// The outputs of a batch. `own` is what this node has in it, `receipt` finds the one at a place.
    pub fn settle(
        &self,
        batch: BatchIndex,
        outputs: &[Output],
        own: &Own,
        receipt: impl Fn(u64, u32) -> Option<Arc<[u8]>>,
    ) {
        let mut decided: BTreeMap<Numbered, Called> = BTreeMap::new();
        for output in outputs {
            match *output {
                Output::Client { token, client } => {
                    if let Some(waiting) = self.lock().opens.remove(&token) {
                        // Whoever asked may have gone.
                        let _ = waiting.send(client);
                    }
                }
                Output::Receipt { client, sequence, outcome } => {
                    let stood = decided.entry((client, sequence)).or_insert(outcome);
                    if !was_executed(*stood) {
                        *stood = outcome;
                    }
                }
                _ => {}
            }
        }
        for (number, outcome) in decided {
            let mut told = self.told(number, outcome, own);
            if told.is_empty() {
                continue;
            }
            let receipt = match outcome {
                Called::Executed { position } => receipt(batch.0, position),
                Called::Repeated { batch, position } => receipt(batch.0, position),
                _ => None,
            };
            for waiting in told.drain(..) {
                let _ = waiting.send(Answer { batch, outcome, receipt: receipt.clone() });
            }
        }
    }

    /// Whom an outcome settles.
    fn told(&self, number: Numbered, outcome: Called, own: &Own) -> VecDeque<oneshot::Sender<Answer>> {
        let mut state = self.lock();
        let Some(waiting) = state.calls.get_mut(&number) else { return VecDeque::new() };
        let count = match was_executed(outcome) {
            true => waiting.len(),
            false => own.0.get(&number).copied().unwrap_or(0).min(waiting.len()),
        };
        let told = waiting.drain(..count).collect();
        if waiting.is_empty() {
            state.calls.remove(&number);
        }
        told
    }

    /// What this node has offered may be lost: everybody is told to ask again.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.calls.clear();
        state.opens.clear();
    }
}

/// Whether it was, now or before: nothing else will ever be the answer to this number.
const fn was_executed(outcome: Called) -> bool {
    matches!(outcome, Called::Executed { .. } | Called::Repeated { .. } | Called::Forgotten)
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchHeader, Digest, LogicalTime, Section};

    fn node(n: u64) -> NodeId {
        NodeId::new(n).expect("a number of a node")
    }

    fn submit(sequence: u64) -> Input {
        Input::Call(Call::Submit { client: 7, sequence, transaction: Vec::new() })
    }

    fn batch(sections: &[(u64, &[u64])]) -> Batch {
        let section = |(origin, numbers): &(u64, &[u64])| Section {
            origin: node(*origin),
            boot: BootNo(3),
            first_seq: 1,
            inputs: numbers.iter().map(|number| submit(*number)).collect(),
        };
        let header =
            BatchHeader { index: BatchIndex(1), time: LogicalTime::from_nanos(1), seed: 0, parent: Digest::ZERO };
        Batch { header, sections: sections.iter().map(section).collect() }
    }

    fn outcome(sequence: u64, outcome: Called) -> Output {
        Output::Receipt { client: 7, sequence, outcome }
    }

    fn is_told(told: &mut oneshot::Receiver<Answer>) -> Option<Called> {
        told.try_recv().ok().map(|answer| answer.outcome)
    }

    #[test]
    fn what_another_node_was_refused_settles_nobody_here() {
        let waiting = Waiting::default();
        let mut told = waiting.call(7, 2);
        // Number 2 went to node 2 as well, before number 1 was in the log.
        let early = batch(&[(2, &[2])]);
        let own = Own::of(&early, node(1), Some(BootNo(3)));
        waiting.settle(BatchIndex(1), &[outcome(2, Called::Gap { next: 1 })], &own, |_, _| None);
        assert_eq!((is_told(&mut told), waiting.len()), (None, 1));
        // In one batch: theirs is early once more, ours is in its turn.
        let both = batch(&[(2, &[2, 1]), (1, &[2])]);
        let own = Own::of(&both, node(1), Some(BootNo(3)));
        let done = Called::Executed { position: 1 };
        let outputs =
            [outcome(2, Called::Gap { next: 1 }), outcome(1, Called::Executed { position: 0 }), outcome(2, done)];
        waiting.settle(BatchIndex(2), &outputs, &own, |batch, position| Some([batch as u8, position as u8].into()));
        let answer = told.try_recv().expect("it is settled");
        assert_eq!((answer.outcome, answer.receipt.as_deref()), (done, Some(&[2, 1][..])));
        assert_eq!(waiting.len(), 0);
    }

    #[test]
    fn what_was_refused_here_settles_who_has_offered_it_and_no_later_one() {
        let waiting = Waiting::default();
        let (mut first, mut second) = (waiting.call(7, 2), waiting.call(7, 2));
        let own = Own::of(&batch(&[(1, &[2])]), node(1), Some(BootNo(3)));
        let gap = Called::Gap { next: 1 };
        waiting.settle(BatchIndex(1), &[outcome(2, gap)], &own, |_, _| None);
        assert_eq!((is_told(&mut first), is_told(&mut second)), (Some(gap), None));
        // That it was executed settles everybody, through whichever node.
        let done = Called::Executed { position: 0 };
        waiting.settle(BatchIndex(2), &[outcome(2, done)], &Own::default(), |_, _| None);
        assert_eq!((is_told(&mut second), waiting.len()), (Some(done), 0));
    }

    #[test]
    fn inputs_of_another_boot_are_not_this_ones() {
        let of = |boot| Own::of(&batch(&[(1, &[2, 2, 3])]), node(1), boot);
        assert_eq!(of(Some(BootNo(3))).0, BTreeMap::from([((7, 2), 2), ((7, 3), 1)]));
        assert_eq!((of(Some(BootNo(2))), of(None)), (Own::default(), Own::default()));
    }
}
