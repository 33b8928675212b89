//! How a client whose host has vanished is noticed: without power or network it sends neither FIN nor RST, and would hold
//! its place in the cell's table for ever.
//!
//! A host that has been silent is asked whether it still knows the connection (keepalive, RFC 9293, 3.8.4); one that owes
//! an acknowledgement is given up after a while (`TCP_USER_TIMEOUT`, RFC 5482). Both are set on the listening socket,
//! from which accepted ones have them on Linux, so that a client costs no further system call.

use replicode_log::KeepAlive;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::time::Duration;

/// How long a client's host may be silent before its client is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Silence before the first question. Whole seconds.
    pub idle: Duration,
    /// Time between questions. Whole seconds.
    pub interval: Duration,
    /// How long the host may owe an answer or an acknowledgement: from the last thing heard of it to a question, from
    /// when bytes were first sent, and for as long as it takes no more bytes although some wait.
    pub unacknowledged: Duration,
}

impl Default for Patience {
    /// Asked after half a minute, given up after a minute.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(30),
            interval: Duration::from_secs(10),
            unacknowledged: Duration::from_secs(60),
        }
    }
}

impl Patience {
    /// What the program wants, where it wants to know sooner.
    ///
    /// With `TCP_USER_TIMEOUT` set Linux does not count questions; so that many of them without an answer end the
    /// connection, as the program wants, their time is the time that may pass.
    #[must_use]
    pub fn sooner(&self, wanted: Option<KeepAlive>) -> Self {
        let Some(KeepAlive { idle, interval, count }) = wanted else { return *self };
        let seconds = |n: u32| Duration::from_secs(n.into());
        let all = seconds(idle).saturating_add(seconds(interval).saturating_mul(count));
        Self {
            idle: self.idle.min(seconds(idle)),
            interval: self.interval.min(seconds(interval)),
            unacknowledged: self.unacknowledged.min(all),
        }
    }
}

/// Sets it on a socket.
pub(crate) fn ask_soon(socket: &SockRef<'_>, patience: &Patience) -> io::Result<()> {
    let keepalive = TcpKeepalive::new().with_time(patience.idle).with_interval(patience.interval);
    socket.set_tcp_keepalive(&keepalive)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(patience.unacknowledged))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_wants_to_know_sooner_is_heeded() {
        let node = Patience::default();
        assert_eq!(node.sooner(None), node);
        let linux = KeepAlive { idle: 7_200, interval: 75, count: 9 };
        assert_eq!(node.sooner(Some(linux)), node, "the node asks sooner than that anyway");
        let seconds = Duration::from_secs;
        let hasty = Patience { idle: seconds(5), interval: seconds(1), unacknowledged: seconds(8) };
        assert_eq!(node.sooner(Some(KeepAlive { idle: 5, interval: 1, count: 3 })), hasty);
    }
}
