//! A recorded run, opened for reading: genesis, the log, and the digests that its node left as witnesses.

use crate::cell;
use crate::datadir::{DataDir, Genesis};
use crate::digests;
use crate::node;
use anyhow::{Context, Result, bail};
use replicode_log::{Batch, ClusterConfig, Digest, Tip};
use replicode_machine::{InPlace, Machine};
use replicode_replication::log_store::LogReader;
use replicode_replication::log_store::reader::Entries;
use replicode_wasm::WasmLoader;
use std::fs::File;
use std::path::Path;

/// A stopped node's directory.
pub struct Recording {
    /// The directory.
    pub dir: DataDir,
    /// The cell's configuration.
    pub config: ClusterConfig,
    /// The state digest after each batch, as the node computed it; may be shorter than the log.
    pub witnesses: Vec<Digest>,
    log: LogReader,
    /// Keeps the node from being started while its recording is read.
    _lock: Option<File>,
}

/// A batch that the log holds and that continues its history.
pub struct Recorded {
    /// The batch.
    pub batch: Batch,
    /// Encoded length.
    pub bytes: usize,
    /// Digest of its encoding.
    pub content: Digest,
}

impl Recording {
    /// Opens a directory.
    ///
    /// # Errors
    /// When a node runs there, the log is damaged or of another cluster.
    pub fn open(path: &Path) -> Result<Self> {
        let dir = DataDir::at(path);
        let config = dir.config()?;
        let lock = dir.hold_still()?;
        if !dir.log().exists() && !dir.file("joined").exists() {
            bail!("nothing has run in {} yet: there is no log to read", path.display());
        }
        let what = || format!("cannot read the log in {}", dir.log().display());
        let log = LogReader::open(&dir.log()).with_context(what)?;
        let digest = config.digest();
        let identity = log.owner().map(|owner| owner.identity);
        if identity.is_some_and(|identity| identity.cluster != config.cluster || identity.config != digest) {
            // A genesis of another engine is another configuration, too; say what matters first.
            cell::check_engine(&config)?;
            bail!(
                "the log in {} belongs to another cluster or configuration than genesis.bin beside it",
                dir.log().display()
            );
        }
        let witnesses = digests::load(&dir.file("digests.bin"), digest)?;
        Ok(Self { dir, config, witnesses, log, _lock: lock })
    }

    /// The batches in order. In a cluster, entries at the end that are not known to be committed are left out: the
    /// others may never have agreed to them.
    pub fn batches(&self) -> Batches<'_> {
        Batches {
            entries: self.log.entries(),
            tip: Tip::genesis(self.config.digest()),
            alone: self.config.nodes.len() == 1,
            committed: self.log.committed(),
            witnessed: self.witnesses.len() as u64,
            uncommitted: 0,
        }
    }

    /// Where a crash cut the last write short, if one did.
    #[must_use]
    pub fn torn(&self) -> Option<String> {
        self.log.torn().map(|(file, offset)| format!("{file} at offset {offset}"))
    }

    /// A machine before the first batch, and what it needs to run: compiled modules.
    ///
    /// # Errors
    /// When the recording was made by another engine, or its files are damaged.
    pub fn machine(&self) -> Result<Machine<WasmLoader>> {
        cell::check_engine(&self.config)?;
        let genesis: Genesis = self.dir.genesis()?;
        let loader = node::compile(&genesis)?;
        let mut machine = Machine::new(&genesis.config, &genesis.image, loader).context("cannot build the cell")?;
        if let Some(backend) = node::contracts::fresh(&genesis.config)? {
            machine.set_executor(Box::new(InPlace(Box::new(backend))));
        }
        Ok(machine)
    }
}

/// See [`Recording::batches`].
pub struct Batches<'a> {
    entries: Entries<'a>,
    /// A batch that does not continue the history is skipped, here as on every node that ran.
    tip: Tip,
    alone: bool,
    committed: Option<u64>,
    witnessed: u64,
    /// Batches left out at the end because nobody knows whether they were committed.
    pub uncommitted: u64,
}

impl Iterator for Batches<'_> {
    type Item = Result<Recorded>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let entry = match self.entries.next()? {
                Ok(entry) => entry,
                Err(error) => return Some(Err(error.into())),
            };
            let Some(encoded) = entry.batch else { continue };
            let Some(tip) = self.tip.advance(&encoded) else { continue };
            let known = self.alone
                || self.committed.is_some_and(|committed| entry.raft_index <= committed)
                || tip.index.0 <= self.witnessed;
            if !known {
                self.uncommitted += 1;
                continue;
            }
            self.tip = tip;
            let batch = Batch::decode(&encoded).with_context(|| format!("batch {} in the log is malformed", tip.index));
            return Some(batch.map(|batch| Recorded { batch, bytes: encoded.len(), content: tip.content }));
        }
    }
}
