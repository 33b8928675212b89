//! Ends a program right before one of its changes to files, or lists those changes.
//!
//! ```text
//! crashpoint DIR [--until-it-speaks] [--kill K] -- PROGRAM ARG…
//! ```
//!
//! The system calls with which PROGRAM, on whatever thread, changes something below DIR are counted from 1. With `--kill`
//! the process gets SIGKILL when it is about to make the K-th, which it does not come to make. Otherwise it goes on to its
//! end (or until a moment after it has written to standard output or error), and its changes are listed, with the names
//! that have been made and whose directory has not been synced since: the last line of the output, JSON. Linux only:
//! ptrace(2).

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::libc::{self, c_long};
use nix::sys::ptrace::{self, Options};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The longest that a program is watched.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it goes on after it has said something.
const MOMENT: Duration = Duration::from_millis(300);

fn main() -> Result<ExitCode> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|arg| arg == "--traced") {
        ptrace::traceme().context("cannot be traced")?;
        bail!(Command::new(&args[1]).args(&args[2..]).exec());
    }
    let at = args.iter().position(|arg| arg == "--").context("there is no program after '--'")?;
    let (ours, program) = (&args[..at], &args[at + 1..]);
    let kill_at = ours.iter().position(|arg| arg == "--kill").and_then(|at| ours.get(at + 1));
    let kill_at = kill_at.map(|k| k.parse()).transpose().context("--kill takes a number")?;
    // Tracing belongs to the thread that starts the child, which is this one.
    let child = Command::new(std::env::current_exe()?).arg("--traced").args(program).spawn()?;
    let root = Pid::from_raw(i32::try_from(child.id())?);
    let mut watch = Watch {
        root,
        within: std::path::absolute(ours.first().context("no directory is named")?)?,
        until_it_speaks: ours.iter().any(|arg| arg == "--until-it-speaks"),
        kill_at,
        changes: Vec::new(),
        undurable: BTreeSet::new(),
        killed: false,
        spoke: Arc::default(),
    };
    let code = watch.follow()?;
    // A program that was killed while it spoke has ended no line.
    println!(
        "\n{}",
        serde_json::json!({
            "changes": watch.changes, "killed": watch.killed, "code": code, "not_durable": watch.undurable,
        })
    );
    Ok(ExitCode::SUCCESS)
}

struct Watch {
    root: Pid,
    within: PathBuf,
    until_it_speaks: bool,
    kill_at: Option<usize>,
    changes: Vec<String>,
    /// Names that were made in directories that have not been synced since.
    undurable: BTreeSet<PathBuf>,
    killed: bool,
    spoke: Arc<AtomicBool>,
}

/// A system call: number and arguments.
struct Call(c_long, [u64; 6]);

impl Watch {
    /// Runs the program to its end; answers its exit code, if it had one.
    fn follow(&mut self) -> Result<Option<i32>> {
        let first = waitpid(self.root, None)?;
        ensure!(matches!(first, WaitStatus::Stopped(_, Signal::SIGTRAP)), "the program did not start: {first:?}");
        let options = Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE | Options::PTRACE_O_EXITKILL;
        ptrace::setoptions(self.root, options)?;
        ptrace::syscall(self.root, None)?;
        self.watch_clock();
        let (mut known, mut code) = (BTreeSet::from([self.root]), None);
        loop {
            let (pid, signal) = match waitpid(None, Some(WaitPidFlag::__WALL)) {
                Err(Errno::ECHILD) => return Ok(code),
                Err(error) => return Err(error.into()),
                Ok(WaitStatus::Exited(pid, with)) => {
                    if pid == self.root {
                        code = Some(with);
                    }
                    continue;
                }
                Ok(WaitStatus::PtraceSyscall(pid)) => {
                    self.look(pid)?;
                    (pid, None)
                }
                // A thread that has just been made begins with a stop.
                Ok(WaitStatus::Stopped(pid, Signal::SIGSTOP)) if known.insert(pid) => (pid, None),
                Ok(WaitStatus::Stopped(pid, signal)) => (pid, Some(signal)),
                Ok(status) => match status.pid() {
                    Some(pid) => (pid, None),
                    None => continue,
                },
            };
            match ptrace::syscall(pid, signal) {
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A thread that ends the program when it has been watched for long enough.
    fn watch_clock(&self) {
        let (root, spoke) = (self.root, self.spoke.clone());
        std::thread::spawn(move || {
            let end = std::time::Instant::now() + PATIENCE;
            while std::time::Instant::now() < end && !spoke.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10));
            }
            std::thread::sleep(MOMENT);
            // It may have ended by itself.
            let _ = kill(root, Signal::SIGKILL);
        });
    }

