//! Starting a process.

use super::{Entry, Kernel, index_of};
use crate::descriptor::Descriptors;
use crate::family::Family;
use crate::open_file::OpenFile;
use crate::ports::Ports;
use crate::process::{Process, Run, Stdin, Turn};
use crate::random::Random;
use crate::socket::{Socket, State};
use replicode_log::config::{LISTEN_FDS_START, check_strings, listen_env};
use replicode_log::{ConfigError, ConsoleStream, Egress, Pid};
use std::collections::{BTreeSet, VecDeque};

/// What a process is started with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// Name; other processes find it by this name.
    pub name: String,
    /// Arguments, `argv[0]` included.
    pub args: Vec<String>,
    /// Environment. `LISTEN_FDS` and `LISTEN_FDS_START` are added when there are listeners.
    pub env: Vec<(String, String)>,
    /// Whether standard input comes through the log; otherwise it is at its end from the start.
    pub stdin: bool,
    /// Ports on which it finds listeners open, from the descriptor behind the preopened directories (4 for the root
    /// alone).
    pub listeners: Vec<u16>,
    /// Seed of its random numbers.
    pub seed: [u8; 32],
}

/// Why a process cannot be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpawnError {
    /// As many processes as the limit allows are alive.
    #[error("{0} processes are alive, which is the limit 'processes': wait for one to end, or raise the limit")]
    Processes(u32),
    /// Arguments or environment are not acceptable.
    #[error(transparent)]
    Strings(#[from] ConfigError),
    /// More listeners than the process may have descriptors.
    #[error("{listeners} listeners do not fit the limit 'descriptors' of {max}")]
    Descriptors {
        /// How many were asked for.
        listeners: usize,
        /// The limit.
        max: u32,
    },
    /// A listener's port is 0, or listed twice.
    #[error("port {0} is listed twice or is not a port: name each listener's port once, 1 to 65535")]
    Port(u16),
}

impl Kernel {
    /// Starts a process; it is ready to run. Numbers count from 1 to [`Pid::LAST`] and then from 1 again, leaving out
    /// those of live processes.
    ///
    /// # Errors
    /// When a limit or what it is started with does not allow it. Then nothing has changed.
    pub fn spawn(&mut self, spec: ProcessSpec) -> Result<Pid, SpawnError> {
        if self.live >= self.limits.processes {
            return Err(SpawnError::Processes(self.limits.processes));
        }
        let max = self.limits.descriptors;
        let listeners = spec.listeners.len();
        // Beside the root, whose number is counted already. The image is checked to name few.
        let first_listener = LISTEN_FDS_START + (self.preopens.len() as u32).saturating_sub(1);
        if listeners > max.saturating_sub(first_listener) as usize {
            return Err(SpawnError::Descriptors { listeners, max });
        }
        let mut seen = BTreeSet::new();
        if let Some(port) = spec.listeners.iter().find(|port| **port == 0 || !seen.insert(**port)) {
            return Err(SpawnError::Port(*port));
        }
        let mut env = spec.env;
        env.extend(listen_env(listeners, first_listener));
        check_strings(&spec.name, &spec.args, &env, self.limits.args_bytes)?;

        let pid = self.next_pid();
        let window = u64::from(self.limits.recv_window);
        let mut process = Process {
            pid,
            name: spec.name,
            args: spec.args.into_iter().map(String::into_bytes).collect(),
            env: env.into_iter().map(|(name, value)| format!("{name}={value}").into_bytes()).collect(),
            descriptors: Descriptors::default(),
            ports: Ports::new(),
            stdin: Stdin { window_told: window, over: !spec.stdin, ..Stdin::default() },
            random: Random::new(spec.seed),
            started: self.now,
            clock: self.now,
            run: Run::Running,
            wait: 0,
            pending: None,
            turn: Turn { number: self.turn, ..Turn::default() },
            calls: 0,
        };
        if spec.stdin {
            self.outbox.stdin_window(pid, window);
        }
        for ino in &self.preopened {
            self.fs.hold(*ino);
        }
        let standard =
            [OpenFile::stdin(), OpenFile::console(ConsoleStream::Stdout), OpenFile::console(ConsoleStream::Stderr)];
        let preopened = self.preopened.clone();
        let preopened = (0..).zip(preopened).map(|(name, ino)| OpenFile::preopen(ino, name));
        let opened = spec.listeners.into_iter().map(|port| self.open_listener(&mut process.ports, pid, port));
        for (fd, file) in (0..).zip(standard.into_iter().chain(preopened).chain(opened)) {
            process.descriptors.put(fd, file, false);
        }
        self.names.insert((process.name.clone(), pid));
        self.live += 1;
        self.schedule.wake(&mut process);
        let entry = Entry::Live(Box::new(process));
        match index_of(pid).and_then(|index| self.processes.get_mut(index)) {
            Some(ended) => *ended = entry,
            None => self.processes.push(entry),
        }
        self.last_pid = pid;
        Ok(pid)
    }

    /// The number of the next process. Each has an address of its own, and there are no more addresses than numbers.
    fn next_pid(&self) -> Pid {
        let mut pid = self.last_pid;
        loop {
            pid = if pid >= Pid::LAST { Pid(1) } else { Pid(pid.0 + 1) };
            // The limit of processes at once is far below the last number, so that this comes to an end.
            let entry = index_of(pid).and_then(|index| self.processes.get(index));
            if !matches!(entry, Some(Entry::Live(_))) {
                return pid;
            }
        }
    }

    fn open_listener(&mut self, ports: &mut Ports, pid: Pid, port: u16) -> OpenFile {
        ports.take(Family::V4, port);
        let backlog = self.limits.backlog;
        let slot = self.sockets.insert(|id| {
            let mut socket = Socket::new(id, pid, Family::V4, self.limits.recv_window);
            socket.state = State::Listening { backlog, queue: VecDeque::new(), twin: None };
            socket.local_port = Some(port);
            socket.held_port = Some(port);
            self.outbox.net(Egress::Listen { pid, sock: id, port });
            socket
        });
        OpenFile::socket(slot, 0)
    }
}
