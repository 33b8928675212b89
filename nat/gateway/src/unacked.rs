//! How much of what was written to a client's socket its host has not taken yet.
//!
//! A reset destroys what still waits on our side, so it may follow an answer only when all of the answer has arrived. A
//! socket tells that to a system call that is not safe Rust (`SIOCOUTQ`); the same number comes, over a socket of its
//! own and in safe code, from `sock_diag(7)`. Asked only about clients whose connection ends with a reset.

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

// linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h; integers in the host's order unless they are addresses or ports.
const AF_NETLINK: i32 = 16;
const NETLINK_SOCK_DIAG: i32 = 4;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const NLM_F_REQUEST: u16 = 1;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;
/// `struct nlmsghdr`.
const HEAD: usize = 16;
/// `struct inet_diag_req_v2`, whose sockid begins at 8.
const REQUEST: usize = HEAD + 56;
/// Offset of `idiag_wqueue` in the answer: after the head, 4 bytes, the sockid (48), the timer's expiry, the read queue.
const WRITE_QUEUE: usize = HEAD + 4 + 48 + 4 + 4;

/// Asks the operating system about sockets of this process.
#[derive(Debug)]
pub(crate) struct Unacked(Option<Socket>);

impl Unacked {
    /// Without an answer to any question where the system has no such interface.
    pub(crate) fn new() -> Self {
        Self(open().inspect_err(|error| tracing::info!(%error, "sock_diag cannot be had: resets become ends")).ok())
    }

    /// Bytes written to `stream` that the other host has not acknowledged, its FIN included; `None` when that cannot be
    /// known, or the connection is gone.
    pub(crate) fn of(&mut self, stream: &TcpStream) -> Option<u32> {
        let socket = self.0.as_mut()?;
        let request = request(stream.local_addr().ok()?, stream.peer_addr().ok()?)?;
        socket.write_all(&request).ok()?;
        // The kernel answers before the write returns.
        let mut answer = [0; 512];
        let len = socket.read(&mut answer).ok()?;
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        let queue = answer[..len].get(WRITE_QUEUE..)?.first_chunk::<4>()?;
        (kind == SOCK_DIAG_BY_FAMILY).then(|| u32::from_ne_bytes(*queue))
    }
}

fn open() -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    // Only against a system that promises an answer and gives none.
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket)
}

fn request(local: SocketAddr, peer: SocketAddr) -> Option<[u8; REQUEST]> {
    let mut out = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    let family = match (local.ip(), peer.ip()) {
        (IpAddr::V4(local), IpAddr::V4(peer)) => {
            put(HEAD + 12, &local.octets());
            put(HEAD + 28, &peer.octets());
            AF_INET
        }
        (IpAddr::V6(local), IpAddr::V6(peer)) => {
            put(HEAD + 12, &local.octets());
            put(HEAD + 28, &peer.octets());
            AF_INET6
        }
        _ => return None,
    };
    put(HEAD, &[family, IPPROTO_TCP]);
    // Any state.
    put(HEAD + 4, &u32::MAX.to_ne_bytes());
    put(HEAD + 8, &local.port().to_be_bytes());
    put(HEAD + 10, &peer.port().to_be_bytes());
    // INET_DIAG_NOCOOKIE
    put(HEAD + 48, &[0xff; 8]);
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A socket whose other end does not read, until its own buffers are full.
    fn full(address: &str) -> std::io::Result<(TcpStream, std::net::TcpStream)> {
        let listener = TcpListener::bind(address)?;
        let mut writer = std::net::TcpStream::connect(listener.local_addr()?)?;
        let (reader, _) = listener.accept()?;
        writer.set_nonblocking(true)?;
        while writer.write(&[0; 1 << 16]).is_ok() {}
        Ok((TcpStream::from_std(writer), reader))
    }

    #[test]
    fn what_the_other_host_has_not_taken_is_counted() -> std::io::Result<()> {
        let mut unacked = Unacked::new();
        if unacked.0.is_none() {
            return Ok(());
        }
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok((writer, mut reader)) = full(address) else { continue };
            assert!(unacked.of(&writer).is_some_and(|bytes| bytes > 0), "{address}");
            reader.set_read_timeout(Some(Duration::from_millis(200)))?;
            while reader.read(&mut [0; 1 << 16]).is_ok() {}
            assert_eq!(unacked.of(&writer), Some(0), "{address}");
        }
        Ok(())
    }
}
