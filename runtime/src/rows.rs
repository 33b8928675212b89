//! The machine's tables as rows for people and scripts.

use crate::admin::{Ending, NatLine, ProcessRow};
use replicode_log::LogicalTime;
use replicode_machine::Machine;
use replicode_nat::{NatRow, RowKind};
use replicode_syscalls::{ProcessInfo, ProcessState};

/// The processes that live, and those that have ended as far as `ended` remembers them.
pub fn processes<L: replicode_machine::GuestLoader>(machine: &Machine<L>, ended: &[Ending]) -> Vec<ProcessRow> {
    let ending = |info: &ProcessInfo| {
        let exited = matches!(info.state, ProcessState::Exited(_));
        ended.iter().rev().find(|ending| exited && ending.pid == info.pid.0).cloned()
    };
    let rows = machine.processes().map(|info| (ending(&info), info));
    // A program that is started again and again leaves more ended processes than anybody wants to see.
    let shown = rows.filter(|(ended, info)| ended.is_some() || !matches!(info.state, ProcessState::Exited(_)));
    shown.map(|(ended, info)| process(info, ended)).collect()
}

fn process(info: ProcessInfo, ended: Option<Ending>) -> ProcessRow {
    let state = match info.state {
        ProcessState::Ready => "ready".to_string(),
        ProcessState::Waiting { call, until: LogicalTime::NEVER } => format!("waits in {call}"),
        ProcessState::Waiting { call, until } => format!("waits in {call} until {until}"),
        ProcessState::Yielded => "spins".to_string(),
        ProcessState::Exited(status) => match &ended {
            Some(ending) => format!("ended in batch #{}: {status}{}", ending.batch, ending.then()),
            None => format!("ended: {status}"),
        },
    };
    let (calls, fds) = (Some(info.calls), Some(info.descriptors as u64));
    ProcessRow { pid: info.pid.0, name: info.name, state, calls, fds, ended }
}

/// A process of which only the name is known, and why.
#[must_use]
pub fn known_by_name(pid: u32, name: String, state: String) -> ProcessRow {
    ProcessRow { pid, name, state, calls: None, fds: None, ended: None }
}

/// What to say when a client was led to a port on which nobody listens.
pub fn nobody_listens<L>(machine: &Machine<L>) -> String {
    let listeners = machine.nat_rows().filter(|row| matches!(row.kind, RowKind::Listener));
    let mut ports: Vec<(String, u16)> = listeners.filter_map(|row| Some((row.process, row.port?))).collect();
    ports.sort();
    let text = "a client was reset: nobody listens on the port of the cell to which it was led";
    if ports.is_empty() {
        return format!("{text}, nor on any other");
    }
    let all: Vec<String> = ports.iter().map(|(process, port)| format!("HOSTPORT:{process}:{port}")).collect();
    format!("{text}. What is open could be published with --publish {}", all.join(" or "))
}

/// The NAT table.
pub fn nat<L: replicode_machine::GuestLoader>(machine: &Machine<L>) -> Vec<NatLine> {
    machine.nat_rows().map(line).collect()
}

fn line(row: NatRow) -> NatLine {
    let (conn, state) = match row.kind {
        RowKind::Listener => (None, "listens".to_string()),
        RowKind::Client { conn, state } => (Some(conn.to_string()), state.to_string()),
        RowKind::Inside { other: Some(other), state } => (Some(format!("inside.{}", other.0)), state.to_string()),
        RowKind::Inside { other: None, state } => (None, state.to_string()),
    };
    NatLine {
        pid: row.pid.0,
        process: row.process,
        port: row.port,
        consensus_port: Some(row.consensus_port.get()),
        conn,
        peer: row.peer.map(|peer| peer.to_string()),
        state,
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
    }
}
