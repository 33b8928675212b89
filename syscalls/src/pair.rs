//! A pair of connected sockets in one process (`socketpair`): two streams of bytes, one each way, as Linux's `AF_UNIX`
//! has them (`net/unix/af_unix.c`).

use crate::abi::Errno;
use crate::abi::types::epoll::{ERR, HUP, RDHUP, READABLE, WRBAND, WRITABLE};
use crate::abi::types::socket::{SHUT_RD, SHUT_WR};
use crate::slab::Slab;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::VecDeque;

/// A pair: its position in [`Pairs`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct PairId(pub(crate) u32);

/// One of the two sockets of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct End {
    pub(crate) pair: PairId,
    /// 0 or 1.
    side: u8,
}

impl End {
    /// The two sockets of a pair.
    pub(crate) const fn both(pair: PairId) -> (Self, Self) {
        (Self { pair, side: 0 }, Self { pair, side: 1 })
    }

    /// The other one.
    pub(crate) const fn peer(self) -> Self {
        Self { pair: self.pair, side: 1 - self.side }
    }
}

/// All pairs of a cell.
pub(crate) type Pairs = Slab<Pair>;

/// Bytes that wait one way at most; what `SO_SNDBUF` and `SO_RCVBUF` say (Linux, `wmem_default`).
pub(crate) const CAPACITY: usize = 212_992;

/// Both directions are over.
const BOTH: u32 = SHUT_RD | SHUT_WR;

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Side {
    /// What its peer sent and it has not read.
    bytes: VecDeque<u8>,
    /// `SHUT_*`: the directions that are over.
    shut: u32,
    open: bool,
    /// What the next call is told, once (`SO_ERROR`).
    error: Option<Errno>,
    /// `SO_RCVTIMEO` and `SO_SNDTIMEO` in nanoseconds, 0 for none.
    pub(crate) recv_timeout: u64,
    pub(crate) send_timeout: u64,
    /// Options that are told again and nothing else.
    pub(crate) kept: u8,
    pub(crate) waiters: Waiters,
}

impl Side {
    pub(crate) const REUSEADDR: u8 = 1;
    pub(crate) const KEEPALIVE: u8 = 2;

    /// Keeps an option.
    pub(crate) const fn keep(&mut self, option: u8, on: bool) {
        self.kept = if on { self.kept | option } else { self.kept & !option };
    }

    fn new() -> Self {
        Self {
            bytes: VecDeque::new(),
            shut: 0,
            open: true,
            error: None,
            recv_timeout: 0,
            send_timeout: 0,
            kept: 0,
            waiters: Waiters::default(),
        }
    }
}

/// Two connected sockets.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Pair {
    sides: [Side; 2],
}

impl Pair {
    pub(crate) fn new() -> Self {
        Self { sides: [Side::new(), Side::new()] }
    }

    pub(crate) const fn side(&self, end: End) -> &Side {
        &self.sides[(end.side & 1) as usize]
    }

    pub(crate) const fn side_mut(&mut self, end: End) -> &mut Side {
        &mut self.sides[(end.side & 1) as usize]
    }

    /// Bytes that `end` can read.
    pub(crate) fn len(&self, end: End) -> usize {
        self.side(end).bytes.len()
    }

    /// Bytes that `end` can send now.
    pub(crate) fn room(&self, end: End) -> usize {
        CAPACITY - self.len(end.peer())
    }

    /// Takes the error that a call is told.
    pub(crate) fn take_error(&mut self, end: End) -> Option<Errno> {
        self.side_mut(end).error.take()
    }

    /// Whether sending is over: by `shutdown` at either end, or because the peer is gone.
    pub(crate) fn send_over(&self, end: End) -> bool {
        self.side(end).shut & SHUT_WR != 0
    }

    /// Whether nothing more comes than what is there.
    pub(crate) fn recv_over(&self, end: End) -> bool {
        self.side(end).shut & SHUT_RD != 0
    }

