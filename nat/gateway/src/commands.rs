//! How other threads talk to the gateway's: a queue, and one wake-up for all that gathers in it.

use crate::ClientInfo;
use mio::Waker;
use replicode_log::{BootNo, Output};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

/// What the gateway's thread is asked for. See the methods of [`crate::Gateway`] of the same names.
#[derive(Debug)]
pub(crate) enum Command {
    Admit(BootNo),
    Suspend,
    Outputs(Vec<Output>),
    Drain,
    Stop,
    Clients(mpsc::Sender<Vec<ClientInfo>>),
}

/// The queue.
#[derive(Debug)]
pub(crate) struct Commands {
    queue: Mutex<Queue>,
    waker: Waker,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Vec<Command>,
    closed: bool,
}

impl Commands {
    pub(crate) fn new(waker: Waker) -> Self {
        Self { queue: Mutex::default(), waker }
    }

    /// Queues a command. Only the first one in an empty queue has to wake the thread: it takes all.
    pub(crate) fn send(&self, command: Command) {
        let mut queue = self.lock();
        if queue.closed {
            return;
        }
        let first = queue.waiting.is_empty();
        queue.waiting.push(command);
        drop(queue);
        if first {
            self.wake();
        }
    }

    /// Has the gateway's thread look at what there is to do.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::error!(%error, "cannot wake the gateway");
        }
    }

    /// Takes all that waits. `batch` must be empty; its capacity is used for what comes next.
    pub(crate) fn take(&self, batch: &mut Vec<Command>) {
        std::mem::swap(&mut self.lock().waiting, batch);
    }

    /// Nobody takes commands any more: those that wait are dropped, so that nobody waits for an answer.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        queue.waiting.clear();
    }

    // The queue is whole at every moment at which its holder could panic.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
