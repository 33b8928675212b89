//! One child process: its output in a file, killed when dropped.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with standard output and error going to `log`.
    ///
    /// # Errors
    /// When the log cannot be made or the program cannot be started.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let out = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let err = out.try_clone()?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        Ok(Self { child, log: log.to_path_buf() })
    }

    /// The process's number.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        signal_pid(self.pid(), signal)
    }

    /// What the program has printed so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// When it does not end within `limit`; the message holds the program's output.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!("process {} still runs after {limit:?}; its output:\n{}", self.pid(), self.output());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the operating system cannot tell.
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process by number.
///
/// # Errors
/// When the process is gone.
pub fn signal_pid(pid: u32, signal: Signal) -> Result<()> {
    let pid = Pid::from_raw(i32::try_from(pid)?);
    kill(pid, signal).with_context(|| format!("sending {signal} to process {pid}"))
}

/// Runs a program to its end, with input given as bytes.
///
/// # Errors
/// When it cannot be started, or does not end within `limit`.
pub fn run(command: &mut Command, stdin: &[u8], limit: Duration) -> Result<Output> {
    use std::io::Write;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {command:?}"))?;
    let mut pipe = child.stdin.take().context("the child has a standard input")?;
    let bytes = stdin.to_vec();
    // A program that never reads must not block the test.
    let feeder = std::thread::spawn(move || {
        let _ = pipe.write_all(&bytes);
    });
    let pid = child.id();
    let (done, finished) = std::sync::mpsc::channel();
    let waiter = std::thread::spawn(move || {
        let _ = done.send(child.wait_with_output());
    });
    let output = match finished.recv_timeout(limit) {
        Ok(output) => output?,
        Err(_) => {
            let _ = signal_pid(pid, Signal::SIGKILL);
            bail!("{command:?} still ran after {limit:?}");
        }
    };
    let _ = (feeder.join(), waiter.join());
    Ok(output)
}
