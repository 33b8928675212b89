//! The half of the gateway that decides: which client is taken, who is read from and written to, how many bytes, when
//! patience ends, and with what a connection ends. Pure: the half with the sockets (`replicode-gateway`) tells it what
//! happened and does what it asks for.
//!
//! ```text
//!  sockets ── event, bytes read, written ──> handle_x(value, now) ┐            ┌ poll_accept, poll_read, poll_write ──> sockets
//!                                                                 ├─ Clients ──┤ poll_order: keep alive, ask, close
//!  log     ── outputs, boots ──────────────> handle_x(value, now) ┘            └ poll_inputs ───────────────────────> log
//! ```
//!
//! Rules that the rest of the house relies on:
//!
//! 1. **Never a false end.** A client's socket is closed in good order only when the log has asked for it and everything is
//!    written; every other way out is a reset. Where a reset is to be the end, what was sent before arrives first.
//! 2. **Bytes are read only against credit.** What lies in the log unread by the program is bounded per connection.
//! 3. **Bytes not yet written are bounded** by the send window, whose credit returns through [`Input::Acked`].
//! 4. **Everybody has a turn.** Who has more to say comes behind all who wait, and a round is bounded in bytes.
//! 5. **Nothing new while the log is congested**: clients wait in their sockets, where TCP slows them down.
//!
//! [`Input::Acked`]: replicode_log::Input::Acked
//!
//! | module | it is |
//! |---|---|
//! | [`clients`] | who is there, and the rounds in which they are served |
//! | `flow` | one client's two streams, and their ends |
//! | [`patience`] | how long a client and its host are waited for |
//! | `acks` | what the client's host has taken: when the log is told, and when a reset may follow |
//! | `door` | who is let in next, and when nobody is |
//! | `places` | clients by place and by number |

mod acks;
pub mod clients;
mod door;
mod flow;
pub mod patience;
mod places;
#[cfg(test)]
mod tests;

pub use clients::{Clients, Outlook, Settings};
pub use flow::Chunks;
pub use patience::Patience;

use crate::Violation;
use replicode_log::{ConnId, HostAddr, Output, Service};

/// The most bytes of one [`replicode_log::Input::Data`].
pub const CHUNK: usize = 64 << 10;

/// A place for a client and its socket; the same place serves another one later. An event that was on its way when its
/// client went may reach the next one, and does no harm: it only says that trying to read or write may be worth it.
pub type Slot = usize;

/// What is announced of a socket. Each says that trying may be worth it, and nothing is said twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// There may be bytes.
    pub readable: bool,
    /// The client's stream has ended.
    pub read_closed: bool,
    /// There are urgent bytes.
    pub urgent: bool,
    /// There may be room.
    pub writable: bool,
    /// Nothing can be written any more.
    pub write_closed: bool,
    /// The connection has failed.
    pub failed: bool,
}

/// A read that is to be tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToRead {
    /// Whose socket.
    pub slot: Slot,
    /// At most so many bytes, which are never more than [`CHUNK`], and never none.
    pub most: usize,
}

/// What a read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read<'a> {
    /// Bytes, one at least.
    Bytes(&'a [u8]),
    /// The client's end.
    End,
    /// Nothing for now; more is announced.
    Empty,
    /// Nothing, but trying again is worth it.
    Again,
    /// The connection is gone.
    Lost,
}

/// A write that is to be tried now.
#[derive(Debug)]
pub enum ToWrite<'a> {
    /// Bytes.
    Bytes {
        /// To whose socket.
        slot: Slot,
        /// The bytes; as many of them as one call takes.
        chunks: Chunks<'a>,
    },
    /// The end of the stream (FIN).
    End {
        /// Of whose socket.
        slot: Slot,
    },
}

/// What a write led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrote {
    /// So many bytes are written.
    Bytes(usize),
    /// The end of the stream is written.
    End,
    /// Nothing: there is no room. That there is room again is announced.
    Full,
    /// Nothing, but trying again is worth it.
    Again,
    /// The connection is gone.
    Lost,
}

/// Something to be done, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// From now on it is to be announced when somebody waits at a door, at once if somebody does.
    WatchDoors,
    /// Clients are left to wait.
    IgnoreDoors,
    /// The client's host is to be asked whether it is there as soon as this says.
    KeepAlive {
        /// Whose socket.
        slot: Slot,
        /// How soon.
        patience: Patience,
    },
    /// How much of what was written has not arrived is to be told with [`Clients::handle_unacked`].
    Unacked {
        /// On whose socket.
        slot: Slot,
    },
    /// The client's socket is to be closed. Then the place is free.
    Close {
        /// Whose socket.
        slot: Slot,
        /// How.
        ending: Ending,
    },
    /// Something for the node's log.
    Tell(Word),
}

/// How a socket is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As a connection in which both sides have said all that they had to say.
    InGoodOrder,
    /// So that the other side cannot take it for that (RST).
    Reset,
}

/// What people may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// The log has said two things about a connection that cannot both be. It was reset: going on would mean to write other
    /// bytes than the program sent, and a reset is always true.
    Contradiction(ConnId, Violation),
    /// The log has refused a connection.
    Refused(Output),
}

/// Why a client is not welcome. It is to be reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwelcome {
    /// So many are there, which is all that may be.
    Full(usize),
    /// No number is left in this boot.
    NoNumber,
    /// The node has no boot.
    NoBoot,
}

/// What is known of one client, for `replicode clients`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInfo {
    /// The stream's number.
    pub conn: ConnId,
    /// The client's address.
    pub from: HostAddr,
    /// What it connected to.
    pub to: Service,
    /// Where the connection stands.
    pub state: ClientState,
    /// Bytes put into the log.
    pub bytes_in: u64,
    /// First position that may not be put into the log yet.
    pub credit: u64,
    /// Bytes written to the client's socket.
    pub bytes_out: u64,
    /// Bytes that the program has sent and that are not written yet, because the client does not read them.
    pub unwritten: u64,
}

/// Where a client's connection stands, seen from the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientState {
    /// Both sides may send.
    Open,
    /// The client sends nothing more.
    ClientDone,
    /// The program sends nothing more.
    ProgramDone,
    /// Neither sends anything more, but the program still holds its socket.
    BothDone,
    /// Closed by the program; what it sent is being written, and then the client's end is awaited.
    Closing,
}
