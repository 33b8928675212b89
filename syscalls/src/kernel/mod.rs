//! The kernel: processes, files and sockets of a cell, and the doors through which they are driven.

mod calls;
mod deliver;
mod spawn;

pub use calls::Step;
pub use spawn::{ProcessSpec, SpawnError};

use crate::abi::Errno;
use crate::calls::Scratch;
use crate::close::{Tables, close};
use crate::contracts::{Asker, Contracts, Question, SealedBatch};
use crate::epoll::Epolls;
use crate::eventfd::Events;
use crate::fs::{Fs, ImageError, Ino, Kind};
use crate::locks::Locks;
use crate::outbox::Outbox;
use crate::pair::Pairs;
use crate::pipe::Pipes;
use crate::process::{Process, Run};
use crate::schedule::{Due, Schedule};
use crate::sockets::Sockets;
use crate::timerfd::Timers;
use crate::trace::{Recorder, Recording, StepRecord, TraceRecord};
use replicode_log::{ConsoleStream, Egress, ExitStatus, FsImage, Limits, LogicalTime, Pid, Trail};
use std::collections::BTreeSet;

/// What a process does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessState {
    /// It can run.
    Ready,
    /// It waits in the call of that name, until then at the latest.
    Waiting {
        /// Name of the import.
        call: &'static str,
        /// [`LogicalTime::NEVER`] when only an event ends the wait.
        until: LogicalTime,
    },
    /// It gave up its turn and runs again in the next batch.
    Yielded,
    /// It has ended.
    Exited(ExitStatus),
}

/// One row of the table of processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    /// Its number.
    pub pid: Pid,
    /// Its name.
    pub name: String,
    /// What it does.
    pub state: ProcessState,
    /// Open descriptors.
    pub descriptors: usize,
    /// Calls it has finished.
    pub calls: u64,
}

/// A process, or what remains of it.
#[derive(Clone, Debug)]
enum Entry {
    Live(Box<Process>),
    Ended { name: String, status: ExitStatus, calls: u64 },
}

/// All processes, files and sockets of a cell: a state machine over values.
///
/// # How to drive it
///
/// For each batch, in this order:
///
/// 1. [`Kernel::advance`] moves the clock and wakes whom that concerns.
/// 2. [`Kernel::spawn`], [`Kernel::deliver`], [`Kernel::deliver_stdin`], [`Kernel::end_stdin`], [`Kernel::exit`] bring
///    what the batch says.
/// 3. [`Kernel::next_ready`] names the process to run. It makes its calls through [`Kernel::call`] until one answers
///    [`Step::Wait`] or [`Step::Exit`] (after which, as after a trap, the driver calls [`Kernel::exit`]).
/// 4. [`Kernel::poll_net`], [`Kernel::poll_console`] and [`Kernel::poll_stdin_window`] say what came of it. Carrying
///    it to the network may bring more to deliver, which may make more processes ready: back to 3 until none is.
/// 5. [`Kernel::trail`] holds the hash of all calls of the batch; [`Kernel::next_deadline`] says when the next batch
///    is due even if nothing else happens.
///
/// Equal sequences of these calls give equal answers, on any host.
#[derive(Clone, Debug)]
pub struct Kernel {
    limits: Limits,
    /// Unix time of genesis in nanoseconds.
    epoch: u64,
    now: LogicalTime,
    /// Number of the present turn: batches seen so far.
    turn: u64,
    /// Process number n stands at n-1.
    processes: Vec<Entry>,
    /// The process that was started last.
    last_pid: Pid,
    live: u32,
    /// Names of the live processes.
    names: BTreeSet<(String, Pid)>,
    fs: Fs,
    /// The directories that every process finds open, the root first: their names, and what they lead to.
    preopens: Vec<Vec<u8>>,
    preopened: Vec<Ino>,
    sockets: Sockets,
    pipes: Pipes,
    pairs: Pairs,
    locks: Locks,
    events: Events,
    timers: Timers,
    epolls: Epolls,
    contracts: Contracts,
    schedule: Schedule,
    outbox: Outbox,
    trail: Trail,
    recorder: Recorder,
    /// Bytes that finished calls have moved.
    moved: u64,
    scratch: Scratch,
}

