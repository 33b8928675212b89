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
const LOOK: Duration = Duration::from_millis(20);

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

/// Places of executions that run for long: as many as there are processors. Others wait in line.
pub struct Places {
    line: Mutex<Line>,
    /// How many wait.
    waiting: AtomicUsize,
}

struct Line {
    free: usize,
    waiting: VecDeque<Arc<Waiter>>,
}

struct Waiter {
    thread: Thread,
    granted: AtomicBool,
}

impl Places {
    /// So many places.
    #[must_use]
    pub const fn new(places: usize) -> Self {
        Self { line: Mutex::new(Line { free: places, waiting: VecDeque::new() }), waiting: AtomicUsize::new(0) }
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
    pub(crate) fn take(&self, deadline: Instant, control: &Control) -> Result<(), bool> {
        let waiter = {
            let mut line = self.line();
            if line.free > 0 && line.waiting.is_empty() {
                line.free -= 1;
                return Ok(());
            }
            let waiter = Arc::new(Waiter { thread: std::thread::current(), granted: AtomicBool::new(false) });
            line.waiting.push_back(Arc::clone(&waiter));
            self.waiting.store(line.waiting.len(), Ordering::Relaxed);
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
                line.waiting.retain(|other| !Arc::ptr_eq(other, &waiter));
                self.waiting.store(line.waiting.len(), Ordering::Relaxed);
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

    /// Leaves a place to the next one.
    pub(crate) fn give_back(&self) {
        let mut line = self.line();
        match line.waiting.pop_front() {
            Some(next) => {
                self.waiting.store(line.waiting.len(), Ordering::Relaxed);
                next.granted.store(true, Ordering::Release);
                next.thread.unpark();
            }
            None => line.free += 1,
        }
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
