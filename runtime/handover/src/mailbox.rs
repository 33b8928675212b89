//! A queue with many writers and one reader, which takes all that has gathered.
//!
//! The reader is roused once when more than a threshold waits, and not again before it has taken: everything that comes
//! meanwhile travels with the same wake-up. How it sleeps is its own affair ([`Rouse`]): on a condition of the mailbox itself
//! ([`Parked`]), or elsewhere, among its sockets.

use crate::sync::{Condvar, Mutex, MutexGuard, lock};
use std::collections::VecDeque;
use std::sync::PoisonError;
use std::time::Duration;

/// Nobody takes messages any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed;

/// Gets a reader out of its sleep, or keeps it from falling asleep if it is about to.
pub trait Rouse {
    /// Must not block, and must not be lost when the reader is not asleep yet.
    fn rouse(&self);
}

/// A reader that sleeps in [`Mailbox::wait`].
#[derive(Debug, Default)]
pub struct Parked(Condvar);

impl Rouse for Parked {
    fn rouse(&self) {
        // Costs a system call only if the reader sleeps.
        self.0.notify_one();
    }
}

/// See the module.
#[derive(Debug)]
pub struct Mailbox<T, R> {
    queue: Mutex<Queue<T>>,
    reader: R,
    /// The reader is roused when more than this wait.
    above: usize,
}

#[derive(Debug)]
struct Queue<T> {
    waiting: VecDeque<T>,
    /// The reader has been roused, and has not taken since.
    roused: bool,
    closed: bool,
}

impl<T, R: Rouse> Mailbox<T, R> {
    /// An empty mailbox whose reader is roused when more than `above` messages wait.
    pub fn new(reader: R, above: usize) -> Self {
        Self { queue: Mutex::new(Queue { waiting: VecDeque::new(), roused: false, closed: false }), reader, above }
    }

    /// Leaves a message.
    ///
    /// # Errors
    /// When the mailbox is closed.
    pub fn send(&self, message: T) -> Result<(), Closed> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(Closed);
        }
        queue.waiting.push_back(message);
        let rouse = !queue.roused && queue.waiting.len() > self.above;
        queue.roused |= rouse;
        // The reader is to find the lock free.
        drop(queue);
        if rouse {
            self.reader.rouse();
        }
        Ok(())
    }

    /// Rouses the reader whatever waits: there is something else for it to look at.
    pub fn rouse(&self) {
        self.reader.rouse();
    }

    /// Takes all that waits, in order, and sleeps for nothing. `batch` must be empty; its memory is used for what comes next.
    pub fn take(&self, batch: &mut VecDeque<T>) {
        let mut queue = self.lock();
        queue.roused = false;
        std::mem::swap(&mut queue.waiting, batch);
    }

    /// Nobody takes messages any more: those that wait are dropped, and with them whatever their senders wait for.
    pub fn close(&self) {
        let mut queue = self.lock();
        queue.closed = true;
        let dropped = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(dropped);
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Queue<T>> {
        // Whole at every moment at which its holder could panic.
        lock(&self.queue)
    }
}

impl<T> Mailbox<T, Parked> {
    /// Waits until more than the threshold wait, `patience` at most, and moves up to `most` messages behind those in `out`.
    /// It may come back earlier, with what there is or with nothing.
    pub fn wait(&self, patience: Duration, most: usize, out: &mut VecDeque<T>) {
        let mut queue = self.lock();
        if queue.waiting.len() <= self.above && !queue.closed && !patience.is_zero() {
            queue = self.reader.0.wait_timeout(queue, patience).unwrap_or_else(PoisonError::into_inner).0;
        }
        queue.roused = false;
        if out.is_empty() && queue.waiting.len() <= most {
            std::mem::swap(out, &mut queue.waiting);
        } else {
            let count = most.min(queue.waiting.len());
            out.extend(queue.waiting.drain(..count));
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Rouse for &Count {
        fn rouse(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn one_wake_up_serves_all_that_gathers_until_it_is_taken() {
        let count = Count::default();
        let mailbox = Mailbox::new(&count, 2);
        let (mut out, mut woken) = (VecDeque::new(), Vec::new());
        for n in 1..=5 {
            assert_eq!(mailbox.send(n), Ok(()));
            woken.push(count.0.load(Ordering::Relaxed));
        }
        assert_eq!(woken, [0, 0, 1, 1, 1]);
        mailbox.take(&mut out);
        assert_eq!(out, [1, 2, 3, 4, 5]);
        out.clear();
        (6..=8).for_each(|n| assert_eq!(mailbox.send(n), Ok(())));
        assert_eq!((count.0.load(Ordering::Relaxed), mailbox.len()), (2, 3));
        mailbox.close();
        assert_eq!((mailbox.send(9), mailbox.is_empty()), (Err(Closed), true));
    }

    #[test]
    fn a_parked_reader_takes_a_few_at_a_time_and_waits_for_nothing_that_is_there() {
        let mailbox = Mailbox::new(Parked::default(), 0);
        (1..=5).for_each(|n| assert_eq!(mailbox.send(n), Ok(())));
        let mut out = VecDeque::new();
        let long = Duration::from_secs(60);
        mailbox.wait(long, 2, &mut out);
        assert_eq!(out, [1, 2]);
        mailbox.wait(long, 2, &mut out);
        assert_eq!(out, [1, 2, 3, 4], "behind those that are there");
        out.clear();
        mailbox.wait(long, 2, &mut out);
        assert_eq!(out, [5]);
        mailbox.wait(Duration::ZERO, 2, &mut VecDeque::new());
        mailbox.close();
        mailbox.wait(long, 2, &mut out);
        assert_eq!(out, [5], "nothing comes any more");
    }
}
