//! `replicode diff`: the first batch, input and system call in which two recordings differ.
//!
//! What was agreed on is compared as it stands in the logs. What the programs then did is not in any log; both
//! recordings are executed side by side, and the system calls compared. So a difference in what two runs were given
//! and a difference in what a node made of it are told apart.

use crate::args::DiffArgs;
use crate::cell;
use crate::recording::Recording;
use crate::show;
use anyhow::{Context, Result};
use replicode_log::{Batch, BatchIndex, Call, Digest, Input, NodeId, Section};
use replicode_machine::Machine;
use replicode_syscalls::{Recording as Keep, TraceRecord};
use replicode_wasm::WasmLoader;
use serde::Serialize;
use std::fmt::Write as _;
use std::path::Path;

/// What was found. `equal` says that nothing was.
#[derive(Debug, Default, Serialize)]
struct Difference {
    /// No difference in the batches that both hold.
    equal: bool,
    /// How the two cells differ in what they are, in words.
    cells: Vec<String>,
    /// Batches compared.
    compared: u64,
    /// Batches that only one side holds at its end.
    more_in_a: u64,
    more_in_b: u64,
    /// The first batch that was agreed on differently.
    batch: Option<BatchDifference>,
    /// The first batch that was given different inputs, whatever its time and seed.
    input: Option<BatchDifference>,
    /// The first batch for which the nodes recorded different digests.
    digest: Option<DigestDifference>,
    /// The first system call that differs when both are executed.
    call: Option<CallDifference>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct BatchDifference {
    batch: u64,
    what: String,
    a: String,
    b: String,
}

#[derive(Debug, Serialize)]
struct DigestDifference {
    batch: u64,
    a: String,
    b: String,
    /// Which of the two an execution here gives: `a`, `b` or neither.
    reproduced: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct CallDifference {
    batch: u64,
    /// Position in the batch, from 1.
    number: u64,
    a: Option<String>,
    b: Option<String>,
}

/// Runs the command. Exit code 1 when the recordings differ.
///
/// # Errors
/// When one of them cannot be read or executed.
pub fn run(args: &DiffArgs, json: bool) -> Result<u8> {
    let open = |path: &Path| Recording::open(path).with_context(|| format!("cannot open recording {}", path.display()));
    let a = open(&args.a)?;
    // The same directory twice is allowed: its lock is shared.
    let b = open(&args.b)?;
    let until = args.until.unwrap_or(u64::MAX);
    let mut found = Difference { cells: cells(&a, &b), ..Difference::default() };
    let same_cell = a.config == b.config;
    compare_logs(&a, &b, until, &mut found)?;
    found.digest = a
        .witnesses
        .iter()
        .zip(&b.witnesses)
        .zip(1..)
        .take_while(|(_, n)| *n <= until)
        .find(|((a, b), _)| a != b)
        .map(|((a, b), n)| DigestDifference { batch: n, a: a.to_string(), b: b.to_string(), reproduced: None });
    // Equal logs of one cell give equal calls; there is nothing to execute, unless a node recorded something else.
    if !same_cell || found.batch.is_some() {
        found.call = compare_calls(&a, &b, until)?;
    } else if let Some(digest) = &mut found.digest {
        digest.reproduced = Some(whose(&a, &b, BatchIndex(digest.batch))?);
    }
    let digests_matter = same_cell && found.batch.is_none() && found.digest.is_some();
    found.equal = found.batch.is_none() && found.call.is_none() && !digests_matter;
    if !digests_matter {
        // Different runs have different digests: that says nothing more.
        found.digest = None;
    }
    let differs = u8::from(!found.equal);
    let printed = if json { show::print_json(&[found])? } else { show::print(&text(&found))? };
    Ok(printed.max(differs))
}

fn cells(a: &Recording, b: &Recording) -> Vec<String> {
    let mut cells: Vec<String> = cell::differences(&a.config, &b.config)
        .into_iter()
        .map(|line| line.replace(" recorded", " in A").replace(" asked for", " in B"))
        .collect();
    let main = |r: &Recording| r.config.program(&r.config.name).map(|p| (p.args.clone(), p.env.clone()));
    if let (Some(a), Some(b)) = (main(a), main(b))
        && a != b
    {
        cells.push(format!("arguments and environment: {:?} {:?} in A, {:?} {:?} in B", a.0, a.1, b.0, b.1));
    }
    if a.config.cluster != b.config.cluster {
        cells.push("they are two runs, not two nodes of one".to_string());
    }
    cells
}

/// Finds the first batch that was agreed on differently. Parents are left out: they differ ever after.
fn compare_logs(a: &Recording, b: &Recording, until: u64, found: &mut Difference) -> Result<()> {
    let (mut left, mut right) = (a.batches(), b.batches());
    loop {
        match (left.next().transpose()?, right.next().transpose()?) {
            (Some(x), Some(y)) if x.batch.header.index.0 <= until => {
                if found.input.is_none() {
                    found.input = input_difference(&x.batch, &y.batch);
                }
                if found.batch.is_none() {
                    found.batch = found.input.clone().or_else(|| header_difference(&x.batch, &y.batch));
                }
                found.compared += 1;
            }
            (Some(x), Some(_)) if x.batch.header.index.0 > until => return Ok(()),
            (Some(_), None) => {
                found.more_in_a = 1 + left.count() as u64;
                return Ok(());
            }
            (None, Some(_)) => {
                found.more_in_b = 1 + right.count() as u64;
                return Ok(());
            }
            _ => return Ok(()),
        }
    }
}

/// Where two batches were given different inputs. The numbers that a boot is asked for and an order is given with are left
/// out: they are drawn at random and decide nothing.
fn input_difference(a: &Batch, b: &Batch) -> Option<BatchDifference> {
    let flat = |batch: &Batch| -> Vec<(NodeId, u64, Input)> {
        let plain = |input: &Input| match input {
            Input::Boot { .. } => Input::Boot { nonce: 0 },
            Input::Order { order, .. } => Input::Order { token: 0, order: order.clone() },
            other => other.clone(),
        };
        let one = |s: &Section| {
            let numbered = s.inputs.iter().map(plain).zip(s.first_seq..);
            numbered.map(|(input, seq)| (s.origin, seq, input)).collect::<Vec<_>>()
        };
        batch.sections.iter().flat_map(one).collect()
    };
    let (left, right) = (flat(a), flat(b));
    let at = left.iter().zip(&right).take_while(|(x, y)| x == y).count();
    if at == left.len() && at == right.len() {
        return None;
    }
    let say = |input: Option<&(NodeId, u64, Input)>| match input {
        Some((node, seq, input)) => format!("{} (number {seq} of node {})", describe(input), node.get()),
        None => "no further input".to_string(),
    };
    let what = format!("input {}", at + 1);
    Some(BatchDifference { batch: a.header.index.0, what, a: say(left.get(at)), b: say(right.get(at)) })
}

/// Where two batches were stamped differently.
fn header_difference(a: &Batch, b: &Batch) -> Option<BatchDifference> {
    let (what, a_says, b_says) = if a.header.time != b.header.time {
        ("time", a.header.time.to_string(), b.header.time.to_string())
    } else if a.header.seed != b.header.seed {
        ("seed", format!("{:016x}", a.header.seed), format!("{:016x}", b.header.seed))
    } else {
        return None;
    };
    Some(BatchDifference { batch: a.header.index.0, what: what.to_string(), a: a_says, b: b_says })
}

/// An input in one line.
fn describe(input: &Input) -> String {
    match input {
        Input::Data { conn, offset, bytes } => {
            let preview: String =
                bytes.iter().take(32).flat_map(|b| std::ascii::escape_default(*b)).map(char::from).collect();
            format!("data {conn} at {offset}, {} bytes \"{preview}\"", bytes.len())
        }
        Input::Open { conn, to, from } => format!("open {conn} from {from} to {to}"),
        Input::HalfClose { conn, offset } => format!("half-close {conn} at {offset}"),
        Input::Reset { conn } => format!("reset {conn}"),
        Input::Acked { conn, offset } => format!("acked {conn} to {offset}"),
        Input::Boot { nonce } => format!("boot {nonce:016x}"),
        Input::NodeDown { node, boot } => format!("node-down {} boot {}", node.get(), boot.0),
        Input::Spawn(spawn) => format!("spawn {} {:?}", spawn.program, spawn.args.as_deref().unwrap_or_default()),
        Input::Kill { pid } => format!("kill {pid}"),
        Input::Report { index, digest } => format!("report {index} {}", digest.short()),
        Input::Order { order, .. } => format!("{} {}", input.name(), order.program()),
        Input::Call(Call::Open { token }) => format!("client, token {token:016x}"),
        Input::Call(Call::Submit { client, sequence, transaction }) => {
            let digest = Digest::of(transaction).short();
            format!("call {sequence} of client {client}, {} bytes with digest {digest}", transaction.len())
        }
    }
}

/// One side of an execution.
struct Side<'a> {
    machine: Machine<WasmLoader>,
    batches: crate::recording::Batches<'a>,
}

impl<'a> Side<'a> {
    fn new(recording: &'a Recording, keep: Keep) -> Result<Self> {
        let mut machine = recording.machine()?;
        machine.set_recording(keep);
        Ok(Self { machine, batches: recording.batches() })
    }

