//! Layouts of the structures that cross guest memory. Every byte of a structure is written, padding as zero.

use super::Errno;
use super::types::{self, filetype, socket};
use crate::fs::{DEVICE, Kind, Stat};
use replicode_log::HostAddr;

/// Bytes of a `filestat`.
pub const FILESTAT: u32 = 64;
/// Bytes of an `fdstat`.
pub const FDSTAT: u32 = 24;
/// Bytes of a `prestat`.
pub const PRESTAT: u32 = 8;
/// Bytes of a `dirent`, the name that follows it not counted.
pub const DIRENT: usize = 24;
/// Bytes of a `subscription`.
pub const SUBSCRIPTION: usize = 48;
/// Bytes of an `event`.
pub const EVENT: usize = 32;
/// Bytes of a `sockaddr_in`.
pub const SOCKADDR_IN: usize = 16;
/// Bytes of a `sockaddr_in6`, the longest address that there is.
pub const SOCKADDR_IN6: usize = 28;

fn put<const N: usize>(out: &mut [u8], at: usize, value: [u8; N]) {
    out[at..at + N].copy_from_slice(&value);
}

/// The `filetype` of an inode.
#[must_use]
pub const fn file_type(kind: Kind) -> u8 {
    match kind {
        Kind::File => filetype::REGULAR_FILE,
        Kind::Directory => filetype::DIRECTORY,
        Kind::Symlink => filetype::SYMBOLIC_LINK,
        Kind::Device(_) => filetype::CHARACTER_DEVICE,
    }
}

/// A `filestat` of a file, with times in Unix time.
#[must_use]
pub fn filestat(stat: &Stat, epoch_unix_ns: u64) -> [u8; FILESTAT as usize] {
    let mut out = [0; FILESTAT as usize];
    put(&mut out, 0, DEVICE.to_le_bytes());
    put(&mut out, 8, stat.ino.number().to_le_bytes());
    out[16] = file_type(stat.kind);
    put(&mut out, 24, u64::from(stat.nlink).to_le_bytes());
    put(&mut out, 32, stat.size.to_le_bytes());
    for (at, time) in [(40, stat.atim), (48, stat.mtim), (56, stat.ctim)] {
        put(&mut out, at, time.unix_ns(epoch_unix_ns).to_le_bytes());
    }
    out
}

/// A `filestat` of what has no inode: a console or a socket.
#[must_use]
pub const fn filestat_of_type(file_type: u8) -> [u8; FILESTAT as usize] {
    let mut out = [0; FILESTAT as usize];
    out[16] = file_type;
    // One link, as of any file that is there.
    out[24] = 1;
    out
}

/// An `fdstat`.
#[must_use]
pub fn fdstat(file_type: u8, flags: u32, base: u64, inheriting: u64) -> [u8; FDSTAT as usize] {
    let mut out = [0; FDSTAT as usize];
    out[0] = file_type;
    put(&mut out, 2, (flags as u16).to_le_bytes());
    put(&mut out, 8, base.to_le_bytes());
    put(&mut out, 16, inheriting.to_le_bytes());
    out
}

/// A `prestat` of a directory whose name has `name_len` bytes.
#[must_use]
pub fn prestat_dir(name_len: u32) -> [u8; PRESTAT as usize] {
    let mut out = [0; PRESTAT as usize];
    put(&mut out, 4, name_len.to_le_bytes());
    out
}

/// A `dirent`; the name follows it in memory.
#[must_use]
pub fn dirent(next: u64, ino: u64, name_len: u32, file_type: u8) -> [u8; DIRENT] {
    let mut out = [0; DIRENT];
    put(&mut out, 0, next.to_le_bytes());
    put(&mut out, 8, ino.to_le_bytes());
    put(&mut out, 16, name_len.to_le_bytes());
    out[20] = file_type;
    out
}

/// What one subscription of a poll is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A clock reaches a time.
    Clock {
        /// Which clock.
        id: u32,
        /// The time, or how long from now.
        timeout: u64,
        /// Whether it is a time.
        absolute: bool,
    },
    /// Something can be read.
    Read(u32),
    /// Something can be written.
    Write(u32),
}

/// A `subscription`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Handed back with the event.
    pub userdata: u64,
    /// What it is about.
    pub topic: Topic,
}

impl Subscription {
    /// Reads a subscription.
    ///
    /// # Errors
    /// `EINVAL` for a kind of event or a flag that does not exist.
    #[inline]
    pub fn parse(bytes: &[u8; SUBSCRIPTION]) -> Result<Self, Errno> {
        let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let word = |at: usize| u32::from(half(at)) | u32::from(half(at + 2)) << 16;
        let double = |at: usize| u64::from(word(at)) | u64::from(word(at + 4)) << 32;
        let topic = match bytes[8] {
            0 => {
                let flags = half(40);
                if flags & !types::CLOCK_ABSTIME != 0 {
                    return Err(Errno::Inval);
                }
                Topic::Clock { id: word(16), timeout: double(24), absolute: flags != 0 }
            }
            1 => Topic::Read(word(16)),
            2 => Topic::Write(word(16)),
            _ => return Err(Errno::Inval),
        };
        Ok(Self { userdata: double(0), topic })
    }
}

