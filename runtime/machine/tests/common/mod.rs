//! Scripted guests: programs as lists of steps, which make kernel calls on a memory of their own. And the batches of a
//! cell of such guests.

#![allow(dead_code, reason = "each test file uses its part of it")]

use replicode_log::{
    Batch, BatchHeader, BootNo, ClusterConfig, ConnId, ConsoleStream, Digest, ExitStatus, FsImage, HostAddr, Input,
    Limits, LogicalTime, ModuleEntry, NodeId, Output, Pid, ProgramSpec, Restart, Section, Service, codec,
};
use replicode_machine::{Applied, Guest, GuestLoader, LoadError, Machine, Pause};
use replicode_syscalls::{Call, Kernel, Step};

/// Where the steps keep things in their memory.
pub const IOV: u32 = 0;
pub const SCRATCH: u32 = 16;
pub const ADDR: u32 = 32;
pub const BUF: u32 = 1024;
pub const BUF_LEN: u32 = 1024;

/// What happens after a step.
pub enum Flow {
    Next,
    Goto(usize),
    Wait,
    Exit(u32),
}

/// A step of a script. `Err` is for what ends it early, so that `?` works on calls.
pub type Op = fn(&mut Sys<'_>) -> Result<Flow, Flow>;

/// What a script remembers between its steps.
#[derive(Default)]
pub struct Registers {
    pub conn: u32,
    pub len: u32,
    pub count: u32,
}

/// A step's view of its process.
pub struct Sys<'a> {
    kernel: &'a mut Kernel,
    pid: Pid,
    pub memory: &'a mut [u8],
    pub reg: &'a mut Registers,
}

impl Sys<'_> {
    /// Makes a call; its wasm result, or the flow when it has none.
    pub fn call(&mut self, call: Call) -> Result<i32, Flow> {
        match self.kernel.call(self.pid, self.memory, call) {
            Step::Done(result) => Ok(result),
            Step::Wait => Err(Flow::Wait),
            Step::Exit(code) => Err(Flow::Exit(code)),
        }
    }

    pub fn put(&mut self, at: u32, bytes: &[u8]) {
        self.memory[at as usize..][..bytes.len()].copy_from_slice(bytes);
    }

    pub fn accept(&mut self, listener: u32) -> Result<(), Flow> {
        self.reg.conn =
            self.call(Call::BsdAccept { fd: listener, flags: 0, addr: 0, addr_len: 0 })?.try_into().unwrap();
        Ok(())
    }

    /// Receives into the buffer; the number of bytes, 0 at the end, negative for an error.
    pub fn recv(&mut self) -> Result<i32, Flow> {
        let got = self.call(Call::BsdRecv { fd: self.reg.conn, data: BUF, len: BUF_LEN, flags: 0 })?;
        self.reg.len = got.max(0) as u32;
        Ok(got)
    }

    /// Sends what is in the buffer.
    pub fn send(&mut self) -> Result<i32, Flow> {
        self.call(Call::BsdSend { fd: self.reg.conn, data: BUF, len: self.reg.len, flags: 0x4000 })
    }

    pub fn close(&mut self) -> Result<(), Flow> {
        self.call(Call::BsdClose { fd: self.reg.conn }).map(|_| ())
    }

    /// Connects a new socket to a port of process `pid`.
    pub fn connect(&mut self, pid: u8, port: u16) -> Result<i32, Flow> {
        let [hi, lo] = port.to_be_bytes();
        self.put(ADDR, &[1, 0, hi, lo, 10, 77, 0, pid, 0, 0, 0, 0, 0, 0, 0, 0]);
        self.call(Call::BsdConnect { fd: self.reg.conn, addr: ADDR, addr_len: 16 })
    }

    pub fn socket(&mut self) -> Result<(), Flow> {
        self.reg.conn = self.call(Call::BsdOpen { domain: 1, kind: 6, protocol: 0 })?.try_into().unwrap();
        Ok(())
    }

    /// Prints what is in the buffer.
    pub fn print(&mut self) -> Result<(), Flow> {
        self.put(IOV, &BUF.to_le_bytes());
        self.put(IOV + 4, &self.reg.len.to_le_bytes());
        assert_eq!(self.call(Call::FdWrite { fd: 1, iovs: IOV, iovs_len: 1, nwritten: SCRATCH })?, 0);
        Ok(())
    }

    /// Reads from a descriptor into the buffer; the number of bytes.
    pub fn read(&mut self, fd: u32) -> Result<u32, Flow> {
        self.put(IOV, &BUF.to_le_bytes());
        self.put(IOV + 4, &BUF_LEN.to_le_bytes());
        assert_eq!(self.call(Call::FdRead { fd, iovs: IOV, iovs_len: 1, nread: SCRATCH })?, 0);
        let got = &self.memory[SCRATCH as usize..][..4];
        self.reg.len = u32::from_le_bytes(got.try_into().unwrap());
        Ok(self.reg.len)
    }

    pub fn set_buffer(&mut self, text: &[u8]) {
        self.put(BUF, text);
        self.reg.len = text.len() as u32;
    }
}

