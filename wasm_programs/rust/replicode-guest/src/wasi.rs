//! The functions of this crate over the runtime's imports. Addresses are in wasi-libc's layout: a little-endian family, a
//! big-endian port, then for IPv4 the address, for IPv6 four bytes of flow information and the address.

use crate::ffi;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

const AF_INET: u16 = 1;
const AF_INET6: u16 = 2;
const SOCK_STREAM: i32 = 6;
#[cfg(feature = "tokio")]
const SOCK_NONBLOCK: i32 = 0x4000;
const SOL_SOCKET: i32 = 0x7fff_ffff;
const SO_REUSEADDR: i32 = 2;
#[cfg(feature = "tokio")]
const SO_ERROR: i32 = 4;
const IPPROTO_TCP: i32 = 6;
const TCP_NODELAY: i32 = 1;
/// Options of the runtime, and one of them.
#[cfg(feature = "tokio")]
const SOL_REPLICODE: i32 = 0x6c70_6572;
#[cfg(feature = "tokio")]
const POLL_ROOM_ONCE: i32 = 1;

/// Sizes of `struct sockaddr_in` and `struct sockaddr_in6`.
const IN_SIZE: usize = 16;
const IN6_SIZE: usize = 28;

struct RawAddr {
    family: u16,
    bytes: [u8; IN6_SIZE],
    len: usize,
}

impl RawAddr {
    fn new(addr: SocketAddr) -> Self {
        let mut bytes = [0; IN6_SIZE];
        bytes[2..4].copy_from_slice(&addr.port().to_be_bytes());
        let (family, len) = match addr.ip() {
            IpAddr::V4(ip) => {
                bytes[4..8].copy_from_slice(&ip.octets());
                (AF_INET, IN_SIZE)
            }
            IpAddr::V6(ip) => {
                bytes[8..24].copy_from_slice(&ip.octets());
                (AF_INET6, IN6_SIZE)
            }
        };
        bytes[..2].copy_from_slice(&family.to_le_bytes());
        Self { family, bytes, len }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

fn decode(raw: [u8; ffi::ADDR_SIZE]) -> io::Result<SocketAddr> {
    let port = u16::from_be_bytes([raw[2], raw[3]]);
    match u16::from_le_bytes([raw[0], raw[1]]) {
        AF_INET => Ok((Ipv4Addr::new(raw[4], raw[5], raw[6], raw[7]), port).into()),
        AF_INET6 => {
            let mut ip = [0; 16];
            ip.copy_from_slice(&raw[8..24]);
            Ok((Ipv6Addr::from(ip), port).into())
        }
        family => Err(io::Error::other(format!("address family {family} is not known"))),
    }
}

/// A new socket that is closed again if what follows fails.
fn open(addr: &RawAddr, flags: i32) -> io::Result<OwnedFd> {
    let fd = ffi::open(i32::from(addr.family), SOCK_STREAM | flags)?;
    // SAFETY: the runtime has just opened this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

pub fn bind(addr: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let addr = RawAddr::new(addr);
    let socket = open(&addr, 0)?;
    ffi::setsockopt(socket.as_raw_fd(), SOL_SOCKET, SO_REUSEADDR, 1)?;
    ffi::bind(socket.as_raw_fd(), addr.as_bytes())?;
    ffi::listen(socket.as_raw_fd(), backlog)?;
    Ok(socket.into())
}

pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let addr = RawAddr::new(addr);
    let socket = open(&addr, 0)?;
    ffi::connect(socket.as_raw_fd(), addr.as_bytes())?;
    Ok(socket.into())
}

/// Starts a connection on a non-blocking socket: it is established, or has failed, when the socket becomes writable.
#[cfg(feature = "tokio")]
pub fn start_connect(addr: SocketAddr) -> io::Result<TcpStream> {
    let addr = RawAddr::new(addr);
    let socket = open(&addr, SOCK_NONBLOCK)?;
    match ffi::connect(socket.as_raw_fd(), addr.as_bytes()) {
        Err(error) if error.raw_os_error() != Some(libc::EINPROGRESS) => Err(error),
        _ => Ok(socket.into()),
    }
}

/// Has `poll_oneoff` tell of room for writing when there is news of it, not for as long as there is some: on wasip1 mio
/// subscribes to both directions of every socket, and takes what it is told for news, as from epoll. Accepted sockets are
/// like their listener in that. A runtime that does not know of it tells more often than need be, which is slow and right.
#[cfg(feature = "tokio")]
pub fn tell_room_once(fd: RawFd) {
    let _ = ffi::setsockopt(fd, SOL_REPLICODE, POLL_ROOM_ONCE, 1);
}

/// The error a socket has met since it was last asked, for example in connecting.
#[cfg(feature = "tokio")]
pub fn take_error(fd: RawFd) -> io::Result<()> {
    match ffi::getsockopt(fd, SOL_SOCKET, SO_ERROR)? {
        0 => Ok(()),
        errno => Err(io::Error::from_raw_os_error(errno)),
    }
}

pub fn lookup(name: &str) -> io::Result<Vec<Ipv4Addr>> {
    let mut addrs = [[0; 4]; 16];
    let none = || io::Error::new(io::ErrorKind::NotFound, format!("no program of the cell is called '{name}' now"));
    let found = ffi::resolve(name, &mut addrs).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => none(),
        _ => error,
    })?;
    if found == 0 {
        return Err(none());
    }
    Ok(addrs[..found].iter().map(|octets| Ipv4Addr::from(*octets)).collect())
}

pub fn local_addr(fd: RawFd) -> io::Result<SocketAddr> {
    decode(ffi::getsockname(fd)?)
}

pub fn peer_addr(fd: RawFd) -> io::Result<SocketAddr> {
    decode(ffi::getpeername(fd)?)
}

pub fn set_nodelay(stream: &TcpStream, on: bool) -> io::Result<()> {
    ffi::setsockopt(stream.as_raw_fd(), IPPROTO_TCP, TCP_NODELAY, i32::from(on))
}

pub fn inherited(count: i32, first: RawFd) -> io::Result<Vec<TcpListener>> {
    (first..first.saturating_add(count))
        .map(|fd| {
            ffi::getsockname(fd)?; // it must be a socket
            // SAFETY: the runtime opened it for this program, and the caller hands each one out only once.
            Ok(unsafe { TcpListener::from_raw_fd(fd) })
        })
        .collect()
}
