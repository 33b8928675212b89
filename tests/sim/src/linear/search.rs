//! An order of operations that a model agrees with, if there is one.
//!
//! Operations with an answer stand in one list by the time at which they were asked for, and the answers among them; those
//! without in another. An operation may be the next in the order if it was asked for before the first answer that is still in the
//! list; taken, it leaves the list with its answer. Where no operation fits, the last one taken is put back. What was reached
//! once, the same operations taken and the same value come of it, is not tried again. Those without an answer are tried last: most
//! orders need none of them.

use std::collections::BTreeSet;
use std::fmt::Debug;

/// A value that answers operations one by one.
pub trait Model {
    /// What is asked.
    type Op: Clone + Debug;
    /// What is answered.
    type Answer: Clone + Debug;
    /// The value.
    type State: Default;
    /// What takes an operation back.
    type Undo;

    /// What a client's line asks for, and what it was answered, if it was.
    ///
    /// # Errors
    /// What does not fit, without the line.
    fn parse(operation: &super::Operation) -> Result<(Self::Op, Option<Self::Answer>), String>;

    /// Whether the operation can change the value: one that cannot says nothing unless it was answered.
    fn changes(op: &Self::Op) -> bool;

    /// Carries `op` out; none, and nothing done, where it would have answered something else than `answer`. Where the answer is
    /// not known, any is right.
    fn step(state: &mut Self::State, op: &Self::Op, answer: Option<&Self::Answer>) -> Option<Self::Undo>;

    /// Takes the last operation back.
    fn undo(state: &mut Self::State, op: &Self::Op, undo: Self::Undo);

    /// The value as bytes, different ones for different values.
    fn bytes(state: &Self::State, out: &mut Vec<u8>);

    /// Operations on one key, split into parts that have nothing to do with each other, without those that can make no
    /// difference.
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

    /// Puts the one back that was taken last of those that are still out of this list.
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

/// A choice that was made: what was taken, and what it takes to go on with the next choice.
struct Taking<U> {
    open: bool,
    member: usize,
    /// When the first answer came that was in the list.
    limit: usize,
    undo: U,
}

/// The value as it is kept: itself where that is short, else a hash that no other value has.
fn print<M: Model>(state: &M::State, scratch: &mut Vec<u8>) -> Box<[u8]> {
    scratch.clear();
    M::bytes(state, scratch);
    if scratch.len() < 32 { scratch.as_slice().into() } else { blake3::hash(scratch).as_bytes().as_slice().into() }
}

/// A search at work.
struct Search<'a, M: Model> {
    entries: &'a [Entry<M>],
    /// When, of which operation, whether it is the answer: of operations with an answer.
    events: Vec<(usize, usize, bool)>,
    answer_at: Vec<usize>,
    list: List,
    /// Operations without an answer.
    opens: Vec<usize>,
    open_list: List,
    progress: Progress,
    missing: usize,
    state: M::State,
    seen: BTreeSet<(Taken, Box<[u8]>)>,
    order: Vec<Taking<M::Undo>>,
}

