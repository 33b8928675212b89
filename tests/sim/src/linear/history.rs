//! What clients saw: one JSON object per line (`docs/formats/history.md`).
//!
//! ```text
//! {"client":1,"type":"invoke","op":"set","key":"x","value":"3"}
//! {"client":2,"type":"invoke","op":"get","key":"x"}
//! {"client":1,"type":"ok"}
//! {"client":2,"type":"ok","result":"3"}
//! ```

use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// All operations, by when they were asked for.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Those that may have taken effect: those that failed are left out.
    pub operations: Vec<Operation>,
    /// How many failed.
    pub failed: usize,
    /// How many clients there were.
    pub clients: usize,
}

/// One operation of one client. Values are JSON texts without spaces, keys of objects in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Who asked.
    pub client: String,
    /// What for.
    pub op: String,
    /// Of which key, if any.
    pub key: Option<String>,
    /// `value` of the line.
    pub argument: Option<String>,
    /// `before` of the line: what `cas` expects; none is null.
    pub before: Option<String>,
    /// When it was asked for: lines before this are earlier.
    pub asked: usize,
    /// When it was answered, if it was.
    pub answered: Option<usize>,
    /// The answer, `None` within where there was none to it (null, or no `result`).
    pub answer: Option<Option<String>>,
    /// The line that asks, from 1.
    pub line: usize,
    /// The line that answers.
    pub answer_line: usize,
}

impl Operation {
    /// The argument.
    ///
    /// # Errors
    /// When there is none.
    pub fn value(&self) -> Result<&str, String> {
        self.argument.as_deref().ok_or_else(|| format!("'{}' needs a value", self.op))
    }

    /// The argument as a number; 1 where there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(&self) -> Result<i64, String> {
        let Some(text) = self.argument.as_deref() else { return Ok(1) };
        text.parse().map_err(|_| format!("'{}' needs a whole number, not {text}", self.op))
    }

    /// A list of values.
    ///
    /// # Errors
    /// When it is none.
    pub fn list(&self, text: &str) -> Result<Vec<String>, String> {
        let list: Vec<Value> =
            serde_json::from_str(text).map_err(|_| format!("the result of '{}' is a list, not {text}", self.op))?;
        Ok(list.iter().map(Value::to_string).collect())
    }

    /// It and its answer, for people.
    #[must_use]
    pub fn words(&self) -> String {
        match &self.answer {
            Some(answer) => format!("{} -> {}", self.asks(), answer.as_deref().unwrap_or("null")),
            None => self.unanswered(),
        }
    }

    /// It while it has no answer, for people.
    #[must_use]
    pub fn unanswered(&self) -> String {
        format!("{} (not answered)", self.asks())
    }

    fn asks(&self) -> String {
        let parts = [&self.key, &self.before, &self.argument].into_iter().flatten();
        parts.fold(format!("client {}: {}", self.client, self.op), |words, part| words + " " + part)
    }
}

/// A line as it stands there.
struct Line {
    number: usize,
    /// Nanoseconds, if it says so.
    time: Option<u64>,
    asks: bool,
    fields: Map<String, Value>,
}

const ASKS: [&str; 7] = ["client", "type", "op", "key", "value", "before", "time"];
const ANSWERS: [&str; 4] = ["client", "type", "result", "time"];
/// Beyond this, whole numbers that are read as floating point are not the ones that were written (IEEE 754).
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Whether every number is the one that was written.
fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => !number.is_f64() || number.as_f64().is_some_and(|number| number.abs() < EXACT),
        Value::Array(values) => values.iter().all(is_exact),
        Value::Object(fields) => fields.values().all(is_exact),
        _ => true,
    }
}

fn line(number: usize, text: &str) -> Result<Line, String> {
    let fields: Map<String, Value> = serde_json::from_str(text).map_err(|why| format!("no JSON object: {why}"))?;
    let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
    let known: &[&str] = match kind {
        "invoke" => &ASKS,
        "ok" | "fail" | "unknown" => &ANSWERS,
        _ => return Err(format!("the type is '{kind}', and may be invoke, ok, fail or unknown")),
    };
    if let Some(field) = fields.keys().find(|field| !known.contains(&field.as_str())) {
        return Err(format!("'{field}' is not a field of a line of type {kind}: they are {}", known.join(", ")));
    }
    if let Some((field, value)) = fields.iter().find(|(_, value)| !is_exact(value)) {
        return Err(format!(
            "'{field}' is {value}, which may not be the number that was meant: write such numbers as strings"
        ));
    }
    let time = match fields.get("time") {
        None => None,
        Some(time) => Some(
            time.as_u64().ok_or_else(|| format!("the time is {time}, and is to be a whole number of nanoseconds"))?,
        ),
    };
    Ok(Line { number, time, asks: kind == "invoke", fields })
}

