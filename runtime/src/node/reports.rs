//! When a node tells the others what its history amounts to.
//!
//! Reports are how divergence is found, and they are themselves inputs. Two rules keep them from feeding on themselves:
//! a batch that holds nothing but reports is not worth one, and after the last event there is one more, then silence.
//!
//! All nodes must speak of the same batches to be comparable. So regular reports are about indexes divisible by
//! [`EVERY`], and the trailing one is about the last batch with an event, which is the same batch on every node.

use replicode_log::{BatchIndex, Digest, Input};
use std::time::{Duration, Instant};

/// Distance of regular reports in batches.
pub const EVERY: u64 = 64;
/// Silence after which the trailing report is sent.
pub const QUIET: Duration = Duration::from_millis(200);

/// Decides about reports. Driven by every batch applied.
#[derive(Debug, Default)]
pub struct Reports {
    /// Something happened since the last regular report.
    fresh: bool,
    /// The last batch with an input that is an event, its digest, and when it was applied.
    last: Option<(BatchIndex, Digest, Instant)>,
    /// The highest batch that this node has reported on.
    told: BatchIndex,
}

impl Reports {
    /// A batch was applied. `acted` says that it changed the cell, `events` that something from outside was in it.
    /// Answers the report that is due.
    pub fn applied(
        &mut self,
        index: BatchIndex,
        digest: Digest,
        acted: bool,
        events: bool,
        now: Instant,
    ) -> Option<Input> {
        self.fresh |= acted;
        if events {
            self.last = Some((index, digest, now));
        }
        if index.0.is_multiple_of(EVERY) && self.fresh {
            self.fresh = false;
            return Some(self.report(index, digest));
        }
        None
    }

    /// When [`Reports::quiet`] has something to say, if nothing happens until then.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.last.filter(|(index, ..)| *index > self.told).map(|(.., since)| since + QUIET)
    }

    /// The trailing report, once it has been quiet long enough.
    pub fn quiet(&mut self, now: Instant) -> Option<Input> {
        let (index, digest, since) = self.last.filter(|(index, ..)| *index > self.told)?;
        (now >= since + QUIET).then(|| self.report(index, digest))
    }

    fn report(&mut self, index: BatchIndex, digest: Digest) -> Input {
        self.told = self.told.max(index);
        Input::Report { index, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Digest = Digest::ZERO;

    fn report(index: u64) -> Option<Input> {
        Some(Input::Report { index: BatchIndex(index), digest: D })
    }

    #[test]
    fn busy_cells_report_regularly() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        let due: Vec<u64> =
            (1..=200).filter(|i| reports.applied(BatchIndex(*i), D, true, true, now).is_some()).collect();
        assert_eq!(due, [64, 128, 192]);
        assert_eq!(reports.quiet(now), None);
        assert_eq!(reports.deadline(), Some(now + QUIET));
        assert_eq!(reports.quiet(now + QUIET), report(200));
        assert_eq!((reports.quiet(now + 2 * QUIET), reports.deadline()), (None, None));
    }

    #[test]
    fn reports_do_not_feed_on_themselves() {
        let (mut reports, mut now) = (Reports::default(), Instant::now());
        reports.applied(BatchIndex(1), D, true, true, now);
        let mut sent = 0;
        for index in 2..1000 {
            now += QUIET;
            sent += usize::from(reports.quiet(now).is_some());
            // Batches that hold reports only, of this node and of others.
            sent += usize::from(reports.applied(BatchIndex(index), D, false, false, now).is_some());
        }
        assert_eq!(sent, 2, "one trailing report, and one at the next multiple");
        assert_eq!(reports.deadline(), None);
    }

    #[test]
    fn timers_alone_cause_no_trailing_report() {
        let (mut reports, now) = (Reports::default(), Instant::now());
        assert_eq!(reports.applied(BatchIndex(63), D, true, false, now), None);
        assert_eq!(reports.deadline(), None);
        assert_eq!(reports.applied(BatchIndex(64), D, true, false, now), report(64));
    }
}
