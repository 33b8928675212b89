//! `replicode replay`: executes a recorded run again and checks the digest of every batch.
//!
//! Two kinds of witnesses stand against the replay: `digests.bin`, in which the recording node noted what it got, and
//! the reports in the log, in which all nodes said what they got.

use crate::admin::{Again, BatchRow, Ending};
use crate::args::ReplayArgs;
use crate::recording::Recording;
use crate::spread::{Quantiles, Spread};
use crate::{show, telemetry};
use anyhow::{Context, Result};
use nix::time::{ClockId, clock_gettime};
use replicode_contracts::receipt::Receipt;
use replicode_log::{Batch, BatchIndex, Digest, Input, LogicalTime, NodeId, Output, Pid};
use replicode_machine::{Applied, Block};
use replicode_syscalls::Recording as Keep;
use replicode_syscalls::abi::IMPORTS;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{BufWriter, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What a replay found. Scripts rely on `applied_index`, `digest` and `ok`.
#[derive(Debug, Default, Serialize)]
struct Findings {
    /// Last batch executed.
    applied_index: u64,
    /// State digest after it.
    digest: String,
    /// Whether no witness contradicts. Where `checked` and `reports` are 0 there was none.
    ok: bool,
    /// Batches whose digest was compared with the recorded one.
    checked: u64,
    /// The first batch whose digest is not the recorded one.
    mismatch: Option<Mismatch>,
    /// Reports in the log that were compared.
    reports: u64,
    /// Processes that were started anew after they, or those before them, had ended.
    restarts: u64,
    /// Nodes whose reports differ from this replay, with the first batch in which they do.
    other_nodes: BTreeMap<u64, u64>,
    /// Batches at the end of the log that are not known to be committed, left out.
    uncommitted: u64,
    /// Where a crash had cut the log's last write short.
    torn: Option<String>,
    /// Contracts, in a cell that has any.
    contracts: Option<Contracts>,
    /// Seconds of execution.
    seconds: f64,
    /// Seconds that the run took, by its own clock.
    recorded_seconds: f64,
    /// Batches per second.
    batches_per_s: f64,
    /// How much faster than the run.
    speed: f64,
    /// Processor time that executing a batch took.
    batch_cpu_ms: Quantiles,
}

/// What contracts came to.
#[derive(Clone, Debug, Default, Serialize)]
struct Contracts {
    /// Transactions executed.
    calls: u64,
    /// Of these, those without effect.
    failed: u64,
    /// Gas burnt.
    gas: u64,
    /// The last batch with calls.
    batch: u64,
    /// The root of all accounts after it.
    root: String,
    /// What that batch left behind, receipts included; covers all batches before.
    digest: String,
}

impl Contracts {
    fn take(&mut self, block: &Block) {
        let batch = &block.batch;
        (self.batch, self.root, self.digest) = (batch.index, batch.root.to_string(), batch.digest().to_string());
        for receipt in block.sealed.iter().flat_map(|sealed| &sealed.receipts) {
            self.calls += 1;
            self.failed += u64::from(!receipt.is_success());
            self.gas += receipt.gas.burnt;
        }
    }
}

/// Processor time that this thread has used.
fn used() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// A digest that is not the recorded one.
#[derive(Clone, Debug, Serialize)]
struct Mismatch {
    batch: u64,
    recorded: String,
    computed: String,
}

/// Runs the command.
///
/// # Errors
/// When the recording cannot be read or executed.
pub fn run(args: &ReplayArgs, json: bool) -> Result<u8> {
    let recording = Recording::open(&args.dir)?;
    let mut machine = recording.machine()?;
    if args.trace {
        machine.set_recording(Keep::Trace);
    }
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let mut progress = Progress::new(!args.trace && !json);
    let mut found = Findings { torn: recording.torn(), digest: machine.digest().to_string(), ..Findings::default() };
    found.contracts = recording.config.contracts.as_ref().map(|_| Contracts::default());
    let (mut reports, mut endings) = (Reports::default(), Endings::default());
    let (mut first, mut last) = (None, LogicalTime::GENESIS);
    let mut spread = Spread::default();
    let began = Instant::now();
    let mut batches = recording.batches();
    while args.until.is_none_or(|until| found.applied_index < until) {
        let Some(recorded) = batches.next().transpose()? else { break };
        let index = recorded.batch.header.index;
        reports.collect(&recorded.batch);
        if args.trace {
            trace_batch(&mut out, &recorded.batch, recorded.bytes, recorded.content, json)?;
        }
        let before = used();
        let applied = machine
            .apply(recorded.batch, recorded.content)
            .with_context(|| format!("batch {index} cannot be executed"))?;
        spread.add(used().saturating_sub(before));
        if let (Some(contracts), Some(block)) = (&mut found.contracts, &applied.block) {
            contracts.take(block);
        }
        let restarted = restarted(&applied);
        found.restarts += restarted.len() as u64;
        if args.trace {
            for receipt in applied.block.iter().filter_map(|block| block.sealed.as_ref()).flat_map(|it| &it.receipts) {
                trace_receipt(&mut out, applied.time, receipt, json)?;
            }
            for (pid, by) in restarted {
                trace_restart(&mut out, applied.time, pid, by, json)?;
            }
            for record in machine.take_trace() {
                trace_call(&mut out, &record, json)?;
            }
            for ending in endings.of(&applied) {
                trace_ending(&mut out, applied.time, &ending, json)?;
            }
        }
        found.applied_index = index.0;
        found.digest = applied.digest.to_string();
        first = first.or(Some(applied.time));
        last = applied.time;
        reports.computed(index, applied.digest);
        if let Some(witness) = recording.witnesses.get(index.0 as usize - 1) {
            found.checked += 1;
            if *witness != applied.digest {
                let (recorded, computed) = (witness.to_string(), applied.digest.to_string());
                found.mismatch = Some(Mismatch { batch: index.0, recorded, computed });
                break;
            }
        }
        progress.show(index, began);
    }
    found.uncommitted = batches.uncommitted;
    found.seconds = began.elapsed().as_secs_f64();
    found.recorded_seconds = first.map_or(0.0, |first| last.since(first) as f64 / 1e9);
    found.batches_per_s = found.applied_index as f64 / found.seconds.max(1e-9);
    found.speed = found.recorded_seconds / found.seconds.max(1e-9);
    found.batch_cpu_ms = spread.quantiles();
    reports.judge(&mut found);
    progress.clear();
    if json {
        show::finish(writeln!(out, "{}", serde_json::to_string(&found)?))?;
    } else if args.trace {
        // Standard output is the trace, and the same at every replay; this is not.
        telemetry::say(text(&found, &recording).trim_end());
    } else {
        show::finish(write!(out, "{}", text(&found, &recording)))?;
    }
    show::finish(out.flush())?;
    Ok(u8::from(!found.ok))
}

fn text(found: &Findings, recording: &Recording) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "replayed {} batch{} of '{}' in {:.2} s: {:.0} batches/s, {:.1} times as fast as the run ({:.2} s)",
        found.applied_index,
        if found.applied_index == 1 { "" } else { "es" },
        recording.config.name,
        found.seconds,
        found.batches_per_s,
        found.speed,
        found.recorded_seconds
    );
    if let Some(contracts) = found.contracts.as_ref().filter(|contracts| contracts.batch > 0) {
        let _ = writeln!(
            out,
            "contracts: {} calls ({} without effect), {} gas; after batch {} root {}, digest {}",
            contracts.calls, contracts.failed, contracts.gas, contracts.batch, contracts.root, contracts.digest
        );
    }
    if let Some(torn) = &found.torn {
        let _ = writeln!(out, "the log ends in a write that a crash cut short: {torn}");
    }
    if found.uncommitted > 0 {
        let (n, s) = (found.uncommitted, if found.uncommitted == 1 { "" } else { "es" });
        let _ = writeln!(
            out,
            "left out: {n} batch{s} at the end that this node wrote, but did not know to be agreed on when it stopped; it \
             told nobody of their effects. The cluster settles what becomes of such batches at its next start"
        );
    }
    if found.restarts > 0 {
        let (n, s) = (found.restarts, if found.restarts == 1 { "" } else { "s" });
        let _ = writeln!(out, "programs that had ended were started again {n} time{s}");
    }
    for (node, batch) in &found.other_nodes {
        let _ = writeln!(out, "node {node} reported another digest for batch {batch}: it had diverged");
    }
    match &found.mismatch {
        Some(mismatch) => {
            let _ = writeln!(
                out,
                "DIFFERS at batch {}: recorded digest {}, computed {}",
                mismatch.batch, mismatch.recorded, mismatch.computed
            );
        }
        None if !found.ok => {
            let _ = writeln!(out, "DIFFERS: no node reported the digests that this replay gives");
        }
        None if found.checked + found.reports == 0 => {
            let why = if found.applied_index == 0 {
                "no batch was executed"
            } else {
                "neither digests.bin nor a report in the log says what the run had computed"
            };
            let (digest, last) = (&found.digest, found.applied_index);
            let _ = writeln!(out, "nothing was compared: {why}\ndigest {digest} after batch {last}");
        }
        None => {
            let _ = writeln!(
                out,
                "same: {} of {} digests recorded by the node and {} reports in the log agree\ndigest {} after batch {}",
                found.checked, found.applied_index, found.reports, found.digest, found.applied_index
            );
        }
    }
    out
}

