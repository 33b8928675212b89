//! One end of a connection, at one socket of the cell: its streams, and the states it goes through.

use crate::{ConsensusPort, Intake, Outflow};
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{ConnId, FlowPort, HostAddr, Pid, SockId};
use std::fmt;

/// What is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Far {
    /// A client that a gateway holds.
    Client(ConnId),
    /// Another socket of the cell, whose own far end is this one.
    Socket(SockId),
    /// A socket of the cell that its program has closed in good order. Bytes sent there are answered with a reset, as
    /// TCP does (RFC 9293, 3.10.7.1).
    Gone,
}

/// A socket's end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct End {
    /// The socket's process.
    pub pid: Pid,
    /// The mapping's number. Taken when the connection comes, so that accepting it cannot fail for want of one.
    pub port: ConsensusPort,
    /// The socket's port in its process, for an accepted one its listener's; `None` until the program accepts the
    /// connection.
    pub flow_port: Option<FlowPort>,
    /// Whom the program sees as its peer.
    pub peer: HostAddr,
    pub far: Far,
    /// The stream towards the program.
    pub intake: Intake,
    /// The stream from the program.
    pub outflow: Outflow,
    /// The program has ended both directions and still holds the socket: what comes is answered with a reset, as Linux
    /// does in FIN-WAIT (RFC 1122, 4.2.2.13).
    pub deaf: bool,
}

impl End {
    pub(crate) const fn state(&self) -> FlowState {
        if matches!(self.far, Far::Gone) {
            return FlowState::Orphaned;
        }
        match (self.flow_port, self.intake.ended(), self.outflow.ended()) {
            (None, _, _) => FlowState::Pending,
            (Some(_), false, false) => FlowState::Established,
            (Some(_), true, false) => FlowState::PeerDone,
            (Some(_), false, true) => FlowState::ProgramDone,
            (Some(_), true, true) => FlowState::BothDone,
        }
    }
}

/// Where an end of a connection stands.
///
/// From each state a reset by either side, the end of the process, a violation of the streams' offsets, and for a
/// client the end of its node's boot lead out of the table. Besides those:
///
/// | state | exits |
/// |---|---|
/// | `Pending` | the program accepts it: `Established`, or `PeerDone` when the peer has finished meanwhile |
/// | `Established` | the peer's FIN: `PeerDone`; the program's: `ProgramDone` |
/// | `PeerDone` | the program's FIN: `BothDone` |
/// | `ProgramDone` | the peer's FIN: `BothDone`; the program closes the socket: out of the table |
/// | `BothDone` | the program closes the socket: out of the table |
/// | `Orphaned` | the program closes the socket: out of the table; it sends something: it is told of a reset, and out |
///
/// An end whose far end is a socket of the cell becomes `Orphaned` from any state when that socket is closed in good
/// order: all that it sent has arrived, nobody is there to read an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlowState {
    /// In the listener's queue. Bytes may come already.
    Pending,
    /// Both sides may send.
    Established,
    /// Half-closed: the peer sends nothing more.
    PeerDone,
    /// Half-closed: the program sends nothing more.
    ProgramDone,
    /// Neither side sends anything more, but the program still holds the socket.
    BothDone,
    /// The other end was a socket of the cell and is closed.
    Orphaned,
}

impl fmt::Display for FlowState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Established => "established",
            Self::PeerDone => "peer-done",
            Self::ProgramDone => "program-done",
            Self::BothDone => "both-done",
            Self::Orphaned => "orphaned",
        })
    }
}
