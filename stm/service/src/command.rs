//! What the three programs share: how they end and how they print.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// How a program ends that could not do what it was asked for.
#[derive(Debug)]
pub enum End {
    /// Exit code 1: it was tried and failed; of the checker: a property does not hold.
    Failed(String),
    /// Exit code 2: the way it was called makes no sense (also given by the parser of arguments).
    Usage(String),
    /// Exit code 3, of the checker: the question could not be put, because a server did not start or went away.
    Unable(String),
}

impl<E: std::error::Error> From<E> for End {
    fn from(error: E) -> Self {
        End::Failed(error.to_string())
    }
}

/// Turns the result of a program into its exit code; the reason goes to standard error.
pub fn end(program: &str, result: Result<(), End>) -> ExitCode {
    let (code, why) = match result {
        Ok(()) => return ExitCode::SUCCESS,
        Err(End::Failed(why)) => (1, why),
        Err(End::Usage(why)) => (2, why),
        Err(End::Unable(why)) => (3, why),
    };
    eprintln!("{program}: {why}");
    ExitCode::from(code)
}

/// Prints a result: as one line of JSON, or in words.
pub fn say(json: bool, object: &serde_json::Value, words: impl Display) {
    if json { line(object) } else { line(words) }
}

/// Prints a line. Nobody may be reading any more (`… | head -1`): that is no reason to fail.
pub fn line(text: impl Display) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Bytes in hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
