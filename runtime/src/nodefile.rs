//! `node.toml`: what may differ from node to node. What must be equal everywhere is in `genesis.bin` instead.

use crate::args::Publish;
use crate::datadir;
use anyhow::{Context, Result, ensure};
use replicode_gateway::Patience;
use replicode_log::{ClusterConfig, NodeId};
use replicode_replication::Steering;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

const HEAD: &str = "\
# One node of a replicode cluster. Addresses may be changed while the node is stopped; what the cluster runs is in
# genesis.bin and the same on all nodes. Start it with: replicode node --config FILE (or --data DIRECTORY).

";

/// A node's own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// Number of this node in the cluster.
    pub node: NodeId,
    /// The node's directory, relative to this file; the file's own directory by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<PathBuf>,
    /// UDP address to listen on for peers.
    pub listen: SocketAddr,
    /// Published ports, as `--publish` takes them.
    #[serde(default)]
    pub publish: Vec<Publish>,
    /// TCP address on which contracts are served (gRPC), in a cell that has any; port 0 is any free one. This machine's only.
    #[serde(default = "default_contracts", skip_serializing_if = "is_default_contracts")]
    pub contracts: SocketAddr,
    /// A node that has been silent for so long is declared down by the leader, and its clients' connections reset.
    #[serde(default = "default_node_down_after_ms")]
    pub node_down_after_ms: u64,
    /// Most bytes of console output that are kept for each of the two streams.
    #[serde(default = "default_console_bytes")]
    pub console_bytes: u64,
    /// Seconds of silence after which a client's host is asked whether it is still there.
    #[serde(default = "default_keepalive_idle_s")]
    pub keepalive_idle_s: u64,
    /// Seconds between such questions.
    #[serde(default = "default_keepalive_interval_s")]
    pub keepalive_interval_s: u64,
    /// Seconds for which a client's host may owe an answer or an acknowledgement; then the client is given up.
    #[serde(default = "default_unacknowledged_s")]
    pub unacknowledged_s: u64,
    /// While this node leads: a difference of no more than this between the cell's time and a majority's clocks is jumped
    /// over; forward only.
    #[serde(default = "default_clock_bound_ms")]
    pub clock_bound_ms: u64,
    /// While this node leads: by how many millionths the cell's time goes faster or slower over a larger difference.
    #[serde(default = "default_clock_slew_ppm")]
    pub clock_slew_ppm: u32,
    /// Where each node of the cluster is reached, this one included: `NUMBER = "HOST:PORT"`.
    pub peers: BTreeMap<String, String>,
}

/// Default of [`NodeFile::contracts`].
#[must_use]
pub const fn default_contracts() -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0)
}

fn is_default_contracts(listen: &SocketAddr) -> bool {
    *listen == default_contracts()
}

/// Default of [`NodeFile::node_down_after_ms`].
#[must_use]
pub const fn default_node_down_after_ms() -> u64 {
    3_000
}

/// Default of [`NodeFile::console_bytes`].
#[must_use]
pub const fn default_console_bytes() -> u64 {
    64 << 20
}

/// Default of [`NodeFile::keepalive_idle_s`].
#[must_use]
pub fn default_keepalive_idle_s() -> u64 {
    Patience::default().idle.as_secs()
}

/// Default of [`NodeFile::keepalive_interval_s`].
#[must_use]
pub fn default_keepalive_interval_s() -> u64 {
    Patience::default().interval.as_secs()
}

/// Default of [`NodeFile::unacknowledged_s`].
#[must_use]
pub fn default_unacknowledged_s() -> u64 {
    Patience::default().unacknowledged.as_secs()
}

/// Default of [`NodeFile::clock_bound_ms`].
#[must_use]
pub fn default_clock_bound_ms() -> u64 {
    Steering::default().bound.as_millis() as u64
}

/// Default of [`NodeFile::clock_slew_ppm`].
#[must_use]
pub fn default_clock_slew_ppm() -> u32 {
    Steering::default().slew_ppm
}

