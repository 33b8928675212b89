//! The clock of this host, for machines that only ever see what it showed.

use nix::time::{ClockId, clock_gettime};
use replicode_log::Mono;
use std::time::{Duration, Instant};

/// The moment now.
#[must_use]
pub fn now() -> Mono {
    // Every system that this runs on has this clock.
    clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Mono::LONG_AGO, |time| Mono::of_reading(Duration::from(time)))
}

/// A moment of the past that somebody else has noted: the engine and the network think in these.
#[must_use]
pub fn of(instant: Instant) -> Mono {
    now().minus(instant.elapsed())
}
