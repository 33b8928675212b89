//! Values that answer operations one by one: the specifications that histories are judged by.

use super::Parsed;
use super::history::Operation;
use super::search::Model;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// The word for an operation that this model does not know.
pub(super) fn unknown(operation: &Operation, known: &str) -> String {
    format!("'{}' is not an operation of this model: choose from {known}", operation.op)
}

/// The word for an answer that this operation does not have.
pub(super) fn unfit(operation: &Operation, expected: &str) -> String {
    let told = operation.answer.as_ref().and_then(Option::as_deref).unwrap_or("null");
    format!("the result of '{}' is {expected}, not {told}", operation.op)
}

/// A text of JSON; values are copied often.
type Text = Arc<str>;

fn put(text: &str, out: &mut Vec<u8>) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// One key's value: a JSON text, or nothing.
pub struct Kv;

/// What [`Kv`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvOp {
    /// Answers the value.
    Get,
    /// Makes it this one.
    Set(Text),
    /// Makes it nothing; may answer whether there was one.
    Delete,
    /// Makes it the second one if it is the first one; answers whether it was.
    Swap(Option<Text>, Text),
    /// Adds to a number, which nothing counts as 0; may answer the sum.
    Add(i64),
}

/// What [`Kv`] answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KvAnswer {
    /// That it is done, and nothing of the value.
    Done,
    /// The value.
    Value(Option<Text>),
    /// Whether it was so.
    Was(bool),
}

impl Model for Kv {
    type Op = KvOp;
    type Answer = KvAnswer;
    type State = Option<Text>;
    type Undo = Option<Text>;

    fn parse(operation: &Operation) -> Result<(KvOp, Option<KvAnswer>), String> {
        let op = match operation.op.as_str() {
            "get" | "read" => KvOp::Get,
            "set" | "write" => KvOp::Set(operation.value()?.into()),
            "delete" => KvOp::Delete,
            "cas" => KvOp::Swap(operation.before.as_deref().map(Into::into), operation.value()?.into()),
            "add" => KvOp::Add(operation.number()?),
            _ => return Err(unknown(operation, "get, set, delete, cas, add")),
        };
        let Some(answer) = &operation.answer else { return Ok((op, None)) };
        let answer = match (&op, answer.as_deref()) {
            (KvOp::Get, value) => KvAnswer::Value(value.map(Into::into)),
            (KvOp::Swap(..) | KvOp::Delete, Some("true")) => KvAnswer::Was(true),
            (KvOp::Swap(..) | KvOp::Delete, Some("false")) => KvAnswer::Was(false),
            (KvOp::Swap(..), _) => return Err(unfit(operation, "true or false")),
            (KvOp::Add(_), Some(sum)) if sum.parse::<i64>().is_ok() => KvAnswer::Value(Some(sum.into())),
            (KvOp::Add(_) | KvOp::Set(_) | KvOp::Delete, None) => KvAnswer::Done,
            (KvOp::Add(_), _) => return Err(unfit(operation, "nothing or a whole number")),
            (KvOp::Set(_), _) => return Err(unfit(operation, "nothing")),
            (KvOp::Delete, _) => return Err(unfit(operation, "nothing, true or false")),
        };
        Ok((op, Some(answer)))
    }

    fn changes(op: &KvOp) -> bool {
        *op != KvOp::Get
    }

    fn step(state: &mut Option<Text>, op: &KvOp, answer: Option<&KvAnswer>) -> Option<Option<Text>> {
        let agrees = |right: KvAnswer| answer.is_none_or(|answer| *answer == right || *answer == KvAnswer::Done);
        let (agrees, after) = match op {
            KvOp::Get => (agrees(KvAnswer::Value(state.clone())), state.clone()),
            KvOp::Set(value) => (agrees(KvAnswer::Done), Some(value.clone())),
            KvOp::Delete => (agrees(KvAnswer::Was(state.is_some())), None),
            KvOp::Swap(before, after) => {
                let was = state == before;
                (agrees(KvAnswer::Was(was)), if was { Some(after.clone()) } else { state.clone() })
            }
            KvOp::Add(by) => {
                // What is no number cannot be added to: whoever was answered otherwise was answered wrongly.
                let number = state.as_deref().map_or(Some(0), |text| text.parse().ok());
                let sum: Text = number.and_then(|number: i64| number.checked_add(*by))?.to_string().into();
                (agrees(KvAnswer::Value(Some(sum.clone()))), Some(sum))
            }
        };
        agrees.then(|| std::mem::replace(state, after))
    }

