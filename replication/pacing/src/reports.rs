//! When a node tells the others what its history amounts to.
//!
//! Reports are how divergence is found, and they are themselves inputs. Two rules keep them from feeding on themselves:
//! a batch that holds nothing but reports is not worth one, and after the last event there is one more, then silence.
//!
//! All nodes must speak of the same batches to be comparable. So regular reports are about indexes divisible by
//! [`EVERY`], and the trailing one is about the last batch with an event, which is the same batch on every node.

use replicode_log::{BatchIndex, Digest, Input, Mono};
use std::time::Duration;

/// Distance of regular reports in batches.
pub const EVERY: u64 = 64;
/// Silence after which the trailing report is sent.
pub const QUIET: Duration = Duration::from_millis(200);

/// Decides about reports. [`Reports::handle_batch`] for each batch applied; when there is none,
/// [`Reports::handle_quiet`] at [`Reports::deadline`]. After either, [`Reports::poll_report`].
#[derive(Debug, Default)]
pub struct Reports {
    /// Something happened since the last regular report.
    fresh: bool,
    /// The last batch with an input that is an event, its digest, and when it was applied.
    last: Option<(BatchIndex, Digest, Mono)>,
    /// The highest batch that this node has reported on.
    told: BatchIndex,
    due: Option<Input>,
}

impl Reports {
    /// A batch was applied. `acted` says that it changed the cell, `events` that something from outside was in it.
    pub fn handle_batch(&mut self, index: BatchIndex, digest: Digest, acted: bool, events: bool, now: Mono) {
        self.fresh |= acted;
        if events {
            self.last = Some((index, digest, now));
        }
        if index.0.is_multiple_of(EVERY) && self.fresh {
            self.fresh = false;
            self.report(index, digest);
        }
    }

    /// Nothing has happened until now.
    pub fn handle_quiet(&mut self, now: Mono) {
        if let Some((index, digest, since)) = self.last.filter(|(index, ..)| *index > self.told)
            && now >= since.plus(QUIET)
        {
            self.report(index, digest);
        }
    }

    /// When [`Reports::handle_quiet`] leads to a report, if nothing happens until then.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.last.filter(|(index, ..)| *index > self.told).map(|(.., since)| since.plus(QUIET))
    }

    /// The report that is due.
    pub const fn poll_report(&mut self) -> Option<Input> {
        self.due.take()
    }

    fn report(&mut self, index: BatchIndex, digest: Digest) {
        self.told = self.told.max(index);
        self.due = Some(Input::Report { index, digest });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Digest = Digest::ZERO;

    fn report(index: u64) -> Option<Input> {
        Some(Input::Report { index: BatchIndex(index), digest: D })
    }

    fn applied(reports: &mut Reports, index: u64, acted: bool, events: bool, now: Mono) -> Option<Input> {
        reports.handle_batch(BatchIndex(index), D, acted, events, now);
        reports.poll_report()
    }

    fn quiet(reports: &mut Reports, now: Mono) -> Option<Input> {
        reports.handle_quiet(now);
        reports.poll_report()
    }

    #[test]
    fn busy_cells_report_regularly() {
        let (mut reports, now) = (Reports::default(), Mono::from_nanos(5));
        let due: Vec<u64> = (1..=200).filter(|i| applied(&mut reports, *i, true, true, now).is_some()).collect();
        assert_eq!(due, [64, 128, 192]);
        assert_eq!(quiet(&mut reports, now), None);
        assert_eq!(reports.deadline(), Some(now.plus(QUIET)));
        assert_eq!(quiet(&mut reports, now.plus(QUIET)), report(200));
        assert_eq!((quiet(&mut reports, now.plus(2 * QUIET)), reports.deadline()), (None, None));
    }

    #[test]
    fn reports_do_not_feed_on_themselves() {
        let (mut reports, mut now) = (Reports::default(), Mono::from_nanos(5));
        applied(&mut reports, 1, true, true, now);
        let mut sent = 0;
        for index in 2..1000 {
            now = now.plus(QUIET);
            sent += usize::from(quiet(&mut reports, now).is_some());
            // Batches that hold reports only, of this node and of others.
            sent += usize::from(applied(&mut reports, index, false, false, now).is_some());
        }
        assert_eq!(sent, 2, "one trailing report, and one at the next multiple");
        assert_eq!(reports.deadline(), None);
    }

    #[test]
    fn timers_alone_cause_no_trailing_report() {
        let (mut reports, now) = (Reports::default(), Mono::from_nanos(5));
        assert_eq!(applied(&mut reports, 63, true, false, now), None);
        assert_eq!(reports.deadline(), None);
        assert_eq!(applied(&mut reports, 64, true, false, now), report(64));
    }
}
