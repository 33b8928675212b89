//! One file of console output (`stdout.log`, `stderr.log`): appended to, bounded, and the same after any number of starts.
//!
//! A node that starts again executes its log anew, so everything that the programs have ever printed comes by again. How
//! much of it has been written already is noted in `console.pos`, together with the length that the file had then:
//!
//! | the file is | then |
//! |---|---|
//! | as long as noted | what is noted holds |
//! | longer | a crash came between writing and noting: it is cut to the length noted, and that piece is written again |
//! | shorter, in the same boot of the machine | somebody has moved or emptied it (`logrotate`): what is noted holds |
//! | shorter, after another boot | a crash of the machine may have lost its end: as much is written again |
//! | there, and nothing is noted | it is begun anew |
//!
//! When a file has half of `console_bytes` it is put aside, in place of the one that was put aside before.

use crate::datadir::{is_at, private_file};
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::{io, io::Write};

/// Bytes gathered before they are written.
const GATHERED: usize = 64 << 10;
/// Bytes of a line of `console.pos`.
const LINE: usize = 128;

/// The file `console.pos`: a line of fixed length for each stream, `NAME WRITTEN LENGTH BOOT`.
#[derive(Debug)]
pub struct Positions {
    file: File,
    boot: String,
}

/// What is noted about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Position {
    /// Bytes of the stream, from genesis on, that have been written.
    written: u64,
    /// How long the file was then.
    len: u64,
    /// The machine's boot.
    boot: String,
}

impl Positions {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let file = private_file(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)?;
        // Where the system does not tell, every start is in a boot of its own.
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Ok(Self { file, boot: boot.trim().chars().filter(|c| !c.is_whitespace()).take(40).collect() })
    }

    fn read(&self, slot: u64, name: &str) -> Option<Position> {
        let mut line = [0; LINE];
        self.file.read_exact_at(&mut line, slot * LINE as u64).ok()?;
        let text = std::str::from_utf8(&line).ok()?;
        let mut words = text.strip_suffix('\n')?.split_whitespace();
        let named = words.next()? == name;
        let (written, len) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        named.then(|| Position { written, len, boot: words.next().unwrap_or_default().to_string() })
    }

    fn note(&self, slot: u64, name: &str, written: u64, len: u64) -> io::Result<()> {
        let text = format!("{name} {written} {len} {}", self.boot);
        let line = format!("{text:<width$}\n", width = LINE - 1);
        self.file.write_all_at(line.as_bytes(), slot * LINE as u64)
    }
}

/// See the module.
#[derive(Debug)]
pub struct ConsoleFile {
    path: PathBuf,
    name: &'static str,
    /// Its line in `console.pos`.
    slot: u64,
    file: File,
    /// Its length, as far as this node knows.
    len: u64,
    /// Where it is put aside.
    most: u64,
    /// It should be opened anew and cannot be, which has been told.
    stuck: bool,
    /// Bytes of the stream that need not be written: earlier starts have, or this one.
    written: u64,
    /// Bytes that the cell has printed since genesis.
    printed: u64,
    /// The last of them, not yet written.
    gathered: Vec<u8>,
}

impl ConsoleFile {
    /// Opens or makes the file of a stream.
    ///
    /// # Errors
    /// When the file system refuses.
    pub fn open(dir: &Path, name: &'static str, slot: u64, positions: &Positions, console_bytes: u64) -> Result<Self> {
        let path = dir.join(name);
        let (file, mut len) = append(&path)?;
        let noted = positions.read(slot, name);
        let keep = noted.as_ref().map_or(0, |noted| noted.len);
        if len > keep {
            file.set_len(keep).with_context(|| format!("cannot cut {}", path.display()))?;
            len = keep;
        }
        let written = match noted {
            Some(noted) if len < noted.len && (noted.boot != positions.boot || noted.boot.is_empty()) => {
                noted.written.saturating_sub(noted.len - len)
            }
            Some(noted) => noted.written,
            None => 0,
        };
        let most = (console_bytes / 2).max(1);
        let mut opened =
            Self { path, name, slot, file, len, most, stuck: false, written, printed: 0, gathered: Vec::new() };
        opened.note(positions)?;
        Ok(opened)
    }