/// An `event`: the answer to a subscription.
#[must_use]
pub fn event(subscription: &Subscription, error: Errno, bytes: u64, flags: u16) -> [u8; EVENT] {
    let mut out = [0; EVENT];
    put(&mut out, 0, subscription.userdata.to_le_bytes());
    put(&mut out, 8, (error as u16).to_le_bytes());
    out[10] = match subscription.topic {
        Topic::Clock { .. } => 0,
        Topic::Read(_) => 1,
        Topic::Write(_) => 2,
    };
    put(&mut out, 16, bytes.to_le_bytes());
    put(&mut out, 24, flags.to_le_bytes());
    out
}

/// An address as a `sockaddr_in` or a `sockaddr_in6`, and how long that is; the rest is zero.
#[must_use]
pub fn sockaddr(addr: HostAddr) -> ([u8; SOCKADDR_IN6], usize) {
    let mut out = [0; SOCKADDR_IN6];
    put(&mut out, 2, addr.port().to_be_bytes());
    match addr {
        HostAddr::V4(ip, _) => {
            put(&mut out, 0, socket::AF_INET.to_le_bytes());
            put(&mut out, 4, ip);
            (out, SOCKADDR_IN)
        }
        HostAddr::V6(ip, _) => {
            put(&mut out, 0, socket::AF_INET6.to_le_bytes());
            put(&mut out, 8, ip);
            (out, SOCKADDR_IN6)
        }
    }
}

/// Reads a `sockaddr_in` or a `sockaddr_in6`; flow and scope are not looked at.
///
/// # Errors
/// `EINVAL` when it is too short, `EAFNOSUPPORT` for another family.
pub fn parse_sockaddr(bytes: &[u8]) -> Result<HostAddr, Errno> {
    let (Some(&[a, b]), port) = (bytes.first_chunk::<2>(), bytes.get(2..4)) else { return Err(Errno::Inval) };
    let port = port.and_then(|it| it.first_chunk()).copied().map(u16::from_be_bytes);
    let four = bytes.get(4..).and_then(|it| it.first_chunk()).copied();
    let six = bytes.get(8..).and_then(|it| it.first_chunk()).copied();
    match (u16::from_le_bytes([a, b]), port, four, six) {
        (socket::AF_INET, Some(port), Some(ip), _) => Ok(HostAddr::V4(ip, port)),
        (socket::AF_INET6, Some(port), _, Some(ip)) => Ok(HostAddr::V6(ip, port)),
        (socket::AF_INET | socket::AF_INET6, ..) => Err(Errno::Inval),
        _ => Err(Errno::AfNoSupport),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscriptions_are_read_as_the_witx_lays_them_out() {
        let mut bytes = [0; SUBSCRIPTION];
        put(&mut bytes, 0, 0x1122_u64.to_le_bytes());
        put(&mut bytes, 16, 1_u32.to_le_bytes());
        put(&mut bytes, 24, 5_000_000_000_u64.to_le_bytes());
        put(&mut bytes, 40, 1_u16.to_le_bytes());
        let clock = Topic::Clock { id: 1, timeout: 5_000_000_000, absolute: true };
        assert_eq!(Subscription::parse(&bytes), Ok(Subscription { userdata: 0x1122, topic: clock }));
        bytes[41] = 1;
        assert_eq!(Subscription::parse(&bytes), Err(Errno::Inval));
        bytes[8] = 2;
        assert_eq!(Subscription::parse(&bytes).map(|it| it.topic), Ok(Topic::Write(1)));
        bytes[8] = 3;
        assert_eq!(Subscription::parse(&bytes), Err(Errno::Inval));
    }

    #[test]
    fn addresses_go_there_and_back() {
        let (bytes, len) = sockaddr(HostAddr::V4([10, 77, 0, 2], 6379));
        assert_eq!((len, &bytes[..8]), (16, &[1, 0, 0x18, 0xeb, 10, 77, 0, 2][..]));
        assert_eq!(parse_sockaddr(&bytes), Ok(HostAddr::V4([10, 77, 0, 2], 6379)));
        assert_eq!(parse_sockaddr(&bytes[..7]), Err(Errno::Inval));
        let mut six = [0; 16];
        six[15] = 1;
        let (bytes, len) = sockaddr(HostAddr::V6(six, 80));
        assert_eq!((len, &bytes[..4], &bytes[8..24]), (28, &[2, 0, 0, 80][..], &six[..]));
        assert_eq!(parse_sockaddr(&bytes), Ok(HostAddr::V6(six, 80)));
        assert_eq!(parse_sockaddr(&bytes[..23]), Err(Errno::Inval));
        for unknown in [&[3, 0, 0, 0, 0, 0, 0, 0][..], &[0, 0]] {
            assert_eq!(parse_sockaddr(unknown), Err(Errno::AfNoSupport));
        }
        assert_eq!(parse_sockaddr(&[1]), Err(Errno::Inval));
    }
}
