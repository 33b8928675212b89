//! A history made up: programs, and the batches that a cell of them is given.

use crate::recording::{History, Modules, stand_in};
use anyhow::Result;
use replicode_log::{
    Batch, BatchHeader, BatchIndex, BootNo, ClusterConfig, ConnId, Digest, FsImage, HostAddr, Input, Limits,
    LogicalTime, ModuleEntry, NodeId, ProgramSpec, Restart, Section, Service, codec,
};
use std::collections::BTreeMap;

/// A program of a made-up cell.
#[derive(Clone, Debug)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// Its module.
    pub wasm: Vec<u8>,
    /// Whether its standard input comes through the log.
    pub stdin: bool,
    /// Listeners that it finds open.
    pub listeners: Vec<u16>,
    /// Whether it starts with the cell.
    pub at_genesis: bool,
    /// Whether it is started anew.
    pub restart: Restart,
}

impl Program {
    /// One that starts with the cell and has nothing special.
    #[must_use]
    pub const fn new(name: &'static str, wasm: Vec<u8>) -> Self {
        Self { name, wasm, stdin: false, listeners: Vec::new(), at_genesis: true, restart: Restart::Never }
    }
}

/// Batches for a cell of three nodes, written one after the other.
///
/// Nodes number their inputs as real ones do. What a node says twice or out of turn is written with [`Logbook::raw`].
#[derive(Clone, Debug)]
pub struct Logbook {
    config: ClusterConfig,
    image: FsImage,
    modules: Modules,
    batches: Vec<Batch>,
    /// Sections of the batch that is being written.
    sections: Vec<Section>,
    /// Boot and next sequence number of each node.
    origins: BTreeMap<u64, (u32, u64)>,
    time: u64,
}

/// A node's number.
///
/// # Panics
/// For a number that is none: scenes are written by hand.
#[must_use]
pub fn node(n: u64) -> NodeId {
    NodeId::new(n).expect("scenes name nodes 1 to 255")
}

/// The `counter`-th connection of a node's boot.
///
/// # Panics
/// For a number that is none.
#[must_use]
pub fn conn(of: u64, boot: u32, counter: u32) -> ConnId {
    ConnId::new(node(of), BootNo(boot), counter).expect("scenes have few boots")
}

/// A client connects.
#[must_use]
pub fn open(conn: ConnId, process: &str, port: u16) -> Input {
    let from = HostAddr::V4([192, 0, 2, 1], 40_000 + (conn.get() as u16 & 0xff));
    Input::Open { conn, to: Service { process: process.into(), port }, from }
}

/// A client sends.
#[must_use]
pub fn data(conn: ConnId, offset: u64, bytes: &[u8]) -> Input {
    Input::Data { conn, offset, bytes: bytes.to_vec() }
}

impl Logbook {
    /// A cell of these programs, with an empty log.
    #[must_use]
    pub fn new(name: &str, limits: Limits, image: FsImage, programs: Vec<Program>) -> Self {
        let mut modules = Modules::new();
        let mut entries = Vec::new();
        let mut specs = Vec::new();
        for it in programs {
            let digest = Digest::of(&it.wasm);
            if !modules.iter().any(|(known, _)| *known == digest) {
                entries.push(ModuleEntry { digest, name: it.name.into() });
                modules.push((digest, it.wasm));
            }
            specs.push(ProgramSpec {
                name: it.name.into(),
                module: digest,
                args: vec![it.name.into(), "an argument".into()],
                env: vec![("GREETING".into(), "good day".into())],
                stdin: it.stdin,
                listeners: it.listeners,
                at_genesis: it.at_genesis,
                restart: it.restart,
            });
        }
        let config = ClusterConfig {
            cluster: [7; 16],
            name: name.into(),
            nodes: (1..=3).map(node).collect(),
            epoch_unix_ns: 1_700_000_000_000_000_000,
            engine: stand_in(),
            limits,
            modules: entries,
            programs: specs,
            image: Digest::of(&codec::encode(&image)),
            made_by: "a scene".into(),
            contracts: None,
        };
        let (batches, sections, origins) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { config, image, modules, batches, sections, origins, time: 0 }
    }

    /// Changes the configuration, before the first batch.
    pub fn configure(&mut self, change: impl FnOnce(&mut ClusterConfig)) -> &mut Self {
        change(&mut self.config);
        self
    }

    /// A node asks for its next boot number, in the batch that is being written.
    pub fn boot(&mut self, of: u64) -> &mut Self {
        let boot = self.origins.get(&of).map_or(1, |(boot, _)| boot + 1);
        self.origins.insert(of, (boot, 1));
        let inputs = vec![Input::Boot { nonce: u64::from(boot) * 1_000 + of }];
        self.raw(Section { origin: node(of), boot: BootNo(0), first_seq: 0, inputs })
    }

    /// A node's next inputs, in the batch that is being written.
    pub fn inputs(&mut self, of: u64, inputs: Vec<Input>) -> &mut Self {
        let (boot, first_seq) = self.origins.get(&of).copied().unwrap_or((1, 1));
        self.origins.insert(of, (boot, first_seq + inputs.len() as u64));
        self.raw(Section { origin: node(of), boot: BootNo(boot), first_seq, inputs })
    }

    /// Any section, in the batch that is being written.
    pub fn raw(&mut self, section: Section) -> &mut Self {
        self.sections.push(section);
        self
    }

    /// Ends the batch, at a time so many microseconds after the one before.
    pub fn batch(&mut self, micros: u64) -> &mut Self {
        self.time += micros.max(1) * 1_000;
        let parent = self.batches.last().map_or_else(|| self.config.digest(), |batch| Digest::of(&batch.encode()));
        let header = BatchHeader {
            index: BatchIndex(self.batches.len() as u64 + 1),
            time: LogicalTime::from_nanos(self.time),
            seed: 42 + self.batches.len() as u64,
            parent,
        };
        let sections = std::mem::take(&mut self.sections);
        self.batches.push(Batch { header, sections });
        self
    }

    /// So many batches without inputs.
    pub fn ticks(&mut self, count: usize, micros: u64) -> &mut Self {
        for _ in 0..count {
            self.batch(micros);
        }
        self
    }

    /// The history, and its modules.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    pub fn finish(self) -> Result<(History, Modules)> {
        self.config.validate()?;
        Ok((History { config: self.config, image: self.image, batches: self.batches }, self.modules))
    }
}
