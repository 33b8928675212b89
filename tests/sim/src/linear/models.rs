//! Values that answer operations one by one: the specifications that histories are judged by.

use super::Parsed;
use super::history::Operation;
use super::search::Model;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The word for an operation that this model does not know.
fn unknown(operation: &Operation, known: &str) -> String {
    format!("'{}' is not an operation of this model: choose from {known}", operation.op)
}

/// One key's value: a JSON text, or nothing.
pub struct Kv;

/// What [`Kv`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvOp {
    /// Answers the value.
    Get,
    /// Makes it this one.
    Set(String),
    /// Makes it nothing; may answer whether there was one.
    Delete,
    /// Makes it the second one if it is the first one; answers whether it was.
    Swap(Option<String>, String),
    /// Adds to a number, which nothing counts as 0; answers the sum.
    Add(i64),
}

/// What [`Kv`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvAnswer {
    /// That it is done, and nothing of the value.
    Done,
    /// The value.
    Value(Option<String>),
    /// Whether it was so.
    Was(bool),
}

impl Model for Kv {
    type Op = KvOp;
    type Answer = KvAnswer;
    type State = Option<String>;

    fn parse(operation: &Operation) -> Result<(KvOp, Option<KvAnswer>), String> {
        let op = match operation.op.as_str() {
            "get" | "read" => KvOp::Get,
            "set" | "write" => KvOp::Set(operation.value()?.to_string()),
            "delete" => KvOp::Delete,
            "cas" => KvOp::Swap(operation.before.clone(), operation.value()?.to_string()),
            "add" => KvOp::Add(operation.number()?),
            _ => return Err(unknown(operation, "get, set, delete, cas, add")),
        };
        let Some(answer) = &operation.answer else { return Ok((op, None)) };
        let answer = match (&op, answer.as_deref()) {
            (KvOp::Get, value) => KvAnswer::Value(value.map(Into::into)),
            (KvOp::Swap(..) | KvOp::Delete, Some("true")) => KvAnswer::Was(true),
            (KvOp::Swap(..) | KvOp::Delete, Some("false")) => KvAnswer::Was(false),
            (KvOp::Swap(..), _) => return Err("the result of 'cas' is true or false".into()),
            (KvOp::Add(_), Some(sum)) => KvAnswer::Value(Some(sum.into())),
            (KvOp::Add(_) | KvOp::Set(_) | KvOp::Delete, _) => KvAnswer::Done,
        };
        Ok((op, Some(answer)))
    }

    fn step(state: &Option<String>, op: &KvOp, answer: Option<&KvAnswer>) -> Option<Option<String>> {
        let (right, after) = match op {
            KvOp::Get => (KvAnswer::Value(state.clone()), state.clone()),
            KvOp::Set(value) => (KvAnswer::Done, Some(value.clone())),
            KvOp::Delete => (KvAnswer::Was(state.is_some()), None),
            KvOp::Swap(before, after) => {
                let was = state == before;
                (KvAnswer::Was(was), if was { Some(after.clone()) } else { state.clone() })
            }
            KvOp::Add(by) => {
                // What is no number cannot be added to: whoever was answered otherwise was answered wrongly.
                let sum =
                    state.as_deref().map_or(Some(0), |text| text.parse().ok()).and_then(|n: i64| n.checked_add(*by))?;
                (KvAnswer::Value(Some(sum.to_string())), Some(sum.to_string()))
            }
        };
        let agrees = answer.is_none_or(|answer| *answer == right || *answer == KvAnswer::Done);
        agrees.then_some(after)
    }
}

/// A number.
pub struct Counter;

impl Model for Counter {
    /// How much is added; 0 to look.
    type Op = i64;
    /// The sum, where it was told.
    type Answer = Option<i64>;
    type State = i64;

    fn parse(operation: &Operation) -> Result<(i64, Option<Option<i64>>), String> {
        let by = match operation.op.as_str() {
            "read" | "get" => 0,
            "add" => operation.number()?,
            _ => return Err(unknown(operation, "add, read")),
        };
        let sum = |text: &str| text.parse().map_err(|_| format!("the result {text} is not a number"));
        let answer = match &operation.answer {
            None => None,
            Some(None) => Some(None),
            Some(Some(text)) => Some(Some(sum(text)?)),
        };
        Ok((by, answer))
    }

    fn step(state: &i64, by: &i64, answer: Option<&Option<i64>>) -> Option<i64> {
        let after = state.checked_add(*by)?;
        let agrees = answer.is_none_or(|told| told.is_none_or(|told| told == after));
        agrees.then_some(after)
    }
}

