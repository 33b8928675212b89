//! The processes of a node, for its coordinator.
//!
//! A child's standard input is its lifeline: a line `stop` asks it to stop, its end means that the coordinator is gone, and
//! then the child goes as well, so that no half of a node stays behind. On its standard output it says, in JSON, when it is
//! ready and why it ends. Its log goes where the coordinator's goes.

use crate::bell::Bell;
use crate::bindings::host_control::{Ending, Event, EventKind};
use crate::bindings::types::{Fault, FaultKind};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The running children and what happened to them.
#[derive(Debug, Clone, Default)]
pub struct Children {
    inner: Arc<Mutex<Inner>>,
    /// Rung when something happened.
    pub bell: Bell,
}

#[derive(Debug, Default)]
struct Inner {
    running: BTreeMap<String, ChildStdin>,
    events: VecDeque<Event>,
}

impl Children {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a child under a name.
    pub fn spawn(&self, name: &str, mut command: Command) -> Result<(), Fault> {
        let fault = |kind, text| Fault { kind, text };
        let mut inner = self.lock();
        if inner.running.contains_key(name) {
            return Err(fault(FaultKind::Contract, format!("the process {name} runs already: it was started twice")));
        }
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().and_then(|mut child| {
            match (child.stdin.take(), child.stdout.take()) {
                (Some(lifeline), Some(reports)) => Ok((child, lifeline, reports)),
                _ => Err(std::io::Error::other("its pipes are missing")),
            }
        });
        let (child, lifeline, reports) = started.map_err(|error| {
            let program = command.get_program().to_string_lossy().into_owned();
            fault(FaultKind::Configuration, format!("cannot start the process {name} ({program}): {error}"))
        })?;
        let (children, watched) = (self.clone(), name.to_owned());
        std::thread::Builder::new()
            .name(format!("watch {name}"))
            .spawn(move || children.watch(&watched, child, reports))
            .map_err(|error| fault(FaultKind::Configuration, format!("cannot watch the process {name}: {error}")))?;
        inner.running.insert(name.to_owned(), lifeline);
        Ok(())
    }

    /// Asks a child to stop. One that is gone already has an event.
    pub fn stop(&self, name: &str) {
        if let Some(lifeline) = self.lock().running.get_mut(name) {
            let _ = lifeline.write_all(b"stop\n");
        }
    }

    /// What happened since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.drain(..).collect()
    }

    /// Whether [`Children::events`] would give something.
    pub fn has_events(&self) -> bool {
        !self.lock().events.is_empty()
    }

    fn watch(&self, name: &str, mut child: Child, reports: ChildStdout) {
        let mut fault = None;
        for line in BufReader::new(reports).lines().map_while(Result::ok) {
            match serde_json::from_str::<Value>(&line) {
                Ok(report) if report["ready"] == true => self.happened(name, EventKind::Ready),
                Ok(report) => fault = read_fault(&report["fault"]).or(fault),
                Err(_) => {}
            }
        }
        let ending = match (child.wait(), fault) {
            (Ok(status), None) if status.success() => Ending::Stopped,
            (Ok(status), Some(fault)) if status.code().is_some() => Ending::Faulted(fault),
            (Ok(status), _) => Ending::Died(describe(status)),
            (Err(error), _) => Ending::Died(format!("nobody knows how: {error}")),
        };
        self.lock().running.remove(name);
        self.happened(name, EventKind::Ended(ending));
    }

    fn happened(&self, name: &str, kind: EventKind) {
        self.lock().events.push_back(Event { process: name.to_owned(), kind });
        self.bell.ring();
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("killed by signal {signal}"),
        (None, Some(code)) => format!("ended with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}

const KINDS: [(&str, FaultKind); 5] = [
    ("configuration", FaultKind::Configuration),
    ("storage", FaultKind::Storage),
    ("network", FaultKind::Network),
    ("refused", FaultKind::Refused),
    ("contract", FaultKind::Contract),
];

/// The name of a kind.
pub fn kind_name(kind: FaultKind) -> &'static str {
    KINDS.iter().find(|(_, known)| *known as u8 == kind as u8).map_or("contract", |(name, _)| name)
}

fn read_fault(value: &Value) -> Option<Fault> {
    let kind = value["kind"].as_str()?;
    let kind = KINDS.iter().find(|(name, _)| *name == kind).map(|(_, kind)| *kind)?;
    Some(Fault { kind, text: value["text"].as_str()?.to_owned() })
}

/// What a child says on its standard output when it is ready.
pub fn report_ready() {
    report(&json!({ "ready": true }));
}

/// What a child says on its standard output when it ends with a fault.
pub fn report_fault(fault: &Fault) {
    report(&json!({ "fault": { "kind": kind_name(fault.kind), "text": fault.text } }));
}

/// If nobody listens any more, the lifeline says so too.
fn report(value: &Value) {
    let _ = writeln!(std::io::stdout(), "{value}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn next(children: &Children) -> EventKind {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(event) = children.lock().events.pop_front() {
                assert_eq!(event.process, "a");
                return event.kind;
            }
            assert!(Instant::now() < end, "nothing happened");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn ready_then_stopped_as_asked() {
        let children = Children::default();
        children.spawn("a", shell("echo '{\"ready\":true}'; read line; test \"$line\" = stop")).expect("started");
        assert!(matches!(next(&children), EventKind::Ready));
        let twice = children.spawn("a", shell("true")).expect_err("twice");
        assert!(twice.text.contains("started twice"), "{}", twice.text);
        children.stop("a");
        assert!(matches!(next(&children), EventKind::Ended(Ending::Stopped)));
        children.spawn("a", shell("true")).expect("started again");
        assert!(matches!(next(&children), EventKind::Ended(Ending::Stopped)));
    }

    #[test]
    fn killed_and_faulted() {
        let children = Children::default();
        children.spawn("a", shell("kill -9 $$")).expect("started");
        assert!(matches!(next(&children), EventKind::Ended(Ending::Died(text)) if text == "killed by signal 9"));
        let script = "echo '{\"fault\":{\"kind\":\"refused\",\"text\":\"another disk\"}}'; exit 1";
        children.spawn("a", shell(script)).expect("started");
        let EventKind::Ended(Ending::Faulted(fault)) = next(&children) else { panic!("no fault") };
        assert_eq!((kind_name(fault.kind), fault.text.as_str()), ("refused", "another disk"));
        let mut missing = Command::new("/does/not/exist");
        missing.arg("x");
        assert!(children.spawn("a", missing).expect_err("missing").text.contains("/does/not/exist"));
    }

    #[test]
    fn the_lifeline_is_cut_when_the_coordinator_goes() {
        let children = Children::default();
        children.spawn("a", shell("read line || exit 7")).expect("started");
        children.lock().running.clear();
        assert!(matches!(next(&children), EventKind::Ended(Ending::Died(text)) if text == "ended with code 7"));
    }
}
