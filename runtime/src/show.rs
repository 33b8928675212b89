//! `status`, `ps`, `nat`, `log`: what nodes tell, as tables for people or lines of JSON for scripts.

use crate::admin::client::{AdminClient, Silent};
use crate::admin::paused;
use crate::admin::{BatchRow, Clock, ClockOffset, NatLine, ProcessRow, Request, Status};
use crate::args::{AdminArgs, LogArgs};
use crate::recording::Recording;
use anyhow::{Context, Result};
use serde::Serialize;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::Duration;

/// `replicode status`.
///
/// # Errors
/// When no node answers.
pub fn status(args: &AdminArgs, json: bool) -> Result<u8> {
    let target = args.target();
    let asked = AdminClient::connect(&target).and_then(|mut client| client.ask(&Request::Status));
    // A paused node says nothing; its directory does.
    let status: Status = asked.or_else(|error| paused::status(&target, error))?;
    if json { print_json(&[status]) } else { print(&status_text(&status)) }
}

/// `replicode ps`.
///
/// # Errors
/// When no node answers.
pub fn ps(args: &AdminArgs, json: bool) -> Result<u8> {
    let rows: Vec<ProcessRow> = AdminClient::connect(&args.target())?.ask(&Request::Ps)?;
    if json {
        return print_json(&rows);
    }
    print(&ps_text(rows))
}

fn ps_text(rows: Vec<ProcessRow>) -> String {
    let mut table = Table::new(["PID", "NAME", "CALLS", "FDS", "STATE"]);
    let mut texts = String::new();
    for row in rows {
        // What the engine said about a trap has lines of its own.
        if let Some(text) = row.ended.and_then(|ending| ending.text) {
            texts.push_str(&format!("\nprocess {}: {}\n", row.pid, text.trim_end()));
        }
        let or_dash = |count: Option<u64>| count.map_or_else(|| "-".to_string(), |count| count.to_string());
        table.row([row.pid.to_string(), row.name, or_dash(row.calls), or_dash(row.fds), row.state]);
    }
    format!("{table}{texts}")
}

/// `replicode nat`.
///
/// # Errors
/// When no node answers.
pub fn nat(args: &AdminArgs, json: bool) -> Result<u8> {
    let rows: Vec<NatLine> = AdminClient::connect(&args.target())?.ask(&Request::Nat)?;
    if json {
        return print_json(&rows);
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_string());
    let mut table = Table::new(["PROCESS", "PORT", "CONSENSUS", "CONNECTION", "PEER", "STATE", "IN", "OUT"]);
    for row in rows {
        table.row([
            format!("{} ({})", row.process, row.pid),
            or_dash(row.port.map(|port| port.to_string())),
            or_dash(row.consensus_port.map(|port| port.to_string())),
            or_dash(row.conn),
            or_dash(row.peer),
            row.state,
            row.bytes_in.to_string(),
            row.bytes_out.to_string(),
        ]);
    }
    print(&table.to_string())
}

/// `replicode log`: from the running node if there is one, else from the directory.
///
/// # Errors
/// When there is neither, or the log is damaged.
pub fn log(args: &LogArgs, json: bool) -> Result<u8> {
    let target = args.node.target();
    let rows: Vec<BatchRow> = match AdminClient::connect(&target) {
        Ok(mut client) => client.ask(&Request::Log { from: args.from, limit: args.limit })?,
        // A node that does not answer has the directory all the same.
        Err(silent) if silent.is::<Silent>() => return Err(silent),
        Err(_) if target.is_dir() => offline(&Recording::open(&target)?, args.from, args.limit)?,
        Err(no_node) => return Err(no_node),
    };
    if json {
        return print_json(&rows);
    }
    let mut table = Table::new(["BATCH", "TIME", "BYTES", "CONTENT", "DIGEST", "NODES", "INPUTS"]);
    for row in rows {
        let short = |digest: &str| digest.get(..8).unwrap_or("-").to_string();
        let inputs: Vec<_> = row.inputs.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let nodes: Vec<_> = row.origins.iter().map(ToString::to_string).collect();
        table.row([
            row.index.to_string(),
            seconds(row.time_ns),
            row.bytes.to_string(),
            short(&row.content),
            short(row.digest.as_deref().unwrap_or_default()),
            if nodes.is_empty() { "-".to_string() } else { nodes.join(",") },
            if inputs.is_empty() { "tick".to_string() } else { inputs.join(", ") },
        ]);
    }
    print(&table.to_string())
}

