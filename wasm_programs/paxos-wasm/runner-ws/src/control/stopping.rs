//! How a process is asked to stop: by signal, or by its coordinator through its standard input.

use crate::bell::Bell;
use crate::log::Log;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use paxos_config::Level;
use std::io::BufRead as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How long a process that was asked to stop may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whether to stop. Cheap to clone; it never becomes false again.
#[derive(Debug, Clone, Default)]
pub struct Stopping {
    asked: Arc<AtomicBool>,
    bell: Bell,
}

impl Stopping {
    /// Whether somebody asked.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }

    /// Rung when somebody asks.
    pub const fn bell(&self) -> &Bell {
        &self.bell
    }

    /// Asks. A process that does not obey in time ends all the same; a second asking ends it at once.
    pub fn ask(&self, log: &Log, why: &str) {
        if self.asked.swap(true, Ordering::AcqRel) {
            log.write(Level::Warn, &format!("{why}, for the second time: ends at once"));
            std::process::exit(1);
        }
        log.write(Level::Info, &format!("stops: {why}"));
        self.bell.ring();
        let log = log.clone();
        let late = move || {
            std::thread::sleep(PATIENCE);
            log.write(Level::Error, &format!("has not stopped in {} s: ends at once", PATIENCE.as_secs()));
            std::process::exit(1);
        };
        // Without the thread nothing but this last resort is missing.
        let _ = std::thread::Builder::new().name("patience".into()).spawn(late);
    }

    /// Listens for signals from now on. `terminal`: those of a terminal are for us, not only for a coordinator above.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn on_signals(&self, log: &Log, terminal: bool) -> std::io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let (stopping, log) = (self.clone(), log.clone());
        let (mut terminate, mut interrupt) = {
            let _inside = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let listen = async move {
            loop {
                tokio::select! {
                    _ = terminate.recv() => stopping.ask(&log, "a signal asked for it (SIGTERM)"),
                    // From a terminal all processes of a node get it, and the coordinator stops the others in order.
                    _ = interrupt.recv(), if terminal => stopping.ask(&log, "a signal asked for it (SIGINT)"),
                }
            }
        };
        std::thread::Builder::new().name("signals".into()).spawn(move || runtime.block_on(listen))?;
        Ok(())
    }

    /// Obeys the coordinator at the other end of our standard input from now on.
    ///
    /// # Errors
    /// When no thread can be had.
    pub fn on_lifeline(&self, log: &Log) -> std::io::Result<()> {
        let (stopping, log) = (self.clone(), log.clone());
        let listen = move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if line == "stop" && !stopping.asked() {
                    stopping.ask(&log, "the coordinator asked for it");
                }
            }
            if !stopping.asked() {
                log.write(Level::Warn, "ends: its coordinator is gone");
                die();
            }
        };
        std::thread::Builder::new().name("lifeline".into()).spawn(listen)?;
        Ok(())
    }
}

/// Ends this process at once, as by `kill -9`: nothing is flushed, nothing is closed in order.
pub fn die() -> ! {
    let _ = kill(Pid::this(), Signal::SIGKILL);
    // A signal to oneself has arrived before the call is over; if it was refused:
    std::process::abort()
}
