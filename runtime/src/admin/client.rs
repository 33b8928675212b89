//! The owner's end of the admin socket.

use super::{Answer, MAX_ANSWER, Request, paused, server};
use crate::datadir::DataDir;
use crate::hints;
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A node that holds its directory and does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the node at {} (process {pid}) {}", .place.display(), if *.paused {
    format!("is paused, stopped by a signal: 'kill -CONT {pid}' lets it go on")
} else {
    "does not answer".to_string()
})]
pub struct Silent {
    /// Its socket.
    pub place: PathBuf,
    /// Its process.
    pub pid: u32,
    /// A signal has stopped the process.
    pub paused: bool,
}

/// Why a node does not answer.
fn silent(path: &Path) -> anyhow::Error {
    let pid = paused::pid_of(path).unwrap_or(0);
    Silent { place: path.to_path_buf(), pid, paused: paused::is_stopped(pid) }.into()
}

/// A connection to a running node.
#[derive(Debug)]
pub struct AdminClient {
    stream: BufReader<UnixStream>,
    path: PathBuf,
    patience: Duration,
}

/// While it waits for an answer, it looks so often whether the node has been paused.
const LOOK: Duration = Duration::from_millis(200);

impl AdminClient {
    /// Connects to the node whose directory (or admin socket) this is.
    ///
    /// # Errors
    /// When no node runs there.
    pub fn connect(dir: &Path) -> Result<Self> {
        let path = if dir.is_dir() { dir.join("admin.sock") } else { dir.to_path_buf() };
        let is_socket = |path: &Path| path.metadata().is_ok_and(|meta| meta.file_type().is_socket());
        if let Some(why) = hints::not_a_directory(dir).filter(|_| !is_socket(dir)) {
            bail!("{why}: name a node's directory");
        }
        if let Some(pid) = paused::holder(&path) {
            return Err(Silent { place: path, pid, paused: true }.into());
        }
        let stream = server::connect(&path).map_err(|error| match error.kind() {
            _ if dir.join("node-1").is_dir() => {
                anyhow!("{} holds several nodes: name one of them, such as node-1", dir.display())
            }
            ErrorKind::NotFound if !dir.exists() => anyhow!("there is no directory {}", dir.display()),
            // Its lock is the first thing that a node takes, its socket the last that it makes.
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => match DataDir::at(dir).hold_still() {
                Ok(_) => anyhow!("no node runs in {}", dir.display()),
                Err(_) => {
                    anyhow!("the node in {} is starting or stopping, and does not answer: ask again", dir.display())
                }
            },
            ErrorKind::WouldBlock => silent(&path),
            _ => anyhow!(error).context(format!("cannot ask the node at {}", path.display())),
        })?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { stream: BufReader::new(stream), path, patience: Duration::from_secs(10) })
    }

    /// How long to wait for an answer.
    pub const fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the node refuses, does not answer in time, or answers something else than `T`.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let what = || format!("cannot ask the node at {}", self.path.display());
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let told = |error: std::io::Error| match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => silent(&self.path),
            _ => anyhow!(error).context(what()),
        };
        self.stream.get_mut().write_all(&line).map_err(told)?;
        line.clear();
        let end = Instant::now() + self.patience;
        while let Err(error) = (&mut self.stream).take((MAX_ANSWER - line.len()) as u64).read_until(b'\n', &mut line) {
            let slow = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            // It may have been paused since it was connected to.
            if !slow || Instant::now() >= end || paused::holder(&self.path).is_some() {
                return Err(told(error));
            }
        }
        ensure!(line.last() == Some(&b'\n'), "the node at {} broke off its answer", self.path.display());
        match serde_json::from_slice(&line).with_context(what)? {
            Answer::Ok(value) => serde_json::from_value(value).with_context(what),
            Answer::Error(why) => bail!("the node at {} answered: {why}", self.path.display()),
        }
    }
}
