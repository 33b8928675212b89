//! Where programs' standard output and error go: to ours (`run`), or to files that every node keeps (`node`).

use crate::datadir::private_file;
use anyhow::{Context, Result};
use replicode_log::ConsoleStream;
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// A place for console output.
#[derive(Debug)]
pub enum Console {
    /// Our own standard output and error, unbuffered. Only what is new since this start is written.
    Host,
    /// `stdout.log` and `stderr.log`.
    Files {
        /// Standard output.
        stdout: ConsoleFile,
        /// Standard error.
        stderr: ConsoleFile,
    },
}

impl Console {
    /// Files in a node's directory.
    ///
    /// # Errors
    /// When they cannot be opened.
    pub fn files(dir: &Path) -> Result<Self> {
        let open = |name: &str| ConsoleFile::open(&dir.join(name));
        Ok(Self::Files { stdout: open("stdout.log")?, stderr: open("stderr.log")? })
    }

    /// Writes what a program wrote. `new` says that the batch was executed for the first time in this cell's history
    /// as far as this process can tell, that is, after its own boot.
    ///
    /// # Errors
    /// When the place is gone or full: the node has to stop, the program must not notice.
    pub fn write(&mut self, stream: ConsoleStream, bytes: &[u8], new: bool) -> Result<()> {
        match (self, stream) {
            (Self::Host, _) if !new => Ok(()),
            (Self::Host, ConsoleStream::Stdout) => {
                // Standard output of the Rust library is buffered by lines; a program's bytes go out as they come.
                let mut out = std::io::stdout().lock();
                out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to standard output")
            }
            (Self::Host, ConsoleStream::Stderr) => {
                std::io::stderr().write_all(bytes).context("cannot write to standard error")
            }
            (Self::Files { stdout, .. }, ConsoleStream::Stdout) => stdout.write(bytes),
            (Self::Files { stderr, .. }, ConsoleStream::Stderr) => stderr.write(bytes),
        }
    }
}

/// A file that holds everything that the cell has ever written to one stream, the same on every node. A node that
/// starts again executes its log anew; what the file holds already is not written a second time.
#[derive(Debug)]
pub struct ConsoleFile {
    path: PathBuf,
    file: File,
    /// Bytes that the file held at start.
    held: u64,
    /// Bytes that the cell has written since genesis.
    written: u64,
}

impl ConsoleFile {
    fn open(path: &Path) -> Result<Self> {
        let mut file = private_file(OpenOptions::new().write(true).create(true).truncate(false), path)?;
        let held = file.seek(SeekFrom::End(0)).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.into(), file, held, written: 0 })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let known = self.held.saturating_sub(self.written).min(bytes.len() as u64);
        self.written += bytes.len() as u64;
        let new = &bytes[known as usize..];
        self.file.write_all(new).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_continues_the_files() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let history: [&[u8]; 3] = [b"one\n", b"two\n", b"three\n"];
        for upto in [1, 2, 2, 3] {
            let mut console = Console::files(tmp.path())?;
            for line in &history[..upto] {
                console.write(ConsoleStream::Stdout, line, false)?;
            }
        }
        assert_eq!(std::fs::read(tmp.path().join("stdout.log"))?, b"one\ntwo\nthree\n");
        // A torn tail is completed in the middle of a write.
        File::options().write(true).open(tmp.path().join("stdout.log"))?.set_len(6)?;
        let mut console = Console::files(tmp.path())?;
        for line in history {
            console.write(ConsoleStream::Stdout, line, true)?;
        }
        assert_eq!(std::fs::read(tmp.path().join("stdout.log"))?, b"one\ntwo\nthree\n");
        assert_eq!(std::fs::read(tmp.path().join("stderr.log"))?, b"");
        Ok(())
    }
}
