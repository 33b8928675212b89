//! Frames that wait for a peer, bounded.

use bytes::{Buf, Bytes};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Frames on their way out of one connection, oldest first.
///
/// [`OutQueue::push_shedding`] drops the oldest frames that are not yet begun when there are too many bytes: for peers, whose
/// protocol sends again. [`OutQueue::push`] takes all, and [`OutQueue::is_full`] says when to stop reading: for clients.
#[derive(Debug)]
pub struct OutQueue {
    frames: VecDeque<Bytes>,
    bytes: usize,
    bound: usize,
    /// A part of the first frame is written: it must be finished.
    begun: bool,
}

impl OutQueue {
    /// An empty queue of about `bound` bytes.
    #[must_use]
    pub const fn new(bound: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, bound, begun: false }
    }

    /// Adds a whole frame ([`crate::frame`]).
    pub fn push(&mut self, frame: Bytes) {
        if !frame.is_empty() {
            self.bytes += frame.len();
            self.frames.push_back(frame);
        }
    }

    /// Adds a whole frame, and drops the oldest unbegun ones while the bound is exceeded; answers how many. The new frame
    /// itself stays, whatever its size.
    pub fn push_shedding(&mut self, frame: Bytes) -> u64 {
        self.push(frame);
        let mut shed = 0;
        let first = usize::from(self.begun);
        while self.bytes > self.bound && self.frames.len() > first + 1 {
            if let Some(frame) = self.frames.remove(first) {
                self.bytes -= frame.len();
                shed += 1;
            }
        }
        shed
    }

    /// More waits than should.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.bytes > self.bound
    }

    /// Nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Bytes that wait.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Fills `slices` with what waits, for one gathering write; answers how many are filled.
    pub fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut count = 0;
        for (slice, frame) in slices.iter_mut().zip(&self.frames) {
            *slice = IoSlice::new(frame);
            count += 1;
        }
        count
    }

    /// What waits, in one piece, at most `most` bytes: for who can write only one. A frame that is alone is lent as it is.
    #[must_use]
    pub fn joined(&self, most: usize) -> Cow<'_, [u8]> {
        if let (Some(frame), 1) = (self.frames.front(), self.frames.len()) {
            return Cow::Borrowed(frame.get(..most).unwrap_or(frame));
        }
        let mut out = Vec::with_capacity(self.bytes.min(most));
        for frame in &self.frames {
            let room = most - out.len();
            if room == 0 {
                break;
            }
            out.extend_from_slice(frame.get(..room).unwrap_or(frame));
        }
        Cow::Owned(out)
    }

    /// `count` bytes were written.
    pub fn advance(&mut self, mut count: usize) {
        count = count.min(self.bytes);
        self.bytes -= count;
        while let Some(first) = self.frames.front_mut() {
            if count < first.len() {
                first.advance(count);
                self.begun |= count > 0;
                return;
            }
            count -= first.len();
            self.frames.pop_front();
            self.begun = false;
        }
    }

    /// Forgets everything, as the connection is gone; answers how many frames.
    pub fn clear(&mut self) -> u64 {
        let count = self.frames.len();
        self.frames.clear();
        self.bytes = 0;
        self.begun = false;
        count as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FrameReader, frame};
    use proptest::prelude::*;

    #[test]
    fn the_oldest_unbegun_goes_first() {
        let mut queue = OutQueue::new(40);
        for body in [b"first...", b"second..", b"third..."] {
            // 16 bytes each: the third one is too much.
            let shed = queue.push_shedding(frame(body));
            assert_eq!(shed, u64::from(body == b"third..."));
        }
        assert_eq!(queue.bytes(), 32);
        queue.advance(1);
        assert_eq!(queue.push_shedding(frame(b"fourth..")), 1);
        let mut bytes = frame(b"second..").to_vec();
        bytes.extend(frame(b"fourth.."));
        assert_eq!(*queue.joined(1000), bytes[1..]);
    }

    #[test]
    fn a_frame_larger_than_the_bound_still_goes() {
        let mut queue = OutQueue::new(10);
        assert_eq!(queue.push_shedding(frame(&[1; 100])), 0);
        assert!(queue.is_full());
        assert_eq!(queue.push_shedding(frame(&[2; 100])), 1);
        assert_eq!(*queue.joined(usize::MAX), frame(&[2; 100])[..]);
        assert_eq!(*queue.joined(5), frame(&[2; 100])[..5]);
    }

    proptest! {
        /// Whatever is shed and however writes are cut, the other end sees whole frames in order.
        #[test]
        fn whole_frames_in_order(steps in prop::collection::vec((0usize..60, 0usize..200), 1..60)) {
            let mut queue = OutQueue::new(256);
            let mut reader = FrameReader::new(1000);
            let mut seen: Vec<u32> = Vec::new();
            let mut next = 0u32;
            let mut shed = 0;
            for (size, written) in steps {
                let mut body = next.to_le_bytes().to_vec();
                body.resize(4 + size, 9);
                next += 1;
                shed += queue.push_shedding(frame(&body));
                let out = queue.joined(written).into_owned();
                reader.push(&out);
                queue.advance(out.len());
                while let Some(body) = reader.next_frame().expect("whole frames") {
                    seen.push(u32::from_le_bytes(*body.first_chunk().expect("four bytes")));
                }
            }
            let rest = queue.joined(usize::MAX).into_owned();
            reader.push(&rest);
            queue.advance(rest.len());
            while let Some(body) = reader.next_frame().expect("whole frames") {
                seen.push(u32::from_le_bytes(*body.first_chunk().expect("four bytes")));
            }
            prop_assert!(queue.is_empty());
            prop_assert_eq!(seen.len() as u64 + shed, u64::from(next));
            prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
        }
    }
}
