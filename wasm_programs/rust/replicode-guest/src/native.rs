//! The same functions over the standard library, to try a guest as an ordinary program.

use std::io;
use std::mem::ManuallyDrop;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{FromRawFd, RawFd};

pub fn bind(addr: SocketAddr, _backlog: i32) -> io::Result<TcpListener> {
    TcpListener::bind(addr)
}

pub fn connect(addr: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(addr)
}

pub fn lookup(name: &str) -> io::Result<Vec<Ipv4Addr>> {
    let found: Vec<_> = (name, 0)
        .to_socket_addrs()?
        .filter_map(|addr| match addr.ip() {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        })
        .collect();
    if found.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(found) }
}

/// Asks a question of a socket that belongs to somebody else.
fn borrowed<T>(fd: RawFd, ask: impl FnOnce(&TcpStream) -> io::Result<T>) -> io::Result<T> {
    // SAFETY: ManuallyDrop never closes it, and the caller's reference keeps it open meanwhile.
    let stream = ManuallyDrop::new(unsafe { TcpStream::from_raw_fd(fd) });
    ask(&stream)
}

pub fn local_addr(fd: RawFd) -> io::Result<SocketAddr> {
    borrowed(fd, TcpStream::local_addr)
}

pub fn peer_addr(fd: RawFd) -> io::Result<SocketAddr> {
    borrowed(fd, TcpStream::peer_addr)
}

pub fn set_nodelay(stream: &TcpStream, on: bool) -> io::Result<()> {
    stream.set_nodelay(on)
}

pub fn inherited(count: i32, first: RawFd) -> io::Result<Vec<TcpListener>> {
    (first..first.saturating_add(count))
        .map(|fd| {
            borrowed(fd, TcpStream::local_addr)?; // it must be a socket
            // SAFETY: whoever started this program opened it for it, and the caller hands each one out only once.
            Ok(unsafe { TcpListener::from_raw_fd(fd) })
        })
        .collect()
}
