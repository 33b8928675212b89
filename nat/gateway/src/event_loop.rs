//! The gateway's thread: waits for the clients and serves them, round after round.

use crate::commands::Commands;
use crate::sockets::{Sockets, WAKER};
use crate::{GatewayConfig, GatewayError, InputSink};
use mio::{Events, Poll, Waker};
use replicode_handover::{Desk, Served};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The sockets, and the way to wake the thread that usually serves them.
pub(crate) struct Shared {
    /// A panic while serving ends the gateway's thread or the machine's, and with either the node.
    desk: Desk<Sockets>,
    pub(crate) commands: Arc<Commands>,
}

impl Shared {
    /// The sockets, if nobody serves them.
    pub(crate) fn if_free(&self) -> Option<Served<'_, Sockets>> {
        self.desk.if_free()
    }
}

pub(crate) struct EventLoop {
    poll: Poll,
    shared: Arc<Shared>,
}

impl EventLoop {
    pub(crate) fn new(
        config: GatewayConfig,
        sink: Box<dyn InputSink>,
    ) -> Result<(Self, Arc<Shared>, Vec<SocketAddr>), GatewayError> {
        let poll = Poll::new().map_err(GatewayError::Poll)?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(GatewayError::Poll)?;
        let commands = Arc::new(Commands::new(waker));
        let registry = poll.registry().try_clone().map_err(GatewayError::Poll)?;
        let sockets = Sockets::new(config, sink, registry, Arc::clone(&commands))?;
        let local_addrs = sockets.local_addrs();
        let shared = Arc::new(Shared { desk: Desk::new(sockets), commands });
        Ok((Self { poll, shared: Arc::clone(&shared) }, shared, local_addrs))
    }

    /// Serves until told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut patience = None;
        let result = loop {
            match self.round(&mut events, patience) {
                Ok(Some(next)) => patience = next,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        self.shared.desk.serve().end(result);
    }

    /// One round; how long the next one may wait for an event, or `None` when it was the last.
    fn round(
        &mut self,
        events: &mut Events,
        patience: Option<Duration>,
    ) -> Result<Option<Option<Duration>>, GatewayError> {
        // Clients that have just been answered speak again at once. When processors are scarce, letting them go first
        // makes the next round, and so the next batch, larger; on an idle machine this costs less than a microsecond.
        std::thread::yield_now();
        poll(&mut self.poll, events, Some(Duration::ZERO))?;
        if events.is_empty() && patience != Some(Duration::ZERO) {
            self.shared.desk.serve().idle();
            poll(&mut self.poll, events, patience)?;
        }
        let mut sockets = self.shared.desk.serve();
        events.iter().for_each(|event| sockets.note(event));
        Ok(if sockets.round()? { Some(sockets.patience()) } else { None })
    }
}

fn poll(poll: &mut Poll, events: &mut Events, patience: Option<Duration>) -> Result<(), GatewayError> {
    match poll.poll(events, patience) {
        Err(error) if error.kind() != ErrorKind::Interrupted => Err(GatewayError::Poll(error)),
        _ => Ok(()),
    }
}

impl Drop for EventLoop {
    /// Also when the thread panics: nobody may wait for an answer that does not come.
    fn drop(&mut self) {
        self.shared.commands.close();
    }
}