fn trace_batch(out: &mut impl Write, batch: &Batch, bytes: usize, content: Digest, json: bool) -> Result<()> {
    let row = BatchRow::of(batch, bytes, content);
    if json {
        return show::finish(writeln!(out, "{}", serde_json::json!({"batch": row})));
    }
    let inputs: Vec<_> = row.inputs.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    let inputs = if inputs.is_empty() { "tick".to_string() } else { inputs.join(", ") };
    show::finish(writeln!(out, "-- batch {} at {}: {inputs}", batch.header.index, batch.header.time))
}

fn trace_receipt(out: &mut impl Write, time: LogicalTime, receipt: &Receipt, json: bool) -> Result<()> {
    let (name, position, status, gas) = (receipt.transaction, receipt.position, &receipt.status, receipt.gas.burnt);
    if json {
        let value = serde_json::json!({
            "transaction": name.to_string(), "position": position, "status": status.to_string(), "gas": gas,
            "receipt": receipt.hash().to_string(),
        });
        return show::finish(writeln!(out, "{}", serde_json::json!({"call": value})));
    }
    show::finish(writeln!(out, "{time} call {position} {name}: {status}, {gas} gas, receipt {}", receipt.hash()))
}

fn trace_call(out: &mut impl Write, record: &replicode_syscalls::TraceRecord, json: bool) -> Result<()> {
    if !json {
        return show::finish(writeln!(out, "{record}"));
    }
    let call = IMPORTS.get(usize::from(record.call)).map_or("unknown", |import| import.name);
    let value = serde_json::json!({
        "time_ns": record.time.nanos(), "pid": record.pid.0, "process": &*record.process, "call": call,
        "args": record.args, "result": record.result, "moved": record.moved,
        "data": String::from_utf8_lossy(&record.data), "told": record.told,
        "error": record.error().map(|errno| errno.to_string()),
    });
    show::finish(writeln!(out, "{value}"))
}

