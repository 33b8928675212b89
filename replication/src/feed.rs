//! How committed batches reach the machine above: from hand to hand while it keeps up, from the log while it lags.
//!
//! The engine says how far entries are agreed on, with each entry in hand. While the machine takes batches as they come, they
//! are handed over on the spot. When it does not, nobody waits for it: only how far is noted, and a thread that does nothing
//! else reads what it has missed from the log, at the machine's pace, until it has caught up. So it is after a start, too: the
//! node takes part in consensus as soon as its log has been read, however long executing it takes.

use crate::delivery::{Committed, Delivery, Gone};
use crate::host::{self, DiskOperation, Join, Thread};
use crate::log_store::{Log, LogError};
use crate::replica::{Faults, locked};
use futures::FutureExt;
use futures::future::{Either, select};
use replicode_log::{Term, Tip};
use replicode_store::record::{Body, Entry, EntryId};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;
use tokio::task::coop::unconstrained;

/// Bytes of content read from the log at once.
const PIECE: usize = 1 << 20;

/// How far things are.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The entry after the last one that is agreed on.
    agreed: u64,
    /// The entry after the last one that has been delivered.
    next: u64,
    /// The end of history there.
    tip: Tip,
}

/// How far the machine above is from what is agreed on, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    behind: AtomicBool,
}

impl Lag {
    /// Of a node that starts: whether anything is agreed on that its machine is to be given first.
    pub(crate) const fn new(behind: bool) -> Self {
        Self { behind: AtomicBool::new(behind) }
    }

    /// Whether what is agreed on waits for the machine in the log.
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Acquire)
    }
}

/// See the module.
pub(crate) struct Feed<D> {
    delivery: Arc<D>,
    log: Log,
    faults: Arc<Faults<D>>,
    mark: Mutex<Mark>,
    /// `behind` is changed under the lock of the mark: while it is set the thread delivers, and nobody else.
    lag: Arc<Lag>,
    /// Nobody takes batches any more.
    gone: AtomicBool,
    wake: Notify,
    stop: Notify,
    stopping: AtomicBool,
    thread: Mutex<Option<Box<dyn Join>>>,
}

impl<D: Delivery> Feed<D> {
    /// Starts the thread, with everything up to `agreed` before it. It inherits the processor of its starter, so it should not
    /// be one that is bound.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn start(
        delivery: Arc<D>,
        log: Log,
        faults: Arc<Faults<D>>,
        genesis: Tip,
        agreed: Option<EntryId>,
        lag: Arc<Lag>,
    ) -> std::io::Result<Arc<Self>> {
        let agreed = agreed.map_or(0, |id| id.index + 1);
        let feed = Arc::new(Self {
            delivery,
            log,
            faults,
            mark: Mutex::new(Mark { agreed, next: 0, tip: genesis }),
            lag,
            gone: AtomicBool::new(false),
            wake: Notify::new(),
            stop: Notify::new(),
            stopping: AtomicBool::new(false),
            thread: Mutex::default(),
        });
        let this = feed.clone();
        let thread = host::thread(Thread::LogFeed, async move { this.run().await })?;
        *locked(&feed.thread) = Some(thread);
        Ok(feed)
    }

    /// The next entry is agreed on; `tip` is the end of history with it. Never waits.
    ///
    /// # Errors
    /// [`Gone`].
    pub(crate) fn hand(&self, index: u64, tip: Tip, batch: Option<Committed>) -> Result<(), Gone> {
        let mut mark = locked(&self.mark);
        mark.agreed = index + 1;
        if self.gone.load(Ordering::Acquire) {
            return Err(Gone);
        }
        if self.lag.is_behind() {
            return Ok(());
        }
        match batch.map_or(Some(Ok(())), |batch| unconstrained(self.delivery.batch(batch)).now_or_never()) {
            Some(taken) => {
                taken?;
                (mark.next, mark.tip) = (index + 1, tip);
            }
            None => {
                self.lag.behind.store(true, Ordering::Release);
                self.wake.notify_one();
            }
        }
        Ok(())
    }

    /// A mistake that is planted: the engine waits for the machine.
    #[cfg(feature = "planted")]
    pub(crate) async fn deliver_slowly(&self, batch: Committed) -> Result<(), Gone> {
        self.delivery.batch(batch).await
    }

    /// Ends the thread, whatever is left.
    pub(crate) fn close(&self) {
        self.stopping.store(true, Ordering::Release);
        self.stop.notify_one();
        self.wake.notify_one();
        if let Some(thread) = locked(&self.thread).take()
            && !thread.join()
        {
            tracing::error!("the thread that reads the log for the machine has panicked");
        }
    }

    async fn run(&self) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.catch_up().await {
                Ok(true) => {}
                Ok(false) => self.wake.notified().await,
                Err(Halt::Gone) => return self.gone.store(true, Ordering::Release),
                Err(Halt::Stopped) => return,
                Err(Halt::Log(error)) => {
                    return self.faults.raise("the log cannot be read for the machine", &error.to_string());
                }
            }
        }
    }

    /// Delivers a piece. Answers whether there was one.
    async fn catch_up(&self) -> Result<bool, Halt> {
        let Mark { agreed, next, mut tip, .. } = {
            let mark = locked(&self.mark);
            if mark.next >= mark.agreed {
                // From here on the engine hands over itself.
                self.lag.behind.store(false, Ordering::Release);
                return Ok(false);
            }
            *mark
        };
        host::before_disk(DiskOperation::Read).await;
        let entries = self.log.read(next, agreed, PIECE).map_err(Halt::Log)?;
        if entries.first().map(|entry| entry.id.index) != Some(next) {
            let missing = LogError::Stopped(format!("it does not hold entry {next}, which was agreed on"));
            return Err(Halt::Log(missing));
        }
        for entry in entries {
            let index = entry.id.index;
            if let Some(batch) = committed(&tip, entry) {
                tip = batch.1;
                let (delivering, stopping) = (pin!(self.delivery.batch(batch.0)), pin!(self.stop.notified()));
                match select(delivering, stopping).await {
                    Either::Left((taken, _)) => taken.map_err(|Gone| Halt::Gone)?,
                    Either::Right(_) => return Err(Halt::Stopped),
                }
            }
            let mut mark = locked(&self.mark);
            (mark.next, mark.tip) = (index + 1, tip);
        }
        Ok(true)
    }
}

