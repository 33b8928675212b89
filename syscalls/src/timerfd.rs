//! timerfd: a timer that can be read and waited for (timerfd_create(2)), on the log's clock.
//!
//! Here is when a timer is due and how often it was; whoever calls keeps the kernel's table of deadlines in step with
//! [`Timer::deadline`]. As on Linux, a timer that repeats rests once it is due until somebody reads it or asks for it,
//! and then counts what it missed: a timer that nobody reads causes nothing.

use crate::abi::types::epoll::IN;
use crate::process;
use crate::slab::Slab;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{LogicalTime, Pid};

/// A timer: its position in [`Timers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct TimerId(pub(crate) u32);

/// All timers of a cell.
pub(crate) type Timers = Slab<Timer>;

/// How a timer is set, in nanoseconds: `struct itimerspec` as `timerfd_gettime` answers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) interval: u64,
    /// Until it is due; 0 for one that is not armed.
    pub(crate) value: u64,
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Timer {
    pub(crate) owner: Pid,
    /// It counts Unix time.
    pub(crate) realtime: bool,
    /// Nanoseconds from one time to the next; 0 for a timer that is due once.
    interval: u64,
    /// When it is due next, or was due last.
    next: LogicalTime,
    /// It is to be due at `next`.
    armed: bool,
    /// It was due, and rests.
    expired: bool,
    /// How often it was due since it was read or set.
    ticks: u64,
    /// Its entry in the kernel's table of deadlines.
    pub(crate) entry: Option<process::Timer>,
    pub(crate) waiters: Waiters,
}

impl Timer {
    pub(crate) fn new(owner: Pid, realtime: bool) -> Self {
        Self {
            owner,
            realtime,
            interval: 0,
            next: LogicalTime::GENESIS,
            armed: false,
            expired: false,
            ticks: 0,
            entry: None,
            waiters: Waiters::default(),
        }
    }

    /// Sets it anew, to be due at `next` (`None`: not at all); forgets how often it was due.
    pub(crate) fn set(&mut self, next: Option<LogicalTime>, interval: u64) {
        self.interval = interval;
        self.next = next.unwrap_or(LogicalTime::GENESIS);
        self.armed = next.is_some();
        self.expired = false;
        self.ticks = 0;
    }

    /// When it has to be told that it is due.
    pub(crate) fn deadline(&self) -> Option<LogicalTime> {
        self.armed.then_some(self.next)
    }

    /// It is due, if its time has come; answers whether that is news.
    pub(crate) fn fire(&mut self, now: LogicalTime) -> bool {
        let due = self.armed && self.next <= now;
        if due {
            self.armed = false;
            self.expired = true;
            self.ticks += 1;
        }
        due
    }

    /// How it is set. A timer that repeats and rests goes on.
    pub(crate) fn get(&mut self, now: LogicalTime) -> Setting {
        self.fire(now);
        self.go_on(now);
        // One that is due this very moment is not yet to be taken for one that is not armed.
        let value = if self.armed { self.next.since(now).max(1) } else { 0 };
        Setting { interval: self.interval, value }
    }

    /// Takes how often it was due; `None` if it was not. A timer that repeats and rests goes on.
    pub(crate) fn take(&mut self, now: LogicalTime) -> Option<u64> {
        self.fire(now);
        self.go_on(now);
        let ticks = std::mem::take(&mut self.ticks);
        (ticks > 0).then_some(ticks)
    }

    fn go_on(&mut self, now: LogicalTime) {
        if !self.expired || self.interval == 0 {
            return;
        }
        // It counted one when it came to rest; this is how often it would have been due until now.
        let missed = now.since(self.next) / self.interval;
        self.ticks = self.ticks.saturating_add(missed);
        self.next = self.next.plus(self.interval.saturating_mul(missed + 1));
        self.expired = false;
        self.armed = true;
    }

    /// A process whose clock has passed its deadline finds it due, though the batch's time has not come that far.
    pub(crate) fn readiness(&self, now: LogicalTime) -> u32 {
        if self.ticks > 0 || self.armed && self.next <= now { IN } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(nanos: u64) -> LogicalTime {
        LogicalTime::from_nanos(nanos)
    }

    #[derive(Clone, Debug)]
    enum Op {
        Pass(u64),
        Set(Option<u64>, u64),
        Read,
        Get,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0_u64..30).prop_map(Op::Pass),
            1 => (prop::option::of(0_u64..40), 0_u64..12).prop_map(|(next, interval)| Op::Set(next, interval)),
            2 => Just(Op::Read),
            1 => Just(Op::Get),
        ]
    }

    proptest! {
        /// Against a timer that counts every single time that it is due, nanosecond by nanosecond.
        #[test]
        fn ticks_are_those_of_a_clock_that_never_rests(ops in prop::collection::vec(op(), 0..80)) {
            let mut timer = Timer::new(Pid(1), false);
            let mut now = 1_000;
            // When it is due next, every how many nanoseconds, how often it was.
            let (mut next, mut interval, mut ticks) = (None, 0, 0);
            for op in ops {
                match op {
                    Op::Pass(nanos) => {
                        for _ in 0..nanos {
                            now += 1;
                            if next == Some(now) {
                                ticks += 1;
                                next = (interval > 0).then_some(now + interval);
                            }
                        }
                        timer.fire(at(now));
                    }
                    Op::Set(after, every) => {
                        timer.set(after.map(|after| at(now + after)), every);
                        (next, interval, ticks) = (after.map(|after| now + after), every, 0);
                        timer.fire(at(now));
                        if next == Some(now) {
                            ticks = 1;
                            next = (interval > 0).then_some(now + interval);
                        }
                    }
                    Op::Read => {
                        prop_assert_eq!(timer.take(at(now)), (ticks > 0).then_some(ticks));
                        ticks = 0;
                    }
                    Op::Get => {
                        let value = next.map_or(0, |next| next - now);
                        prop_assert_eq!(timer.get(at(now)), Setting { interval, value });
                    }
                }
                prop_assert_eq!(timer.readiness(at(now)), if ticks > 0 { IN } else { 0 });
                // What the kernel is asked to be woken for is never later than what is next.
                prop_assert!(timer.deadline().is_none_or(|deadline| Some(deadline) == next.map(at)));
            }
        }
    }
}
