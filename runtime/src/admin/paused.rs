//! A node whose process a signal has stopped (SIGSTOP, SIGTSTP): it cannot say anything, but its directory can.

use super::client::Silent;
use super::{Peer, PublishedPort, Status};
use crate::datadir::DataDir;
use crate::digests;
use crate::nodefile::NodeFile;
use anyhow::Result;
use std::fs;
use std::path::Path;

/// The process that holds the directory of an admin socket, as that process has noted it.
#[must_use]
pub fn pid_of(socket: &Path) -> Option<u32> {
    fs::read_to_string(socket.parent()?.join("pid")).ok()?.trim().parse().ok()
}

/// The process that holds the directory of an admin socket, if a signal has stopped it.
#[must_use]
pub fn holder(socket: &Path) -> Option<u32> {
    let pid = pid_of(socket).filter(|pid| is_stopped(*pid))?;
    // A file that a killed node left behind may name a stranger.
    DataDir::at(socket.parent()?).hold_still().is_err().then_some(pid)
}

/// Whether a signal has stopped a process: its state in /proc/PID/stat (proc(5)) follows its name in parentheses.
#[must_use]
pub fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with(['T', 't']))
}

/// What is known of a node that was found paused, from its directory. `error`: how it was found.
///
/// # Errors
/// `error` when the node is not paused; what is wrong with the directory.
pub fn status(target: &Path, error: anyhow::Error) -> Result<Status> {
    let pid = match error.downcast_ref::<Silent>() {
        Some(Silent { pid, paused: true, .. }) => *pid,
        _ => return Err(error),
    };
    let root = if target.is_dir() { target } else { target.parent().unwrap_or(target) };
    let dir = DataDir::at(root);
    let config = dir.config()?;
    let file = NodeFile::read(&dir.file("node.toml")).ok();
    let last = digests::last(&dir.file("digests.bin"), config.digest());
    let mut status = Status {
        node: 1,
        name: config.name.clone(),
        pid,
        role: "paused".into(),
        applied_index: last.map_or(0, |(index, _)| index),
        digest: last.map(|(_, digest)| digest.to_string()).unwrap_or_default(),
        log_bytes: log_bytes(&dir),
        hint: Some(format!("'kill -CONT {pid}' lets the node go on; what it has in memory it tells then")),
        ..Status::default()
    };
    // The directory of a `run` has none.
    if let Some(file) = file {
        status.node = file.node.get();
        status.listen = file.listen.to_string();
        let port = |publish: &crate::args::Publish| PublishedPort {
            listen: publish.listen().to_string(),
            service: publish.service(&config.name).to_string(),
        };
        status.published = file.publish.iter().map(port).collect();
        let others = file.peers.iter().filter_map(|(node, addr)| Some((node.parse().ok()?, addr)));
        let others = others.filter(|(node, _)| *node != status.node);
        status.peers = others.map(|(node, addr)| Peer { node, addr: addr.clone(), ..Peer::default() }).collect();
    }
    Ok(status)
}

/// Bytes of the log's segments.
fn log_bytes(dir: &DataDir) -> u64 {
    let entries = fs::read_dir(dir.log()).into_iter().flatten().flatten();
    let segments = entries.filter(|entry| entry.file_name().as_encoded_bytes().ends_with(b".log"));
    segments.filter_map(|entry| entry.metadata().ok()).map(|meta| meta.len()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_stopped_process_is_stopped() -> Result<()> {
        assert!(!is_stopped(std::process::id()) && !is_stopped(u32::MAX));
        let mut child = std::process::Command::new("sleep").arg("60").spawn()?;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGSTOP)?;
        let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !is_stopped(child.id()) && std::time::Instant::now() < end {
            std::thread::yield_now();
        }
        let stopped = is_stopped(child.id());
        child.kill()?;
        child.wait()?;
        assert!(stopped);
        Ok(())
    }
}
