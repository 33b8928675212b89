//! Processes that are started anew when they have ended: which, and after what pause.
//!
//! ```text
//!            ends, and its program says "restart"          the pause is over
//! running ────────────────────────────────────> waiting ─────────────────────> running, under a new number
//!    ^                                             │ an order to kill
//!    └── an order to start                         └─────────────────────────> ended
//! ```
//!
//! Pauses are counted in the cell's time, so they are the same on all nodes and at replay, and the cell idles meanwhile.
//! The n-th end in a row after a short run is followed by a pause of [`FIRST_PAUSE`] times 2^(n-1), [`LONGEST_PAUSE`] at
//! most. A run of [`LONG_RUN`] or more is no failure to start: the next pause is the first one again.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{LogicalTime, Pid, ProgramSpec};
use std::collections::BTreeMap;

/// Nanoseconds before a program that had run for long is started anew: clients hardly notice.
pub const FIRST_PAUSE: u64 = 100_000_000;
/// Nanoseconds of the longest pause.
pub const LONGEST_PAUSE: u64 = 60_000_000_000;
/// Nanoseconds after which a run counts as a long one.
pub const LONG_RUN: u64 = 10_000_000_000;

/// A run of a program: what it was started with, and what led to it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Launch {
    pub(crate) program: ProgramSpec,
    pub(crate) at: LogicalTime,
    /// Ends in a row after short runs, before this one.
    pub(crate) failures: u32,
}

/// A run that is to follow.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Due {
    /// The process whose successor it is.
    pub(crate) pid: Pid,
    pub(crate) program: ProgramSpec,
    pub(crate) failures: u32,
}

/// Runs under way, and runs to come.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Restarts {
    running: BTreeMap<Pid, Launch>,
    /// By time, and of equal times by the number of the process that ended.
    due: BTreeMap<(LogicalTime, Pid), Due>,
}

impl Restarts {
    /// A process was started.
    pub(crate) fn started(&mut self, pid: Pid, launch: Launch) {
        self.running.insert(pid, launch);
    }

    /// A process has ended; answers its run.
    pub(crate) fn ended(&mut self, pid: Pid) -> Option<Launch> {
        self.running.remove(&pid)
    }

    /// The successor of process `pid`, which ended at `now`; answers when it is due and after how many failures.
    pub(crate) fn plan(&mut self, pid: Pid, launch: Launch, now: LogicalTime) -> (LogicalTime, u32) {
        let failures = if now.since(launch.at) >= LONG_RUN { 1 } else { launch.failures.saturating_add(1) };
        self.put(Due { pid, program: launch.program, failures }, now)
    }

    /// A successor could not be started: it is tried again, after a longer pause.
    pub(crate) fn put_off(&mut self, due: Due, now: LogicalTime) -> (LogicalTime, u32) {
        let failures = due.failures.saturating_add(1);
        self.put(Due { failures, ..due }, now)
    }

    fn put(&mut self, due: Due, now: LogicalTime) -> (LogicalTime, u32) {
        let (at, failures) = (now.plus(pause(due.failures)), due.failures);
        self.due.insert((at, due.pid), due);
        (at, failures)
    }

    /// Takes the next successor whose time has come.
    pub(crate) fn take_due(&mut self, now: LogicalTime) -> Option<Due> {
        let first = self.due.first_entry().filter(|first| first.key().0 <= now)?;
        Some(first.remove())
    }

    /// When the next successor is due.
    pub(crate) fn deadline(&self) -> Option<LogicalTime> {
        self.due.first_key_value().map(|((at, _), _)| *at)
    }

    /// The processes of a program that run, in order.
    pub(crate) fn running(&self, program: &str) -> Vec<Pid> {
        let of_name = self.running.iter().filter(|(_, launch)| launch.program.name == program);
        of_name.map(|(pid, _)| *pid).collect()
    }

    /// Forgets the successors of a program; answers whose they would have been.
    pub(crate) fn forget(&mut self, program: &str) -> Vec<Pid> {
        let of_name = self.due.iter().filter(|(_, due)| due.program.name == program);
        let forgotten = of_name.map(|((_, pid), _)| *pid).collect();
        self.due.retain(|_, due| due.program.name != program);
        forgotten
    }

    /// The successors to come: name of the program, and when.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&str, LogicalTime)> {
        self.due.iter().map(|((at, _), due)| (due.program.name.as_str(), *at))
    }
}

/// Nanoseconds before the start that follows the given number of failures, 1 or more.
const fn pause(failures: u32) -> u64 {
    let doublings = failures.saturating_sub(1);
    match 1_u64.checked_shl(doublings) {
        Some(factor) if factor <= LONGEST_PAUSE / FIRST_PAUSE => FIRST_PAUSE * factor,
        _ => LONGEST_PAUSE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::{Digest, Restart};

    fn launch(at: u64, failures: u32) -> Launch {
        let program = ProgramSpec {
            name: "web".into(),
            module: Digest::ZERO,
            args: vec![],
            env: vec![],
            stdin: false,
            listeners: vec![],
            at_genesis: true,
            restart: Restart::Always,
        };
        Launch { program, at: LogicalTime::from_nanos(at), failures }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let millis: Vec<u64> = (1..=12).map(|failures| pause(failures) / 1_000_000).collect();
        assert_eq!(millis, [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000]);
        assert_eq!([64, 65, u32::MAX].map(pause), [LONGEST_PAUSE; 3]);
    }

    #[test]
    fn a_long_run_begins_the_count_anew() {
        let mut restarts = Restarts::default();
        let end = LogicalTime::from_nanos(LONG_RUN + 5);
        assert_eq!(restarts.plan(Pid(1), launch(6, 7), end), (end.plus(pause(8)), 8));
        assert_eq!(restarts.plan(Pid(2), launch(5, 7), end), (end.plus(FIRST_PAUSE), 1));
    }

    #[test]
    fn successors_come_in_the_order_of_their_time() {
        let mut restarts = Restarts::default();
        let now = LogicalTime::from_nanos(0);
        restarts.plan(Pid(1), launch(0, 1), now);
        restarts.plan(Pid(3), launch(0, 0), now);
        restarts.plan(Pid(2), launch(0, 0), now);
        assert_eq!(restarts.deadline(), Some(LogicalTime::from_nanos(FIRST_PAUSE)));
        assert_eq!(restarts.take_due(LogicalTime::from_nanos(FIRST_PAUSE - 1)), None);
        let mut taken = Vec::new();
        while let Some(due) = restarts.take_due(LogicalTime::from_nanos(FIRST_PAUSE)) {
            taken.push(due.pid.0);
        }
        assert_eq!(taken, [2, 3]);
        assert_eq!(["kv", "web", "web"].map(|name| restarts.forget(name)), [vec![], vec![Pid(1)], vec![]]);
        assert_eq!(restarts.deadline(), None);
    }
}
