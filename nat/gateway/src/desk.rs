//! Everything the gateway knows and does, but for the waiting: who is there, who can be read from or written to.
//!
//! Events are edge-triggered, so the desk remembers who could be read from or written to: a client that was not
//! served for want of credit, or because a round is bounded, is served later without a further event.
//!
//! Whoever holds the desk serves: usually the gateway's thread, which waits for the clients; but who brings what the log
//! says to a free desk writes it to the clients at once, without waking anybody.

mod ending;

use crate::client::{Awaited, Client, Flushed, Got};
use crate::commands::{Command, Commands};
use crate::keepalive::Patience;
use crate::listener::{Listener, Taken};
use crate::slots::{Slot, Slots};
use crate::unacked::Unacked;
use crate::{ClientInfo, GatewayConfig, GatewayError, InputSink};
use mio::{Registry, Token};
use replicode_log::{BootNo, ConnId, Input, NodeId, Output};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// The most bytes of one [`Input::Data`].
const CHUNK: usize = 64 << 10;
/// The most bytes read in one round, so that writing and accepting get their turn.
const ROUND_BYTES: usize = 4 << 20;
/// The most clients taken from one listener in one round.
const ROUND_CLIENTS: usize = 256;
/// How long nobody is accepted after the node ran out of descriptors or memory. Clients wait in the queue meanwhile.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often that is told, however long it lasts.
const ACCEPT_TOLD: Duration = Duration::from_secs(10);
/// How soon a congested log is asked again.
const CONGESTION_PAUSE: Duration = Duration::from_millis(2);

/// What the event queue calls the waker.
pub(crate) const WAKER: Token = Token(0);

pub(crate) struct Desk {
    node: NodeId,
    recv_window: u32,
    send_window: u32,
    /// Bytes written after which the log is told.
    report_step: u64,
    max_connections: usize,
    end_patience: Duration,
    write_patience: Duration,
    keepalive: Patience,

    registry: Registry,
    commands: Arc<Commands>,
    sink: Box<dyn InputSink>,
    /// Listeners have the tokens after the waker's, clients those from `first_client`.
    listeners: Vec<Listener>,
    first_client: usize,

    /// The boot that clients are numbered in; nobody is taken without one.
    boot: Option<BootNo>,
    next_counter: u32,
    accept_again: Option<Instant>,
    /// When it was last told that nobody can be taken.
    accept_told: Option<Instant>,
    /// What the sink said in the last round.
    congested: bool,
    /// The thread has been told to end, but another thread read it.
    stopping: bool,
    /// What broke while another thread was at the desk.
    failed: Option<GatewayError>,
    clients: Slots,
    to_read: Vec<Slot>,
    to_write: Vec<Slot>,
    deadlines: BTreeSet<(Instant, Slot)>,
    unacked: Unacked,
    /// What the round has gathered for the log.
    inputs: Vec<Input>,
    /// Who waits to be told of the clients.
    asked: Vec<mpsc::Sender<Vec<ClientInfo>>>,

    // Kept for their memory only.
    batch: Vec<Command>,
    spare: Vec<Slot>,
    scratch: Box<[u8]>,
}