    /// Takes what the programs print next.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn write(&mut self, bytes: &[u8], positions: &Positions) -> Result<()> {
        let known = self.written.saturating_sub(self.printed).min(bytes.len() as u64);
        self.printed += bytes.len() as u64;
        self.gathered.extend_from_slice(&bytes[known as usize..]);
        if self.gathered.len() >= GATHERED { self.flush(positions) } else { Ok(()) }
    }

    /// Writes what has been gathered, and notes it.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn flush(&mut self, positions: &Positions) -> Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        let mut rest = &gathered[..];
        let before = self.printed - gathered.len() as u64;
        while !rest.is_empty() {
            if self.len >= self.most {
                self.written = before + (gathered.len() - rest.len()) as u64;
                self.put_aside(positions)?;
            }
            let room = match self.most.saturating_sub(self.len) {
                // It could not be put aside, or another's is as long already: later.
                0 => rest.len(),
                room => usize::try_from(room).unwrap_or(usize::MAX),
            };
            let (piece, later) = rest.split_at(rest.len().min(room));
            self.append(piece)?;
            rest = later;
        }
        self.written = self.printed;
        self.note(positions)?;
        self.gathered = gathered;
        self.gathered.clear();
        Ok(())
    }

    /// Opens the file anew: the one that is open has been moved away. It stays open if that fails, which is told.
    ///
    /// # Errors
    /// When the disk is full or fails.
    pub fn reopen(&mut self, positions: &Positions) -> Result<()> {
        self.flush(positions)?;
        self.open_anew();
        self.note(positions)
    }

    fn open_anew(&mut self) -> bool {
        match append(&self.path) {
            Ok((file, len)) => (self.file, self.len, self.stuck) = (file, len, false),
            // No reason for a node to stop, least of all for all nodes at the same batch.
            Err(error) if !std::mem::replace(&mut self.stuck, true) => {
                tracing::warn!("{error:#}: what the programs print goes on to where {} was until now", self.name);
            }
            Err(_) => {}
        }
        !self.stuck
    }

    fn put_aside(&mut self, positions: &Positions) -> Result<()> {
        self.note(positions)?;
        // Somebody may have moved it already, and SIGHUP is still to come.
        let ours = is_at(&self.file, &self.path) && {
            let mut aside: OsString = self.path.clone().into();
            aside.push(".1");
            match fs::rename(&self.path, &aside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                renamed => {
                    renamed.with_context(|| format!("cannot put {} aside", self.path.display()))?;
                    true
                }
            }
        };
        if !self.open_anew() {
            return Ok(());
        }
        if ours {
            let (name, total) = (self.name, self.written);
            let line = format!(
                "replicode: console_bytes is reached: of the {total} bytes before this line the last ones are in {name}.1, \
                 those before are cut\n"
            );
            tracing::warn!("{name} has half of console_bytes ({} bytes): it is {name}.1 now", self.most);
            self.append(line.as_bytes())?;
        }
        // Else a crash after the next piece would have it written twice: the file is shorter than noted.
        self.note(positions)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<()> {
        let done = self.file.write_all(bytes).and_then(|()| self.file.metadata());
        // Somebody may have emptied it meanwhile, so its length is asked for and not counted.
        self.len = done.with_context(|| format!("cannot write {}", self.path.display()))?.len();
        Ok(())
    }

    fn note(&mut self, positions: &Positions) -> Result<()> {
        positions.note(self.slot, self.name, self.written, self.len).context("cannot write console.pos")
    }
}

