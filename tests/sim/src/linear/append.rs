//! Lists to which different elements are appended: a list that was read shows the order, so nothing is searched.
//!
//! With `L` the longest list that was read, one order explains all answers if and only if: every list read is a beginning of
//! `L`; every element of `L` was appended once, by whom it was asked before it was read; and no two operations stand in that
//! order the other way round than in time. The operations that `L` says nothing of are appends that nobody has read: they can
//! stand at its end, unless they were done before a read began, which then ought to have seen them. (Where lengths that they
//! were told have gaps between them, that end is searched after all.)

use super::history::{History, Operation, by_key};
use super::search::Model;
use super::{Broken, Parsed, Verdict, judge_part};
use std::collections::{BTreeMap, BTreeSet};

/// Where an operation stands in the order that lists show: so many elements are there when it is done.
struct Placed<'a> {
    operation: &'a Operation,
    /// Reads of a list stand behind the append of its last element.
    place: (usize, bool),
}

fn broken(key: &str, operation: &Operation, why: &str) -> Verdict {
    let what = format!("{}: {why}", operation.words());
    Verdict::Broken(Box::new(Broken { key: key.into(), line: operation.answer_line, what, order: Vec::new() }))
}

/// Judges a history of `append` (which may answer the length of the list) and `read`.
///
/// # Errors
/// An operation that is neither, an element that is appended twice, or an answer that does not fit; with its line.
pub fn judge(history: &History, steps: u64) -> Result<Verdict, String> {
    let operations: Vec<&Operation> = history.operations.iter().collect();
    for (key, part) in by_key(&operations, |operation| operation.key.as_deref().unwrap_or_default()) {
        let verdict = judge_list(&key, &part, steps)?;
        if verdict != Verdict::Explained {
            return Ok(verdict);
        }
    }
    Ok(Verdict::Explained)
}

fn judge_list(key: &str, part: &[&&Operation], steps: u64) -> Result<Verdict, String> {
    let (mut appends, mut reads) = (BTreeMap::new(), Vec::new());
    for operation in part {
        let at = |why: String| format!("line {}: {why}", operation.line);
        match (operation.op.as_str(), &operation.answer) {
            ("append", _) => {
                let element = operation.value().map_err(at)?;
                if let Some(first) = appends.insert(element.to_string(), **operation) {
                    let first: &Operation = first;
                    return Err(at(format!(
                        "{element} has been appended in line {}: elements must differ",
                        first.line
                    )));
                }
            }
            ("read" | "get", Some(answer)) => {
                let list = answer.as_deref().map_or_else(|| Ok(Vec::new()), |text| operation.list(text));
                reads.push((**operation, list.map_err(at)?));
            }
            ("read" | "get", None) => {}
            (other, _) => {
                return Err(at(format!("'{other}' is not an operation of this model: choose from append, read")));
            }
        }
    }
    let longest: Vec<String> =
        reads.iter().map(|(_, list)| list).max_by_key(|list| list.len()).cloned().unwrap_or_default();
    let distinct: BTreeSet<&String> = longest.iter().collect();
    for (read, list) in &reads {
        if !longest.starts_with(list) {
            return Ok(broken(key, read, "another list that was read begins otherwise"));
        }
        if list.len() == longest.len() && distinct.len() != list.len() {
            return Ok(broken(key, read, "an element stands in it twice"));
        }
    }
    let mut placed = Vec::new();
    for (read, list) in &reads {
        placed.push(Placed { operation: read, place: (list.len(), true) });
    }
    let mut there = BTreeSet::new();
    for (at, element) in longest.iter().enumerate() {
        let Some(append) = appends.get(element) else {
            let first = reads.iter().find(|(_, list)| list.len() > at).map(|(read, _)| *read);
            return Ok(
                first.map_or(Verdict::Explained, |read| broken(key, read, &format!("nobody has appended {element}")))
            );
        };
        there.insert(element.clone());
        if let Some(Some(length)) = &append.answer
            && *length != (at + 1).to_string()
        {
            return Ok(broken(key, append, &format!("it stands in place {}", at + 1)));
        }
        placed.push(Placed { operation: append, place: (at + 1, false) });
    }
    // Nobody has read these; those that were done stand at the end.
    let unread: Vec<&Operation> = appends
        .iter()
        .filter(|(element, op)| !there.contains(*element) && op.answered.is_some())
        .map(|(_, op)| *op)
        .collect();
    let lengths: BTreeSet<usize> = unread.iter().filter_map(|append| length(append)).collect();
    let shown = lengths.iter().copied().eq(longest.len() + 1..=longest.len() + unread.len());
    if !lengths.is_empty() && !shown {
        // Appends without an answer stand between them, or some were told a length and some were not: the order does not show.
        let parsed: Vec<Parsed<'_, List>> =
            part.iter().map(|operation| Ok((**operation, List::parse(operation)?))).collect::<Result<_, String>>()?;
        return Ok(judge_part::<List>(key, &parsed.iter().collect::<Vec<_>>(), steps));
    }
    for append in unread {
        placed.push(Placed { operation: append, place: (length(append).unwrap_or(usize::MAX), false) });
    }
    Ok(against_time(key, placed))
}

