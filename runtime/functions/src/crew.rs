//! Threads. Few of them serve sockets; an execution that takes its time keeps the thread that it began on, and another thread goes on with
//! the socket. So nothing is handed over for an execution that is short, and nothing short waits behind one that is long.

use crate::serve::Driver;
use replicode_wasm::functions::Failure;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// How long a thread without work stays.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of stack of a thread. What functions need beyond it they get.
const STACK: usize = 4 << 20;
/// How often one who waits looks whether it has been cancelled.
pub(crate) const LOOK: Duration = Duration::from_millis(20);

/// The way to end an execution from another thread.
#[derive(Debug, Default)]
pub struct Control {
    /// 0: it goes on.
    ended: AtomicU8,
}

const CANCELLED: u8 = 1;
const SHUTTING_DOWN: u8 = 2;

impl Control {
    /// Somebody wants it to end.
    pub fn cancel(&self) {
        self.ended.fetch_max(CANCELLED, Ordering::Relaxed);
    }

    /// The server ends.
    pub fn shut_down(&self) {
        self.ended.fetch_max(SHUTTING_DOWN, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.ended.load(Ordering::Relaxed) != 0
    }

    pub(crate) fn failure(&self) -> Failure {
        if self.ended.load(Ordering::Relaxed) == SHUTTING_DOWN { Failure::ShuttingDown } else { Failure::Cancelled }
    }
}

/// Places of executions that run for long: as many as there are processors. Others wait in line, each tenant's in one of their own; the lines
/// have their turns, so that a long one is none of the others' business.
pub struct Places {
    line: Mutex<Line>,
    /// How many wait.
    waiting: AtomicUsize,
}

struct Line {
    free: usize,
    waiting: usize,
    /// One for each tenant of whom somebody waits; the one whose turn is next comes first.
    lines: VecDeque<(String, VecDeque<Arc<Waiter>>)>,
}

impl Line {
    fn join(&mut self, tenant: &str, waiter: Arc<Waiter>) {
        self.waiting += 1;
        match self.lines.iter_mut().find(|(name, _)| name == tenant) {
            Some((_, line)) => line.push_back(waiter),
            None => self.lines.push_back((tenant.to_string(), VecDeque::from([waiter]))),
        }
    }

    fn leave(&mut self, waiter: &Arc<Waiter>) {
        for (_, line) in &mut self.lines {
            let before = line.len();
            line.retain(|other| !Arc::ptr_eq(other, waiter));
            self.waiting -= before - line.len();
        }
        self.lines.retain(|(_, line)| !line.is_empty());
    }