struct Script {
    pid: Pid,
    ops: &'static [Op],
    at: usize,
    memory: Vec<u8>,
    reg: Registers,
}

impl Guest for Script {
    fn resume(&mut self, mut kernel: Box<Kernel>) -> (Box<Kernel>, Pause) {
        loop {
            let Some(op) = self.ops.get(self.at) else {
                return (kernel, Pause::Exited(ExitStatus::Code(0), None));
            };
            let mut sys = Sys { kernel: &mut kernel, pid: self.pid, memory: &mut self.memory, reg: &mut self.reg };
            match op(&mut sys).unwrap_or_else(|early| early) {
                Flow::Next => self.at += 1,
                Flow::Goto(at) => self.at = at,
                Flow::Wait => return (kernel, Pause::Waiting),
                Flow::Exit(code) => return (kernel, Pause::Exited(ExitStatus::Code(code), None)),
            }
        }
    }
}

/// Programs by name; a module's digest is that of its name.
pub struct Scripts(pub Vec<(&'static str, &'static [Op])>);

impl GuestLoader for Scripts {
    fn start(&mut self, pid: Pid, module: Digest) -> Result<Box<dyn Guest>, LoadError> {
        let (_, ops) =
            self.0.iter().find(|(name, _)| Digest::of(name.as_bytes()) == module).ok_or(LoadError::Unknown(module))?;
        Ok(Box::new(Script { pid, ops, at: 0, memory: vec![0; 1 << 16], reg: Registers::default() }))
    }
}

/// Serves one connection after the other: sends back what comes. Its listener is descriptor 4.
pub const ECHO: &[Op] = &[
    |sys| sys.accept(4).map(|()| Flow::Next),
    |sys| sys.recv().map(|got| if got > 0 { Flow::Next } else { Flow::Goto(3) }),
    |sys| sys.send().map(|sent| if sent > 0 { Flow::Goto(1) } else { Flow::Goto(3) }),
    |sys| sys.close().map(|()| Flow::Goto(0)),
];

/// Copies standard input to standard output.
pub const CAT: &[Op] = &[
    |sys| sys.read(0).map(|got| if got > 0 { Flow::Next } else { Flow::Goto(9) }),
    |sys| sys.print().map(|()| Flow::Goto(0)),
];

/// Waits for a connection and never reads from it.
pub const DEAF: &[Op] = &[|sys| sys.accept(4).map(|()| Flow::Next), |sys| sys.accept(4).map(|()| Flow::Next)];

pub fn node(n: u64) -> NodeId {
    NodeId::new(n).unwrap()
}

pub fn conn(node_number: u64, boot: u32, counter: u32) -> ConnId {
    ConnId::new(node(node_number), BootNo(boot), counter).unwrap()
}