impl NodeFile {
    /// Reads a file and checks what can be checked without the network.
    ///
    /// # Errors
    /// Names the file and the key at fault.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = datadir::read_bounded(path, 1 << 20).context(
            "a node needs its configuration file; 'replicode init' and 'replicode up' make one, 'run' does not",
        )?;
        let text = String::from_utf8(bytes).with_context(|| format!("{} is not text", path.display()))?;
        let file: Self = toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        // Linux takes no more of the keepalive's seconds, and not less than one.
        for (key, value, least, most) in [
            ("node_down_after_ms", file.node_down_after_ms, 100, 3_600_000),
            ("keepalive_idle_s", file.keepalive_idle_s, 1, 32_767),
            ("keepalive_interval_s", file.keepalive_interval_s, 1, 32_767),
            ("unacknowledged_s", file.unacknowledged_s, 1, 86_400),
            ("clock_bound_ms", file.clock_bound_ms, 0, 3_600_000),
            ("clock_slew_ppm", file.clock_slew_ppm.into(), 100, Steering::MOST_PPM.into()),
            ("console_bytes", file.console_bytes, 64 << 10, 1 << 40),
        ] {
            let path = path.display();
            ensure!((least..=most).contains(&value), "{key} in {path} is {value}: it must be {least} to {most}");
        }
        Ok(file)
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self).context("cannot encode node.toml")?;
        datadir::write_atomically(path, format!("{HEAD}{text}").as_bytes())
    }

    /// Silence after which a node counts as down.
    #[must_use]
    pub const fn node_down_after(&self) -> Duration {
        Duration::from_millis(self.node_down_after_ms)
    }

    /// How long a client's host may be silent.
    #[must_use]
    pub const fn keepalive(&self) -> Patience {
        Patience {
            idle: Duration::from_secs(self.keepalive_idle_s),
            interval: Duration::from_secs(self.keepalive_interval_s),
            unacknowledged: Duration::from_secs(self.unacknowledged_s),
        }
    }

    /// How this node steers the cell's time while it leads.
    #[must_use]
    pub const fn steering(&self) -> Steering {
        Steering { bound: Duration::from_millis(self.clock_bound_ms), slew_ppm: self.clock_slew_ppm }
    }

    /// The members with their addresses, names looked up.
    ///
    /// # Errors
    /// When they are not exactly the nodes of the configuration, or a name cannot be resolved.
    pub fn members(&self, config: &ClusterConfig) -> Result<BTreeMap<NodeId, SocketAddr>> {
        let mut members = BTreeMap::new();
        for (number, address) in &self.peers {
            let node = number.parse().ok().and_then(|n| NodeId::new(n).ok());
            let node = node.with_context(|| format!("'{number}' under [peers] is not a node number (1 to 255)"))?;
            let resolved = address.to_socket_addrs().with_context(|| {
                format!("cannot resolve address '{address}' of node {number}, under [peers] in node.toml")
            })?;
            // The family that we listen on; a name may have addresses of both.
            let mut resolved: Vec<_> = resolved.collect();
            resolved.sort_by_key(|a| a.is_ipv4() != self.listen.is_ipv4());
            let first = resolved.first().with_context(|| format!("'{address}' of node {number} has no address"))?;
            members.insert(node, *first);
        }
        let list = |nodes: &mut dyn Iterator<Item = &NodeId>| {
            nodes.map(|node| node.get().to_string()).collect::<Vec<_>>().join(", ")
        };
        ensure!(
            members.keys().eq(config.nodes.iter()),
            "the nodes under [peers] are {}, but the cluster consists of {}",
            list(&mut members.keys()),
            list(&mut config.nodes.iter())
        );
        ensure!(
            config.nodes.contains(&self.node),
            "node = {} is not a member of the cluster ({})",
            self.node.get(),
            list(&mut config.nodes.iter())
        );
        Ok(members)
    }
}

impl Serialize for Publish {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(|why| serde::de::Error::custom(format!("'{text}': {why}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Result<NodeFile> {
        Ok(NodeFile {
            node: NodeId::new(2)?,
            data: None,
            listen: "127.0.0.1:7002".parse()?,
            publish: vec!["127.0.0.1:6380:kv:6379".parse().map_err(anyhow::Error::msg)?],
            contracts: default_contracts(),
            node_down_after_ms: 3000,
            console_bytes: default_console_bytes(),
            keepalive_idle_s: 45,
            keepalive_interval_s: 10,
            unacknowledged_s: 60,
            clock_bound_ms: 1000,
            clock_slew_ppm: 100_000,
            peers: [("1", "127.0.0.1:7001"), ("2", "localhost:7002")].map(|(n, a)| (n.into(), a.into())).into(),
        })
    }

    #[test]
    fn round_trip() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("node.toml");
        sample()?.write(&path)?;
        assert_eq!(NodeFile::read(&path)?, sample()?);
        // A file of before these keys.
        let text = std::fs::read_to_string(&path)?;
        let old: Vec<_> = text.lines().filter(|line| !line.contains("_s = ")).collect();
        std::fs::write(&path, old.join("\n"))?;
        assert_eq!(NodeFile::read(&path)?.keepalive(), Patience::default());
        Ok(())
    }

    #[test]
    fn what_a_file_of_old_does_not_say_is_the_default() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("node.toml");
        sample()?.write(&path)?;
        let text = std::fs::read_to_string(&path)?;
        let old: Vec<_> = text.lines().filter(|line| !line.contains("_ms =") && !line.contains("_ppm =")).collect();
        std::fs::write(&path, old.join("\n"))?;
        assert_eq!(NodeFile::read(&path)?, sample()?);
        Ok(())
    }

    #[test]
    fn mistakes_are_named() -> Result<()> {
        let tmp = tempfile::tempdir()?;
        let path = tmp.path().join("node.toml");
        sample()?.write(&path)?;
        let good = std::fs::read_to_string(&path)?;
        for (from, to, says) in [
            ("node = 2", "nod = 2", "nod"),
            ("node = 2", "node = 0", "node number"),
            ("6380", "638000", "638000"),
            ("node_down_after_ms = 3000", "node_down_after_ms = 1", "100 to 3600000"),
            ("console_bytes = 67108864", "console_bytes = 1000", "65536 to"),
            ("keepalive_idle_s = 45", "keepalive_idle_s = 0", "keepalive_idle_s"),
            ("unacknowledged_s = 60", "unacknowledged_s = 86401", "1 to 86400"),
            ("clock_bound_ms = 1000", "clock_bound_ms = 3600001", "0 to 3600000"),
            ("clock_slew_ppm = 100000", "clock_slew_ppm = 500001", "100 to 500000"),
            ("clock_slew_ppm = 100000", "clock_slew_ppm = 99", "100 to 500000"),
            ("[peers]", "[peers]\nx", "cannot read"),
        ] {
            std::fs::write(&path, good.replace(from, to))?;
            let error = NodeFile::read(&path).map_err(|e| format!("{e:#}"));
            assert!(error.as_ref().is_err_and(|e| e.contains(says)), "{from} -> {to}: {error:?}");
        }
        Ok(())
    }
}
