//! Everything that the machine thread is told, in one queue: committed batches, questions, and the word to stop.
//!
//! One queue keeps the thread simple: it has one place to wait at, and an answer given to a question is about the
//! batch that was applied last. Batches wait in it up to a bound, by which a slow machine slows its own replica down.

use crossbeam_channel::{Receiver, Sender, unbounded};
use nix::sys::signal::Signal;
use replicode_log::NodeId;
use replicode_replication::delivery::Gone;
use replicode_replication::{Committed, Delivery, Fault, Leadership};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batches that may wait.
const ROOM: usize = 256;
/// How long somebody who asks waits for the machine thread.
const PATIENCE: Duration = Duration::from_secs(3);

/// A word to the machine thread.
pub enum Message {
    /// The next batch, and its place in the queue, which becomes free when the batch has been applied.
    Batch(Committed, OwnedSemaphorePermit),
    /// Who leads has changed.
    Leadership(Leadership),
    /// The replica is broken.
    Fatal(Fault),
    /// Something for the machine thread to answer.
    Query(Query, Sender<Reply>),
    /// End.
    Stop(StopReason),
}

/// Why a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// A signal.
    Signal(Signal),
    /// Whoever started this node is gone.
    ParentGone,
}

/// What can be asked of the machine thread.
#[derive(Clone, Debug)]
pub enum Query {
    /// The processes.
    Processes,
    /// The NAT table.
    Nat,
    /// The last batches.
    Batches {
        /// First index, or the last ones.
        from: Option<u64>,
        /// How many.
        limit: u64,
    },
    /// A peer's question about a divergence, encoded.
    Peer(Vec<u8>),
}

/// The answer to a [`Query`].
pub type Reply = Result<Answered, String>;

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// JSON for the admin socket.
    Json(serde_json::Value),
    /// Bytes for a peer.
    Bytes(Vec<u8>),
}

/// The end that everybody else holds.
#[derive(Clone)]
pub struct Inbox {
    tx: Sender<Message>,
    room: Arc<Semaphore>,
}

/// A queue and its reader.
#[must_use]
pub fn inbox() -> (Inbox, Receiver<Message>) {
    let (tx, rx) = unbounded();
    (Inbox { tx, room: Arc::new(Semaphore::new(ROOM)) }, rx)
}

impl Inbox {
    /// Asks the machine thread and waits.
    ///
    /// # Errors
    /// A text for whoever asked, when the thread has ended or is busy for too long.
    pub fn ask(&self, query: Query) -> Reply {
        let (tx, rx) = crossbeam_channel::bounded(1);
        self.tx.send(Message::Query(query, tx)).map_err(|_| "the node is stopping".to_string())?;
        rx.recv_timeout(PATIENCE)
            .map_err(|_| "the machine has been executing one batch for seconds; 'status' tells which".to_string())?
    }

    /// Asks the machine thread to end.
    pub fn stop(&self, reason: StopReason) {
        // A thread that has ended already needs no telling.
        let _ = self.tx.send(Message::Stop(reason));
    }

    /// Lets replication go, however many batches it still has: nobody takes them any more.
    pub fn close(&self) {
        self.room.close();
    }
}

impl Delivery for Inbox {
    async fn batch(&self, batch: Committed) -> Result<(), Gone> {
        let place = self.room.clone().acquire_owned().await.map_err(|_| Gone)?;
        self.tx.send(Message::Batch(batch, place)).map_err(|_| Gone)
    }

    fn leadership(&self, leadership: Leadership) {
        // A reader that is gone shows at the next batch.
        let _ = self.tx.send(Message::Leadership(leadership));
    }

    fn fatal(&self, fault: Fault) {
        let _ = self.tx.send(Message::Fatal(fault));
    }

    fn answer(&self, _from: NodeId, question: &[u8]) -> Vec<u8> {
        match self.ask(Query::Peer(question.to_vec())) {
            Ok(Answered::Bytes(bytes)) => bytes,
            _ => Vec::new(),
        }
    }
}