    fn next(&mut self) -> Option<Arc<Waiter>> {
        let (tenant, mut line) = self.lines.pop_front()?;
        let next = line.pop_front();
        if !line.is_empty() {
            self.lines.push_back((tenant, line));
        }
        self.waiting -= usize::from(next.is_some());
        next
    }
}

struct Waiter {
    thread: Thread,
    granted: AtomicBool,
}

impl Places {
    /// So many places.
    #[must_use]
    pub const fn new(places: usize) -> Self {
        let line = Line { free: places, waiting: 0, lines: VecDeque::new() };
        Self { line: Mutex::new(line), waiting: AtomicUsize::new(0) }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        // Nothing panics while it has the line.
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether somebody waits.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    /// Takes a place, or waits for one. An error says whether the execution was cancelled meanwhile; else its time was over.
    pub(crate) fn take(&self, tenant: &str, deadline: Instant, control: &Control) -> Result<(), bool> {
        let waiter = {
            let mut line = self.line();
            if line.free > 0 && line.waiting == 0 {
                line.free -= 1;
                return Ok(());
            }
            let waiter = Arc::new(Waiter { thread: std::thread::current(), granted: AtomicBool::new(false) });
            line.join(tenant, Arc::clone(&waiter));
            self.waiting.store(line.waiting, Ordering::Relaxed);
            waiter
        };
        loop {
            if waiter.granted.load(Ordering::Acquire) {
                return Ok(());
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let cancelled = control.is_cancelled();
            if cancelled || left.is_zero() {
                let mut line = self.line();
                line.leave(&waiter);
                self.waiting.store(line.waiting, Ordering::Relaxed);
                drop(line);
                // It may have come at the last moment.
                if waiter.granted.load(Ordering::Acquire) {
                    self.give_back();
                }
                return Err(cancelled);
            }
            std::thread::park_timeout(left.min(LOOK));
        }
    }

    /// Takes a place until the answer is dropped. Errors are those of [`Places::take`].
    pub(crate) fn hold(&self, tenant: &str, deadline: Instant, control: &Control) -> Result<Place<'_>, bool> {
        self.take(tenant, deadline, control)?;
        Ok(Place(self))
    }

    /// Leaves a place to the next one.
    pub(crate) fn give_back(&self) {
        let mut line = self.line();
        match line.next() {
            Some(next) => {
                self.waiting.store(line.waiting, Ordering::Relaxed);
                next.granted.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => line.free += 1,
        }
    }
}

/// A place that is left when this is dropped.
pub(crate) struct Place<'p>(&'p Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

/// All threads of a server.
pub struct Crew {
    /// Places of executions that run for long.
    pub places: Places,
    jobs: Mutex<Jobs>,
    called: Condvar,
    /// Executions that have left their first slice behind.
    pub(crate) away: AtomicUsize,
}

#[derive(Default)]
struct Jobs {
    drivers: VecDeque<Box<Driver>>,
    idle: usize,
    threads: usize,
    /// Drivers that have ended for good.
    ended: usize,
}

impl Crew {
    /// A crew with so many places for executions that run for long.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self { places: Places::new(places), jobs: Mutex::default(), called: Condvar::new(), away: AtomicUsize::new(0) }
    }

    fn jobs(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Some thread goes on with a driver.
    pub(crate) fn go_on(self: &Arc<Self>, driver: Box<Driver>) {
        let mut jobs = self.jobs();
        jobs.drivers.push_back(driver);
        if jobs.idle >= jobs.drivers.len() {
            drop(jobs);
            self.called.notify_one();
            return;
        }
        jobs.threads += 1;
        drop(jobs);
        let crew = Arc::clone(self);
        let thread = std::thread::Builder::new().name("functions".into()).stack_size(STACK);
        if let Err(error) = thread.spawn(move || crew.work()) {
            tracing::error!("no thread can be started ({error}): sockets wait until one is free");
            self.jobs().threads -= 1;
        }
    }

    /// A thread's life: it drives, executes what takes long, and drives again.
    fn work(self: Arc<Self>) {
        loop {
            let driver = {
                let mut jobs = self.jobs();
                loop {
                    if let Some(driver) = jobs.drivers.pop_front() {
                        break driver;
                    }
                    jobs.idle += 1;
                    let (after, waited) =
                        self.called.wait_timeout(jobs, PATIENCE).unwrap_or_else(PoisonError::into_inner);
                    jobs = after;
                    jobs.idle -= 1;
                    if waited.timed_out() && jobs.drivers.is_empty() {
                        jobs.threads -= 1;
                        return;
                    }
                }
            };
            if driver.drive() {
                self.jobs().ended += 1;
                self.called.notify_all();
            }
        }
    }

    /// Waits until so many drivers have ended.
    pub(crate) fn wait(&self, drivers: usize) {
        let mut jobs = self.jobs();
        while jobs.ended < drivers {
            jobs = self.called.wait_timeout(jobs, PATIENCE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Threads that there are.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.jobs().threads
    }
}

/// Set once by the first thing that is broken for good: the server ends with these words.
#[derive(Debug, Default)]
pub struct Broken(OnceLock<String>);

impl Broken {
    /// Something is broken.
    pub fn set(&self, why: String) {
        let _ = self.0.set(why);
    }

    /// What is broken.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }
}
