//! A client's connection, as both its ends see it: two streams of bytes on their way, with room for so many each.
//!
//! What is written arrives later, in order. An end comes behind the bytes before it; a reset throws away what has not arrived,
//! but not what lies there unread. What has arrived counts as taken by the other end's host, whether it was read or not.

use super::executor::Nanos;
use std::collections::VecDeque;

/// One direction.
#[derive(Clone, Debug)]
pub struct Stream {
    flying: VecDeque<(Nanos, Vec<u8>)>,
    /// Bytes of the first piece that were read.
    head: usize,
    bytes: usize,
    room: usize,
    end: Option<Nanos>,
    reset: Option<Nanos>,
    last: Nanos,
}

/// What a read finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Bytes.
    Bytes(Vec<u8>),
    /// The end of the stream.
    End,
    /// A reset.
    Reset,
    /// Nothing before that moment; `None`: nothing is on its way.
    Nothing(Option<Nanos>),
}

impl Stream {
    /// A stream that holds `room` bytes, on their way or unread.
    #[must_use]
    pub const fn new(room: usize) -> Self {
        Self { flying: VecDeque::new(), head: 0, bytes: 0, room, end: None, reset: None, last: 0 }
    }

    /// Writes as many of these bytes as there is room for; they arrive at that moment, or behind what was written before.
    pub fn write(&mut self, bytes: &[u8], arrives: Nanos) -> usize {
        let count = bytes.len().min(self.room.saturating_sub(self.bytes));
        if count > 0 {
            self.last = self.last.max(arrives);
            self.flying.push_back((self.last, bytes[..count].to_vec()));
            self.bytes += count;
        }
        count
    }

    /// Nothing more is written.
    pub fn end(&mut self, arrives: Nanos) {
        self.last = self.last.max(arrives);
        self.end.get_or_insert(self.last);
    }

    /// The writer has gone without an end.
    pub fn reset(&mut self, arrives: Nanos, now: Nanos) {
        if self.reset.is_some() {
            return;
        }
        while self.flying.back().is_some_and(|(at, _)| *at > now) {
            let lost = self.flying.pop_back().map_or(0, |(_, piece)| piece.len());
            self.bytes = self.bytes.saturating_sub(lost);
        }
        if self.end.is_some_and(|at| at > now) {
            self.end = None;
        }
        self.reset = Some(arrives);
    }

    /// Reads `most` bytes at most.
    pub fn read(&mut self, most: usize, now: Nanos) -> Found {
        let mut out = Vec::new();
        while out.len() < most
            && let Some((at, piece)) = self.flying.front()
            && *at <= now
        {
            let count = (piece.len() - self.head).min(most - out.len());
            out.extend_from_slice(&piece[self.head..self.head + count]);
            self.head += count;
            if self.head == piece.len() {
                self.flying.pop_front();
                self.head = 0;
            }
        }
        self.bytes -= out.len();
        if !out.is_empty() {
            return Found::Bytes(out);
        }
        if let Some((at, _)) = self.flying.front() {
            return Found::Nothing(Some(*at));
        }
        match (self.end, self.reset) {
            (Some(at), _) if at <= now => Found::End,
            (_, Some(at)) if at <= now => Found::Reset,
            (end, reset) => Found::Nothing([end, reset].into_iter().flatten().min()),
        }
    }

    /// Whether a write finds room.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.bytes < self.room
    }

    /// Whether its end has arrived, be there bytes before it or not.
    #[must_use]
    pub fn has_ended(&self, now: Nanos) -> bool {
        self.end.is_some_and(|at| at <= now)
    }

    /// Whether it was reset, and that has arrived.
    #[must_use]
    pub fn is_reset(&self, now: Nanos) -> bool {
        self.reset.is_some_and(|at| at <= now)
    }

    /// What was written and has not arrived, an end included.
    #[must_use]
    pub fn unarrived(&self, now: Nanos) -> usize {
        let flying: usize = self.flying.iter().filter(|(at, _)| *at > now).map(|(_, piece)| piece.len()).sum();
        flying + usize::from(self.end.is_some_and(|at| at > now))
    }

    /// When all that was written has arrived.
    #[must_use]
    pub const fn settled(&self) -> Nanos {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_the_end_behind_them() {
        let mut stream = Stream::new(4);
        assert_eq!((stream.write(b"abc", 10), stream.write(b"de", 5)), (3, 1));
        stream.end(0);
        assert_eq!(stream.read(9, 9), Found::Nothing(Some(10)));
        assert_eq!((stream.unarrived(9), stream.unarrived(10)), (5, 0));
        assert_eq!(stream.read(2, 10), Found::Bytes(b"ab".to_vec()));
        assert!(stream.has_room());
        assert_eq!(stream.read(9, 10), Found::Bytes(b"cd".to_vec()), "there was room for no more");
        assert_eq!(stream.read(9, 10), Found::End);
    }

    #[test]
    fn a_reset_spares_what_has_arrived() {
        let mut stream = Stream::new(9);
        stream.write(b"ab", 10);
        stream.write(b"cd", 20);
        stream.end(20);
        stream.reset(25, 15);
        assert_eq!(stream.read(9, 30), Found::Bytes(b"ab".to_vec()));
        assert_eq!(stream.read(9, 24), Found::Nothing(Some(25)));
        assert_eq!((stream.read(9, 25), stream.is_reset(25)), (Found::Reset, true));
    }
}
