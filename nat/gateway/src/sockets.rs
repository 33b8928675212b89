//! All sockets of a gateway: what happens to them is told to the client half, and what it asks for is done.
//!
//! Nothing is decided here. Whoever holds this serves: usually the gateway's thread, which waits for the clients; but who
//! brings what the log says while nobody serves writes it to the clients at once, without waking anybody.

use crate::clock;
use crate::commands::{Command, Commands};
use crate::listener::{Listener, Taken};
use crate::socket::{Socket, host_addr, readiness};
use crate::unacked::Unacked;
use crate::{ClientInfo, GatewayConfig, GatewayError, InputSink};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use replicode_log::{Mono, Output};
use replicode_nat::client::{CHUNK, Clients, Order, Read, Slot, ToRead, ToWrite, Unwelcome, Word, Wrote};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What the event queue calls the waker.
pub(crate) const WAKER: Token = Token(0);

pub(crate) struct Sockets {
    clients: Clients,
    /// By the place that each client has.
    sockets: Vec<Option<Socket>>,
    /// Listeners have the tokens after the waker's, clients those from `first_client`.
    listeners: Vec<Listener>,
    first_client: usize,
    registry: Registry,
    commands: Arc<Commands>,
    sink: Box<dyn InputSink>,
    unacked: Unacked,
    /// The thread has been told to end, but another thread read it.
    stopping: bool,
    /// What broke while another thread served.
    failed: Option<GatewayError>,
    /// Who waits to be told of the clients.
    asked: Vec<mpsc::Sender<Vec<ClientInfo>>>,

    // Kept for their memory only.
    batch: VecDeque<Command>,
    scratch: Box<[u8]>,
}

impl Sockets {
    pub(crate) fn new(
        config: GatewayConfig,
        sink: Box<dyn InputSink>,
        registry: Registry,
        commands: Arc<Commands>,
    ) -> Result<Self, GatewayError> {
        config.check()?;
        let clients = Clients::new(config.settings());
        let bind = |published| Listener::bind(published, &config.keepalive);
        let listeners = config.publish.into_iter().map(bind).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            clients,
            sockets: Vec::new(),
            first_client: WAKER.0 + 1 + listeners.len(),
            listeners,
            registry,
            commands,
            sink,
            unacked: Unacked::default(),
            stopping: false,
            failed: None,
            asked: Vec::new(),
            batch: VecDeque::new(),
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
        let now = clock::now();
        if !self.carry_out(now) {
            return Ok(false);
        }
        // What the log says goes out before anything new is read.
        self.serve(now)?;
        self.clients.handle_round(self.sink.congested(), now);
        self.accept(now);
        self.read(now);
        self.serve(now)?;
        self.clients.handle_timeout(now);
        self.serve(now)?;
        self.hand_on();
        self.answer();
        Ok(true)
    }

    /// Carries out what the log says, after all that was asked for before, on the caller's thread. Answers whether the
    /// gateway's thread has something to do because of it.
    pub(crate) fn bring(&mut self, outputs: Vec<Output>) -> bool {
        let (before, now) = (self.clients.outlook(), clock::now());
        self.stopping |= !self.carry_out(now);
        outputs.into_iter().for_each(|output| self.clients.handle_output(output, now));
        if let Err(error) = self.serve(now) {
            self.failed = Some(error);
        }
        self.hand_on();
        self.stopping || self.failed.is_some() || !self.asked.is_empty() || self.clients.outlook() != before
    }

    /// Offers what has been gathered to the log.
    fn hand_on(&mut self) {
        if let Some(inputs) = self.clients.poll_inputs() {
            self.sink.offer(inputs);
            inputs.clear();
        }
    }

    /// Nobody is there to be served.
    pub(crate) fn idle(&mut self) {
        self.sink.idle();
    }

    /// Resets everybody, and says why the gateway ends if something broke.
    pub(crate) fn end(&mut self, result: Result<(), GatewayError>) {
        let now = clock::now();
        self.clients.handle_suspend(now);
        let closed = self.serve(now);
        self.listeners.clear();
        if let Err(error) = result.and(closed) {
            self.sink.failed(error);
        }
    }

    /// How long the next round may wait for an event.
    pub(crate) fn patience(&self) -> Option<Duration> {
        let deadline = self.clients.deadline()?;
        Some(if deadline == Mono::LONG_AGO { Duration::ZERO } else { deadline.since(clock::now()) })
    }

