//! A thread that reads for those who must not wait for a disk.
//!
//! What a lagging follower is missing may have to be read from segments that are scanned and checked first: tens of
//! milliseconds, in which the thread that does consensus would neither hear nor be heard.

use super::log::locked;
use crate::host::{self, DiskOperation, Join, Thread};
use replicode_store::LogError;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    closed: bool,
}

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Notify,
}

/// The thread, and what it has to do.
pub(super) struct Reading {
    shared: Arc<Shared>,
    thread: Mutex<Option<Box<dyn Join>>>,
}

impl Reading {
    /// Starts the thread.
    pub(super) fn begin() -> Result<Self, LogError> {
        let shared = Arc::new(Shared::default());
        let this = shared.clone();
        let thread = host::thread(Thread::LogReader, async move { this.run().await });
        let thread = thread.map_err(|why| LogError::io("start the thread that reads the log", why))?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Has something done there, after what was asked for before. Once closed, it is dropped.
    pub(super) fn push(&self, job: Job) {
        let mut queue = locked(&self.shared.queue);
        if !queue.closed {
            queue.jobs.push_back(job);
            self.shared.wake.notify_one();
        }
    }

    /// Ends the thread. What it has not begun is dropped.
    pub(super) fn close(&self) {
        {
            let mut queue = locked(&self.shared.queue);
            queue.closed = true;
            queue.jobs.clear();
        }
        self.shared.wake.notify_one();
        if let Some(thread) = locked(&self.thread).take() {
            // Whoever waited for what it was at has been told by the answer's being dropped.
            thread.join();
        }
    }
}

/// What there is to do.
enum Next {
    Job(Job),
    Nothing,
    Closed,
}

impl Shared {
    fn next(&self) -> Next {
        let mut queue = locked(&self.queue);
        if queue.closed {
            return Next::Closed;
        }
        queue.jobs.pop_front().map_or(Next::Nothing, Next::Job)
    }

    async fn run(&self) {
        loop {
            match self.next() {
                Next::Job(job) => {
                    host::before_disk(DiskOperation::Read).await;
                    job();
                }
                Next::Nothing => self.wake.notified().await,
                Next::Closed => return,
            }
        }
    }
}