    /// Sends as much as there is room for; answers how many bytes.
    pub(crate) fn send(&mut self, end: End, part: &[u8]) -> usize {
        let n = part.len().min(self.room(end));
        self.side_mut(end.peer()).bytes.extend(&part[..n]);
        n
    }

    /// Takes up to `out.len()` bytes; answers how many.
    pub(crate) fn take(&mut self, end: End, out: &mut [u8]) -> usize {
        let n = self.peek(end, 0, out);
        self.side_mut(end).bytes.drain(..n);
        n
    }

    /// Copies up to `out.len()` bytes, leaving out the first `skip`; answers how many.
    pub(crate) fn peek(&self, end: End, skip: usize, out: &mut [u8]) -> usize {
        let (front, back) = self.side(end).bytes.as_slices();
        let first = front.get(skip..).unwrap_or_default();
        let second = back.get(skip.saturating_sub(front.len())..).unwrap_or_default();
        let a = out.len().min(first.len());
        out[..a].copy_from_slice(&first[..a]);
        let b = (out.len() - a).min(second.len());
        out[a..a + b].copy_from_slice(&second[..b]);
        a + b
    }

    /// `shutdown` at one end is the same the other way round at the other.
    pub(crate) fn shutdown(&mut self, end: End, how: u32) {
        self.side_mut(end).shut |= how;
        let mirrored = if how & SHUT_RD != 0 { SHUT_WR } else { 0 } | if how & SHUT_WR != 0 { SHUT_RD } else { 0 };
        self.side_mut(end.peer()).shut |= mirrored;
    }

    /// An end is closed; answers whether the other one is, too. What it had not read makes its peer's next call fail.
    pub(crate) fn close(&mut self, end: End) -> bool {
        let unread = self.len(end) > 0;
        let side = self.side_mut(end);
        side.open = false;
        side.bytes = VecDeque::new();
        let peer = self.side_mut(end.peer());
        peer.shut = BOTH;
        if unread {
            peer.error = Some(Errno::ConnReset);
        }
        !peer.open
    }

