//! Unmodified programs of WASI preview 1 as functions: input is standard input, output standard output, each line of standard error a line of
//! log, the exit code the code.
//!
//! They run on the kernel that servers run on ([`replicode_syscalls`]), one kernel for each execution, which nobody else ever sees:
//!
//! | they find | |
//! |---|---|
//! | files | those that were given at load, else none; what they write is gone with the execution |
//! | time | begins at [`EPOCH`] and goes on as they look at it; who sleeps finds that it has passed |
//! | random numbers | the same in each execution |
//! | sockets | none: `sock_*` cannot be imported |
//!
//! So equal input gives equal output and equal fuel, here as for every function. Metering, slices and limits are those of all functions; the
//! bytes of files and of calls are counted, too.

use super::code::{FunctionCode, LoadError};
use super::failure::Failure;
use super::host::Host;
use super::link::parts;
use super::run::{Ctx, Run, charge, failure, run_of};
use replicode_log::{ConsoleStream, FsImage, FsNode, Limits, Pid};
use replicode_syscalls::abi::{Call, IMPORTS, Import, Returns, ValType};
use replicode_syscalls::{Kernel, ProcessSpec, Step};
use replicode_transform::{HostFunction, HostTable, Rate, Value};
use wasmtime::{Caller, Engine, Instance, Linker, ModuleExport, Store, Val};

/// The import module of WASI preview 1.
pub(super) const MODULE: &str = "wasi_snapshot_preview1";
/// When all executions begin: 2000-01-01T00:00:00Z, in nanoseconds of Unix time.
pub const EPOCH: u64 = 946_684_800_000_000_000;

/// Fuel of a call, and of each wait for time to pass.
const CALL: u32 = 200;
const WAIT: u64 = 1000;
/// Bytes that cost one unit.
const BYTES_FOR_ONE: u64 = 8;
/// Bytes of memory that a name in the file system counts as.
const NODE: u64 = 256;
/// Bytes of a line of log that has no end yet.
const LINE: usize = 64 << 10;
/// Bytes that one execution's files can take beyond those that were given: no call may take more before it is looked at how much it was.
const WRITTEN: u64 = 256 << 20;

/// What a program finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// Files and directories.
    pub files: FsImage,
    /// The environment.
    pub env: Vec<(String, String)>,
    /// All arguments, the program's own name first; that alone without any.
    pub args: Vec<String>,
}

/// What is known of a program before it runs.
pub(super) struct Program {
    /// `_start`, and what stood in its start section.
    start: ModuleExport,
    section: Option<ModuleExport>,
    /// A kernel with the files, in which nothing has run.
    kernel: Kernel,
    spec: ProcessSpec,
    /// What its files are before it runs, in the measure of [`held`].
    own_bytes: u64,
}

/// A program that runs.
pub(super) struct Live {
    kernel: Kernel,
    pid: Pid,
    own_bytes: u64,
    /// The line of standard error that has no end yet.
    line: Vec<u8>,
    /// The last one that has: what people are told when it fails.
    last: Vec<u8>,
}

/// `proc_exit`, carried through the program's frames.
#[derive(Debug, thiserror::Error)]
#[error("exit {0}")]
struct Exit(u32);

fn offered() -> impl Iterator<Item = &'static Import> {
    IMPORTS.iter().filter(|import| import.module == MODULE && !import.name.starts_with("sock_"))
}

/// What can be imported, for the transform.
pub(super) fn table() -> HostTable {
    let value = |ty: &ValType| if *ty == ValType::I64 { Value::I64 } else { Value::I32 };
    let row = |import: &Import| {
        let function = HostFunction {
            params: import.params.iter().map(|param| value(&param.ty)).collect(),
            results: import.returns.types().iter().map(value).collect(),
            price: Rate::new(CALL, 0, 0),
            open_ended: true,
        };
        ((import.module.to_string(), import.name.to_string()), function)
    };
    offered().map(row).collect()
}

