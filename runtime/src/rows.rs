//! The machine's tables as rows for people and scripts.

use crate::admin::{BatchRow, Ending, NatLine, ProcessRow};
use replicode_log::BatchIndex;
use replicode_nat::{NatRow, RowKind};
use replicode_node::queries;
use replicode_node::recent::Summary;
use replicode_syscalls::{ProcessInfo, ProcessState};

/// The processes that live, and those that have ended as far as `ended` remembers them.
#[must_use]
pub fn processes(infos: Vec<ProcessInfo>, ended: &[Ending]) -> Vec<ProcessRow> {
    let ending = |info: &ProcessInfo| {
        let exited = matches!(info.state, ProcessState::Exited(_));
        ended.iter().rev().find(|ending| exited && ending.pid == info.pid.0).cloned()
    };
    let rows = infos.into_iter().map(|info| (ending(&info), info));
    // A program that is started again and again leaves more ended processes than anybody wants to see.
    let shown = rows.filter(|(ended, info)| ended.is_some() || !matches!(info.state, ProcessState::Exited(_)));
    shown.map(|(ended, info)| process(info, ended)).collect()
}

fn process(info: ProcessInfo, ended: Option<Ending>) -> ProcessRow {
    let end = ended.as_ref().map(|ending| (BatchIndex(ending.batch), ending.then()));
    let state = queries::state_in_words(info.state, end);
    let (calls, fds) = (Some(info.calls), Some(info.descriptors as u64));
    ProcessRow { pid: info.pid.0, name: info.name, state, calls, fds, ended }
}

/// A process of which only the name is known, and why.
#[must_use]
pub fn known_by_name(pid: u32, name: String, state: String) -> ProcessRow {
    ProcessRow { pid, name, state, calls: None, fds: None, ended: None }
}

/// A batch that the node remembers.
#[must_use]
pub fn batch(summary: &Summary) -> BatchRow {
    BatchRow {
        index: summary.index.0,
        time_ns: summary.time.nanos(),
        inputs: summary.inputs().map(|(name, count)| (name.to_string(), count.into())).collect(),
        origins: summary.origins().collect(),
        bytes: summary.bytes,
        content: summary.content.to_string(),
        digest: Some(summary.digest.to_string()),
    }
}

/// A row of the NAT table.
#[must_use]
pub fn line(row: NatRow) -> NatLine {
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

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{Batch, BatchBuilder, BatchHeader, BootNo, ConnId, Digest, Input, LogicalTime, NodeId, Pid};
    use replicode_node::recent::Recent;

    fn sample() -> Batch {
        let mut builder = BatchBuilder::new(10, 1000);
        for n in [200, 3] {
            let node = NodeId::new(n).unwrap_or_else(|_| unreachable!("a small number"));
            builder.push(node, BootNo(1), 1, Input::Reset { conn: ConnId::console(Pid(1)) });
            builder.push(node, BootNo(1), 2, Input::Boot { nonce: 1 });
        }
        let time = LogicalTime::from_nanos(7);
        builder.finish(BatchHeader { index: BatchIndex(1), time, seed: 0, parent: Digest::ZERO })
    }

    #[test]
    fn a_remembered_batch_is_shown_as_one_that_is_read() {
        let mut recent = Recent::default();
        recent.handle_batch(&sample(), 99, Digest::ZERO);
        recent.handle_digest(Digest::of(b"x"));
        let shown = recent.rows(None, 5).map(|rows| rows.iter().map(batch).collect::<Vec<_>>());
        let read = BatchRow::of(&sample(), 99, Digest::ZERO);
        assert_eq!(shown, Ok(vec![BatchRow { digest: Some(Digest::of(b"x").to_string()), ..read }]));
    }
}
