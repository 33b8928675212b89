//! The directories of a cluster: what `init` makes for separate machines and `up` for this one.
//!
//! ```text
//! DIR/node-1/  node-2/  …   each a complete node directory: genesis, modules, node.toml, keys
//! ```
//!
//! The cluster's authority signs the nodes' certificates here and is then forgotten: the members of a cluster are
//! fixed when it is made, so nobody needs its key again, and nobody can steal it.

use crate::args::{InitArgs, Publish, published_twice};
use crate::cell::{self, Files};
use crate::datadir::{self, DataDir, Genesis};
use crate::making::Making;
use crate::node;
use crate::node::signals::{Hangup, Signals};
use crate::nodefile::{
    NodeFile, default_clock_bound_ms, default_clock_slew_ppm, default_console_bytes, default_contracts,
    default_keepalive_idle_s, default_keepalive_interval_s, default_node_down_after_ms, default_unacknowledged_s,
};
use crate::{Usage, hints, show, starting};
use anyhow::{Context, Result, bail};
use replicode_log::NodeId;
use replicode_replication::network::tls::Authority;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// Addresses of one node.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// What its peers are told.
    pub peer: String,
    /// What it listens on.
    pub listen: SocketAddr,
    /// What it publishes.
    pub publish: Vec<Publish>,
    /// Where it serves contracts.
    pub contracts: SocketAddr,
}

/// Node numbers from 1.
///
/// # Errors
/// When there are more than 255.
pub fn numbers(count: usize) -> Result<Vec<NodeId>> {
    (1..=count as u64).map(|n| Ok(NodeId::new(n)?)).collect()
}

/// The directory of a node.
#[must_use]
pub fn node_dir(root: &Path, node: NodeId) -> PathBuf {
    root.join(format!("node-{}", node.get()))
}

/// Makes all node directories: all of them or, when it fails or a signal asks for the end, none. What an interrupted attempt
/// left is made anew.
///
/// # Errors
/// When a directory is in the way or the disk fails.
pub fn create(root: &Path, genesis: &Genesis, addresses: &[Addresses]) -> Result<()> {
    starting::at(format!("making the cluster's directories in {}", root.display()));
    let making = Making::begin(root)?;
    match write(root, genesis, addresses) {
        Ok(()) => making.done(),
        Err(error) => {
            making.give_up();
            Err(error)
        }
    }
}

fn write(root: &Path, genesis: &Genesis, addresses: &[Addresses]) -> Result<()> {
    let nodes = &genesis.config.nodes;
    let authority = if nodes.len() > 1 { Some(Authority::new(genesis.config.cluster)?) } else { None };
    let peers: BTreeMap<String, String> =
        nodes.iter().zip(addresses).map(|(node, a)| (node.get().to_string(), a.peer.clone())).collect();
    for (node, addresses) in nodes.iter().zip(addresses) {
        let dir = DataDir::at(node_dir(root, *node));
        datadir::make_private_dir(dir.root())?;
        let file = NodeFile {
            node: *node,
            data: None,
            listen: addresses.listen,
            publish: addresses.publish.clone(),
            contracts: addresses.contracts,
            node_down_after_ms: default_node_down_after_ms(),
            keepalive_idle_s: default_keepalive_idle_s(),
            keepalive_interval_s: default_keepalive_interval_s(),
            unacknowledged_s: default_unacknowledged_s(),
            clock_bound_ms: default_clock_bound_ms(),
            clock_slew_ppm: default_clock_slew_ppm(),
            console_bytes: default_console_bytes(),
            peers: peers.clone(),
        };
        file.write(&dir.file("node.toml"))?;
        if let Some(authority) = &authority {
            let identity = authority.node(*node)?;
            let keys = dir.file("keys");
            datadir::make_private_dir(&keys)?;
            for (name, pem) in [("ca.pem", identity.ca), ("node.pem", identity.cert), ("node.key", identity.key)] {
                datadir::write_atomically(&keys.join(name), pem.as_bytes())?;
            }
        }
        dir.create(genesis)?;
    }
    Ok(())
}

