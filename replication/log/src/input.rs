//! What enters a cell through the log.

use crate::{BatchIndex, BootNo, ConnId, Digest, NodeId, Pid};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use std::fmt;

/// An IPv4 or IPv6 address with a port, as the outside world knows a client. Data only: no room can connect to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum HostAddr {
    /// Four address bytes in network order, and a port in host order.
    V4([u8; 4], u16),
    /// Sixteen address bytes in network order, and a port in host order.
    V6([u8; 16], u16),
}

impl HostAddr {
    /// The port, in host order.
    #[must_use]
    pub const fn port(&self) -> u16 {
        match self {
            Self::V4(_, port) | Self::V6(_, port) => *port,
        }
    }
}

impl fmt::Display for HostAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4([a, b, c, d], port) => write!(f, "{a}.{b}.{c}.{d}:{port}"),
            Self::V6(bytes, port) => {
                f.write_str("[")?;
                for (i, pair) in bytes.chunks(2).enumerate() {
                    let colon = if i > 0 { ":" } else { "" };
                    write!(f, "{colon}{:x}", u16::from_be_bytes([pair[0], pair[1]]))?;
                }
                write!(f, "]:{port}")
            }
        }
    }
}

/// The inner end that a published port leads to: a port in the network namespace of a named process.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
pub struct Service {
    /// Name of the process, as in [`crate::ProgramSpec::name`].
    pub process: String,
    /// Port that the process listens on.
    pub port: u16,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.process, self.port)
    }
}

/// Starts one more process of a program that the cluster configuration knows.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Spawn {
    /// The program, by its name in [`crate::ClusterConfig::programs`].
    pub program: String,
    /// Arguments that replace the program's own, `argv[0]` included, or `None` to keep them.
    pub args: Option<Vec<String>>,
    /// Environment that replaces the program's own, or `None` to keep it.
    pub env: Option<Vec<(String, String)>>,
    /// Whether standard input comes through the log; otherwise it is at its end from the start.
    pub stdin: bool,
}

/// What an operator wants of a program of the cell.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Order {
    /// Start a program that does not run, as the configuration has it.
    Start {
        /// Its name in [`crate::ClusterConfig::programs`].
        program: String,
    },
    /// End all processes of a program, as by `SIGKILL`. They are not started anew, whatever the configuration says.
    Kill {
        /// Its name.
        program: String,
    },
}

impl Order {
    /// The program that it is about.
    #[must_use]
    pub fn program(&self) -> &str {
        match self {
            Self::Start { program } | Self::Kill { program } => program,
        }
    }
}

/// Something for the cell's contracts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Call {
    /// Somebody wants to be known as a client, to number what they submit. The answer is an [`crate::Output::Client`].
    Open {
        /// Drawn by the node that was asked, so that it recognises the answer. It decides nothing.
        token: u64,
    },
    /// A transaction. The answer is an [`crate::Output::Receipt`].
    Submit {
        /// Whose, as numbered by the log.
        client: u64,
        /// The client's own number for it: 1, 2, 3, … A repeat is answered and not executed.
        sequence: u64,
        /// The transaction, encoded (`docs/formats/transaction.md`). Whether it is one is decided when it is executed.
        transaction: Vec<u8>,
    },
}

/// One event from outside. Inputs are what the nodes agree on; all else follows from them.
///
/// Stream offsets count the bytes of one direction from 0 and are absolute, so a repeat or a gap is visible.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Input {
    /// The node that sends this has been started. The log answers with its next boot number and resets whatever the
    /// node held before. A repeat with the same nonce changes nothing.
    Boot {
        /// Drawn by the node at its start, so that a resent input is recognised.
        nonce: u64,
    },
    /// The leader has not heard from a node for the configured time: what that boot held is reset.
    NodeDown {
        /// The silent node.
        node: NodeId,
        /// Its boot that is over. Ignored when the node has meanwhile been started again.
        boot: BootNo,
    },
    /// A process is to be started.
    Spawn(Spawn),
    /// A process is to be ended, as by `SIGKILL`.
    Kill {
        /// The process.
        pid: Pid,
    },
    /// A client has connected.
    Open {
        /// The new stream; the sending node chose the number.
        conn: ConnId,
        /// Where the client wants to get to.
        to: Service,
        /// The client's address.
        from: HostAddr,
    },
    /// Bytes from a client, or for a standard input.
    Data {
        /// The stream.
        conn: ConnId,
        /// Position of the first byte.
        offset: u64,
        /// The bytes; never empty.
        bytes: Vec<u8>,
    },
    /// The client will send nothing more (FIN; end of file).
    HalfClose {
        /// The stream.
        conn: ConnId,
        /// How many bytes it sent in all.
        offset: u64,
    },
    /// The client's connection is gone (RST, error, time-out).
    Reset {
        /// The stream.
        conn: ConnId,
    },
    /// The client's host has taken all bytes before `offset`: send credit returns.
    Acked {
        /// The stream.
        conn: ConnId,
        /// Number of bytes handed over so far.
        offset: u64,
    },
    /// The sending node says what its history amounted to after a batch; nodes in a minority stop.
    Report {
        /// The batch.
        index: BatchIndex,
        /// The node's state digest after it.
        digest: Digest,
    },
    /// An operator wants something; the answer is an [`crate::Output::Ordered`].
    Order {
        /// Drawn by the node that was asked, so that it recognises the answer. It decides nothing.
        token: u64,
        /// What is wanted.
        order: Order,
    },
    /// Something for the cell's contracts.
    Call(Call),
}