    /// Executes the next batch; the digest after it.
    fn step(&mut self) -> Result<Option<(BatchIndex, Digest)>> {
        let Some(recorded) = self.batches.next().transpose()? else { return Ok(None) };
        let index = recorded.batch.header.index;
        let applied = self
            .machine
            .apply(recorded.batch, recorded.content)
            .with_context(|| format!("batch {index} cannot be executed"))?;
        Ok(Some((index, applied.digest)))
    }
}

/// Executes both recordings until a system call differs: first by hashes, then once more to that batch, decoded.
fn compare_calls(a: &Recording, b: &Recording, until: u64) -> Result<Option<CallDifference>> {
    let (mut left, mut right) = (Side::new(a, Keep::Steps)?, Side::new(b, Keep::Steps)?);
    loop {
        let (Some((index, _)), Some(_)) = (left.step()?, right.step()?) else { return Ok(None) };
        if index.0 > until {
            return Ok(None);
        }
        let x = left.machine.steps_of(index).unwrap_or_default();
        let y = right.machine.steps_of(index).unwrap_or_default();
        let at = x.iter().zip(y).take_while(|(x, y)| x == y).count();
        if at < x.len() || at < y.len() {
            let (a, b) = (call_at(a, index, at)?, call_at(b, index, at)?);
            return Ok(Some(CallDifference { batch: index.0, number: at as u64 + 1, a, b }));
        }
    }
}

/// The system call at a place, decoded.
fn call_at(recording: &Recording, batch: BatchIndex, at: usize) -> Result<Option<String>> {
    let mut side = Side::new(recording, Keep::Off)?;
    loop {
        if side.machine.applied().next() == batch {
            side.machine.set_recording(Keep::Trace);
        }
        let Some((index, _)) = side.step()? else { return Ok(None) };
        if index == batch {
            return Ok(side.machine.take_trace().get(at).map(TraceRecord::to_string));
        }
    }
}

/// Whose recorded digest an execution of the (equal) logs gives.
fn whose(a: &Recording, b: &Recording, batch: BatchIndex) -> Result<&'static str> {
    let mut side = Side::new(a, Keep::Off)?;
    while let Some((index, digest)) = side.step()? {
        if index == batch {
            let at = batch.0 as usize - 1;
            let is = |r: &Recording| r.witnesses.get(at) == Some(&digest);
            return Ok(if is(a) {
                "a"
            } else if is(b) {
                "b"
            } else {
                "neither"
            });
        }
    }
    Ok("neither")
}

