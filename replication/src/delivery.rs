//! The door to the floor above: committed batches, in order, each once per run.

use bytes::Bytes;
use replicode_log::{BatchIndex, Digest, NodeId, Term};
use std::future::Future;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// A batch that is durable on a quorum and continues the chain. Every node is given the same ones in the same order.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Its position in the cell's history: consecutive from 1.
    pub index: BatchIndex,
    /// The encoded `Batch`. Its header has been checked; the inputs have not been decoded.
    pub encoded: Bytes,
    /// `Digest::of(encoded)`: what the next batch names as its parent.
    pub content: Digest,
    /// The entry of the consensus log that carried it.
    pub raft_index: u64,
    /// The term of the leader that proposed it.
    pub term: Term,
}

/// Who leads, as far as this node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leadership {
    /// The highest term seen.
    pub term: Term,
    /// The leader of that term; `None` while there is none.
    pub leader: Option<NodeId>,
}

/// This node is broken and must stop; the cluster goes on without it. Nothing is acknowledged after it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{what}: {why}")]
pub struct Fault {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    pub why: String,
    /// Whether nothing failed, but the others contradict what this node has acknowledged: somebody's history went back in
    /// time, and only people can tell whose.
    pub contradicted: bool,
}

/// The floor above is gone: nobody takes batches any more. The replica stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("nobody takes committed batches any more")]
pub struct Gone;

/// Where a replica hands over what was agreed. [`channel`] gives one that a plain thread can drain.
pub trait Delivery: Send + Sync + 'static {
    /// Takes the next batch. Whoever is slow to take them slows nobody down: what is agreed on meanwhile is read from the log once
    /// there is room. The future may be dropped before it completes; then the batch has not been taken, and comes again.
    fn batch(&self, batch: Committed) -> impl Future<Output = Result<(), Gone>> + Send;
    /// Leadership has changed. Must not block. Called on the thread that does consensus.
    fn leadership(&self, leadership: Leadership);
    /// The node must stop. Must not block. Called at most once, from any thread.
    fn fatal(&self, fault: Fault);
    /// Answers a peer's [`crate::Replica::ask`]. Called on a thread where blocking is allowed.
    fn answer(&self, from: NodeId, question: &[u8]) -> Vec<u8> {
        let _ = (from, question);
        Vec::new()
    }
}

/// What comes out of [`Events`].
#[derive(Clone, Debug)]
pub enum Event {
    /// The next batch.
    Batch(Committed),
    /// Leadership has changed.
    Leadership(Leadership),
    /// The node must stop.
    Fatal(Fault),
}

/// The sending end of [`channel`].
#[derive(Debug)]
pub struct ChannelDelivery<A> {
    tx: mpsc::UnboundedSender<(Event, Option<OwnedSemaphorePermit>)>,
    room: Arc<Semaphore>,
    answer: A,
}

/// The receiving end of [`channel`].
#[derive(Debug)]
pub struct Events {
    rx: mpsc::UnboundedReceiver<(Event, Option<OwnedSemaphorePermit>)>,
    held: Option<OwnedSemaphorePermit>,
    room: Arc<Semaphore>,
}

/// A delivery that a plain thread drains, with at most `batches` batches waiting in it. `answer` serves
/// [`Delivery::answer`].
pub fn channel<A>(batches: usize, answer: A) -> (ChannelDelivery<A>, Events)
where
    A: Fn(NodeId, &[u8]) -> Vec<u8> + Send + Sync + 'static,
{
    let (tx, rx) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(batches.max(1)));
    (ChannelDelivery { tx, room: room.clone(), answer }, Events { rx, held: None, room })
}

impl<A> Delivery for ChannelDelivery<A>
where
    A: Fn(NodeId, &[u8]) -> Vec<u8> + Send + Sync + 'static,
{
    async fn batch(&self, batch: Committed) -> Result<(), Gone> {
        let permit = self.room.clone().acquire_owned().await.map_err(|_| Gone)?;
        self.tx.send((Event::Batch(batch), Some(permit))).map_err(|_| Gone)
    }

    fn leadership(&self, leadership: Leadership) {
        // A receiver that is gone shows at the next batch.
        let _ = self.tx.send((Event::Leadership(leadership), None));
    }

    fn fatal(&self, fault: Fault) {
        let _ = self.tx.send((Event::Fatal(fault), None));
    }

    fn answer(&self, from: NodeId, question: &[u8]) -> Vec<u8> {
        (self.answer)(from, question)
    }
}

impl Events {
    /// Waits for the next event; `None` once the replica has stopped. The batch given before counts as done: its
    /// place in the channel becomes free.
    ///
    /// # Panics
    /// When called from asynchronous code: see [`Events::next`].
    pub fn recv(&mut self) -> Option<Event> {
        self.held = None;
        let (event, permit) = self.rx.blocking_recv()?;
        self.held = permit;
        Some(event)
    }

    /// The next event if there is one already.
    pub fn try_recv(&mut self) -> Option<Event> {
        self.held = None;
        let (event, permit) = self.rx.try_recv().ok()?;
        self.held = permit;
        Some(event)
    }

    /// As [`Events::recv`], for asynchronous code.
    pub async fn next(&mut self) -> Option<Event> {
        self.held = None;
        let (event, permit) = self.rx.recv().await?;
        self.held = permit;
        Some(event)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.room.close();
    }
}
