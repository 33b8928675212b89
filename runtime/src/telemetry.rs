//! What the runtime says about itself: `tracing` to standard error or to `node.log`.

use crate::node::progress::Told;
use anyhow::{Context, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::Subscriber;
use tracing_subscriber::util::SubscriberInitExt;

/// Tells the person at the terminal something. Nobody may be there any more; that is no error.
pub fn say(text: &str) {
    crate::starting::wipe();
    let _ = writeln!(std::io::stderr().lock(), "replicode: {text}");
}

/// The same as a line of JSON.
pub fn say_json(value: &serde_json::Value) {
    let _ = writeln!(std::io::stderr().lock(), "{value}");
}

/// How far a start is.
pub fn progress(told: Told, json: bool) {
    match told {
        Told::Far(replay) if json => say_json(&serde_json::json!({"replay": replay})),
        Told::Through if json => {}
        told => say(&told.to_string()),
    }
}

/// A `node.log` longer than this is put aside as `node.log.1`, in place of an earlier one.
const KEEP: u64 = 16 << 20;

fn filter(default: &str) -> EnvFilter {
    let asked = std::env::var("REPLICODE_LOG").ok().filter(|text| !text.trim().is_empty());
    // Who asks for `info` means ours: the consensus engine's is a page for each election. Who names it gets it.
    let asked = asked.map(|asked| format!("openraft=error,quinn=warn,{asked}"));
    EnvFilter::try_new(asked.as_deref().unwrap_or(default)).unwrap_or_else(|error| {
        say(&format!("REPLICODE_LOG cannot be understood ({error}); logging as if it were '{default}'"));
        EnvFilter::new(default)
    })
}

/// What `default` says, to standard error, unless `REPLICODE_LOG` asks for something else.
pub fn to_stderr(default: &str) {
    let builder = Subscriber::builder().with_env_filter(filter(default));
    let colours = std::io::stderr().is_terminal();
    // A second call changes nothing: the first decided.
    let builder = builder.with_ansi(colours).with_writer(std::io::stderr).log_internal_errors(false);
    let _ = builder.finish().try_init();
}

/// Opens the file anew, if there is one: somebody has moved it away.
pub fn reopen() {
    if let Some(log) = NODE_LOG.get() {
        log.reopen();
    }
}

/// The node's own log, which never has more than twice [`KEEP`] bytes on disk.
struct NodeLog {
    path: PathBuf,
    open: Mutex<(File, u64)>,
}

static NODE_LOG: OnceLock<NodeLog> = OnceLock::new();

impl NodeLog {
    fn open(path: &Path) -> Result<(File, u64)> {
        let file = crate::datadir::private_file(OpenOptions::new().append(true).create(true), path)?;
        let len = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
        Ok((file, len))
    }

    fn lock(&self) -> MutexGuard<'_, (File, u64)> {
        // Whole at every moment at which its holder could panic.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reopen(&self) {
        // One that cannot be opened is no reason to stop writing to the one that is.
        if let Ok(open) = Self::open(&self.path) {
            *self.lock() = open;
        }
    }
}

impl Write for &NodeLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut open = self.lock();
        if open.1 > KEEP
            && put_aside(&self.path).is_ok()
            && let Ok(anew) = NodeLog::open(&self.path)
        {
            *open = anew;
        }
        let n = open.0.write(bytes)?;
        open.1 += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn put_aside(path: &Path) -> std::io::Result<()> {
    fs::rename(path, path.with_extension("log.1"))
}

/// To a file, appending, from level `info` on unless `REPLICODE_LOG` says otherwise.
///
/// # Errors
/// When the file cannot be opened.
pub fn to_file(path: &Path) -> Result<()> {
    if fs::metadata(path).is_ok_and(|meta| meta.len() > KEEP) {
        put_aside(path).with_context(|| format!("cannot put {} aside", path.display()))?;
    }
    let open = Mutex::new(NodeLog::open(path)?);
    let log = NODE_LOG.get_or_init(|| NodeLog { path: path.to_path_buf(), open });
    // The consensus engine tells a story at 'info', and at 'warn' twenty lines a second while a peer is away; what
    // matters of it comes from our own crates, once.
    let filter = filter("info,openraft=error,quinn=warn");
    // A full disk is told by what it breaks. The library's own way to tell it panics when standard error is gone, too.
    let builder = Subscriber::builder().with_env_filter(filter).with_ansi(false).log_internal_errors(false);
    let _ = builder.with_writer(move || log).finish().try_init();
    Ok(())
}
