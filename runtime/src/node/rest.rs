//! How a node of a cluster that is told to stop comes to rest first. Pure: the clock is an argument.
//!
//! When all nodes are stopped at once, as `up` does, what is on its way between them should still arrive everywhere:
//! otherwise the last batches stand in the logs without anybody knowing whether they were agreed on. So a node lets go of
//! its clients at once, but goes on with the others until nothing has been on its way for a moment, or it has waited
//! long enough: the others may have other clients.

use super::inbox::StopReason;
use std::time::{Duration, Instant};

/// How often to look.
pub const LOOK: Duration = Duration::from_millis(10);
/// Rest is when nothing was on its way for so long: a follower hears with the next heartbeat what was agreed on.
const QUIET: Duration = Duration::from_millis(120);
/// The longest wait.
const PATIENCE: Duration = Duration::from_millis(600);

/// See the module.
#[derive(Debug)]
pub struct Rest {
    reason: StopReason,
    until: Instant,
    /// Since when nothing is on its way, and which batch was the last then.
    still: Option<(Instant, u64)>,
}

impl Rest {
    /// The node was told to stop.
    #[must_use]
    pub fn new(reason: StopReason, now: Instant) -> Self {
        Self { reason, until: now + PATIENCE, still: None }
    }

    /// A look: the last batch, and whether it is agreed on and executed. Answers why the node stops, once it may.
    pub fn look(&mut self, last: u64, settled: bool, now: Instant) -> Option<StopReason> {
        self.still = match self.still {
            Some((since, before)) if settled && before == last => Some((since, before)),
            _ if settled => Some((now, last)),
            _ => None,
        };
        let rests = self.still.is_some_and(|(since, _)| now >= since + QUIET);
        (rests || now >= self.until).then_some(self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stops_when_nothing_was_on_its_way_for_a_moment_or_after_a_while() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut rest = Rest::new(StopReason::ParentGone, start);
        assert_eq!(rest.look(7, true, at(0)), None);
        assert_eq!(rest.look(8, true, at(100)), None, "one more has come");
        assert_eq!(rest.look(9, false, at(150)), None);
        assert_eq!(rest.look(9, true, at(200)), None);
        assert_eq!(rest.look(9, true, at(319)), None);
        assert_eq!(rest.look(9, true, at(320)), Some(StopReason::ParentGone));
        let mut busy = Rest::new(StopReason::ParentGone, start);
        for ms in (0..600).step_by(10) {
            assert_eq!(busy.look(ms, ms % 20 == 0, at(ms)), None);
        }
        assert_eq!(busy.look(600, false, at(600)), Some(StopReason::ParentGone));
    }
}