/// Why the thread ends.
enum Halt {
    Gone,
    Stopped,
    Log(LogError),
}

/// The batch that an entry carries, if it continues the history, and the end of history with it.
pub(crate) fn committed(tip: &Tip, entry: Entry) -> Option<(Committed, Tip)> {
    let Entry { id, body } = entry;
    let Body::Batch(encoded) = body else { return None };
    let tip = tip.advance(&encoded)?;
    let batch =
        Committed { index: tip.index, encoded, content: tip.content, raft_index: id.index, term: Term(id.term) };
    Some((batch, tip))
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests wait for real threads")]
mod tests {
    use super::*;
    use crate::delivery::{Event, Events, channel};
    use crate::log_store::tests::{no_fault, options, owner};
    use replicode_log::{Batch, BatchHeader, Digest, LogicalTime};
    use replicode_store::sim_disk::SimDisk;

    const ROOM: usize = 4;

    fn genesis() -> Tip {
        Tip::genesis(Digest::of(b"config"))
    }

    /// A log of batches, every fifth entry being none, each with the end of history there.
    fn log(entries: u64) -> (Log, Vec<(Entry, Tip)>) {
        let opened = Log::open(Arc::new(SimDisk::new()), owner(), options(16 << 10, 1 << 10), no_fault(), &mut |_| {});
        let Ok(log) = opened else { unreachable!("an empty disk gives a log") };
        let (mut tip, mut all) = (genesis(), Vec::new());
        for index in 0..entries {
            let header = BatchHeader {
                index: tip.index.next(),
                time: LogicalTime::from_nanos(index + 1),
                seed: 0,
                parent: tip.content,
            };
            let mut body = Body::Blank;
            if index % 5 != 0 {
                let encoded = Batch { header, sections: Vec::new() }.encode();
                tip = tip.advance(&encoded).unwrap_or(tip);
                body = Body::Batch(encoded.into());
            }
            all.push((Entry { id: EntryId { term: 1, index }, body }, tip));
        }
        let (tx, written) = std::sync::mpsc::channel();
        let entries = all.iter().map(|(entry, _)| entry.clone()).collect();
        assert!(log.append(entries, true, Box::new(move |result| drop(tx.send(result)))).is_ok());
        assert!(written.recv().is_ok_and(|result| result.is_ok()));
        (log, all)
    }

    /// A feed before which everything up to `agreed` lies, and the machine's end of it.
    fn feed(log: &Log, agreed: Option<EntryId>) -> (Arc<Feed<impl Delivery>>, Arc<Lag>, Events) {
        let (delivery, events) = channel(ROOM, |_, _| Vec::new());
        let delivery = Arc::new(delivery);
        let faults = Arc::new(Faults {
            delivery: delivery.clone(),
            raised: AtomicBool::new(false),
            quiet: AtomicBool::new(false),
        });
        let lag = Arc::new(Lag::new(agreed.is_some()));
        match Feed::start(delivery, log.clone(), faults, genesis(), agreed, lag.clone()) {
            Ok(feed) => (feed, lag, events),
            Err(error) => unreachable!("a thread starts: {error}"),
        }
    }

    fn hand(feed: &Feed<impl Delivery>, all: &[(Entry, Tip)], index: usize) {
        let before = if index == 0 { genesis() } else { all[index - 1].1 };
        let batch = committed(&before, all[index].0.clone()).map(|(batch, _)| batch);
        assert!(feed.hand(index as u64, all[index].1, batch).is_ok());
    }

    /// The numbers of the next batches.
    fn take(events: &mut Events, count: usize) -> Vec<u64> {
        let next = |_| match events.recv() {
            Some(Event::Batch(batch)) => batch.index.0,
            other => unreachable!("a batch is expected: {other:?}"),
        };
        (0..count).map(next).collect()
    }

    fn until(what: impl Fn() -> bool) -> bool {
        (0..5000).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            what()
        })
    }

    #[test]
    fn a_machine_that_keeps_up_is_given_batches_on_the_spot() {
        let (log, all) = log(50);
        let (feed, lag, mut events) = feed(&log, None);
        for index in 0..all.len() {
            hand(&feed, &all, index);
            assert!(!lag.is_behind(), "there is room for it");
            while let Some(event) = events.try_recv() {
                assert!(matches!(event, Event::Batch(batch) if batch.index == all[index].1.index));
            }
        }
        feed.close();
        log.close();
    }

    #[test]
    fn a_machine_that_lags_holds_nobody_up_and_misses_nothing() {
        let (log, all) = log(400);
        let (feed, lag, mut events) = feed(&log, None);
        let batches = all.last().map_or(0, |(_, tip)| tip.index.0);
        // Nobody takes anything meanwhile.
        (0..200).for_each(|index| hand(&feed, &all, index));
        assert!(lag.is_behind());
        let first = take(&mut events, 100);
        // In the middle of it more is agreed on, and again while it is nearly through.
        (200..390).for_each(|index| hand(&feed, &all, index));
        let up_to = all[389].1.index.0 as usize;
        let second = take(&mut events, up_to - 100);
        assert!(until(|| !lag.is_behind()), "it has caught up");
        (390..400).for_each(|index| {
            hand(&feed, &all, index);
        });
        let third = take(&mut events, batches as usize - up_to);
        assert_eq!([first, second, third].concat(), (1..=batches).collect::<Vec<_>>());
        feed.close();
        log.close();
    }

    #[test]
    fn what_was_agreed_on_before_a_start_is_given_first() {
        let (log, all) = log(60);
        let (feed, lag, mut events) = feed(&log, Some(all[39].0.id));
        assert!(lag.is_behind());
        hand(&feed, &all, 40);
        let batches = all[40].1.index.0;
        assert_eq!(take(&mut events, batches as usize), (1..=batches).collect::<Vec<_>>());
        assert!(until(|| !lag.is_behind()));
        hand(&feed, &all, 41);
        assert_eq!(take(&mut events, 1), [batches + 1]);
        feed.close();
        log.close();
    }

    #[test]
    fn it_ends_although_nobody_takes_anything_and_says_when_nobody_will() {
        let (log, all) = log(60);
        let (feed, _, events) = self::feed(&log, Some(all[50].0.id));
        feed.close();
        drop(events);
        let (feed, _, events) = self::feed(&log, Some(all[50].0.id));
        drop(events);
        assert!(until(|| feed.hand(51, all[51].1, None) == Err(Gone)));
        feed.close();
        log.close();
    }
}
