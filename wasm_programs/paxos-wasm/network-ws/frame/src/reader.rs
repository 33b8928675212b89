//! Bytes in, whole frames out.

use crate::{HEADER, check};
use std::fmt;
use std::io;

/// How much is read at once at least. A frame that is larger makes room for itself as its bytes arrive, so that a peer
/// that only claims a length reserves nothing.
const CHUNK: usize = 64 << 10;

/// Why a connection's bytes are no frames. It must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameError {
    /// The length is beyond the limit.
    TooLong {
        /// As claimed.
        length: u32,
        /// As configured.
        limit: usize,
    },
    /// The body is not the one that was sent.
    Check {
        /// Of the body.
        length: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { length, limit } => {
                write!(
                    f,
                    "a frame of {length} bytes, and the limit is {limit}: either it is no peer of ours, or its limits are higher"
                )
            }
            Self::Check { length } => {
                write!(
                    f,
                    "a frame of {length} bytes with a wrong check: it was damaged on the way, or is no frame of ours"
                )
            }
        }
    }
}

impl std::error::Error for FrameError {}

/// Cuts the bytes of one connection into frames.
///
/// Fill it with [`FrameReader::read`] or [`FrameReader::push`], then call [`FrameReader::next_frame`] until it gives
/// `None`. After an error it gives that error for ever.
#[derive(Debug)]
pub struct FrameReader {
    /// Of which `at..end` is filled and not yet given out.
    buffer: Vec<u8>,
    at: usize,
    end: usize,
    limit: usize,
    failed: Option<FrameError>,
}

