//! This node differs from others, or from what it was itself: what is known about it is left where people find it.

use super::ApplyLoop;
use crate::datadir;
use anyhow::{Error, Result, anyhow};
use replicode_node::deed::Parted;

/// Reports about a difference that are kept, with the digests that were set aside.
const REPORTS: usize = 2 * 8;

impl ApplyLoop {
    /// Why this node stops, with all that is known.
    pub(super) fn parted(&mut self, parted: &Parted) -> Error {
        match (self.state.doubt.take(), &parted.verdict, self.write_report(parted)) {
            (Some(doubt), _, Ok(report)) => doubt.context(report),
            (Some(doubt), _, Err(other)) => doubt.context(other),
            (None, Some(verdict), Ok(report)) => anyhow!("{verdict}\n{report}"),
            (None, None, Ok(report)) => anyhow!(report),
            (None, _, Err(other)) => other,
        }
    }

    /// Leaves `divergence-<index>.txt`.
    fn write_report(&mut self, Parted { index, report, .. }: &Parted) -> Result<String> {
        let path = self.dir.file(&format!("divergence-{}.txt", index.0));
        datadir::write_atomically(&path, report.as_bytes())?;
        // A machine that is broken differs at another batch at each start.
        datadir::keep_newest(self.dir.root(), "divergence-", REPORTS)?;
        self.digests.set_aside(&self.dir.file(&format!("divergence-{}.digests", index.0)))?;
        Ok(format!("{report}This report: {}", path.display()))
    }
}
