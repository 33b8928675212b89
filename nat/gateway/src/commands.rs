//! How other threads talk to the gateway's: a queue, and one wake-up for all that gathers in it.

use crate::ClientInfo;
use mio::Waker;
use replicode_handover::{Mailbox, Rouse};
use replicode_log::{BootNo, Output};
use std::collections::VecDeque;
use std::sync::mpsc;

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
pub(crate) struct Commands(Mailbox<Command, Bell>);

/// Gets the gateway's thread out of its sleep among its sockets.
#[derive(Debug)]
struct Bell(Waker);

impl Rouse for Bell {
    fn rouse(&self) {
        if let Err(error) = self.0.wake() {
            tracing::error!(%error, "cannot wake the gateway");
        }
    }
}

impl Commands {
    pub(crate) fn new(waker: Waker) -> Self {
        Self(Mailbox::new(Bell(waker), 0))
    }

    /// Queues a command. Only the first one in an empty queue has to wake the thread: it takes all.
    pub(crate) fn send(&self, command: Command) {
        // A gateway that has stopped carries out nothing, and drops whatever an answer is waited for with.
        let _ = self.0.send(command);
    }

    /// Has the gateway's thread look at what there is to do.
    pub(crate) fn wake(&self) {
        self.0.rouse();
    }

    /// Takes all that waits. `batch` must be empty; its capacity is used for what comes next.
    pub(crate) fn take(&self, batch: &mut VecDeque<Command>) {
        self.0.take(batch);
    }

    /// Nobody takes commands any more: those that wait are dropped, so that nobody waits for an answer.
    pub(crate) fn close(&self) {
        self.0.close();
    }
}