/// The same as a value that answers: for what cannot be seen.
struct List;

#[derive(Clone, Debug)]
enum ListOp {
    Append(String),
    Read,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ListAnswer {
    Done,
    Length(usize),
    All(Vec<String>),
}

impl Model for List {
    type Op = ListOp;
    type Answer = ListAnswer;
    type State = Vec<String>;

    fn parse(operation: &Operation) -> Result<(ListOp, Option<ListAnswer>), String> {
        if operation.op != "append" {
            let list = operation
                .answer
                .as_ref()
                .map(|text| text.as_deref().map_or(Ok(Vec::new()), |text| operation.list(text)));
            return Ok((ListOp::Read, list.transpose()?.map(ListAnswer::All)));
        }
        let told = length(operation).map_or(ListAnswer::Done, ListAnswer::Length);
        Ok((ListOp::Append(operation.value()?.to_string()), operation.answered.map(|_| told)))
    }

    fn step(state: &Vec<String>, op: &ListOp, answer: Option<&ListAnswer>) -> Option<Vec<String>> {
        let mut after = state.clone();
        let right = match op {
            ListOp::Append(element) => {
                after.push(element.clone());
                ListAnswer::Length(after.len())
            }
            ListOp::Read => ListAnswer::All(state.clone()),
        };
        answer.is_none_or(|answer| *answer == right || *answer == ListAnswer::Done).then_some(after)
    }
}

/// The length that an append was answered.
fn length(append: &Operation) -> Option<usize> {
    append.answer.as_ref().and_then(Option::as_ref).and_then(|text| text.parse().ok())
}

/// Looks for two operations that stand one way in the order and the other way in time.
fn against_time(key: &str, mut placed: Vec<Placed<'_>>) -> Verdict {
    placed.sort_by_key(|placed| (placed.place, placed.operation.asked));
    // From the end: the earliest answer among all that stand behind.
    let mut earliest: Option<&Placed<'_>> = None;
    let mut at = placed.len();
    while at > 0 {
        // Those in the same place are in whatever order time asks for: two reads of one list, or appends nobody has read.
        let place = placed[at - 1].place;
        let first = placed[..at].iter().rposition(|other| other.place != place).map_or(0, |before| before + 1);
        for here in &placed[first..at] {
            if let Some(behind) = earliest
                && behind.operation.answered.is_some_and(|answered| answered < here.operation.asked)
            {
                let why = format!(
                    "line {} was answered before it was asked for, and shows it as done",
                    behind.operation.answer_line
                );
                let why = if here.place.1 {
                    format!("what line {} was told is done is missing", behind.operation.answer_line)
                } else {
                    why
                };
                return broken(key, here.operation, &why);
            }
        }
        for here in &placed[first..at] {
            let answered = here.operation.answered.unwrap_or(usize::MAX);
            if earliest.is_none_or(|earliest| answered < earliest.operation.answered.unwrap_or(usize::MAX)) {
                earliest = Some(here);
            }
        }
        at = first;
    }
    Verdict::Explained
}
