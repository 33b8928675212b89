//! Whether what clients saw can be explained by one order of their operations that respects who was done before whom began
//! (linearizability: Herlihy and Wing 1990).
//!
//! | module | it is |
//! |---|---|
//! | [`history`] | what clients saw, line by line (`docs/formats/history.md`) |
//! | [`models`] | what a value answers to its operations, one by one |
//! | [`mod@search`] | the order, if there is one: search with memory (Wing and Gong 1993, Lowe 2017), key by key |
//! | [`append`] | lists of different elements, whose order can be seen: no search |
//!
//! An operation whose answer did not come may have taken effect at any time after it was asked for, or never.

pub mod append;
pub mod history;
pub mod models;
pub mod search;

use history::{History, Operation};
use models::{Counter, Kv, Queue, Set};
use search::{Entry, Found, Model, search};
use std::fmt;

/// What a history is judged by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Keys with values: get, set, delete, compare and set, add.
    Kv,
    /// One value: the operations of `Kv`, without keys.
    Register,
    /// Lists to which different elements are appended, and which are read as a whole.
    Append,
    /// Numbers: add and read.
    Counter,
    /// First in, first out.
    Queue,
    /// Elements that are there or not.
    Set,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// One order explains everything.
    Explained,
    /// None does.
    Broken(Box<Broken>),
    /// Too many orders were tried.
    Undecided {
        /// Whose operations these are.
        key: String,
        /// How many operations they are.
        operations: usize,
    },
}

impl Verdict {
    /// What follows from two parts: what is broken in one of them is broken, first what came first.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Broken(one), Self::Broken(other)) => Self::Broken(if one.line <= other.line { one } else { other }),
            (Self::Broken(broken), _) | (_, Self::Broken(broken)) => Self::Broken(broken),
            (Self::Explained, other) => other,
            (undecided, _) => undecided,
        }
    }
}

/// The first answer that nothing explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Whose operations these are; empty where there are no keys.
    pub key: String,
    /// The line with that answer, from 1.
    pub line: usize,
    /// The answer, in words.
    pub what: String,
    /// Whether everything before it is explained; else that was not found out, and an earlier answer may be as wrong.
    pub first: bool,
    /// An order that explains all before it, its end: in words.
    pub order: Vec<String>,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = if self.key.is_empty() { String::new() } else { format!("key {}, ", self.key) };
        let which = if self.first { "this answer" } else { "the answers up to this one" };
        write!(f, "{of}line {}: no order of the operations explains {which}: {}", self.line, self.what)?;
        if !self.order.is_empty() {
            write!(f, "\n  one that explains all before it ends with")?;
        }
        self.order.iter().try_for_each(|step| write!(f, "\n    {step}"))
    }
}

/// Judges a history; tries at most `steps` steps of an order for each key.
///
/// # Errors
/// An operation that this judge does not know, or one with arguments or an answer that do not fit; with its line.
pub fn judge(judge: Judge, history: &History, steps: u64) -> Result<Verdict, String> {
    match judge {
        Judge::Append => append::judge(history, steps),
        Judge::Kv | Judge::Register => by_search::<Kv>(history, judge == Judge::Kv, steps),
        Judge::Counter => by_search::<Counter>(history, true, steps),
        Judge::Queue => by_search::<Queue>(history, true, steps),
        Judge::Set => by_search::<Set>(history, true, steps),
    }
}

/// Splits a history by key and searches each part.
fn by_search<M: Model>(history: &History, keyed: bool, steps: u64) -> Result<Verdict, String> {
    let mut parsed = Vec::with_capacity(history.operations.len());
    for operation in &history.operations {
        if !keyed && operation.key.is_some() {
            return Err(format!("line {}: this model has one value and no keys", operation.line));
        }
        let asked = M::parse(operation).map_err(|why| format!("line {}: {why}", operation.line))?;
        parsed.push((operation, asked));
    }
    let mut verdict = Verdict::Explained;
    for (key, part) in history::by_key(&parsed, |(operation, _)| operation.key.as_deref().unwrap_or_default()) {
        for part in M::split(&part) {
            verdict = verdict.or(judge_part::<M>(&key, &part, steps));
        }
    }
    Ok(verdict)
}

/// One operation as a client's line has it, and as a model understands it.
pub type Parsed<'a, M> = (&'a Operation, (<M as Model>::Op, Option<<M as Model>::Answer>));

fn judge_part<M: Model>(key: &str, part: &[&Parsed<'_, M>], steps: u64) -> Verdict {
    // Everything up to a moment: who was answered later has not been answered yet, and may not have been carried out.
    let until = |moment: usize| -> (Vec<&Parsed<'_, M>>, Vec<Entry<M>>) {
        let entry = |(operation, (op, answer)): &Parsed<'_, M>| {
            let answered = operation.answered.filter(|answered| *answered < moment);
            Entry { op: op.clone(), answer: answered.and(answer.clone()), asked: operation.asked, answered }
        };
        let there = part.iter().copied().filter(|(operation, _)| operation.asked < moment);
        let both = there.map(|parsed| (parsed, entry(parsed)));
        both.filter(|(_, entry)| entry.answered.is_some() || M::changes(&entry.op)).unzip()
    };
    match search(&until(usize::MAX).1, steps) {
        Found::Order(_) => return Verdict::Explained,
        Found::TooMany => return Verdict::Undecided { key: key.to_string(), operations: part.len() },
        Found::None => {}
    }
    // What holds for a history holds for each beginning of it, so the first answer that breaks it can be bisected.
    let mut answers: Vec<usize> = part.iter().filter_map(|(operation, _)| operation.answered).collect();
    answers.sort_unstable();
    let (mut good, mut bad, mut first) = (0, answers.len(), true);
    while bad - good > 1 {
        let middle = usize::midpoint(good, bad);
        match search(&until(answers[middle - 1] + 1).1, steps) {
            Found::Order(_) => good = middle,
            Found::None => bad = middle,
            Found::TooMany => {
                first = false;
                break;
            }
        }
    }
    let moment = answers[bad - 1];
    let (there, entries) = until(moment);
    let order = match search(&entries, steps) {
        Found::Order(order) if first => order,
        _ => Vec::new(),
    };
    let words = |at: usize| match entries[at].answered {
        Some(_) => there[at].0.words(),
        None => there[at].0.unanswered(),
    };
    let mut order: Vec<String> = order.into_iter().rev().take(8).map(words).collect();
    order.reverse();
    let culprit = part.iter().find(|(operation, _)| operation.answered == Some(moment));
    let (line, what) = culprit.map_or((0, String::new()), |(operation, _)| (operation.answer_line, operation.words()));
    Verdict::Broken(Box::new(Broken { key: key.to_string(), line, what, first, order }))
}
