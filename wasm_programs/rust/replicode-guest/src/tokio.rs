//! The same with tokio's types (feature `tokio`).
//!
//! On wasip1 tokio has no `bind` and no `connect` either, but takes over sockets of the standard library. Build with
//! `RUSTFLAGS="--cfg tokio_unstable"`, and use a current-thread runtime: there are no threads.

use crate::addrs::{ToAddrs, first};
use ::tokio::net;
use std::io;
use std::net::SocketAddr;

/// Stands for [`tokio::net::TcpListener`](net::TcpListener) where one is made: what `bind` gives is that.
///
/// ```no_run
/// use replicode_guest::tokio::TcpListener; // instead of tokio::net::TcpListener
///
/// # async fn serve() -> std::io::Result<()> {
/// let listener = TcpListener::bind("0.0.0.0:8080").await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub enum TcpListener {}

impl TcpListener {
    /// As tokio's.
    ///
    /// # Errors
    /// As [`crate::bind`], for the last address.
    pub async fn bind(addrs: impl ToAddrs) -> io::Result<net::TcpListener> {
        first(&addrs, crate::bind).and_then(listener)
    }
}

/// Stands for [`tokio::net::TcpStream`](net::TcpStream) where one is made: what `connect` gives is that.
#[derive(Debug)]
pub enum TcpStream {}

impl TcpStream {
    /// As tokio's; names are those of the cell's programs.
    ///
    /// # Errors
    /// As [`crate::connect`], for the last address.
    pub async fn connect(addrs: impl ToAddrs) -> io::Result<net::TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::InvalidInput, "no address to try");
        for addr in addrs.to_addrs()? {
            match connect(addr).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// As `tokio::net::lookup_host`; names are those of the cell's programs.
///
/// # Errors
/// As [`ToAddrs::to_addrs`].
pub async fn lookup_host(host: impl ToAddrs) -> io::Result<impl Iterator<Item = SocketAddr>> {
    host.to_addrs().map(Vec::into_iter)
}

/// As [`crate::bind`]. To be called inside a runtime, as all functions here.
///
/// # Errors
/// As [`crate::bind`].
pub fn bind(addr: impl Into<SocketAddr>) -> io::Result<net::TcpListener> {
    listener(crate::bind(addr)?)
}

/// As [`crate::connect`], without holding up other tasks.
///
/// # Errors
/// As [`crate::connect`].
pub async fn connect(addr: impl Into<SocketAddr>) -> io::Result<net::TcpStream> {
    #[cfg(not(target_os = "wasi"))]
    return net::TcpStream::connect(addr.into()).await;
    #[cfg(target_os = "wasi")]
    {
        use std::os::fd::AsRawFd;
        let stream = self::stream(crate::wasi::start_connect(addr.into())?)?;
        stream.writable().await?;
        crate::wasi::take_error(stream.as_raw_fd())?;
        Ok(stream)
    }
}

/// As [`crate::inherited_listeners`].
///
/// # Errors
/// As [`crate::inherited_listeners`].
pub fn inherited_listeners() -> io::Result<Vec<net::TcpListener>> {
    crate::inherited_listeners()?.into_iter().map(listener).collect()
}

/// Takes over a listener of the standard library.
///
/// # Errors
/// When it cannot be made non-blocking, or there is no runtime.
pub fn listener(listener: std::net::TcpListener) -> io::Result<net::TcpListener> {
    listener.set_nonblocking(true)?;
    #[cfg(target_os = "wasi")]
    crate::wasi::tell_room_once(std::os::fd::AsRawFd::as_raw_fd(&listener));
    net::TcpListener::from_std(listener)
}

/// Takes over a stream of the standard library: also one that was tokio's before, which is to be taken over here and not
/// by tokio's own `from_std`, as it may have been told already that it can be written to.
///
/// # Errors
/// When it cannot be made non-blocking, or there is no runtime.
pub fn stream(stream: std::net::TcpStream) -> io::Result<net::TcpStream> {
    stream.set_nonblocking(true)?;
    #[cfg(target_os = "wasi")]
    crate::wasi::tell_room_once(std::os::fd::AsRawFd::as_raw_fd(&stream));
    net::TcpStream::from_std(stream)
}