    fn undo(state: &mut Option<Text>, _: &KvOp, undo: Option<Text>) {
        *state = undo;
    }

    fn bytes(state: &Option<Text>, out: &mut Vec<u8>) {
        out.extend(state.iter().flat_map(|text| [b"=", text.as_bytes()]).flatten());
    }

    /// A `set` without an answer, of a value that nobody was told, makes no difference where only `get` looks.
    fn split<'a, 'b>(operations: &'a [&'b Parsed<'b, Self>]) -> Vec<Vec<&'a Parsed<'b, Self>>> {
        let mut told = BTreeSet::new();
        let mut looks = false;
        for (_, (op, answer)) in operations.iter().map(|parsed| (parsed.0, &parsed.1)) {
            if let (KvOp::Get, Some(KvAnswer::Value(Some(value)))) = (op, answer) {
                told.insert(value.clone());
            }
            looks |= !matches!(op, KvOp::Get | KvOp::Set(_));
        }
        let matters = |parsed: &Parsed<'b, Self>| match &parsed.1 {
            (KvOp::Set(value), None) => looks || told.contains(value),
            _ => true,
        };
        vec![operations.iter().copied().filter(|parsed| matters(parsed)).collect()]
    }
}

/// A number.
pub struct Counter;

impl Model for Counter {
    /// How much is added; none to look.
    type Op = Option<i64>;
    /// The sum, where it was told.
    type Answer = Option<i64>;
    type State = i64;
    type Undo = i64;

    fn parse(operation: &Operation) -> Result<(Option<i64>, Option<Option<i64>>), String> {
        let by = match operation.op.as_str() {
            "read" | "get" => None,
            "add" => Some(operation.number()?),
            _ => return Err(unknown(operation, "add, read")),
        };
        let answer = match (&operation.answer, by) {
            (None, _) => None,
            (Some(None), Some(_)) => Some(None),
            (Some(None), None) => return Err(unfit(operation, "a whole number")),
            (Some(Some(text)), _) => Some(Some(text.parse().map_err(|_| unfit(operation, "a whole number"))?)),
        };
        Ok((by, answer))
    }

    fn changes(by: &Option<i64>) -> bool {
        by.is_some()
    }

    fn step(state: &mut i64, by: &Option<i64>, answer: Option<&Option<i64>>) -> Option<i64> {
        let after = state.checked_add(by.unwrap_or(0))?;
        let agrees = answer.is_none_or(|told| told.is_none_or(|told| told == after));
        agrees.then(|| std::mem::replace(state, after))
    }

    fn undo(state: &mut i64, _: &Option<i64>, undo: i64) {
        *state = undo;
    }

    fn bytes(state: &i64, out: &mut Vec<u8>) {
        out.extend(state.to_le_bytes());
    }
}

/// First in, first out.
pub struct Queue;

/// What [`Queue`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QueueOp {
    /// Puts a value at the end.
    Push(Text),
    /// Takes the first one and answers it, or null.
    Pop,
}

impl Model for Queue {
    type Op = QueueOp;
    type Answer = Option<Text>;
    type State = VecDeque<Text>;
    /// What was taken.
    type Undo = Option<Text>;

    fn parse(operation: &Operation) -> Result<(QueueOp, Option<Option<Text>>), String> {
        let op = match operation.op.as_str() {
            "push" | "enqueue" => QueueOp::Push(operation.value()?.into()),
            "pop" | "dequeue" => QueueOp::Pop,
            _ => return Err(unknown(operation, "push, pop")),
        };
        if let (QueueOp::Push(_), Some(Some(_))) = (&op, &operation.answer) {
            return Err(unfit(operation, "nothing"));
        }
        Ok((op, operation.answer.as_ref().map(|answer| answer.as_deref().map(Into::into))))
    }

