//! Programs of a cell, as scripts: they make the kernel's calls on a memory of their own, with no engine below.
//!
//! Each serves one connection after the other, so that clients also wait in the listener's queue.

use replicode_log::{
    ClusterConfig, Digest, ExitStatus, FsImage, Limits, ModuleEntry, NodeId, Pid, ProgramSpec, Restart, codec,
};
use replicode_machine::{Guest, GuestLoader, LoadError, Pause};
use replicode_syscalls::{Call, Kernel, Step};

/// The descriptor of a program's listener.
const LISTENER: u32 = 4;
const BUFFER: u32 = 1024;
const MEMORY: usize = 64 << 10;

/// What a program does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sends back what comes, and closes when the client has ended.
    Echo,
    /// Sends [`SOURCE`] bytes of [`source`], and closes.
    Source,
    /// Reads a little, and closes with the rest unread.
    Rude,
}

/// The programs of a cell, in order.
pub const PROGRAMS: [(&str, Kind); 5] = [
    ("echo", Kind::Echo),
    ("echo2", Kind::Echo),
    ("echo3", Kind::Echo),
    ("source", Kind::Source),
    ("rude", Kind::Rude),
];

/// Bytes that a source sends.
pub const SOURCE: u64 = 40_000;

/// The byte of a source at a position.
#[must_use]
pub const fn source(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

#[derive(Clone, Copy, Debug)]
enum At {
    Accept,
    Recv,
    Send { offset: u32, len: u32 },
    Close,
}

struct Script {
    pid: Pid,
    kind: Kind,
    at: At,
    memory: Vec<u8>,
    fd: u32,
    /// Bytes that a source has sent.
    sent: u64,
}

impl Script {
    /// One call; `Err` when the kernel answers that it has to wait, or the process has ended.
    fn call(&self, kernel: &mut Kernel, memory: &mut [u8], call: Call) -> Result<i32, Option<u32>> {
        match kernel.call(self.pid, memory, call) {
            Step::Done(result) => Ok(result),
            Step::Wait => Err(None),
            Step::Exit(code) => Err(Some(code)),
        }
    }

    fn step(&mut self, kernel: &mut Kernel, memory: &mut [u8]) -> Result<At, Option<u32>> {
        let chunk = if self.kind == Kind::Rude { 16 } else { (MEMORY as u32 - BUFFER).min(16 << 10) };
        Ok(match self.at {
            At::Accept => {
                let fd = self.call(kernel, memory, Call::BsdAccept { fd: LISTENER, flags: 0, addr: 0, addr_len: 0 })?;
                (self.fd, self.sent) = (fd.unsigned_abs(), 0);
                if self.kind == Kind::Source { self.filled(memory, chunk) } else { At::Recv }
            }
            At::Recv => {
                let call = Call::BsdRecv { fd: self.fd, data: BUFFER, len: chunk, flags: 0 };
                match self.call(kernel, memory, call)? {
                    got if got > 0 && self.kind == Kind::Echo => At::Send { offset: 0, len: got.unsigned_abs() },
                    _ => At::Close,
                }
            }
            At::Send { offset, len } => {
                let (data, flags) = (BUFFER + offset, 0x4000);
                let sent = self.call(kernel, memory, Call::BsdSend { fd: self.fd, data, len: len - offset, flags })?;
                let offset = offset + sent.unsigned_abs();
                match self.kind {
                    _ if sent <= 0 => At::Close,
                    _ if offset < len => At::Send { offset, len },
                    Kind::Source => {
                        self.sent += u64::from(len);
                        self.filled(memory, chunk)
                    }
                    _ => At::Recv,
                }
            }
            At::Close => {
                self.call(kernel, memory, Call::BsdClose { fd: self.fd })?;
                At::Accept
            }
        })
    }

    /// What a source sends next.
    fn filled(&self, memory: &mut [u8], chunk: u32) -> At {
        let len = u64::from(chunk).min(SOURCE - self.sent) as u32;
        for at in 0..len {
            memory[(BUFFER + at) as usize] = source(self.sent + u64::from(at));
        }
        if len == 0 { At::Close } else { At::Send { offset: 0, len } }
    }
}

impl Guest for Script {
    fn resume(&mut self, mut kernel: Box<Kernel>) -> (Box<Kernel>, Pause) {
        let mut memory = std::mem::take(&mut self.memory);
        let pause = loop {
            match self.step(&mut kernel, &mut memory) {
                Ok(at) => self.at = at,
                Err(None) => break Pause::Waiting,
                Err(Some(code)) => break Pause::Exited(ExitStatus::Code(code), None),
            }
        };
        self.memory = memory;
        (kernel, pause)
    }
}

/// Makes the programs.
#[derive(Clone, Copy, Debug)]
pub struct Scripts;

impl GuestLoader for Scripts {
    fn start(&mut self, pid: Pid, module: Digest) -> Result<Box<dyn Guest>, LoadError> {
        let found = PROGRAMS.iter().find(|(name, _)| Digest::of(name.as_bytes()) == module);
        let (_, kind) = *found.ok_or(LoadError::Unknown(module))?;
        Ok(Box::new(Script { pid, kind, at: At::Accept, memory: vec![0; MEMORY], fd: 0, sent: 0 }))
    }
}

/// The configuration of a cell of all programs.
#[must_use]
pub fn config(nodes: Vec<NodeId>, recv_window: u32, send_window: u32) -> ClusterConfig {
    let module = |name: &str| Digest::of(name.as_bytes());
    let program = |(name, _): (&str, Kind)| ProgramSpec {
        name: name.into(),
        module: module(name),
        args: vec![name.into()],
        env: Vec::new(),
        stdin: false,
        listeners: vec![7],
        at_genesis: true,
        restart: Restart::Never,
    };
    ClusterConfig {
        cluster: [3; 16],
        name: "sequenced".into(),
        nodes,
        epoch_unix_ns: 0,
        engine: Digest::ZERO,
        limits: Limits { recv_window, send_window, ..Limits::default() },
        modules: PROGRAMS.iter().map(|(name, _)| ModuleEntry { digest: module(name), name: (*name).into() }).collect(),
        programs: PROGRAMS.into_iter().map(program).collect(),
        image: Digest::of(&codec::encode(&FsImage::default())),
        made_by: String::new(),
        contracts: None,
    }
}
