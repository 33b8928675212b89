//! Runs tasks under virtual time. One thread, and everything in it is decided by the seed: which of those that can run is next,
//! how long it keeps its lane busy, when timers are due.
//!
//! Tasks belong to a process, which is one run of one node; a process has lanes (threads of the real node) that are busy for a
//! while whenever one of their tasks has had its turn. A kill drops all tasks of a process, with its socket and its disk cut off
//! first; a pause stops its lanes.

use super::clock::Clock;
use super::lanes::Lane;
pub use super::lanes::Order;
use super::net::{Net, SocketId};
use super::seeds::{Trace, sum};
use super::timers::Timer;
use futures::future::BoxFuture;
use replicode_replication::host::{self, Host};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Nanoseconds of virtual time.
pub type Nanos = u64;
/// A run of a node.
pub type ProcessId = usize;

/// Lanes of a process: the threads of a replica, and that of the machine above.
pub const LANES: usize = 6;
/// The lane of the machine above.
pub const MACHINE: usize = 5;

pub(super) struct TaskWaker {
    task: usize,
    /// Tells this task from others that had or get its place.
    pub(super) life: u64,
    queued: AtomicBool,
    ready: Arc<Mutex<Vec<(usize, u64)>>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            locked(&self.ready).push((self.task, self.life));
        }
    }
}

pub(super) struct Task {
    pub(super) process: ProcessId,
    pub(super) lane: usize,
    /// Whether the process lives on while this does.
    root: bool,
    pub(super) waker: Arc<TaskWaker>,
    /// Away while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

/// What happens at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A lane may be free on which tasks wait.
    Lane(ProcessId, usize),
    /// A timer may be due.
    Timer(usize, u64),
    /// A datagram arrives.
    Datagram(usize),
}

/// One run of a node.
pub struct Process {
    /// Its node.
    pub node: usize,
    pub(super) lanes: Vec<Lane>,
    /// What its tasks run on.
    host: Option<Arc<dyn Host>>,
    alive: bool,
    pub(super) paused_until: Nanos,
    roots: usize,
    /// What its clocks show.
    pub clock: Clock,
    panic: Option<String>,
}

/// Everything of a world but what is being polled.
pub struct Core {
    /// The moment now.
    pub now: Nanos,
    pub(super) sequence: u64,
    pub(super) tasks: Vec<Option<Task>>,
    vacant: Vec<usize>,
    pub(super) timers: Vec<Option<Timer>>,
    pub(super) vacant_timers: Vec<usize>,
    events: BinaryHeap<Reverse<(Nanos, u64, Event)>>,
    /// All processes so far.
    pub processes: Vec<Process>,
    /// The network.
    pub net: Net,
    /// What has been decided so far.
    pub trace: Trace,
    pub(super) seed: u64,
    pub(super) order: Order,
    /// The last moment at which something was chosen, and how often.
    pub(super) choices: (Nanos, u64),
    /// Longest time that a turn takes.
    turn: Nanos,
    /// Turns so far.
    pub polls: u64,
    /// How long what is being polled has stood still for its disk, in the middle of its turn.
    spent: Nanos,
    /// Until when each node's disk answers nothing.
    pub frozen: BTreeMap<usize, Nanos>,
    /// Syncs that were done on the spot, by those who brought the change.
    pub spots: u64,
}

/// A world. Clones are the same one.
#[derive(Clone)]
pub struct World {
    core: Arc<Mutex<Core>>,
    ready: Arc<Mutex<Vec<(usize, u64)>>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("World")
    }
}

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// The moment that whoever is being polled lives in: it has stood still for its disk since its turn began.
    #[must_use]
    pub fn here(&self) -> Nanos {
        self.now + self.spent
    }

    /// Whoever is being polled stands still for a while.
    pub(super) fn spend(&mut self, time: Nanos) {
        self.spent += time;
    }

    pub(super) fn push(&mut self, at: Nanos, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at, self.sequence, event)));
    }

    /// Has a datagram of the network's arrive at a moment.
    pub(super) fn arrive_at(&mut self, at: Nanos, datagram: usize) {
        self.push(at, Event::Datagram(datagram));
    }
}

impl World {
    /// An empty world. `turn`: how long a turn keeps its lane busy at most.
    #[must_use]
    pub fn new(seed: u64, order: Order, turn: Nanos, net: Net) -> Self {
        let core = Core {
            now: 0,
            sequence: 0,
            tasks: Vec::new(),
            vacant: Vec::new(),
            timers: Vec::new(),
            vacant_timers: Vec::new(),
            events: BinaryHeap::new(),
            processes: Vec::new(),
            net,
            trace: Trace::default(),
            seed,
            order,
            choices: (0, 0),
            turn,
            polls: 0,
            spent: 0,
            frozen: BTreeMap::new(),
            spots: 0,
        };
        Self { core: Arc::new(Mutex::new(core)), ready: Arc::default() }
    }