    /// What is so of an end: bits of `EPOLL*` (Linux, `unix_poll`). It can be written while no more than a quarter of
    /// what there is room for waits to be read, so that a writer is not woken for single bytes.
    pub(crate) fn readiness(&self, end: End) -> u32 {
        let side = self.side(end);
        let mut bits = if side.error.is_some() { ERR } else { 0 };
        if side.shut == BOTH {
            bits |= HUP;
        }
        if side.shut & SHUT_RD != 0 {
            bits |= RDHUP | READABLE;
        }
        if !side.bytes.is_empty() {
            bits |= READABLE;
        }
        if self.len(end.peer()) * 4 <= CAPACITY {
            bits |= WRITABLE | WRBAND;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{ErrorKind, Read as _, Write as _};
    use std::net::Shutdown;
    use std::os::unix::net::UnixStream;

    #[derive(Clone, Debug)]
    enum Op {
        Send(bool, usize),
        Recv(bool, usize),
        Peek(bool, usize, usize),
        Shutdown(bool, u32),
        Close(bool),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            6 => (any::<bool>(), 1_usize..2_000).prop_map(|(side, len)| Op::Send(side, len)),
            5 => (any::<bool>(), 1_usize..3_000).prop_map(|(side, len)| Op::Recv(side, len)),
            1 => (any::<bool>(), 0_usize..3_000, 0_usize..3_000).prop_map(|(side, skip, len)| Op::Peek(side, skip, len)),
            1 => (any::<bool>(), 1_u32..4).prop_map(|(side, how)| Op::Shutdown(side, how)),
            1 => any::<bool>().prop_map(Op::Close),
        ]
    }

    /// Bytes, or what stands in their way.
    type Outcome = Result<usize, ErrorKind>;

    fn ours_send(pair: &mut Pair, end: End, part: &[u8]) -> Outcome {
        if pair.send_over(end) {
            return Err(ErrorKind::BrokenPipe);
        }
        Ok(pair.send(end, part))
    }

    fn ours_recv(pair: &mut Pair, end: End, out: &mut [u8]) -> Outcome {
        match pair.take(end, out) {
            0 if pair.take_error(end).is_some() => Err(ErrorKind::ConnectionReset),
            0 if pair.recv_over(end) => Ok(0),
            0 => Err(ErrorKind::WouldBlock),
            n => Ok(n),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

        /// Against a pair of the system that these tests run on: the same bytes, ends and errors in any order of calls.
        #[test]
        fn behaves_as_a_pair_of_linux(ops in prop::collection::vec(op(), 1..50)) {
            let (one, two) = UnixStream::pair().expect("a pair");
            let mut native = [Some(one), Some(two)];
            for stream in native.iter().flatten() {
                stream.set_nonblocking(true).expect("a socket");
            }
            let mut pair = Pair::new();
            let (first, second) = End::both(PairId(0));
            let mut next = 0_usize;
            for op in ops {
                let side = match op {
                    Op::Send(side, _) | Op::Recv(side, _) | Op::Peek(side, ..) | Op::Shutdown(side, _) => side,
                    Op::Close(side) => side,
                };
                let end = if side { second } else { first };
                let Some(stream) = native[usize::from(side)].as_mut() else { continue };
                match op {
                    Op::Send(_, len) => {
                        let part: Vec<u8> = (0..len).map(|n| ((next + n) % 251) as u8).collect();
                        let got = ours_send(&mut pair, end, &part);
                        prop_assert_eq!(got, stream.write(&part).map_err(|it| it.kind()));
                        next += got.unwrap_or(0);
                    }
                    Op::Recv(_, len) => {
                        let (mut ours, mut theirs) = (vec![0; len], vec![0; len]);
                        let got = ours_recv(&mut pair, end, &mut ours);
                        prop_assert_eq!(got, stream.read(&mut theirs).map_err(|it| it.kind()));
                        prop_assert_eq!(ours, theirs);
                    }
                    Op::Peek(_, skip, len) => {
                        let (mut all, mut part) = (vec![0; CAPACITY], vec![0; len]);
                        let there = pair.peek(end, 0, &mut all);
                        let n = pair.peek(end, skip, &mut part);
                        prop_assert_eq!(&part[..n], &all[skip.min(there)..(skip + len).min(there)]);
                    }
                    Op::Shutdown(_, how) => {
                        pair.shutdown(end, how);
                        let how = [Shutdown::Read, Shutdown::Write, Shutdown::Both][how as usize - 1];
                        stream.shutdown(how).expect("a socket");
                    }
                    Op::Close(_) => {
                        let last = pair.close(end);
                        native[usize::from(side)] = None;
                        prop_assert_eq!(last, native[usize::from(!side)].is_none());
                    }
                }
            }
        }
    }

    #[test]
    fn readiness_is_that_of_linux() {
        let mut pair = Pair::new();
        let (one, two) = End::both(PairId(0));
        assert_eq!(pair.readiness(one), 0x304);
        assert_eq!(pair.send(one, b"bytes"), 5);
        assert_eq!((pair.readiness(one), pair.readiness(two)), (0x304, 0x345));
        let full = vec![0; CAPACITY];
        assert_eq!(pair.send(one, &full), CAPACITY - 5);
        assert_eq!((pair.readiness(one), pair.readiness(two)), (0, 0x345));
        pair.shutdown(two, SHUT_WR);
        assert_eq!((pair.readiness(one), pair.readiness(two)), (0x2041, 0x345));
        assert!(!pair.close(two));
        assert_eq!(pair.readiness(one), 0x235d);
        assert_eq!(pair.take_error(one), Some(Errno::ConnReset));
        assert_eq!(pair.readiness(one), 0x2355);
        assert!(pair.close(one));
    }
}
