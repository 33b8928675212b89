//! What recordings touch, and what there is to be touched.
//!
//! A recording touches what its results and its inputs say: which import gave what, which inputs came, which outputs left.
//! What there is follows from the types and tables of the program, so that something new is missing until a recording
//! has it; for errors, from the sources of the kernel.

use crate::compare::errno;
use crate::recording::{History, Results};
use anyhow::{Context, Result, ensure};
use replicode_log::{Call, Called, ConsoleStream, ExitStatus, Input, Order, Ordered, Output, Refusal, TrapKind};
use replicode_syscalls::abi::{Class, Errno, IMPORTS};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// A name for each kind of a type, and all names. A kind that is new does not compile until it stands here.
macro_rules! kinds {
    ($(#[$doc:meta])* $of:ident, $all:ident, $ty:ty, $($pattern:pat => $name:literal,)*) => {
        $(#[$doc])*
        const fn $of(value: &$ty) -> &'static str {
            match value {
                $($pattern => $name,)*
            }
        }

        /// All of them.
        const $all: &[&str] = &[$($name),*];
    };
}

kinds! {
    input, INPUTS, Input,
    Input::Boot { .. } => "boot",
    Input::NodeDown { .. } => "node-down",
    Input::Spawn(_) => "spawn",
    Input::Kill { .. } => "kill",
    Input::Open { .. } => "open",
    Input::Data { .. } => "data",
    Input::HalfClose { .. } => "half-close",
    Input::Reset { .. } => "reset",
    Input::Acked { .. } => "acked",
    Input::Report { .. } => "report",
    Input::Order { order: Order::Start { .. }, .. } => "order start",
    Input::Order { order: Order::Kill { .. }, .. } => "order kill",
    Input::Call(Call::Open { .. }) => "call open",
    Input::Call(Call::Submit { .. }) => "call submit",
}

kinds! {
    output, OUTPUTS, Output,
    Output::Booted { .. } => "booted",
    Output::BootOver { .. } => "boot-over",
    Output::Data { .. } => "data",
    Output::HalfClose { .. } => "half-close",
    Output::Reset { .. } => "reset",
    Output::Closed { .. } => "closed",
    Output::Credit { .. } => "credit",
    Output::Deaf { .. } => "deaf",
    Output::KeepAlive { wanted: Some(_), .. } => "keepalive on",
    Output::KeepAlive { wanted: None, .. } => "keepalive off",
    Output::Refused { .. } => "refused",
    Output::Console { stream: ConsoleStream::Stdout, .. } => "console stdout",
    Output::Console { stream: ConsoleStream::Stderr, .. } => "console stderr",
    Output::Started { .. } => "started",
    Output::Exited { .. } => "exited",
    Output::Diverged { majority: Some(_), .. } => "diverged with a majority",
    Output::Diverged { majority: None, .. } => "diverged without",
    Output::Restarting { .. } => "restarting",
    Output::Restarted { .. } => "restarted",
    Output::NotRestarting { .. } => "not-restarting",
    Output::Ordered { .. } => "ordered",
    Output::Client { client: Some(_), .. } => "client",
    Output::Client { client: None, .. } => "client none",
    Output::Receipt { .. } => "receipt",
}

kinds! {
    refusal, REFUSALS, Refusal,
    Refusal::NoListener => "no-listener",
    Refusal::Backlog => "backlog",
    Refusal::TableFull => "table-full",
    Refusal::UnknownConn => "unknown-conn",
    Refusal::DuplicateConn => "duplicate-conn",
    Refusal::Gap => "gap",
    Refusal::Window => "window",
    Refusal::StaleBoot => "stale-boot",
    Refusal::Spawn => "spawn",
}

kinds! {
    ending, ENDINGS, ExitStatus,
    ExitStatus::Code(0) => "exit 0",
    ExitStatus::Code(_) => "exit",
    ExitStatus::Trap(TrapKind::StackOverflow) => "trap stack-overflow",
    ExitStatus::Trap(TrapKind::OutOfBounds) => "trap out-of-bounds",
    ExitStatus::Trap(TrapKind::Unreachable) => "trap unreachable",
    ExitStatus::Trap(TrapKind::Arithmetic) => "trap arithmetic",
    ExitStatus::Trap(TrapKind::BadCall) => "trap bad-call",
    ExitStatus::Trap(TrapKind::Other) => "trap other",
    ExitStatus::Killed => "killed",
    ExitStatus::LoadFailed => "load-failed",
}

kinds! {
    ordered, ORDERED, Ordered,
    Ordered::Done { .. } => "done",
    Ordered::Forgotten => "forgotten",
    Ordered::Unknown => "unknown",
    Ordered::Runs { .. } => "runs",
    Ordered::RunsNot => "runs-not",
    Ordered::Full => "full",
}

kinds! {
    called, CALLED, Called,
    Called::Executed { .. } => "executed",
    Called::Repeated { .. } => "repeated",
    Called::Forgotten => "forgotten",
    Called::Gap { .. } => "gap",
    Called::ExpiredClient => "expired-client",
    Called::UnknownClient => "unknown-client",
    Called::NoContracts => "no-contracts",
}

/// What nothing can touch, with the reason.
const UNREACHABLE: &[(&str, &str)] = &[
    ("refusal unknown-conn", "a node speaks for streams of its own boot only, and all of those are of a node"),
    ("refusal stale-boot", "inputs of a boot that is over are dropped without a word"),
    ("ending load-failed", "a module that cannot be started here stops the node, and is no history"),
    ("errno EMLINK", "an inode would need 2^32 names, more than the limit 'inodes' allows"),
    ("errno ESTALE", "a number of an inode that is gone; no descriptor and no name leads to one"),
];

/// What a recording touches, a line each: `call IMPORT ok|ERRNO`, `errno ERRNO`, `input …`, `output …`, `refusal …`,
/// `ending …`, `ordered …`, `called …`.
#[must_use]
pub fn touched(history: &History, results: &Results) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let inputs = history.batches.iter().flat_map(|batch| &batch.sections).flat_map(|section| &section.inputs);
    found.extend(inputs.map(|it| format!("input {}", input(it))));
    let mut answers = BTreeSet::new();
    for outcome in &results.0 {
        answers.extend(outcome.calls.iter().map(|call| {
            let import = IMPORTS.get(usize::from(call.import));
            (call.import, import.and_then(|import| errno(import, call.result)))
        }));
        for it in &outcome.outputs {
            found.insert(format!("output {}", output(it)));
            match it {
                Output::Refused { why, .. } => _ = found.insert(format!("refusal {}", refusal(why))),
                Output::Exited { status, .. } => _ = found.insert(format!("ending {}", ending(status))),
                Output::Ordered { outcome, .. } => _ = found.insert(format!("ordered {}", ordered(outcome))),
                Output::Receipt { outcome, .. } => _ = found.insert(format!("called {}", called(outcome))),
                _ => {}
            }
        }
    }
    for (call, errno) in answers {
        let Some(import) = IMPORTS.get(usize::from(call)) else { continue };
        let answer = errno.map_or("ok".to_string(), |errno| errno.to_string());
        found.insert(format!("call {} {answer}", import.name));
        found.extend(errno.map(|errno| format!("errno {errno}")));
    }
    found
}

