//! `pipe`, and reading and writing its ends (POSIX.1-2017, pipe; Linux, pipe(7)).

use super::{Answer, Ctx, Stop};
use crate::abi::Errno;
use crate::abi::types::epoll::{READABLE, WRITABLE};
use crate::open_file::{Access, Object, OpenFile};
use crate::pipe::{Pipe, PipeId};
use crate::watched::Source;

impl Ctx<'_> {
    /// Tells two descriptors: the reading end, the writing end.
    pub(super) fn pipe(&mut self, flags: u32, out: u32) -> Answer {
        let (flags, cloexec) = Self::new_flags(flags)?;
        self.check_out(out, 8)?;
        let (reader, writer) = self.process.descriptors.two_lowest_free(self.limits.descriptors)?;
        let id = PipeId(self.pipes.insert(Pipe::new()));
        let descriptors = &mut self.process.descriptors;
        descriptors.put(reader, OpenFile::new(Object::PipeReader(id), flags, Access::READ), cloexec);
        descriptors.put(writer, OpenFile::new(Object::PipeWriter(id), flags, Access::WRITE), cloexec);
        self.tell_two(out, reader, writer)
    }

    /// Tells two descriptors, at a place that was checked.
    pub(super) fn tell_two(&mut self, out: u32, first: u32, second: u32) -> Answer {
        let both = (u64::from(first) | u64::from(second) << 32).to_le_bytes();
        self.tell(out, &both)
    }

    /// Reads into the buffers in the scratch space, which hold `want` bytes.
    pub(super) fn read_pipe(&mut self, id: PipeId, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        if want == 0 {
            return Ok(0);
        }
        let pipe = self.pipes.get_mut(id.0).ok_or(Errno::BadF)?;
        let full = pipe.write_readiness() & WRITABLE == 0;
        for range in &self.scratch.iovecs {
            let part = &mut self.memory[range.clone()];
            let n = pipe.take(part);
            self.moved.data(&part[..n]);
        }
        if self.moved.bytes > 0 {
            let news = (full && pipe.write_readiness() & WRITABLE != 0).then_some(pipe.writing.watched).flatten();
            self.fruitful();
            self.news(news, WRITABLE);
            return Ok(self.moved_u32());
        }
        if !pipe.writer {
            self.fruitless();
            return Ok(0);
        }
        // Both ends belong to one process, so that while it has one thread nobody can end such a wait: it lasts for ever, as on
        // Linux, and holds nobody up.
        Err(self.wait_for(Source::PipeReader(id), READABLE, nonblocking))
    }

    /// Writes the buffers in the scratch space, `want` bytes in all. Up to a page goes in together or not at all.
    pub(super) fn write_pipe(&mut self, id: PipeId, nonblocking: bool, want: usize) -> Result<u32, Stop> {
        let done = self.moved.bytes as usize;
        let pipe = self.pipes.get_mut(id.0).ok_or(Errno::BadF)?;
        if want > 0 && !pipe.reader {
            // There are no signals, so SIGPIPE is not sent.
            return if done > 0 { Ok(self.moved_u32()) } else { Err(Errno::Pipe.into()) };
        }
        let reserved = pipe.reserve(want - done);
        let (mut skip, mut left) = (done, reserved);
        for range in &self.scratch.iovecs {
            let part = &self.memory[range.start + skip.min(range.len())..range.end];
            skip = skip.saturating_sub(range.len());
            let part = &part[..part.len().min(left)];
            left -= part.len();
            pipe.push(part);
            self.moved.data(part);
        }
        let watched = pipe.reading.watched;
        if reserved > 0 {
            self.fruitful();
            self.news(watched, READABLE);
        }
        if done + reserved == want || done + reserved > 0 && nonblocking {
            return Ok(self.moved_u32());
        }
        Err(self.wait_for(Source::PipeWriter(id), WRITABLE, nonblocking))
    }
}
