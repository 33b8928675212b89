//! What a command is at before its node runs: shown on a terminal when it takes long, and named when a signal ends it.

use std::io::{IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A step that takes longer than this is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is renewed.
const TICK: Duration = Duration::from_millis(250);
/// Bytes that are read before they are counted.
const PIECE: u64 = 4 << 20;
/// Back to the beginning of the line, and wipes it (ECMA-48, 8.3.41).
const WIPE: &str = "\r\x1b[K";

static STEP: Mutex<Option<Step>> = Mutex::new(None);
static FILES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static SHOWN: AtomicBool = AtomicBool::new(false);
static OVER: AtomicBool = AtomicBool::new(false);

struct Step {
    what: String,
    since: Instant,
}

fn step() -> MutexGuard<'static, Option<Step>> {
    // Whole at every moment at which its holder could panic.
    STEP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The command begins with something else: `reading module kv.wasm`.
pub fn at(what: String) {
    let mut step = step();
    wipe();
    FILES.store(0, Ordering::Relaxed);
    BYTES.store(0, Ordering::Relaxed);
    *step = Some(Step { what, since: Instant::now() });
}

/// One more file, or directory, is dealt with.
pub fn one_more() {
    FILES.fetch_add(1, Ordering::Relaxed);
}

/// Reads something to its end, and shows how much has come.
///
/// # Errors
/// Those of the source.
pub fn read_all(mut source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    loop {
        let n = source.by_ref().take(PIECE).read_to_end(&mut content)?;
        BYTES.fetch_add(n as u64, Ordering::Relaxed);
        if (n as u64) < PIECE {
            return Ok(content);
        }
    }
}

/// The start is over: nothing is shown any more.
pub fn over() {
    let mut step = step();
    OVER.store(true, Ordering::Relaxed);
    wipe();
    *step = None;
}

/// What the command is at.
pub fn now_at() -> Option<String> {
    step().as_ref().map(|step| step.what.clone())
}

/// Takes the line off the terminal: something else is written.
pub fn wipe() {
    if SHOWN.swap(false, Ordering::Relaxed) {
        let _ = std::io::stderr().write_all(WIPE.as_bytes());
    }
}

/// Starts showing, if somebody could see it.
pub fn show() {
    if !std::io::stderr().is_terminal() {
        return;
    }
    // Without the thread nothing is shown, which is no reason to fail.
    let _ = std::thread::Builder::new().name("progress".into()).spawn(|| {
        while !OVER.load(Ordering::Relaxed) {
            std::thread::sleep(TICK);
            let step = step();
            let Some(Step { what, since }) = &*step else { continue };
            let elapsed = since.elapsed();
            if elapsed >= PATIENCE {
                let text = line(what, FILES.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed), elapsed);
                SHOWN.store(true, Ordering::Relaxed);
                let _ = std::io::stderr().write_all(format!("{WIPE}{text}").as_bytes());
            }
        }
    });
}

fn line(what: &str, files: u64, bytes: u64, elapsed: Duration) -> String {
    let mut text = format!("replicode: {what} …");
    if files > 0 {
        text.push_str(&format!(" {files} files,"));
    }
    if bytes > 0 {
        text.push_str(&format!(" {:.1} MB,", bytes as f64 / 1e6));
    }
    text.push_str(&format!(" {} s", elapsed.as_secs()));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_is_known() {
        let two = Duration::from_millis(2700);
        assert_eq!(line("compiling kv.wasm", 0, 0, two), "replicode: compiling kv.wasm … 2 s");
        assert_eq!(line("importing /srv", 12, 3_450_000, two), "replicode: importing /srv … 12 files, 3.5 MB, 2 s");
    }
}
