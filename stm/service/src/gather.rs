//! One thread turns requests into blocks: take what has come in, log it, sync, run it, answer.
//!
//! While one block is being synced the next one gathers, so the block size follows the load by itself.

use crate::counters::{Answer, Broken, Counters, Operation};
use crate::disk::Disk;
use crate::limits::MAX_BLOCK;
use crate::log::{Log, LogError};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for a block; beyond, callers wait (back-pressure).
pub const QUEUE: usize = 1024;

/// Something for the block thread to do.
pub enum Request {
    /// Run these in order, answer all at once. At most [`MAX_BLOCK`].
    Batch(Vec<Operation>, oneshot::Sender<Vec<Answer>>),
    /// The digest of the state and the number of logged blocks.
    Root(oneshot::Sender<([u8; 32], u64)>),
}

/// Why the block thread cannot go on. Nothing of the running block was acknowledged; the process must end.
#[derive(Debug, thiserror::Error)]
pub enum Stopped {
    /// The log could not be written.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The engine failed.
    #[error(transparent)]
    Engine(#[from] Broken),
}

/// The block thread's belongings.
pub struct Gatherer<D: Disk> {
    log: Log<D>,
    counters: Counters,
    block: Vec<Operation>,
    waiting: Vec<(usize, oneshot::Sender<Vec<Answer>>)>,
}

impl<D: Disk> Gatherer<D> {
    /// A log, and the state that it leads to.
    pub fn new(log: Log<D>, counters: Counters) -> Self {
        Gatherer { log, counters, block: Vec::new(), waiting: Vec::new() }
    }

    /// Runs until all senders are gone.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn run(mut self, mut requests: mpsc::Receiver<Request>) -> Result<(), Stopped> {
        let mut pending = Vec::new();
        while requests.blocking_recv_many(&mut pending, QUEUE) > 0 {
            for request in pending.drain(..) {
                match request {
                    Request::Batch(ops, reply) => {
                        if self.block.len() + ops.len() > MAX_BLOCK {
                            self.finish()?;
                        }
                        self.waiting.push((ops.len(), reply));
                        self.block.extend(ops);
                    }
                    Request::Root(reply) => {
                        self.finish()?;
                        // A caller that has gone away does not matter.
                        let _ = reply.send((self.counters.state()?.root(), self.log.blocks()));
                    }
                }
            }
            self.finish()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stopped> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        // First durable, then executed, then acknowledged.
        self.log.append(&self.block)?;
        let mut answers = self.counters.run(&self.block)?.into_iter();
        for (n, reply) in self.waiting.drain(..) {
            let _ = reply.send(answers.by_ref().take(n).collect());
        }
        self.block.clear();
        if self.log.is_full() {
            self.log.compact(self.counters.state()?)?;
        }
        Ok(())
    }
}