    /// A look inside, or a change.
    pub fn core(&self) -> MutexGuard<'_, Core> {
        locked(&self.core)
    }

    /// The moment now.
    #[must_use]
    pub fn now(&self) -> Nanos {
        self.core().now
    }

    /// A new run of a node. `life`: which of its runs.
    pub fn process(&self, node: usize, life: u64, clock: Clock) -> ProcessId {
        let mut core = self.core();
        let lanes = (0..LANES as u64).map(|lane| Lane::new(core.seed, node as u64, life, lane)).collect();
        core.processes.push(Process {
            node,
            lanes,
            host: None,
            alive: true,
            paused_until: 0,
            roots: 0,
            clock,
            panic: None,
        });
        core.processes.len() - 1
    }

    /// What the tasks of a process run on.
    pub fn set_host(&self, process: ProcessId, host: Arc<dyn Host>) {
        self.core().processes[process].host = Some(host);
    }

    /// Begins a task. One of a process that is gone never runs. Answers what [`World::abort`] takes.
    pub fn spawn(&self, process: ProcessId, lane: usize, root: bool, future: BoxFuture<'static, ()>) -> (usize, u64) {
        let mut core = self.core();
        if !core.processes[process].alive {
            drop(core);
            drop(future);
            return (usize::MAX, 0);
        }
        core.sequence += 1;
        let life = core.sequence;
        let task = core.vacant.pop().unwrap_or_else(|| {
            core.tasks.push(None);
            core.tasks.len() - 1
        });
        let waker = Arc::new(TaskWaker { task, life, queued: AtomicBool::new(true), ready: self.ready.clone() });
        core.processes[process].roots += usize::from(root);
        core.tasks[task] = Some(Task { process, lane, root, waker, future: Some(future) });
        locked(&self.ready).push((task, life));
        (task, life)
    }

    /// Drops a task.
    pub fn abort(&self, (task, life): (usize, u64)) {
        let taken = {
            let mut core = self.core();
            match core.tasks.get(task) {
                Some(Some(held)) if held.waker.life == life => {}
                _ => return,
            }
            core.vacant.push(task);
            core.tasks[task].take()
        };
        drop(taken);
    }

    /// Ends a process where it stands: what it has not sent or synced by now it never will.
    pub fn kill(&self, process: ProcessId) {
        let (host, tasks) = {
            let mut core = self.core();
            let now = core.now;
            core.trace.note(3, process as u64, now);
            core.processes[process].alive = false;
            for lane in &mut core.processes[process].lanes {
                lane.waiting.clear();
            }
            core.net.cut_off(process, now);
            let of: Vec<usize> = (0..core.tasks.len())
                .filter(|at| core.tasks[*at].as_ref().is_some_and(|task| task.process == process))
                .collect();
            let mut tasks = Vec::with_capacity(of.len());
            for at in of {
                tasks.extend(core.tasks[at].take());
                core.vacant.push(at);
            }
            (core.processes[process].host.take(), tasks)
        };
        let _inside = host.map(host::enter);
        drop(tasks);
    }

    /// Stops the lanes of a process for a while: a pause within another one ends with the longer.
    pub fn pause(&self, process: ProcessId, until: Nanos) {
        let mut core = self.core();
        let held = &mut core.processes[process];
        held.paused_until = held.paused_until.max(until);
    }

    /// Ends a pause.
    pub fn resume(&self, process: ProcessId) {
        let mut core = self.core();
        core.processes[process].paused_until = 0;
        for lane in 0..LANES {
            core.processes[process].lanes[lane].due = None;
            core.call_lane(process, lane);
        }
    }

    /// Whether anything of a process still runs.
    #[must_use]
    pub fn runs(&self, process: ProcessId) -> bool {
        let core = self.core();
        core.processes[process].alive && core.processes[process].roots > 0
    }

    /// The first panic of a process.
    #[must_use]
    pub fn panic(&self, process: ProcessId) -> Option<String> {
        self.core().processes[process].panic.clone()
    }

    /// Runs everything up to a moment.
    pub fn run_until(&self, end: Nanos) {
        loop {
            while let Some(next) = self.next_ready() {
                self.turn(next);
            }
            let event = {
                let mut core = self.core();
                match core.events.peek() {
                    Some(Reverse((at, ..))) if *at <= end => {
                        let Some(Reverse((at, _, event))) = core.events.pop() else { break };
                        core.now = core.now.max(at);
                        event
                    }
                    _ => {
                        core.now = core.now.max(end);
                        break;
                    }
                }
            };
            self.happen(event);
        }
    }

    fn next_ready(&self) -> Option<(usize, u64)> {
        let mut ready = locked(&self.ready);
        if ready.is_empty() {
            return None;
        }
        let at = self.core().choose(&ready);
        Some(ready.remove(at))
    }

    fn happen(&self, event: Event) {
        let waker = {
            let mut core = self.core();
            match event {
                Event::Lane(process, lane) => {
                    let next = core.next_waiting(process, lane);
                    drop(core);
                    if let Some(next) = next {
                        self.run(next);
                        self.core().call_lane(process, lane);
                    }
                    return;
                }
                Event::Timer(timer, life) => {
                    let now = core.now;
                    core.timers[timer]
                        .as_mut()
                        .filter(|held| held.life == life && held.due <= now)
                        .and_then(|held| held.waker.take())
                }
                Event::Datagram(datagram) => {
                    let now = core.now;
                    let (arrived, waker) = core.net.arrive(datagram);
                    core.trace.note(2, now, arrived);
                    waker
                }
            }
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A task can run. It does if its lane is free, and nobody was there first.
    fn turn(&self, (at, life): (usize, u64)) {
        {
            let mut core = self.core();
            let core = &mut *core;
            let Some(Some(task)) = core.tasks.get(at) else { return };
            if task.waker.life != life {
                return;
            }
            let (process, lane) = (task.process, task.lane);
            let held = &mut core.processes[process];
            let line = &mut held.lanes[lane];
            if line.busy_until.max(held.paused_until) > core.now || !line.waiting.is_empty() {
                line.waiting.push_back((at, life));
                core.call_lane(process, lane);
                return;
            }
        }
        self.run((at, life));
    }

    fn run(&self, (at, life): (usize, u64)) {
        let (mut future, waker, process, host, lane) = {
            let mut core = self.core();
            let core = &mut *core;
            let Some(Some(task)) = core.tasks.get_mut(at) else { return };
            if task.waker.life != life {
                return;
            }
            let (process, lane) = (task.process, task.lane);
            let held = &mut core.processes[process];
            // From here on a word wakes it again.
            task.waker.queued.store(false, Ordering::Relaxed);
            let Some(future) = task.future.take() else { return };
            let waker = task.waker.clone();
            let turn = held.lanes[lane].draws.range(0, core.turn.max(1));
            held.lanes[lane].busy_until = core.now + turn;
            core.polls += 1;
            core.spent = 0;
            core.trace.note(1, core.now, (at as u64) << 32 | turn & 0xffff_ffff);
            (future, waker, process, held.host.clone(), lane)
        };
        let done = {
            let _inside = host.clone().map(host::enter);
            LANE.set(lane);
            let waker = Waker::from(waker);
            let mut context = Context::from_waker(&waker);
            let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut context).is_ready()));
            {
                let mut core = self.core();
                let spent = std::mem::take(&mut core.spent);
                core.processes[process].lanes[lane].busy_until += spent;
            }
            let done = match polled {
                Ok(done) => done,
                Err(panic) => {
                    let text = panic.downcast_ref::<String>().cloned();
                    let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                    self.core().processes[process].panic.get_or_insert(text.unwrap_or_default());
                    true
                }
            };
            if done {
                drop(future);
                self.end(at, life);
                return;
            }
            future
        };
        let mut core = self.core();
        match core.tasks.get_mut(at) {
            Some(Some(task)) if task.waker.life == life => task.future = Some(done),
            // It was dropped meanwhile, by itself.
            _ => {
                drop(core);
                let _inside = host.map(host::enter);
                drop(done);
            }
        }
    }

    fn end(&self, at: usize, life: u64) {
        let mut core = self.core();
        let Some(Some(task)) = core.tasks.get(at) else { return };
        if task.waker.life != life {
            return;
        }
        let (process, root) = (task.process, task.root);
        let task = core.tasks[at].take();
        core.vacant.push(at);
        core.processes[process].roots -= usize::from(root);
        drop(core);
        drop(task);
    }

    /// Ends what was begun beside the main task of a lane, with that.
    pub(super) fn end_children(&self, process: ProcessId, lane: usize) {
        let mut core = self.core();
        let of: Vec<usize> = (0..core.tasks.len())
            .filter(|at| {
                let fits = |task: &Task| task.process == process && task.lane == lane && !task.root;
                core.tasks[*at].as_ref().is_some_and(fits)
            })
            .collect();
        let mut tasks = Vec::with_capacity(of.len());
        for at in of {
            tasks.extend(core.tasks[at].take());
            core.vacant.push(at);
        }
        drop(core);
        drop(tasks);
    }

    /// Sends a datagram.
    pub(super) fn send(&self, process: ProcessId, socket: SocketId, to: std::net::SocketAddr, bytes: &[u8]) {
        let mut core = self.core();
        let core = &mut *core;
        if !core.processes[process].alive {
            return;
        }
        let now = core.here();
        core.trace.note(4, now, sum(bytes));
        for (at, datagram) in core.net.send(now, socket, to, bytes) {
            core.arrive_at(at, datagram);
        }
    }
}

thread_local! {
    static LANE: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// The lane of what is being polled.
pub(super) fn lane() -> usize {
    LANE.get()
}
