//! Recordings made up: small cells of scripts that together touch everything there is to touch.
//!
//! A scene is added and never changed once it is recorded; what it leaves out becomes a new scene. Each script says what
//! its author expects, so that a scene is compared with the documentation as well as with its own past.

mod calls;
mod descriptors;
mod endings;
mod files;
mod hostile;
mod inputs;
mod sockets;
mod waiting;

use crate::logbook::Logbook;
use crate::recording::Results;
use crate::script::{Script, Want, at};
use anyhow::Result;
use replicode_syscalls::abi::Errno;

/// A made-up cell.
#[derive(Clone, Debug)]
pub struct Scene {
    /// Name of its recording.
    pub name: &'static str,
    /// Its programs and batches.
    pub book: Logbook,
    /// What the authors of its scripts expect, by process.
    pub scripts: Vec<(u32, Script)>,
}

impl Scene {
    /// Where what came of the scene is not what its scripts expect.
    #[must_use]
    pub fn surprises(&self, results: &Results) -> Vec<String> {
        let of = |(pid, script): &(u32, Script)| script.surprises(*pid, results);
        self.scripts.iter().flat_map(of).map(|line| format!("{}: {line}", self.name)).collect()
    }
}

/// All scenes.
///
/// # Errors
/// When a script is no program.
pub fn all() -> Result<Vec<Scene>> {
    let mut scenes = vec![
        files::scene()?,
        files::limits()?,
        descriptors::scene()?,
        waiting::scene()?,
        waiting::locks()?,
        sockets::scene()?,
        sockets::errors()?,
        inputs::scene()?,
        endings::traps()?,
        endings::restarts()?,
        calls::scene()?,
        calls::without()?,
        calls::programs()?,
        calls::submitted()?,
        hostile::contracts()?,
    ];
    scenes.extend(hostile::scenes()?);
    Ok(scenes)
}

/// Every right, and every bit of anything.
const ALL: u64 = u64::MAX;
/// `FD_READ` and `FD_WRITE`.
const READ: u64 = 1 << 1;
const WRITE: u64 = 1 << 6;
/// `oflags`.
const CREAT: u64 = 1;
const DIRECTORY: u64 = 2;
const EXCL: u64 = 4;
const TRUNC: u64 = 8;
/// The root directory's descriptor.
const ROOT: u64 = 3;

impl Script {
    /// `path_open` below a directory, as a program does it that follows links.
    fn open(&mut self, dir: u64, path: &str, oflags: u64, rights: u64, want: Want) -> &mut Self {
        self.put(at::PATH, path.as_bytes());
        self.call("path_open", &[dir, 1, at::PATH, path.len() as u64, oflags, rights, rights, 0, at::OUT], want)
    }

    /// A call whose last parameters before `rest` are a path, and its length.
    fn path(&mut self, name: &str, first: &[u64], path: &str, rest: &[u64], want: Want) -> &mut Self {
        self.put(at::PATH, path.as_bytes());
        let args = [first, &[at::PATH, path.len() as u64], rest].concat();
        self.call(name, &args, want)
    }

    /// A call with two paths.
    fn paths(&mut self, name: &str, (first, one): (&[u64], &str), (dir, two): (u64, &str), want: Want) -> &mut Self {
        self.put(at::PATH, one.as_bytes()).put(at::PATH2, two.as_bytes());
        let args = [first, &[at::PATH, one.len() as u64, dir, at::PATH2, two.len() as u64]].concat();
        self.call(name, &args, want)
    }

    /// Writes a text to a descriptor.
    fn write(&mut self, fd: u64, text: &[u8], want: Want) -> &mut Self {
        self.put(at::BUF, text).iov(&[(at::BUF, text.len() as u64)]);
        self.call("fd_write", &[fd, at::IOV, 1, at::OUT], want)
    }

    /// Reads from a descriptor.
    fn read(&mut self, fd: u64, len: u64, want: Want) -> &mut Self {
        self.iov(&[(at::BUF, len)]);
        self.call("fd_read", &[fd, at::IOV, 1, at::OUT], want)
    }

    /// Sleeps, with `poll_oneoff` on the monotonic clock.
    fn sleep(&mut self, nanos: u64) -> &mut Self {
        let mut subscription = [0; 48];
        subscription[16] = 1;
        subscription[24..32].copy_from_slice(&nanos.to_le_bytes());
        self.put(at::SUBS, &subscription).ok("poll_oneoff", &[at::SUBS, at::EVENTS, 1, at::OUT])
    }
}

/// An expected error.
const fn fails(errno: Errno) -> Want {
    Want::Fails(errno)
}
