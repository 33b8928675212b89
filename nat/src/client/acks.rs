//! What a client's host has taken: when the log is told, and when a reset may follow.
//!
//! The log is told of what was written to the client's socket, so that the program's send credit returns alike on every
//! node. That need not be at once: until a good part of the window is used the program has room enough, and an input less is
//! a batch less.
//!
//! A reset destroys what still waits on our side, so it may follow an answer only when all of the answer has arrived at the
//! client's host. What has not is asked of the operating system, again and again, as seldom as nothing changes.

use replicode_log::Mono;
use std::time::Duration;

/// How soon, and how seldom at the most, it is asked again whether the last bytes before a reset have arrived. In
/// between it is asked again after as long as nothing has arrived.
const PAUSE: (Duration, Duration) = (Duration::from_millis(1), Duration::from_secs(1));

/// What the log has been told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told(u64);

impl Told {
    /// The position to tell the log, once `step` more bytes than it knows of are written.
    pub(crate) const fn due(&mut self, written: u64, step: u64) -> Option<u64> {
        if written - self.0 < step {
            return None;
        }
        self.0 = written;
        Some(written)
    }
}

/// What was last known of the bytes that have not arrived, and since when it is so much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Arrival(Option<(u32, Mono)>);

/// Whether a reset may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    /// The client's host has it all.
    All,
    /// It has taken nothing more for as long as it may.
    NoMore,
    /// To be asked again after this time.
    Later(Duration),
}

impl Arrival {
    /// `left` bytes have not arrived. `patience`: how long the host may go without taking any.
    pub(crate) fn handle_left(&mut self, left: u32, patience: Duration, now: Mono) -> Arrived {
        let (_, since) = match self.0 {
            Some(known) if known.0 <= left => known,
            _ => *self.0.insert((left, now)),
        };
        let waited = now.since(since);
        if left == 0 {
            Arrived::All
        } else if waited >= patience {
            Arrived::NoMore
        } else {
            let (least, most) = PAUSE;
            Arrived::Later(waited.clamp(least, most).min(patience - waited))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn the_log_is_told_of_steps_and_of_all_that_was_written() {
        let mut told = Told::default();
        let due: Vec<_> =
            [3, 9, 10, 12, 19, 25, 34, 35].into_iter().filter_map(|written| told.due(written, 10)).collect();
        assert_eq!(due, [10, 25, 35]);
    }

    #[test]
    fn a_reset_waits_for_the_last_byte() {
        let (mut arrival, at) = (Arrival::default(), |ms: u32| Mono::LONG_AGO.plus(MS * ms));
        let patience = MS * 10_000;
        assert_eq!(arrival.handle_left(500, patience, at(100)), Arrived::Later(MS));
        assert_eq!(arrival.handle_left(500, patience, at(101)), Arrived::Later(MS));
        assert_eq!(
            arrival.handle_left(500, patience, at(350)),
            Arrived::Later(MS * 250),
            "as seldom as nothing changes"
        );
        assert_eq!(arrival.handle_left(500, patience, at(9_000)), Arrived::Later(MS * 1_000));
        assert_eq!(arrival.handle_left(200, patience, at(10_000)), Arrived::Later(MS), "something has arrived");
        assert_eq!(arrival.handle_left(0, patience, at(10_001)), Arrived::All);
    }

    #[test]
    fn patience_counts_from_the_last_byte_that_arrived_and_is_kept_to_the_moment() {
        let (mut arrival, at) = (Arrival::default(), |ms: u32| Mono::LONG_AGO.plus(MS * ms));
        let patience = MS * 3_000;
        assert_eq!(arrival.handle_left(9, patience, at(0)), Arrived::Later(MS));
        assert_eq!(arrival.handle_left(8, patience, at(2_999)), Arrived::Later(MS));
        assert_eq!(arrival.handle_left(8, patience, at(5_500)), Arrived::Later(MS * 499));
        assert_eq!(
            arrival.handle_left(9, patience, at(5_998)),
            Arrived::Later(MS),
            "our FIN counts as a byte: no news"
        );
        assert_eq!(arrival.handle_left(8, patience, at(5_999)), Arrived::NoMore);
    }
}