fn offline(recording: &Recording, from: Option<u64>, limit: u64) -> Result<Vec<BatchRow>> {
    let mut rows = VecDeque::new();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    for recorded in recording.batches() {
        let recorded = recorded?;
        let index = recorded.batch.header.index.0;
        if from.is_some_and(|from| index < from) {
            continue;
        }
        if rows.len() == limit {
            // Without a first one the last ones are wanted: the oldest makes room, unless none is wanted at all.
            if from.is_some() || rows.pop_front().is_none() {
                break;
            }
        }
        let mut row = BatchRow::of(&recorded.batch, recorded.bytes, recorded.content);
        row.digest = recording.witnesses.get(index as usize - 1).map(ToString::to_string);
        rows.push_back(row);
    }
    Ok(rows.into())
}

fn seconds(nanos: u64) -> String {
    format!("{:.6}", nanos as f64 / 1e9)
}

/// Bytes with a unit, as people read them.
#[must_use]
pub fn bytes(n: u64) -> String {
    match n {
        0..0x2800 => format!("{n} B"),
        0x2800..0xa0_0000 => format!("{} KiB", n >> 10),
        _ => format!("{} MiB", n >> 20),
    }
}

/// From so many milliseconds without a word of a leader on, a node is told to be cut off: longer than an election takes.
const CUT_OFF_MS: u64 = 2_000;

/// Ended processes whose last lines `status` shows.
const STORIES: usize = 3;

fn status_text(status: &Status) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        let _ = writeln!(out, "{name:<10} {value}");
    };
    let leader = status.leader.map_or("nobody leads".to_string(), |leader| format!("node {leader} leads"));
    line("node", format!("{} of '{}', process {}", status.node, status.name, status.pid));
    let alone = match status.cut_off_ms {
        0..CUT_OFF_MS if status.leads_alone() => ", but no majority answers: nothing can be agreed on".to_string(),
        0..CUT_OFF_MS => String::new(),
        ms => format!(", and no leader and no majority has been heard for {ms} ms: nothing can be agreed on here"),
    };
    match (&status.replay, status.role.as_str()) {
        (Some(replay), role) => line("role", format!("{role}: it executes its log again, {replay}")),
        (None, "paused") => {
            line("role", "paused: its process is stopped by a signal; this is what its directory says".into())
        }
        (None, role) => line("role", format!("{role}; {leader} in term {}{alone}", status.term)),
    }
    if let Some(down) = &status.stepped_down {
        line("led", format!("until {} s ago, in term {}: {}", down.ms_ago / 1000, down.term, down.why));
    }
    if status.role == "paused" {
        // The rest is in the memory of a process that cannot be asked.
        line("log", bytes(status.log_bytes));
        if status.applied_index > 0 {
            line("batches", format!("{} applied at least, digest {}", status.applied_index, status.digest));
        }
    } else {
        line(
            "batches",
            format!(
                "{} committed, {} applied, {:.0}/s",
                status.commit_index, status.applied_index, status.batches_per_s
            ),
        );
        line("digest", status.digest.clone());
        line("time", format!("{} s since genesis", seconds(status.time_ns)));
        if let Some(clock) = &status.clock {
            line("clock", clock_text(clock, status.peers.is_empty()));
        }
        if let Some(executing) = &status.executing {
            let busy = Duration::from_millis(executing.ms);
            line(
                "busy",
                format!(
                    "batch {} has been running for {busy:?}; nothing else happens in the cell meanwhile",
                    executing.batch
                ),
            );
        }
        line("up", format!("{} s, boot {}", status.uptime_ms / 1000, status.boot));
        line(
            "memory",
            format!("{}, log {}, {} fsyncs", bytes(status.rss_bytes), bytes(status.log_bytes), status.fsyncs),
        );
    }
    if let Some(contracts) = &status.contracts {
        line("contracts", format!("{} (gRPC)", contracts.listen.as_deref().unwrap_or("not served")));
        line("", format!("batch {}, root {}, digest {}", contracts.batch, contracts.root, contracts.digest));
        let seconds = (contracts.execution_ms / 1e3).max(1e-9);
        let (calls, gas) = (contracts.calls as f64 / seconds, contracts.gas as f64 / seconds);
        line(
            "",
            format!(
                "{} calls since the start ({} without effect), {} gas; while executing {calls:.0} calls/s, {gas:.0} gas/s{}",
                contracts.calls,
                contracts.failed,
                contracts.gas,
                contracts.executions_per_call.map(|n| format!(", {n:.2} executions a call")).unwrap_or_default()
            ),
        );
        line(
            "",
            format!(
                "now {:.0} calls/s, {:.0} gas/s; {:.0} ms of executing, of which {:.0} for roots",
                contracts.calls_per_s, contracts.gas_per_s, contracts.execution_ms, contracts.root_ms
            ),
        );
        if !contracts.current {
            line("", "has not caught up with the others: questions are refused".into());
        }
        line("", format!("checkpoint after batch {}", contracts.checkpoint));
    }
    for port in &status.published {
        line("published", format!("{} -> {}", port.listen, port.service));
    }
    for peer in &status.peers {
        // Only a leader asks its peers all the time; when a follower last needed an answer says nothing.
        let answered = match peer.last_contact_ms {
            _ if status.role != "leader" => String::new(),
            Some(ms) => format!(", answered {ms} ms ago"),
            None => ", has not answered yet".to_string(),
        };
        let trouble = peer.trouble.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let clock = peer.clock.map(|clock| format!(", its clock {}", offset_text(clock))).unwrap_or_default();
        line("peer", format!("{} at {}{answered}{clock}{trouble}", peer.node, peer.addr));
    }
    if status.role != "paused" {
        line("clients", format!("{} {}", status.clients.len(), status.clients.join(" ")).trim_end().to_string());
        line("table", format!("{} of {} connections", status.connections, status.connections_limit));
    }
    for (n, ending) in status.ended.iter().enumerate() {
        // One that fails again and again says the same each time.
        let told = n + STORIES >= status.ended.len();
        line("ended", if told { ending.story(usize::MAX) } else { ending.sentence() });
    }
    if let Some(hint) = &status.hint {
        line("hint", hint.clone());
    }
    out
}

