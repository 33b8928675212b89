//! Waiting for several sockets at once: `poll`, which is one system call on every target.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// What a descriptor is watched for, and what the last [`poll`] found. Keep these between calls and change them in place.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct PollFd(libc::pollfd);

/// What [`poll`] found out about one descriptor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ready {
    /// There are bytes or an end of file to read, or a connection to accept.
    pub readable: bool,
    /// There is room to write.
    pub writable: bool,
    /// The connection is broken, or over in both directions.
    pub ended: bool,
}

impl Ready {
    /// Whether anything happened at all.
    #[must_use]
    pub fn any(self) -> bool {
        self.readable || self.writable || self.ended
    }
}

impl PollFd {
    /// Watches for nothing yet: see [`PollFd::watch`].
    pub fn new(socket: &impl AsRawFd) -> Self {
        Self(libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 })
    }

    /// Says what to wait for from now on. At least one must be true, as wasi-libc refuses to wait for nothing.
    pub fn watch(&mut self, read: bool, write: bool) {
        self.0.events = if read { libc::POLLIN } else { 0 } | if write { libc::POLLOUT } else { 0 };
    }

    /// What the last [`poll`] found.
    #[must_use]
    pub fn ready(&self) -> Ready {
        let is = |bits| self.0.revents & bits != 0;
        Ready {
            readable: is(libc::POLLIN),
            writable: is(libc::POLLOUT),
            ended: is(libc::POLLERR | libc::POLLHUP | libc::POLLNVAL),
        }
    }
}

/// Waits until something happens on one of `fds`, or the time is up (`None`: for ever). Answers how many are ready.
///
/// # Errors
/// `Interrupted` natively, when a signal arrives; `Unsupported` when a descriptor is watched for nothing.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> io::Result<usize> {
    let timeout = timeout.map_or(-1, |t| i32::try_from(t.as_millis()).unwrap_or(i32::MAX));
    let count = libc::nfds_t::try_from(fds.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: PollFd is a transparent pollfd, and `fds` is a live slice of `count` of them.
    let ready = unsafe { libc::poll(fds.as_mut_ptr().cast(), count, timeout) };
    usize::try_from(ready).map_err(|_| io::Error::last_os_error())
}
