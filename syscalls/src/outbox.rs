//! What the kernel has to say, in the order of the calls that caused it, until somebody fetches it.

use crate::socket::Socket;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::{ConsoleStream, Egress, Pid};
use std::collections::VecDeque;

/// The most bytes that one [`Egress::Send`] or one piece of console output carries.
const MAX_PIECE: usize = 256 << 10;

/// Queues of what leaves the kernel.
///
/// Consecutive bytes of one socket join into one [`Egress::Send`], wherever that stands in the queue: nobody has seen
/// it yet, and streams of different sockets have no order between them that a peer could observe.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Outbox {
    net: VecDeque<Egress>,
    /// How many entries of `net` were fetched: positions count from the beginning of time.
    fetched: u64,
    console: VecDeque<(Pid, ConsoleStream, Vec<u8>)>,
    stdin_windows: VecDeque<(Pid, u64)>,
}

impl Outbox {
    /// Adds what is not bytes.
    pub(crate) fn net(&mut self, event: Egress) {
        self.net.push_back(event);
    }

    /// Adds bytes that `socket` sends, and moves its position.
    pub(crate) fn send(&mut self, socket: &mut Socket, mut bytes: &[u8]) {
        if let Some(index) = socket.outbox.checked_sub(self.fetched + 1)
            && let Some(Egress::Send { bytes: last, .. }) = self.net.get_mut(index as usize)
        {
            let (joins, rest) = bytes.split_at(bytes.len().min(MAX_PIECE.saturating_sub(last.len())));
            last.extend_from_slice(joins);
            socket.sent += joins.len() as u64;
            bytes = rest;
        }
        for piece in bytes.chunks(MAX_PIECE) {
            self.net.push_back(Egress::Send { sock: socket.id, offset: socket.sent, bytes: piece.to_vec() });
            socket.sent += piece.len() as u64;
            // Positions count from 1, so that 0 means "nothing sent yet".
            socket.outbox = self.fetched + self.net.len() as u64;
        }
    }

    pub(crate) fn console(&mut self, pid: Pid, stream: ConsoleStream, mut bytes: &[u8]) {
        if let Some((last_pid, last_stream, last)) = self.console.back_mut()
            && (*last_pid, *last_stream) == (pid, stream)
        {
            let (joins, rest) = bytes.split_at(bytes.len().min(MAX_PIECE.saturating_sub(last.len())));
            last.extend_from_slice(joins);
            bytes = rest;
        }
        self.console.extend(bytes.chunks(MAX_PIECE).map(|piece| (pid, stream, piece.to_vec())));
    }

    pub(crate) fn stdin_window(&mut self, pid: Pid, limit: u64) {
        self.stdin_windows.push_back((pid, limit));
    }

    pub(crate) fn poll_net(&mut self) -> Option<Egress> {
        let event = self.net.pop_front()?;
        self.fetched += 1;
        Some(event)
    }

    pub(crate) fn poll_console(&mut self) -> Option<(Pid, ConsoleStream, Vec<u8>)> {
        self.console.pop_front()
    }

    pub(crate) fn poll_stdin_window(&mut self) -> Option<(Pid, u64)> {
        self.stdin_windows.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::SockId;

    fn socket(id: u64) -> Socket {
        Socket::new(SockId(id), Pid(1), crate::family::Family::V4, 100)
    }

    fn send(sock: u64, offset: u64, bytes: &[u8]) -> Option<Egress> {
        Some(Egress::Send { sock: SockId(sock), offset, bytes: bytes.to_vec() })
    }

    #[test]
    fn bytes_of_a_socket_join_until_they_are_fetched() {
        let (mut a, mut b, mut outbox) = (socket(1), socket(2), Outbox::default());
        outbox.send(&mut a, b"one");
        outbox.send(&mut b, b"two");
        outbox.send(&mut a, b"three");
        assert_eq!(outbox.poll_net(), send(1, 0, b"onethree"));
        outbox.send(&mut a, b"four");
        outbox.send(&mut b, b"five");
        assert_eq!(outbox.poll_net(), send(2, 0, b"twofive"));
        assert_eq!(outbox.poll_net(), send(1, 8, b"four"));
        assert_eq!(outbox.poll_net(), None);
    }

    #[test]
    fn pieces_are_bounded() {
        let (mut a, mut outbox) = (socket(1), Outbox::default());
        outbox.send(&mut a, &vec![1; MAX_PIECE - 1]);
        outbox.send(&mut a, &vec![2; MAX_PIECE + 2]);
        let mut next = 0;
        let mut lens = Vec::new();
        while let Some(Egress::Send { offset, bytes, .. }) = outbox.poll_net() {
            assert_eq!(offset, next);
            next += bytes.len() as u64;
            lens.push(bytes.len());
        }
        assert_eq!((lens, a.sent), (vec![MAX_PIECE, MAX_PIECE, 1], next));
    }

    #[test]
    fn console_output_joins_but_keeps_its_order() {
        use ConsoleStream::{Stderr, Stdout};
        let mut outbox = Outbox::default();
        for (stream, text) in [(Stdout, "a"), (Stdout, "b"), (Stderr, "c"), (Stdout, "d")] {
            outbox.console(Pid(1), stream, text.as_bytes());
        }
        outbox.console(Pid(2), Stdout, b"e");
        let all: Vec<_> = std::iter::from_fn(|| outbox.poll_console()).collect();
        let want = [(1, Stdout, "ab"), (1, Stderr, "c"), (1, Stdout, "d"), (2, Stdout, "e")];
        assert_eq!(all, want.map(|(pid, stream, text)| (Pid(pid), stream, text.as_bytes().to_vec())));
    }
}
