//! The words of a trace: how one argument or answer reads for people.
//!
//! Everything is read as it stands in the guest's memory when the call has finished.

use crate::abi::layout::{self, EVENT, FDSTAT, FILESTAT, SOCKADDR_IN6, SUBSCRIPTION, Subscription, Topic};
use crate::abi::types::{HANGUP, epoll, poll, socket as c};
use crate::abi::{Errno, FlagSet};
use crate::memory;
use replicode_log::LogicalTime;
use std::fmt;

/// The most bytes of a path that a trace shows.
const PATH: usize = 256;
/// The most entries of a list that a trace shows.
pub(super) const LIST: u32 = 8;

/// Text, quoted.
pub(super) struct PathAt<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for PathAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match memory::bytes(self.0, self.1, self.2) {
            Ok(path) if path.len() <= PATH => write!(f, "\"{}\"", path.escape_ascii()),
            Ok(path) => write!(f, "\"{}\"...", path[..PATH].escape_ascii()),
            Err(_) => write!(f, "{:#x}", self.1),
        }
    }
}

/// A list of buffers.
pub(super) struct Iovecs<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for Iovecs<'_> {
    /// The lengths of the buffers, as far as they can be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for n in 0..self.2.min(LIST) {
            let at = self.1.saturating_add(n * 8).saturating_add(4);
            let comma = if n > 0 { ", " } else { "" };
            match memory::read_u32(self.0, at) {
                Ok(len) => write!(f, "{comma}{len}")?,
                Err(_) => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if self.2 > LIST { ", ...]" } else { "]" })
    }
}

/// An address.
pub(super) struct AddressAt<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for AddressAt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match memory::bytes(self.0, self.1, self.2.min(SOCKADDR_IN6 as u32)).and_then(layout::parse_sockaddr) {
            Ok(addr) => write!(f, "{addr}"),
            Err(_) => write!(f, "{:#x}", self.1),
        }
    }
}

/// Named bits, or a named number.
pub(super) struct Flags(pub(super) FlagSet, pub(super) u32);

