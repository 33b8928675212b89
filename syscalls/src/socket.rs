//! One stream socket, as the program sees it. Pure state: what goes out is said by the callers.
//!
//! ```text
//!            bind             listen
//! Idle ───────────────> Idle ────────> Listening ── close ──> gone, its queue aborted
//!  │                     │
//!  │ connect             │ connect
//!  v                     v
//! Connecting ── answer ──> Connected ── both ways over, close ──> gone
//!  │ refused               ^       │
//!  v                       │       └── reset by the peer: `reset`, still Connected until closed
//! Idle, `error` set        └────────── or made in a listener's queue
//! ```

use crate::abi::Errno;
use crate::chunks::Chunks;
use crate::family::Family;
use crate::sockets::Slot;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{FlowPort, HostAddr, KeepAlive, Pid, SockId};
use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

/// What a waiting process wants to hear of: bits of `EPOLL*`. The end of the stream, the outcome of a connect and errors
/// are told to everybody.
pub(crate) mod interest {
    use crate::abi::types::epoll;

    /// Bytes, or a connection to accept.
    pub(crate) const READ: u32 = epoll::READABLE;
    /// Room to send.
    pub(crate) const WRITE: u32 = epoll::WRITABLE;
}

/// Where a socket stands in its life.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum State {
    /// Neither listening nor connected; bound when it has a port.
    Idle,
    /// Connections queue here until they are accepted.
    Listening {
        backlog: u32,
        queue: VecDeque<Slot>,
        /// The listener of the other family at the same port.
        twin: Option<Slot>,
    },
    /// The NAT table has been asked.
    Connecting,
    /// Has, or had, a peer.
    Connected,
}

/// Options that a program can set. Those without an effect here are kept so that they can be read back.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Options {
    pub(crate) keep: Keep,
    /// `SO_RCVTIMEO` in nanoseconds, 0 for none.
    pub(crate) recv_timeout: u64,
    /// `SO_SNDTIMEO` in nanoseconds, 0 for none.
    pub(crate) send_timeout: u64,
    /// `SO_LINGER`: whether, and for how many seconds.
    pub(crate) linger: Option<u32>,
    /// `POLL_ROOM_ONCE`: whether `poll_oneoff` has told of the room that there is.
    pub(crate) room_told: Option<bool>,
    /// Options that are told again and nothing else, by level and number, where they differ from their defaults.
    pub(crate) kept: BTreeMap<(u32, u32), u32>,
}

/// When a silent peer is asked whether it is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Keep {
    /// `SO_KEEPALIVE`.
    pub(crate) on: bool,
    /// `TCP_KEEPIDLE`, `TCP_KEEPINTVL`, `TCP_KEEPCNT`.
    pub(crate) timing: KeepAlive,
}

impl Default for Keep {
    /// Linux's (tcp(7)): off; two hours, then nine times every 75 seconds.
    fn default() -> Self {
        Self { on: false, timing: KeepAlive { idle: 7_200, interval: 75, count: 9 } }
    }
}

impl Keep {
    /// What whoever holds the connection is to be told.
    pub(crate) fn wanted(self) -> Option<KeepAlive> {
        self.on.then_some(self.timing)
    }
}

/// A stream socket. All positions count bytes of one direction from 0.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Socket {
    pub(crate) id: SockId,
    pub(crate) pid: Pid,
    pub(crate) family: Family,
    pub(crate) state: State,
    /// The address shown as its own.
    pub(crate) local_ip: IpAddr,
    /// The port shown as its own.
    pub(crate) local_port: Option<u16>,
    /// The port that it holds in the process's port space: bound, listening or connecting. An accepted socket holds none.
    pub(crate) held_port: Option<FlowPort>,
    /// The program chose the port with `bind`, so a connect that fails does not free it.
    pub(crate) bound: bool,
    pub(crate) peer: Option<HostAddr>,
    /// Bytes that arrived and were not read.
    pub(crate) recv: Chunks,
    /// Bytes that arrived.
    pub(crate) arrived: u64,
    /// The receive limit that the NAT table knows.
    pub(crate) window_told: u64,
    /// The peer will send nothing more.
    pub(crate) recv_over: bool,
    /// The program wants nothing more (`SHUT_RD`).
    pub(crate) recv_shut: bool,
    /// Bytes sent.
    pub(crate) sent: u64,
    /// Position that may be sent up to.
    pub(crate) send_limit: u64,
    /// How far the limit lies beyond what the peer has taken.
    pub(crate) send_window: u64,
    /// The program will send nothing more (`SHUT_WR`), and that has been said.
    pub(crate) send_shut: bool,
    /// The peer is gone.
    pub(crate) reset: bool,
    /// What the next call is told, once (`SO_ERROR`).
    pub(crate) error: Option<Errno>,
    /// A connect has failed, and no second `connect` has been told so yet.
    pub(crate) refused: bool,
    /// A connect that did not wait has succeeded, and no second `connect` has been told so yet.
    pub(crate) connect_news: bool,
    pub(crate) options: Options,
    pub(crate) waiters: Waiters,
    /// Position in the outbox of the last bytes sent, so that more can join them.
    pub(crate) outbox: u64,
}

