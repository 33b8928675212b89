//! A cluster as `replicode up` makes it, and single nodes as `replicode run` and `replicode node` make them.

use crate::links::Links;
use crate::process::{Process, run, signal_pid};
use crate::resp::{Resp, Value};
use crate::{binary, check, eventually, free_ports};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value as Json;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long a node or a cluster may take to serve its first request, compilation of the guest included.
pub const START: Duration = Duration::from_secs(60);

/// `replicode`, with arguments.
#[must_use]
pub fn replicode<S: AsRef<std::ffi::OsStr>>(args: &[S]) -> Command {
    let mut command = Command::new(binary());
    command.args(args);
    command
}

/// Runs a subcommand with `--json` and reads what it prints.
///
/// # Errors
/// When it fails or prints no JSON.
pub fn json(args: &[&str]) -> Result<Json> {
    let output = run(replicode(args).arg("--json"), b"", Duration::from_secs(120))?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        bail!("replicode {args:?} failed: {}\n{text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    // One value per line: rows of a table come one by one, and are given back as an array.
    let values: Vec<Json> = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<_, _>>()
        .with_context(|| format!("replicode {args:?} --json printed {text}"))?;
    let rows = matches!(args.first(), Some(&("ps" | "nat" | "log")));
    match <[Json; 1]>::try_from(values) {
        Ok([value]) if value.is_array() || !rows => Ok(value),
        Ok([value]) => Ok(Json::Array(vec![value])),
        Err(values) => Ok(Json::Array(values)),
    }
}

/// One node that runs a server, by `replicode run` or `replicode node`.
pub struct Server {
    /// The process.
    pub process: Process,
    /// Its data directory.
    pub data: PathBuf,
    /// Where it publishes the guest's port.
    pub port: u16,
}

impl Server {
    /// `replicode run MODULE --publish PORT:GUEST --data DIR EXTRA…`; waits until the port answers a PING.
    ///
    /// # Errors
    /// When the node does not serve in time.
    pub fn run_kv(module: &Path, guest_port: u16, data: &Path, extra: &[&str]) -> Result<Self> {
        let port = free_ports(1);
        Self::run_on(module, port, guest_port, data, extra)
    }

    /// As [`Server::run_kv`], on a given port.
    ///
    /// # Errors
    /// When the node does not serve in time.
    pub fn run_on(module: &Path, port: u16, guest_port: u16, data: &Path, extra: &[&str]) -> Result<Self> {
        let mut command = replicode(&["run"]);
        command.arg(module).args(["--publish", &format!("{port}:{guest_port}")]);
        command.arg("--data").arg(data).args(extra);
        let process = Process::start(&mut command, &data.with_extension("log"))?;
        let mut server = Self { process, data: data.to_path_buf(), port };
        server.await_ping()?;
        Ok(server)
    }

    fn await_ping(&mut self) -> Result<()> {
        let port = self.port;
        let process = &mut self.process;
        eventually("the node to serve", START, || {
            if !process.is_running()? {
                bail!("the node has ended:\n{}", process.output());
            }
            ping(port)
        })
        .with_context(|| format!("output of the node:\n{}", self.process.output()))
    }
}

/// Asks a kv guest for a PONG.
///
/// # Errors
/// When it does not answer so within two seconds.
pub fn ping(port: u16) -> Result<()> {
    let pong = Resp::connect(port, Duration::from_secs(2))?.command(&["PING"])?;
    check(pong == Value::Simple("PONG".into()), || format!("PING answered {pong:?}"))
}

/// Asks a kv guest for a write.
///
/// # Errors
/// When it does not answer within `patience` that it is done.
pub fn write(port: u16, key: &str, patience: Duration) -> Result<()> {
    let done = Resp::connect(port, patience)?.command(&["SET", key, "1"])?;
    check(done == Value::Simple("OK".into()), || format!("SET answered {done:?}"))
}

/// A cluster started by `replicode up`, or of nodes started one by one, with wires between them that can be cut.
pub struct Cluster {
    /// The `up` process, if there is one.
    up: Option<Process>,
    /// What lies between the nodes, if it can be cut.
    links: Option<Links>,
    /// Its data directory, with `node-1`, `node-2`, ….
    pub data: PathBuf,
    /// Port of the first node; node `i` has `base + i - 1`.
    pub base: u16,
    /// How many nodes there are.
    pub nodes: u16,
    /// Nodes that were started again by hand.
    revived: Vec<(u16, Process)>,
}

impl Cluster {
    /// `replicode up MODULE --nodes N --publish PORT:GUEST --data DIR EXTRA…`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(module: &Path, nodes: u16, guest_port: u16, data: &Path, extra: &[&str]) -> Result<Self> {
        Self::start_in(&[], module, nodes, guest_port, data, extra)
    }

    /// `replicode up --nodes N --data DIR EXTRA…`: a cell without programs.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_bare(nodes: u16, data: &Path, extra: &[&str]) -> Result<Self> {
        let mut command = replicode(&["up", "--nodes", &nodes.to_string(), "--data"]);
        command.arg(data).args(extra);
        let up = Process::start(&mut command, &data.with_extension("up.log"))?;
        Ok(Self { up: Some(up), links: None, data: data.to_path_buf(), base: 0, nodes, revived: Vec::new() })
    }

    fn start_in(
        environment: &[(&str, String)],
        module: &Path,
        nodes: u16,
        guest_port: u16,
        data: &Path,
        extra: &[&str],
    ) -> Result<Self> {
        let base = free_ports(nodes);
        let mut command = replicode(&["up"]);
        command.envs(environment.iter().cloned());
        command.arg(module).args(["--nodes", &nodes.to_string()]);
        command.args(["--publish", &format!("{base}:{guest_port}")]).arg("--data").arg(data).args(extra);
        let up = Process::start(&mut command, &data.with_extension("up.log"))?;
        Ok(Self { up: Some(up), links: None, data: data.to_path_buf(), base, nodes, revived: Vec::new() })
    }

    /// Starts a cluster of the kv guest and waits until every node serves it.
    ///
    /// # Errors
    /// When a node does not serve in time; the message holds the output of `up`.
    pub fn start_kv(module: &Path, nodes: u16, data: &Path, extra: &[&str]) -> Result<Self> {
        Self::start_kv_in(&[], module, nodes, data, extra)
    }

    /// Starts a cluster of the kv guest whose nodes hear each other over wires that can be cut ([`Cluster::links`]), and waits
    /// until every node serves it. Each node is a `replicode node`, as on a machine of its own.
    ///
    /// # Errors
    /// When the directories cannot be made, or a node does not serve in time.
    pub fn start_linked_kv(module: &Path, nodes: u16, data: &Path) -> Result<Self> {
        Self::start_linked_kv_with(module, nodes, data, &[])
    }

    /// As [`Cluster::start_linked_kv`], with values in every node's `node.toml` that are not those of `init`.
    ///
    /// # Errors
    /// When the directories cannot be made, a value is not found there, or a node does not serve in time.
    pub fn start_linked_kv_with(module: &Path, nodes: u16, data: &Path, values: &[(&str, &str)]) -> Result<Self> {
        let base = free_ports(nodes);
        let listen: Vec<SocketAddr> = (0..nodes).map(|_| free_udp()).collect::<Result<_>>()?;
        let peers: Vec<String> = listen.iter().map(ToString::to_string).collect();
        let mut init = replicode(&["init"]);
        init.arg(data).arg(module).args(["--nodes", &peers.join(","), "--publish", "6379"]);
        let output = run(&mut init, b"", START)?;
        check(output.status.success(), || format!("init failed: {}", String::from_utf8_lossy(&output.stderr)))?;
        let links = Links::new(&listen)?;
        let mut cluster = Self { up: None, links: None, data: data.to_path_buf(), base, nodes, revived: Vec::new() };
        for node in 1..=nodes {
            let file = cluster.dir(node).join("node.toml");
            let text = std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
            for (key, _) in values {
                check(text.contains(&format!("\n{key} = ")), || format!("no {key} in {}", file.display()))?;
            }
            let lines = text.lines().map(|line| {
                let value = values.iter().find(|(key, _)| line.starts_with(&format!("{key} = ")));
                if let Some((key, value)) = value {
                    return format!("{key} = {value}\n");
                }
                let peer = line.split_once(" = ").and_then(|(number, _)| number.parse().ok());
                match peer.and_then(|peer| links.address(node, peer).map(|address| (peer, address))) {
                    Some((peer, address)) => format!("{peer} = \"{address}\"\n"),
                    None if line.starts_with("publish = ") => {
                        format!("publish = [\"127.0.0.1:{}:kv:6379\"]\n", cluster.port(node))
                    }
                    None => format!("{line}\n"),
                }
            });
            std::fs::write(&file, lines.collect::<String>())?;
            cluster.revive(node)?;
        }
        cluster.links = Some(links);
        cluster.await_serving()?;
        Ok(cluster)
    }

    /// The wires between the nodes.
    ///
    /// # Errors
    /// When this cluster was not started with [`Cluster::start_linked_kv`].
    pub fn links(&self) -> Result<&Links> {
        self.links.as_ref().context("the nodes of this cluster hear each other directly")
    }

    /// What `up`, and nodes started by hand, have printed.
    #[must_use]
    pub fn output(&self) -> String {
        let mut text = self.up.as_ref().map(Process::output).unwrap_or_default();
        for (node, process) in &self.revived {
            text.push_str(&format!("node {node}:\n{}", process.output()));
        }
        text
    }

    /// As [`Cluster::start_kv`], with variables in the environment of every node.
    ///
    /// # Errors
    /// When a node does not serve in time.
    pub fn start_kv_in(
        environment: &[(&str, String)],
        module: &Path,
        nodes: u16,
        data: &Path,
        extra: &[&str],
    ) -> Result<Self> {
        let cluster = Self::start_in(environment, module, nodes, 6379, data, extra)?;
        cluster.await_serving()?;
        Ok(cluster)
    }

    /// Waits until every node answers a PING.
    ///
    /// # Errors
    /// When one does not in time.
    pub fn await_serving(&self) -> Result<()> {
        for node in 1..=self.nodes {
            eventually(&format!("node {node} to serve"), START, || ping(self.port(node)))
                .with_context(|| format!("output of the cluster:\n{}", self.output()))?;
        }
        Ok(())
    }

    /// Where node `node` publishes the guest.
    #[must_use]
    pub fn port(&self, node: u16) -> u16 {
        self.base + node - 1
    }

    /// All published ports.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        (1..=self.nodes).map(|node| self.port(node)).collect()
    }

    /// Data directory of a node.
    #[must_use]
    pub fn dir(&self, node: u16) -> PathBuf {
        self.data.join(format!("node-{node}"))
    }

    /// `replicode status --admin DIR/node-i --json`.
    ///
    /// # Errors
    /// When the node does not answer.
    pub fn status(&self, node: u16) -> Result<Json> {
        json(&["status", "--admin", &self.dir(node).to_string_lossy()])
    }

    /// What each node says of itself, in a line.
    #[must_use]
    pub fn briefly(&self) -> String {
        let line = |node: u16| match self.status(node) {
            Ok(status) => {
                let fields = ["role", "term", "leader", "applied_index", "raft_last_index", "raft_commit_index"];
                let mut line = format!("node {node}:");
                for field in fields {
                    line.push_str(&format!(" {field} {}", status[field]));
                }
                for peer in status["peers"].as_array().into_iter().flatten() {
                    line.push_str(&format!(", peer {} heard {} ms ago", peer["node"], peer["last_contact_ms"]));
                }
                line + "\n"
            }
            Err(error) => format!("node {node}: {error:#}\n"),
        };
        (1..=self.nodes).map(line).collect()
    }

    /// Where a node listens for its peers (UDP), as its status tells.
    ///
    /// # Errors
    /// When the node does not answer or does not tell.
    pub fn status_address(&self, node: u16) -> Result<SocketAddr> {
        let status = self.status(node)?;
        let address = status["listen"].as_str().with_context(|| format!("status without 'listen': {status:#}"))?;
        Ok(address.parse()?)
    }

    /// The node that says it leads, asked of every node that answers.
    ///
    /// # Errors
    /// When nobody leads within ten seconds.
    pub fn leader(&self) -> Result<u16> {
        eventually("a leader", Duration::from_secs(10), || {
            let leads = |node: &u16| self.status(*node).is_ok_and(|status| status["role"] == "leader");
            (1..=self.nodes).find(leads).context("no node says that it leads")
        })
    }

    /// The process number in a node's `pid` file.
    ///
    /// # Errors
    /// When there is none.
    pub fn pid(&self, node: u16) -> Result<u32> {
        let path = self.dir(node).join("pid");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Ok(text.trim().parse()?)
    }

    /// Sends a signal to a node.
    ///
    /// # Errors
    /// When the node is gone.
    pub fn signal(&self, node: u16, signal: Signal) -> Result<()> {
        signal_pid(self.pid(node)?, signal)
    }

    /// Kills a node with SIGKILL and waits until its process is gone.
    ///
    /// # Errors
    /// When there was nothing to kill.
    pub fn kill(&mut self, node: u16) -> Result<()> {
        let pid = self.pid(node)?;
        signal_pid(pid, Signal::SIGKILL)?;
        if let Some(at) = self.revived.iter().position(|(n, _)| *n == node) {
            self.revived.remove(at);
        }
        eventually("the killed process to be gone", Duration::from_secs(10), || {
            // A zombie whose parent has not looked yet is gone for our purposes.
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let state = stat.rsplit(')').next().and_then(|rest| rest.trim().chars().next());
            check(matches!(state, None | Some('Z')), || format!("process {pid} is in state {state:?}"))
        })
    }

    /// `replicode node --data DIR/node-i`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn revive(&mut self, node: u16) -> Result<()> {
        let mut command = replicode(&["node", "--data"]);
        command.arg(self.dir(node));
        let log = self.data.with_extension(format!("revived-{node}.log"));
        self.revived.push((node, Process::start(&mut command, &log)?));
        Ok(())
    }

    /// Waits until a node that was started by hand ends by itself; its exit code and what it has printed.
    ///
    /// # Errors
    /// When there is none, or it does not end within `limit`.
    pub fn ended(&mut self, node: u16, limit: Duration) -> Result<(Option<i32>, String)> {
        let at = self.revived.iter().position(|(n, _)| *n == node).context("it was not started by hand")?;
        let status = self.revived[at].1.wait(limit)?;
        let (_, process) = self.revived.remove(at);
        Ok((status.code(), process.output()))
    }

    /// What a node that was started again by hand has printed.
    #[must_use]
    pub fn revived_output(&self, node: u16) -> String {
        self.revived.iter().filter(|(n, _)| *n == node).map(|(_, process)| process.output()).collect()
    }

    /// Waits until all nodes have applied the same batch with the same digest.
    ///
    /// # Errors
    /// When they do not agree in time.
    pub fn await_agreement(&self, limit: Duration) -> Result<Json> {
        eventually("all nodes to agree", limit, || {
            let states: Vec<Json> = (1..=self.nodes).map(|node| self.status(node)).collect::<Result<_>>()?;
            let key = |state: &Json| (state["applied_index"].clone(), state["digest"].clone());
            check(states.iter().all(|state| key(state) == key(&states[0])), || format!("nodes differ: {states:#?}"))?;
            Ok(states[0].clone())
        })
    }

    /// Ctrl-C; waits until everything has stopped.
    ///
    /// # Errors
    /// When it does not stop, or not with exit code 0.
    pub fn stop(&mut self) -> Result<()> {
        for (_, process) in &self.revived {
            process.signal(Signal::SIGINT)?;
        }
        for (_, process) in &mut self.revived {
            process.wait(Duration::from_secs(20))?;
        }
        self.revived.clear();
        let Some(up) = &mut self.up else { return Ok(()) };
        up.signal(Signal::SIGINT)?;
        let status = up.wait(Duration::from_secs(30))?;
        check(status.success(), || format!("up ended with {status}:\n{}", up.output()))
    }
}

/// A UDP address on loopback that is free now.
fn free_udp() -> Result<SocketAddr> {
    Ok(UdpSocket::bind(("127.0.0.1", 0))?.local_addr()?)
}