impl Desk {
    pub(crate) fn new(
        config: GatewayConfig,
        sink: Box<dyn InputSink>,
        registry: Registry,
        commands: Arc<Commands>,
    ) -> Result<Self, GatewayError> {
        config.check()?;
        let bind = |published| Listener::bind(published, &config.keepalive);
        let listeners = config.publish.into_iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            node: config.node,
            recv_window: config.recv_window,
            send_window: config.send_window,
            report_step: u64::from(config.send_window / 4).max(1),
            max_connections: config.max_connections,
            end_patience: config.end_patience,
            write_patience: config.write_patience,
            keepalive: config.keepalive,
            registry,
            commands,
            sink,
            first_client: WAKER.0 + 1 + listeners.len(),
            listeners,
            boot: None,
            next_counter: 0,
            accept_again: None,
            accept_told: None,
            congested: false,
            stopping: false,
            failed: None,
            clients: Slots::default(),
            to_read: Vec::new(),
            to_write: Vec::new(),
            deadlines: BTreeSet::new(),
            unacked: Unacked::default(),
            inputs: Vec::new(),
            asked: Vec::new(),
            batch: Vec::new(),
            spare: Vec::new(),
            scratch: vec![0; CHUNK].into(),
        })
    }

    pub(crate) fn local_addrs(&self) -> Vec<SocketAddr> {
        self.listeners.iter().map(|listener| listener.local).collect()
    }

    /// What the gateway's thread does after waiting; `false` when it was the last time.
    pub(crate) fn round(&mut self) -> Result<bool, GatewayError> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        if !self.carry_out()? {
            return Ok(false);
        }
        // What the log says goes out before anything new is read.
        self.write();
        self.congested = self.sink.congested();
        if !self.congested {
            self.accept();
        }
        self.read();
        self.write();
        self.expire();
        self.hand_on();
        self.answer();
        Ok(true)
    }

    /// Carries out what the log says, after all that was asked for before, on the caller's thread. Answers whether the
    /// gateway's thread has something to do because of it.
    pub(crate) fn bring(&mut self, outputs: Vec<Output>) -> bool {
        let (readers, deadline) = (self.to_read.len(), self.deadlines.first().copied());
        match self.carry_out() {
            Ok(goes_on) => self.stopping |= !goes_on,
            Err(error) => self.failed = Some(error),
        }
        outputs.into_iter().for_each(|output| self.output(output));
        self.write();
        self.hand_on();
        self.stopping
            || self.failed.is_some()
            || !self.asked.is_empty()
            || self.to_read.len() != readers
            || self.deadlines.first().copied() != deadline
    }

    /// Offers what has been gathered to the log.
    fn hand_on(&mut self) {
        if !self.inputs.is_empty() {
            self.sink.offer(&mut self.inputs);
            self.inputs.clear();
        }
    }

    /// Nobody is there to be served.
    pub(crate) fn idle(&mut self) {
        self.sink.idle();
    }

    /// Resets everybody, and says why the gateway ends if something broke.
    pub(crate) fn end(&mut self, result: Result<(), GatewayError>) {
        self.reset_all();
        self.listeners.clear();
        if let Err(error) = result {
            self.sink.failed(error);
        }
    }

    /// How long the next round may wait for an event.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let deadline = self.deadlines.first().map(|(deadline, _)| *deadline);
        if self.congested {
            // Neither who wants to be read from nor who wants to be taken matters now.
            let pause = if self.to_write.is_empty() { CONGESTION_PAUSE } else { Duration::ZERO };
            return Some(
                deadline.map_or(pause, |deadline| pause.min(deadline.saturating_duration_since(Instant::now()))),
            );
        }
        let accepting = self.accept_again.is_none() && self.listeners.iter().any(|listener| listener.ready);
        if accepting || !self.to_read.is_empty() || !self.to_write.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [deadline, self.accept_again].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn note(&mut self, event: &mio::event::Event) {
        let token = event.token().0;
        if let Some(slot) = token.checked_sub(self.first_client) {
            if let Some(client) = self.clients.get_mut(slot) {
                client.note(event);
                self.mark(slot);
            }
        } else if token != WAKER.0
            && let Some(listener) = self.listeners.get_mut(token - WAKER.0 - 1)
        {
            listener.ready = true;
        }
    }

    /// Puts a client on the lists on which it belongs.
    fn mark(&mut self, slot: Slot) {
        let Some(client) = self.clients.get_mut(slot) else { return };
        if client.wants_read() && !client.to_read {
            client.to_read = true;
            self.to_read.push(slot);
        }
        if client.wants_write() && !client.to_write {
            client.to_write = true;
            self.to_write.push(slot);
        }
    }

    /// Puts a client on the list of those to write to, even if only its end is to be written.
    fn mark_write(&mut self, slot: Slot) {
        if let Some(client) = self.clients.get_mut(slot)
            && !client.to_write
        {
            client.to_write = true;
            self.to_write.push(slot);
        }
    }

    /// What other threads asked for; `false` when they asked for an end.
    fn carry_out(&mut self) -> Result<bool, GatewayError> {
        let mut batch = std::mem::take(&mut self.batch);
        self.commands.take(&mut batch);
        let mut goes_on = !self.stopping;
        for command in batch.drain(..) {
            match command {
                Command::Admit(boot) => self.admit(boot)?,
                Command::Suspend => self.suspend()?,
                Command::Outputs(outputs) => outputs.into_iter().for_each(|output| self.output(output)),
                Command::Drain => self.listeners.clear(),
                Command::Stop => goes_on = false,
                Command::Clients(answer) => self.asked.push(answer),
            }
        }
        self.batch = batch;
        Ok(goes_on)
    }

    /// Tells those who asked for the clients. The answer comes last, so that it shows what was asked for before it.
    fn answer(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            let mut infos: Vec<_> = self.clients.iter().map(Client::info).collect();
            infos.sort_by_key(|info| info.conn);
            // Nobody may be there to hear the answer any more.
            let _ = asked.send(infos);
        }
    }

    fn admit(&mut self, boot: BootNo) -> Result<(), GatewayError> {
        if self.boot == Some(boot) {
            return Ok(());
        }
        self.suspend()?;
        self.boot = Some(boot);
        self.next_counter = 0;
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            listener.watch(&self.registry, Token(WAKER.0 + 1 + i)).map_err(GatewayError::Poll)?;
        }
        Ok(())
    }

    fn suspend(&mut self) -> Result<(), GatewayError> {
        self.reset_all();
        if self.boot.take().is_some() {
            for listener in &mut self.listeners {
                listener.ignore(&self.registry).map_err(GatewayError::Poll)?;
            }
        }
        Ok(())
    }

    fn reset_all(&mut self) {
        self.clients.drain().for_each(Client::finish);
        self.to_read.clear();
        self.to_write.clear();
        self.deadlines.clear();
        self.inputs.clear();
    }

    fn output(&mut self, output: Output) {
        let Some((slot, client)) = output.conn().and_then(|conn| self.clients.find(conn)) else { return };
        let said = match output {
            Output::Credit { limit, .. } => {
                client.grant(limit);
                return self.mark(slot);
            }
            Output::Deaf { .. } => {
                client.turn_deaf();
                return self.mark(slot);
            }
            Output::KeepAlive { wanted, .. } => {
                if let Err(error) = client.keep_alive(wanted, &self.keepalive) {
                    tracing::debug!(%error, conn = %client.conn(), "keepalive cannot be set");
                }
                return;
            }
            Output::Reset { .. } => {
                client.close_with_reset();
                Ok(())
            }
            Output::Refused { .. } => {
                tracing::debug!(?output, "refused by the log");
                self.remove(slot);
                return;
            }
            Output::Data { offset, bytes, .. } => client.queue(offset, bytes),
            Output::HalfClose { offset, .. } => client.end(offset),
            Output::Closed { .. } => client.close(),
            _ => return,
        };
        match said {
            Ok(()) => self.mark_write(slot),
            // Going on would mean to write other bytes than the program sent. A reset is always true.
            Err(violation) => {
                tracing::error!(conn = %client.conn(), %violation, "output contradicts the one before: reset");
                self.lose(slot);
            }
        }
    }

    fn accept(&mut self) {
        let Some(boot) = self.boot else { return };
        if self.accept_again.is_some_and(|then| Instant::now() < then) {
            return;
        }
        self.accept_again = None;
        for i in 0..self.listeners.len() {
            for _ in 0..ROUND_CLIENTS {
                let Some(listener) = self.listeners.get_mut(i).filter(|listener| listener.ready) else { break };
                match listener.take() {
                    Taken::Client(stream, from) => {
                        let service = Arc::clone(&listener.service);
                        self.welcome(boot, stream, from, service);
                    }
                    Taken::Nobody => break,
                    Taken::Lost(error) => tracing::debug!(%error, "a client went before it was taken"),
                    Taken::Exhausted(error) => {
                        let now = Instant::now();
                        if self.accept_told.is_none_or(|told| now >= told + ACCEPT_TOLD) {
                            self.accept_told = Some(now);
                            tracing::warn!(%error, again_after = ?ACCEPT_TOLD, "cannot take clients: pausing");
                        }
                        self.accept_again = Some(now + ACCEPT_PAUSE);
                        return;
                    }
                }
            }
        }
    }

    /// Gives a client its number and tells the log. Whoever is not welcome is dropped, that is, reset.
    fn welcome(
        &mut self,
        boot: BootNo,
        stream: mio::net::TcpStream,
        from: SocketAddr,
        service: Arc<replicode_log::Service>,
    ) {
        if self.clients.len() >= self.max_connections {
            tracing::debug!(%from, limit = self.max_connections, "too many clients: reset");
            return;
        }
        let counter = self.next_counter;
        let conn = match ConnId::new(self.node, boot, counter) {
            Ok(conn) if counter < u32::MAX => conn,
            _ => {
                tracing::error!(%from, %boot, "no number left for a client: restart the node to get a new boot");
                return;
            }
        };
        let mut client = Client::new(stream, conn, from, service, self.recv_window, self.send_window);
        let slot = self.clients.next();
        if let Err(error) = client.watch(&self.registry, Token(self.first_client + slot)) {
            tracing::warn!(%from, %error, "cannot watch a client's socket: reset");
            return;
        }
        self.next_counter += 1;
        self.inputs.push(client.opening());
        self.clients.insert(client);
        self.mark(slot);
    }

    /// Reads once from each client on the list. Who has more comes again in the next round, behind those who had to
    /// wait in this one. While the log is congested only those are read from whose bytes it does not get: a closing
    /// client's end is found by reading.
    fn read(&mut self) {
        let mut list = std::mem::replace(&mut self.to_read, std::mem::take(&mut self.spare));
        let mut bytes = 0;
        let mut served = 0;
        while served < list.len() && bytes < ROUND_BYTES {
            let slot = list[served];
            served += 1;
            let Some(client) = self.clients.get_mut(slot).filter(|client| client.to_read) else { continue };
            if self.congested && !client.is_closing() {
                self.to_read.push(slot);
                continue;
            }
            client.to_read = false;
            let conn = client.conn();
            match client.read(&mut self.scratch) {
                Got::Bytes { offset, len } => {
                    bytes += len;
                    self.inputs.push(Input::Data { conn, offset, bytes: self.scratch[..len].to_vec() });
                }
                Got::End { offset } => self.inputs.push(Input::HalfClose { conn, offset }),
                Got::Nothing => {}
                Got::Unwanted => {
                    // For the log the connection ends here; the client is reset behind what is still to be written.
                    self.inputs.push(Input::Reset { conn });
                    client.close_with_reset();
                }
                Got::Lost => {
                    self.lose(slot);
                    continue;
                }
            }
            if self.clients.get_mut(slot).is_some_and(|client| client.is_closing()) {
                self.mark_write(slot);
            }
            self.mark(slot);
        }
        list.drain(..served);
        list.append(&mut self.to_read);
        self.spare = std::mem::replace(&mut self.to_read, list);
    }

    /// Writes to each client on the list, and ends those that are over.
    fn write(&mut self) {
        // The list may grow under way: where a reset becomes an end, that is written at once.
        let mut served = 0;
        while let Some(&slot) = self.to_write.get(served) {
            served += 1;
            let Some(client) = self.clients.get_mut(slot).filter(|client| client.to_write) else { continue };
            client.to_write = false;
            match client.flush(&self.registry, Token(self.first_client + slot)) {
                Flushed::Goes => {
                    if let Some(offset) = client.report(self.report_step) {
                        self.inputs.push(Input::Acked { conn: client.conn(), offset });
                    }
                    if client.is_closing() {
                        self.give_patience(slot, self.write_patience);
                    }
                }
                Flushed::AwaitsEnd => {
                    if client.awaits.replace(Awaited::End).is_none() {
                        self.give_patience(slot, self.end_patience);
                    }
                    self.mark(slot);
                }
                Flushed::AwaitsAcks => {
                    client.awaits = Some(Awaited::Acks);
                    self.reset_when_taken(slot);
                    self.mark(slot);
                }
                Flushed::Over => self.remove(slot),
                Flushed::Lost => self.lose(slot),
            }
        }
        self.to_write.clear();
    }
}

impl Drop for Desk {
    /// Nobody may wait for an answer that does not come.
    fn drop(&mut self) {
        self.commands.close();
    }
}