impl Socket {
    /// A fresh socket.
    pub(crate) fn new(id: SockId, pid: Pid, family: Family, recv_window: u32) -> Self {
        Self {
            id,
            pid,
            family,
            state: State::Idle,
            local_ip: family.any(),
            local_port: None,
            held_port: None,
            bound: false,
            peer: None,
            recv: Chunks::default(),
            arrived: 0,
            window_told: recv_window.into(),
            recv_over: false,
            recv_shut: false,
            sent: 0,
            send_limit: 0,
            send_window: 0,
            send_shut: false,
            reset: false,
            error: None,
            refused: false,
            connect_news: false,
            options: Options::default(),
            waiters: Waiters::default(),
            outbox: 0,
        }
    }

    /// Becomes connected, with credit for the first bytes.
    pub(crate) fn connect(&mut self, send_window: u64) {
        self.state = State::Connected;
        self.send_window = send_window;
        self.send_limit = send_window;
    }

    /// A connect came to nothing: the socket is as before it. Answers the port that it no longer holds.
    pub(crate) fn connect_failed(&mut self, error: Errno) -> Option<FlowPort> {
        self.state = State::Idle;
        self.peer = None;
        self.error = Some(error);
        self.refused = true;
        if self.bound {
            return None;
        }
        self.local_ip = self.family.any();
        self.local_port = None;
        self.held_port.take()
    }

    pub(crate) const fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected)
    }

    /// Bytes that may be sent now.
    pub(crate) const fn room(&self) -> u64 {
        self.send_limit.saturating_sub(self.sent)
    }

    /// The peer has taken everything before `offset`. A repeat changes nothing.
    pub(crate) fn acked(&mut self, offset: u64) {
        let taken = offset.min(self.sent);
        self.send_limit = self.send_limit.max(taken.saturating_add(self.send_window));
    }

    /// The peer is gone: what arrived can still be read, then comes `ECONNRESET` once, then the end.
    pub(crate) fn reset_by_peer(&mut self) {
        self.reset = true;
        self.recv_over = true;
        self.send_shut = true;
        self.error = Some(Errno::ConnReset);
    }

    /// The receive limit, when it has moved far enough to be told.
    pub(crate) fn window_news(&mut self, recv_window: u32) -> Option<u64> {
        if self.recv_over {
            return None;
        }
        window_news(&mut self.window_told, self.arrived - self.recv.len() as u64, recv_window)
    }
}

/// The limit up to which bytes may arrive, `recv_window` beyond what the program has taken, when it lies far enough
/// beyond the one that was told last: a quarter of the window, so that a program that takes single bytes does not cause
/// news with each. The same rule for sockets and standard inputs.
pub(crate) fn window_news(told: &mut u64, taken: u64, recv_window: u32) -> Option<u64> {
    let limit = taken + u64::from(recv_window);
    let due = limit - *told >= u64::from(recv_window / 4).max(1);
    due.then(|| {
        *told = limit;
        limit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connected() -> Socket {
        let mut socket = Socket::new(SockId(1), Pid(1), Family::V4, 100);
        socket.connect(10);
        socket
    }

    #[test]
    fn credit_follows_what_the_peer_took() {
        let mut socket = connected();
        assert_eq!(socket.room(), 10);
        socket.sent = 10;
        assert_eq!(socket.room(), 0);
        socket.acked(4);
        assert_eq!(socket.room(), 4);
        socket.acked(2);
        assert_eq!(socket.room(), 4);
        // An acknowledgement of bytes never sent gives no credit beyond the window.
        socket.acked(u64::MAX);
        assert_eq!(socket.room(), 10);
    }

    #[test]
    fn the_window_moves_in_quarters() {
        let mut socket = connected();
        socket.recv.push(vec![0; 60]);
        socket.arrived = 60;
        assert_eq!(socket.window_news(100), None);
        socket.recv.take(&mut [0; 24]);
        assert_eq!(socket.window_news(100), None);
        socket.recv.take(&mut [0; 1]);
        assert_eq!(socket.window_news(100), Some(125));
        assert_eq!(socket.window_news(100), None);
        socket.recv.take(&mut [0; 35]);
        socket.recv_over = true;
        assert_eq!(socket.window_news(100), None);
    }

    #[test]
    fn a_window_too_small_for_quarters_moves_byte_by_byte() {
        let mut told = 3;
        assert_eq!(window_news(&mut told, 0, 3), None);
        assert_eq!(window_news(&mut told, 1, 3), Some(4));
        assert_eq!((window_news(&mut told, 1, 3), told), (None, 4));
    }
}