impl Flags {
    /// The names of the bits from the lowest up, or of the numbers from 0 up.
    const fn names(&self) -> (bool, &'static [(u32, &'static str)]) {
        match self.0 {
            FlagSet::Fd => (true, &[(1, "APPEND"), (2, "DSYNC"), (4, "NONBLOCK"), (8, "RSYNC"), (16, "SYNC")]),
            FlagSet::Open => (true, &[(1, "CREAT"), (2, "DIRECTORY"), (4, "EXCL"), (8, "TRUNC")]),
            FlagSet::Lookup => (true, &[(1, "FOLLOW")]),
            FlagSet::Times => (true, &[(1, "ATIM"), (2, "ATIM_NOW"), (4, "MTIM"), (8, "MTIM_NOW")]),
            FlagSet::Recv => (true, &[(1, "PEEK"), (2, "WAITALL")]),
            FlagSet::Msg => (
                true,
                &[
                    (1, "PEEK"),
                    (2, "WAITALL"),
                    (0x20, "TRUNC"),
                    (0x40, "DONTWAIT"),
                    (0x4000, "NOSIGNAL"),
                    (0x8000, "MORE"),
                ],
            ),
            FlagSet::Shutdown => (true, &[(1, "RD"), (2, "WR")]),
            FlagSet::LockCommand => (
                false,
                &[(5, "GETLK"), (6, "SETLK"), (7, "SETLKW"), (36, "OFD_GETLK"), (37, "OFD_SETLK"), (38, "OFD_SETLKW")],
            ),
            FlagSet::Flock => (true, &[(1, "SH"), (2, "EX"), (4, "NB"), (8, "UN")]),
            FlagSet::New => (true, &[(0x2000, "CLOEXEC"), (0x4000, "NONBLOCK")]),
            FlagSet::Sock => (true, &[(6, "STREAM"), (5, "DGRAM"), (0x2000, "CLOEXEC"), (0x4000, "NONBLOCK")]),
            FlagSet::Clock => {
                (false, &[(0, "REALTIME"), (1, "MONOTONIC"), (2, "PROCESS_CPUTIME"), (3, "THREAD_CPUTIME")])
            }
            FlagSet::FileType => (
                false,
                &[
                    (0, "UNKNOWN"),
                    (2, "CHARACTER_DEVICE"),
                    (3, "DIRECTORY"),
                    (4, "REGULAR_FILE"),
                    (6, "SOCKET_STREAM"),
                    (7, "SYMBOLIC_LINK"),
                ],
            ),
            FlagSet::Domain => (false, &[(0, "UNSPEC"), (1, "INET"), (2, "INET6"), (3, "UNIX")]),
            FlagSet::Protocol => (false, &[(6, "TCP"), (17, "UDP")]),
            FlagSet::Level => (
                false,
                &[
                    (c::SOL_SOCKET, "SOL_SOCKET"),
                    (0, "IPPROTO_IP"),
                    (c::IPPROTO_TCP, "IPPROTO_TCP"),
                    (c::IPPROTO_IPV6, "IPPROTO_IPV6"),
                ],
            ),
            FlagSet::Eventfd => (true, &[(1, "SEMAPHORE"), (0x2000, "CLOEXEC"), (0x4000, "NONBLOCK")]),
            FlagSet::EpollOp => (false, &[(epoll::CTL_ADD, "ADD"), (epoll::CTL_DEL, "DEL"), (epoll::CTL_MOD, "MOD")]),
            FlagSet::Timer => (true, &[(1, "ABSTIME"), (2, "CANCEL_ON_SET")]),
            FlagSet::Epoll => (
                true,
                &[
                    (epoll::IN, "IN"),
                    (epoll::PRI, "PRI"),
                    (epoll::OUT, "OUT"),
                    (epoll::ERR, "ERR"),
                    (epoll::HUP, "HUP"),
                    (epoll::RDNORM, "RDNORM"),
                    (epoll::WRNORM, "WRNORM"),
                    (epoll::RDHUP, "RDHUP"),
                    (epoll::EXCLUSIVE, "EXCLUSIVE"),
                    (epoll::WAKEUP, "WAKEUP"),
                    (epoll::ONESHOT, "ONESHOT"),
                    (epoll::EDGE, "ET"),
                ],
            ),
            FlagSet::Poll => (
                true,
                &[
                    (poll::IN as u32, "IN"),
                    (poll::OUT as u32, "OUT"),
                    (poll::PRI as u32, "PRI"),
                    (poll::RDHUP as u32, "RDHUP"),
                    (poll::ERR as u32, "ERR"),
                    (poll::HUP as u32, "HUP"),
                    (poll::NVAL as u32, "NVAL"),
                ],
            ),
            FlagSet::Whence => (false, &[(0, "SET"), (1, "CUR"), (2, "END")]),
            FlagSet::Advice => (
                false,
                &[(0, "NORMAL"), (1, "SEQUENTIAL"), (2, "RANDOM"), (3, "WILLNEED"), (4, "DONTNEED"), (5, "NOREUSE")],
            ),
        }
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bits, names) = self.names();
        if !bits {
            return match names.iter().find(|(number, _)| *number == self.1) {
                Some((_, name)) => f.write_str(name),
                None => write!(f, "{}", self.1),
            };
        }
        let mut rest = self.1;
        let mut bar = "";
        for (bit, name) in names {
            if rest & bit == *bit {
                write!(f, "{bar}{name}")?;
                bar = "|";
                rest &= !bit;
            }
        }
        match (rest, bar) {
            (0, "") => f.write_str("0"),
            (0, _) => Ok(()),
            _ => write!(f, "{bar}{rest:#x}"),
        }
    }
}

/// The name of a socket option.
pub(super) struct OptionName {
    pub(super) level: u32,
    pub(super) option: u32,
}

