//! Where the nodes of a cluster take clients.

use paxos_config::Config;
use std::net::SocketAddr;
use std::path::Path;

/// The cluster's name, and each node's address for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nodes {
    /// The cluster's name, which is part of the greeting.
    pub cluster: String,
    /// Node and address, by ascending node.
    pub list: Vec<(u16, SocketAddr)>,
}

impl Nodes {
    /// Those of a `config.yaml`.
    ///
    /// # Errors
    /// When the file is not one.
    pub fn of_config(file: &Path) -> Result<Self, String> {
        let config = Config::load(file).map_err(|e| e.to_string())?;
        let list = config.nodes.iter().map(|node| (node.id, node.client)).collect();
        Ok(Self { cluster: config.cluster, list })
    }

    /// Only the node of that number.
    ///
    /// # Errors
    /// When there is none.
    pub fn only(mut self, node: u16) -> Result<Self, String> {
        let known: Vec<String> = self.list.iter().map(|(id, _)| id.to_string()).collect();
        self.list.retain(|(id, _)| *id == node);
        if self.list.is_empty() {
            return Err(format!("there is no node {node}; the configuration has {}", known.join(", ")));
        }
        Ok(self)
    }
}
