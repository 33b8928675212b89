//! How a node of a cluster that is told to stop comes to rest first.
//!
//! When all nodes are stopped at once, as `up` does, what is on its way between them should still arrive everywhere:
//! otherwise the last batches stand in the logs without anybody knowing whether they were agreed on. So a node lets go of
//! its clients at once, but goes on with the others until nothing has been on its way for a moment, or it has waited
//! long enough: the others may have other clients.

use replicode_log::Mono;
use std::time::Duration;

/// How often to look.
pub const LOOK: Duration = Duration::from_millis(10);
/// Rest is when nothing was on its way for so long: a follower hears with the next heartbeat what was agreed on.
const QUIET: Duration = Duration::from_millis(120);
/// The longest wait.
const PATIENCE: Duration = Duration::from_millis(600);

/// A node that was told to stop. [`Rest::handle_look`] every [`LOOK`], until [`Rest::is_over`].
#[derive(Clone, Copy, Debug)]
pub struct Rest {
    until: Mono,
    /// Since when nothing is on its way, and which batch was the last then.
    still: Option<(Mono, u64)>,
    over: bool,
}

impl Rest {
    /// The node was told to stop.
    #[must_use]
    pub fn new(now: Mono) -> Self {
        Self { until: now.plus(PATIENCE), still: None, over: false }
    }

    /// The last batch, and whether it is agreed on and executed.
    pub fn handle_look(&mut self, last: u64, settled: bool, now: Mono) {
        self.still = match self.still {
            Some((since, before)) if settled && before == last => Some((since, before)),
            _ if settled => Some((now, last)),
            _ => None,
        };
        let rests = self.still.is_some_and(|(since, _)| now >= since.plus(QUIET));
        self.over |= rests || now >= self.until;
    }

    /// Whether the node may stop.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_stops_when_nothing_was_on_its_way_for_a_moment_or_after_a_while() {
        let at = |ms| Mono::from_nanos(4).plus(Duration::from_millis(ms));
        let look = |rest: &mut Rest, last, settled, ms| {
            rest.handle_look(last, settled, at(ms));
            rest.is_over()
        };
        let mut rest = Rest::new(at(0));
        assert!(!look(&mut rest, 7, true, 0));
        assert!(!look(&mut rest, 8, true, 100), "one more has come");
        assert!(!look(&mut rest, 9, false, 150));
        assert!(!look(&mut rest, 9, true, 200));
        assert!(!look(&mut rest, 9, true, 319));
        assert!(look(&mut rest, 9, true, 320));
        let mut busy = Rest::new(at(0));
        for ms in (0..600).step_by(10) {
            assert!(!look(&mut busy, ms, ms % 20 == 0, ms));
        }
        assert!(look(&mut busy, 600, false, 600));
    }
}