/// Adds them to a linker.
pub(super) fn link<E: Host>(linker: &mut Linker<Ctx<E>>, engine: &Engine) -> wasmtime::Result<()> {
    for import in offered() {
        let ty = crate::linker::func_type(engine, import);
        linker.func_new(import.module, import.name, ty, move |mut caller, args, results| {
            let mut raw = [0; Call::MAX_ARGS];
            for (place, arg) in raw.iter_mut().zip(args) {
                *place = match arg {
                    Val::I64(value) => value.cast_unsigned(),
                    other => u64::from(other.i32().unwrap_or_default().cast_unsigned()),
                };
            }
            let result = enter(&mut caller, (import.make)(&raw))?;
            if let (Some(place), Returns::Errno | Returns::Value) = (results.first_mut(), import.returns) {
                *place = Val::I32(result);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn bytes_of(node: &FsNode) -> u64 {
    match node {
        FsNode::Directory => 0,
        FsNode::File(bytes) | FsNode::Symlink(bytes) => bytes.len() as u64,
    }
}

/// Bytes that files take.
fn held(kernel: &Kernel) -> u64 {
    let usage = kernel.files().usage();
    usage.bytes + u64::from(usage.nodes) * NODE + usage.listed
}

/// A call of a program, until it is answered.
fn enter<E: Host>(caller: &mut Caller<'_, Ctx<E>>, call: Call) -> wasmtime::Result<i32> {
    loop {
        let (memory, run) = parts(caller)?;
        let Some(live) = &mut run.live else {
            return Err(Failure::Host("a program called outside of an execution".into()).into());
        };
        let moved = live.kernel.moved_bytes();
        let step = live.kernel.call(live.pid, memory, call);
        let moved = live.kernel.moved_bytes().wrapping_sub(moved);
        let files = held(&live.kernel).saturating_sub(live.own_bytes);
        let memory_bytes = memory.len() as u64;
        let waits = match step {
            Step::Done(_) => false,
            Step::Exit(code) => return Err(Exit(code).into()),
            Step::Wait => {
                // Nothing comes from outside any more, so only time can help: it passes at once.
                let Some(then) = live.kernel.next_deadline() else {
                    return Err(Failure::Trap("it waits for something that can never come".into()).into());
                };
                live.kernel.advance(then);
                while live.kernel.next_ready().is_some() {}
                true
            }
        };
        run.take_console()?;
        run.check_files(files, memory_bytes)?;
        charge(caller, moved / BYTES_FOR_ONE + if waits { WAIT } else { 0 })?;
        if let Step::Done(result) = step {
            return Ok(result);
        }
    }
}

impl<E: Host> Run<E> {
    /// What it has written to its streams since: output, and lines of log.
    fn take_console(&mut self) -> Result<(), Failure> {
        let limit = self.limits().output_bytes;
        let Some(live) = &mut self.live else { return Ok(()) };
        while live.kernel.poll_stdin_window().is_some() {}
        while let Some((_, stream, bytes)) = live.kernel.poll_console() {
            match stream {
                ConsoleStream::Stdout => {
                    let wrote = (self.output.len() + bytes.len()) as u64;
                    if wrote > limit {
                        return Err(Failure::Output { wrote, limit });
                    }
                    self.output.extend_from_slice(&bytes);
                }
                ConsoleStream::Stderr => {
                    let mut rest = bytes.as_slice();
                    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let (line, after) = rest.split_at(end);
                        live.line.extend_from_slice(line);
                        self.host.log(&live.line)?;
                        std::mem::swap(&mut live.last, &mut live.line);
                        live.line.clear();
                        rest = after.get(1..).unwrap_or_default();
                    }
                    live.line.extend_from_slice(rest);
                    if live.line.len() > LINE {
                        self.host.log(&live.line)?;
                        live.line.clear();
                    }
                }
            }
        }
        Ok(())
    }

    /// What it has written to files is held in memory, too.
    fn check_files(&self, files: u64, memory: u64) -> Result<(), Failure> {
        let (asked, limit) = (self.held() + memory + files, self.limits().memory_bytes);
        if files > 0 && asked > limit { Err(Failure::Memory { asked, limit }) } else { Ok(()) }
    }
}

impl Program {
    /// A program in a world. `exported` looks a function up that takes and gives nothing.
    ///
    /// # Errors
    /// When it has no entry point, or cannot be given that world.
    pub(super) fn new(
        wasm: &[u8],
        world: &World,
        exported: impl Fn(&str) -> Option<ModuleExport>,
    ) -> Result<Self, LoadError> {
        let start = exported("_start").ok_or_else(|| {
            let why =
                "the module exports no function '_start' of type () -> (): a program has one, a plugin is no program";
            LoadError::Entry(why.into())
        })?;
        let own: u64 = world.files.entries.iter().map(|entry| bytes_of(&entry.node)).sum();
        let limits = Limits {
            processes: 1,
            descriptors: 256,
            file_bytes: own + WRITTEN,
            inodes: (world.files.entries.len() as u32).saturating_add(10_000),
            listing_bytes: 4 << 20,
            ..Limits::default()
        };
        let bad = |what: &str, error: &dyn std::fmt::Display| LoadError::Bad(format!("{what}: {error}"));
        let kernel = Kernel::new(limits, EPOCH, &world.files).map_err(|error| bad("its files", &error))?;
        let args = if world.args.is_empty() { vec!["function".to_string()] } else { world.args.clone() };
        let spec = ProcessSpec {
            name: "function".into(),
            args,
            env: world.env.clone(),
            stdin: true,
            listeners: Vec::new(),
            seed: *replicode_log::Digest::of(wasm).bytes(),
        };
        // Whatever is wrong with arguments and environment is wrong now, and not at each execution.
        kernel.clone().spawn(spec.clone()).map_err(|error| bad("its arguments and environment", &error))?;
        let section = exported(crate::start_section::START_EXPORT);
        let own_bytes = held(&kernel);
        Ok(Self { start, section, kernel, spec, own_bytes })
    }

    fn begin(&self, input: &[u8]) -> Result<Box<Live>, Failure> {
        let mut kernel = self.kernel.clone();
        let pid = kernel.spawn(self.spec.clone()).map_err(|error| Failure::Host(error.to_string()))?;
        kernel.advance(replicode_log::LogicalTime::GENESIS);
        if !input.is_empty() {
            kernel.deliver_stdin(pid, input.to_vec());
        }
        kernel.end_stdin(pid);
        while kernel.next_ready().is_some() {}
        Ok(Box::new(Live { kernel, pid, own_bytes: self.own_bytes, line: Vec::new(), last: Vec::new() }))
    }

    /// Runs it to its end in an instance.
    pub(super) fn run<E: Host>(
        &self,
        store: &mut Store<Ctx<E>>,
        instance: &Instance,
        input: &[u8],
    ) -> Result<(), Failure> {
        let live = self.begin(input)?;
        run_of(store.data_mut())?.live = Some(live);
        let ended = [self.section.as_ref(), Some(&self.start)].into_iter().flatten().try_for_each(|export| {
            let function = instance.get_module_export(&mut *store, export).and_then(wasmtime::Extern::into_func);
            let function = function.and_then(|function| function.typed::<(), ()>(&*store).ok());
            let Some(function) = function else { return Err(Failure::NoEntry { entry: "_start".into() }.into()) };
            function.call(&mut *store, ())
        });
        let run = run_of(store.data_mut())?;
        let told = run.take_console();
        let Some(live) = run.live.take() else { return Err(Failure::Host("a program was lost".into())) };
        let code = match ended.map_err(|error| error.downcast::<Exit>()) {
            Ok(()) => 0,
            Err(Ok(Exit(code))) => code.cast_signed(),
            Err(Err(error)) => return Err(failure(error)),
        };
        told?;
        let mut last = live.last;
        if !live.line.is_empty() {
            run.host.log(&live.line)?;
            last = live.line;
        }
        if code == 0 {
            return Ok(());
        }
        last.truncate(4096);
        run.said = last;
        Err(Failure::Plugin { code, message: String::new() })
    }
}

impl<E: Host> FunctionCode<E> {
    /// Whether it is a program, which is run by its `_start`.
    #[must_use]
    pub const fn is_program(&self) -> bool {
        self.program.is_some()
    }
}
