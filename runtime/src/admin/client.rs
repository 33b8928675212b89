//! The owner's end of the admin socket.

use super::{Answer, MAX_ANSWER, Request, server};
use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::de::DeserializeOwned;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A connection to a running node.
#[derive(Debug)]
pub struct AdminClient {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl AdminClient {
    /// Connects to the node whose directory (or admin socket) this is.
    ///
    /// # Errors
    /// When no node runs there.
    pub fn connect(dir: &Path) -> Result<Self> {
        let path = if dir.is_dir() { dir.join("admin.sock") } else { dir.to_path_buf() };
        let stream = server::connect(&path).map_err(|error| match error.kind() {
            _ if dir.join("node-1").is_dir() => {
                anyhow!("{} holds several nodes: name one of them, such as node-1", dir.display())
            }
            ErrorKind::NotFound if !dir.exists() => anyhow!("there is no directory {}", dir.display()),
            ErrorKind::NotFound | ErrorKind::ConnectionRefused => anyhow!("no node runs in {}", dir.display()),
            _ => anyhow!(error).context(format!("cannot ask the node at {}", path.display())),
        })?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        Ok(Self { stream: BufReader::new(stream), path })
    }

    /// How long to wait for an answer.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn set_patience(&self, patience: Duration) -> Result<()> {
        Ok(self.stream.get_ref().set_read_timeout(Some(patience))?)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the node refuses, does not answer in time, or answers something else than `T`.
    pub fn ask<T: DeserializeOwned>(&mut self, request: &Request) -> Result<T> {
        let what = || format!("cannot ask the node at {}", self.path.display());
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.stream.get_mut().write_all(&line).with_context(what)?;
        line.clear();
        (&mut self.stream).take(MAX_ANSWER as u64).read_until(b'\n', &mut line).with_context(what)?;
        ensure!(line.last() == Some(&b'\n'), "the node at {} broke off its answer", self.path.display());
        match serde_json::from_slice(&line).with_context(what)? {
            Answer::Ok(value) => serde_json::from_value(value).with_context(what),
            Answer::Error(why) => bail!("the node at {} answered: {why}", self.path.display()),
        }
    }
}