    fn look(&mut self, pid: Pid) -> Result<()> {
        // A thread may be gone before it is looked at.
        let Ok(info) = ptrace::syscall_info(pid) else { return Ok(()) };
        if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
            return Ok(());
        }
        let Some(call) = call_of(pid) else { return Ok(()) };
        if self.until_it_speaks && call.0 == libc::SYS_write && matches!(call.1[0], 1 | 2) {
            self.spoke.store(true, Ordering::Relaxed);
        }
        let Some((what, path)) = change(pid, &call).filter(|(_, path)| path.starts_with(&self.within)) else {
            return Ok(());
        };
        if self.killed {
            return Ok(());
        }
        let shown = path.strip_prefix(&self.within).unwrap_or(&path);
        self.changes.push(format!("{what} {}", shown.display()));
        if self.kill_at == Some(self.changes.len()) {
            self.killed = true;
            kill(self.root, Signal::SIGKILL)?;
        }
        match what {
            "mkdir" | "create" | "bind" if !path.exists() => drop(self.undurable.insert(path)),
            "rename" => {
                let at = usize::from(matches!(call.0, libc::SYS_renameat | libc::SYS_renameat2));
                self.undurable.remove(&path_at(pid, call.1[at], None));
                self.undurable.insert(path);
            }
            "unlink" => drop(self.undurable.remove(&path)),
            "sync" => self.undurable.retain(|name| name.parent() != Some(&path)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(target_arch = "x86_64")]
fn call_of(pid: Pid) -> Option<Call> {
    let regs = ptrace::getregs(pid).ok()?;
    Some(Call(regs.orig_rax as c_long, [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9]))
}

#[cfg(target_arch = "aarch64")]
fn call_of(pid: Pid) -> Option<Call> {
    let regs = ptrace::getregs(pid).ok()?.regs;
    Some(Call(regs[8] as c_long, [regs[0], regs[1], regs[2], regs[3], regs[4], regs[5]]))
}

/// What a call changes, if it changes a file: its kind and the path.
fn change(pid: Pid, Call(number, args): &Call) -> Option<(&'static str, PathBuf)> {
    let open = |path, flags: u64| {
        let made = flags & (libc::O_CREAT | libc::O_TRUNC) as u64 != 0;
        made.then_some(("create", path))
    };
    #[cfg(target_arch = "x86_64")]
    match *number {
        libc::SYS_mkdir => return Some(("mkdir", path_at(pid, args[0], None))),
        libc::SYS_rename => return Some(("rename", path_at(pid, args[1], None))),
        libc::SYS_unlink | libc::SYS_rmdir => return Some(("unlink", path_at(pid, args[0], None))),
        libc::SYS_chmod => return Some(("chmod", path_at(pid, args[0], None))),
        libc::SYS_open => return open(path_at(pid, args[0], None), args[1]),
        _ => {}
    }
    let by_fd = |what| Some((what, path_of(pid, args[0])));
    match *number {
        libc::SYS_mkdirat => Some(("mkdir", path_at(pid, args[1], Some(args[0])))),
        libc::SYS_renameat | libc::SYS_renameat2 => Some(("rename", path_at(pid, args[3], Some(args[2])))),
        libc::SYS_linkat => Some(("create", path_at(pid, args[3], Some(args[2])))),
        libc::SYS_unlinkat => Some(("unlink", path_at(pid, args[1], Some(args[0])))),
        libc::SYS_fchmodat => Some(("chmod", path_at(pid, args[1], Some(args[0])))),
        libc::SYS_openat => open(path_at(pid, args[1], Some(args[0])), args[2]),
        libc::SYS_write | libc::SYS_pwrite64 | libc::SYS_writev | libc::SYS_pwritev => by_fd("write"),
        libc::SYS_ftruncate | libc::SYS_fallocate => by_fd("resize"),
        libc::SYS_fsync | libc::SYS_fdatasync => by_fd("sync"),
        libc::SYS_fchmod => by_fd("chmod"),
        // A Unix socket's address: two bytes of family, then the path.
        libc::SYS_bind => Some(("bind", path_at(pid, args[1] + 2, None))),
        _ => None,
    }
}

fn path_of(pid: Pid, fd: u64) -> PathBuf {
    fs::read_link(format!("/proc/{pid}/fd/{}", fd as i32)).unwrap_or_default()
}

/// A path in the program's memory, made absolute by the directory that it is relative to.
fn path_at(pid: Pid, address: u64, dir: Option<u64>) -> PathBuf {
    let mut bytes = vec![0; 4096];
    // Memory ends at a page's end at the latest, so the read may be short.
    let read = File::open(format!("/proc/{pid}/mem")).and_then(|memory| memory.read_at(&mut bytes, address));
    bytes.truncate(read.unwrap_or(0));
    let path = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    let path = PathBuf::from(String::from_utf8_lossy(path).into_owned());
    let base = match dir {
        Some(dir) if dir as i32 != libc::AT_FDCWD => path_of(pid, dir),
        _ => fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default(),
    };
    // `a/./b` is `a/b`.
    base.join(path).components().collect()
}
