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

#[derive(Default)]
struct State {
    calls: BTreeMap<(u64, u64), (Arc<Line>, u64)>,
    opens: BTreeMap<u64, (Arc<Line>, u64)>,
    lines: Vec<Arc<Line>>,
    /// Lines with answers that are not sent.
    dirty: Vec<Arc<Line>>,
}

impl State {
    fn answer(&mut self, line: &Arc<Line>, kind: u8, tag: u64, numbers: (u64, u64), body: &[u8]) {
        line.put(kind, tag, numbers.0, numbers.1, body);
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
        state.calls.retain(|_, (of, _)| other(of));
        state.opens.retain(|_, (of, _)| other(of));
        state.lines.retain(other);
        state.dirty.retain(other);
    }

    /// Somebody waits for what becomes of a client's number. Who waited for it before on another line does so no more.
    pub fn call(&self, client: u64, sequence: u64, line: &Arc<Line>, tag: u64) {
        locked(&self.0).calls.insert((client, sequence), (line.clone(), tag));
    }

    /// Somebody waits for a client's number.
    pub fn open(&self, token: u64, line: &Arc<Line>, tag: u64) {
        locked(&self.0).opens.insert(token, (line.clone(), tag));
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = locked(&self.0);
        state.calls.len() + state.opens.len()
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
                let Some((line, tag)) = state.calls.remove(&(client, sequence)) else { return };
                let place = match outcome {
                    Called::Executed { position } => Some((batch.0, position)),
                    Called::Repeated { batch, position } => Some((batch.0, position)),
                    _ => None,
                };
                let numbers = place.map_or((0, 0), |(batch, position)| (batch, position.into()));
                let kept = place.and_then(|(batch, position)| receipt(batch, position));
                match (outcome, kept) {
                    (_, Some(receipt)) => state.answer(&line, wire::RECEIPT, tag, numbers, &receipt),
                    (Called::Gap { next }, _) => state.answer(&line, wire::GAP, tag, (next, 0), &[]),
                    (Called::ExpiredClient | Called::UnknownClient, _) => {
                        state.answer(&line, wire::EXPIRED, tag, (0, 0), &[]);
                    }
                    _ => state.answer(&line, wire::UNKEPT, tag, numbers, &[]),
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
        let calls = std::mem::take(&mut state.calls).into_values();
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
