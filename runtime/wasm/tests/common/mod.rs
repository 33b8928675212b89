//! A cell of guests written as text, and its batches.

#![allow(dead_code, reason = "each test file uses its part of it")]

use replicode_log::{
    Batch, BatchHeader, BootNo, ClusterConfig, ConsoleStream, Digest, ExitStatus, FsImage, Input, Limits, LogicalTime,
    ModuleEntry, NodeId, Output, Pid, ProgramSpec, Restart, Section, codec,
};
use replicode_machine::{Applied, Fault, Machine};
use replicode_wasm::{WasmEngine, WasmLoader};

pub struct Cell {
    pub machine: Machine<WasmLoader>,
    seq: u64,
}

/// Imports and memory that most guests here need. `iov` at 0 points to the text, which begins at 64.
pub const PRELUDE: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll_oneoff (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $sched_yield (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "hello\n")
    (func $print (param $at i32) (param $len i32)
        (i32.store (i32.const 0) (local.get $at))
        (i32.store (i32.const 4) (local.get $len))
        (if (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then unreachable)))
    ;; Prints one digit.
    (func $digit (param $n i32)
        (i32.store8 (i32.const 32) (i32.add (i32.const 48) (local.get $n)))
        (call $print (i32.const 32) (i32.const 1)))
    ;; Sleeps: one relative subscription to the monotonic clock at 128, its event at 256.
    (func $sleep (param $nanos i64)
        (memory.fill (i32.const 128) (i32.const 0) (i32.const 48))
        (i32.store (i32.const 144) (i32.const 1))
        (i64.store (i32.const 152) (local.get $nanos))
        (if (call $poll_oneoff (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320)) (then unreachable)))
"#;

/// A program: the prelude, further fields, and the body of `_start`.
pub fn program(fields: &str, body: &str) -> Vec<u8> {
    let text = format!("(module {PRELUDE} {fields} (func (export \"_start\") {body}))");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

impl Cell {
    pub fn new(limits: Limits, programs: &[(&str, &[u8])]) -> Self {
        let engine = WasmEngine::new(&limits).unwrap();
        let mut loader = WasmLoader::new();
        let mut modules = Vec::new();
        let mut specs = Vec::new();
        for (name, wasm) in programs {
            let module = engine.compile(wasm).unwrap();
            let digest = module.digest();
            loader.add(module);
            modules.push(ModuleEntry { digest, name: (*name).into() });
            specs.push(ProgramSpec {
                name: (*name).into(),
                module: digest,
                args: vec![(*name).into()],
                env: Vec::new(),
                stdin: false,
                listeners: Vec::new(),
                at_genesis: true,
                restart: Restart::Never,
            });
        }
        let image = FsImage::default();
        let config = ClusterConfig {
            cluster: [7; 16],
            name: "test".into(),
            nodes: vec![NodeId::new(1).unwrap()],
            epoch_unix_ns: 0,
            engine: WasmEngine::fingerprint(&limits),
            limits,
            modules,
            programs: specs,
            image: Digest::of(&codec::encode(&image)),
            made_by: String::new(),
            contracts: None,
        };
        Self { machine: Machine::new(&config, &image, loader).unwrap(), seq: 1 }
    }

    pub fn batch(&mut self, time: u64, inputs: Vec<Input>) -> Applied {
        self.try_batch(time, inputs).unwrap()
    }

    /// As [`Cell::batch`]; the error says how this node is broken.
    pub fn try_batch(&mut self, time: u64, inputs: Vec<Input>) -> Result<Applied, Fault> {
        let node = NodeId::new(1).unwrap();
        let mut sections = Vec::new();
        if self.seq == 1 {
            let inputs = vec![Input::Boot { nonce: 1 }];
            sections.push(Section { origin: node, boot: BootNo(0), first_seq: 0, inputs });
        }
        let first_seq = self.seq;
        self.seq += inputs.len() as u64;
        sections.push(Section { origin: node, boot: BootNo(1), first_seq, inputs });
        let header = BatchHeader {
            index: self.machine.applied().next(),
            time: LogicalTime::from_nanos(time),
            seed: 42,
            parent: Digest::ZERO,
        };
        let batch = Batch { header, sections };
        let content = Digest::of(&batch.encode());
        self.machine.apply(batch, content)
    }

    /// A cell of one program, after its first batch.
    pub fn run_one(wasm: &[u8]) -> Applied {
        Self::new(Limits::default(), &[("main", wasm)]).batch(1, Vec::new())
    }
}

/// What a process wrote to its standard output.
pub fn stdout(applied: &Applied, pid: u32) -> String {
    let bytes: Vec<u8> = applied
        .outputs
        .iter()
        .filter_map(|output| match output {
            Output::Console { pid: Pid(from), stream: ConsoleStream::Stdout, bytes } if *from == pid => Some(bytes),
            _ => None,
        })
        .flatten()
        .copied()
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// How a process ended in this batch, if it did.
pub fn ending(applied: &Applied, pid: u32) -> Option<ExitStatus> {
    applied.outputs.iter().find_map(|output| match output {
        Output::Exited { pid: Pid(from), status } if *from == pid => Some(*status),
        _ => None,
    })
}
