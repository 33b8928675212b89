//! `replicode run`: a program on one node, with an embedded log.

use crate::Usage;
use crate::admin::Ending;
use crate::args::{CellArgs, Publish, RunArgs, published_twice};
use crate::cell::{self, Files};
use crate::datadir::{DataDir, Genesis};
use crate::making::Origin;
use crate::node::console::Console;
use crate::node::inbox::StopReason;
use crate::node::signals::{self, Hangup, Signals};
use crate::node::{self, End, Node, NodeOptions};
use crate::nodefile::{default_contracts, default_node_down_after_ms};
use crate::telemetry;
use anyhow::{Context, Result, bail};
use replicode_gateway::Patience;
use replicode_log::{ExitStatus, NodeId};
use replicode_node::MainProgram;
use replicode_replication::Steering;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// Exit code of a program that was stopped by the engine, as of one that a shell saw aborted.
const TRAPPED: u8 = 134;

/// Runs the command.
///
/// # Errors
/// What kept the program from running, or broke the node.
pub fn run(args: &RunArgs, json: bool) -> Result<u8> {
    let signals = Signals::catch(Hangup::Stops)?;
    let node = NodeId::new(1)?;
    let listens: Vec<SocketAddr> = args.cell.publish.iter().map(Publish::listen).collect();
    if let Some(listen) = published_twice(&listens) {
        return Err(
            Usage(format!("--publish: {listen} is published twice: publish each address for one port only")).into()
        );
    }
    if args.cell.module.is_none() {
        let why =
            "a run is about a program: name a module, or use 'replicode up --contracts' for a cell of contracts alone";
        return Err(Usage(why.to_string()).into());
    }
    let place = Place::choose(args, &cell::name(&args.cell)?)?;
    let dir = DataDir::at(place.path());
    let origin = Origin::of(dir.root());
    let files = Files::of(dir.root(), dir.exists());
    let planned = cell::plan(&args.cell, vec![node], true, files)?;
    let loader = node::compile(&planned)?;
    let _lock = dir.lock()?;
    let genesis = if matches!(files, Files::Recorded) || dir.exists() {
        let genesis = recorded(&dir, &args.cell, &planned)?;
        cell::say_whose_files(&args.cell, dir.root(), json);
        genesis
    } else {
        // Whatever keeps it from being complete: it does not stay half made.
        signals.while_making(|| dir.create(&planned).inspect_err(|_| origin.restore()))?;
        Genesis { config: planned.config.clone(), image: planned.image, modules: Vec::new(), paths: Vec::new() }
    };

    let config = &genesis.config;
    let main = &config.name;
    let program = config.program(main).with_context(|| format!("the recording has no program '{main}'"))?;
    let wanted = planned.config.program(main).map(|program| program.args.clone()).unwrap_or_default();
    let main = MainProgram::new(program, wanted, cell::env(&args.cell), config.limits.recv_window);
    let local = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    let published = args.cell.publish.iter().map(|p| (p.listen(), p.service(&config.name))).collect();
    let name = config.name.clone();
    let running = Node::start(NodeOptions {
        dir,
        genesis,
        loader,
        node,
        listen: local,
        members: BTreeMap::from([(node, local)]),
        tls: None,
        publish: published,
        contracts: default_contracts(),
        console: Console::Host,
        main: Some(main),
        node_down_after: Duration::from_millis(default_node_down_after_ms()),
        keepalive: Patience::default(),
        steering: Steering::default(),
    })?;
    signals.tell(running.inbox());
    if let Some(listen) = running.contracts() {
        if json {
            telemetry::say_json(&serde_json::json!({"contracts": listen.to_string()}));
        } else {
            telemetry::say(&format!("contracts are served on {listen} (gRPC)"));
        }
    }
    for port in running.published() {
        if json {
            telemetry::say_json(&serde_json::json!({"published": port.listen, "service": port.service}));
        } else {
            telemetry::say(&format!(
                "{} leads to {}; the log is in {}",
                port.listen,
                port.service,
                place.path().display()
            ));
        }
    }
    running.tell_progress(move |told| telemetry::progress(told, json))?;
    let vitals = running.vitals();
    let end = running.wait()?;
    place.remove();
    let ending = vitals.ended().into_iter().rev().find(|ending| ending.process == name).unwrap_or_default();
    Ok(exit_code(&args.cell, &name, end, &ending, json))
}

/// What the shell is told.
fn exit_code(cell: &CellArgs, name: &str, end: End, ending: &Ending, json: bool) -> u8 {
    let (code, say) = match end {
        End::Exited(ExitStatus::Code(code)) => ((code & 0xff) as u8, None),
        End::Exited(status @ ExitStatus::Trap(_)) => (TRAPPED, Some(status)),
        End::Exited(status @ (ExitStatus::Killed | ExitStatus::LoadFailed)) => (1, Some(status)),
        // A server that was told to stop has done what it should; a program that was interrupted has not.
        End::Stopped(StopReason::Signal(signal)) if cell.publish.is_empty() => (signals::exit_code(signal), None),
        End::Stopped(_) => (0, None),
    };
    if json {
        let end = match end {
            End::Exited(status) => status.to_string(),
            End::Stopped(_) => "stopped".to_string(),
        };
        let (batch, said) = (ending.batch, &ending.said);
        telemetry::say_json(
            &serde_json::json!({"program": name, "end": end, "exit_code": code, "batch": batch, "said": said}),
        );
    } else if let Some(status) = say {
        telemetry::say(&format!("'{name}' was stopped in batch #{} ({status})", ending.batch));
    } else if let End::Exited(status @ ExitStatus::Code(1..)) = end
        && std::io::stderr().is_terminal()
    {
        // Its own words stand just above. A script that reads them gets nothing of ours between them.
        telemetry::say(&format!("'{name}' ended in batch #{}: {status}", ending.batch));
    }
    code
}

/// Opens a recording and checks that what is asked for is what it holds.
fn recorded(dir: &DataDir, args: &CellArgs, planned: &Genesis) -> Result<Genesis> {
    cell::check_engine(&dir.config()?)?;
    let differences = cell::differences_from(dir, args, &planned.config)?;
    if !differences.is_empty() {
        bail!(
            "{} holds a recording of another cell:\n  {}\nrun with what was recorded, or with another --data directory",
            dir.root().display(),
            differences.join("\n  ")
        );
    }
    dir.genesis()
}

/// Where the log is.
enum Place {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Place {
    fn choose(args: &RunArgs, name: &str) -> Result<Self> {
        if let Some(path) = &args.data {
            return Ok(Self::Kept(path.clone()));
        }
        if !args.cell.publish.is_empty() {
            return Ok(Self::Kept(Path::new("replicode-data").join(name)));
        }
        let _step = signals::undisturbed();
        let dir =
            tempfile::Builder::new().prefix("replicode-run-").tempdir().context("cannot make a temporary directory")?;
        signals::remove_at_hard_end(dir.path());
        Ok(Self::Temporary(dir))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(dir) => dir.path(),
        }
    }

    fn remove(self) {
        if let Self::Temporary(dir) = self
            && let Err(error) = dir.close()
        {
            tracing::warn!("cannot remove the temporary directory: {error}");
        }
    }
}
