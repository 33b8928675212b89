//! Who waits for which answer, and the way to them. The machine's thread writes answers itself, once for each batch and server; what a
//! server does not take at once is left to a thread of its connection.

use super::wire;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, send};
use replicode_log::{BatchIndex, Called, Output};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes of answers that a server may leave unread before it is not read from either.
const MOST: usize = 32 << 20;

/// The way to one server.
pub struct Line {
    stream: UnixStream,
    out: Mutex<Out>,
    /// There is something for the connection's own thread, or room again.
    changed: Condvar,
}

#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    /// The connection's own thread has it now: others only add.
    slow: bool,
    closed: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Whole at every moment at which its holder could panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    /// The way back on a stream.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, out: Mutex::default(), changed: Condvar::new() }
    }

    /// Adds an answer, which [`Line::flush`] sends.
    pub fn put(&self, kind: u8, tag: u64, a: u64, b: u64, body: &[u8]) {
        let mut out = locked(&self.out);
        if !out.closed {
            wire::put(&mut out.bytes, kind, tag, a, b, body);
        }
    }

    /// Sends what can be sent without waiting.
    pub fn flush(&self) {
        let mut out = locked(&self.out);
        if out.slow || out.closed {
            return;
        }
        let mut sent = 0;
        while let Some(rest) = out.bytes.get(sent..).filter(|rest| !rest.is_empty()) {
            match send(self.stream.as_raw_fd(), rest, MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL) {
                Ok(count) => sent += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    out.slow = true;
                    self.changed.notify_all();
                    break;
                }
                Err(_) => {
                    // The reader of the connection finds the same, and ends it.
                    sent = out.bytes.len();
                }
            }
        }
        out.bytes.drain(..sent);
    }

    /// Waits until the server has taken most of what there is for it.
    pub fn wait_for_room(&self) {
        let mut out = locked(&self.out);
        while out.bytes.len() > MOST && !out.closed {
            out = self.changed.wait(out).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The connection's own thread: sends what the server takes slowly, until the connection is closed.
    pub fn work(&self) {
        let mut out = locked(&self.out);
        while !out.closed {
            if out.bytes.is_empty() || !out.slow {
                out.slow = false;
                self.changed.notify_all();
                out = self.changed.wait(out).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let bytes = std::mem::take(&mut out.bytes);
            drop(out);
            let sent = (&self.stream).write_all(&bytes);
            out = locked(&self.out);
            if sent.is_err() {
                out.bytes.clear();
            }
        }
    }

    /// Nothing is sent any more.
    pub fn close(&self) {
        locked(&self.out).closed = true;
        self.changed.notify_all();
        // Whoever reads it finds its end; that it was closed already is no matter.
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
    }
}

/// See the module.
#[derive(Default)]
pub struct Desk(Mutex<State>);

/// Who waits: on which line, and with which number of its own.
type Waits = (Arc<Line>, u64);

#[derive(Default)]
struct State {
    /// Several may wait for one number: who has asked again on another connection, and before.
    calls: BTreeMap<(u64, u64), Vec<Waits>>,
    opens: BTreeMap<u64, Waits>,
    lines: Vec<Arc<Line>>,
    /// Lines with answers that are not sent.
    dirty: Vec<Arc<Line>>,
}

impl State {
    fn answer(&mut self, line: &Arc<Line>, kind: u8, tag: u64, numbers: (u64, u64), body: &[u8]) {
        match wire::fits(body) {
            true => line.put(kind, tag, numbers.0, numbers.1, body),
            false => line.put(wire::REFUSED, tag, 0, 0, wire::TOO_LONG.as_bytes()),
        }
        if !self.dirty.iter().any(|dirty| Arc::ptr_eq(dirty, line)) {
            self.dirty.push(line.clone());
        }
    }
}

impl Desk {
    /// A server has come.
    pub fn enter(&self, line: &Arc<Line>) {
        locked(&self.0).lines.push(line.clone());
    }

    /// It has gone; nobody waits on its line any more.
    pub fn leave(&self, line: &Arc<Line>) {
        let mut state = locked(&self.0);
        let other = |of: &Arc<Line>| !Arc::ptr_eq(of, line);
        state.calls.retain(|_, waiting| {
            waiting.retain(|(of, _)| other(of));
            !waiting.is_empty()
        });
        state.opens.retain(|_, (of, _)| other(of));
        state.lines.retain(other);
        state.dirty.retain(other);
    }

    /// Somebody waits for what becomes of a client's number; so may others.
    pub fn call(&self, client: u64, sequence: u64, line: &Arc<Line>, tag: u64) {
        let mut state = locked(&self.0);
        let waiting = state.calls.entry((client, sequence)).or_default();
        // Who says the same once more waits once.
        if !waiting.iter().any(|(of, its)| *its == tag && Arc::ptr_eq(of, line)) {
            waiting.push((line.clone(), tag));
        }
    }

    /// Somebody waits for a client's number.
    pub fn open(&self, token: u64, line: &Arc<Line>, tag: u64) {
        locked(&self.0).opens.insert(token, (line.clone(), tag));
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = locked(&self.0);
        state.calls.values().map(Vec::len).sum::<usize>() + state.opens.len()
    }

    /// An output of a batch. `receipt` finds the one at a place.
    pub fn settle(&self, batch: BatchIndex, output: &Output, receipt: impl FnOnce(u64, u32) -> Option<Arc<[u8]>>) {
        let mut state = locked(&self.0);
        match *output {
            Output::Client { token, client } => {
                let Some((line, tag)) = state.opens.remove(&token) else { return };
                match client {
                    Some(client) => state.answer(&line, wire::OPENED, tag, (client, 0), &[]),
                    None => state.answer(&line, wire::REFUSED, tag, (0, 0), b"the cell has no contracts"),
                }
            }
            Output::Receipt { client, sequence, outcome } => {
                let Some(waiting) = state.calls.remove(&(client, sequence)) else { return };
                let place = match outcome {
                    Called::Executed { position } => Some((batch.0, position)),
                    Called::Repeated { batch, position } => Some((batch.0, position)),
                    _ => None,
                };
                let numbers = place.map_or((0, 0), |(batch, position)| (batch, position.into()));
                let kept = place.and_then(|(batch, position)| receipt(batch, position));
                let (kind, numbers, body) = match (outcome, &kept) {
                    (_, Some(receipt)) => (wire::RECEIPT, numbers, &**receipt),
                    (Called::Gap { next }, _) => (wire::GAP, (next, 0), &[][..]),
                    (Called::ExpiredClient | Called::UnknownClient, _) => (wire::EXPIRED, (0, 0), &[][..]),
                    (Called::Forgotten, _) => (wire::FORGOTTEN, (0, 0), &[][..]),
                    (Called::NoContracts, _) => (wire::REFUSED, (0, 0), &b"the cell has no contracts"[..]),
                    (Called::Executed { .. } | Called::Repeated { .. }, None) => (wire::UNKEPT, numbers, &[][..]),
                };
                for (line, tag) in waiting {
                    state.answer(&line, kind, tag, numbers, body);
                }
            }
            _ => {}
        }
    }

    /// A batch is through: what there is for anybody is sent.
    pub fn flush(&self) {
        let dirty = std::mem::take(&mut locked(&self.0).dirty);
        dirty.iter().for_each(|line| line.flush());
    }

    /// What this node has offered may be lost: everybody is told to ask again.
    pub fn forget(&self) {
        let mut state = locked(&self.0);
        let calls = std::mem::take(&mut state.calls).into_values().flatten();
        let opens = std::mem::take(&mut state.opens).into_values();
        for (line, tag) in calls.chain(opens) {
            state.answer(&line, wire::LOST, tag, (0, 0), &[]);
        }
        drop(state);
        self.flush();
    }

    /// The node ends: so do all connections.
    pub fn close(&self) {
        let lines = std::mem::take(&mut locked(&self.0).lines);
        lines.iter().for_each(|line| line.close());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn line() -> std::io::Result<(Arc<Line>, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        theirs.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok((Arc::new(Line::new(ours)), theirs))
    }

    fn told(stream: &mut UnixStream) -> std::io::Result<(u8, u64, u64, u64)> {
        let frame = wire::take(stream)?.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        Ok((frame.what, frame.tag, frame.a, frame.b))
    }

    fn outcome(sequence: u64, outcome: Called) -> Output {
        Output::Receipt { client: 7, sequence, outcome }
    }

    #[test]
    fn everybody_who_asks_for_a_number_is_told_and_each_once() -> std::io::Result<()> {
        let desk = Desk::default();
        let ((one, mut from_one), (two, mut from_two)) = (line()?, line()?);
        for (line, tag) in [(&one, 1), (&two, 1), (&one, 2), (&one, 1)] {
            desk.call(7, 5, line, tag);
        }
        assert_eq!(desk.waiting(), 3);
        let receipt = |_: u64, _: u32| -> Option<Arc<[u8]>> { Some(Arc::from(&b"receipt"[..])) };
        desk.settle(BatchIndex(9), &outcome(5, Called::Executed { position: 3 }), receipt);
        desk.flush();
        assert_eq!(told(&mut from_one)?, (wire::RECEIPT, 1, 9, 3));
        assert_eq!(told(&mut from_one)?, (wire::RECEIPT, 2, 9, 3));
        assert_eq!(told(&mut from_two)?, (wire::RECEIPT, 1, 9, 3));
        // What the log says without a receipt, each in its own words.
        for (sequence, said, expected) in [
            (6, Called::Forgotten, (wire::FORGOTTEN, 6, 0, 0)),
            (7, Called::Gap { next: 4 }, (wire::GAP, 7, 4, 0)),
            (8, Called::ExpiredClient, (wire::EXPIRED, 8, 0, 0)),
            (9, Called::Repeated { batch: BatchIndex(2), position: 1 }, (wire::UNKEPT, 9, 2, 1)),
        ] {
            desk.call(7, sequence, &two, sequence);
            desk.settle(BatchIndex(9), &outcome(sequence, said), |_, _| None);
            desk.flush();
            assert_eq!(told(&mut from_two)?, expected);
        }
        // An answer that is too long for a frame is refused, and cuts nobody off.
        desk.call(7, 10, &two, 10);
        let long = |_: u64, _: u32| -> Option<Arc<[u8]>> { Some(Arc::from(vec![0; 9 << 20])) };
        desk.settle(BatchIndex(9), &outcome(10, Called::Executed { position: 0 }), long);
        desk.flush();
        assert_eq!(told(&mut from_two)?, (wire::REFUSED, 10, 0, 0));
        // Who has gone is waited for no more, and others are.
        desk.call(7, 11, &one, 11);
        desk.call(7, 11, &two, 11);
        desk.leave(&one);
        assert_eq!(desk.waiting(), 1);
        desk.forget();
        assert_eq!(told(&mut from_two)?.0, wire::LOST);
        Ok(())
    }
}
