//! `replicode node`: one node of a cluster.

use crate::args::NodeArgs;
use crate::cell;
use crate::datadir::DataDir;
use crate::node::console::Console;
use crate::node::signals::{self, Hangup, Signals};
use crate::node::{self, Node, NodeOptions};
use crate::nodefile::NodeFile;
use crate::{hints, telemetry};
use anyhow::{Context, Result, bail, ensure};
use replicode_replication::network::tls;
use std::path::Path;

/// Runs the command until the node is told to stop.
///
/// # Errors
/// What is wrong with the directory or broke the node.
pub fn run(args: &NodeArgs, json: bool) -> Result<u8> {
    let signals = Signals::catch(Hangup::Reopens)?;
    if args.until_stdin_closes {
        signals::watch_stdin()?;
    }
    let (dir, file) = place(args)?;
    let config = dir.config()?;
    // Said before anything else that could be wrong with a directory of another version.
    cell::check_engine(&config)?;
    let file = NodeFile::read(&file)?;
    let lock = dir.lock()?;
    telemetry::to_file(&dir.file("node.log"))?;
    let members = file.members(&config)?;
    let tls = if config.nodes.len() == 1 {
        None
    } else {
        let keys = dir.file("keys");
        let identity = tls::load(&keys.join("ca.pem"), &keys.join("node.pem"), &keys.join("node.key"))?;
        // The replica looks again; here it is known where they are from.
        tls::handshake(&identity, file.node, &config.cluster).with_context(|| {
            let text = "put back those that were made for this node with the cluster: nobody can make others";
            format!("the keys in {} cannot be used, {text}", keys.display())
        })?;
        Some(identity)
    };
    let genesis = dir.genesis()?;
    let loader = node::compile(&genesis)?;
    let publish = file.publish.iter().map(|publish| (publish.listen(), publish.service(&config.name))).collect();
    let console = Console::files(dir.root(), file.console_bytes)?;
    let root = dir.root().to_path_buf();
    let running = Node::start(NodeOptions {
        dir,
        genesis,
        loader,
        node: file.node,
        listen: file.listen,
        members,
        tls,
        publish,
        contracts: file.contracts,
        console,
        main: None,
        node_down_after: file.node_down_after(),
        keepalive: file.keepalive(),
        steering: file.steering(),
    });
    let log = |error: &anyhow::Error| tracing::error!("{}", hints::with_way_out(&format!("{error:#}")));
    let running = running.inspect_err(log)?;
    tracing::info!("node {} of '{}' started, process {}", file.node.get(), config.name, std::process::id());
    signals.tell(running.inbox());
    say_hello(&running, &file, &config.name, &root, json);
    running.tell_progress(move |told| {
        tracing::info!("{told}");
        telemetry::progress(told, json);
    })?;
    let end = running.wait().inspect_err(log)?;
    tracing::info!("node {} stopped: {end:?}", file.node.get());
    drop(lock);
    Ok(0)
}

fn say_hello(node: &Node, file: &NodeFile, name: &str, root: &Path, json: bool) {
    let contracts = node.contracts().map(|listen| listen.to_string());
    if json {
        let hello = serde_json::json!({
            "node": file.node, "name": name, "pid": std::process::id(), "listen": file.listen.to_string(),
            "published": node.published(), "contracts": contracts,
        });
        telemetry::say_json(&hello);
        return;
    }
    telemetry::say(&format!(
        "node {} of '{name}' runs in {} (peers: udp {})",
        file.node.get(),
        root.display(),
        file.listen
    ));
    if let Some(listen) = contracts {
        telemetry::say(&format!("contracts are served on {listen} (gRPC)"));
    }
    for port in node.published() {
        telemetry::say(&format!("{} leads to {}", port.listen, port.service));
    }
}

/// The node's directory and its configuration file.
fn place(args: &NodeArgs) -> Result<(DataDir, std::path::PathBuf)> {
    if let Some(dir) = &args.data {
        if let Some(why) = hints::not_a_directory(dir) {
            bail!("{why}: name a node's directory");
        }
        ensure!(
            dir.is_dir(),
            "there is no directory {}: make a cluster with 'replicode init' or 'replicode up'",
            dir.display()
        );
        return Ok((DataDir::at(dir), dir.join("node.toml")));
    }
    let file = args.config.clone().context("neither --data nor --config was given")?;
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let dir = match NodeFile::read(&file)?.data {
        Some(data) => parent.join(data),
        None => parent.to_path_buf(),
    };
    Ok((DataDir::at(dir), file))
}