impl fmt::Display for OptionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.level, self.option) {
            (c::SOL_SOCKET, c::SO_REUSEADDR) => "SO_REUSEADDR",
            (c::SOL_SOCKET, c::SO_TYPE) => "SO_TYPE",
            (c::SOL_SOCKET, c::SO_ERROR) => "SO_ERROR",
            (c::SOL_SOCKET, c::SO_SNDBUF) => "SO_SNDBUF",
            (c::SOL_SOCKET, c::SO_RCVBUF) => "SO_RCVBUF",
            (c::SOL_SOCKET, c::SO_KEEPALIVE) => "SO_KEEPALIVE",
            (c::SOL_SOCKET, c::SO_ACCEPTCONN) => "SO_ACCEPTCONN",
            (c::SOL_SOCKET, c::SO_PROTOCOL) => "SO_PROTOCOL",
            (c::SOL_SOCKET, c::SO_DOMAIN) => "SO_DOMAIN",
            (c::SOL_SOCKET, c::SO_RCVTIMEO) => "SO_RCVTIMEO",
            (c::SOL_SOCKET, c::SO_SNDTIMEO) => "SO_SNDTIMEO",
            (c::IPPROTO_TCP, c::TCP_NODELAY) => "TCP_NODELAY",
            (c::IPPROTO_TCP, c::TCP_KEEPIDLE) => "TCP_KEEPIDLE",
            (c::IPPROTO_TCP, c::TCP_KEEPINTVL) => "TCP_KEEPINTVL",
            (c::IPPROTO_TCP, c::TCP_KEEPCNT) => "TCP_KEEPCNT",
            (c::SOL_SOCKET, c::SO_DEBUG) => "SO_DEBUG",
            (c::SOL_SOCKET, c::SO_DONTROUTE) => "SO_DONTROUTE",
            (c::SOL_SOCKET, c::SO_BROADCAST) => "SO_BROADCAST",
            (c::SOL_SOCKET, c::SO_OOBINLINE) => "SO_OOBINLINE",
            (c::SOL_SOCKET, c::SO_PRIORITY) => "SO_PRIORITY",
            (c::SOL_SOCKET, c::SO_LINGER) => "SO_LINGER",
            (c::SOL_SOCKET, c::SO_REUSEPORT) => "SO_REUSEPORT",
            (c::SOL_SOCKET, c::SO_RCVLOWAT) => "SO_RCVLOWAT",
            (c::SOL_SOCKET, c::SO_SNDLOWAT) => "SO_SNDLOWAT",
            (c::IPPROTO_TCP, c::TCP_MAXSEG) => "TCP_MAXSEG",
            (c::IPPROTO_TCP, c::TCP_CORK) => "TCP_CORK",
            (c::IPPROTO_TCP, c::TCP_QUICKACK) => "TCP_QUICKACK",
            (c::IPPROTO_TCP, c::TCP_FASTOPEN) => "TCP_FASTOPEN",
            (c::SOL_REPLICODE, c::POLL_ROOM_ONCE) => "POLL_ROOM_ONCE",
            (c::IPPROTO_IP, c::IP_TOS) => "IP_TOS",
            (c::IPPROTO_IP, c::IP_TTL) => "IP_TTL",
            (c::IPPROTO_IPV6, c::IPV6_V6ONLY) => "IPV6_V6ONLY",
            (c::IPPROTO_IPV6, c::IPV6_TCLASS) => "IPV6_TCLASS",
            (c::IPPROTO_IPV6, c::IPV6_UNICAST_HOPS) => "IPV6_UNICAST_HOPS",
            _ => return write!(f, "{}", self.option),
        })
    }
}

/// The value of a socket option: a number, or a `struct timeval`, which is the only one with 16 bytes.
pub(super) struct OptionValue<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl fmt::Display for OptionValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = memory::read_u32(self.0, self.1);
        match (self.2, word, memory::read_u64(self.0, self.1), memory::read_u64(self.0, self.1.saturating_add(8))) {
            (16.., _, Ok(seconds), Ok(micros)) => write!(f, "{seconds}.{micros:06}"),
            (4.., Ok(number), ..) => write!(f, "{}", number.cast_signed()),
            (0..4, Ok(_), ..) => write!(f, "({} bytes)", self.2),
            _ => write!(f, "{:#x}", self.1),
        }
    }
}

/// What a poll asks for.
#[derive(Clone, Copy)]
pub(super) struct Subscriptions<'a>(pub(super) &'a [u8], pub(super) u32, pub(super) u32);

impl Subscriptions<'_> {
    fn get(&self, n: u32) -> Option<Subscription> {
        let at = self.1.checked_add(n.checked_mul(SUBSCRIPTION as u32)?)?;
        let bytes = memory::bytes(self.0, at, SUBSCRIPTION as u32).ok()?;
        Subscription::parse(bytes.first_chunk()?).ok()
    }
}

