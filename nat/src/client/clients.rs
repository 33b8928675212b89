//! Who is there, and the rounds in which they are served.
//!
//! What is announced of a socket is announced once, so it is remembered who could be read from or written to: a client that
//! was not served for want of credit, or because a round is bounded, is served later without a further event.

use super::acks::Arrived;
use super::door::Doors;
use super::flow::{Awaited, Flow, Got, Stands, Wanted};
use super::patience::Deadlines;
use super::places::Places;
use super::{ClientInfo, Order, Patience, Read, Readiness, Slot, ToRead, ToWrite, Unwelcome, Word, Wrote};
use replicode_log::{BootNo, ConnId, HostAddr, Input, Mono, NodeId, Output, Service};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes read in one round, so that writing and accepting get their turn.
pub(crate) const ROUND_BYTES: usize = 4 << 20;
/// How soon a congested log is asked again.
const CONGESTION_PAUSE: Duration = Duration::from_millis(2);

/// What the clients of a node are served with. The windows must be those of the cell's limits, equal on all nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// This node: part of every client's number.
    pub node: NodeId,
    /// Doors: addresses at which clients are taken.
    pub doors: usize,
    /// Bytes of one client that may be put into the log before the program has read any.
    pub recv_window: u32,
    /// Bytes of one client that may be waiting to be written.
    pub send_window: u32,
    /// Clients at once.
    pub max_connections: usize,
    /// How long a client whose program has closed may take to end its own stream, once it was sent everything.
    pub end_patience: Duration,
    /// How long such a client may go without reading any of what it is still to be sent.
    pub write_patience: Duration,
    /// How long a client's host may be silent.
    pub keepalive: Patience,
}

/// The clients of one node.
///
/// # How to drive it
///
/// Whatever happens is told with `handle_x(value, now)`: what the log says ([`Clients::handle_output`] and the boots), and
/// what the sockets say. Then everything is fetched that is to be done because of it:
///
/// 1. [`Clients::poll_write`] until it has no more; each write is tried and its outcome told before the next one is asked for.
/// 2. [`Clients::poll_order`] until it has no more; if it had any, 1 again.
/// 3. [`Clients::poll_inputs`]: what the log is to be told.
///
/// Reading and letting in happen in rounds, which whoever waits for the sockets begins with [`Clients::handle_round`]:
/// [`Clients::poll_accept`] until it has no more, then [`Clients::poll_read`] until it has no more, then
/// [`Clients::handle_timeout`], then 1 to 3. The next round begins when a socket has something to say, at
/// [`Clients::deadline`], or when [`Clients::outlook`] has changed because of something that came in between.
///
/// Time is what `handle_x` was told last.
#[derive(Debug)]
pub struct Clients {
    settings: Settings,
    /// Bytes written after which the log is told.
    report_step: u64,
    /// The boot that clients are numbered in; nobody is taken without one.
    boot: Option<BootNo>,
    next_counter: u32,
    /// What the log said when the round began, and when it is to be asked again.
    congested: Option<Mono>,
    doors: Doors,
    places: Places,
    to_read: VecDeque<Slot>,
    /// How many of these are still to be looked at in this round; not counted yet while clients are let in.
    left: Option<usize>,
    /// Bytes read in this round.
    bytes: usize,
    to_write: VecDeque<Slot>,
    deadlines: Deadlines,
    orders: VecDeque<Order>,
    inputs: Vec<Input>,
    now: Mono,
}

/// What decides how long whoever waits for the sockets may wait. If it changes in between, that is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    readers: usize,
    deadline: Option<Mono>,
}