/// How the cell's time is kept, as a sentence.
fn clock_text(clock: &Clock, alone: bool) -> String {
    let whose = if alone { "this node's clock" } else { "a majority's clocks" };
    let own = if alone { String::new() } else { format!("; this node's own {}", offset_text(clock.own)) };
    let apart = clock.majority_ahead_ns.unsigned_abs();
    let rate = u64::from(clock.slew_ppm.max(1));
    let on_its_way = |way: &str| {
        let left = (apart as f64 / 1e9) * 1e6 / rate as f64;
        format!(
            "{:.3} s apart from {whose}: goes {way} by {rate} millionths for another {left:.0} s",
            apart as f64 / 1e9
        )
    };
    let course = match clock.steering.as_str() {
        "no" => format!("follows {whose}"),
        way @ ("faster" | "slower") => on_its_way(way),
        _ => "no majority's clocks are known: keeps this node's pace".to_string(),
    };
    format!("{course}{own}")
}

/// `0.000123 s ahead (±0.000080)`.
fn offset_text(offset: ClockOffset) -> String {
    let seconds = |ns: u64| ns as f64 / 1e9;
    let way = if offset.ahead_ns < 0 { "behind" } else { "ahead" };
    let error = if offset.error_ns == 0 { String::new() } else { format!(" (±{:.6})", seconds(offset.error_ns)) };
    format!("{:.6} s {way}{error}", seconds(offset.ahead_ns.unsigned_abs()))
}

/// Rows under headings, columns as wide as their widest cell; the last one as wide as it likes.
pub struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table with these headings.
    #[must_use]
    pub fn new(heads: [&str; N]) -> Self {
        Self { rows: vec![heads.map(str::to_string)] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }
}

impl<const N: usize> std::fmt::Display for Table<N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N] = std::array::from_fn(width);
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(widths) {
                line.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

/// Prints each value as a line of JSON.
///
/// # Errors
/// When standard output fails.
pub fn print_json<T: Serialize>(values: &[T]) -> Result<u8> {
    let mut text = String::new();
    for value in values {
        text.push_str(&serde_json::to_string(value)?);
        text.push('\n');
    }
    print(&text)
}

/// Prints text.
///
/// # Errors
/// When standard output fails.
pub fn print(text: &str) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    finish(out.write_all(text.as_bytes()).and_then(|()| out.flush()))?;
    Ok(0)
}

/// Whoever read our standard output has seen enough (`| head`): the end, without a word, exit code 1.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads standard output any more")]
pub struct NobodyReads;