/// First in, first out.
pub struct Queue;

/// What [`Queue`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOp {
    /// Puts a value at the end.
    Push(String),
    /// Takes the first one and answers it, or null.
    Pop,
}

impl Model for Queue {
    type Op = QueueOp;
    type Answer = Option<String>;
    type State = VecDeque<String>;

    fn parse(operation: &Operation) -> Result<(QueueOp, Option<Option<String>>), String> {
        let op = match operation.op.as_str() {
            "push" | "enqueue" => QueueOp::Push(operation.value()?.to_string()),
            "pop" | "dequeue" => QueueOp::Pop,
            _ => return Err(unknown(operation, "push, pop")),
        };
        Ok((op, operation.answer.clone()))
    }

    fn step(state: &VecDeque<String>, op: &QueueOp, answer: Option<&Option<String>>) -> Option<VecDeque<String>> {
        let mut after = state.clone();
        match op {
            QueueOp::Push(value) => {
                after.push_back(value.clone());
                Some(after)
            }
            QueueOp::Pop => {
                let first = after.pop_front();
                answer.is_none_or(|answer| *answer == first).then_some(after)
            }
        }
    }
}

/// Elements that are there or not.
pub struct Set;

/// What [`Set`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// Puts an element in; may answer whether it is new.
    Add(String),
    /// Takes it out; may answer whether it was there.
    Remove(String),
    /// Answers whether it is there.
    Contains(String),
    /// Answers all.
    Members,
}

/// What [`Set`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetAnswer {
    /// That it is done.
    Done,
    /// Whether it was so.
    Was(bool),
    /// All elements.
    Members(BTreeSet<String>),
}

impl Set {
    fn element(op: &SetOp) -> Option<&str> {
        match op {
            SetOp::Add(element) | SetOp::Remove(element) | SetOp::Contains(element) => Some(element),
            SetOp::Members => None,
        }
    }
}

impl Model for Set {
    type Op = SetOp;
    type Answer = SetAnswer;
    type State = BTreeSet<String>;

    fn parse(operation: &Operation) -> Result<(SetOp, Option<SetAnswer>), String> {
        let value = || operation.value().map(Into::into);
        let op = match operation.op.as_str() {
            "add" => SetOp::Add(value()?),
            "remove" => SetOp::Remove(value()?),
            "contains" => SetOp::Contains(value()?),
            "members" | "read" => SetOp::Members,
            _ => return Err(unknown(operation, "add, remove, contains, members")),
        };
        let Some(answer) = &operation.answer else { return Ok((op, None)) };
        let answer = match (&op, answer.as_deref()) {
            (SetOp::Members, Some(list)) => {
                let members = operation.list(list)?;
                let set: BTreeSet<String> = members.iter().cloned().collect();
                if set.len() != members.len() {
                    return Err("an element is told twice".into());
                }
                SetAnswer::Members(set)
            }
            (SetOp::Members, None) => SetAnswer::Members(BTreeSet::new()),
            (_, Some("true")) => SetAnswer::Was(true),
            (_, Some("false")) => SetAnswer::Was(false),
            (SetOp::Contains(_), _) => return Err("the result of 'contains' is true or false".into()),
            _ => SetAnswer::Done,
        };
        Ok((op, Some(answer)))
    }

    fn step(state: &BTreeSet<String>, op: &SetOp, answer: Option<&SetAnswer>) -> Option<BTreeSet<String>> {
        let mut after = state.clone();
        let right = match op {
            SetOp::Add(element) => SetAnswer::Was(after.insert(element.clone())),
            SetOp::Remove(element) => SetAnswer::Was(after.remove(element)),
            SetOp::Contains(element) => SetAnswer::Was(after.contains(element)),
            SetOp::Members => SetAnswer::Members(after.clone()),
        };
        answer.is_none_or(|answer| *answer == right || *answer == SetAnswer::Done).then_some(after)
    }

    /// Elements have nothing to do with each other, unless somebody looks at all of them.
    fn split<'a, 'b>(operations: &'a [&'b Parsed<'b, Self>]) -> Vec<Vec<&'a Parsed<'b, Self>>> {
        let mut parts: BTreeMap<&str, Vec<&'a Parsed<'b, Self>>> = BTreeMap::new();
        for parsed in operations {
            let Some(element) = Self::element(&parsed.1.0) else { return vec![operations.to_vec()] };
            parts.entry(element).or_default().push(parsed);
        }
        parts.into_values().collect()
    }
}
