//! What leaves a cell because of a batch.

use crate::{BatchIndex, BootNo, ConnId, Digest, KeepAlive, LogicalTime, NodeId, Pid};
use borsh::{BorshDeserialize, BorshSerialize};
use std::fmt;

/// Why an input was not admitted. The verdict is the same on all nodes, and the same at replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Refusal {
    /// No process of that name listens on that port.
    NoListener,
    /// The listener's queue of connections not yet accepted is full.
    Backlog,
    /// The cell has as many connections as its limits allow.
    TableFull,
    /// The stream is not known (any more).
    UnknownConn,
    /// A stream of that number exists already.
    DuplicateConn,
    /// Bytes are missing before the offset given.
    Gap,
    /// The bytes exceed the credit that was given.
    Window,
    /// The input comes from a boot of its node that is over.
    StaleBoot,
    /// The program named is not in the cluster's configuration, or cannot be started.
    Spawn,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoListener => "no process listens there",
            Self::Backlog => "the listener's backlog is full",
            Self::TableFull => "the cell has reached its limit of connections",
            Self::UnknownConn => "the connection is not known",
            Self::DuplicateConn => "the connection exists already",
            Self::Gap => "bytes are missing before this offset",
            Self::Window => "more bytes than the window allows",
            Self::StaleBoot => "sent by a boot of the node that is over",
            Self::Spawn => "the program cannot be started",
        })
    }
}

/// Which of a process's two console streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub enum ConsoleStream {
    /// File descriptor 1.
    Stdout,
    /// File descriptor 2.
    Stderr,
}

/// Why a guest was stopped by the engine. Only the kind is part of a run's history, never an address or a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum TrapKind {
    /// The wasm stack limit was reached.
    StackOverflow,
    /// An access outside linear memory or a table.
    OutOfBounds,
    /// `unreachable` (an abort, usually).
    Unreachable,
    /// Integer division by zero, overflow, or a conversion that has no result.
    Arithmetic,
    /// An indirect call to nothing, or to a function of another type.
    BadCall,
    /// Any other trap, an uncaught exception included.
    Other,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum ExitStatus {
    /// `proc_exit`, or the end of `_start` (code 0).
    Code(u32),
    /// The engine stopped it.
    Trap(TrapKind),
    /// It was killed through the log.
    Killed,
    /// It could not be started at all.
    LoadFailed,
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit {code}"),
            Self::Trap(kind) => write!(f, "trap: {kind:?}"),
            Self::Killed => f.write_str("killed"),
            Self::LoadFailed => f.write_str("could not be started"),
        }
    }
}

/// What became of an [`crate::Order`].
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Ordered {
    /// It is done: these processes were started, or ended.
    Done {
        /// The processes.
        pids: Vec<Pid>,
    },
    /// The program did not run, but was to be started anew after a pause; it no longer is.
    Forgotten,
    /// The configuration has no program of that name.
    Unknown,
    /// It is not started, because it runs.
    Runs {
        /// Its process.
        pid: Pid,
    },
    /// It is not ended, because it does not run.
    RunsNot,
    /// It cannot be started: the cell has as many processes as its limits allow.
    Full,
}

/// What became of a [`crate::Call::Submit`]: whether it was executed, not what that came to. The receipts of a batch are below its
/// digest of contracts, which is a link of the state digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Called {
    /// It was executed in this batch.
    Executed {
        /// Its place among the batch's transactions, from 0.
        position: u32,
    },
    /// It is a repeat: the number was executed before.
    Repeated {
        /// In which batch.
        batch: BatchIndex,
        /// At which place.
        position: u32,
    },
    /// It is a repeat of a number so old that where it was executed is forgotten.
    Forgotten,
    /// Not executed: an earlier number of the client's is missing.
    Gap {
        /// The one that is due.
        next: u64,
    },
    /// Not executed: the client was not heard of for so long that others have taken its room. What it submitted before stands.
    ExpiredClient,
    /// Not executed: the log has given this number to nobody yet.
    UnknownClient,
    /// Not executed: the cell has no contracts.
    NoContracts,
}

impl fmt::Display for Called {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Executed { position } => write!(f, "executed at place {position}"),
            Self::Repeated { batch, position } => write!(f, "executed before, in batch {batch} at place {position}"),
            Self::Forgotten => f.write_str("executed before, so long ago that its place is forgotten"),
            Self::Gap { next } => write!(f, "not executed: number {next} of this client is missing"),
            Self::ExpiredClient => {
                f.write_str("not executed: the client has expired, since others were heard of later")
            }
            Self::UnknownClient => f.write_str("not executed: no client of this number was ever opened"),
            Self::NoContracts => f.write_str("not executed: the cell has no contracts"),
        }
    }
}

