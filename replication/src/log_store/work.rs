//! Changes of the log, queued in order and made durable in groups.
//!
//! Whoever works the queue off takes all that has gathered, makes it durable with one write and one sync, and then tells
//! everybody in order. So under load the cost of a sync is shared, and at rest nobody waits for company.
//!
//! Usually that is the log's own thread. A caller that would only wait for the disk may do it itself when nobody else is at
//! it: see [`replicode_pacing::sync_choice`].

use super::log::{Seen, locked};
use crate::host::{self, DiskOperation, Join, Thread};
use crate::mono;
use futures::FutureExt;
use replicode_pacing::{Bringer, SyncChoice};
#[cfg(feature = "planted")]
use replicode_store::planted::{Mistake, planted};
use replicode_store::record::Item;
use replicode_store::{Disk, DiskOp, File, Hands, LogError, Next, Writer, Written};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::{Notify, oneshot};

/// Called once when what it was given with is durable, or never will be.
pub type Done = Box<dyn FnOnce(io::Result<()>) + Send>;

/// Called at most once when the log must stop, from whichever thread noticed, with the reason.
pub type OnFault = Box<dyn FnOnce(String) + Send>;

/// A change of the log.
pub(super) struct Job {
    pub(super) items: Vec<Item>,
    pub(super) done: Option<Done>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Whether something in the queue is worth a sync of its own.
    urgent: bool,
    closed: bool,
    /// Why nothing more is taken.
    stopped: Option<String>,
    /// What a planted mistake holds back.
    #[cfg(feature = "planted")]
    held: Vec<Job>,
}

/// Whoever holds this works the queue off.
struct Worker {
    writer: Writer,
    hands: Hands,
    disk: Arc<dyn Disk>,
    /// The thread that prepares the next segment.
    preparing: Option<Preparing>,
    seen: Arc<Seen>,
    cache_bytes: usize,
    on_fault: Option<OnFault>,
    written: Vec<Written>,
    /// Learns what a write and its sync take.
    choice: SyncChoice,
}

/// A segment that is being prepared.
struct Preparing {
    result: oneshot::Receiver<Result<(), LogError>>,
    thread: Box<dyn Join>,
}

/// The queue, and who works it off.
pub(super) struct Work {
    queue: Mutex<Queue>,
    wake: Notify,
    worker: tokio::sync::Mutex<Worker>,
    /// See [`SyncChoice::trust_after`].
    steady: AtomicU32,
    thread: Mutex<Option<Box<dyn Join>>>,
}

impl Work {
    /// Starts the thread.
    pub(super) fn begin(
        writer: Writer,
        hands: Hands,
        disk: Arc<dyn Disk>,
        seen: Arc<Seen>,
        cache_bytes: usize,
        on_fault: OnFault,
    ) -> Result<Arc<Self>, LogError> {
        let worker = Worker {
            writer,
            hands,
            disk,
            preparing: None,
            seen,
            cache_bytes,
            on_fault: Some(on_fault),
            written: Vec::new(),
            choice: SyncChoice::default(),
        };
        let work = Arc::new(Self {
            queue: Mutex::default(),
            wake: Notify::new(),
            worker: tokio::sync::Mutex::new(worker),
            steady: AtomicU32::new(SyncChoice::STEADY),
            thread: Mutex::default(),
        });
        let this = work.clone();
        let thread = host::thread(Thread::LogWriter, async move { this.run().await });
        let thread = thread.map_err(|why| LogError::io("start the log's thread", why))?;
        *locked(&work.thread) = Some(thread);
        Ok(work)
    }

    /// See [`SyncChoice::trust_after`].
    pub(super) fn trust_after(&self, syncs: u32) {
        self.steady.store(syncs, Ordering::Relaxed);
    }