/// Refuses a directory in which something stands, unless it is what is left of an attempt.
fn check_empty(root: &Path) -> Result<()> {
    let empty = fs::read_dir(root).map_or(true, |mut entries| entries.next().is_none());
    if empty || Making::is_unfinished(root) {
        return Ok(());
    }
    let first = DataDir::at(root.join("node-1"));
    if let Ok(config) = first.config() {
        bail!(
            "cannot make a cluster in {}: it holds one of {} nodes for '{}' already; start its nodes, each with \
             'replicode node --data {}' and so on, or name a new directory",
            root.display(),
            config.nodes.len(),
            config.name,
            first.root().display()
        );
    }
    bail!("cannot make a cluster in {}: it is not empty; name a new directory", root.display());
}

/// `replicode init`.
///
/// # Errors
/// When the cell cannot be put together or the directories cannot be written.
pub fn init(args: &InitArgs, json: bool) -> Result<u8> {
    let signals = Signals::catch(Hangup::Stops)?;
    if let Some(why) = hints::not_a_directory(&args.dir) {
        bail!("cannot make a cluster there: {why}; name a new directory");
    }
    check_empty(&args.dir)?;
    let mut seen = BTreeSet::new();
    if let Some(twice) = args.nodes.iter().find(|peer| !seen.insert(&peer.text)) {
        let text = &twice.text;
        return Err(Usage(format!("--nodes: {text} is given to two nodes: each needs an address of its own")).into());
    }
    let nodes = numbers(args.nodes.len())?;
    let genesis = cell::plan(&args.cell, nodes.clone(), false, Files::Import(&args.dir))?;
    // Refused modules are refused here, not on each machine.
    node::compile(&genesis)?;
    let mut addresses = Vec::new();
    for peer in &args.nodes {
        let v6 = peer.text.starts_with('[');
        let any = if v6 { IpAddr::V6(Ipv6Addr::UNSPECIFIED) } else { IpAddr::V4(Ipv4Addr::UNSPECIFIED) };
        let publish = args.cell.publish.iter().map(|publish| {
            let listen = SocketAddr::new(publish.addr.unwrap_or(any), publish.host);
            Publish::resolved(listen, publish.service(&genesis.config.name))
        });
        let listen = SocketAddr::new(any, peer.port);
        let publish: Vec<Publish> = publish.collect();
        let listens: Vec<SocketAddr> = publish.iter().map(Publish::listen).collect();
        if let Some(listen) = published_twice(&listens) {
            return Err(Usage(format!(
                "--publish: {listen} is published twice: publish each address for one port only"
            ))
            .into());
        }
        let contracts = default_contracts();
        addresses.push(Addresses { peer: peer.text.clone(), listen, publish, contracts });
    }
    signals
        .while_making(|| create(&args.dir, &genesis, &addresses))
        .with_context(|| format!("cannot make a cluster in {}", args.dir.display()))?;
    if json {
        let rows: Vec<_> = nodes
            .iter()
            .zip(&addresses)
            .map(|(node, a)| serde_json::json!({"node": node, "peer": a.peer, "dir": node_dir(&args.dir, *node)}))
            .collect();
        return show::print_json(&rows);
    }
    let mut text =
        format!("made a cluster of {} nodes for '{}' in {}\n", nodes.len(), genesis.config.name, args.dir.display());
    for (node, address) in nodes.iter().zip(&addresses) {
        text.push_str(&format!(
            "  node {} at {}: {}\n",
            node.get(),
            address.peer,
            node_dir(&args.dir, *node).display()
        ));
    }
    text.push_str("move each directory to its machine, unread by others: it holds the node's key. ");
    text.push_str("start it there with: replicode node --data DIR\n");
    show::print(&text)
}
