//! What would be loaded, linked to what, provided by whom; and the making of a node's folder.

use crate::load::inspect::PAXOS_VERSION;
use crate::load::plan::{self, Process};
use crate::process;
use paxos_config::{Config, keys};
use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::Duration;

/// The engine's version; a test compares it with the lock file.
pub const WASMTIME_VERSION: &str = "48.0.8";

/// The table of all keys, as it stands in the documentation.
pub fn keys() -> Result<ExitCode, String> {
    print!("{}", keys::markdown());
    Ok(ExitCode::SUCCESS)
}

/// All processes of a node and their coordinator.
fn processes(config: &Config) -> Vec<Process> {
    let mut all = vec![Process::Coordinator];
    all.extend(Process::of_node(config));
    all
}

/// Checks everything that a configuration needs, by loading, compiling and linking it.
pub fn check(config: &Config) -> Result<ExitCode, String> {
    let node = config.nodes.first().map_or(1, |node| node.id);
    for process in processes(config) {
        let loaded = process::load(config, process).map_err(|error| error.to_string())?;
        process::try_out(&loaded, config, node).map_err(|error| error.to_string())?;
        let parts = loaded.plan.parts.len();
        println!("{process}: {parts} {}, loaded and linked", if parts == 1 { "component" } else { "components" });
    }
    println!(
        "{}: {} nodes, {} of them a majority; {}, {}, durability {}; network by {}, serializer {} by {}, storage by {}",
        config.cluster,
        config.nodes.len(),
        config.majority(),
        config.model,
        config.composition,
        config.durability,
        config.providers.network,
        config.serializer,
        config.providers.serializer,
        config.providers.storage,
    );
    Ok(ExitCode::SUCCESS)
}

/// Shows what is linked to what, and the version of every interface.
pub fn components(config: &Config) -> Result<ExitCode, String> {
    let mut versions = BTreeSet::new();
    for process in processes(config) {
        let plan = plan::plan(config, process).map_err(|error| error.to_string())?;
        print!("{plan}");
        for name in plan.parts.iter().flat_map(|part| part.facts.imports.iter().chain(&part.facts.exports)) {
            let (package, version) = name.rsplit_once('@').unwrap_or((name, "none"));
            let package = package.split('/').next().unwrap_or(package);
            versions.insert(format!("{package}@{version}"));
        }
    }
    println!("versions");
    println!(
        "  host {}, engine wasmtime {WASMTIME_VERSION}, replicode:paxos@{PAXOS_VERSION}",
        env!("CARGO_PKG_VERSION")
    );
    for version in versions {
        println!("  {version}");
    }
    Ok(ExitCode::SUCCESS)
}

/// One line per node, for scripts.
pub fn nodes(config: &Config) -> Result<ExitCode, String> {
    for node in &config.nodes {
        println!("{} {} {}", node.id, process::node_folder(config, node.id).display(), node.client);
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes a node's folder, or empties it when that is asked for by word.
pub fn format(config: &Config, node: u16, erase: bool) -> Result<ExitCode, String> {
    if config.node(node).is_none() {
        return Err(format!("{} has no node {node}", config.file.display()));
    }
    let folder = process::node_folder(config, node);
    let failed = |what: &str, error: std::io::Error| format!("cannot {what} {}: {error}", folder.display());
    let used = match std::fs::read_dir(&folder) {
        // Directories are storages; process numbers, sockets and logs are nothing to lose.
        Ok(mut entries) => entries.any(|entry| entry.is_ok_and(|entry| entry.path().is_dir())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(failed("look into", error)),
    };
    // Claimed as a running node claims it: what runs is not erased under its feet.
    let claims = processes(config)
        .into_iter()
        .map(|process| process::claim(node, process, &folder, Duration::ZERO).map_err(|error| error.to_string()))
        .collect::<Result<Vec<_>, _>>()?;
    if used && !erase {
        return Err(format!(
            "{} is in use: node {node} has promises in it. Start the node as it is. `format --erase` gives its state up \
             for ever: the others will refuse it without its promises, so do that to all nodes, for a new cluster",
            folder.display()
        ));
    }
    if used {
        std::fs::remove_dir_all(&folder).map_err(|error| failed("erase", error))?;
        std::fs::create_dir_all(&folder).map_err(|error| failed("make", error))?;
    }
    drop(claims);
    println!("{} is ready for the first start of node {node}", folder.display());
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_that_is_locked() {
        let lock = include_str!("../../Cargo.lock");
        let wasmtime = lock.split("[[package]]").find(|text| text.contains("name = \"wasmtime\"\n"));
        assert!(wasmtime.is_some_and(|text| text.contains(&format!("version = \"{}\"", super::WASMTIME_VERSION))));
    }
}
