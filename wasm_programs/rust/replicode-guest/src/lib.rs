//! Sockets for Rust programs that run in replicode.
//!
//! On `wasm32-wasip1` the standard library can use a socket but not make one: `TcpListener::bind` and
//! `TcpStream::connect` answer `Unsupported`. The functions here make them through the runtime's own imports and hand out
//! ordinary `std::net` types, so the rest of a program stays as it is:
//!
//! ```no_run
//! use std::io::{Read, Write};
//!
//! let listener = replicode_guest::bind(([0, 0, 0, 0], 7))?;
//! loop {
//!     let (mut stream, _) = listener.accept()?;
//!     let mut buffer = [0; 1024];
//!     let n = stream.read(&mut buffer)?;
//!     stream.write_all(&buffer[..n])?;
//! }
//! # #[allow(unreachable_code)] Ok::<(), std::io::Error>(())
//! ```
//!
//! [`net`] and [`tokio`] have these under the names that programs use already, so that a line with `use` is all that
//! changes.
//!
//! On any other target the same functions go to the standard library, so a program can be tried natively first.
//!
//! [`contract`] calls the contracts of the cell that the program runs in.
//!
//! What `std` cannot do on these sockets in wasip1 has a function here: [`local_addr`], [`peer_addr`], [`set_nodelay`],
//! and [`poll`] to wait for several at once.

mod addrs;
pub mod contract;
#[cfg(target_os = "wasi")]
mod ffi;
#[cfg(not(target_os = "wasi"))]
mod native;
pub mod net;
mod poll;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(target_os = "wasi")]
mod wasi;

#[cfg(not(target_os = "wasi"))]
use native as sys;
#[cfg(target_os = "wasi")]
use wasi as sys;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;

pub use addrs::ToAddrs;
pub use poll::{PollFd, Ready, poll};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 128;

/// A listener on this address. Port 0 takes a free one; [`local_addr`] tells which.
///
/// # Errors
/// `AddrInUse` when the program already listens there, `AddrNotAvailable` when the address is not its own.
pub fn bind(addr: impl Into<SocketAddr>) -> io::Result<TcpListener> {
    sys::bind(addr.into(), BACKLOG)
}

/// A connection to this address; waits until it is established or refused.
///
/// # Errors
/// `ConnectionRefused` when nobody listens there, `NetworkUnreachable` for addresses outside the cell.
pub fn connect(addr: impl Into<SocketAddr>) -> io::Result<TcpStream> {
    sys::connect(addr.into())
}

/// A connection to a program of the cell, by its name.
///
/// # Errors
/// As [`lookup`] and, for the last address tried, [`connect`].
pub fn connect_to(name: &str, port: u16) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for addr in lookup(name)? {
        match connect((addr, port)) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a program of the cell, by its name. Never empty.
///
/// # Errors
/// `NotFound` when no program has this name.
pub fn lookup(name: &str) -> io::Result<Vec<Ipv4Addr>> {
    sys::lookup(name)
}

/// The address a socket is bound to.
///
/// # Errors
/// When `socket` is not a socket.
pub fn local_addr(socket: &impl AsRawFd) -> io::Result<SocketAddr> {
    sys::local_addr(socket.as_raw_fd())
}

/// The address of the other side. `TcpListener::accept` reports 0.0.0.0:0 on wasip1; ask here instead.
///
/// # Errors
/// `NotConnected` when there is no other side.
pub fn peer_addr(socket: &impl AsRawFd) -> io::Result<SocketAddr> {
    sys::peer_addr(socket.as_raw_fd())
}

/// Sends small writes at once (`TCP_NODELAY`).
///
/// # Errors
/// When `stream` is not a TCP socket.
pub fn set_nodelay(stream: &TcpStream, on: bool) -> io::Result<()> {
    sys::set_nodelay(stream, on)
}

/// The listeners that the runtime opened before the program started, in the order in which it was told to.
///
/// They are handed out once: a second call gives an empty list.
///
/// # Errors
/// `InvalidData` when the variables `LISTEN_FDS` and `LISTEN_FDS_START`, which announce them, are not numbers.
pub fn inherited_listeners() -> io::Result<Vec<TcpListener>> {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TAKEN: AtomicBool = AtomicBool::new(false);

    if TAKEN.swap(true, Ordering::Relaxed) {
        return Ok(Vec::new());
    }
    sys::inherited(variable("LISTEN_FDS", 0)?, variable("LISTEN_FDS_START", 3)?)
}

/// A non-negative number from the environment, or `absent` when it is not set.
fn variable(name: &str, absent: i32) -> io::Result<i32> {
    match std::env::var(name) {
        Err(_) => Ok(absent),
        Ok(text) => text.parse().ok().filter(|n| *n >= 0).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{name} is '{text}', not a number of descriptors"))
        }),
    }
}
