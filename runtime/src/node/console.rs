//! Where programs' standard output and error go: to ours (`run`), or to files that every node keeps (`node`).

use super::console_file::{ConsoleFile, Positions};
use anyhow::{Context, Result};
use replicode_log::ConsoleStream;
use replicode_node::console::{self, Print};
use std::io::Write;
use std::path::Path;

/// A place for console output.
#[derive(Debug)]
pub enum Console {
    /// Our own standard output and error, unbuffered. Only what is new since this start is written.
    Host,
    /// `stdout.log` and `stderr.log`.
    Files {
        /// Standard output.
        stdout: Box<ConsoleFile>,
        /// Standard error.
        stderr: Box<ConsoleFile>,
        /// How far they are.
        positions: Positions,
    },
}

impl Console {
    /// Files in a node's directory, of at most so many bytes for each stream.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn files(dir: &Path, console_bytes: u64) -> Result<Self> {
        let positions = Positions::open(&dir.join("console.pos"))?;
        let stdout = ConsoleFile::open(dir, "stdout.log", 0, &positions, console_bytes)?;
        let stderr = ConsoleFile::open(dir, "stderr.log", 1, &positions, console_bytes)?;
        Ok(Self::Files { stdout: Box::new(stdout), stderr: Box::new(stderr), positions })
    }

    /// Opens files anew: somebody has moved them away.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn reopen(&mut self) -> Result<()> {
        if let Self::Files { stdout, stderr, positions } = self {
            stdout.reopen(positions)?;
            stderr.reopen(positions)?;
        }
        Ok(())
    }

    /// Hands what has been gathered to the operating system.
    ///
    /// # Errors
    /// As for [`Console::print`].
    pub fn flush(&mut self) -> Result<()> {
        if let Self::Files { stdout, stderr, positions } = self {
            stdout.flush(positions)?;
            stderr.flush(positions)?;
        }
        Ok(())
    }

    /// What kind of place it is: that decides what is written.
    #[must_use]
    pub const fn kind(&self) -> console::Console {
        match self {
            Self::Host => console::Console::Host,
            Self::Files { .. } => console::Console::Files,
        }
    }

    /// Writes what a program wrote.
    ///
    /// # Errors
    /// When the place is gone or full: the node has to stop, the program must not notice.
    pub fn print(&mut self, Print { stream, bytes }: &Print) -> Result<()> {
        match (self, stream) {
            (Self::Host, ConsoleStream::Stdout) => {
                // Standard output of the Rust library is buffered by lines; a program's bytes go out as they come.
                let mut out = std::io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to standard output")
            }
            (Self::Host, ConsoleStream::Stderr) => {
                std::io::stderr().write_all(bytes).context("cannot write to standard error")
            }
            (Self::Files { stdout, positions, .. }, ConsoleStream::Stdout) => stdout.write(bytes, positions),
            (Self::Files { stderr, positions, .. }, ConsoleStream::Stderr) => stderr.write(bytes, positions),
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // A node that breaks has executed what it holds; after any other end there is nothing left.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_files_of_their_own() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        for _ in 0..2 {
            let mut console = Console::files(tmp.path(), 1 << 20)?;
            for (stream, text) in
                [(ConsoleStream::Stdout, "one\n"), (ConsoleStream::Stderr, "oh\n"), (ConsoleStream::Stdout, "two\n")]
            {
                console.print(&Print { stream, bytes: text.as_bytes().to_vec() })?;
            }
        }
        assert_eq!(std::fs::read(tmp.path().join("stdout.log"))?, b"one\ntwo\n");
        assert_eq!(std::fs::read(tmp.path().join("stderr.log"))?, b"oh\n");
        Ok(())
    }
}
