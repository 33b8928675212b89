//! How long a client is waited for, and how long its host may be silent.
//!
//! A host that has vanished without power or network sends neither FIN nor RST, and would hold its place in the cell's table
//! for ever. One that has been silent is asked whether it still knows the connection (keepalive, RFC 9293, 3.8.4); one that
//! owes an acknowledgement is given up after a while (`TCP_USER_TIMEOUT`, RFC 5482). The operating system does both; here
//! is said after how long.
//!
//! A client whose program has closed the connection is waited for by this house itself: that it reads what it is still to be
//! sent, and then that it ends its own stream.

use super::Slot;
use replicode_log::{KeepAlive, Mono};
use std::collections::BTreeSet;
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

/// When patience with which client ends. Each client has one deadline at most; it keeps its own, so that this is asked about
/// only when one ends.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(BTreeSet<(Mono, Slot)>);

impl Deadlines {
    /// `slot` has until `deadline`, instead of until `before`.
    pub(crate) fn set(&mut self, slot: Slot, before: Option<Mono>, deadline: Mono) {
        self.forget(slot, before);
        self.0.insert((deadline, slot));
    }

    /// `slot`, which had until `before`, is not waited for any more.
    pub(crate) fn forget(&mut self, slot: Slot, before: Option<Mono>) {
        if let Some(before) = before {
            self.0.remove(&(before, slot));
        }
    }

    /// The next deadline.
    pub(crate) fn first(&self) -> Option<Mono> {
        self.0.first().map(|(deadline, _)| *deadline)
    }

    /// Whose deadline has come, the earliest first. It is forgotten.
    pub(crate) fn take_due(&mut self, now: Mono) -> Option<Slot> {
        if self.first()? > now {
            return None;
        }
        self.0.pop_first().map(|(_, slot)| slot)
    }
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

    #[test]
    fn the_earliest_deadline_counts_and_each_client_has_one() {
        let at = Mono::from_nanos;
        let mut deadlines = Deadlines::default();
        deadlines.set(3, None, at(30));
        deadlines.set(1, None, at(10));
        assert_eq!((deadlines.first(), deadlines.take_due(at(9))), (Some(at(10)), None));
        deadlines.set(1, Some(at(10)), at(40));
        assert_eq!((deadlines.take_due(at(29)), deadlines.take_due(at(30))), (None, Some(3)));
        assert_eq!(deadlines.take_due(at(39)), None);
        deadlines.forget(1, None);
        assert_eq!(deadlines.first(), Some(at(40)));
        deadlines.forget(1, Some(at(40)));
        assert_eq!((deadlines.first(), deadlines.take_due(at(99))), (None, None));
    }
}