/// What there is to be touched. Errors are those that the kernel's sources name.
///
/// # Errors
/// When the sources cannot be read.
pub fn wanted(sources: &Path) -> Result<BTreeSet<String>> {
    let mut wanted = BTreeSet::new();
    for import in IMPORTS {
        let refused = import.class == Class::Refused;
        wanted.insert(format!("call {} {}", import.name, if refused { Errno::NotSup.name() } else { "ok" }));
    }
    for (kind, names) in [
        ("input", INPUTS),
        ("output", OUTPUTS),
        ("refusal", REFUSALS),
        ("ending", ENDINGS),
        ("ordered", ORDERED),
        ("called", CALLED),
    ] {
        wanted.extend(names.iter().map(|name| format!("{kind} {name}")));
    }
    wanted.extend(errnos(sources)?.into_iter().map(|errno| format!("errno {errno}")));
    for (name, _) in UNREACHABLE {
        ensure!(wanted.remove(*name), "'{name}' stands among what cannot be touched, and is nothing any more");
    }
    Ok(wanted)
}

/// The errors that the kernel's sources name, tests and the table of all errors left out.
fn errnos(sources: &Path) -> Result<BTreeSet<String>> {
    let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
    // A line of the table: `Again = 6, "EAGAIN";`
    let table = read(&sources.join("abi/errno.rs"))?;
    let rows = table.lines().filter_map(|line| line.trim().strip_suffix("\";")?.split_once(" = "));
    let rows: Vec<(String, &str)> =
        rows.filter_map(|(name, rest)| Some((format!("Errno::{name}"), rest.split_once('"')?.1))).collect();
    ensure!(rows.len() == Errno::ALL.len(), "the table of errors in {} cannot be read", sources.display());
    let mut found = BTreeSet::new();
    let mut folders = vec![sources.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("tests") {
                folders.push(path);
            } else if path.is_file() && !path.ends_with("abi/errno.rs") && !path.ends_with("tests.rs") {
                let text = read(&path)?;
                let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
                found.extend(rows.iter().filter(|(name, _)| names(&code, name)).map(|(_, errno)| errno.to_string()));
            }
        }
    }
    found.remove(Errno::Success.name());
    Ok(found)
}

/// Whether a text holds a name that does not go on.
fn names(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| !text[at + name.len()..].starts_with(|c: char| c.is_ascii_alphanumeric()))
}
