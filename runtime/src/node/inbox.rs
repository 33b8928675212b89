//! Everything that the machine thread is told, in one queue: committed batches, questions, and the word to stop.
//!
//! One queue keeps the thread simple: it has one place to wait at, and an answer given to a question is about the
//! batch that was applied last. Batches wait in it up to a bound; beyond it they wait in the log, and nobody is held up.

use super::files::{FileQuery, Told};
use super::scheduling::Placement;
use nix::sys::signal::Signal;
use replicode_handover::{Closed, Mailbox, Parked};
use replicode_log::NodeId;
use replicode_node::queries;
use replicode_replication::delivery::Gone;
use replicode_replication::{Committed, Delivery, Fault, Leadership};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
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
    Query(Query, SyncSender<Reply>),
    /// What a peer has answered to this node's question, or why it has not.
    Answered(NodeId, Result<Vec<u8>, String>),
    /// End.
    Stop(StopReason),
    /// The files of console output are opened anew.
    Reopen,
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
    /// Something about the cell.
    Cell(queries::Query),
    /// Something about its files.
    Files(FileQuery),
}

/// The answer to a [`Query`].
pub type Reply = Result<Answered, String>;

/// What is answered.
#[derive(Clone, Debug)]
pub enum Answered {
    /// JSON for the admin socket.
    Json(serde_json::Value),
    /// About files, for the admin socket.
    Files(Told),
    /// Bytes for a peer.
    Bytes(Vec<u8>),
}

/// The end that everybody else holds.
#[derive(Clone)]
pub struct Inbox {
    mailbox: Arc<Mailbox<Message, Parked>>,
    room: Arc<Semaphore>,
    placement: Arc<Placement>,
}

/// The machine thread's end. Once it is dropped nothing is taken any more.
pub struct InboxReader(Arc<Mailbox<Message, Parked>>);

/// A queue and its reader. The thread that tells of leadership keeps to `placement`.
#[must_use]
pub fn inbox(placement: Arc<Placement>) -> (Inbox, InboxReader) {
    let mailbox = Arc::new(Mailbox::new(Parked::default(), 0));
    (Inbox { mailbox: mailbox.clone(), room: Arc::new(Semaphore::new(ROOM)), placement }, InboxReader(mailbox))
}

impl InboxReader {
    /// Waits until there is something, `patience` at most, and moves up to `most` messages into `out`. May come back with
    /// nothing before that.
    pub fn take(&self, patience: Duration, most: usize, out: &mut VecDeque<Message>) {
        self.0.wait(patience, most, out);
    }
}

impl Drop for InboxReader {
    fn drop(&mut self) {
        // Whoever waits for an answer learns that none comes.
        self.0.close();
    }
}

impl Inbox {
    fn send(&self, message: Message) -> Result<(), Gone> {
        self.mailbox.send(message).map_err(|Closed| Gone)
    }

    /// Asks the machine thread and waits.
    ///
    /// # Errors
    /// A text for whoever asked, when the thread has ended or is busy for too long.
    pub fn ask(&self, query: Query) -> Reply {
        let (tx, rx) = sync_channel(1);
        self.send(Message::Query(query, tx)).map_err(|_| "the node is stopping".to_string())?;
        rx.recv_timeout(PATIENCE)
            .map_err(|_| "the machine has been executing one batch for seconds; 'status' tells which".to_string())?
    }

    /// Tells the machine thread what a peer has answered.
    pub fn answered(&self, peer: NodeId, answer: Result<Vec<u8>, String>) {
        // A thread that has ended needs no answer.
        let _ = self.send(Message::Answered(peer, answer));
    }

    /// Asks the machine thread to end.
    pub fn stop(&self, reason: StopReason) {
        // A thread that has ended already needs no telling.
        let _ = self.send(Message::Stop(reason));
    }

    /// Asks the machine thread to open the files of console output anew.
    pub fn reopen(&self) {
        let _ = self.send(Message::Reopen);
    }

    /// Lets replication go, however many batches it still has: nobody takes them any more.
    pub fn close(&self) {
        self.room.close();
    }
}

impl Delivery for Inbox {
    async fn batch(&self, batch: Committed) -> Result<(), Gone> {
        let place = self.room.clone().acquire_owned().await.map_err(|_| Gone)?;
        self.send(Message::Batch(batch, place))
    }

    fn leadership(&self, leadership: Leadership) {
        self.placement.follow(leadership);
        // A reader that is gone shows at the next batch.
        let _ = self.send(Message::Leadership(leadership));
    }

    fn fatal(&self, fault: Fault) {
        let _ = self.send(Message::Fatal(fault));
    }

    fn answer(&self, _from: NodeId, question: &[u8]) -> Vec<u8> {
        match self.ask(Query::Cell(queries::Query::Peer(question.to_vec()))) {
            Ok(Answered::Bytes(bytes)) => bytes,
            _ => Vec::new(),
        }
    }
}
