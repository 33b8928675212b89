//! Positions of one stream, in bytes from its beginning. Both are rulers with an inequality that always holds.

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Refusal;

/// A side has said something about a stream that contradicts what it, or the other side, said before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Bytes are missing before the position.
    #[error("bytes are missing before this position")]
    Gap,
    /// The position lies beyond what was allowed.
    #[error("the position lies beyond the window")]
    Window,
}

impl From<Violation> for Refusal {
    fn from(violation: Violation) -> Self {
        match violation {
            Violation::Gap => Self::Gap,
            Violation::Window => Self::Window,
        }
    }
}

/// The receiving end of a stream: what came, and what may come.
///
/// ```text
/// 0 ───────── received ───────── limit          received <= limit
///   delivered          credit
/// ```
///
/// The first limit is the receive window, known to both sides without being told, so that a client's first bytes can
/// travel in the same batch as its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Intake {
    received: u64,
    limit: u64,
    ended: bool,
}

impl Intake {
    /// A stream of which `window` bytes may come before anything is read.
    #[must_use]
    pub const fn new(window: u64) -> Self {
        Self { received: 0, limit: window, ended: false }
    }

    /// Bytes that came so far.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// First position that may not come yet.
    #[must_use]
    pub const fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether the sender has said that nothing more will come.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// `len` bytes come, the first of them at `offset`. Answers how many of them are repeats of bytes that came
    /// before and are to be cut off in front: a sender may say the same thing twice, in other chunks too.
    ///
    /// # Errors
    /// [`Violation::Gap`] when bytes before them never came; [`Violation::Window`] beyond the limit or the end.
    pub const fn receive(&mut self, offset: u64, len: usize) -> Result<usize, Violation> {
        let Some(end) = offset.checked_add(len as u64) else { return Err(Violation::Window) };
        if offset > self.received {
            return Err(Violation::Gap);
        }
        if end <= self.received {
            return Ok(len);
        }
        if end > self.limit {
            return Err(Violation::Window);
        }
        let repeated = self.received - offset;
        self.received = end;
        Ok(repeated as usize)
    }

    /// The sender says that the stream has `offset` bytes in all. Answers whether that is news. The limit falls to
    /// the end, so that nothing can come behind it.
    ///
    /// # Errors
    /// [`Violation::Gap`] unless exactly these bytes have come.
    pub const fn end(&mut self, offset: u64) -> Result<bool, Violation> {
        if offset != self.received {
            return Err(Violation::Gap);
        }
        let news = !self.ended;
        self.ended = true;
        self.limit = offset;
        Ok(news)
    }

    /// The receiver takes bytes up to `limit`. Answers whether that is more than before; a limit never falls, and
    /// after the end it means nothing.
    pub const fn grant(&mut self, limit: u64) -> bool {
        if self.ended || limit <= self.limit {
            return false;
        }
        self.limit = limit;
        true
    }

    /// Whether the ruler's inequality holds.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.received <= self.limit
    }
}

/// The sending end of a stream: what was taken, what went, and what may go.
///
/// ```text
/// 0 ───────── acked ───────── sent ───────── acked + window          acked <= sent <= acked + window
///   taken           under way        room
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outflow {
    acked: u64,
    sent: u64,
    window: u64,
    ended: bool,
}

impl Outflow {
    /// A stream of which `window` bytes may be under way.
    #[must_use]
    pub const fn new(window: u64) -> Self {
        Self { acked: 0, sent: 0, window, ended: false }
    }

    /// Bytes that went so far.
    #[must_use]
    pub const fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that the receiver has taken.
    #[must_use]
    pub const fn acked(&self) -> u64 {
        self.acked
    }

    /// Whether nothing more will go.
    #[must_use]
    pub const fn ended(&self) -> bool {
        self.ended
    }

