//! Recordings made from the directory of a node that has run (`replicode run`, `up`, `node`).
//!
//! The history is taken over as it is, with [`stand_in`] for the engine's fingerprint. That makes another configuration,
//! with another digest: batches are chained to it anew, and what nodes reported of their digests is replaced by what the
//! new history gives, where it was right. Processes get other random numbers.

use crate::execute::Cell;
use crate::recording::{History, Modules, stand_in};
use anyhow::{Context, Result, bail, ensure};
use replicode_log::{Batch, ClusterConfig, Digest, FsImage, Input, Tip, codec};
use replicode_replication::log_store::LogReader;
use std::fs;
use std::path::Path;

/// What stands before the configuration in `genesis.bin`: magic and format.
const GENESIS_HEADER: usize = 12;

/// A history, the modules that it needs, and a word about how true to the run it is.
#[derive(Debug)]
pub struct Imported {
    /// The history.
    pub history: History,
    /// The modules.
    pub modules: Modules,
    /// Batches whose outputs are others than in the run, because of other random numbers.
    pub differing: usize,
}

/// Reads a node's directory; at most so many batches.
///
/// # Errors
/// When the directory is not whole, or the history cannot be executed.
pub fn import(dir: &Path, most: usize) -> Result<Imported> {
    let read = |name: &str| {
        let path = dir.join(name);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let genesis = read("genesis.bin")?;
    ensure!(genesis.starts_with(b"replgene"), "{} holds no genesis.bin of a node", dir.display());
    let encoded = genesis.get(GENESIS_HEADER..).unwrap_or_default();
    let config: ClusterConfig = codec::decode("genesis.bin", encoded, ClusterConfig::MAX_ENCODED)?;
    let image: FsImage = codec::decode("image.bin", &read("image.bin")?, FsImage::MAX_ENCODED)?;
    let mut modules = Vec::new();
    for entry in &config.modules {
        modules.push((entry.digest, read(&format!("modules/{}.wasm", entry.digest))?));
    }
    let batches = batches(dir, &config, most)?;
    let mut module = |digest: Digest| -> Result<Vec<u8>> {
        let found = modules.iter().find(|(known, _)| *known == digest);
        found.map(|(_, wasm)| wasm.clone()).with_context(|| format!("module {digest} is not among those of the cell"))
    };

    let standing_in = ClusterConfig { engine: stand_in(), ..config.clone() };
    let mut run = Cell::new(&config, &image, &mut module)?;
    let mut golden = Cell::new(&standing_in, &image, &mut module)?;
    let mut parent = standing_in.digest();
    let (mut in_run, mut in_golden) = (Vec::new(), Vec::new());
    let mut differing = 0;
    let mut rewritten = Vec::new();
    for batch in batches {
        let mut ours = batch.clone();
        ours.header.parent = parent;
        for input in ours.sections.iter_mut().flat_map(|section| &mut section.inputs) {
            if let Input::Report { index, digest } = input {
                let at = (index.0 as usize).wrapping_sub(1);
                if in_run.get(at) == Some(digest) {
                    *digest = in_golden[at];
                }
            }
        }
        parent = Digest::of(&ours.encode());
        let (then, now) = (run.apply(&batch)?, golden.apply(&ours)?);
        in_run.push(then.digest);
        in_golden.push(now.digest);
        differing += usize::from(then.outputs != now.outputs);
        rewritten.push(ours);
    }
    if rewritten.is_empty() {
        bail!("{} holds no batch", dir.display());
    }
    Ok(Imported { history: History { config: standing_in, image, batches: rewritten }, modules, differing })
}

/// The batches that continue the history, as `replicode replay` takes them.
fn batches(dir: &Path, config: &ClusterConfig, most: usize) -> Result<Vec<Batch>> {
    let log = LogReader::open(&dir.join("log")).with_context(|| format!("cannot read the log in {}", dir.display()))?;
    let mut tip = Tip::genesis(config.digest());
    let mut batches = Vec::new();
    for entry in log.entries() {
        let entry = entry?;
        let known = config.nodes.len() == 1 || log.committed().is_some_and(|committed| entry.raft_index <= committed);
        let Some(encoded) = entry.batch.filter(|_| known) else { continue };
        let Some(next) = tip.advance(&encoded) else { continue };
        tip = next;
        batches.push(Batch::decode(&encoded)?);
        if batches.len() == most {
            break;
        }
    }
    Ok(batches)
}