    pub(crate) fn note(&mut self, event: &Event) {
        let token = event.token().0;
        if let Some(slot) = token.checked_sub(self.first_client) {
            self.clients.handle_event(slot, readiness(event));
        } else if let Some(door) = token.checked_sub(WAKER.0 + 1) {
            self.clients.handle_door(door);
        }
    }

    /// What other threads asked for; `false` when they asked for an end.
    fn carry_out(&mut self, now: Mono) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        self.commands.take(&mut batch);
        let mut goes_on = !self.stopping;
        for command in batch.drain(..) {
            match command {
                Command::Admit(boot) => self.clients.handle_boot(boot, now),
                Command::Suspend => self.clients.handle_suspend(now),
                Command::Outputs(outputs) => {
                    outputs.into_iter().for_each(|output| self.clients.handle_output(output, now));
                }
                Command::Drain => {
                    self.listeners.clear();
                    self.clients.handle_drain();
                }
                Command::Stop => goes_on = false,
                Command::Clients(answer) => self.asked.push(answer),
            }
        }
        self.batch = batch;
        goes_on
    }

    /// Tells those who asked for the clients. The answer comes last, so that it shows what was asked for before it.
    fn answer(&mut self) {
        for asked in std::mem::take(&mut self.asked) {
            // Nobody may be there to hear the answer any more.
            let _ = asked.send(self.clients.infos());
        }
    }

    fn accept(&mut self, now: Mono) {
        while let Some(door) = self.clients.poll_accept() {
            let Some(listener) = self.listeners.get_mut(door) else {
                self.clients.handle_nobody(door);
                continue;
            };
            match listener.take() {
                Taken::Client(stream, from) => self.welcome(door, stream, from, now),
                Taken::Nobody => self.clients.handle_nobody(door),
                Taken::Lost(error) => tracing::debug!(%error, "a client went before it was taken"),
                Taken::Exhausted(error) => {
                    if let Some(again_after) = self.clients.handle_exhausted(now) {
                        tracing::warn!(%error, ?again_after, "cannot take clients: pausing");
                    }
                }
            }
        }
    }

    /// Whoever is not welcome is dropped, that is, reset.
    fn welcome(&mut self, door: usize, stream: TcpStream, from: SocketAddr, now: Mono) {
        let slot = match self.clients.place() {
            Ok(slot) => slot,
            Err(Unwelcome::Full(limit)) => return tracing::debug!(%from, limit, "too many clients: reset"),
            Err(why @ (Unwelcome::NoNumber | Unwelcome::NoBoot)) => {
                return tracing::error!(%from, ?why, "no number left for a client: restart the node to get a new boot");
            }
        };
        match Socket::watched(stream, &self.registry, self.token(slot)) {
            Ok(socket) => {
                if self.sockets.len() <= slot {
                    self.sockets.resize_with(slot + 1, || None);
                }
                self.sockets[slot] = Some(socket);
                self.clients.handle_client(host_addr(from), self.listeners[door].service.clone(), now);
            }
            Err(error) => tracing::warn!(%from, %error, "cannot watch a client's socket: reset"),
        }
    }

    const fn token(&self, slot: Slot) -> Token {
        Token(self.first_client + slot)
    }

    fn read(&mut self, now: Mono) {
        while let Some(ToRead { slot, most }) = self.clients.poll_read() {
            let read = match self.sockets.get_mut(slot).and_then(Option::as_mut) {
                Some(socket) => socket.read(&mut self.scratch[..most]),
                None => Read::Lost,
            };
            self.clients.handle_read(slot, read, now);
        }
    }

    /// Does what is to be done but for reading and taking clients.
    fn serve(&mut self, now: Mono) -> Result<(), GatewayError> {
        loop {
            self.write(now);
            let Some(order) = self.clients.poll_order() else { return Ok(()) };
            self.obey(order, now)?;
        }
    }

    fn write(&mut self, now: Mono) {
        while let Some(write) = self.clients.poll_write() {
            let (ToWrite::Bytes { slot, .. } | ToWrite::End { slot }) = write;
            let token = Token(self.first_client + slot);
            let wrote = match (self.sockets.get_mut(slot).and_then(Option::as_mut), write) {
                (Some(socket), ToWrite::Bytes { chunks, .. }) => socket.write(chunks, &self.registry, token),
                (Some(socket), ToWrite::End { .. }) => socket.end(),
                (None, _) => Wrote::Lost,
            };
            self.clients.handle_wrote(slot, wrote, now);
        }
    }

    fn obey(&mut self, order: Order, now: Mono) -> Result<(), GatewayError> {
        match order {
            Order::WatchDoors => {
                for (door, listener) in self.listeners.iter_mut().enumerate() {
                    listener.watch(&self.registry, Token(WAKER.0 + 1 + door)).map_err(GatewayError::Poll)?;
                }
            }
            Order::IgnoreDoors => {
                for listener in &mut self.listeners {
                    listener.ignore(&self.registry).map_err(GatewayError::Poll)?;
                }
            }
            Order::KeepAlive { slot, patience } => {
                if let Some(Some(socket)) = self.sockets.get(slot)
                    && let Err(error) = socket.keep_alive(&patience)
                {
                    tracing::debug!(%error, slot, "keepalive cannot be set");
                }
            }
            Order::Unacked { slot } => {
                let left = self.sockets.get(slot).and_then(Option::as_ref);
                let left = left.and_then(|socket| self.unacked.of(&socket.stream));
                self.clients.handle_unacked(slot, left, now);
            }
            Order::Close { slot, ending } => {
                if let Some(socket) = self.sockets.get_mut(slot).and_then(Option::take) {
                    socket.close(ending);
                }
            }
            Order::Tell(Word::Refused(output)) => tracing::debug!(?output, "refused by the log"),
            Order::Tell(Word::Contradiction(conn, violation)) => {
                tracing::error!(%conn, %violation, "output contradicts the one before: reset");
            }
        }
        Ok(())
    }
}

