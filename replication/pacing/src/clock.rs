//! The cell's clock on the node that leads: what time to stamp on a batch. Pure: the readings of this host's clocks and
//! what the others' showed are arguments.
//!
//! Between two looks at the clocks, time goes on at the pace of the monotonic clock. At each look it is compared with
//! what a [majority](mod@majority) of the members' wall clocks shows, this node's own among them as one of many:
//!
//! - It is behind: it goes forward at once as far as this host's clocks also witness that time has passed (an idle hour,
//!   a suspended machine), and over a difference of no more than [`Steering::bound`]. Over a larger one it is slewed:
//!   it goes faster by [`Steering::slew_ppm`] until it has caught up.
//! - It is ahead: it goes slower by as much. It never stands still or goes back.
//! - It lies where a majority's clocks may stand, or nobody knows where that is: it keeps the pace.
//!
//! So one wrong clock of three changes nothing, whoever's it is, and a clock that is set changes time by degrees unless
//! it is set by little. A node that comes to lead goes on from where the history is, carried on by its own monotonic
//! clock. Only a node that has not seen the cell alive since its own start has no witness of how much time has passed:
//! there the majority alone decides.

pub mod majority;
pub mod news;
pub mod sample;
#[cfg(test)]
mod tests;

use majority::majority;
use replicode_log::{LogicalTime, Mono};
use sample::Bounds;
use std::time::Duration;

/// What is caught up with, or lost, counts from the last look, but from no longer ago than this: a difference that shows
/// after an hour without a look began a moment ago for all anybody knows.
const CREDIT: Duration = Duration::from_secs(1);
/// A smaller difference may come from the clocks being read one after the other, and is none.
const SLACK: Duration = Duration::from_millis(1);

/// How time is brought to where the majority's clocks are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steering {
    /// A difference of no more than this is jumped over; forward only.
    pub bound: Duration,
    /// By how many millionths time goes faster or slower while it is slewed, at most half of its pace.
    pub slew_ppm: u32,
}

impl Steering {
    /// The most that [`Steering::slew_ppm`] may be.
    pub const MOST_PPM: u32 = 500_000;
}

impl Default for Steering {
    fn default() -> Self {
        Self { bound: Duration::from_secs(1), slew_ppm: 100_000 }
    }
}

/// The clocks of this host, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Readings {
    /// The wall clock, since the Unix epoch.
    pub wall: Duration,
    /// The monotonic clock; it may stand still while the machine is suspended.
    pub mono: Mono,
    /// A monotonic clock that also counts while the machine is suspended, since any fixed moment.
    pub boot: Duration,
}

/// What the last look has found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Course {
    /// No majority's clocks are known: the pace is this host's.
    #[default]
    Unknown,
    /// Time is where a majority's clocks are.
    Steady,
    /// It is behind by so many nanoseconds and goes faster.
    Faster(u64),
    /// It is ahead by so many nanoseconds and goes slower.
    Slower(u64),
}

/// How far a clock is ahead of the cell's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Nanoseconds; negative when it is behind.
    pub ahead_ns: i64,
    /// By how much that may be wrong.
    pub error_ns: u64,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct LeaderClock {
    epoch_unix_ns: u64,
    steering: Steering,
    leads: bool,
    /// The time of the last batch followed.
    tip: LogicalTime,
    /// The time at a reading of the monotonic clock.
    base: Option<(LogicalTime, Mono)>,
    course: Course,
    /// How far time may have come for all that this host's clocks witness, at a reading of the one that counts through
    /// suspensions. `None`: the cell has not been seen alive since this node's start.
    witness: Option<(LogicalTime, Duration)>,
}

impl LeaderClock {
    /// A clock that counts from `epoch_unix_ns` nanoseconds after the Unix epoch.
    #[must_use]
    pub const fn new(epoch_unix_ns: u64, steering: Steering) -> Self {
        let (tip, course) = (LogicalTime::GENESIS, Course::Unknown);
        Self { epoch_unix_ns, steering, leads: false, tip, base: None, course, witness: None }
    }