    /// Queues a change that is made durable soon: by this very call, if whoever brings it may wait for that and it can be.
    pub(super) fn push(&self, job: Job, bringer: Option<Bringer>) -> Result<(), LogError> {
        let bytes = job.items.iter().map(Item::record_len).sum();
        let sleeps = {
            let mut queue = locked(&self.queue);
            if let Some(why) = queue.stopped.clone() {
                drop(queue);
                if let Some(done) = job.done {
                    done(Err(io::Error::other(why.clone())));
                }
                return Err(LogError::Stopped(why));
            }
            #[cfg(feature = "planted")]
            let Some(job) = held_back(&mut queue, job) else { return Ok(()) };
            queue.jobs.push(job);
            #[cfg(feature = "planted")]
            {
                let held = std::mem::take(&mut queue.held);
                queue.jobs.extend(held);
            }
            !std::mem::replace(&mut queue.urgent, true)
        };
        // Somebody who was woken before is on the way already.
        if sleeps && !bringer.is_some_and(|bringer| self.at_once(bringer, bytes)) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues a change that rides along with the next one, or with the end. Of several in a row only the last one stays.
    pub(super) fn add(&self, job: Job) -> Result<(), LogError> {
        let mut queue = locked(&self.queue);
        if let Some(why) = &queue.stopped {
            return Err(LogError::Stopped(why.clone()));
        }
        match queue.jobs.last_mut() {
            Some(last) if last.done.is_none() => *last = job,
            _ => queue.jobs.push(job),
        }
        Ok(())
    }

    /// Works the queue off on the caller's thread, unless somebody else is at it, it would take long, or it would start the
    /// thread that prepares the next segment: a thread inherits the processor that its starter is bound to.
    fn at_once(&self, bringer: Bringer, bytes: usize) -> bool {
        if !SyncChoice::may_be(bringer, bytes) || !host::waits_on_the_spot() {
            return false;
        }
        let Ok(mut worker) = self.worker.try_lock() else { return false };
        worker.choice.trust_after(self.steady.load(Ordering::Relaxed));
        if !worker.choice.is_bringers(bringer, bytes, |bytes| worker.writer.is_plain(bytes)) {
            return false;
        }
        // It is done when this returns: it waits for nothing but the disk, and for that on the spot. Should it wait all the same,
        // it is broken off here, and stops the log: what it had taken off the queue would be lost without a word.
        worker.work(self).now_or_never().is_some()
    }

    /// The log's thread.
    async fn run(&self) {
        loop {
            let closed = {
                let idle = || {
                    let queue = locked(&self.queue);
                    !queue.urgent && !queue.closed
                };
                while idle() {
                    self.wake.notified().await;
                }
                let mut queue = locked(&self.queue);
                if queue.closed && queue.jobs.is_empty() {
                    queue.stopped.get_or_insert_with(|| "it was closed".to_string());
                }
                queue.stopped.is_some()
            };
            if closed {
                // Who hears of faults may wait for the last of those that could tell of one to be gone.
                let mut worker = self.worker.lock().await;
                worker.on_fault = None;
                worker.rest();
                return;
            }
            self.worker.lock().await.work(self).await;
        }
    }

    /// Writes what is queued and stops the thread. Later changes are refused.
    pub(super) fn close(&self) {
        locked(&self.queue).closed = true;
        self.wake.notify_one();
        if let Some(thread) = locked(&self.thread).take() {
            // A panic there has been reported as a fault by the queue being stopped.
            thread.join();
        }
    }
}

impl Worker {
    /// Makes everything durable that is queued, and tells those who wait for it.
    async fn work(&mut self, work: &Work) {
        let mut ending = Ending { queue: &work.queue, jobs: Vec::new(), on_fault: &mut self.on_fault };
        {
            let mut queue = locked(&work.queue);
            queue.urgent = false;
            if queue.stopped.is_some() {
                return;
            }
            std::mem::swap(&mut ending.jobs, &mut queue.jobs);
        }
        if ending.jobs.is_empty() {
            return;
        }
        #[cfg(feature = "planted")]
        answer_early(&mut ending.jobs);
        let began = mono::now();
        self.writer.handle_items(ending.jobs.iter().flat_map(|job| &job.items), &mut self.written);
        let result = async {
            carry_out(&mut self.writer, &mut self.hands, &mut self.preparing, &self.disk).await?;
            let hands = &self.hands;
            let unused = {
                let mut picture = self.seen.lock();
                picture.status.fsyncs = self.writer.syncs();
                let file = |generation| hands.held(File::Segment(generation)).cloned();
                picture.follow(self.written.drain(..), self.cache_bytes, &file)
            };
            self.hands.let_go_before(self.writer.tail().header.generation);
            self.writer.handle_unused(&unused);
            carry_out(&mut self.writer, &mut self.hands, &mut self.preparing, &self.disk).await
        };
        let result = result.await;
        self.choice.handle_synced(mono::now().since(began));
        if let Err(error) = result {
            return ending.stop(&error.to_string());
        }
        // Each leaves the list before it is told: if telling one panics, the others are still told something.
        ending.jobs.reverse();
        while let Some(job) = ending.jobs.pop() {
            if let Some(done) = job.done {
                done(Ok(()));
            }
        }
    }
}

impl Worker {
    /// Waits for whatever is done in the background: nothing more is written.
    fn rest(&mut self) {
        if let Some(Preparing { thread, .. }) = self.preparing.take() {
            // Its result no longer matters: an unfinished spare is removed at the next start.
            thread.join();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.rest();
    }
}

/// Does what the writer asks for, and has the next segment prepared when it is time to.
async fn carry_out(
    writer: &mut Writer,
    hands: &mut Hands,
    preparing: &mut Option<Preparing>,
    disk: &Arc<dyn Disk>,
) -> Result<(), LogError> {
    loop {
        match writer.poll() {
            Next::Op(op) => {
                host::before_disk(kind(op)).await;
                let result = hands.perform(op);
                #[cfg(feature = "planted")]
                let result = match op {
                    DiskOp::Sync(_) if planted(Mistake::SyncAgain) => result.or_else(|_| hands.perform(op)),
                    _ => result,
                };
                writer.handle_done(result)?;
            }
            Next::Preparation => {
                let prepared = match preparing.take() {
                    None => Err(LogError::Stopped("nobody prepares the next log segment".to_string())),
                    Some(Preparing { result, thread }) => {
                        let prepared = result.await;
                        thread.join();
                        let panicked = "the thread that prepares log segments has panicked";
                        prepared.unwrap_or_else(|_| Err(LogError::Stopped(panicked.to_string())))
                    }
                };
                writer.handle_prepared(prepared)?;
            }
            Next::Nothing => break,
        }
    }
    if let Some(mut plan) = writer.poll_preparation() {
        let mut hands = Hands::new(disk.clone());
        let (tell, result) = oneshot::channel();
        let thread = host::thread(Thread::LogPrepare, async move {
            let prepared = loop {
                let Some(op) = plan.poll_op() else { break Ok(()) };
                host::before_disk(kind(op)).await;
                let result = hands.perform(op);
                if let Err(error) = plan.handle_done(result) {
                    break Err(error);
                }
            };
            // A writer that has stopped wants none.
            let _ = tell.send(prepared);
        });
        let thread = thread.map_err(|why| LogError::io("start a thread that prepares log segments", why))?;
        *preparing = Some(Preparing { result, thread });
    }
    Ok(())
}

/// Mistakes that are planted: see [`replicode_store::planted`].
#[cfg(feature = "planted")]
fn held_back(queue: &mut Queue, mut job: Job) -> Option<Job> {
    if planted(Mistake::VoteAfterTruncation) && matches!(job.items[..], [Item::Vote(vote)] if vote.committed) {
        if let Some(done) = job.done.take() {
            done(Ok(()));
        }
        queue.held.push(job);
        return None;
    }
    Some(job)
}

/// The same.
#[cfg(feature = "planted")]
fn answer_early(jobs: &mut [Job]) {
    for job in jobs {
        let early = match job.items.first() {
            Some(Item::Entry(_)) => planted(Mistake::AckBeforeSync),
            Some(Item::Vote(_)) => planted(Mistake::VoteBeforeSync),
            _ => false,
        };
        if early && let Some(done) = job.done.take() {
            done(Ok(()));
        }
    }
}

/// What an operation is to a host.
const fn kind(op: &DiskOp) -> DiskOperation {
    match op {
        DiskOp::Sync(_) | DiskOp::SyncNames => DiskOperation::Sync,
        DiskOp::Create(_) | DiskOp::Write { .. } | DiskOp::Zeros { .. } | DiskOp::Rename { .. } | DiskOp::Remove(_) => {
            DiskOperation::Change
        }
    }
}

/// Makes sure that nobody who works the queue off goes without a word, be it by a panic or because it is broken off where it
/// waits: whoever waits for the log would wait for ever.
struct Ending<'a> {
    queue: &'a Mutex<Queue>,
    /// Taken off the queue, not yet told.
    jobs: Vec<Job>,
    on_fault: &'a mut Option<OnFault>,
}

impl Ending<'_> {
    /// Ends everything: nothing is acknowledged any more, now or later.
    fn stop(&mut self, why: &str) {
        let mut jobs = std::mem::take(&mut self.jobs);
        {
            let mut queue = locked(self.queue);
            queue.stopped = Some(why.to_string());
            jobs.append(&mut queue.jobs);
        }
        if let Some(on_fault) = self.on_fault.take() {
            on_fault(why.to_string());
        }
        for job in jobs {
            if let Some(done) = job.done {
                done(Err(io::Error::other(why.to_string())));
            }
        }
    }
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.stop("writing the log has panicked");
        } else if !self.jobs.is_empty() {
            self.stop("writing the log was broken off before everything that was taken off its queue was durable");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_breaks_off_with_changes_in_hand_stops_the_log_and_tells_everybody() {
        let (tell, told) = std::sync::mpsc::channel();
        let job = |name: &'static str| {
            let tell = tell.clone();
            let done: Done = Box::new(move |result| {
                let _ = tell.send((name, result.is_err()));
            });
            Job { items: Vec::new(), done: Some(done) }
        };
        let queue = Mutex::new(Queue { jobs: vec![job("queued")], ..Queue::default() });
        let (fault, raised) = std::sync::mpsc::channel();
        let mut on_fault: Option<OnFault> = Some(Box::new(move |why| {
            let _ = fault.send(why);
        }));
        drop(Ending { queue: &queue, jobs: vec![job("taken")], on_fault: &mut on_fault });
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [("taken", true), ("queued", true)]);
        assert!(raised.try_recv().is_ok_and(|why| why.contains("broken off")));
        assert!(locked(&queue).stopped.is_some(), "nothing more is taken");
        drop(Ending { queue: &Mutex::default(), jobs: Vec::new(), on_fault: &mut None });
    }
}