impl Input {
    /// Roughly how many bytes the input takes in an encoded batch: the unit of the batch's byte cap.
    #[must_use]
    pub fn weight(&self) -> usize {
        const FIXED: usize = 32;
        match self {
            Self::Data { bytes, .. } => FIXED + bytes.len(),
            Self::Open { to, .. } => FIXED + 24 + to.process.len(),
            Self::Spawn(spawn) => {
                let args: usize = spawn.args.iter().flatten().map(|arg| arg.len() + 4).sum();
                let env: usize = spawn.env.iter().flatten().map(|(k, v)| k.len() + v.len() + 8).sum();
                FIXED + spawn.program.len() + args + env
            }
            Self::Report { .. } => FIXED + 16,
            Self::Order { order, .. } => FIXED + order.program().len(),
            Self::Call(Call::Submit { transaction, .. }) => FIXED + transaction.len(),
            _ => FIXED,
        }
    }

    /// Whether the input tells of the world outside. Housekeeping between nodes ([`Input::Report`]) does not, and so
    /// must not by itself cause further housekeeping: an idle cluster writes nothing.
    #[must_use]
    pub const fn is_event(&self) -> bool {
        !matches!(self, Self::Report { .. })
    }

    /// A short name for tables and traces.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Boot { .. } => "boot",
            Self::NodeDown { .. } => "node-down",
            Self::Spawn(_) => "spawn",
            Self::Kill { .. } => "kill",
            Self::Open { .. } => "open",
            Self::Data { .. } => "data",
            Self::HalfClose { .. } => "half-close",
            Self::Reset { .. } => "reset",
            Self::Acked { .. } => "acked",
            Self::Report { .. } => "report",
            Self::Order { order: Order::Start { .. }, .. } => "start",
            Self::Order { order: Order::Kill { .. }, .. } => "kill",
            Self::Call(Call::Open { .. }) => "client",
            Self::Call(Call::Submit { .. }) => "call",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_print_as_people_write_them() {
        assert_eq!(HostAddr::V4([127, 0, 0, 1], 80).to_string(), "127.0.0.1:80");
        let mut loopback = [0; 16];
        loopback[15] = 1;
        assert_eq!(HostAddr::V6(loopback, 80).to_string(), "[0:0:0:0:0:0:0:1]:80");
    }

    #[test]
    fn weight_bounds_the_encoding() {
        let inputs = [
            Input::Boot { nonce: u64::MAX },
            Input::Data { conn: ConnId::console(Pid(1)), offset: 1, bytes: vec![0; 100] },
            Input::Open {
                conn: ConnId::console(Pid(1)),
                to: Service { process: "main".into(), port: 80 },
                from: HostAddr::V6([1; 16], 1),
            },
            Input::Report { index: BatchIndex(1), digest: Digest::ZERO },
            Input::Order { token: 1, order: Order::Start { program: "main".into() } },
            Input::Call(Call::Open { token: u64::MAX }),
            Input::Call(Call::Submit { client: 1, sequence: u64::MAX, transaction: vec![7; 200] }),
        ];
        for input in inputs {
            let encoded = borsh::to_vec(&input).map(|bytes| bytes.len());
            assert!(encoded.is_ok_and(|len| len <= input.weight()), "{input:?}");
        }
    }
}