    /// While another node leads: the history has reached `time`. `alive`: some of it was made after this node's start.
    pub fn follow(&mut self, time: LogicalTime, alive: bool, now: &Readings) {
        if self.leads {
            return;
        }
        // Time may lie behind what this host would make of it, if the leader slows it down: the leader's word counts.
        if self.base.is_none() || self.tip != time {
            (self.base, self.tip) = (Some((time, now.mono)), time);
        }
        let witnessed = self.witnessed(now).or_else(|| alive.then(|| self.now(now.mono)));
        self.witness = witnessed.map(|witnessed| (witnessed.max(time), now.boot));
    }

    /// This node begins to lead, and the history that it continues has reached `time`.
    pub fn lead(&mut self, time: LogicalTime, now: &Readings) {
        self.base = Some((self.now(now.mono).max(time), now.mono));
        self.course = Course::Unknown;
        self.leads = true;
    }

    /// This node does not lead (any more).
    pub fn rest(&mut self, mono: Mono) {
        if self.leads {
            self.base = Some((self.now(mono), mono));
            self.course = Course::Unknown;
            self.leads = false;
        }
    }

    /// Whether this node leads.
    #[must_use]
    pub const fn leads(&self) -> bool {
        self.leads
    }

    /// The time now, by the monotonic clock. Never less than what was answered before while this node leads.
    #[must_use]
    pub fn now(&self, mono: Mono) -> LogicalTime {
        let Some((time, at)) = self.base else { return LogicalTime::GENESIS };
        let passed = nanos(mono.since(at));
        let credit = passed.min(nanos(CREDIT)) * u64::from(self.steering.slew_ppm.min(Steering::MOST_PPM)) / 1_000_000;
        match self.course {
            Course::Unknown | Course::Steady => time.plus(passed),
            Course::Faster(behind) => time.plus(passed.saturating_add(credit.min(behind))),
            Course::Slower(ahead) => time.plus(passed - credit.min(ahead)),
        }
    }

    /// Compares time with the wall clocks of all members, this node's own included, and sets the course. To be called
    /// several times a second while this node leads.
    pub fn look(&mut self, now: &Readings, clocks: &[Option<Bounds>]) {
        if !self.leads {
            return;
        }
        let (mut time, mut course) = (self.now(now.mono), Course::Unknown);
        if let Some(Bounds { low, high }) = majority(clocks) {
            let (low, high) = (self.logical(low), self.logical(high));
            // Both this host's clocks and the majority's say that it is so late.
            time = time.max(low.min(self.witnessed(now).unwrap_or(LogicalTime::NEVER)));
            if low.since(time) <= nanos(self.steering.bound) {
                time = time.max(low);
            }
            course = match (low.since(time), time.since(high)) {
                (behind, _) if behind > nanos(SLACK) => Course::Faster(behind),
                (_, ahead) if ahead > nanos(SLACK) => Course::Slower(ahead),
                _ => Course::Steady,
            };
            self.witness = Some((time, now.boot));
        }
        self.base = Some((time, now.mono));
        self.course = course;
    }

    /// What the last look has found.
    #[must_use]
    pub const fn course(&self) -> Course {
        self.course
    }

    /// How far a clock is ahead of the cell's time.
    #[must_use]
    pub fn offset(&self, clock: Bounds, mono: Mono) -> Offset {
        let time = i128::from(self.epoch_unix_ns) + i128::from(self.now(mono).nanos());
        let ahead = i128::from(clock.low.midpoint(clock.high)) - time;
        let most = if ahead < 0 { i64::MIN } else { i64::MAX };
        let error_ns = (clock.high - clock.low.min(clock.high)).div_ceil(2);
        Offset { ahead_ns: i64::try_from(ahead).unwrap_or(most), error_ns }
    }

    /// How this clock is steered.
    #[must_use]
    pub const fn steering(&self) -> Steering {
        self.steering
    }

    fn witnessed(&self, now: &Readings) -> Option<LogicalTime> {
        self.witness.map(|(time, at)| time.plus(nanos(now.boot.saturating_sub(at))))
    }

    const fn logical(&self, unix_ns: u64) -> LogicalTime {
        LogicalTime::from_nanos(unix_ns.saturating_sub(self.epoch_unix_ns))
    }
}

/// Nanoseconds; 584 years at most.
#[must_use]
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