impl Kernel {
    /// A kernel without processes, whose files are those of `image` and what every cell has. `epoch_unix_ns` is the Unix time of genesis in nanoseconds.
    ///
    /// # Errors
    /// The first entry of the image that does not fit the limits or is not a plain path.
    pub fn new(limits: Limits, epoch_unix_ns: u64, image: &FsImage) -> Result<Self, ImageError> {
        let mut fs = Fs::new(image, &limits)?;
        let (preopens, preopened) = preopens(&mut fs, image, &limits)?;
        fs.furnish()?;
        Ok(Self {
            limits,
            epoch: epoch_unix_ns,
            now: LogicalTime::GENESIS,
            turn: 0,
            processes: Vec::new(),
            last_pid: Pid(0),
            live: 0,
            names: BTreeSet::new(),
            fs,
            preopens,
            preopened,
            sockets: Sockets::default(),
            pipes: Pipes::default(),
            pairs: Pairs::default(),
            locks: Locks::default(),
            events: Events::default(),
            timers: Timers::default(),
            epolls: Epolls::default(),
            contracts: Contracts::default(),
            schedule: Schedule::default(),
            outbox: Outbox::default(),
            trail: Trail::new(),
            recorder: Recorder::default(),
            moved: 0,
            scratch: Scratch::default(),
        })
    }

    /// Begins a batch: the clock becomes `now`, due timers fire, and processes that gave up their turn get the next
    /// one. Time that would run backwards stands still.
    pub fn advance(&mut self, now: LogicalTime) {
        self.now = self.now.max(now);
        self.turn += 1;
        while let Some(due) = self.schedule.due(self.now) {
            match due {
                Due::Process(pid) => self.wake(pid),
                Due::Timer(id) => self.timer_due(id),
            }
        }
        for pid in self.schedule.yielded() {
            self.wake(pid);
        }
    }

    /// When the next batch is due even if nothing happens: the earliest timer, or one spin quantum from now if some
    /// process gave up its turn.
    #[must_use]
    pub fn next_deadline(&self) -> Option<LogicalTime> {
        let spin = self.schedule.has_yielded().then(|| self.now.plus(self.limits.spin_quantum_ns));
        [self.schedule.next_timer(), spin].into_iter().flatten().min()
    }

    /// Fetches what programs did to their sockets, in the order of the calls that caused it. Bytes that one socket
    /// sends in a row come in one piece of at most 256 KiB.
    pub fn poll_net(&mut self) -> Option<Egress> {
        self.outbox.poll_net()
    }

    /// Fetches news about standard inputs: up to which position bytes may be put into the log. The first news comes
    /// when the process is started.
    pub fn poll_stdin_window(&mut self) -> Option<(Pid, u64)> {
        self.outbox.poll_stdin_window()
    }

    /// Fetches what programs printed, in order; writes in a row of one process to one stream come in one piece of at
    /// most 256 KiB.
    pub fn poll_console(&mut self) -> Option<(Pid, ConsoleStream, Vec<u8>)> {
        self.outbox.poll_console()
    }

    /// The cell has contracts: from now on programs may ask for them. What they ask, whoever drives the kernel answers.
    pub const fn serve_contracts(&mut self) {
        self.contracts.served = true;
    }

    /// A batch with calls has ended.
    pub const fn contracts_sealed(&mut self, sealed: SealedBatch) {
        self.contracts.sealed = Some(sealed);
    }

    /// Fetches what programs have asked of contracts, in the order of their calls.
    pub fn poll_contracts(&mut self) -> Option<(Asker, Question)> {
        self.contracts.poll()
    }

    /// How long the answer to something asked may be so that the process has no more kept than it may. A longer one is brought all the
    /// same; whoever drives the kernel has a shorter one for that.
    #[must_use]
    pub fn contract_room(&self, asker: Asker) -> usize {
        self.contracts.room(asker)
    }

    /// Takes the next process that can run: in the order in which they were woken.
    pub fn next_ready(&mut self) -> Option<Pid> {
        while let Some(pid) = self.schedule.next_ready() {
            if let Some(Entry::Live(process)) = index_of(pid).and_then(|index| self.processes.get_mut(index)) {
                self.schedule.stop_waiting(process);
                process.run = Run::Running;
                return Some(pid);
            }
        }
        None
    }

    /// Ends a process: after a trap, `proc_exit`, or a kill through the log. Its descriptors are closed in ascending
    /// order, as `close` would. A process that has ended already stays as it is.
    pub fn exit(&mut self, pid: Pid, status: ExitStatus) {
        let Some(entry) = index_of(pid).and_then(|index| self.processes.get_mut(index)) else { return };
        let Entry::Live(process) = entry else { return };
        self.schedule.forget(process);
        self.contracts.forget(pid);
        for file in process.descriptors.drain() {
            let tables = Tables {
                fs: &mut self.fs,
                sockets: &mut self.sockets,
                pipes: &mut self.pipes,
                pairs: &mut self.pairs,
                events: &mut self.events,
                contracts: &mut self.contracts,
                timers: &mut self.timers,
                epolls: &mut self.epolls,
                schedule: &mut self.schedule,
                outbox: &mut self.outbox,
            };
            close(file, &mut process.ports, tables);
        }
        let name = std::mem::take(&mut process.name);
        let ended = Entry::Ended { name: name.clone(), status, calls: process.calls };
        *entry = ended;
        self.names.remove(&(name, pid));
        self.live -= 1;
        if !self.locks.is_empty() {
            self.locks.forget(pid);
            self.wake_for_locks();
        }
    }

