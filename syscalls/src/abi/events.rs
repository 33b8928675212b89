//! Layouts of what programs wait with: `struct pollfd`, `struct epoll_event`, `struct itimerspec`; and how bits of
//! `EPOLL*` read as bits of `POLL*`, whose numbers wasi-libc has chosen otherwise than Linux.

use super::Errno;
use super::types::{epoll, poll};

/// Bytes of a `struct pollfd`.
pub const POLLFD: usize = 8;
/// Bytes of a `struct epoll_event`.
pub const EPOLL_EVENT: usize = 16;
/// Bytes of a `struct itimerspec`.
pub const ITIMERSPEC: usize = 32;

const SECOND: u64 = 1_000_000_000;

/// A `struct pollfd`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollFd {
    /// The descriptor; a negative one is left out.
    pub fd: i32,
    /// What is asked for.
    pub events: u16,
    /// What is so.
    pub revents: u16,
}

impl PollFd {
    /// Where `revents` stands.
    pub const REVENTS: usize = 6;

    /// Reads one.
    #[must_use]
    pub const fn parse(bytes: &[u8; POLLFD]) -> Self {
        let [a, b, c, d, low, high, re_low, re_high] = *bytes;
        Self {
            fd: i32::from_le_bytes([a, b, c, d]),
            events: u16::from_le_bytes([low, high]),
            revents: u16::from_le_bytes([re_low, re_high]),
        }
    }
}

/// The bits of both, for the same thing.
const BITS: [(u32, u16); 6] = [
    (epoll::READABLE, poll::IN),
    (epoll::WRITABLE, poll::OUT),
    (epoll::PRI, poll::PRI),
    (epoll::RDHUP, poll::RDHUP),
    (epoll::ERR, poll::ERR),
    (epoll::HUP, poll::HUP),
];

/// `POLL*` for `EPOLL*`: `POLLIN` is `POLLRDNORM` too, `POLLOUT` `POLLWRNORM`.
#[must_use]
pub fn poll_bits(bits: u32) -> u16 {
    BITS.iter().filter(|(from, _)| bits & from != 0).fold(0, |all, (_, to)| all | to)
}

/// `EPOLL*` for `POLL*`.
#[must_use]
pub fn epoll_bits(bits: u16) -> u32 {
    BITS.iter().filter(|(_, from)| bits & from != 0).fold(0, |all, (to, _)| all | to)
}

/// A `struct epoll_event`: bits, and what the program wants to be told with them.
#[must_use]
pub fn epoll_event(events: u32, data: u64) -> [u8; EPOLL_EVENT] {
    let mut out = [0; EPOLL_EVENT];
    out[..4].copy_from_slice(&events.to_le_bytes());
    out[8..].copy_from_slice(&data.to_le_bytes());
    out
}

/// Reads a `struct epoll_event`.
#[must_use]
pub const fn parse_epoll_event(bytes: &[u8; EPOLL_EVENT]) -> (u32, u64) {
    let [a, b, c, d, _, _, _, _, data @ ..] = *bytes;
    (u32::from_le_bytes([a, b, c, d]), u64::from_le_bytes(data))
}

/// A `struct itimerspec`, in nanoseconds: how often, and when.
#[must_use]
pub fn itimerspec(interval: u64, value: u64) -> [u8; ITIMERSPEC] {
    let mut out = [0; ITIMERSPEC];
    for (at, nanos) in [(0, interval), (16, value)] {
        out[at..at + 8].copy_from_slice(&(nanos / SECOND).to_le_bytes());
        out[at + 8..at + 12].copy_from_slice(&((nanos % SECOND) as u32).to_le_bytes());
    }
    out
}

/// Reads a `struct itimerspec`; answers how often and when. Times beyond the end of time are that.
///
/// # Errors
/// `EINVAL` for negative seconds, and for nanoseconds that are negative or a second and more.
pub fn parse_itimerspec(bytes: &[u8; ITIMERSPEC]) -> Result<(u64, u64), Errno> {
    let nanos = |half: &[u8]| {
        let seconds = half.first_chunk().copied().map(i64::from_le_bytes).ok_or(Errno::Inval)?;
        let nanos = half[8..].first_chunk().copied().map(u32::from_le_bytes).ok_or(Errno::Inval)?;
        let seconds = u64::try_from(seconds).map_err(|_| Errno::Inval)?;
        let nanos = Some(u64::from(nanos)).filter(|nanos| *nanos < SECOND).ok_or(Errno::Inval)?;
        Ok(seconds.saturating_mul(SECOND).saturating_add(nanos))
    };
    Ok((nanos(&bytes[..16])?, nanos(&bytes[16..])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_go_there_and_back() {
        let bytes = itimerspec(2_000_000_003, 999_999_999);
        assert_eq!((bytes[0], bytes[8], bytes[16]), (2, 3, 0));
        assert_eq!(parse_itimerspec(&bytes), Ok((2_000_000_003, 999_999_999)));
        let with = |at: usize, value: &[u8]| {
            let mut bytes = bytes;
            bytes[at..at + value.len()].copy_from_slice(value);
            parse_itimerspec(&bytes)
        };
        assert_eq!(with(7, &[0x80]), Err(Errno::Inval));
        assert_eq!(with(24, &1_000_000_000_u32.to_le_bytes()), Err(Errno::Inval));
        assert_eq!(with(8, &u32::MAX.to_le_bytes()), Err(Errno::Inval));
        assert_eq!(with(16, &i64::MAX.to_le_bytes()), Ok((2_000_000_003, u64::MAX)));
    }

    #[test]
    fn bits_have_their_counterparts() {
        assert_eq!(poll_bits(epoll::IN | epoll::WRNORM | epoll::HUP), poll::IN | poll::OUT | poll::HUP);
        assert_eq!(epoll_bits(poll::IN | poll::RDHUP), epoll::READABLE | epoll::RDHUP);
        assert_eq!(parse_epoll_event(&epoll_event(5, 1 << 40)), (5, 1 << 40));
    }
}
