//! The table as people see it, for `replicode nat`.

use crate::flow::Far;
use crate::{ConsensusPort, FlowState, Nat};
use replicode_log::{ConnId, HostAddr, Pid, SockId};

/// What a row stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKind {
    /// A socket that listens.
    Listener,
    /// A client and a socket.
    Client {
        /// The client's stream.
        conn: ConnId,
        /// Where the connection stands.
        state: FlowState,
    },
    /// One end of a connection inside the cell; the other end is a row of its own.
    Inside {
        /// The socket at the other end, unless it is closed.
        other: Option<SockId>,
        /// Where this end stands.
        state: FlowState,
    },
}

/// One mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatRow {
    /// The process.
    pub pid: Pid,
    /// Its name.
    pub process: String,
    /// The socket.
    pub sock: SockId,
    /// Its port in the process; `None` for a connection that was not accepted yet.
    pub port: Option<u16>,
    /// The port that stands for it on all nodes.
    pub consensus_port: ConsensusPort,
    /// The other end's address; `None` for a listener.
    pub peer: Option<HostAddr>,
    /// What it is.
    pub kind: RowKind,
    /// Bytes towards the program.
    pub bytes_in: u64,
    /// Bytes from the program.
    pub bytes_out: u64,
}

impl Nat {
    /// All mappings: listeners by process and port, then connections by socket.
    pub fn rows(&self) -> impl Iterator<Item = NatRow> {
        let listeners = self.services.listeners().map(|(pid, port, listener)| NatRow {
            pid,
            process: self.services.name(pid).to_string(),
            sock: listener.sock,
            port: Some(port),
            consensus_port: listener.port,
            peer: None,
            kind: RowKind::Listener,
            bytes_in: 0,
            bytes_out: 0,
        });
        let flows = self.table.ends().map(|(sock, end)| NatRow {
            pid: end.pid,
            process: self.services.name(end.pid).to_string(),
            sock,
            port: end.flow_port,
            consensus_port: end.port,
            peer: Some(end.peer),
            kind: match end.far {
                Far::Client(conn) => RowKind::Client { conn, state: end.state() },
                Far::Socket(other) => RowKind::Inside { other: Some(other), state: end.state() },
                Far::Gone => RowKind::Inside { other: None, state: end.state() },
            },
            bytes_in: end.intake.received(),
            bytes_out: end.outflow.sent(),
        });
        listeners.chain(flows)
    }
}