impl Clients {
    /// Nobody is there, and nobody is taken yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            report_step: u64::from(settings.send_window / 4).max(1),
            boot: None,
            next_counter: 0,
            congested: None,
            doors: Doors::new(settings.doors),
            places: Places::default(),
            to_read: VecDeque::new(),
            left: Some(0),
            bytes: 0,
            to_write: VecDeque::new(),
            deadlines: Deadlines::default(),
            orders: VecDeque::new(),
            inputs: Vec::new(),
            now: Mono::LONG_AGO,
        }
    }

    /// How many are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.len() == 0
    }

    /// The clients, in the order of their numbers.
    #[must_use]
    pub fn infos(&self) -> Vec<ClientInfo> {
        self.places.iter().map(Flow::info).collect()
    }

    /// The next round's moment at the latest; one that has passed if there is something to do already.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        let deadline = self.deadlines.first();
        if let Some(again) = self.congested {
            // Neither who wants to be read from nor who wants to be let in matters now.
            return Some(if self.to_write.is_empty() {
                deadline.map_or(again, |d| d.min(again))
            } else {
                Mono::LONG_AGO
            });
        }
        if self.doors.is_busy() || !self.to_read.is_empty() || !self.to_write.is_empty() {
            return Some(Mono::LONG_AGO);
        }
        [deadline, self.doors.deadline()].into_iter().flatten().min()
    }

    /// See [`Outlook`].
    #[must_use]
    pub fn outlook(&self) -> Outlook {
        Outlook { readers: self.to_read.len(), deadline: self.deadlines.first() }
    }

    /// The node has been admitted to the log under a boot number: clients are numbered in that boot. Those of another boot
    /// are reset; for the current boot nothing changes.
    pub fn handle_boot(&mut self, boot: BootNo, now: Mono) {
        if self.boot == Some(boot) {
            return;
        }
        self.handle_suspend(now);
        self.boot = Some(boot);
        self.next_counter = 0;
        self.orders.push_back(Order::WatchDoors);
    }

    /// The boot is over for the log: all clients are reset without a word to the log, and nobody is taken.
    pub fn handle_suspend(&mut self, now: Mono) {
        self.now = now;
        for slot in self.places.slots() {
            self.remove(slot);
        }
        self.to_read.clear();
        self.to_write.clear();
        self.inputs.clear();
        if self.boot.take().is_some() {
            self.doors.handle_unwatched();
            self.orders.push_back(Order::IgnoreDoors);
        }
    }

    /// The doors have been closed for good. Clients that are there stay.
    pub fn handle_drain(&mut self) {
        self.doors.handle_drain();
    }

    /// What the log says. Outputs for streams that are not there (any more), and those that are not for a stream, change
    /// nothing.
    pub fn handle_output(&mut self, output: Output, now: Mono) {
        self.now = now;
        let Some((slot, flow)) = output.conn().and_then(|conn| self.places.find(conn)) else { return };
        let said = match output {
            Output::Credit { limit, .. } => {
                flow.grant(limit);
                return self.mark(slot);
            }
            Output::Deaf { .. } => {
                flow.turn_deaf();
                return self.mark(slot);
            }
            Output::KeepAlive { wanted, .. } => {
                let patience = self.settings.keepalive.sooner(wanted);
                return self.orders.push_back(Order::KeepAlive { slot, patience });
            }
            Output::Reset { .. } => {
                flow.close_with_reset();
                Ok(())
            }
            Output::Refused { .. } => {
                self.orders.push_back(Order::Tell(Word::Refused(output)));
                return self.remove(slot);
            }
            Output::Data { offset, bytes, .. } => flow.queue(offset, bytes),
            Output::HalfClose { offset, .. } => flow.end(offset),
            Output::Closed { .. } => flow.close(),
            _ => return,
        };
        match said {
            Ok(()) => self.mark_write(slot),
            Err(violation) => {
                let word = Word::Contradiction(flow.conn(), violation);
                self.orders.push_back(Order::Tell(word));
                self.lose(slot);
            }
        }
    }

    /// A round begins. `congested`: the log has more to do than it can take. While it has, nobody is let in, and only those
    /// are read from whose bytes it does not get: a closing client's end is found by reading.
    pub fn handle_round(&mut self, congested: bool, now: Mono) {
        self.now = now;
        self.congested = congested.then(|| now.plus(CONGESTION_PAUSE));
        self.doors.handle_round(now);
        if congested || self.boot.is_none() {
            self.doors.close();
        }
        (self.left, self.bytes) = (None, 0);
    }

    /// Somebody may be waiting at a door.
    pub fn handle_door(&mut self, door: usize) {
        self.doors.handle_ready(door);
    }

    /// Nobody waits at a door.
    pub fn handle_nobody(&mut self, door: usize) {
        self.doors.handle_empty(door);
    }

    /// Nobody can be taken for want of descriptors or memory. If that is worth a word, answers for how long it is not worth
    /// another one.
    pub fn handle_exhausted(&mut self, now: Mono) -> Option<Duration> {
        self.now = now;
        self.doors.handle_exhausted(now)
    }

    /// At which door the next client is to be taken.
    pub fn poll_accept(&mut self) -> Option<usize> {
        self.doors.poll_door()
    }

    /// Where the next client's socket has its place.
    ///
    /// # Errors
    /// Why the client is not welcome.
    pub fn place(&self) -> Result<Slot, Unwelcome> {
        if self.places.len() >= self.settings.max_connections {
            return Err(Unwelcome::Full(self.settings.max_connections));
        }
        self.next_conn()?;
        Ok(self.places.next())
    }

    fn next_conn(&self) -> Result<ConnId, Unwelcome> {
        let boot = self.boot.ok_or(Unwelcome::NoBoot)?;
        if self.next_counter == u32::MAX {
            return Err(Unwelcome::NoNumber);
        }
        ConnId::new(self.settings.node, boot, self.next_counter).map_err(|_| Unwelcome::NoNumber)
    }

    /// A client has come, and its socket has its [place](Clients::place). It is given its number, and the log is told.
    pub fn handle_client(&mut self, from: HostAddr, to: Arc<Service>, now: Mono) {
        self.now = now;
        let Ok(conn) = self.next_conn() else { return };
        self.next_counter += 1;
        let flow = Flow::new(conn, from, to, self.settings.recv_window, self.settings.send_window);
        self.inputs.push(flow.opening());
        let slot = self.places.insert(flow);
        self.mark(slot);
    }

    /// What is announced of a client's socket.
    pub fn handle_event(&mut self, slot: Slot, event: Readiness) {
        if let Some(flow) = self.places.get_mut(slot) {
            flow.handle_event(event);
            self.mark(slot);
        }
    }

    /// From whom is to be read next. Each client is read from once in a round. Who has more comes again in the next one,
    /// behind those who had to wait in this one.
    pub fn poll_read(&mut self) -> Option<ToRead> {
        let mut left = self.left.unwrap_or(self.to_read.len());
        while left > 0
            && self.bytes < ROUND_BYTES
            && let Some(slot) = self.to_read.pop_front()
        {
            left -= 1;
            self.left = Some(left);
            let Some(flow) = self.places.get_mut(slot).filter(|flow| flow.to_read) else { continue };
            if self.congested.is_some() && !flow.is_closing() {
                self.to_read.push_back(slot);
                continue;
            }
            flow.to_read = false;
            match flow.most() {
                0 => {
                    let got = flow.read_nothing();
                    self.take_in(slot, got, &[]);
                }
                most => return Some(ToRead { slot, most }),
            }
        }
        self.left = Some(0);
        None
    }

    /// What a read brought that [`Clients::poll_read`] asked for.
    pub fn handle_read(&mut self, slot: Slot, read: Read<'_>, now: Mono) {
        self.now = now;
        let Some(flow) = self.places.get_mut(slot) else { return };
        let got = flow.handle_read(&read);
        self.take_in(slot, got, if let Read::Bytes(bytes) = read { bytes } else { &[] });
    }

    fn take_in(&mut self, slot: Slot, got: Got, bytes: &[u8]) {
        let Some(flow) = self.places.get_mut(slot) else { return };
        let conn = flow.conn();
        match got {
            Got::Bytes { offset } => {
                self.bytes += bytes.len();
                self.inputs.push(Input::Data { conn, offset, bytes: bytes.to_vec() });
            }
            Got::End { offset } => self.inputs.push(Input::HalfClose { conn, offset }),
            Got::Nothing => {}
            Got::Unwanted => {
                // For the log the connection ends here; the client is reset behind what is still to be written.
                self.inputs.push(Input::Reset { conn });
                flow.close_with_reset();
            }
            Got::Lost => return self.lose(slot),
        }
        if flow.is_closing() {
            self.mark_write(slot);
        }
        self.mark(slot);
    }

    /// What is to be written next, and to whom. The same again until its outcome is told.
    pub fn poll_write(&mut self) -> Option<ToWrite<'_>> {
        let (slot, wanted) = loop {
            let slot = *self.to_write.front()?;
            match self.places.get_mut(slot).filter(|flow| flow.to_write).map(|flow| (flow.wanted(), flow)) {
                None => drop(self.to_write.pop_front()),
                Some((Wanted::Nothing, flow)) => {
                    flow.to_write = false;
                    self.to_write.pop_front();
                    self.settle(slot);
                }
                Some((wanted, _)) => break (slot, wanted),
            }
        };
        match wanted {
            Wanted::End => Some(ToWrite::End { slot }),
            _ => Some(ToWrite::Bytes { slot, chunks: self.places.get(slot)?.chunks() }),
        }
    }

    /// What a write led to that [`Clients::poll_write`] asked for.
    pub fn handle_wrote(&mut self, slot: Slot, wrote: Wrote, now: Mono) {
        self.now = now;
        let Some(flow) = self.places.get_mut(slot) else { return };
        let kept = match wrote {
            Wrote::Bytes(0) | Wrote::Lost => false,
            Wrote::Bytes(len) => flow.handle_written(len).is_ok(),
            Wrote::End => {
                flow.handle_ended();
                true
            }
            Wrote::Full => {
                flow.handle_full();
                true
            }
            Wrote::Again => true,
        };
        if !kept {
            self.lose(slot);
        }
    }

    /// Everything that can be written to a client is.
    fn settle(&mut self, slot: Slot) {
        let Some(flow) = self.places.get_mut(slot) else { return };
        match flow.stands() {
            Stands::Goes => {
                let (conn, closing) = (flow.conn(), flow.is_closing());
                if let Some(offset) = flow.report(self.report_step) {
                    self.inputs.push(Input::Acked { conn, offset });
                }
                if closing {
                    self.give_patience(slot, self.settings.write_patience);
                }
            }
            Stands::AwaitsEnd => {
                if flow.awaits.replace(Awaited::End).is_none() {
                    self.give_patience(slot, self.settings.end_patience);
                }
                self.mark(slot);
            }
            Stands::AwaitsAcks => {
                flow.awaits = Some(Awaited::Acks);
                self.orders.push_back(Order::Unacked { slot });
                self.mark(slot);
            }
            Stands::Over => self.remove(slot),
        }
    }

    /// `left` bytes of what was written have not arrived, the end of the stream included; `None`: nobody knows.
    ///
    /// A reset is to follow, and must not overtake: it is sent when the client's host has it all, or has taken nothing more
    /// of it for as long as patience with writing lasts.
    pub fn handle_unacked(&mut self, slot: Slot, left: Option<u32>, now: Mono) {
        self.now = now;
        let Some(flow) = self.places.get_mut(slot).filter(|flow| flow.awaits == Some(Awaited::Acks)) else { return };
        let Some(left) = left else {
            // An end in good order loses nothing either; what the client sends meanwhile is thrown away.
            return match flow.end_instead_of_reset() {
                Ok(()) => {
                    self.give_patience(slot, self.settings.end_patience);
                    self.mark_write(slot);
                }
                Err(_) => self.remove(slot),
            };
        };
        match flow.arrival.handle_left(left, self.settings.write_patience, now) {
            Arrived::All | Arrived::NoMore => self.remove(slot),
            Arrived::Later(pause) => self.give_patience(slot, pause),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Mono) {
        self.now = now;
        while let Some(slot) = self.deadlines.take_due(now) {
            let Some(flow) = self.places.get_mut(slot) else { continue };
            flow.deadline = None;
            match flow.awaits {
                Some(Awaited::Acks) => self.orders.push_back(Order::Unacked { slot }),
                Some(Awaited::End) | None => self.remove(slot),
            }
        }
    }

    /// What else is to be done next.
    pub fn poll_order(&mut self) -> Option<Order> {
        let order = self.orders.pop_front()?;
        if let Order::Close { slot, .. } = order {
            self.places.release(slot);
        }
        Some(order)
    }

    /// What the log is to be told, if anything. Whoever takes it leaves nothing.
    pub fn poll_inputs(&mut self) -> Option<&mut Vec<Input>> {
        (!self.inputs.is_empty()).then_some(&mut self.inputs)
    }

    /// Puts a client on the lists on which it belongs.
    fn mark(&mut self, slot: Slot) {
        let Some(flow) = self.places.get_mut(slot) else { return };
        if flow.wants_read() && !flow.to_read {
            flow.to_read = true;
            self.to_read.push_back(slot);
        }
        if flow.wants_write() {
            self.mark_write(slot);
        }
    }

    /// Puts a client on the list of those to write to, even if only its end is to be written.
    fn mark_write(&mut self, slot: Slot) {
        if let Some(flow) = self.places.get_mut(slot)
            && !flow.to_write
        {
            flow.to_write = true;
            self.to_write.push_back(slot);
        }
    }

    fn give_patience(&mut self, slot: Slot, patience: Duration) {
        let Some(flow) = self.places.get_mut(slot) else { return };
        let deadline = self.now.plus(patience);
        self.deadlines.set(slot, flow.deadline.replace(deadline), deadline);
    }

    /// The connection is gone, and the log does not know yet.
    fn lose(&mut self, slot: Slot) {
        if let Some(flow) = self.places.get_mut(slot) {
            // A closing connection is over for the log already.
            if !flow.is_closing() {
                self.inputs.push(Input::Reset { conn: flow.conn() });
            }
            self.remove(slot);
        }
    }

    /// Forgets a client. Its socket is closed: in good order if the log has asked for that, else with a reset.
    fn remove(&mut self, slot: Slot) {
        if let Some(flow) = self.places.remove(slot) {
            self.deadlines.forget(slot, flow.deadline);
            self.orders.push_back(Order::Close { slot, ending: flow.ending() });
        }
    }
}
