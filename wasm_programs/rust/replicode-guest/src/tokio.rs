//! The same with tokio's types (feature `tokio`).
//!
//! On wasip1 tokio has no `bind` and no `connect` either, but takes over sockets of the standard library. Build with
//! `RUSTFLAGS="--cfg tokio_unstable"`, and use a current-thread runtime: there are no threads.

use std::io;
use std::net::SocketAddr;

use ::tokio::net::{TcpListener, TcpStream};

/// As [`crate::bind`]. To be called inside a runtime, as all functions here.
///
/// # Errors
/// As [`crate::bind`].
pub fn bind(addr: impl Into<SocketAddr>) -> io::Result<TcpListener> {
    listener(crate::bind(addr)?)
}

/// As [`crate::connect`], without holding up other tasks.
///
/// # Errors
/// As [`crate::connect`].
pub async fn connect(addr: impl Into<SocketAddr>) -> io::Result<TcpStream> {
    #[cfg(not(target_os = "wasi"))]
    return TcpStream::connect(addr.into()).await;
    #[cfg(target_os = "wasi")]
    {
        use std::os::fd::AsRawFd;
        let stream = TcpStream::from_std(crate::wasi::start_connect(addr.into())?)?;
        stream.writable().await?;
        crate::wasi::take_error(stream.as_raw_fd())?;
        Ok(stream)
    }
}

/// As [`crate::inherited_listeners`].
///
/// # Errors
/// As [`crate::inherited_listeners`].
pub fn inherited_listeners() -> io::Result<Vec<TcpListener>> {
    crate::inherited_listeners()?.into_iter().map(listener).collect()
}

/// Takes over a listener of the standard library.
///
/// # Errors
/// When it cannot be made non-blocking, or there is no runtime.
pub fn listener(listener: std::net::TcpListener) -> io::Result<TcpListener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Takes over a stream of the standard library.
///
/// # Errors
/// When it cannot be made non-blocking, or there is no runtime.
pub fn stream(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}
