//! Standard input, output and error.

use super::{Ctx, Stop};
use crate::abi::types::epoll::READABLE;
use crate::moved::Moved;
use crate::socket::window_news;
use crate::watched::Source;
use replicode_log::{ConsoleStream, LogicalTime};

impl Ctx<'_> {
    /// Reads from standard input into the buffers in the scratch space.
    pub(super) fn read_stdin(&mut self, want: usize, nonblocking: bool) -> Result<u32, Stop> {
        let stdin = &mut self.process.stdin;
        if want == 0 {
            return Ok(0);
        }
        if stdin.bytes.is_empty() {
            if stdin.over {
                self.fruitless();
                return Ok(0);
            }
            if nonblocking {
                return Err(self.would_block());
            }
            self.declare(Source::Stdin, READABLE);
            return Err(Stop::Wait(LogicalTime::NEVER));
        }
        for range in &self.scratch.iovecs {
            let part = &mut self.memory[range.clone()];
            let n = stdin.bytes.take(part);
            self.moved.data(&part[..n]);
        }
        let taken = stdin.arrived - stdin.bytes.len() as u64;
        if !stdin.over
            && let Some(limit) = window_news(&mut stdin.window_told, taken, self.limits.recv_window)
        {
            self.outbox.stdin_window(self.process.pid, limit);
        }
        self.fruitful();
        Ok(self.moved_u32())
    }

    /// Writes the buffers in the scratch space to the console. A console takes everything.
    pub(super) fn write_console(&mut self, stream: ConsoleStream) -> Result<u32, Stop> {
        for range in &self.scratch.iovecs {
            let part = &self.memory[range.clone()];
            self.outbox.console(self.process.pid, stream, part);
            self.moved.data(part);
        }
        self.process.turn.console += self.moved.bytes;
        self.fruitful();
        Ok(self.moved_u32())
    }

    /// What the call moved. The limit `call_bytes` keeps it far below 2^31.
    pub(super) fn moved_u32(&self) -> u32 {
        let Moved { bytes, .. } = self.moved;
        bytes as u32
    }
}
