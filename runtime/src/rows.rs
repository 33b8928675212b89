//! The machine's tables as rows for people and scripts.

use crate::admin::{NatLine, ProcessRow};
use replicode_log::LogicalTime;
use replicode_machine::Machine;
use replicode_nat::{NatRow, RowKind};
use replicode_syscalls::{ProcessInfo, ProcessState};

/// All processes, those that have ended included.
pub fn processes<L: replicode_machine::GuestLoader>(machine: &Machine<L>) -> Vec<ProcessRow> {
    machine.processes().map(process).collect()
}

fn process(info: ProcessInfo) -> ProcessRow {
    let state = match info.state {
        ProcessState::Ready => "ready".to_string(),
        ProcessState::Waiting { call, until: LogicalTime::NEVER } => format!("waits in {call}"),
        ProcessState::Waiting { call, until } => format!("waits in {call} until {until}"),
        ProcessState::Yielded => "spins".to_string(),
        ProcessState::Exited(status) => format!("ended: {status}"),
    };
    ProcessRow { pid: info.pid.0, name: info.name, state, calls: info.calls, fds: info.descriptors as u64 }
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
        consensus_port: row.consensus_port.map(|port| port.get()),
        conn,
        peer: row.peer.map(|peer| peer.to_string()),
        state,
        bytes_in: row.bytes_in,
        bytes_out: row.bytes_out,
    }
}
