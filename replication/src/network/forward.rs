//! This node's inputs on their way to the leader: one stream for as long as that leads.

use super::peer::{Lane, Peers};
use super::{frame, tag};
use crate::host::{self, Task};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, mpsc};

/// A stream to a leader. What is sent may be lost with the stream: whoever sends keeps it until it is applied.
#[derive(Debug)]
pub struct Route {
    tx: mpsc::UnboundedSender<Bytes>,
    broken: Arc<AtomicBool>,
    task: Task<()>,
}

impl Route {
    /// Opens a stream to the leader of a term. `wake` is notified when it breaks.
    #[must_use]
    pub fn open(peers: Arc<Peers>, leader: u64, term: u64, wake: Arc<Notify>) -> Self {
        let (tx, rx) = mpsc::unbounded_channel();
        let broken = Arc::new(AtomicBool::new(false));
        let flag = broken.clone();
        let task = host::spawn(async move {
            if let Err(error) = run(&peers, leader, term, rx).await {
                tracing::debug!(leader, term, "forwarding ended: {error}");
            }
            flag.store(true, Ordering::Release);
            wake.notify_one();
        });
        Self { tx, broken, task }
    }

    /// Sends an encoded section.
    pub fn send(&self, section: Bytes) {
        // A route that has ended says so through `is_broken`.
        let _ = self.tx.send(section);
    }

    /// Whether the stream has ended: what was sent since the last progress may be lost.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
}

impl Drop for Route {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(peers: &Arc<Peers>, leader: u64, term: u64, mut rx: mpsc::UnboundedReceiver<Bytes>) -> io::Result<()> {
    let connection = peers.connection(leader, Lane::Bulk).await.map_err(io::Error::other)?;
    let (mut tx, mut back) = connection.open_bi().await.map_err(io::Error::other)?;
    tx.write_all(&[tag::FORWARD]).await.map_err(io::Error::other)?;
    frame::write(&mut tx, &term, &mut Vec::new()).await?;
    let mut end = [0];
    loop {
        tokio::select! {
            biased;
            // The leader says nothing on this stream; it ends it when it does not lead.
            ended = back.read(&mut end) => {
                ended.map_err(io::Error::other)?;
                return Err(io::Error::other("the other side ended the stream"));
            }
            section = rx.recv() => match section {
                Some(section) => frame::write_bytes(&mut tx, section).await?,
                None => return Ok(()),
            },
        }
    }
}
