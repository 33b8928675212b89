//! Who runs next: the run queue, the timers, and the processes that gave up their turn.

use crate::process::{Process, Run, Timer};
use crate::timerfd::TimerId;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{LogicalTime, Pid};
use std::collections::{BTreeMap, VecDeque};

/// Whose a deadline is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Due {
    /// A process's, which waits no longer than that.
    Process(Pid),
    /// A timer's.
    Timer(TimerId),
}

/// The order of execution. It is a function of the order of events alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Schedule {
    /// Processes that can run, in the order in which they were woken.
    ready: VecDeque<Pid>,
    timers: BTreeMap<Timer, Due>,
    /// Processes that run again in the next batch, in the order in which they gave up their turn.
    yielded: Vec<Pid>,
    /// Number of the present wait of any process; each wait gets its own.
    waits: u64,
}

impl Schedule {
    /// Makes a process ready, whatever it waited for.
    pub(crate) fn wake(&mut self, process: &mut Process) {
        self.stop_waiting(process);
        if process.run != Run::Ready {
            process.run = Run::Ready;
            self.ready.push_back(process.pid);
        }
    }

    /// Takes a process out of its wait: it makes its call again.
    pub(crate) fn stop_waiting(&mut self, process: &mut Process) {
        match process.run {
            Run::Waiting { timer } => {
                if let Some(timer) = timer {
                    self.timers.remove(&timer);
                }
                process.run = Run::Running;
            }
            Run::Yielded => {
                self.yielded.retain(|pid| *pid != process.pid);
                process.run = Run::Running;
            }
            Run::Ready | Run::Running => {}
        }
    }

    /// Number for the wait that begins.
    pub(crate) const fn number_wait(&mut self) -> u64 {
        self.waits += 1;
        self.waits
    }

    /// Lets a process wait for an event, or until `deadline`.
    ///
    /// `order` is the number of the call's first wait: resuming a process for nothing leaves it its place among equal
    /// deadlines.
    pub(crate) fn wait(&mut self, process: &mut Process, deadline: LogicalTime, order: u64) {
        let timer = (deadline < LogicalTime::NEVER).then_some(Timer { at: deadline, order });
        if let Some(timer) = timer {
            self.timers.insert(timer, Due::Process(process.pid));
        }
        process.run = Run::Waiting { timer };
    }

    /// Lets a process wait for the next batch.
    pub(crate) fn give_up_turn(&mut self, process: &mut Process) {
        process.run = Run::Yielded;
        self.yielded.push(process.pid);
    }

    /// Adds a deadline. Equal ones are due in the order in which they were set.
    pub(crate) fn arm(&mut self, at: LogicalTime, due: Due) -> Timer {
        let timer = Timer { at, order: self.number_wait() };
        self.timers.insert(timer, due);
        timer
    }

    /// Removes a deadline.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        self.timers.remove(&timer);
    }

    /// Takes the next timer that is due, if any; answers whose it was.
    pub(crate) fn due(&mut self, now: LogicalTime) -> Option<Due> {
        let first = self.timers.first_entry().filter(|first| first.key().at <= now)?;
        Some(first.remove())
    }

    /// The processes that gave up their turn.
    pub(crate) fn yielded(&mut self) -> Vec<Pid> {
        std::mem::take(&mut self.yielded)
    }

    pub(crate) fn has_yielded(&self) -> bool {
        !self.yielded.is_empty()
    }

    pub(crate) fn next_timer(&self) -> Option<LogicalTime> {
        self.timers.first_key_value().map(|(timer, _)| timer.at)
    }

    pub(crate) fn next_ready(&mut self) -> Option<Pid> {
        self.ready.pop_front()
    }

    /// Forgets a process that has ended.
    pub(crate) fn forget(&mut self, process: &mut Process) {
        self.stop_waiting(process);
        self.ready.retain(|pid| *pid != process.pid);
    }
}
