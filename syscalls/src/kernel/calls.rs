//! The one door for guests: from a raw call to what became of it.

use super::{Entry, Kernel, index_of};
use crate::abi::{Call, Errno, Returns};
use crate::calls::{Ctx, Stop};
use crate::moved::Moved;
use crate::process::{Pending, Process, Run};
use crate::trace::{Recording, StepRecord, describe};
use replicode_log::{LogicalTime, Pid, StepHash};

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Finished. For preview 1 a WASI error number, 0 for success; for `replicode_sock_v1` a value, or the negative of
    /// an error number.
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
        let earlier = process.pending.take().filter(|pending| pending.call == call);
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
            fs: &mut self.fs,
            sockets: &mut self.sockets,
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
        let result = match answer {
            Ok(value) => value,
            Err(Stop::Error(errno)) => error(call, errno),
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
            Err(Stop::Exit(code)) => {
                self.finish(pid, now, memory, call, code.cast_signed(), moved);
                return Step::Exit(code);
            }
        };
        self.finish(pid, now, memory, call, result, moved);
        Step::Done(result)
    }

    /// Counts, hashes and records a finished call.
    fn finish(&mut self, pid: Pid, time: LogicalTime, memory: &[u8], call: Call, result: i32, moved: Moved) {
        let hash = hash(pid, call, result, moved);
        self.trail.step(hash);
        let Some(process) = self.process_mut(pid) else { return };
        process.calls += 1;
        process.turn.calls += 1;
        match self.recorder.mode {
            Recording::Off => {}
            Recording::Steps => self.recorder.steps.push(StepRecord { pid, call: call.number(), hash }),
            Recording::Trace => self.record_trace(pid, time, memory, call, result, moved),
        }
    }

    #[cold]
    fn record_trace(&mut self, pid: Pid, time: LogicalTime, memory: &[u8], call: Call, result: i32, moved: Moved) {
        let Some(Process { name, .. }) = self.process_mut(pid) else { return };
        let name = name.clone();
        self.recorder.trace.push(describe(time, pid, name, memory, call, result, moved.bytes));
    }
}

/// An error as the call's import reports it.
fn error(call: Call, errno: Errno) -> i32 {
    match call.import().returns {
        Returns::Value => -errno.raw(),
        Returns::Errno | Returns::Never => errno.raw(),
    }
}

/// Hash of a finished call.
///
/// ```text
/// pid u32 | call u16 | 0 u16 | result u32 | 0 u32 | moved bytes u64 | hash of what moved u64 | arguments
/// ```
fn hash(pid: Pid, call: Call, result: i32, moved: Moved) -> StepHash {
    const HEAD: usize = 32;
    let mut step = [0; HEAD + Call::MAX_BYTES];
    step[0..4].copy_from_slice(&pid.0.to_le_bytes());
    step[4..6].copy_from_slice(&call.number().to_le_bytes());
    step[8..12].copy_from_slice(&result.to_le_bytes());
    step[16..24].copy_from_slice(&moved.bytes.to_le_bytes());
    step[24..32].copy_from_slice(&moved.hash.to_le_bytes());
    let mut args = [0; Call::MAX_BYTES];
    let len = call.lay_out(&mut args);
    step[HEAD..].copy_from_slice(&args);
    StepHash::of(&step[..HEAD + len])
}
