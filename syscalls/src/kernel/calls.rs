//! The one door for guests: from a raw call to what became of it.

use super::{Entry, Kernel, index_of};
use crate::abi::{Call, Errno, Returns};
use crate::calls::{Ctx, Stop};
use crate::moved::Moved;
use crate::process::{Pending, Run};
use crate::trace::{Recording, StepRecord, describe};
use replicode_log::{LogicalTime, Pid, StepHash};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finished. For preview 1 a WASI error number, 0 for success; for the other modules a value, or the negative of an
    /// error number.
    Done(i32),
    /// The process has to be suspended. When it is resumed, the same call is made again.
    Wait,
    /// The process ends itself with this code.
    Exit(u32),
}

impl Kernel {
    /// Carries out a call of a process, over its linear memory.
    ///
    /// A call that waits changes nothing but its own progress, and may be made again at any time: resuming a process
    /// for nothing does no harm. A process that has ended gets [`Step::Exit`].
    pub fn call(&mut self, pid: Pid, memory: &mut [u8], call: Call) -> Step {
        let step = self.carry_out(pid, memory, call);
        if self.locks.has_woken() {
            self.wake_for_locks();
        }
        step
    }

    #[inline]
    fn carry_out(&mut self, pid: Pid, memory: &mut [u8], call: Call) -> Step {
        let Some(Entry::Live(process)) = index_of(pid).and_then(|index| self.processes.get_mut(index)) else {
            return Step::Exit(0);
        };
        let process = &mut **process;
        if process.run != Run::Running {
            // Resumed without having been woken.
            self.schedule.stop_waiting(process);
            process.run = Run::Running;
        }
        if process.turn.number != self.turn {
            process.turn = crate::process::Turn { number: self.turn, ..Default::default() };
        }
        let now = process.now(self.now);
        let wait = self.schedule.number_wait();
        // Nearly always there is none, and taking it would move a large hole.
        let earlier = match process.pending {
            Some(_) => process.pending.take().filter(|pending| pending.call == call),
            None => None,
        };
        let (since, moved, first_wait) = match earlier {
            Some(pending) => (pending.since, pending.moved, pending.first_wait),
            None => (now, Moved::default(), wait),
        };
        let mut ctx = Ctx {
            limits: &self.limits,
            epoch: self.epoch,
            batch: self.now,
            process,
            names: &self.names,
            preopens: &self.preopens,
            fs: &mut self.fs,
            sockets: &mut self.sockets,
            pipes: &mut self.pipes,
            pairs: &mut self.pairs,
            locks: &mut self.locks,
            events: &mut self.events,
            timers: &mut self.timers,
            epolls: &mut self.epolls,
            contracts: &mut self.contracts,
            schedule: &mut self.schedule,
            outbox: &mut self.outbox,
            scratch: &mut self.scratch,
            memory,
            wait,
            since,
            resumed: earlier.is_some(),
            moved,
        };
        let answer = ctx.run(call);
        let moved = ctx.moved;
        let (result, step) = match answer {
            Ok(value) => (value, Step::Done(value)),
            Err(Stop::Error(errno)) => {
                let result = error(call, errno);
                (result, Step::Done(result))
            }
            Err(Stop::Exit(code)) => (code.cast_signed(), Step::Exit(code)),
            Err(Stop::Wait(until)) => {
                process.wait = wait;
                process.pending = Some(Pending { call, since, first_wait, until, moved });
                self.schedule.wait(process, until, first_wait);
                return Step::Wait;
            }
            Err(Stop::Yield) => {
                process.pending = Some(Pending { call, since, first_wait, until: LogicalTime::NEVER, moved });
                self.schedule.give_up_turn(process);
                return Step::Wait;
            }
        };
        let hash = hash(pid, &call, result, moved);
        self.trail.step(hash);
        self.moved = self.moved.wrapping_add(moved.bytes);
        process.calls += 1;
        process.turn.calls += 1;
        match self.recorder.mode {
            Recording::Off => {}
            Recording::Steps => self.recorder.step(StepRecord { pid, call: call.number(), hash }),
            Recording::Trace => {
                let name = process.name.clone();
                self.recorder.trace.push(describe(now, pid, name, memory, call, result, moved.bytes));
            }
        }
        step
    }
}

/// An error as the call's import reports it.
fn error(call: Call, errno: Errno) -> i32 {
    match call.import().returns {
        Returns::Value => -errno.raw(),
        Returns::Errno | Returns::Never => errno.raw(),
    }
}

/// Hash of a finished call: XXH3 of these words, little-endian.
///
/// ```text
/// pid (low half), call (high half) | result | moved bytes | hash of what moved | each argument
/// ```
///
/// How many arguments there are follows from the call, so no two different steps have the same words.
#[inline]
fn hash(pid: Pid, call: &Call, result: i32, moved: Moved) -> StepHash {
    const HEAD: usize = 32;
    let mut step = [0; HEAD + 8 * Call::MAX_ARGS];
    let head =
        [u64::from(pid.0) | u64::from(call.number()) << 32, u64::from(result.cast_unsigned()), moved.bytes, moved.hash];
    for (place, word) in step.chunks_exact_mut(8).zip(head) {
        place.copy_from_slice(&word.to_le_bytes());
    }
    let end = call.lay_out(&mut step, HEAD);
    StepHash::of(&step[..end])
}