fn text(found: &Difference) -> String {
    let mut out = String::new();
    for line in &found.cells {
        let _ = writeln!(out, "cells: {line}");
    }
    let mut batch = |kind: &str, d: &BatchDifference| {
        let _ = writeln!(out, "first differing {kind}: {}, {}\n  A: {}\n  B: {}", d.batch, d.what, d.a, d.b);
    };
    if let Some(d) = &found.batch {
        batch("batch", d);
    }
    if let Some(d) = found.input.as_ref().filter(|input| found.batch.as_ref() != Some(*input)) {
        batch("input", d);
    }
    if let Some(d) = &found.digest {
        let _ = writeln!(
            out,
            "the logs are equal, but the nodes recorded different digests for batch {}\n  A: {}\n  B: {}\nexecuted here it gives that of: {}",
            d.batch,
            d.a,
            d.b,
            d.reproduced.unwrap_or("neither")
        );
    }
    if let Some(d) = &found.call {
        let none = || "no further call".to_string();
        let _ = writeln!(
            out,
            "first differing system call: number {} of batch {}\n  A: {}\n  B: {}",
            d.number,
            d.batch,
            d.a.clone().unwrap_or_else(none),
            d.b.clone().unwrap_or_else(none)
        );
    } else if found.batch.is_some() {
        let _ = writeln!(out, "the programs made the same system calls on both sides");
    }
    match found.compared {
        _ if !found.equal => {}
        0 => out.push_str("nothing was compared: there is no batch that both hold\n"),
        1 => out.push_str("same: 1 batch\n"),
        n => _ = writeln!(out, "same: {n} batches"),
    }
    for (side, more) in [("A", found.more_in_a), ("B", found.more_in_b)] {
        if more > 0 {
            let batches = if more == 1 { "batch" } else { "batches" };
            let _ = writeln!(out, "{side} goes on for {more} more {batches}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{BatchBuilder, BatchHeader, BootNo, ConnId, LogicalTime, Pid};

    fn batch(time: u64, inputs: &[&[u8]]) -> Batch {
        let mut builder = BatchBuilder::new(10, 10_000);
        for (bytes, seq) in inputs.iter().zip(1..) {
            let input = Input::Data { conn: ConnId::console(Pid(1)), offset: 0, bytes: bytes.to_vec() };
            builder.push(NodeId::new(1).expect("valid"), BootNo(1), seq, input);
        }
        let time = LogicalTime::from_nanos(time);
        builder.finish(BatchHeader { index: BatchIndex(4), time, seed: time.nanos(), parent: Digest::ZERO })
    }

    #[test]
    fn the_first_difference_of_two_batches_is_told() {
        let what = |a: &Batch, b: &Batch| input_difference(a, b).map(|d| (d.what, d.a, d.b));
        assert_eq!(what(&batch(1, &[b"a"]), &batch(2, &[b"a"])), None);
        let (what_is, a, b) = what(&batch(1, &[b"a", b"b\n"]), &batch(1, &[b"a"])).expect("they differ");
        assert_eq!((what_is.as_str(), b.as_str()), ("input 2", "no further input"));
        assert_eq!(a, "data stdin.1 at 0, 2 bytes \"b\\n\" (number 2 of node 1)");
        assert_eq!(header_difference(&batch(1, &[]), &batch(2, &[])).map(|d| d.what), Some("time".to_string()));
        assert_eq!(header_difference(&batch(1, &[]), &batch(1, &[b"a"])), None);
    }
}
