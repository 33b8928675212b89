//! One thread turns requests into blocks: take what has come in, log it, sync, run it, answer.
//!
//! While one block is being synced the next one gathers, so the block size follows the load by itself.

use crate::counters::{Answer, Counters, Operation};
use crate::log::Log;
use std::io;
use tokio::sync::{mpsc, oneshot};

/// Most operations of one block.
pub const MAX_BLOCK: usize = 8192;
/// Requests that may wait for a block; beyond, callers wait (back-pressure).
pub const QUEUE: usize = 1024;

/// Something for the block thread to do.
pub enum Request {
    /// Run these in order, answer all at once.
    Batch(Vec<Operation>, oneshot::Sender<Vec<Answer>>),
    /// The digest of the state and the number of logged blocks.
    Root(oneshot::Sender<([u8; 32], u64)>),
}

/// Runs until all senders are gone.
///
/// # Errors
/// The log could not be written: nothing of that block was acknowledged, and the process must end.
pub fn run(mut requests: mpsc::Receiver<Request>, mut log: Log, mut counters: Counters) -> io::Result<()> {
    let mut pending = Vec::new();
    let (mut block, mut waiting) = (Vec::new(), Vec::new());
    while requests.blocking_recv_many(&mut pending, QUEUE) > 0 {
        for request in pending.drain(..) {
            match request {
                Request::Batch(ops, reply) => {
                    if block.len() + ops.len() > MAX_BLOCK {
                        finish(&mut log, &mut counters, &mut block, &mut waiting)?;
                    }
                    waiting.push((ops.len(), reply));
                    block.extend(ops);
                }
                Request::Root(reply) => {
                    finish(&mut log, &mut counters, &mut block, &mut waiting)?;
                    // A caller that has gone away does not matter.
                    let _ = reply.send((counters.root(), log.blocks()));
                }
            }
        }
        finish(&mut log, &mut counters, &mut block, &mut waiting)?;
    }
    Ok(())
}

type Waiting = Vec<(usize, oneshot::Sender<Vec<Answer>>)>;

fn finish(log: &mut Log, counters: &mut Counters, block: &mut Vec<Operation>, waiting: &mut Waiting) -> io::Result<()> {
    if waiting.is_empty() {
        return Ok(());
    }
    // First durable, then executed, then acknowledged.
    log.append(block)?;
    let mut answers = counters.run(block).into_iter();
    for (n, reply) in waiting.drain(..) {
        let _ = reply.send(answers.by_ref().take(n).collect());
    }
    block.clear();
    Ok(())
}
