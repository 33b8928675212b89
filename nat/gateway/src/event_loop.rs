//! The gateway's thread: waits for the clients and serves them, round after round.

use crate::commands::Commands;
use crate::desk::{Desk, WAKER};
use crate::{GatewayConfig, GatewayError, InputSink};
use mio::{Events, Poll, Waker};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The desk and the way to wake the thread that usually sits at it.
pub(crate) struct Shared {
    desk: Mutex<Desk>,
    pub(crate) commands: Arc<Commands>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Desk> {
        // A panic at the desk ends the gateway's thread or the machine's, and with either the node.
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The desk, if nobody is at it.
    pub(crate) fn free_desk(&self) -> Option<MutexGuard<'_, Desk>> {
        self.desk.try_lock().ok()
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
        let desk = Desk::new(config, sink, registry, Arc::clone(&commands))?;
        let local_addrs = desk.local_addrs();
        let shared = Arc::new(Shared { desk: Mutex::new(desk), commands });
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
        self.shared.lock().end(result);
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
            self.shared.lock().idle();
            poll(&mut self.poll, events, patience)?;
        }
        let mut desk = self.shared.lock();
        events.iter().for_each(|event| desk.note(event));
        Ok(if desk.round()? { Some(desk.patience()) } else { None })
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
