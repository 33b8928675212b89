//! The processes of a cluster on this machine.

use crate::settings::{Settings, free_ports};
use crate::wires::Wires;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use paxos_types::Op;
use paxos_ws_client::hand::{Answer, End, Session};
use paxos_ws_client::nodes::Nodes;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Everything that should happen happens within this time, on slow machines too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster of three nodes.
pub struct Cluster {
    folder: PathBuf,
    /// Removed when the cluster goes.
    _temporary: Option<tempfile::TempDir>,
    config: PathBuf,
    /// Configurations of single nodes, where they are not all the same.
    own: [Option<PathBuf>; 3],
    ports: u16,
    nodes: [Option<Child>; 3],
    /// Variables for nodes that are started from now on.
    pub environment: Vec<(String, String)>,
    /// A command before the host's, for nodes that are started from now on.
    pub wrapper: Vec<String>,
    /// Further arguments of `paxos-host run`, for nodes that are started from now on.
    pub arguments: Vec<String>,
}

impl Cluster {
    /// Writes the configuration; nothing runs yet.
    #[must_use]
    pub fn prepare(settings: &Settings) -> Self {
        let temporary = tempfile::Builder::new().prefix("paxos-").tempdir().expect("a folder for a test");
        let mut cluster = Self::prepare_in(settings, temporary.path());
        cluster._temporary = Some(temporary);
        cluster
    }

    /// The same in a folder of the caller's.
    #[must_use]
    pub fn prepare_in(settings: &Settings, folder: &Path) -> Self {
        let ports = free_ports(12);
        let config = folder.join("config.yaml");
        std::fs::write(&config, settings.yaml("test", &folder.join("data"), ports))
            .expect("a configuration for a test");
        Self {
            folder: folder.to_owned(),
            _temporary: None,
            config,
            own: [None, None, None],
            ports,
            nodes: [None, None, None],
            environment: Vec::new(),
            wrapper: Vec::new(),
            arguments: Vec::new(),
        }
    }

    /// Starts three nodes and waits until they serve.
    #[must_use]
    pub fn start(settings: &Settings) -> Self {
        let mut cluster = Self::prepare(settings);
        cluster.start_all();
        cluster
    }

    /// Starts three nodes whose connections to each other go through wires in the test's hands.
    #[must_use]
    pub fn start_wired(settings: &Settings) -> (Self, Wires) {
        let mut cluster = Self::prepare(settings);
        let wires = Wires::new(|node, role| cluster.address(node, role));
        for node in 1..=3 {
            let file = cluster.folder.join(format!("config-{node}.yaml"));
            let data = cluster.folder.join("data");
            let text = wires.yaml(settings, node, &data, |node, role| cluster.address(node, role));
            std::fs::write(&file, text).expect("a configuration for a test");
            cluster.own[usize::from(node) - 1] = Some(file);
        }
        cluster.start_all();
        (cluster, wires)
    }

