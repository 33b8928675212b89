//! How a command is told to stop, from its first moment on: SIGINT, SIGTERM, SIGHUP, or the end of the standard input
//! that `up` holds open.
//!
//! | the command | what a signal does |
//! |---|---|
//! | starts: reads, imports, compiles, opens the log | ends the process at once, with 128 and the signal's number |
//! | makes directories | is noted: whoever makes them looks at [`interrupted`], and removes what it has made |
//! | runs | tells the node; a second one ends the process |
//!
//! For a node SIGHUP is no such word: it opens its logs anew.

use super::inbox::{Inbox, StopReason};
use crate::{starting, telemetry};
use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A node that has not stopped after so long is ended the hard way. Ten seconds are promised; some of them belong to
/// whoever notices.
const PATIENCE: Duration = Duration::from_secs(9);

/// A signal that follows another one so soon is the same wish: a terminal and `timeout` tell the whole group.
const ECHO: Duration = Duration::from_millis(300);

/// How often, and how far apart, it is tried to remove a directory in which another thread may be making files.
const ATTEMPTS: u32 = 100;
const ATTEMPTS_APART: Duration = Duration::from_millis(10);

/// What SIGHUP asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hangup {
    /// The end: the terminal is gone.
    Stops,
    /// That logs are opened anew: somebody has moved them away.
    Reopens,
}

/// A word to whatever runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// End.
    Stop(StopReason),
    /// Open logs anew.
    Reopen,
}

enum Phase {
    Starting,
    Making,
    Running(Box<dyn FnMut(Word) + Send>),
}

/// A signal ended the command before it ran.
#[derive(Debug, thiserror::Error)]
#[error("interrupted by {0}")]
pub struct Interrupted(pub Signal);

static PHASE: Mutex<Phase> = Mutex::new(Phase::Starting);
/// The signal that came while directories were being made.
static INTERRUPTED: AtomicI32 = AtomicI32::new(0);
static AT_HARD_END: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn phase() -> MutexGuard<'static, Phase> {
    // Poison would come from a panic between plain assignments: there is none.
    PHASE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The exit code of a command that a signal ended, as a shell has it.
#[must_use]
pub const fn exit_code(signal: Signal) -> u8 {
    128 + (signal as i32 & 0x7f) as u8
}

/// Signals that ask for the end, taken from the threads so that one of them can wait for them.
#[derive(Clone, Copy, Debug)]
pub struct Signals(());

impl Signals {
    /// Takes the signals, and begins to attend to them. To be called before any other thread is started: threads inherit
    /// the mask.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn catch(hangup: Hangup) -> Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            set.add(signal);
        }
        set.thread_block().context("cannot block signals")?;
        let thread = std::thread::Builder::new().name("signals".into());
        thread.spawn(move || attend(set, hangup)).context("cannot start the thread that attends to signals")?;
        starting::show();
        Ok(Self(()))
    }

    /// Makes directories: what `make` does is not cut off by a signal but looks for one, see [`interrupted`].
    ///
    /// # Errors
    /// What `make` answers; [`Interrupted`].
    pub fn while_making<T>(self, make: impl FnOnce() -> Result<T>) -> Result<T> {
        *phase() = Phase::Making;
        let made = make();
        *phase() = Phase::Starting;
        let made = made?;
        interrupted()?;
        Ok(made)
    }

    /// From now on signals are told to the node. The process is ended at the second one, or when the node does not stop
    /// in time: a program may be computing without end.
    pub fn tell(self, inbox: Inbox) {
        self.then(move |word| match word {
            Word::Stop(reason) => {
                inbox.stop(reason);
                be_patient();
            }
            Word::Reopen => inbox.reopen(),
        });
    }

    /// From now on signals are told to `tell`, once the start is over; the second one that asks for the end ends the
    /// process.
    pub fn then(self, tell: impl FnMut(Word) + Send + 'static) {
        starting::over();
        *phase() = Phase::Running(Box::new(tell));
    }
}

/// Whether a signal asks those who make directories to give up.
///
/// # Errors
/// [`Interrupted`], if so.
pub fn interrupted() -> Result<(), Interrupted> {
    match Signal::try_from(INTERRUPTED.load(Ordering::Relaxed)) {
        Ok(signal) => Err(Interrupted(signal)),
        Err(_) => Ok(()),
    }
}

/// The thread of the signals.
fn attend(set: SigSet, hangup: Hangup) {
    let mut told: Option<Instant> = None;
    loop {
        let Ok(signal) = set.wait() else { continue };
        if signal == Signal::SIGHUP && hangup == Hangup::Reopens {
            telemetry::reopen();
            if let Phase::Running(tell) = &mut *phase() {
                tell(Word::Reopen);
            }
            continue;
        }
        match told {
            None => stop(StopReason::Signal(signal)),
            Some(at) if at.elapsed() > ECHO => end_now("stopped at once by a second signal"),
            Some(_) => continue,
        }
        told = Some(Instant::now());
    }
}

fn stop(reason: StopReason) {
    // Held to the end of the process if it comes to that: nobody else says anything then.
    let mut phase = phase();
    match (&mut *phase, reason) {
        (Phase::Running(tell), _) => tell(Word::Stop(reason)),
        (Phase::Making, StopReason::Signal(signal)) => INTERRUPTED.store(signal as i32, Ordering::Relaxed),
        (Phase::Starting, StopReason::Signal(signal)) => {
            let what = starting::now_at().map(|what| format!(" while {what}")).unwrap_or_default();
            telemetry::say(&format!("interrupted by {signal}{what}"));
            end(exit_code(signal));
        }
        (Phase::Making | Phase::Starting, StopReason::ParentGone) => end(0),
    }
}

/// As long as it is held no signal ends a start; and once one does, nobody gets it any more.
pub struct Undisturbed(#[expect(dead_code, reason = "held, not read")] MutexGuard<'static, Phase>);

/// For a step that would undo what the end of the process does: making a directory anew that has just been removed.
pub fn undisturbed() -> Undisturbed {
    Undisturbed(phase())
}

/// Returns unless a signal is just ending the process: then whatever went wrong went wrong because of it.
pub fn unless_ending() {
    drop(phase());
}

fn be_patient() {
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

fn at_hard_end() -> MutexGuard<'static, Vec<PathBuf>> {
    AT_HARD_END.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file or temporary directory that is to be removed even when the process is ended the hard way.
pub fn remove_at_hard_end(path: &Path) {
    at_hard_end().push(path.to_path_buf());
}

/// It is removed already.
pub fn keep_at_hard_end(path: &Path) {
    at_hard_end().retain(|other| other != path);
}

fn end_now(why: &str) -> ! {
    telemetry::say(why);
    end(1)
}

/// Ends the process. Other threads may be in the middle of writing: what stands under a durable name bears that.
fn end(code: u8) -> ! {
    for path in at_hard_end().drain(..) {
        // Somebody may just be making a file in it.
        for _ in 0..ATTEMPTS {
            let removed = if path.is_dir() { std::fs::remove_dir_all(&path) } else { std::fs::remove_file(&path) };
            if removed.is_ok() || !path.exists() {
                break;
            }
            std::thread::sleep(ATTEMPTS_APART);
        }
    }
    std::process::exit(code.into())
}

/// Starts a thread that stops the node when our standard input ends: its other end belongs to whoever started us.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch_stdin() -> Result<()> {
    std::thread::Builder::new().name("parent watch".into()).spawn(move || {
        let mut buffer = [0; 64];
        while std::io::stdin().lock().read(&mut buffer).is_ok_and(|n| n > 0) {}
        stop(StopReason::ParentGone);
    })?;
    Ok(())
}