pub fn open(conn: ConnId, process: &str) -> Input {
    Input::Open { conn, to: Service { process: process.into(), port: 7 }, from: HostAddr::V4([192, 0, 2, 1], 5000) }
}

pub fn data(conn: ConnId, offset: u64, bytes: &[u8]) -> Input {
    Input::Data { conn, offset, bytes: bytes.to_vec() }
}

pub fn section(node_number: u64, boot: u32, first_seq: u64, inputs: Vec<Input>) -> Section {
    Section { origin: node(node_number), boot: BootNo(boot), first_seq, inputs }
}

pub fn boot(node_number: u64, nonce: u64) -> Section {
    section(node_number, 0, 0, vec![Input::Boot { nonce }])
}

/// A configuration with these programs on three nodes; each finds a listener on port 7 at descriptor 4.
pub fn config(programs: &[&'static str]) -> ClusterConfig {
    let module = |name: &str| Digest::of(name.as_bytes());
    let program = |name: &&'static str| ProgramSpec {
        name: (*name).into(),
        module: module(name),
        args: vec![(*name).into()],
        env: Vec::new(),
        stdin: *name == "cat",
        listeners: vec![7],
        at_genesis: true,
        restart: Restart::Never,
    };
    ClusterConfig {
        cluster: [3; 16],
        name: "test".into(),
        nodes: (1..=3).map(node).collect(),
        epoch_unix_ns: 0,
        engine: Digest::ZERO,
        limits: Limits::default(),
        modules: programs.iter().map(|name| ModuleEntry { digest: module(name), name: (*name).into() }).collect(),
        programs: programs.iter().map(program).collect(),
        image: Digest::of(&codec::encode(&FsImage::default())),
        made_by: String::new(),
        contracts: None,
    }
}

/// A cell under test, and its clock: one millisecond per batch.
pub struct Cell {
    pub machine: Machine<Scripts>,
    pub seed: u64,
}

impl Cell {
    pub fn new(programs: &[(&'static str, &'static [Op])]) -> Self {
        let names: Vec<_> = programs.iter().map(|(name, _)| *name).collect();
        Self::with(&config(&names), programs)
    }

    pub fn with(config: &ClusterConfig, programs: &[(&'static str, &'static [Op])]) -> Self {
        let machine = Machine::new(config, &FsImage::default(), Scripts(programs.to_vec())).unwrap();
        Self { machine, seed: 42 }
    }

    /// A cell in which nodes 1 and 2 have booted, each for the first time.
    pub fn booted(programs: &[(&'static str, &'static [Op])]) -> Self {
        let mut cell = Self::new(programs);
        cell.batch(vec![boot(1, 11), boot(2, 22)]);
        cell
    }

    pub fn next(&self, sections: Vec<Section>) -> Batch {
        let index = self.machine.applied().next();
        let time = LogicalTime::from_nanos(index.0 * 1_000_000);
        Batch { header: BatchHeader { index, time, seed: self.seed, parent: Digest::ZERO }, sections }
    }

    pub fn batch(&mut self, sections: Vec<Section>) -> Applied {
        let batch = self.next(sections);
        let content = Digest::of(&batch.encode());
        self.machine.apply(batch, content).unwrap()
    }
}

/// The bytes for a client, put together; panics when their offsets have a gap.
pub fn sent(outputs: &[Output], to: ConnId) -> String {
    let mut bytes = Vec::new();
    let mut next = None;
    for output in outputs {
        if let Output::Data { conn, offset, bytes: more } = output
            && *conn == to
        {
            assert_eq!(*offset, next.unwrap_or(*offset), "offsets are contiguous");
            next = Some(offset + more.len() as u64);
            bytes.extend_from_slice(more);
        }
    }
    String::from_utf8(bytes).unwrap()
}

pub fn printed(outputs: &[Output], by: u32) -> String {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Console { pid: Pid(pid), stream: ConsoleStream::Stdout, bytes } if *pid == by => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        _ => None,
    });
    texts.collect()
}
