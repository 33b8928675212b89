//! A server for one test.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use replicode_functions_client::{Client, ClientError, Config, Failure};
use replicode_tests::cluster::replicode;
use replicode_tests::process::{Process, run};
use replicode_tests::{check, eventually};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

pub const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Server {
    pub dir: tempfile::TempDir,
    process: Option<Process>,
    arguments: Vec<String>,
    starts: u32,
    /// Directories that are needed as long as it.
    kept: Vec<tempfile::TempDir>,
}

/// The bytes of a function of `wasm_programs/functions`.
pub fn wasm(name: &str) -> Result<Vec<u8>> {
    let path = wasm_path(name);
    std::fs::read(&path).with_context(|| format!("{} is missing: run wasm_programs/build.sh", path.display()))
}

pub fn wasm_path(name: &str) -> PathBuf {
    replicode_tests::root().join(format!("wasm_programs/build/fn-{name}.wasm"))
}

impl Server {
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { dir: tempfile::tempdir()?, process: None, arguments, starts: 0, kept: Vec::new() };
        server.revive()?;
        Ok(server)
    }

    /// The same, with limits in a file.
    pub fn with_limits(limits: &str, arguments: &[&str]) -> Result<Self> {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        let mut server = Self { dir: tempfile::tempdir()?, process: None, arguments, starts: 0, kept: Vec::new() };
        let file = server.dir.path().join("limits.toml");
        std::fs::write(&file, limits)?;
        server.arguments.extend(["--limits".to_string(), file.display().to_string()]);
        server.revive()?;
        Ok(server)
    }

    pub fn keep(&mut self, dir: tempfile::TempDir) {
        self.kept.push(dir);
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn command(&self) -> Command {
        let mut command = replicode(&["fn", "serve", "--socket"]);
        command.arg(self.socket()).arg("--data").arg(self.data()).args(&self.arguments);
        command
    }

    /// Starts it, or starts it again.
    pub fn revive(&mut self) -> Result<()> {
        self.starts += 1;
        let log = self.dir.path().join(format!("log-{}", self.starts));
        let mut process = Process::start(&mut self.command(), &log)?;
        eventually("the server to listen", TIMEOUT, || {
            check(process.is_running()?, || format!("it has ended: {}", process.output()))?;
            Ok(Client::connect(self.socket())?)
        })?;
        self.process = Some(process);
        Ok(())
    }

    pub fn pid(&self) -> Result<u32> {
        Ok(self.process.as_ref().context("the server is not running")?.pid())
    }

    pub fn process(&mut self) -> Result<&mut Process> {
        self.process.as_mut().context("the server is not running")
    }

    pub fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// As a machine that fails does it.
    pub fn kill(&mut self) -> Result<()> {
        let process = self.process()?;
        process.signal(Signal::SIGKILL)?;
        process.wait(TIMEOUT)?;
        self.process = None;
        Ok(())
    }

    /// As its owner does it: it must end well, and leave no socket.
    pub fn stop(&mut self) -> Result<()> {
        let process = self.process()?;
        process.signal(Signal::SIGTERM)?;
        let status = process.wait(TIMEOUT)?;
        check(status.success(), || format!("it ended with {status}: {}", process.output()))?;
        check(!self.socket().exists(), || "the socket is still there".into())?;
        self.process = None;
        Ok(())
    }

    pub fn client(&self) -> Result<Client> {
        let mut client = Client::connect(self.socket())?;
        client.set_timeout(Some(TIMEOUT));
        Ok(client)
    }

    pub fn load(&self, name: &str) -> Result<String> {
        Ok(self.client()?.load(&wasm(name)?, Some(name))?)
    }

    /// A command that asks this server.
    pub fn cli(&self, arguments: &[&str]) -> Result<Output> {
        run(replicode(&["fn"]).args(arguments).arg("--socket").arg(self.socket()), b"", TIMEOUT)
    }

    /// What a command prints, which must succeed.
    pub fn says(&self, arguments: &[&str]) -> Result<String> {
        let output = self.cli(arguments)?;
        check(output.status.success(), || format!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))?;
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The words of a command that must fail, and its exit code.
    pub fn complains(&self, arguments: &[&str]) -> Result<(i32, String)> {
        let output = self.cli(arguments)?;
        check(!output.status.success(), || format!("{arguments:?} succeeded"))?;
        Ok((output.status.code().unwrap_or(-1), String::from_utf8(output.stderr)?))
    }
}

/// The failure that the server tells of.
pub fn failure<T: std::fmt::Debug>(result: Result<T, ClientError>) -> Failure {
    match result {
        Err(ClientError::Failed(failure)) => failure,
        other => panic!("expected a failure, found {other:?}"),
    }
}

pub const PLAIN: Config = Config { timeout_ms: None, memory_limit_mb: None, fuel: None, output_limit_mb: None };

/// What lies in a directory, for comparisons.
pub fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