    /// The hash over the calls of this batch. Whoever ends the batch takes it.
    pub const fn trail(&mut self) -> &mut Trail {
        &mut self.trail
    }

    /// Decides what is kept of calls from now on. Records already kept stay until they are taken.
    pub const fn set_recording(&mut self, recording: Recording) {
        self.recorder.mode = recording;
    }

    /// Takes the records of [`Recording::Steps`].
    pub fn take_steps(&mut self) -> Vec<StepRecord> {
        std::mem::take(&mut self.recorder.steps)
    }

    /// Takes the records of [`Recording::Trace`].
    pub fn take_trace(&mut self) -> Vec<TraceRecord> {
        std::mem::take(&mut self.recorder.trace)
    }

    /// Bytes that all calls so far have moved into and out of guests: what the work of a call grows with, besides the call itself.
    #[must_use]
    pub const fn moved_bytes(&self) -> u64 {
        self.moved
    }

    /// The cell's files, to look at.
    #[must_use]
    pub const fn files(&self) -> &Fs {
        &self.fs
    }

    /// All processes that ever were, in order of their numbers; of those that had one number, the last.
    pub fn processes(&self) -> impl Iterator<Item = ProcessInfo> + '_ {
        (1..).map(Pid).zip(&self.processes).map(|(pid, entry)| match entry {
            Entry::Live(process) => ProcessInfo {
                pid,
                name: process.name.clone(),
                state: state_of(process),
                descriptors: process.descriptors.len(),
                calls: process.calls,
            },
            Entry::Ended { name, status, calls } => ProcessInfo {
                pid,
                name: name.clone(),
                state: ProcessState::Exited(*status),
                descriptors: 0,
                calls: *calls,
            },
        })
    }

    fn process_mut(&mut self, pid: Pid) -> Option<&mut Process> {
        match self.processes.get_mut(index_of(pid)?)? {
            Entry::Live(process) => Some(process),
            Entry::Ended { .. } => None,
        }
    }

    /// Wakes those who can have the locks now that they wait for.
    fn wake_for_locks(&mut self) {
        for (pid, wait) in self.locks.take_woken() {
            if self.process_mut(pid).is_some_and(|it| matches!(it.run, Run::Waiting { .. }) && it.wait == wait) {
                self.wake(pid);
            }
        }
    }

    fn wake(&mut self, pid: Pid) {
        if let Some(Entry::Live(process)) = index_of(pid).and_then(|index| self.processes.get_mut(index)) {
            self.schedule.wake(process);
        }
    }
}

/// The directories that are preopened: the root, and those that the image names. They are held for ever, so that each
/// process finds the same.
fn preopens(fs: &mut Fs, image: &FsImage, limits: &Limits) -> Result<(Vec<Vec<u8>>, Vec<Ino>), ImageError> {
    let (mut names, mut inos) = (vec![b"/".to_vec()], vec![fs.root()]);
    for name in &image.preopens {
        let error = |errno| ImageError { path: name.clone().into_bytes(), errno };
        let ino = fs.lookup(fs.root(), name.as_bytes(), false).map_err(error)?;
        if fs.kind(ino) != Ok(Kind::Directory) {
            return Err(error(Errno::NotDir));
        }
        // One descriptor to work with must remain, beside the three streams.
        if names.len() + 4 >= limits.descriptors as usize {
            return Err(error(Errno::MFile));
        }
        fs.hold(ino);
        names.push(name.clone().into_bytes());
        inos.push(ino);
    }
    Ok((names, inos))
}

fn index_of(pid: Pid) -> Option<usize> {
    (pid.0 as usize).checked_sub(1)
}