fn trace_ending(out: &mut impl Write, time: LogicalTime, ending: &Ending, json: bool) -> Result<()> {
    if json {
        return show::finish(writeln!(out, "{}", serde_json::json!({"ended": ending})));
    }
    show::finish(writeln!(out, "{time} [{} {}] +++ {}{} +++", ending.pid, ending.process, ending.how, ending.then()))?;
    let text = ending.text.as_deref().unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).try_for_each(|line| show::finish(writeln!(out, "    {line}")))
}

fn trace_restart(out: &mut impl Write, time: LogicalTime, pid: Pid, by: Pid, json: bool) -> Result<()> {
    let (pid, by) = (pid.0, by.0);
    if json {
        return show::finish(writeln!(out, "{}", serde_json::json!({"restarted": {"pid": pid, "by": by}})));
    }
    show::finish(writeln!(out, "{time} [{by}] +++ started again after process {pid} +++"))
}

/// The processes that were started anew in a batch, each with the one that it follows.
fn restarted(applied: &Applied) -> Vec<(Pid, Pid)> {
    let one = |output: &Output| match output {
        Output::Restarted { pid, by } => Some((*pid, *by)),
        _ => None,
    };
    applied.outputs.iter().filter_map(one).collect()
}

/// Follows which processes there are, so that those that end have names.
#[derive(Default)]
struct Endings(BTreeMap<Pid, String>);

impl Endings {
    /// The processes that have ended in a batch.
    fn of(&mut self, applied: &Applied) -> Vec<Ending> {
        let mut ended = Vec::new();
        for output in &applied.outputs {
            match output {
                Output::Started { pid, name } => _ = self.0.insert(*pid, name.clone()),
                Output::Exited { pid, status } => {
                    let text = applied.notes.iter().find(|note| note.pid == *pid).map(|note| note.text.clone());
                    let process = self.0.remove(pid).unwrap_or_default();
                    ended.push(Ending::new(*pid, process, applied.index, *status, text));
                }
                Output::Restarting { pid, at, failures } => {
                    let again = Again::planned(applied.time, *at, *failures);
                    ended
                        .iter_mut()
                        .filter(|it: &&mut Ending| it.pid == pid.0)
                        .for_each(|it| it.again = Some(again.clone()));
                }
                _ => {}
            }
        }
        ended
    }
}

