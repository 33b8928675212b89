//! What a cluster for a test is configured as.

use std::fmt::Write;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};

/// The words of `config.yaml` that tests change. Everything else is as the defaults are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `standalone` or `combined`.
    pub model: &'static str,
    /// `composed` or `linked`.
    pub composition: &'static str,
    /// `component` or `host`.
    pub network: &'static str,
    /// `component` or `host`.
    pub serializer: &'static str,
    /// `component` or `host`.
    pub storage: &'static str,
    /// `compact` or `protobuf`.
    pub form: &'static str,
    /// `sync` or `memory`.
    pub durability: &'static str,
    /// Further lines, as they stand in the file.
    pub more: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            model: "combined",
            composition: "composed",
            network: "host",
            serializer: "component",
            storage: "host",
            form: "compact",
            durability: "sync",
            more: String::new(),
        }
    }
}

impl Settings {
    /// In a few words, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        let Self { model, composition, network, serializer, storage, form, .. } = self;
        format!("{model}, {composition}, network {network}, serializer {serializer} ({form}), storage {storage}")
    }

    /// A whole configuration for three nodes: `first` is the first of twelve ports in a row.
    #[must_use]
    pub fn yaml(&self, cluster: &str, data: &Path, first: u16) -> String {
        let mut text = format!(
            "cluster: {cluster}\nmodel: {}\ncomposition: {}\nserializer: {}\ndurability: {}\ndata-dir: {}\ncomponents: {}\n\
             providers:\n  network: {}\n  serializer: {}\n  storage: {}\n{}\nnodes:\n",
            self.model,
            self.composition,
            self.form,
            self.durability,
            data.display(),
            crate::target().join("components").display(),
            self.network,
            self.serializer,
            self.storage,
            self.more,
        );
        for node in 0..3u16 {
            let port = first + node * 4;
            // Writing to a string does not fail.
            let _ = writeln!(text, "  - id: {}", node + 1);
            for (at, name) in (0..).zip(["proposer", "acceptor", "learner", "client"]) {
                let _ = writeln!(text, "    {name}: 127.0.0.1:{}", port + at);
            }
        }
        text
    }
}

static NEXT: AtomicU16 = AtomicU16::new(0);

/// The first of `count` free ports in a row. They lie below those that the kernel gives to outgoing connections: on a port of
/// a node that is dead a connection could otherwise find itself.
#[must_use]
pub fn free_ports(count: u16) -> u16 {
    let begin = (std::process::id() % 180) as u16 * 100;
    loop {
        let first = 10_000 + (begin + NEXT.fetch_add(count, Ordering::SeqCst)) % 20_000;
        if (first..first + count).all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}