/// The result of writing to standard output.
///
/// # Errors
/// [`NobodyReads`] when its other end is closed; all other errors with the stream's name.
pub fn finish(result: std::io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        other => other.context("cannot write to standard output"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{Ending, Peer};

    #[test]
    fn tables_are_aligned() {
        let mut table = Table::new(["A", "LONG", "B"]);
        table.row(["wide cell".into(), "1".into(), "x".into()]);
        table.row(["é".into(), String::new(), String::new()]);
        assert_eq!(table.to_string(), "A          LONG  B\nwide cell  1     x\né\n");
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!([5, 10_240, 50 << 20].map(bytes), ["5 B", "10 KiB", "50 MiB"]);
    }

    #[test]
    fn a_status_is_readable() {
        let status = Status { node: 2, name: "kv".into(), role: "follower".into(), ..Status::default() };
        let text = status_text(&status);
        let replay = Some(crate::admin::Replayed { applied: 1, of: 3 });
        let starting = status_text(&Status { role: "starting".into(), replay, ..Status::default() });
        assert!(starting.contains("starting: it executes its log again, 1 of 3 batches (33 %)"), "{starting}");
        assert!(text.contains("2 of 'kv'") && text.contains("follower; nobody leads in term 0"), "{text}");
    }

    #[test]
    fn clocks_are_shown_with_what_is_known_about_them() {
        let own = ClockOffset { ahead_ns: -20_000, error_ns: 0 };
        let clock = |steering: &str, majority_ahead_ns| {
            let clock = Clock { steering: steering.into(), majority_ahead_ns, slew_ppm: 100_000, own };
            let wrong = ClockOffset { ahead_ns: 2_592_000_000_000_000, error_ns: 1_200_000 };
            let peer = Peer { node: 2, clock: Some(wrong), ..Peer::default() };
            status_text(&Status { clock: Some(clock), peers: vec![peer], ..Status::default() })
        };
        let steady = clock("no", 0);
        assert!(steady.contains("follows a majority's clocks; this node's own 0.000020 s behind\n"), "{steady}");
        assert!(steady.contains("2 at , its clock 2592000.000000 s ahead (±0.001200)\n"), "{steady}");
        let faster = clock("faster", 3_600_000_000_000);
        assert!(faster.contains("3600.000 s apart from a majority's clocks: goes faster by 100000"), "{faster}");
        assert!(faster.contains("for another 36000 s"), "{faster}");
        assert!(clock("slower", -5).contains("goes slower"));
        assert!(clock("unknown", 0).contains("no majority's clocks are known"));
        let alone = Clock { steering: "no".into(), ..Clock::default() };
        let alone = status_text(&Status { clock: Some(alone), ..Status::default() });
        assert!(alone.contains("clock      follows this node's clock\n"), "{alone}");
    }

    #[test]
    fn how_processes_ended_is_shown() {
        let ended = Ending {
            pid: 1,
            process: "kv".into(),
            batch: 7,
            code: None,
            how: "trap: Unreachable".into(),
            text: Some("error\nCaused by:\n    wasm trap: unreachable\n".into()),
            said: vec!["one".into(), "two".into()],
            again: None,
        };
        let text = status_text(&Status { ended: vec![ended.clone()], hint: Some("look".into()), ..Status::default() });
        assert!(
            text.contains(
                "ended      process 1 'kv' ended in batch #7: trap: Unreachable (wasm trap: unreachable)\n  | one\n  | two\n"
            ),
            "{text}"
        );
        assert!(text.ends_with("hint       look\n"), "{text}");
        let state = "ended in batch #7: trap: Unreachable".to_string();
        let row = ProcessRow { pid: 1, name: "kv".into(), state, calls: Some(2), fds: Some(0), ended: Some(ended) };
        let text = ps_text(vec![row]);
        assert!(text.contains("1    kv    2      0    ended in batch #7"), "{text}");
        assert!(text.contains("\nprocess 1: error\nCaused by:\n    wasm trap: unreachable\n"), "{text}");
    }

    #[test]
    fn a_leader_without_a_majority_is_told_apart() {
        let peer = |node, last_contact_ms| Peer { node, last_contact_ms, ..Peer::default() };
        let status = |role: &str, a, b| {
            let (role, peers) = (role.to_string(), vec![peer(2, a), peer(3, b)]);
            status_text(&Status { node: 1, leader: Some(1), role, peers, ..Status::default() })
        };
        assert!(status("leader", Some(60_000), None).contains("no majority answers"));
        assert!(status("leader", Some(60_000), None).contains("3 at , has not answered yet"));
        assert!(!status("leader", Some(60_000), Some(9)).contains("no majority answers"));
        assert!(!status("follower", Some(60_000), None).contains("answer"), "a follower need not ask");
    }
}