/// What nodes said in the log about their digests, against what the replay gives.
#[derive(Default)]
struct Reports {
    digests: Vec<Digest>,
    said: BTreeMap<BatchIndex, Vec<(NodeId, Digest)>>,
}

impl Reports {
    fn collect(&mut self, batch: &Batch) {
        for section in &batch.sections {
            for input in &section.inputs {
                if let Input::Report { index, digest } = input {
                    self.said.entry(*index).or_default().push((section.origin, *digest));
                }
            }
        }
    }

    fn computed(&mut self, index: BatchIndex, digest: Digest) {
        assert_eq!(self.digests.len() as u64 + 1, index.0);
        self.digests.push(digest);
    }

    fn judge(&self, found: &mut Findings) {
        found.ok = found.mismatch.is_none();
        for (index, said) in &self.said {
            let Some(own) = index.0.checked_sub(1).and_then(|at| self.digests.get(at as usize)) else { continue };
            found.reports += said.len() as u64;
            for (node, _) in said.iter().filter(|(_, digest)| digest != own) {
                found.other_nodes.entry(node.get()).or_insert(index.0);
            }
            // One node may have been wrong; that all were is the replay's fault.
            found.ok &= said.iter().any(|(_, digest)| digest == own);
        }
    }
}

/// A line on the terminal that says how far the replay is.
pub struct Progress {
    shown: Option<Instant>,
    wanted: bool,
}

impl Progress {
    /// Nothing is shown yet; nothing ever is unless `wanted` and there is a terminal.
    pub fn new(wanted: bool) -> Self {
        Self { shown: None, wanted: wanted && std::io::stderr().is_terminal() }
    }

    /// Shows that a batch was executed, now and then.
    pub fn show(&mut self, index: BatchIndex, began: Instant) {
        if !self.wanted || !index.0.is_multiple_of(64) {
            return;
        }
        let now = Instant::now();
        if self.shown.is_none_or(|at| now.duration_since(at) > Duration::from_millis(250)) {
            self.shown = Some(now);
            let rate = index.0 as f64 / now.duration_since(began).as_secs_f64().max(1e-9);
            Self::write(&format!("\r\x1b[Kbatch {index}, {rate:.0} batches/s"));
        }
    }

    /// Removes the line.
    pub fn clear(&self) {
        if self.shown.is_some() {
            Self::write("\r\x1b[K");
        }
    }

    /// The terminal may be gone meanwhile; the replay goes on.
    fn write(text: &str) {
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchBuilder, BatchHeader, BootNo};

    fn digest(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn with_reports(said: &[(u64, u64, &str)]) -> Findings {
        let mut builder = BatchBuilder::new(100, 100_000);
        for (seq, (node, index, text)) in said.iter().enumerate() {
            let report = Input::Report { index: BatchIndex(*index), digest: digest(text) };
            builder.push(NodeId::new(*node).expect("valid"), BootNo(1), seq as u64 + 1, report);
        }
        let header = BatchHeader { index: BatchIndex(3), time: LogicalTime::GENESIS, seed: 0, parent: Digest::ZERO };
        let mut reports = Reports::default();
        reports.collect(&builder.finish(header));
        for (index, text) in [(1, "one"), (2, "two")] {
            reports.computed(BatchIndex(index), digest(text));
        }
        let mut found = Findings::default();
        reports.judge(&mut found);
        found
    }

    #[test]
    fn one_node_may_be_wrong_but_not_all() {
        let agree = with_reports(&[(1, 1, "one"), (2, 1, "one"), (3, 2, "two")]);
        assert!(agree.ok && agree.other_nodes.is_empty() && agree.reports == 3);
        let one = with_reports(&[(1, 2, "two"), (2, 2, "two"), (3, 2, "other")]);
        assert_eq!((one.ok, one.other_nodes), (true, BTreeMap::from([(3, 2)])));
        let all = with_reports(&[(1, 2, "x"), (2, 2, "x")]);
        assert!(!all.ok);
        assert!(with_reports(&[(1, 9, "not reached")]).ok);
    }
}