fn state_of(process: &Process) -> ProcessState {
    match (process.run, process.pending) {
        (Run::Ready | Run::Running, _) => ProcessState::Ready,
        (Run::Yielded, _) => ProcessState::Yielded,
        (Run::Waiting { .. }, Some(pending)) => {
            ProcessState::Waiting { call: pending.call.import().name, until: pending.until }
        }
        (Run::Waiting { .. }, None) => ProcessState::Waiting { call: "", until: LogicalTime::NEVER },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Call;
    use replicode_log::{HostAddr, Ingress};

    #[test]
    fn numbers_are_used_again_when_all_have_been() {
        let mut kernel = Kernel::new(Limits::default(), 0, &FsImage::default()).unwrap();
        let spec = ProcessSpec {
            name: "main".into(),
            args: vec![],
            env: vec![],
            stdin: false,
            listeners: vec![],
            seed: [0; 32],
        };
        for n in 1..=Pid::LAST.0 {
            let pid = kernel.spawn(spec.clone()).unwrap();
            assert_eq!(pid, Pid(n));
            // Numbers 1 and 3 live for ever.
            if n != 1 && n != 3 {
                kernel.exit(pid, ExitStatus::Code(1));
            }
        }
        assert_eq!(kernel.spawn(spec.clone()), Ok(Pid(2)));
        kernel.exit(Pid(2), ExitStatus::Code(7));
        assert_eq!(kernel.spawn(spec.clone()), Ok(Pid(4)));
        assert_eq!((kernel.processes().count(), kernel.live, kernel.names.len()), (Pid::LAST.0 as usize, 3, 3));
        assert!(kernel.processes().any(|it| (it.pid, it.state) == (Pid(2), ProcessState::Exited(ExitStatus::Code(7)))));
    }

    #[test]
    fn nothing_is_left_of_a_process_that_ended() {
        let mut kernel = Kernel::new(Limits::default(), 0, &FsImage::default()).unwrap();
        let usage = kernel.fs.usage();
        let spec = ProcessSpec {
            name: "main".into(),
            args: vec![],
            env: vec![],
            stdin: true,
            listeners: vec![80, 81],
            seed: [0; 32],
        };
        let pid = kernel.spawn(spec).unwrap();
        let Some(Egress::Listen { sock, .. }) = kernel.poll_net() else { panic!("no listener") };
        let mut conns = Vec::new();
        for port in 1..4 {
            let peer = HostAddr::V4([192, 0, 2, 1], port);
            conns.push(kernel.deliver(Ingress::Incoming { listener: sock, peer, send_window: 9 }).unwrap().unwrap());
        }
        let mut memory = vec![0; 256];
        memory[..4].copy_from_slice(b"file");
        kernel.call(pid, &mut memory, Call::BsdAccept { fd: 4, flags: 0, addr: 0, addr_len: 0 });
        kernel.call(pid, &mut memory, Call::BsdOpen { domain: 1, kind: 6, protocol: 0 });
        let open = Call::PathOpen {
            fd: 3,
            lookup: 0,
            path: 0,
            path_len: 4,
            oflags: 1,
            base: u64::MAX,
            inheriting: 0,
            flags: 0,
            opened: 64,
        };
        assert_eq!(kernel.call(pid, &mut memory, open), Step::Done(0));
        // It lives in a descriptor only.
        let unlink = Call::PathUnlinkFile { fd: 3, path: 0, path_len: 4 };
        assert_eq!(kernel.call(pid, &mut memory, unlink), Step::Done(0));
        // It has begun to list the root.
        memory[..1].copy_from_slice(b"l");
        let link = Call::PathSymlink { target: 0, target_len: 1, fd: 3, path: 0, path_len: 1 };
        assert_eq!(kernel.call(pid, &mut memory, link), Step::Done(0));
        let list = Call::FdReaddir { fd: 3, buf: 128, buf_len: 24, cookie: 0, used: 64 };
        assert_eq!(kernel.call(pid, &mut memory, list), Step::Done(0));
        assert_eq!(kernel.fs.usage().listed, 41, "six names, and four bytes for each");
        let unlink = Call::PathUnlinkFile { fd: 3, path: 0, path_len: 1 };
        assert_eq!(kernel.call(pid, &mut memory, unlink), Step::Done(0));
        // It ends while it waits for bytes, with a time-out set.
        memory[16..24].copy_from_slice(&5_u64.to_le_bytes());
        let value = (16, 16);
        for option in [66, 67] {
            let set = Call::BsdSetsockopt { fd: 6, level: 0x7fff_ffff, option, value: value.0, value_len: value.1 };
            assert_eq!(kernel.call(pid, &mut memory, set), Step::Done(0));
        }
        let recv = Call::BsdRecv { fd: 6, data: 0, len: 4, flags: 0 };
        assert_eq!(kernel.call(pid, &mut memory, recv), Step::Wait);
        assert!(kernel.next_deadline().is_some());
        assert_eq!((kernel.sockets.len(), kernel.fs.usage().nodes), (6, usage.nodes + 1));

        kernel.exit(pid, ExitStatus::Killed);
        assert_eq!((kernel.sockets.len(), kernel.fs.usage()), (0, usage));
        assert_eq!((kernel.next_deadline(), kernel.next_ready(), kernel.live), (None, None, 0));
        assert!(kernel.names.is_empty());
        for sock in conns {
            assert_eq!(kernel.deliver(Ingress::Data { sock, bytes: vec![1] }), Ok(None));
        }
        kernel.advance(LogicalTime::from_nanos(1 << 40));
        assert_eq!(kernel.next_ready(), None);
    }
}