impl<'a, M: Model> Search<'a, M> {
    fn new(entries: &'a [Entry<M>]) -> Self {
        let mut events: Vec<(usize, usize, bool)> = Vec::with_capacity(2 * entries.len());
        let mut opens = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            match entry.answered {
                Some(answered) => events.extend([(entry.asked, at, false), (answered, at, true)]),
                None => opens.push(at),
            }
        }
        events.sort_unstable();
        opens.sort_by_key(|at| entries[*at].asked);
        let (mut answer_at, mut numbers) = (vec![NOBODY; entries.len()], vec![0; entries.len()]);
        let mut missing = 0;
        for (member, (_, at, is_answer)) in events.iter().enumerate() {
            if *is_answer {
                answer_at[*at] = member;
            } else {
                numbers[*at] = missing;
                missing += 1;
            }
        }
        opens.iter().enumerate().for_each(|(number, at)| numbers[*at] = number);
        let progress = Progress { numbers, answered: Vec::new(), open: Vec::new() };
        let (list, open_list) = (List::new(events.len()), List::new(opens.len()));
        let (state, seen, order) = (M::State::default(), BTreeSet::new(), Vec::new());
        Self { entries, events, answer_at, list, opens, open_list, progress, missing, state, seen, order }
    }

    fn operation(&self, open: bool, member: usize) -> usize {
        if open { self.opens[member] } else { self.events[member].1 }
    }

    /// The next choice from here on, and when the first answer came that is in the list.
    fn choice(&self, mut open: bool, mut member: usize, mut limit: usize) -> Option<(bool, usize, usize)> {
        if !open && (member == NOBODY || self.events[member].2) {
            // Whatever is still to come was answered later than this.
            limit = if member == NOBODY { usize::MAX } else { self.events[member].0 };
            (open, member) = (true, self.open_list.first());
        }
        let there = member != NOBODY && (!open || self.entries[self.opens[member]].asked < limit);
        there.then_some((open, member, limit))
    }

    /// Whether there is only one choice now, so that nothing is to be remembered.
    fn is_plain(&self) -> bool {
        let first = self.list.first();
        let Some(second) = self.list.next.get(first).filter(|second| **second != NOBODY) else { return false };
        let open = self.open_list.first();
        let (limit, _, is_answer) = self.events[*second];
        is_answer && (open == NOBODY || self.entries[self.opens[open]].asked >= limit)
    }

    /// Puts back what was taken last; where to go on.
    fn take_back(&mut self) -> Option<(bool, usize, usize)> {
        let Taking { open, member, limit, undo } = self.order.pop()?;
        let at = self.operation(open, member);
        M::undo(&mut self.state, &self.entries[at].op, undo);
        self.progress.flip(at, !open);
        if open {
            self.open_list.put_back(member);
            return Some((true, self.open_list.next[member], limit));
        }
        self.list.put_back(self.answer_at[at]);
        self.list.put_back(member);
        self.missing += 1;
        Some((false, self.list.next[member], limit))
    }

    fn run(&mut self, mut left: u64) -> Found {
        let mut scratch = Vec::new();
        let mut plain = self.is_plain();
        let mut from = (false, self.list.first(), 0);
        while self.missing > 0 {
            let Some((open, member, limit)) = self.choice(from.0, from.1, from.2) else {
                // An answer that must come first: what was taken before it was wrong.
                match self.take_back() {
                    Some(next) => from = next,
                    None => return Found::None,
                }
                plain = false;
                continue;
            };
            left -= 1;
            if left == 0 {
                return Found::TooMany;
            }
            let at = self.operation(open, member);
            let entry = &self.entries[at];
            from = (open, if open { self.open_list.next[member] } else { self.list.next[member] }, limit);
            let Some(undo) = M::step(&mut self.state, &entry.op, entry.answer.as_ref()) else { continue };
            self.progress.flip(at, !open);
            if !plain && !self.seen.insert((self.progress.taken(), print::<M>(&self.state, &mut scratch))) {
                self.progress.flip(at, !open);
                M::undo(&mut self.state, &entry.op, undo);
                continue;
            }
            self.order.push(Taking { open, member, limit, undo });
            if open {
                self.open_list.take(member);
            } else {
                self.list.take(member);
                self.list.take(self.answer_at[at]);
                self.missing -= 1;
            }
            plain = self.missing > 0 && self.is_plain();
            from = (false, self.list.first(), 0);
        }
        Found::Order(self.order.iter().map(|taking| self.operation(taking.open, taking.member)).collect())
    }
}

/// Searches, for at most so many steps. Each may be remembered, in a hundred bytes or two.
#[must_use]
pub fn search<M: Model>(entries: &[Entry<M>], steps: u64) -> Found {
    Search::new(entries).run(steps)
}
