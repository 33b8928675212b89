//! Servers beside the nodes of a cell, for one test.

use anyhow::{Context, Result, ensure};
use replicode_functions_client::{Client, ClientError, Config};
use replicode_tests::cluster::{Cluster, START, replicode};
use replicode_tests::process::Process;
use replicode_tests::{check, eventually};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub const TIMEOUT: Duration = Duration::from_secs(60);
pub const PLAIN: Config = Config { timeout_ms: None, memory_limit_mb: None, fuel: None, output_limit_mb: None };

/// The bytes of a function of `wasm_programs/functions`.
pub fn wasm(name: &str) -> Result<Vec<u8>> {
    let path = replicode_tests::root().join(format!("wasm_programs/build/fn-{name}.wasm"));
    std::fs::read(&path).with_context(|| format!("{} is missing: run wasm_programs/build.sh", path.display()))
}

/// A server.
pub struct Beside {
    process: Process,
    socket: PathBuf,
}

impl Beside {
    /// One beside a node; or one alone, without.
    pub fn start(node: Option<&Path>, socket: &Path, more: &[&str]) -> Result<Self> {
        let mut command: Command = replicode(&["fn", "serve", "--socket"]);
        command.arg(socket).args(more);
        match node {
            Some(node) => command.arg("--node").arg(node),
            None => command.arg("--data").arg(socket.with_extension("data")),
        };
        let mut process = Process::start(&mut command, &socket.with_extension("log"))?;
        eventually("the server to listen", TIMEOUT, || {
            check(process.is_running()?, || format!("it has ended: {}", process.output()))?;
            Ok(Client::connect(socket)?)
        })?;
        Ok(Self { process, socket: socket.to_path_buf() })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    pub fn client(&self) -> Result<Client> {
        let mut client = Client::connect(&self.socket)?;
        client.set_timeout(Some(TIMEOUT));
        Ok(client)
    }

    pub fn stop(&mut self) -> Result<()> {
        self.process.signal(nix::sys::signal::Signal::SIGTERM)?;
        let status = self.process.wait(TIMEOUT)?;
        ensure!(status.success(), "it ended with {status}: {}", self.process.output());
        Ok(())
    }
}

/// A cell with contracts, and a server beside each node.
pub struct Cell {
    pub cluster: Cluster,
    pub servers: Vec<Beside>,
    tmp: tempfile::TempDir,
    starts: u32,
}

impl Cell {
    pub fn start(nodes: u16, more: &[&str]) -> Result<Self> {
        let tmp = tempfile::tempdir()?;
        let cluster = Cluster::start_bare(nodes, &tmp.path().join("cell"), &["--contracts"])?;
        let mut cell = Self { cluster, servers: Vec::new(), tmp, starts: 0 };
        cell.serve(more)?;
        Ok(cell)
    }

    /// Servers beside all nodes, once these serve.
    pub fn serve(&mut self, more: &[&str]) -> Result<()> {
        self.starts += 1;
        for node in 1..=self.cluster.nodes {
            eventually("the node to be admitted", START, || {
                let status = self.cluster.status(node)?;
                ensure!(status["boot"].as_u64() > Some(0), "node {node} is not admitted yet");
                Ok(())
            })
            .with_context(|| self.cluster.output())?;
            let socket = self.path(&format!("s{node}-{}", self.starts));
            self.servers.push(Beside::start(Some(&self.cluster.dir(node)), &socket, more)?);
        }
        Ok(())
    }

    /// Ends everything, in order, and starts it again.
    pub fn restart(&mut self) -> Result<()> {
        self.servers.iter_mut().try_for_each(Beside::stop)?;
        self.servers.clear();
        self.cluster.stop()?;
        self.cluster = Cluster::start_bare(self.cluster.nodes, &self.tmp.path().join("cell"), &["--contracts"])?;
        self.serve(&[])
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.tmp.path().join(name)
    }

    pub fn client(&self, node: u16) -> Result<Client> {
        self.servers.get(usize::from(node) - 1).context("no such node")?.client()
    }

    pub fn load(&self, name: &str) -> Result<String> {
        Ok(self.client(1)?.load(&wasm(name)?, Some(name))?)
    }
}

/// The code of a failure, or `ok`.
pub fn code<T>(result: &Result<T, ClientError>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(ClientError::Failed(failure)) => failure.code.clone(),
        Err(other) => format!("{other}"),
    }
}

/// A request to add to the counter, under a number.
pub fn numbered(client: u64, sequence: u64) -> Value {
    json!({"op": "execute", "uuid": "counter", "input": "1", "client": client, "sequence": sequence})
}
