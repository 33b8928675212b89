//! What a process says about itself: a Unix socket in the node's folder that answers each connection with one JSON object.

use crate::load::plan::Process;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The figures of a process, shared with the thread that answers.
#[derive(Debug, Clone)]
pub struct Board(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    cluster: String,
    node: u16,
    process: Process,
    started: Instant,
    roles: BTreeMap<&'static str, Role>,
}

#[derive(Debug, Default)]
struct Role {
    ready: bool,
    now: Option<Reading>,
    before: Option<Reading>,
}

#[derive(Debug)]
struct Reading {
    at: Instant,
    figures: Vec<(String, u64)>,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub fn new(cluster: String, node: u16, process: Process) -> Self {
        let roles = process.roles().iter().map(|role| (role.word(), Role::default())).collect();
        Self(Arc::new(Mutex::new(Inner { cluster, node, process, started: Instant::now(), roles })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A role is ready; answers whether all are now.
    pub fn ready(&self, role: &'static str) -> bool {
        let mut inner = self.lock();
        if let Some(role) = inner.roles.get_mut(role) {
            role.ready = true;
        }
        inner.roles.values().all(|role| role.ready)
    }

    /// New figures of a role.
    pub fn figures(&self, role: &'static str, figures: Vec<(String, u64)>) {
        if let Some(role) = self.lock().roles.get_mut(role) {
            role.before = role.now.replace(Reading { at: Instant::now(), figures });
        }
    }

    /// Everything, as JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let inner = self.lock();
        let roles: Map<String, Value> =
            inner.roles.iter().map(|(name, role)| ((*name).to_owned(), role.json())).collect();
        json!({
            "cluster": inner.cluster,
            "node": inner.node,
            "process": inner.process.name(),
            "pid": std::process::id(),
            "up_ms": u64::try_from(inner.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "roles": roles,
        })
    }

    /// Answers on a socket from now on, in a thread of its own: a busy component does not keep anybody waiting.
    ///
    /// # Errors
    /// When the socket cannot be made, such as under a path of more than 100 characters.
    pub fn serve(&self, path: &Path) -> std::io::Result<()> {
        // What lies there is of a process that is gone: two of one name are kept apart by their addresses and their data.
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let board = self.clone();
        std::thread::Builder::new().name("status".into()).spawn(move || {
            for connection in listener.incoming() {
                // Who asks and goes away is no loss; and a socket that fails should not eat a processor.
                match connection {
                    Ok(stream) => {
                        let _ = answer(stream, &board);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(100)),
                }
            }
        })?;
        Ok(())
    }
}

fn answer(mut stream: UnixStream, board: &Board) -> std::io::Result<()> {
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    writeln!(stream, "{}", board.json())
}

impl Role {
    fn json(&self) -> Value {
        let figures: Map<String, Value> = self
            .now
            .iter()
            .flat_map(|reading| &reading.figures)
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        json!({ "ready": self.ready, "figures": figures, "per_second": self.rates() })
    }

    /// How fast each figure grew between the last two readings.
    fn rates(&self) -> Map<String, Value> {
        let (Some(now), Some(before)) = (&self.now, &self.before) else { return Map::new() };
        // Figures that have not been renewed for a while say nothing about the present.
        let stale = now.at.elapsed() > Duration::from_secs(5);
        let seconds = now.at.duration_since(before.at).as_secs_f64().max(0.001);
        let rate = |(name, value): &(String, u64)| {
            let old = before.figures.iter().find(|(other, _)| other == name).map_or(0, |(_, old)| *old);
            let grown = if stale { 0 } else { value.saturating_sub(old) };
            // Figures are far below 2^52.
            #[allow(clippy::cast_precision_loss)]
            (name.clone(), json!((grown as f64 / seconds).round()))
        };
        now.figures.iter().map(rate).collect()
    }
}

/// Where a process answers.
#[must_use]
pub fn socket(data_dir: &Path, node: u16, process: Process) -> PathBuf {
    data_dir.join(format!("node-{node}")).join(format!("{process}.sock"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn answers_with_figures() {
        let folder = tempfile::tempdir().expect("a folder");
        let board = Board::new("demo".into(), 2, Process::Role(paxos_config::Role::Acceptor));
        let path = folder.path().join("a.sock");
        board.serve(&path).expect("served");
        assert!(board.ready("acceptor"));
        board.figures("acceptor", vec![("accepted".into(), 5)]);
        board.figures("acceptor", vec![("accepted".into(), 7)]);
        for _ in 0..2 {
            let mut text = String::new();
            UnixStream::connect(&path).and_then(|mut stream| stream.read_to_string(&mut text)).expect("an answer");
            let value: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(value["node"], 2);
            assert_eq!(value["roles"]["acceptor"]["figures"]["accepted"], 7);
            assert_eq!(value["roles"]["acceptor"]["ready"], true);
            assert!(value["roles"]["acceptor"]["per_second"]["accepted"].as_f64() > Some(0.0));
        }
    }

    #[test]
    fn a_combined_process_is_ready_when_all_its_roles_are() {
        let board = Board::new("demo".into(), 1, Process::Combined);
        assert!(!board.ready("acceptor"));
        assert!(!board.ready("learner"));
        assert!(board.ready("proposer"));
    }
}
