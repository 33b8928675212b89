//! A pipe (pipe(7)): bytes from its writing end to its reading end, as Linux counts them.
//!
//! Linux keeps a pipe in sixteen pages. A write fills new pages, but its odd bytes first join the last page if they fit
//! there; a page is free again when all of it has been read. How much a pipe takes and when it can be written therefore
//! follows from the pages, and programs that use a pipe to count or to wake themselves see it. Here the bytes lie in one
//! ring, and beside it stands how far each page is filled.

use crate::abi::types::epoll::{ERR, HUP, READABLE, WRITABLE};
use crate::slab::Slab;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::VecDeque;

/// A pipe: its position in [`Pipes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct PipeId(pub(crate) u32);

/// All pipes of a cell.
pub(crate) type Pipes = Slab<Pipe>;

/// Pages of a pipe: 64 KiB, Linux's default.
const PAGES: usize = 16;
/// Bytes of a page. Also `PIPE_BUF`: so many bytes are written together or not at all.
const PAGE: usize = 4096;

/// A page: which bytes of it are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Page {
    start: u16,
    end: u16,
}

/// A pipe.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    pages: VecDeque<Page>,
    /// Whether each end is open.
    pub(crate) reader: bool,
    pub(crate) writer: bool,
    /// Who waits at each end.
    pub(crate) reading: Waiters,
    pub(crate) writing: Waiters,
}

impl Pipe {
    /// An empty pipe with both ends open.
    pub(crate) fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
            pages: VecDeque::new(),
            reader: true,
            writer: true,
            reading: Waiters::default(),
            writing: Waiters::default(),
        }
    }

    /// Bytes that can be read.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes that a write of `want` puts in now: all, some, or none. A write of up to a page puts in all or
    /// none.
    pub(crate) fn room(&self, want: usize) -> usize {
        let joins = self.joins(want);
        joins + (want - joins).min((PAGES - self.pages.len()) * PAGE)
    }

    /// The odd bytes of a write of `want` that join the last page.
    fn joins(&self, want: usize) -> usize {
        let odd = want % PAGE;
        match self.pages.back() {
            Some(page) if usize::from(page.end) + odd <= PAGE => odd,
            _ => 0,
        }
    }

    /// Marks pages for a write of `want` bytes, and answers how many of them [`Pipe::push`] has to put in.
    pub(crate) fn reserve(&mut self, want: usize) -> usize {
        let joins = self.joins(want);
        if let Some(page) = self.pages.back_mut() {
            page.end += joins as u16;
        }
        let mut left = want - joins;
        while left > 0 && self.pages.len() < PAGES {
            let n = left.min(PAGE);
            self.pages.push_back(Page { start: 0, end: n as u16 });
            left -= n;
        }
        want - left
    }

    /// Puts bytes in for which there is a reservation.
    pub(crate) fn push(&mut self, part: &[u8]) {
        if self.bytes.is_empty() {
            // The next bytes then lie where the ones before them lay: in a processor's cache, and in one piece.
            self.bytes.clear();
        }
        self.bytes.extend(part);
    }

    /// Takes up to `out.len()` bytes; answers how many.
    pub(crate) fn take(&mut self, out: &mut [u8]) -> usize {
        let n = out.len().min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let first = n.min(front.len());
        out[..first].copy_from_slice(&front[..first]);
        out[first..n].copy_from_slice(&back[..n - first]);
        self.bytes.drain(..n);
        let mut left = n;
        while left > 0
            && let Some(page) = self.pages.front_mut()
        {
            let there = usize::from(page.end - page.start);
            if there > left {
                page.start += left as u16;
                break;
            }
            left -= there;
            self.pages.pop_front();
        }
        n
    }

    /// What is so of the reading end: bits of `EPOLL*` (Linux, `pipe_poll`).
    pub(crate) fn read_readiness(&self) -> u32 {
        let bytes = if self.bytes.is_empty() { 0 } else { READABLE };
        bytes | if self.writer { 0 } else { HUP }
    }

    /// What is so of the writing end.
    pub(crate) fn write_readiness(&self) -> u32 {
        let room = if self.pages.len() < PAGES { WRITABLE } else { 0 };
        room | if self.reader { 0 } else { ERR }
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_types, reason = "a test compares with the pipes of the system that it runs on")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs::{File, OpenOptions};
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::OpenOptionsExt as _;

    /// A pipe of the system that these tests run on, both ends non-blocking.
    fn native() -> (File, File) {
        const NONBLOCK: i32 = 0o4000;
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let open = |fd, options: &mut OpenOptions| {
            options.custom_flags(NONBLOCK).open(format!("/proc/self/fd/{fd}")).expect("an end of it")
        };
        let ends = (
            open(reader.as_raw_fd(), OpenOptions::new().read(true)),
            open(writer.as_raw_fd(), OpenOptions::new().write(true)),
        );
        drop((reader, writer));
        ends
    }

    fn count(result: std::io::Result<usize>) -> Option<usize> {
        match result {
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            other => Some(other.expect("a pipe")),
        }
    }

    fn op() -> impl Strategy<Value = (bool, usize)> {
        let len =
            prop_oneof![0_usize..9, 4_090_usize..4_103, 0_usize..9_000, 0_usize..80_000, Just(4_096), Just(65_536)];
        (any::<bool>(), len)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// What it takes and gives in any order of reads and writes is what Linux's does, to the byte.
        #[test]
        fn takes_and_gives_as_linux_does(ops in prop::collection::vec(op(), 1..60)) {
            let (mut reader, mut writer) = native();
            let mut pipe = Pipe::new();
            let mut next = 0_u32;
            for (writes, len) in ops {
                if writes {
                    let part: Vec<u8> = (0..len).map(|n| ((next as usize + n) % 251) as u8).collect();
                    let room = pipe.room(len);
                    let n = pipe.reserve(len);
                    prop_assert_eq!(n, room);
                    pipe.push(&part[..n]);
                    let ours = (n > 0 || len == 0).then_some(n);
                    prop_assert_eq!(ours, count(writer.write(&part)), "write of {}", len);
                    prop_assert!(len > PAGE || n == len || n == 0);
                    next += n as u32;
                } else {
                    let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
                    let n = pipe.take(&mut ours);
                    let n = (n > 0 || len == 0).then_some(n);
                    prop_assert_eq!(n, count(reader.read(&mut theirs)), "read of {}", len);
                    prop_assert_eq!(ours, theirs);
                }
                // Writable means that a whole page fits.
                prop_assert_eq!(pipe.write_readiness() & WRITABLE != 0, pipe.room(PAGE) > 0);
                prop_assert_eq!(pipe.read_readiness() & READABLE != 0, pipe.len() > 0);
            }
        }
    }

    #[test]
    fn ends_that_are_gone_are_told() {
        let mut pipe = Pipe::new();
        assert_eq!((pipe.read_readiness(), pipe.write_readiness()), (0, WRITABLE));
        pipe.push(b"x");
        pipe.writer = false;
        assert_eq!(pipe.read_readiness(), READABLE | HUP);
        pipe.take(&mut [0; 1]);
        assert_eq!(pipe.read_readiness(), HUP);
        pipe.reader = false;
        assert_eq!(pipe.write_readiness(), WRITABLE | ERR);
    }
}
