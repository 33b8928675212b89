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

/// The least that a program can make of [`Patience::unacknowledged`]; a node's own may be less.
const LEAST_UNACKNOWLEDGED: Duration = Duration::from_secs(30);

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
    /// With `TCP_USER_TIMEOUT` set Linux does not count questions: the time that as many of them take as the program
    /// wants is the time that may pass. But that time also ends a host that is there and takes nothing (RFC 9293,
    /// 3.8.6.1: it may do so for as long as it likes), or whose packets are lost for a while, which a keepalive never
    /// does: so a program cannot make it less than half a minute.
    #[must_use]
    pub fn sooner(&self, wanted: Option<KeepAlive>) -> Self {
        let Some(KeepAlive { idle, interval, count }) = wanted else { return *self };
        let seconds = |n: u32| Duration::from_secs(n.into());
        let all = seconds(idle).saturating_add(seconds(interval).saturating_mul(count));
        Self {
            idle: self.idle.min(seconds(idle)),
            interval: self.interval.min(seconds(interval)),
            unacknowledged: self.unacknowledged.min(all.max(LEAST_UNACKNOWLEDGED)),
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
        let hasty = Some(KeepAlive { idle: 5, interval: 1, count: 3 });
        let heeded = Patience { idle: seconds(5), interval: seconds(1), unacknowledged: seconds(30) };
        assert_eq!(node.sooner(hasty), heeded, "a host that takes nothing for a while is not ended");
        let quick = Patience { unacknowledged: seconds(10), ..node };
        assert_eq!(
            quick.sooner(hasty),
            Patience { unacknowledged: seconds(10), ..heeded },
            "the node's own may be less"
        );
        let between = Some(KeepAlive { idle: 20, interval: 5, count: 4 });
        assert_eq!(node.sooner(between).unacknowledged, seconds(40));
    }
}