/// Lines by their times. At the same time everybody asks before anybody is answered, but nobody before the answer to what was
/// asked before.
fn by_time(mut lines: Vec<Line>) -> Vec<Line> {
    lines.sort_by_key(|line| line.time);
    let (mut waiting, mut sorted) = (BTreeSet::new(), Vec::with_capacity(lines.len()));
    let mut lines = lines.into_iter().peekable();
    while let Some(first) = lines.next() {
        let time = first.time;
        let mut now = vec![first];
        now.extend(std::iter::from_fn(|| lines.next_if(|line| line.time == time)));
        while !now.is_empty() {
            let before = sorted.len();
            for asks in [true, false] {
                let mut later = Vec::new();
                for line in std::mem::take(&mut now) {
                    let client = line.fields.get("client").map(Value::to_string).unwrap_or_default();
                    if line.asks != asks || waiting.contains(&client) == asks {
                        later.push(line);
                        continue;
                    }
                    if asks {
                        waiting.insert(client);
                    } else {
                        waiting.remove(&client);
                    }
                    sorted.push(line);
                }
                now = later;
            }
            if sorted.len() == before {
                // Something is wrong with these, which is said when they are taken.
                sorted.append(&mut now);
            }
        }
    }
    sorted
}

impl History {
    /// Reads a history. Where the lines have a `time`, that is their order, and at the same time asking comes first; else the order of
    /// the lines.
    ///
    /// # Errors
    /// A line that is none, with its number, and what is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut lines = Vec::new();
        for (at, text) in text.lines().enumerate().filter(|(_, text)| !text.trim().is_empty()) {
            lines.push(line(at + 1, text).map_err(|why| format!("line {}: {why}", at + 1))?);
        }
        if lines.iter().any(|line| line.time.is_some()) {
            if let Some(line) = lines.iter().find(|line| line.time.is_none()) {
                return Err(format!("line {}: it has no 'time', and others have one: all or none", line.number));
            }
            lines = by_time(lines);
        }
        let mut history = Self::default();
        let mut open: BTreeMap<String, Option<usize>> = BTreeMap::new();
        let mut failed = BTreeSet::new();
        for (moment, line) in lines.iter().enumerate() {
            history.take(moment, line, &mut open, &mut failed).map_err(|why| format!("line {}: {why}", line.number))?;
        }
        history.clients = open.len();
        history.failed = failed.len();
        let mut at = 0;
        history.operations.retain(|_| {
            at += 1;
            !failed.contains(&(at - 1))
        });
        Ok(history)
    }

    fn take(
        &mut self,
        moment: usize,
        line: &Line,
        open: &mut BTreeMap<String, Option<usize>>,
        failed: &mut BTreeSet<usize>,
    ) -> Result<(), String> {
        let text = |name: &str| line.fields.get(name).filter(|value| !value.is_null()).map(Value::to_string);
        let client = text("client").ok_or("it does not say which client")?;
        let waits = open.entry(client.clone()).or_default();
        if line.asks {
            if let Some(at) = *waits {
                let since = self.operations[at].line;
                return Err(format!("client {client} asks while it waits for the answer to line {since}"));
            }
            let op = line.fields.get("op").and_then(Value::as_str).ok_or("it does not say which operation ('op')")?;
            *waits = Some(self.operations.len());
            self.operations.push(Operation {
                client,
                op: op.to_string(),
                key: text("key"),
                argument: text("value"),
                before: text("before"),
                asked: moment,
                answered: None,
                answer: None,
                line: line.number,
                answer_line: line.number,
            });
            return Ok(());
        }
        let at = waits.take().ok_or_else(|| format!("client {client} was answered and has asked nothing"))?;
        let operation = &mut self.operations[at];
        operation.answer_line = line.number;
        match line.fields.get("type").and_then(Value::as_str) {
            Some("ok") => (operation.answered, operation.answer) = (Some(moment), Some(text("result"))),
            Some("fail") => {
                failed.insert(at);
            }
            // It may take effect later, or never.
            _ => {}
        }
        Ok(())
    }

    /// How many were not answered.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.operations.iter().filter(|operation| operation.answered.is_none()).count()
    }
}

/// Values by key, in the order in which they stand.
pub(super) fn by_key<'a, T>(values: &'a [T], key: impl Fn(&'a T) -> &'a str) -> BTreeMap<String, Vec<&'a T>> {
    let mut parts: BTreeMap<String, Vec<&'a T>> = BTreeMap::new();
    for value in values {
        parts.entry(key(value).to_string()).or_default().push(value);
    }
    parts
}