fn append(path: &Path) -> Result<(File, u64)> {
    let file = private_file(OpenOptions::new().append(true).create(true), path)?;
    let len = file.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
    Ok((file, len))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "stdout.log";

    struct Node {
        file: ConsoleFile,
        positions: Positions,
    }

    impl Node {
        fn start(dir: &Path, console_bytes: u64, boot: &str) -> Result<Self> {
            let positions = Positions { boot: boot.into(), ..Positions::open(&dir.join("console.pos"))? };
            Ok(Self { file: ConsoleFile::open(dir, NAME, 0, &positions, console_bytes)?, positions })
        }

        fn print(&mut self, text: &str) -> Result<()> {
            self.file.write(text.as_bytes(), &self.positions)?;
            self.file.flush(&self.positions)
        }
    }

    fn lines(from: usize, to: usize) -> String {
        (from..to).map(|n| format!("line {n}\n")).collect()
    }

    fn held(dir: &Path) -> String {
        fs::read_to_string(dir.join(NAME)).unwrap_or_default()
    }

    #[test]
    fn starts_continue_the_file() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        for upto in [1, 2, 2, 3] {
            let mut node = Node::start(tmp.path(), 1 << 20, "a")?;
            for n in 0..upto {
                node.print(&lines(n, n + 1))?;
            }
            assert_eq!(held(tmp.path()), lines(0, upto));
        }
        // Killed between writing and noting.
        append(&tmp.path().join(NAME))?.0.write_all(b"line")?;
        Node::start(tmp.path(), 1 << 20, "a")?.print(&lines(0, 5))?;
        assert_eq!(held(tmp.path()), lines(0, 5));
        // Nothing is known of it.
        fs::write(tmp.path().join("console.pos"), b"\0\0")?;
        Node::start(tmp.path(), 1 << 20, "a")?.print(&lines(0, 6))?;
        assert_eq!(held(tmp.path()), lines(0, 6));
        Ok(())
    }

    #[test]
    fn whoever_rotates_finds_neither_zeros_nor_the_past() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let mut node = Node::start(tmp.path(), 1 << 20, "a")?;
        node.print(&lines(0, 3))?;
        // copytruncate
        fs::write(tmp.path().join(NAME), b"")?;
        node.print(&lines(3, 5))?;
        assert_eq!(held(tmp.path()), lines(3, 5));
        // move and SIGHUP
        fs::rename(tmp.path().join(NAME), tmp.path().join("moved"))?;
        node.print(&lines(5, 6))?;
        node.file.reopen(&node.positions)?;
        node.print(&lines(6, 7))?;
        assert_eq!((held(tmp.path()), fs::read_to_string(tmp.path().join("moved"))?), (lines(6, 7), lines(3, 6)));
        fs::write(tmp.path().join(NAME), b"")?;
        Node::start(tmp.path(), 1 << 20, "a")?.print(&lines(0, 8))?;
        assert_eq!(held(tmp.path()), lines(7, 8));
        Ok(())
    }

    #[test]
    fn what_a_crash_of_the_machine_has_lost_is_written_again() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        Node::start(tmp.path(), 1 << 20, "a")?.print(&lines(0, 9))?;
        append(&tmp.path().join(NAME))?.0.set_len(lines(0, 4).len() as u64 + 2)?;
        Node::start(tmp.path(), 1 << 20, "b")?.print(&lines(0, 10))?;
        assert_eq!(held(tmp.path()), lines(0, 10));
        Ok(())
    }

    #[test]
    fn the_oldest_is_put_aside_once_and_then_cut() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let all = lines(1000, 9000);
        let seen = |text: &str| text.lines().filter(|line| line.starts_with("line ")).count();
        let mut before = String::new();
        for upto in [2000, 5000, 9000, 9000] {
            // Printed in pieces of whatever size.
            let mut node = Node::start(tmp.path(), 20_000, "a")?;
            let text = lines(1000, upto);
            for piece in text.as_bytes().chunks(777) {
                node.file.write(piece, &node.positions)?;
            }
            node.file.flush(&node.positions)?;
            let (aside, now) =
                (fs::read_to_string(tmp.path().join("stdout.log.1")).unwrap_or_default(), held(tmp.path()));
            assert!(aside.len() <= 10_200 && now.len() <= 10_200, "{} and {} bytes", aside.len(), now.len());
            if upto > 2000 {
                assert_eq!(now.lines().next().map(|line| line.contains("console_bytes is reached")), Some(true));
                assert_eq!(now.matches("replicode:").count(), 1);
            }
            let tail: String = aside.split_inclusive('\n').chain(now.split_inclusive('\n')).collect();
            assert!(seen(&tail) > 800 || upto == 2000, "{} lines are left", seen(&tail));
            assert!(now.ends_with(&text[text.len() - 9..]) && all.starts_with(&text), "the newest is kept");
            if upto == 9000 && before == now {
                return Ok(());
            }
            before = now;
        }
        panic!("a start that prints nothing new must change nothing");
    }

    #[test]
    fn a_crash_after_putting_aside_doubles_nothing() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let mut node = Node::start(tmp.path(), 20_000, "a")?;
        node.print(&lines(0, 9))?;
        node.file.put_aside(&node.positions)?;
        // Written and not noted.
        node.file.append(lines(9, 12).as_bytes())?;
        drop(node);
        Node::start(tmp.path(), 20_000, "a")?.print(&lines(0, 13))?;
        let now = held(tmp.path());
        assert!(now.starts_with("replicode:") && now.ends_with(&lines(9, 13)), "{now}");
        assert_eq!(now.matches("line 9\n").count(), 1);
        Ok(())
    }

    #[test]
    fn a_file_that_was_moved_or_cannot_be_opened_stops_no_node() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let (path, moved) = (tmp.path().join(NAME), tmp.path().join("moved"));
        let mut node = Node::start(tmp.path(), 20_000, "a")?;
        node.print(&lines(1000, 1900))?;
        // Moved; SIGHUP comes later than half of console_bytes.
        fs::rename(&path, &moved)?;
        node.print(&lines(1900, 3500))?;
        let first = fs::read_to_string(&moved)?;
        assert!(first.contains("line 1900\n") && held(tmp.path()).ends_with("line 3499\n"));
        // Another one stands there already.
        fs::remove_file(&path)?;
        fs::create_dir(&path)?;
        for n in 0..3 {
            node.print(&lines(4000 + 1000 * n, 5000 + 1000 * n))?;
            node.file.reopen(&node.positions)?;
        }
        assert!(node.file.stuck);
        fs::remove_dir(&path)?;
        node.print(&lines(8000, 8001))?;
        assert_eq!((held(tmp.path()), node.file.stuck), (lines(8000, 8001), false));
        Ok(())
    }
}
