//! Clocks. There is one, the log's, in four shapes.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::types::clockid;

impl Ctx<'_> {
    pub(super) fn clock_res_get(&mut self, id: u32, out: u32) -> Answer {
        if id > clockid::THREAD_CPUTIME {
            return Err(Errno::Inval.into());
        }
        self.tell_u64(out, self.limits.clock_step_ns)
    }

    /// A look at the clock. A process that only looks and looks waits for time to pass; time passes between batches, so
    /// after too many looks its turn ends.
    pub(super) fn clock_time_get(&mut self, id: u32, out: u32) -> Answer {
        if id > clockid::THREAD_CPUTIME {
            return Err(Errno::Inval.into());
        }
        self.check_out(out, 8)?;
        self.process.turn.look();
        let now = self.process.look(self.batch, self.limits.clock_step_ns);
        let shown = match id {
            clockid::REALTIME => self.epoch.saturating_add(now.nanos()),
            clockid::MONOTONIC => now.nanos(),
            // Processor time passes as if the process had the processor to itself.
            _ => now.since(self.process.started),
        };
        self.tell_u64(out, shown)
    }
}
