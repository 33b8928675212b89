//! How what programs wait for reads in a trace: entries of `poll`, events of `epoll`, settings of timers.

use super::words::{Flags, LIST};
use crate::abi::FlagSet;
use crate::abi::events::{EPOLL_EVENT, ITIMERSPEC, POLLFD, PollFd, parse_epoll_event, parse_itimerspec};
use crate::memory;
use replicode_log::LogicalTime;
use std::fmt;

/// Structure number `n` of a list in memory.
fn nth<const N: usize>(memory: &[u8], list: u32, n: u32) -> Option<&[u8; N]> {
    let at = list.checked_add(n.checked_mul(N as u32)?)?;
    memory::bytes(memory, at, N as u32).ok()?.first_chunk()
}

/// Entries of a `poll`: what each asks for.
pub(super) struct PollFds<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for PollFds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for n in 0..self.2.min(LIST) {
            let comma = if n > 0 { ", " } else { "" };
            match nth::<POLLFD>(self.0, self.1, n).map(PollFd::parse) {
                Some(it) => write!(f, "{comma}{} {}", it.fd, Flags(FlagSet::Poll, it.events.into()))?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if self.2 > LIST { ", ...]" } else { "]" })
    }
}

/// The same entries: what each found, without those that found nothing.
pub(super) struct Found<'a>(pub(super) PollFds<'a>);

impl fmt::Display for Found<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PollFds(memory, list, count) = self.0;
        let entries = (0..count).map_while(|n| nth::<POLLFD>(memory, list, n).map(PollFd::parse));
        let mut found = entries.filter(|it| it.revents != 0);
        f.write_str("[")?;
        for (n, it) in (0..LIST).zip(&mut found) {
            let comma = if n > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", it.fd, Flags(FlagSet::Poll, it.revents.into()))?;
        }
        f.write_str(if found.next().is_some() { ", ...]" } else { "]" })
    }
}

/// Events of `epoll`: the bits and the mark of each.
pub(super) struct EpollEvents<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for EpollEvents<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for n in 0..self.2.min(LIST) {
            let comma = if n > 0 { ", " } else { "" };
            match nth::<EPOLL_EVENT>(self.0, self.1, n).map(parse_epoll_event) {
                Some((events, data)) => write!(f, "{comma}{data:#x} {}", Flags(FlagSet::Epoll, events))?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if self.2 > LIST { ", ...]" } else { "]" })
    }
}

/// How a timer is set.
pub(super) struct TimerSpec<'a>(pub(super) &'a [u8], pub(super) u32);

impl fmt::Display for TimerSpec<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nth::<ITIMERSPEC>(self.0, self.1, 0).map(parse_itimerspec) {
            Some(Ok((_, 0))) => f.write_str("off"),
            Some(Ok((0, value))) => write!(f, "{}", LogicalTime::from_nanos(value)),
            Some(Ok((interval, value))) => {
                write!(f, "{} every {}", LogicalTime::from_nanos(value), LogicalTime::from_nanos(interval))
            }
            Some(Err(_)) => f.write_str("?"),
            None => write!(f, "{:#x}", self.1),
        }
    }
}
