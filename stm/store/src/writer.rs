//! The thread that writes checkpoints. Nobody waits for it: while it is busy, the trail grows.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

use replicode_contracts::kv::KeyValue;

use crate::{Checkpoint, Checkpoints, StoreError, Written};

/// What the thread is asked for.
pub(crate) enum Job {
    /// A checkpoint after the one before.
    Next(Checkpoint),
    /// One that is all there is afterwards.
    Only(Checkpoint),
    /// Nothing is to be there.
    Nothing,
}

/// What is done before each checkpoint is written, on the thread that writes; a failure is as one of the checkpoint.
pub(crate) type Before = Box<dyn FnMut() -> Result<(), String> + Send>;

/// The checkpoints on a thread of their own, one job at a time.
pub(crate) struct Writer<K> {
    give: Option<Sender<Job>>,
    done: Receiver<Result<Written, StoreError>>,
    busy: bool,
    thread: Option<JoinHandle<Checkpoints<K>>>,
}

impl<K: KeyValue + Send + 'static> Writer<K> {
    pub(crate) fn start(mut checkpoints: Checkpoints<K>, mut before: Before) -> Result<Self, StoreError> {
        let (give, take) = channel();
        let (told, done) = channel();
        let thread = Builder::new().name("contracts-checkpoint".into()).spawn(move || {
            while let Ok(job) = take.recv() {
                let result = before().map_err(StoreError::Before).and_then(|()| match job {
                    Job::Next(checkpoint) => checkpoints.write(&checkpoint),
                    Job::Only(checkpoint) => checkpoints.write_only(&checkpoint),
                    Job::Nothing => checkpoints.erase(),
                });
                if told.send(result).is_err() {
                    break;
                }
            }
            checkpoints
        });
        let thread = thread.map_err(|error| StoreError::Thread(error.to_string()))?;
        Ok(Self { give: Some(give), done, busy: false, thread: Some(thread) })
    }

    /// Whether nothing is being written.
    pub(crate) fn is_idle(&mut self) -> Result<bool, StoreError> {
        if self.busy
            && let Ok(result) = self.done.try_recv()
        {
            self.busy = false;
            result?;
        }
        Ok(!self.busy)
    }

    /// Waits until nothing is being written.
    pub(crate) fn wait(&mut self) -> Result<(), StoreError> {
        if self.busy {
            self.busy = false;
            self.done.recv().map_err(|_| gone())??;
        }
        Ok(())
    }

    /// Begins a job; the one before must be done.
    pub(crate) fn begin(&mut self, job: Job) -> Result<(), StoreError> {
        self.wait()?;
        self.busy = self.give.as_ref().is_some_and(|give| give.send(job).is_ok());
        if self.busy { Ok(()) } else { Err(gone()) }
    }

    /// Ends the thread.
    pub(crate) fn stop(&mut self) -> Option<Checkpoints<K>> {
        self.give = None;
        self.thread.take()?.join().ok()
    }
}

impl<K> Drop for Writer<K> {
    fn drop(&mut self) {
        self.give = None;
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            drop(thread.join());
        }
    }
}

fn gone() -> StoreError {
    StoreError::Thread("the thread that writes checkpoints has ended".to_string())
}
