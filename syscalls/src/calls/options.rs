//! Socket options (socket(7), tcp(7), ip(7), ipv6(7) of Linux).
//!
//! Those that act here do. Others are kept and told again where no program can see that nothing follows from them: they
//! stand in [`KEPT`], each with its reason. Whatever would be a promise that nobody keeps is refused with `ENOPROTOOPT`.

use super::{Answer, Ctx};
use crate::abi::Errno;
use crate::abi::types::socket as c;
use crate::family::Family;
use crate::memory;
use crate::socket::State;
use replicode_log::Egress;

/// Pointer and length of a value in guest memory; for one that is written, pointer and pointer to the length.
type Bytes = (u32, u32);

/// How a kept option's number is changed before it is kept.
#[derive(Clone, Copy)]
enum Form {
    /// 0 or 1.
    Switch,
    /// The number, if it lies in the range.
    Number(u32, u32),
    /// A type-of-service byte without the two bits that belong to congestion control (RFC 3168, 5).
    TypeOfService,
}

/// Options that are told again and nothing else: level, number, default, form. Why no program can tell:
const KEPT: &[(u32, u32, u32, Form)] = &[
    // It concerns the kernel's own log.
    (c::SOL_SOCKET, c::SO_DEBUG, 0, Form::Switch),
    // Ports are free as soon as their sockets are closed: there is no TIME_WAIT inside a cell.
    (c::SOL_SOCKET, c::SO_REUSEADDR, 0, Form::Switch),
    // For several sockets at one port; the second `bind` says that the port is in use.
    (c::SOL_SOCKET, c::SO_REUSEPORT, 0, Form::Switch),
    // A cell has one network and no gateways.
    (c::SOL_SOCKET, c::SO_DONTROUTE, 0, Form::Switch),
    // Streams do not broadcast.
    (c::SOL_SOCKET, c::SO_BROADCAST, 0, Form::Switch),
    // The gateway passes urgent bytes on in their place.
    (c::SOL_SOCKET, c::SO_OOBINLINE, 0, Form::Switch),
    // Marks of packets; a program never sees packets.
    (c::SOL_SOCKET, c::SO_PRIORITY, 0, Form::Number(0, 6)),
    (c::IPPROTO_IP, c::IP_TOS, 0, Form::TypeOfService),
    (c::IPPROTO_IP, c::IP_TTL, 64, Form::Number(1, 255)),
    (c::IPPROTO_IPV6, c::IPV6_TCLASS, 0, Form::TypeOfService),
    (c::IPPROTO_IPV6, c::IPV6_UNICAST_HOPS, 64, Form::Number(0, 255)),
    // How bytes are put into packets, which leave with the batch in any case.
    (c::IPPROTO_TCP, c::TCP_NODELAY, 0, Form::Switch),
    (c::IPPROTO_TCP, c::TCP_CORK, 0, Form::Switch),
    (c::IPPROTO_TCP, c::TCP_QUICKACK, 1, Form::Switch),
    // Clients that send data with their first packet; the length of the queue for them.
    (c::IPPROTO_TCP, c::TCP_FASTOPEN, 0, Form::Number(0, i32::MAX as u32)),
];

/// The default of a kept option, and its form.
fn kept(level: u32, name: u32) -> Option<(u32, Form)> {
    KEPT.iter().find(|it| (it.0, it.1) == (level, name)).map(|it| (it.2, it.3))
}

/// What TCP puts into a packet on an Ethernet: 1500 less two headers of 20 and 12 bytes of time stamps (RFC 7323).
const SEGMENT: u32 = 1_448;