impl Drop for Sockets {
    /// Nobody may wait for an answer that does not come.
    fn drop(&mut self) {
        self.commands.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Published;
    use mio::{Events, Poll, Waker};
    use replicode_log::{BootNo, ConnId, Input, Limits, NodeId, Service};
    use std::io::Read as _;
    use std::time::Instant;

    struct Nobody;

    impl InputSink for Nobody {
        fn offer(&mut self, inputs: &mut Vec<Input>) {
            inputs.clear();
        }
    }

    fn round(sockets: &mut Sockets, poll: &mut Poll, events: &mut Events) {
        let most = Duration::from_millis(5);
        poll.poll(events, Some(sockets.patience().map_or(most, |patience| patience.min(most)))).expect("it works");
        events.iter().for_each(|event| sockets.note(event));
        assert!(sockets.round().expect("nothing breaks"));
    }

    #[test]
    fn where_nobody_knows_what_has_arrived_a_reset_becomes_an_end_and_the_end_comes() {
        for brought in [false, true] {
            let node = NodeId::new(1).expect("a number");
            let listen = "127.0.0.1:0".parse().expect("an address");
            let publish = vec![Published { listen, service: Service { process: "web".into(), port: 80 } }];
            let end_patience = Duration::from_millis(200);
            let config = GatewayConfig { end_patience, ..GatewayConfig::new(node, publish, &Limits::default()) };
            let mut poll = Poll::new().expect("a queue");
            let mut events = Events::with_capacity(16);
            let commands = Arc::new(Commands::new(Waker::new(poll.registry(), WAKER).expect("a waker")));
            let registry = poll.registry().try_clone().expect("a queue");
            let mut sockets =
                Sockets::new(config, Box::new(Nobody), registry, commands.clone()).expect("port 0 is free");
            sockets.unacked = Unacked::with(|| Err(std::io::ErrorKind::Unsupported.into()));
            commands.send(Command::Admit(BootNo(1)));
            let mut client = std::net::TcpStream::connect(sockets.local_addrs()[0]).expect("it listens");
            while sockets.clients.is_empty() {
                round(&mut sockets, &mut poll, &mut events);
            }
            let conn = ConnId::new(node, BootNo(1), 0).expect("the first");
            let outputs = vec![Output::Data { conn, offset: 0, bytes: b"answer".to_vec() }, Output::Reset { conn }];
            if brought {
                sockets.bring(outputs);
            } else {
                commands.send(Command::Outputs(outputs));
                round(&mut sockets, &mut poll, &mut events);
            }
            let began = Instant::now();
            // The client reads to the end, but does not end itself.
            client.set_read_timeout(Some(Duration::from_secs(10))).expect("open");
            let mut got = vec![];
            client.read_to_end(&mut got).expect("an end in good order");
            assert_eq!(got, b"answer");
            while !sockets.clients.is_empty() {
                round(&mut sockets, &mut poll, &mut events);
                assert!(began.elapsed() < Duration::from_secs(10), "it never ends");
            }
            assert!(began.elapsed() >= end_patience / 2, "patience with its end was none");
            assert_eq!(sockets.clients.deadline(), None);
        }
    }
}
