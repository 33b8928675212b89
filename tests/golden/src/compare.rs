//! The first difference between what came of a recording and what comes of it now, in words.

use crate::execute::{Cell, trace_of};
use crate::recording::{Call, History, Outcome, Results};
use crate::store::Store;
use anyhow::Result;
use replicode_log::{BatchIndex, LogicalTime};
use replicode_syscalls::Recording as Keep;
use replicode_syscalls::abi::{Errno, IMPORTS, Import, Returns};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Where a recording first goes another way than it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The recording.
    pub recording: String,
    /// The batch, with its time and its inputs in a word each.
    pub batch: Option<(BatchIndex, LogicalTime, String)>,
    /// What differs in it.
    pub what: What,
}

/// What differs first in a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A system call, counted from 1.
    Call {
        /// Which one.
        at: usize,
        /// What was called and answered then; nothing if there were fewer calls.
        then: Option<String>,
        /// What is called and answered now, decoded.
        now: Option<String>,
    },
    /// An output, counted from 1; the calls are the same.
    Output {
        /// Which one.
        at: usize,
        /// The output then.
        then: Option<String>,
        /// The output now.
        now: Option<String>,
    },
    /// When the next batch is due.
    Deadline {
        /// Then.
        then: Option<LogicalTime>,
        /// Now.
        now: Option<LogicalTime>,
    },
    /// The digest alone: what is hashed is another thing.
    Digest,
    /// The recording has more or fewer batches than results, or none were written.
    Length,
    /// It cannot be executed.
    Broken(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "recording {}", self.recording)?;
        if let Some((index, time, inputs)) = &self.batch {
            write!(f, ", batch {index} at {time} ({inputs})")?;
        }
        let text = |it: &Option<String>| it.clone().unwrap_or_else(|| "nothing".into());
        match &self.what {
            What::Call { at, then, now } => {
                write!(f, ", system call {at}:\n  then {}\n  now  {}", text(then), text(now))
            }
            What::Output { at, then, now } => {
                write!(f, ", same system calls, output {at}:\n  then {}\n  now  {}", text(then), text(now))
            }
            What::Deadline { then, now } => {
                write!(f, ", same system calls and outputs, next deadline:\n  then {then:?}\n  now  {now:?}")
            }
            What::Digest => f.write_str(", same system calls and outputs: the digest is made of other things"),
            What::Length => f.write_str(": its results are not those of its batches; bless it first"),
            What::Broken(why) => write!(f, " cannot be executed: {why}"),
        }
    }
}

/// The first difference of a recording; `None` if it goes as it went.
///
/// # Errors
/// When its files cannot be read.
pub fn check(store: &Store, name: &str) -> Result<Option<Difference>> {
    let history = store.history(name)?;
    let then = store.results(name)?;
    Ok(first_difference(store, name, &history, &then))
}

/// What [`check`] says of each of these recordings, in their order. Several are executed at once, as many as there are
/// processors.
#[must_use]
pub fn check_all(store: &Store, names: &[String]) -> Vec<Result<Option<Difference>>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut found = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(at) else { return found };
            found.push((at, check(store, name)));
        }
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let mut found: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    found.sort_by_key(|(at, _)| *at);
    found.into_iter().map(|(_, result)| result).collect()
}

/// As [`check`], against these results.
#[must_use]
pub fn first_difference(store: &Store, name: &str, history: &History, then: &Results) -> Option<Difference> {
    let different = |batch, what| Some(Difference { recording: name.to_string(), batch, what });
    if history.batches.len() != then.0.len() {
        return different(None, What::Length);
    }
    let mut cell = match Cell::of(store, history) {
        Ok(cell) => cell,
        Err(error) => return different(None, What::Broken(format!("{error:#}"))),
    };
    cell.keep(Keep::Steps);
    for (batch, then) in history.batches.iter().zip(&then.0) {
        let inputs = batch.sections.iter().flat_map(|section| &section.inputs).map(|input| input.name());
        let inputs = inputs.collect::<Vec<_>>().join(", ");
        let place = (batch.header.index, batch.header.time, if inputs.is_empty() { "tick".into() } else { inputs });
        let now = match cell.apply(batch) {
            Ok(now) => now,
            Err(error) => return different(Some(place), What::Broken(format!("{error:#}"))),
        };
        if let Some(what) = differs(store, history, batch.header.index, then, &now) {
            return different(Some(place), what);
        }
    }
    None
}

fn differs(store: &Store, history: &History, index: BatchIndex, then: &Outcome, now: &Outcome) -> Option<What> {
    // The result is in the hash.
    let key = |call: Option<&Call>| call.map(|call| (call.pid, call.import, call.hash));
    let calls = then.calls.len().max(now.calls.len());
    if let Some(at) = (0..calls).find(|at| key(then.calls.get(*at)) != key(now.calls.get(*at))) {
        let decoded = trace_of(store, history, index).unwrap_or_default();
        let now = decoded.get(at).map(ToString::to_string).or_else(|| now.calls.get(at).map(name_of));
        return Some(What::Call { at: at + 1, then: then.calls.get(at).map(words), now });
    }
    let outputs = then.outputs.len().max(now.outputs.len());
    if let Some(at) = (0..outputs).find(|at| then.outputs.get(*at) != now.outputs.get(*at)) {
        let text = |of: &Outcome| of.outputs.get(at).map(|output| format!("{output:?}"));
        return Some(What::Output { at: at + 1, then: text(then), now: text(now) });
    }
    if then.deadline != now.deadline {
        return Some(What::Deadline { then: then.deadline, now: now.deadline });
    }
    (then.digest != now.digest).then_some(What::Digest)
}

fn name_of(call: &Call) -> String {
    let name = IMPORTS.get(usize::from(call.import)).map_or("a call that is gone", |import| import.name);
    format!("process {}: {name}", call.pid)
}

/// A recorded call, as far as it was recorded.
fn words(call: &Call) -> String {
    let Some(import) = IMPORTS.get(usize::from(call.import)) else { return name_of(call) };
    match errno(import, call.result) {
        Some(errno) => format!("{} = -1 {errno}", name_of(call)),
        None => format!("{} = {}", name_of(call), call.result),
    }
}

/// The error that a call's result stands for, if it stands for one.
#[must_use]
pub fn errno(import: &Import, result: i32) -> Option<Errno> {
    let raw = match import.returns {
        Returns::Errno => result,
        Returns::Value => result.checked_neg()?,
        Returns::Never => return None,
    };
    Errno::from_raw(raw).filter(|errno| *errno != Errno::Success)
}