    /// Starts those that do not run, and waits until the cluster serves.
    pub fn start_all(&mut self) {
        for node in 1..=3 {
            if self.nodes[node - 1].is_none() {
                self.start_node(node as u16);
            }
        }
        self.await_service();
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The folder of everything.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of a node's state.
    #[must_use]
    pub fn data(&self, node: u16) -> PathBuf {
        self.folder.join("data").join(format!("node-{node}"))
    }

    /// An address of a node: 0 proposer, 1 acceptor, 2 learner, 3 client.
    #[must_use]
    pub fn address(&self, node: u16, role: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.ports + (node - 1) * 4 + role))
    }

    /// Where clients go.
    #[must_use]
    pub fn nodes(&self) -> Nodes {
        Nodes { cluster: "test".to_owned(), list: (1..=3).map(|node| (node, self.address(node, 3))).collect() }
    }

    /// Starts a node, in a process group of its own.
    pub fn start_node(&mut self, node: u16) {
        let log = OpenOptions::new().create(true).append(true).open(self.log_file(node)).expect("a log for a test");
        let copy = log.try_clone().expect("a log for a test");
        let host = crate::program("paxos-host").unwrap_or_else(|e| panic!("{e}"));
        let mut line = self.wrapper.iter().map(Into::into).chain([host.into_os_string()]);
        let mut command = Command::new(line.next().unwrap_or_default());
        let child = command
            .args(line)
            .args(["run", "--node", &node.to_string()])
            .args(&self.arguments)
            .arg(self.own[usize::from(node) - 1].as_ref().unwrap_or(&self.config))
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .expect("starting paxos-host");
        self.nodes[usize::from(node) - 1] = Some(child);
    }

    fn log_file(&self, node: u16) -> PathBuf {
        self.folder.join(format!("node-{node}.log"))
    }

    /// What a node has said.
    #[must_use]
    pub fn log(&self, node: u16) -> String {
        std::fs::read_to_string(self.log_file(node)).unwrap_or_default()
    }

    /// Forgets what it has said.
    pub fn clear_log(&self, node: u16) {
        File::create(self.log_file(node)).expect("a log for a test");
    }

    fn signal(&self, node: u16, signal: Signal) {
        if let Some(child) = &self.nodes[usize::from(node) - 1] {
            // It may have ended by itself.
            let _ = killpg(Pid::from_raw(child.id().cast_signed()), signal);
        }
    }

    /// `kill -9` of everything that belongs to a node.
    pub fn kill(&mut self, node: u16) {
        self.signal(node, Signal::SIGKILL);
        if let Some(mut child) = self.nodes[usize::from(node) - 1].take() {
            let _ = child.wait();
        }
    }

    /// Stops a node's processes without ending them.
    pub fn pause(&self, node: u16) {
        self.signal(node, Signal::SIGSTOP);
    }

    /// Lets it go on.
    pub fn resume(&self, node: u16) {
        self.signal(node, Signal::SIGCONT);
    }

    /// Asks a node to stop, and waits for it.
    pub fn stop_node(&mut self, node: u16) -> ExitStatus {
        if let Some(child) = &self.nodes[usize::from(node) - 1] {
            // As a user's Ctrl-C or a service manager does: to the node's first process.
            let _ = nix::sys::signal::kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        }
        self.ended(node)
    }

    /// Waits until a node has ended by itself.
    pub fn ended(&mut self, node: u16) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        let child = self.nodes[usize::from(node) - 1].as_mut().expect("a node that was started");
        loop {
            if let Some(status) = child.try_wait().expect("waiting for a node") {
                self.kill(node);
                return status;
            }
            if Instant::now() > until {
                let log = self.log(node);
                self.kill(node);
                panic!("node {node} has not ended within {PATIENCE:?}; it said:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Whether a node's first process runs.
    pub fn runs(&mut self, node: u16) -> bool {
        self.nodes[usize::from(node) - 1].as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Stops all nodes in order.
    pub fn stop(&mut self) {
        for node in 1..=3 {
            if self.nodes[node - 1].is_some() {
                let status = self.stop_node(node as u16);
                assert!(status.success(), "node {node} did not stop in order: {status}\n{}", self.log(node as u16));
            }
        }
    }

    /// A session with the cluster.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.nodes(), PATIENCE).expect("random bytes")
    }

    /// Waits until a request is answered.
    pub fn await_service(&mut self) {
        let Answer { end, .. } = self.session().ask(Op::Get { key: b"are you there?" });
        if !matches!(end, End::Absent | End::Value(_)) {
            let logs: Vec<String> = (1..=3).map(|node| format!("node {node}:\n{}", self.log(node))).collect();
            panic!("the cluster does not serve: {end:?}\n{}", logs.join("\n"));
        }
    }

    /// Waits until a node takes connections of clients.
    pub fn await_listening(&self, node: u16) {
        let until = Instant::now() + PATIENCE;
        while std::net::TcpStream::connect(self.address(node, 3)).is_err() {
            assert!(Instant::now() < until, "node {node} does not listen; it said:\n{}", self.log(node));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a node answers a client: as leader, or by naming the leader.
    pub fn await_ready(&self, node: u16) {
        let until = Instant::now() + PATIENCE;
        loop {
            let nodes = Nodes { cluster: "test".to_owned(), list: vec![(node, self.address(node, 3))] };
            let mut session = Session::new(nodes, Duration::from_millis(100)).expect("random bytes");
            match session.ask(Op::Get { key: b"ready?" }).end {
                End::Absent | End::Value(_) => return,
                End::Unknown(why) if why.contains("leads") => return,
                other => assert!(Instant::now() < until, "node {node} is not ready: {other:?}\n{}", self.log(node)),
            }
        }
    }

    /// Who leads, as clients are told: the node that answers.
    #[must_use]
    pub fn leader(&self) -> u16 {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            for node in 1..=3 {
                let nodes = Nodes { cluster: "test".to_owned(), list: vec![(node, self.address(node, 3))] };
                let mut session = Session::new(nodes, Duration::from_millis(300)).expect("random bytes");
                if matches!(session.ask(Op::Get { key: b"who leads?" }).end, End::Absent | End::Value(_)) {
                    return node;
                }
            }
        }
        panic!("nobody leads");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in 1..=3 {
            self.kill(node);
        }
        if std::thread::panicking() {
            for node in 1..=3 {
                let log = self.log(node);
                let lines: Vec<&str> = log.lines().collect();
                eprintln!("node {node} said last:\n{}", lines[lines.len().saturating_sub(15)..].join("\n"));
            }
        }
    }
}
