//! How much of what was written to a client's socket its host has not taken yet.
//!
//! A reset destroys what still waits on our side, so it may follow an answer only when all of the answer has arrived. A
//! socket tells that to a system call that is not safe Rust (`SIOCOUTQ`); the same number comes, over a socket of its
//! own and in safe code, from `sock_diag(7)`. Asked only about clients whose connection ends with a reset.

use mio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, Read, Write};
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

/// Asks the operating system about sockets of this process, over a socket that is opened when there is none.
#[derive(Debug)]
pub(crate) struct Unacked {
    open: fn() -> io::Result<Socket>,
    socket: Option<Socket>,
    /// Number of the last question; the answer has it too.
    number: u32,
    told: bool,
}

impl Default for Unacked {
    fn default() -> Self {
        Self::with(open)
    }
}

impl Unacked {
    /// Without an answer to any question while `open` fails.
    pub(crate) const fn with(open: fn() -> io::Result<Socket>) -> Self {
        Self { open, socket: None, number: 0, told: false }
    }

    /// Bytes written to `stream` that the other host has not acknowledged, its FIN included; `None` when that cannot be
    /// known, or the connection is gone.
    pub(crate) fn of(&mut self, stream: &TcpStream) -> Option<u32> {
        self.number = self.number.wrapping_add(1);
        let request = request(stream.local_addr().ok()?, stream.peer_addr().ok()?, self.number)?;
        // A socket that failed, or from which an answer is still to come, is not asked again.
        match self.ask(&request) {
            Ok(answer) => answer,
            Err(error) => {
                self.socket = None;
                if !std::mem::replace(&mut self.told, true) {
                    tracing::info!(%error, "sock_diag gives no answer: a reset becomes an end where it gives none");
                }
                None
            }
        }
    }

    fn ask(&mut self, request: &[u8]) -> io::Result<Option<u32>> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert((self.open)()?),
        };
        socket.write_all(request)?;
        // The kernel answers before the write returns.
        let mut answer = [0; 512];
        let len = socket.read(&mut answer)?;
        if answer[8..12] != self.number.to_ne_bytes() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "an answer to another question"));
        }
        let kind = u16::from_ne_bytes([answer[4], answer[5]]);
        let queue = answer[..len].get(WRITE_QUEUE..).and_then(|rest| rest.first_chunk::<4>());
        Ok(queue.filter(|_| kind == SOCK_DIAG_BY_FAMILY).map(|queue| u32::from_ne_bytes(*queue)))
    }
}

fn open() -> io::Result<Socket> {
    let socket = Socket::new(Domain::from(AF_NETLINK), Type::RAW, Some(Protocol::from(NETLINK_SOCK_DIAG)))?;
    // Only against a system that promises an answer and gives none.
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    Ok(socket)
}

fn request(local: SocketAddr, peer: SocketAddr, number: u32) -> Option<[u8; REQUEST]> {
    let mut out = [0; REQUEST];
    let mut put = |at: usize, bytes: &[u8]| out[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &(REQUEST as u32).to_ne_bytes());
    put(4, &SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    put(6, &NLM_F_REQUEST.to_ne_bytes());
    put(8, &number.to_ne_bytes());
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
        if let Err(error) = open() {
            eprintln!("left out: no sock_diag here: {error}");
            let root = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self")?) == 0;
            assert!(!root || std::env::var_os("CI").is_none(), "where root tests, it is not left out");
            return Ok(());
        }
        let mut unacked = Unacked::default();
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok((writer, mut reader)) = full(address) else { continue };
            assert!(unacked.of(&writer).is_some_and(|bytes| bytes > 0), "{address}");
            reader.set_read_timeout(Some(Duration::from_millis(200)))?;
            while reader.read(&mut [0; 1 << 16]).is_ok() {}
            assert_eq!(unacked.of(&writer), Some(0), "{address}");
        }
        Ok(())
    }

    #[test]
    fn one_failure_is_not_kept_and_an_answer_to_another_question_is_none() -> io::Result<()> {
        if open().is_err() {
            return Ok(());
        }
        let (writer, _reader) = full("127.0.0.1:0")?;
        let mut unacked = Unacked::with(|| Err(io::ErrorKind::OutOfMemory.into()));
        assert_eq!(unacked.of(&writer), None);
        unacked.open = open;
        assert!(unacked.of(&writer).is_some_and(|bytes| bytes > 0));
        // An answer that came too late for the question before.
        let late = request(writer.local_addr()?, writer.peer_addr()?, 77).expect("both are IPv4");
        unacked.socket.as_mut().expect("it was opened").write_all(&late)?;
        assert_eq!(unacked.of(&writer), None);
        assert!(unacked.of(&writer).is_some_and(|bytes| bytes > 0), "a socket of its own again");
        Ok(())
    }
}
