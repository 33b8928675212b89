//! The clock of this host, for machines that only ever see what it showed.

use replicode_log::Mono;

/// The moment now.
#[must_use]
pub fn now() -> Mono {
    crate::host::mono()
}
