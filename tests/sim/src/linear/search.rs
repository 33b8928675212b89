//! An order of operations that a model agrees with, if there is one.
//!
//! All operations stand in one list by the time at which they were asked for, and the answers among them. An operation may
//! be the next in the order if it was asked for before the first answer that is still in the list; taken, it leaves the list
//! with its answer. Where no operation fits, the last one taken is put back. What was reached once, the same operations taken
//! and the same value come of it, is not tried again.

use std::collections::BTreeSet;
use std::fmt::Debug;

/// A value that answers operations one by one.
pub trait Model {
    /// What is asked.
    type Op: Clone + Debug;
    /// What is answered.
    type Answer: Clone + Debug;
    /// The value.
    type State: Clone + Ord + Default;

    /// What a client's line asks for, and what it was answered, if it was.
    ///
    /// # Errors
    /// What does not fit, without the line.
    fn parse(operation: &super::Operation) -> Result<(Self::Op, Option<Self::Answer>), String>;

    /// The value after `op`; none where it would have answered something else than `answer`. Where the answer is not known,
    /// any is right.
    fn step(state: &Self::State, op: &Self::Op, answer: Option<&Self::Answer>) -> Option<Self::State>;

    /// Operations on one key, split into parts that have nothing to do with each other.
    fn split<'a, 'b>(operations: &'a [&'b super::Parsed<'b, Self>]) -> Vec<Vec<&'a super::Parsed<'b, Self>>>
    where
        Self: Sized,
    {
        vec![operations.to_vec()]
    }
}

/// One operation.
pub struct Entry<M: Model> {
    /// What was asked.
    pub op: M::Op,
    /// What was answered, if it was.
    pub answer: Option<M::Answer>,
    /// When it was asked for; times only say what was before what.
    pub asked: usize,
    /// When it was answered.
    pub answered: Option<usize>,
}

/// What a search came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Positions of operations, in an order that explains all answers.
    Order(Vec<usize>),
    /// There is none.
    None,
    /// Not within so many steps.
    TooMany,
}

/// What was taken: of those with an answer all before `low` and more by their bits; of those without, by their bits.
type Taken = (usize, Vec<u64>, Vec<u64>);

const NOBODY: usize = usize::MAX;

/// A list from which its members are taken out and put back where they were.
struct List {
    next: Vec<usize>,
    previous: Vec<usize>,
}

impl List {
    /// Members 0 to `len`, in this order, behind a head that has number `len`.
    fn new(len: usize) -> Self {
        let next = (0..=len).map(|at| if at == len { if len == 0 { NOBODY } else { 0 } } else { at + 1 });
        let mut next: Vec<usize> = next.collect();
        if len > 0 {
            next[len - 1] = NOBODY;
        }
        let previous = (0..=len).map(|at| if at == 0 { len } else { at - 1 }).collect();
        Self { next, previous }
    }

    fn first(&self) -> usize {
        self.next[self.next.len() - 1]
    }

    fn take(&mut self, at: usize) {
        let (before, after) = (self.previous[at], self.next[at]);
        self.next[before] = after;
        if after != NOBODY {
            self.previous[after] = before;
        }
    }

    /// Puts the one back that was taken last of those that are still out.
    fn put_back(&mut self, at: usize) {
        let (before, after) = (self.previous[at], self.next[at]);
        self.next[before] = at;
        if after != NOBODY {
            self.previous[after] = at;
        }
    }
}

fn flip(bits: &mut Vec<u64>, at: usize) {
    let (word, bit) = (at / 64, at % 64);
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    bits[word] ^= 1 << bit;
    while bits.last() == Some(&0) {
        bits.pop();
    }
}

/// Which operations have been taken.
struct Progress {
    /// Number of each operation among those with an answer, or among those without.
    numbers: Vec<usize>,
    answered: Vec<u64>,
    open: Vec<u64>,
}

impl Progress {
    fn flip(&mut self, at: usize, answered: bool) {
        flip(if answered { &mut self.answered } else { &mut self.open }, self.numbers[at]);
    }

    /// Short, however long the history: most of what was taken is a beginning of it.
    fn taken(&self) -> Taken {
        let low = self.answered.iter().take_while(|word| **word == u64::MAX).count();
        (low, self.answered[low..].to_vec(), self.open.clone())
    }
}

/// Searches, for at most so many steps.
#[must_use]
pub fn search<M: Model>(entries: &[Entry<M>], steps: u64) -> Found {
    // Members of the list: operations by when they were asked for, and answers.
    let mut events: Vec<(usize, usize, bool)> = Vec::with_capacity(2 * entries.len());
    for (at, entry) in entries.iter().enumerate() {
        events.push((entry.asked, at, false));
        events.extend(entry.answered.map(|answered| (answered, at, true)));
    }
    events.sort_unstable();
    let mut answer_at = vec![NOBODY; entries.len()];
    let mut progress = Progress { numbers: vec![0; entries.len()], answered: Vec::new(), open: Vec::new() };
    let mut counts = [0, 0];
    for (member, (_, at, is_answer)) in events.iter().enumerate() {
        if *is_answer {
            answer_at[*at] = member;
        } else {
            let kind = usize::from(entries[*at].answered.is_some());
            progress.numbers[*at] = counts[kind];
            counts[kind] += 1;
        }
    }
    let mut missing = counts[1];
    let mut list = List::new(events.len());
    let mut seen: BTreeSet<(Taken, M::State)> = BTreeSet::new();
    let mut order: Vec<(usize, M::State)> = Vec::new();
    let (mut state, mut member, mut left) = (M::State::default(), list.first(), steps);
    while missing > 0 {
        let fits = if member == NOBODY || events[member].2 {
            // An answer that must come first: what was taken before it was wrong.
            let Some((at, before)) = order.pop() else { return Found::None };
            let answered = entries[events[at].1].answered.is_some();
            progress.flip(events[at].1, answered);
            if answered {
                list.put_back(answer_at[events[at].1]);
                missing += 1;
            }
            list.put_back(at);
            state = before;
            member = list.next[at];
            continue;
        } else {
            let entry = &entries[events[member].1];
            M::step(&state, &entry.op, entry.answer.as_ref())
        };
        left -= 1;
        if left == 0 {
            return Found::TooMany;
        }
        let at = events[member].1;
        let answered = entries[at].answered.is_some();
        let Some(after) = fits else {
            member = list.next[member];
            continue;
        };
        progress.flip(at, answered);
        if !seen.insert((progress.taken(), after.clone())) {
            progress.flip(at, answered);
            member = list.next[member];
            continue;
        }
        order.push((member, std::mem::replace(&mut state, after)));
        list.take(member);
        if answered {
            list.take(answer_at[at]);
            missing -= 1;
        }
        member = list.first();
    }
    Found::Order(order.into_iter().map(|(member, _)| events[member].1).collect())
}