impl fmt::Display for Subscriptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for n in 0..self.2.min(LIST) {
            let comma = if n > 0 { ", " } else { "" };
            match self.get(n) {
                Some(it) => write!(f, "{comma}{}", Wanted(it.topic))?,
                None => write!(f, "{comma}?")?,
            }
        }
        f.write_str(if self.2 > LIST { ", ...]" } else { "]" })
    }
}

/// One topic of a poll.
struct Wanted(Topic);

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Topic::Read(fd) => write!(f, "{fd} read"),
            Topic::Write(fd) => write!(f, "{fd} write"),
            Topic::Clock { id, timeout, absolute } => {
                let how = if absolute { "at" } else { "in" };
                write!(f, "{} {how} {}", Flags(FlagSet::Clock, id), LogicalTime::from_nanos(timeout))
            }
        }
    }
}

/// What a poll found. Which descriptor an event is about stands in the subscription with the same mark.
pub(super) struct Events<'a> {
    pub(super) memory: &'a [u8],
    pub(super) at: u32,
    pub(super) count: u32,
    pub(super) asked: Subscriptions<'a>,
}

impl Events<'_> {
    fn event(&self, f: &mut fmt::Formatter<'_>, n: u32, from: &mut u32) -> fmt::Result {
        let at = self.at.saturating_add(n.saturating_mul(EVENT as u32));
        let Ok(bytes) = memory::bytes(self.memory, at, EVENT as u32) else { return f.write_str("?") };
        let (mark, error) = (memory::read_u64(bytes, 0), u16::from_le_bytes([bytes[8], bytes[9]]));
        let flags = u16::from_le_bytes([bytes[24], bytes[25]]);
        // Events stand in the order of the subscriptions, so each search goes on where the last one ended.
        let found = (*from..self.asked.2).find_map(|at| {
            let it = self.asked.get(at).filter(|it| Ok(it.userdata) == mark && kind(it.topic) == bytes[10])?;
            Some((at, it.topic))
        });
        match found {
            Some((at, topic)) => {
                *from = at + 1;
                match topic {
                    Topic::Clock { id, .. } => write!(f, "{}", Flags(FlagSet::Clock, id))?,
                    topic => write!(f, "{}", Wanted(topic))?,
                }
            }
            None => f.write_str(["clock", "read", "write"].get(usize::from(bytes[10])).unwrap_or(&"?"))?,
        }
        if flags & HANGUP != 0 {
            f.write_str(" HANGUP")?;
        }
        match Errno::from_raw(error.into()).filter(|errno| *errno != Errno::Success) {
            Some(errno) => write!(f, " {errno}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Events<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        let mut from = 0;
        for n in 0..self.count.min(LIST) {
            f.write_str(if n > 0 { ", " } else { "" })?;
            self.event(f, n, &mut from)?;
        }
        f.write_str(if self.count > LIST { ", ...]" } else { "]" })
    }
}

/// `eventtype`.
const fn kind(topic: Topic) -> u8 {
    match topic {
        Topic::Clock { .. } => 0,
        Topic::Read(_) => 1,
        Topic::Write(_) => 2,
    }
}

/// An `fdstat`: what it is, and its flags.
pub(super) struct Fdstat<'a>(pub(super) &'a [u8], pub(super) u32);

impl fmt::Display for Fdstat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(bytes) = memory::bytes(self.0, self.1, FDSTAT) else { return write!(f, "{:#x}", self.1) };
        write!(f, "{}", Flags(FlagSet::FileType, bytes[0].into()))?;
        match u32::from(bytes[2]) | u32::from(bytes[3]) << 8 {
            0 => Ok(()),
            flags => write!(f, " {}", Flags(FlagSet::Fd, flags)),
        }
    }
}

/// A `filestat`: what it is, its inode and size.
pub(super) struct Filestat<'a>(pub(super) &'a [u8], pub(super) u32);

impl fmt::Display for Filestat<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(bytes) = memory::bytes(self.0, self.1, FILESTAT) else { return write!(f, "{:#x}", self.1) };
        let double = |at| memory::read_u64(bytes, at).unwrap_or(0);
        write!(f, "{} ino={} size={}", Flags(FlagSet::FileType, bytes[16].into()), double(8), double(32))
    }
}