/// One effect of a batch. All nodes compute all outputs; only the node that holds a stream acts on those for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Output {
    /// A node's [`crate::Input::Boot`] was admitted.
    Booted {
        /// The node.
        node: NodeId,
        /// Its boot number from now on.
        boot: BootNo,
        /// The nonce of the input.
        nonce: u64,
    },
    /// A boot is over: everything that it held has been reset.
    BootOver {
        /// The node.
        node: NodeId,
        /// The boot that is over.
        boot: BootNo,
    },
    /// Bytes for a client.
    Data {
        /// The stream.
        conn: ConnId,
        /// Position of the first byte.
        offset: u64,
        /// The bytes; never empty.
        bytes: Vec<u8>,
    },
    /// The program will send nothing more: FIN once everything before `offset` is out.
    HalfClose {
        /// The stream.
        conn: ConnId,
        /// How many bytes it sent in all.
        offset: u64,
    },
    /// The program closed the connection with bytes of the client unread, or it was reset by the log: RST once
    /// everything that was sent before is out and taken by the client's host, and forget it. What the client still sends
    /// is thrown away.
    Reset {
        /// The stream.
        conn: ConnId,
    },
    /// Both directions are over for the program; forget the stream once all bytes are out.
    Closed {
        /// The stream.
        conn: ConnId,
    },
    /// The gateway may put bytes before `limit` into the log.
    Credit {
        /// The stream.
        conn: ConnId,
        /// First position that is not covered.
        limit: u64,
    },
    /// Nobody can read what the client sends from now on, though the program still holds the connection: the client's
    /// next byte is answered by a reset, without a word of it to the log.
    Deaf {
        /// The stream.
        conn: ConnId,
    },
    /// How soon the program wants a silent client to be asked whether it is still there; `None`: as the node likes.
    KeepAlive {
        /// The stream.
        conn: ConnId,
        /// What the program has chosen.
        wanted: Option<KeepAlive>,
    },
    /// An input for a stream was not admitted.
    Refused {
        /// The stream.
        conn: ConnId,
        /// Why.
        why: Refusal,
    },
    /// A process wrote to its console.
    Console {
        /// The process.
        pid: Pid,
        /// Where it wrote to.
        stream: ConsoleStream,
        /// What it wrote.
        bytes: Vec<u8>,
    },
    /// A process was started.
    Started {
        /// The process.
        pid: Pid,
        /// Its name.
        name: String,
    },
    /// A process has ended.
    Exited {
        /// The process.
        pid: Pid,
        /// How.
        status: ExitStatus,
    },
    /// Reports about a batch are in and differ. `minority` must stop; when nobody has a majority, everybody must.
    Diverged {
        /// The batch that was reported on.
        index: BatchIndex,
        /// The digest of the majority, if there is one.
        majority: Option<Digest>,
        /// Nodes whose digest is another, with that digest.
        minority: Vec<(NodeId, Digest)>,
        /// The last reported batch on which all agreed.
        agreed: BatchIndex,
    },
    /// A process that has ended will be started anew.
    Restarting {
        /// The process that has ended.
        pid: Pid,
        /// When the next one is started; not before the first batch of that time or later.
        at: LogicalTime,
        /// How many times in a row it has ended after a short run.
        failures: u32,
    },
    /// A process that was started is the successor of one that has ended. Comes before the [`Output::Started`] of it.
    Restarted {
        /// The process that had ended.
        pid: Pid,
        /// The new one.
        by: Pid,
    },
    /// A process that has ended is not started anew after all: an operator wants it so.
    NotRestarting {
        /// The process that has ended.
        pid: Pid,
    },
    /// What became of an [`crate::Input::Order`].
    Ordered {
        /// The token of the order.
        token: u64,
        /// What became of it.
        outcome: Ordered,
    },
    /// What became of a [`crate::Call::Open`].
    Client {
        /// The token of the input.
        token: u64,
        /// The client's number, never given again; none where the cell has no contracts.
        client: Option<u64>,
    },
    /// What became of a [`crate::Call::Submit`].
    Receipt {
        /// Whose.
        client: u64,
        /// Which of theirs.
        sequence: u64,
        /// What became of it.
        outcome: Called,
    },
}

impl Output {
    /// The stream that the output is for, if it is for one.
    #[must_use]
    pub const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Data { conn, .. }
            | Self::HalfClose { conn, .. }
            | Self::Reset { conn }
            | Self::Closed { conn }
            | Self::Credit { conn, .. }
            | Self::Deaf { conn }
            | Self::KeepAlive { conn, .. }
            | Self::Refused { conn, .. } => Some(*conn),
            _ => None,
        }
    }
}