    /// `len` bytes go, the first of them at `offset`.
    ///
    /// # Errors
    /// [`Violation::Gap`] unless they continue the stream; [`Violation::Window`] beyond the window or the end.
    pub const fn send(&mut self, offset: u64, len: usize) -> Result<(), Violation> {
        if offset != self.sent {
            return Err(Violation::Gap);
        }
        let under_way = self.sent - self.acked;
        if self.ended || len as u64 > self.window - under_way {
            return Err(Violation::Window);
        }
        self.sent += len as u64;
        Ok(())
    }

    /// The stream has `offset` bytes in all. Answers whether that is news.
    ///
    /// # Errors
    /// [`Violation::Gap`] unless exactly these bytes have gone.
    pub const fn end(&mut self, offset: u64) -> Result<bool, Violation> {
        if offset != self.sent {
            return Err(Violation::Gap);
        }
        let news = !self.ended;
        self.ended = true;
        Ok(news)
    }

    /// The receiver has taken all bytes before `offset`. Answers whether that is news.
    ///
    /// # Errors
    /// [`Violation::Window`] when so many never went.
    pub const fn ack(&mut self, offset: u64) -> Result<bool, Violation> {
        if offset > self.sent {
            return Err(Violation::Window);
        }
        if offset <= self.acked {
            return Ok(false);
        }
        self.acked = offset;
        Ok(true)
    }

    /// Whether the ruler's inequalities hold.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.acked <= self.sent && self.sent - self.acked <= self.window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_in_order_are_taken_up_to_the_limit() {
        let mut intake = Intake::new(10);
        assert_eq!(intake.receive(0, 4), Ok(0));
        assert_eq!(intake.receive(4, 6), Ok(0));
        assert_eq!(intake.receive(10, 1), Err(Violation::Window));
        assert!(intake.grant(11));
        assert_eq!(intake.receive(10, 1), Ok(0));
        assert_eq!(intake.received(), 11);
    }

    #[test]
    fn repeats_are_cut_and_gaps_are_seen() {
        let mut intake = Intake::new(10);
        assert_eq!(intake.receive(0, 4), Ok(0));
        assert_eq!(intake.receive(0, 4), Ok(4));
        assert_eq!(intake.receive(2, 4), Ok(2));
        assert_eq!(intake.received(), 6);
        assert_eq!(intake.receive(7, 1), Err(Violation::Gap));
        assert_eq!(intake.receive(u64::MAX, 2), Err(Violation::Window));
    }

    #[test]
    fn nothing_comes_behind_the_end() {
        let mut intake = Intake::new(10);
        assert_eq!(intake.receive(0, 4), Ok(0));
        assert_eq!(intake.end(5), Err(Violation::Gap));
        assert_eq!(intake.end(4), Ok(true));
        assert_eq!(intake.end(4), Ok(false));
        assert_eq!(intake.receive(4, 1), Err(Violation::Window));
        assert!(!intake.grant(100));
        assert_eq!(intake.receive(0, 4), Ok(4));
    }

    #[test]
    fn a_limit_never_falls() {
        let mut intake = Intake::new(10);
        assert!(!intake.grant(9));
        assert!(!intake.grant(10));
        assert_eq!(intake.limit(), 10);
    }

    #[test]
    fn sending_is_bounded_by_what_was_taken() {
        let mut out = Outflow::new(10);
        assert_eq!(out.send(0, 10), Ok(()));
        assert_eq!(out.send(10, 1), Err(Violation::Window));
        assert_eq!(out.ack(11), Err(Violation::Window));
        assert_eq!(out.ack(3), Ok(true));
        assert_eq!(out.ack(2), Ok(false));
        assert_eq!(out.send(10, 3), Ok(()));
        assert_eq!(out.send(12, 1), Err(Violation::Gap));
        assert_eq!(out.end(13), Ok(true));
        assert_eq!(out.end(13), Ok(false));
        assert_eq!(out.ack(13), Ok(true));
        assert_eq!(out.send(13, 1), Err(Violation::Window));
    }
}