    fn changes(_: &QueueOp) -> bool {
        true
    }

    fn step(state: &mut VecDeque<Text>, op: &QueueOp, answer: Option<&Option<Text>>) -> Option<Option<Text>> {
        match op {
            QueueOp::Push(value) => {
                state.push_back(value.clone());
                Some(None)
            }
            QueueOp::Pop => {
                let agrees = answer.is_none_or(|answer| answer.as_ref() == state.front());
                agrees.then(|| state.pop_front())
            }
        }
    }

    fn undo(state: &mut VecDeque<Text>, op: &QueueOp, undo: Option<Text>) {
        match op {
            QueueOp::Push(_) => drop(state.pop_back()),
            QueueOp::Pop => undo.into_iter().for_each(|value| state.push_front(value)),
        }
    }

    fn bytes(state: &VecDeque<Text>, out: &mut Vec<u8>) {
        state.iter().for_each(|value| put(value, out));
    }
}

/// Elements that are there or not.
pub struct Set;

/// What [`Set`] is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SetOp {
    /// Puts an element in; may answer whether it is new.
    Add(Text),
    /// Takes it out; may answer whether it was there.
    Remove(Text),
    /// Answers whether it is there.
    Contains(Text),
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
    /// All elements, in order; one that is told twice stands there twice.
    Members(Vec<Text>),
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
    type State = BTreeSet<Text>;
    /// Whether something has changed.
    type Undo = bool;

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
            (SetOp::Members, list) => {
                let list = list.map_or_else(|| Ok(Vec::new()), |text| operation.list(text))?;
                let mut members: Vec<Text> = list.into_iter().map(Into::into).collect();
                members.sort();
                SetAnswer::Members(members)
            }
            (_, Some("true")) => SetAnswer::Was(true),
            (_, Some("false")) => SetAnswer::Was(false),
            (SetOp::Contains(_), _) => return Err(unfit(operation, "true or false")),
            (_, None) => SetAnswer::Done,
            (_, Some(_)) => return Err(unfit(operation, "nothing, true or false")),
        };
        Ok((op, Some(answer)))
    }

    fn changes(op: &SetOp) -> bool {
        matches!(op, SetOp::Add(_) | SetOp::Remove(_))
    }

    fn step(state: &mut BTreeSet<Text>, op: &SetOp, answer: Option<&SetAnswer>) -> Option<bool> {
        let there = Self::element(op).is_some_and(|element| state.contains(element));
        let agrees = match (op, answer) {
            (_, None | Some(SetAnswer::Done)) => true,
            (SetOp::Add(_), Some(SetAnswer::Was(was))) => *was != there,
            (_, Some(SetAnswer::Was(was))) => *was == there,
            (_, Some(SetAnswer::Members(members))) => members.iter().eq(state.iter()),
        };
        agrees.then(|| match op {
            SetOp::Add(element) => state.insert(element.clone()),
            SetOp::Remove(element) => state.remove(element),
            SetOp::Contains(_) | SetOp::Members => false,
        })
    }

    fn undo(state: &mut BTreeSet<Text>, op: &SetOp, changed: bool) {
        match op {
            SetOp::Add(element) if changed => drop(state.remove(element)),
            SetOp::Remove(element) if changed => drop(state.insert(element.clone())),
            _ => {}
        }
    }

    fn bytes(state: &BTreeSet<Text>, out: &mut Vec<u8>) {
        state.iter().for_each(|element| put(element, out));
    }

    /// Elements have nothing to do with each other, unless somebody was told all of them.
    fn split<'a, 'b>(operations: &'a [&'b Parsed<'b, Self>]) -> Vec<Vec<&'a Parsed<'b, Self>>> {
        let mut parts: BTreeMap<&str, Vec<&'a Parsed<'b, Self>>> = BTreeMap::new();
        for parsed in operations {
            match (Self::element(&parsed.1.0), &parsed.1.1) {
                (Some(element), _) => parts.entry(element).or_default().push(parsed),
                (None, None) => {}
                (None, Some(_)) => return vec![operations.to_vec()],
            }
        }
        parts.into_values().collect()
    }
}