impl Ctx<'_> {
    pub(super) fn bsd_getsockopt(&mut self, fd: u32, level: u32, name: u32, (out, len): Bytes) -> Answer {
        let (slot, _) = self.socket(fd)?;
        let room = memory::read_u32(self.memory, len)?;
        self.check_out(out, room.min(16))?;
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        let options = &socket.options;
        let number = match (level, name) {
            (c::SOL_SOCKET, c::SO_RCVTIMEO) => {
                let timeout = options.recv_timeout;
                return self.tell_pair(out, len, room, timeval_of(timeout));
            }
            (c::SOL_SOCKET, c::SO_SNDTIMEO) => {
                let timeout = options.send_timeout;
                return self.tell_pair(out, len, room, timeval_of(timeout));
            }
            (c::SOL_SOCKET, c::SO_LINGER) => {
                let (on, seconds) = (u32::from(options.linger.is_some()), options.linger.unwrap_or(0));
                let value = (u64::from(on) | u64::from(seconds) << 32).to_le_bytes();
                let n = room.min(8);
                self.tell(out, &value[..n as usize])?;
                return self.tell_u32(len, n);
            }
            (c::SOL_REPLICODE, c::POLL_ROOM_ONCE) => options.room_told.is_some().into(),
            (c::SOL_SOCKET, c::SO_KEEPALIVE) => options.keep.on.into(),
            (c::SOL_SOCKET, c::SO_TYPE) => c::SOCK_STREAM,
            (c::SOL_SOCKET, c::SO_PROTOCOL) => c::IPPROTO_TCP,
            (c::SOL_SOCKET, c::SO_DOMAIN) => socket.family.domain().into(),
            (c::SOL_SOCKET, c::SO_ACCEPTCONN) => matches!(socket.state, State::Listening { .. }).into(),
            (c::SOL_SOCKET, c::SO_RCVBUF) => self.limits.recv_window,
            (c::SOL_SOCKET, c::SO_SNDBUF) => self.limits.send_window,
            // A single byte makes a socket readable, and one byte of room writable.
            (c::SOL_SOCKET, c::SO_RCVLOWAT | c::SO_SNDLOWAT) => 1,
            (c::SOL_SOCKET, c::SO_ERROR) => socket.error.take().map_or(0, |errno| errno as u32),
            (c::IPPROTO_TCP, c::TCP_MAXSEG) => SEGMENT,
            (c::IPPROTO_TCP, c::TCP_KEEPIDLE) => options.keep.timing.idle,
            (c::IPPROTO_TCP, c::TCP_KEEPINTVL) => options.keep.timing.interval,
            (c::IPPROTO_TCP, c::TCP_KEEPCNT) => options.keep.timing.count,
            (c::IPPROTO_IPV6, c::IPV6_V6ONLY) => match socket.family {
                Family::V4 => return Err(Errno::NoProtoOpt.into()),
                Family::V6 { only } => only.into(),
            },
            _ => match (kept(level, name), options.kept.get(&(level, name))) {
                // An IPv4 socket has no options of IPv6; Linux says the same of it.
                _ if level == c::IPPROTO_IPV6 && socket.family == Family::V4 => return Err(Errno::NoProtoOpt.into()),
                (Some(_), Some(value)) => *value,
                (Some((default, _)), None) => default,
                (None, _) => return Err(Errno::NoProtoOpt.into()),
            },
        };
        let n = room.min(4);
        self.tell(out, &number.to_le_bytes()[..n as usize])?;
        self.tell_u32(len, n)
    }

    /// wasi-libc's `struct timeval`: seconds and microseconds, 64 bits each.
    pub(super) fn tell_pair(&mut self, out: u32, len: u32, room: u32, (first, second): (u64, u64)) -> Answer {
        if room < 16 {
            return Err(Errno::Inval.into());
        }
        self.tell_u64(out, first)?;
        self.tell_u64(out + 8, second)?;
        self.tell_u32(len, 16)
    }

    pub(super) fn bsd_setsockopt(&mut self, fd: u32, level: u32, name: u32, (value, len): Bytes) -> Answer {
        let (slot, _) = self.socket(fd)?;
        let bytes = memory::bytes(self.memory, value, len)?;
        let number = bytes.first_chunk::<4>().copied().map(u32::from_le_bytes).ok_or(Errno::Inval)?;
        let socket = self.sockets.get_mut(slot).ok_or(Errno::BadF)?;
        let wanted = socket.options.keep.wanted();
        let options = &mut socket.options;
        match (level, name) {
            // Set again, it tells again.
            (c::SOL_REPLICODE, c::POLL_ROOM_ONCE) => options.room_told = (number != 0).then_some(false),
            (c::SOL_SOCKET, c::SO_KEEPALIVE) => options.keep.on = number != 0,
            (c::SOL_SOCKET, c::SO_RCVTIMEO) => options.recv_timeout = timeval(bytes)?,
            (c::SOL_SOCKET, c::SO_SNDTIMEO) => options.send_timeout = timeval(bytes)?,
            // With a time of 0 closing throws the connection away (`close.rs`). Any other asks `close` to wait until what was
            // sent has arrived; here that is in the log of a majority, and arrives even if the program ends now.
            (c::SOL_SOCKET, c::SO_LINGER) => {
                let seconds = memory::read_u32(bytes, 4).map_err(|_| Errno::Inval)?;
                options.linger = (number != 0).then_some(seconds);
            }
            // The windows are limits of the cell, the same for every connection; segments are the gateway's business.
            (c::SOL_SOCKET, c::SO_RCVBUF | c::SO_SNDBUF) => {}
            (c::IPPROTO_TCP, c::TCP_MAXSEG) => within(number, 88, 32_767).map(|_| ())?,
            (c::SOL_SOCKET, c::SO_RCVLOWAT) if number <= 1 => {}
            // The ranges are Linux's (tcp(7), MAX_TCP_KEEPIDLE and so on).
            (c::IPPROTO_TCP, c::TCP_KEEPIDLE) => options.keep.timing.idle = within(number, 1, 32_767)?,
            (c::IPPROTO_TCP, c::TCP_KEEPINTVL) => options.keep.timing.interval = within(number, 1, 32_767)?,
            (c::IPPROTO_TCP, c::TCP_KEEPCNT) => options.keep.timing.count = within(number, 1, 127)?,
            (c::IPPROTO_IPV6, _) if socket.family == Family::V4 => return Err(Errno::NoProtoOpt.into()),
            (c::IPPROTO_IPV6, c::IPV6_V6ONLY) => {
                // A port that is held is held in the families that the socket had.
                if socket.held_port.is_some() || socket.state != State::Idle {
                    return Err(Errno::Inval.into());
                }
                socket.family = Family::V6 { only: number != 0 };
                return Ok(0);
            }
            _ => {
                let (default, form) = kept(level, name).ok_or(Errno::NoProtoOpt)?;
                let number = match form {
                    Form::Switch => u32::from(number != 0),
                    Form::Number(least, most) => within(number, least, most)?,
                    Form::TypeOfService => number & 0xfc,
                };
                if number == default {
                    options.kept.remove(&(level, name));
                } else {
                    options.kept.insert((level, name), number);
                }
            }
        }
        let news = options.keep.wanted();
        if news != wanted && socket.is_connected() && !socket.reset {
            self.outbox.net(Egress::KeepAlive { sock: socket.id, wanted: news });
        }
        Ok(0)
    }
}

/// A number that lies in a range.
fn within(number: u32, least: u32, most: u32) -> Result<u32, Errno> {
    if (least..=most).contains(&number) { Ok(number) } else { Err(Errno::Inval) }
}

/// Seconds and microseconds of nanoseconds.
pub(super) const fn timeval_of(nanos: u64) -> (u64, u64) {
    (nanos / 1_000_000_000, nanos % 1_000_000_000 / 1_000)
}

/// Nanoseconds of a `struct timeval`; 0 means no time-out.
pub(super) fn timeval(bytes: &[u8]) -> Result<u64, Errno> {
    let seconds = memory::read_u64(bytes, 0).map_err(|_| Errno::Inval)?;
    let micros = memory::read_u64(bytes, 8).map_err(|_| Errno::Inval)?;
    if micros >= 1_000_000 {
        return Err(Errno::Dom);
    }
    // Negative seconds end at once, as on Linux: the shortest time-out there is.
    if seconds.cast_signed() < 0 {
        return Ok(1);
    }
    Ok(seconds.saturating_mul(1_000_000_000).saturating_add(micros * 1_000))
}
