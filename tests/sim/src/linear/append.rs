//! Lists to which different elements are appended: a list that was read shows the order, so that is not searched for.
//!
//! With `L` the longest list that was read, one order explains all answers if and only if: every list read is a beginning of
//! `L`; every element of `L` was appended once, by whom it was asked before it was read; and no two operations stand in that
//! order the other way round than in time. The operations that `L` says nothing of are appends that nobody has read: they can
//! stand at its end, unless they were done before a read began, which then ought to have seen them. Where they were told lengths,
//! their order among themselves must fit, too; as nobody has read it, that is searched, with the length as the value.

use super::history::{History, Operation, by_key};
use super::models::unfit;
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
    let (key, line) = (key.into(), operation.answer_line);
    Verdict::Broken(Box::new(Broken { key, line, what, first: true, order: Vec::new() }))
}

/// Judges a history of `append` (which may answer the length of the list) and `read`; an end that nobody has read with at most so
/// many steps.
///
/// # Errors
/// An operation that is neither, an element that is appended twice, or an answer that does not fit; with its line.
pub fn judge(history: &History, steps: u64) -> Result<Verdict, String> {
    let operations: Vec<&Operation> = history.operations.iter().collect();
    let mut verdict = Verdict::Explained;
    for (key, part) in by_key(&operations, |operation| operation.key.as_deref().unwrap_or_default()) {
        verdict = verdict.or(judge_list(&key, &part, steps)?);
    }
    Ok(verdict)
}

/// Appends by their elements, and reads with what they were told, by when.
type Sorted<'a> = (BTreeMap<String, &'a Operation>, Vec<(&'a Operation, Vec<String>)>);

fn sort<'a>(part: &[&&'a Operation]) -> Result<Sorted<'a>, String> {
    let (mut appends, mut reads) = (BTreeMap::new(), Vec::new());
    for operation in part {
        let operation: &'a Operation = operation;
        let at = |why: String| format!("line {}: {why}", operation.line);
        match (operation.op.as_str(), &operation.answer) {
            ("append", answer) => {
                if answer.as_ref().is_some_and(Option::is_some) && length(operation).is_none() {
                    return Err(at(unfit(operation, "nothing or the length of the list")));
                }
                let element = operation.value().map_err(at)?;
                if let Some(first) = appends.insert(element.to_string(), operation) {
                    let first: &Operation = first;
                    let why = format!("{element} has been appended in line {}: elements must differ", first.line);
                    return Err(at(why));
                }
            }
            ("read" | "get", Some(answer)) => {
                let list = answer.as_deref().map_or_else(|| Ok(Vec::new()), |text| operation.list(text));
                reads.push((operation, list.map_err(at)?));
            }
            ("read" | "get", None) => {}
            _ => return Err(at(super::models::unknown(operation, "append, read"))),
        }
    }
    reads.sort_by_key(|(read, _)| read.answered);
    Ok((appends, reads))
}

fn judge_list(key: &str, part: &[&&Operation], steps: u64) -> Result<Verdict, String> {
    let (appends, reads) = sort(part)?;
    let mut longest: &[String] = &[];
    for (read, list) in &reads {
        if !list.starts_with(longest) {
            if longest.starts_with(list) {
                continue;
            }
            return Ok(broken(key, read, "a list that was read before begins otherwise"));
        }
        let distinct: BTreeSet<&String> = list.iter().collect();
        if distinct.len() != list.len() {
            return Ok(broken(key, read, "an element stands in it twice"));
        }
        if let Some(element) = list.iter().find(|element| !appends.contains_key(*element)) {
            return Ok(broken(key, read, &format!("nobody has appended {element}")));
        }
        longest = list;
    }
    let reads = reads.iter().map(|(read, list)| Placed { operation: read, place: (list.len(), true) });
    let mut placed: Vec<Placed<'_>> = reads.collect();
    let mut unread = appends;
    for (at, element) in longest.iter().enumerate() {
        let Some(append) = unread.remove(element) else { continue };
        if length(append).is_some_and(|length| length != at + 1) {
            return Ok(broken(key, append, &format!("it stands in place {}", at + 1)));
        }
        placed.push(Placed { operation: append, place: (at + 1, false) });
    }
    // Nobody has read these; those that were done stand at the end.
    let done = unread.values().filter(|append| append.answered.is_some());
    placed.extend(done.map(|append| Placed { operation: append, place: (usize::MAX, false) }));
    let verdict = against_time(key, placed);
    if verdict != Verdict::Explained || unread.values().all(|append| length(append).is_none()) {
        return Ok(verdict);
    }
    // A length that was read as another element's place fits nothing here either.
    let told = |append: &Operation| length(append).map(|length| length.saturating_sub(longest.len()));
    let parsed: Vec<Parsed<'_, Tail>> =
        unread.into_values().map(|append| (append, ((), append.answered.map(|_| told(append))))).collect();
    Ok(judge_part::<Tail>(key, &parsed.iter().collect::<Vec<_>>(), steps))
}

/// How many elements have been appended behind what was read: for what cannot be seen.
struct Tail;

impl Model for Tail {
    type Op = ();
    /// How many there are then, where that was told.
    type Answer = Option<usize>;
    type State = usize;
    type Undo = ();

    fn parse(_: &Operation) -> Result<((), Option<Option<usize>>), String> {
        Err("only what nobody has read is judged so".into())
    }

    fn changes((): &()) -> bool {
        true
    }

    fn step(state: &mut usize, (): &(), answer: Option<&Option<usize>>) -> Option<()> {
        let agrees = answer.is_none_or(|told| told.is_none_or(|told| told == *state + 1));
        agrees.then(|| *state += 1)
    }

    fn undo(state: &mut usize, (): &(), (): ()) {
        *state -= 1;
    }

    fn bytes(state: &usize, out: &mut Vec<u8>) {
        out.extend(state.to_le_bytes());
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
