//! The sentences that the kernel and the NAT table say to each other. They stand here so that neither imports the
//! other: the machine carries them from one to the other, in order.

use crate::{HostAddr, Pid, SockId};
use borsh::{BorshDeserialize, BorshSerialize};

/// A port of a process's own namespace. A connecting socket has one to itself, handed out by that process's counter or
/// chosen with `bind`; an accepted one shows its listener's, as everywhere.
pub type FlowPort = u16;

/// When a silent peer is asked whether it is still there, as a program wants it (`TCP_KEEPIDLE`, `TCP_KEEPINTVL`,
/// `TCP_KEEPCNT`; RFC 9293, 3.8.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct KeepAlive {
    /// Seconds of silence before the first question.
    pub idle: u32,
    /// Seconds between questions.
    pub interval: u32,
    /// Questions without an answer after which the peer counts as gone.
    pub count: u32,
}

/// Kernel to NAT: what a program did to one of its sockets.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Egress {
    /// The socket listens.
    Listen {
        /// Its process.
        pid: Pid,
        /// The socket.
        sock: SockId,
        /// The port in the process's namespace.
        port: u16,
    },
    /// The socket listens no more. Connections not yet accepted follow as [`Egress::Abort`].
    Unlisten {
        /// The socket.
        sock: SockId,
    },
    /// A connection was taken from the listener's queue and given a descriptor.
    Accepted {
        /// The connection's socket, as returned for [`Ingress::Incoming`].
        sock: SockId,
        /// Its port in the process's namespace: the listener's.
        flow_port: FlowPort,
    },
    /// The program connects.
    Connect {
        /// Its process.
        pid: Pid,
        /// The socket.
        sock: SockId,
        /// Its port in the process's namespace.
        flow_port: FlowPort,
        /// Where to. Addresses of the cell lead to its processes; all others are unreachable for now.
        to: HostAddr,
    },
    /// Bytes to send. Contiguous: the offsets of one socket have neither gap nor repeat.
    Send {
        /// The socket.
        sock: SockId,
        /// Position of the first byte.
        offset: u64,
        /// The bytes; never empty.
        bytes: Vec<u8>,
    },
    /// Nothing more will be sent (`shutdown(SHUT_WR)`, `close`).
    Fin {
        /// The socket.
        sock: SockId,
        /// How many bytes were sent in all.
        offset: u64,
    },
    /// The program has read so far that the peer may send up to `limit`.
    Window {
        /// The socket.
        sock: SockId,
        /// First position not covered.
        limit: u64,
    },
    /// Neither will anything be sent nor can anything be read any more (`shutdown(SHUT_RDWR)`), though the program still
    /// holds the socket: bytes of the peer are to be answered by a reset.
    Deaf {
        /// The socket.
        sock: SockId,
    },
    /// The program has chosen when a silent peer is asked whether it is still there, or (`None`) chooses no more.
    KeepAlive {
        /// The socket.
        sock: SockId,
        /// What it has chosen.
        wanted: Option<KeepAlive>,
    },
    /// The connection is thrown away (RST behind everything that was sent): closed with unread bytes, refused after
    /// queueing, process ended.
    Abort {
        /// The socket.
        sock: SockId,
    },
    /// The program holds no descriptor for the socket any more and both directions are over.
    Closed {
        /// The socket.
        sock: SockId,
    },
}

/// NAT to kernel: what happened to a socket.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ingress {
    /// Somebody connects to a listener. The kernel queues the connection and answers with its new socket, or refuses.
    Incoming {
        /// The listener.
        listener: SockId,
        /// Whom the program sees as its peer.
        peer: HostAddr,
        /// How many bytes may be sent to that peer before the first [`Ingress::Acked`].
        send_window: u64,
    },
    /// A [`Egress::Connect`] succeeded.
    Connected {
        /// The connecting socket.
        sock: SockId,
        /// How many bytes may be sent to that peer before the first [`Ingress::Acked`].
        send_window: u64,
    },
    /// A [`Egress::Connect`] failed.
    ConnectFailed {
        /// The connecting socket.
        sock: SockId,
        /// What the program is told.
        why: Refused,
    },
    /// Bytes arrived, in order.
    Data {
        /// The socket.
        sock: SockId,
        /// The bytes; never empty.
        bytes: Vec<u8>,
    },
    /// The peer will send nothing more.
    Fin {
        /// The socket.
        sock: SockId,
    },
    /// The peer is gone.
    Reset {
        /// The socket.
        sock: SockId,
    },
    /// The peer has taken all bytes before `offset`.
    Acked {
        /// The socket.
        sock: SockId,
        /// Absolute position in the stream that the program sends.
        offset: u64,
    },
}

/// Why a connection could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refused {
    /// Nobody listens there: `ECONNREFUSED`.
    NoListener,
    /// The listener's queue is full: `ECONNREFUSED`.
    Backlog,
    /// The address lies outside the cell: `ENETUNREACH`.
    Unreachable,
    /// The NAT table is full: `ENOBUFS`.
    TableFull,
}