impl FrameReader {
    /// Takes frames with bodies of at most `limit` bytes.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self { buffer: Vec::new(), at: 0, end: 0, limit, failed: None }
    }

    /// Raises or lowers the limit for frames that have not been given out yet.
    pub const fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes that are held and not given out.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.end - self.at
    }

    /// Lets `read` fill the free room, once, and answers what it answered.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn read(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.make_room(CHUNK);
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let most = room.len();
        let count = read(room)?.min(most);
        self.end += count;
        Ok(count)
    }

    /// Takes over bytes that somebody else has read; copies them only behind others that are held.
    pub fn take(&mut self, bytes: Vec<u8>) {
        if self.at == self.end {
            (self.at, self.end) = (0, bytes.len());
            self.buffer = bytes;
        } else {
            self.push(&bytes);
        }
    }

    /// Adds bytes that somebody else has read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.make_room(bytes.len());
        if let Some(room) = self.buffer.get_mut(self.end..self.end + bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// The body of the next frame, if it is there whole.
    ///
    /// # Errors
    /// When the bytes are no frame: the connection has to be closed.
    pub fn next_frame(&mut self) -> Result<Option<&[u8]>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let held = self.buffer.get(self.at..self.end).unwrap_or_default();
        let Some(([a, b, c, d, e, f, g, h], rest)) = held.split_first_chunk::<HEADER>() else { return Ok(None) };
        let length = u32::from_le_bytes([*a, *b, *c, *d]);
        let wanted = u32::from_le_bytes([*e, *f, *g, *h]);
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if size > self.limit {
            return Err(self.fail(FrameError::TooLong { length, limit: self.limit }));
        }
        let Some(body) = rest.get(..size) else { return Ok(None) };
        if check(body) != wanted {
            return Err(self.fail(FrameError::Check { length }));
        }
        let from = self.at + HEADER;
        self.at = from + size;
        Ok(self.buffer.get(from..from + size))
    }

    const fn fail(&mut self, error: FrameError) -> FrameError {
        self.failed = Some(error);
        error
    }

    /// At least `room` free bytes behind `end`. What is held moves to the front when that saves growing.
    fn make_room(&mut self, room: usize) {
        if self.at == self.end {
            (self.at, self.end) = (0, 0);
            // A large frame has passed: its room is given back.
            if self.buffer.len() > 4 * CHUNK && room <= CHUNK {
                self.buffer = Vec::new();
            }
        } else if self.at > 0 && self.buffer.len() - self.end < room {
            self.buffer.copy_within(self.at..self.end, 0);
            self.end -= self.at;
            self.at = 0;
        }
        if self.buffer.len() - self.end < room {
            // Doubling keeps the copying of a large frame linear; the limit bounds it.
            let wanted = (self.end + room).max(self.buffer.len().saturating_mul(2).min(self.limit + HEADER + CHUNK));
            self.buffer.resize(wanted, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use proptest::prelude::*;

    fn all(reader: &mut FrameReader) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut frames = Vec::new();
        while let Some(body) = reader.next_frame()? {
            frames.push(body.to_vec());
        }
        Ok(frames)
    }

    proptest! {
        /// However the bytes are cut on the way, the same bodies come out, in order.
        #[test]
        fn any_cut(bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20), cuts in prop::collection::vec(1usize..200, 1..50)) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|body| frame(body).to_vec()).collect();
            let mut reader = FrameReader::new(300);
            let mut out = Vec::new();
            let mut rest = bytes.as_slice();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = cuts.next().copied().unwrap_or(1);
                let (now, later) = rest.split_at(cut.min(rest.len()));
                if cut % 2 == 0 { reader.push(now) } else { reader.take(now.to_vec()) }
                out.extend(all(&mut reader).expect("frames"));
                rest = later;
            }
            prop_assert_eq!(out, bodies);
            prop_assert_eq!(reader.held(), 0);
        }

        /// Garbage gives frames only if its check fits, which it does not; and never more memory than its own bytes.
        #[test]
        fn garbage(bytes in prop::collection::vec(any::<u8>(), 9..500)) {
            let mut reader = FrameReader::new(1 << 20);
            reader.push(&bytes);
            let frames = all(&mut reader).unwrap_or_default();
            prop_assert!(frames.is_empty());
            prop_assert!(reader.buffer.len() <= 500 + CHUNK);
        }
    }

    #[test]
    fn four_gigabytes_are_refused_at_once() {
        let mut reader = FrameReader::new(1 << 20);
        reader.push(&[255; 8]);
        let error = FrameError::TooLong { length: u32::MAX, limit: 1 << 20 };
        assert_eq!(reader.next_frame(), Err(error));
        reader.push(&frame(b"too late"));
        assert_eq!(reader.next_frame(), Err(error));
    }

    #[test]
    fn a_claimed_length_reserves_nothing() {
        let mut reader = FrameReader::new(32 << 20);
        let mut bytes = (32u32 << 20).to_le_bytes().to_vec();
        bytes.extend([0; 100]);
        let count = reader.read(|room| {
            room[..bytes.len()].copy_from_slice(&bytes);
            Ok(bytes.len())
        });
        assert_eq!(count.ok(), Some(104));
        assert_eq!(reader.next_frame(), Ok(None));
        assert!(reader.buffer.len() <= 2 * CHUNK);
    }

    #[test]
    fn one_flipped_bit_is_seen() {
        let good = frame(b"a value that matters");
        for bit in 0..good.len() * 8 {
            let mut bad = good.to_vec();
            bad[bit / 8] ^= 1 << (bit % 8);
            let mut reader = FrameReader::new(1 << 10);
            reader.push(&bad);
            let taken = reader.next_frame();
            assert!(!matches!(taken, Ok(Some(_))), "bit {bit}: {taken:?}");
        }
    }

    #[test]
    fn room_comes_back_after_a_large_frame() {
        let mut reader = FrameReader::new(4 << 20);
        reader.push(&frame(&vec![7; 3 << 20]));
        assert_eq!(all(&mut reader).map(|frames| frames.len()), Ok(1));
        reader.push(&frame(b"small"));
        assert!(reader.buffer.len() <= CHUNK);
        assert_eq!(all(&mut reader), Ok(vec![b"small".to_vec()]));
    }
}
