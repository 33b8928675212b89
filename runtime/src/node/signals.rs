//! How a node is told to stop: SIGINT, SIGTERM, SIGHUP, or the end of the standard input that `up` holds open.

use super::inbox::{Inbox, StopReason};
use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::io::Read;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A node that has not stopped after so long is ended the hard way. Ten seconds are promised; some of them belong to
/// whoever notices.
const PATIENCE: Duration = Duration::from_secs(9);

/// A signal that follows another one so soon is the same wish: a terminal and `timeout` tell the whole group.
const ECHO: Duration = Duration::from_millis(300);

/// Signals that ask for the end, taken from the threads so that one of them can wait for them.
#[derive(Clone, Copy, Debug)]
pub struct Signals(SigSet);

impl Signals {
    /// Blocks the signals. To be called before any thread is started: threads inherit the mask.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn block() -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block().context("cannot block signals")?;
        Ok(Self(set))
    }

    /// Waits for the next one.
    #[must_use]
    pub fn wait(&self) -> Signal {
        loop {
            if let Ok(signal) = self.0.wait() {
                return signal;
            }
        }
    }

    /// Waits for a signal that is a wish of its own, not an echo of the one just seen.
    #[must_use]
    pub fn wait_for_another(&self) -> Signal {
        let seen = Instant::now();
        loop {
            let signal = self.wait();
            if seen.elapsed() > ECHO {
                return signal;
            }
        }
    }

    /// Starts a thread that tells the node of the first signal, and ends the process at the second, or when the node
    /// does not stop in time: a program may be computing without end.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn tell(self, inbox: Inbox) -> Result<()> {
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || {
            inbox.stop(StopReason::Signal(self.wait()));
            end_in_time();
            let _ = self.wait_for_another();
            end_now("stopped at once by a second signal");
        })?;
        Ok(())
    }
}

/// From now on the process has [`PATIENCE`] to end by itself.
fn end_in_time() {
    let hard = std::thread::Builder::new().name("patience".into()).spawn(|| {
        std::thread::sleep(PATIENCE);
        let why = "the node did not stop in time: a batch was still being executed";
        tracing::error!("{why}");
        end_now(why);
    });
    if let Err(error) = hard {
        tracing::warn!("cannot watch the end: {error}");
    }
}

static AT_HARD_END: Mutex<Option<std::path::PathBuf>> = Mutex::new(None);

/// A temporary directory that is to be removed even when the process is ended the hard way.
pub fn remove_at_hard_end(path: Option<std::path::PathBuf>) {
    *AT_HARD_END.lock().unwrap_or_else(PoisonError::into_inner) = path;
}

fn end_now(why: &str) -> ! {
    crate::telemetry::say(why);
    if let Some(path) = AT_HARD_END.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = std::fs::remove_dir_all(path);
    }
    std::process::exit(1)
}

/// Starts a thread that stops the node when our standard input ends: its other end belongs to whoever started us.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch_stdin(inbox: Inbox) -> Result<()> {
    std::thread::Builder::new().name("parent watch".into()).spawn(move || {
        let mut buffer = [0; 64];
        while std::io::stdin().lock().read(&mut buffer).is_ok_and(|n| n > 0) {}
        inbox.stop(StopReason::ParentGone);
        end_in_time();
    })?;
    Ok(())
}
