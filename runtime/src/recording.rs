//! A recorded run, opened for reading: genesis, the log, and the digests that its node left as witnesses.

use crate::cell;
use crate::datadir::{DataDir, Genesis};
use crate::digests;
use crate::node;
use anyhow::{Context, Result, bail};
use replicode_log::{Batch, BatchHeader, BatchIndex, ClusterConfig, Digest, LogicalTime};
use replicode_machine::Machine;
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
            chain: Chain::new(&self.config),
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
        Machine::new(&genesis.config, &genesis.image, loader).context("cannot build the cell")
    }
}

/// Which batches make one history: consecutive, each naming the one before, time moving forward. A batch that does not
/// fit was proposed by a leader that had lost its place; all nodes skip it alike.
#[derive(Clone, Copy, Debug)]
struct Chain {
    index: BatchIndex,
    content: Digest,
    time: LogicalTime,
}

impl Chain {
    fn new(config: &ClusterConfig) -> Self {
        Self { index: BatchIndex(0), content: config.digest(), time: LogicalTime::GENESIS }
    }

    fn continues(&self, header: &BatchHeader) -> bool {
        header.index == self.index.next()
            && header.parent == self.content
            && (header.time > self.time || self.index == BatchIndex(0))
    }

    fn accept(&mut self, header: &BatchHeader, content: Digest) {
        *self = Self { index: header.index, content, time: header.time };
    }
}

/// See [`Recording::batches`].
pub struct Batches<'a> {
    entries: Entries<'a>,
    chain: Chain,
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
            let header = match BatchHeader::peek(&encoded) {
                Ok(header) if self.chain.continues(&header) => header,
                _ => continue,
            };
            let known = self.alone
                || self.committed.is_some_and(|committed| entry.raft_index <= committed)
                || header.index.0 <= self.witnessed;
            if !known {
                self.uncommitted += 1;
                continue;
            }
            let content = Digest::of(&encoded);
            self.chain.accept(&header, content);
            let batch =
                Batch::decode(&encoded).with_context(|| format!("batch {} in the log is malformed", header.index));
            return Some(batch.map(|batch| Recorded { batch, bytes: encoded.len(), content }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_is_consecutive_linked_and_moves_forward() {
        let header = |index, time, parent| BatchHeader {
            index: BatchIndex(index),
            time: LogicalTime::from_nanos(time),
            seed: 0,
            parent,
        };
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let mut chain = Chain { index: BatchIndex(0), content: a, time: LogicalTime::GENESIS };
        assert!(!chain.continues(&header(1, 0, b)));
        assert!(chain.continues(&header(1, 0, a)));
        chain.accept(&header(1, 5, a), b);
        assert!(chain.continues(&header(2, 6, b)));
        assert!(!chain.continues(&header(3, 6, b)));
        assert!(!chain.continues(&header(2, 5, b)));
        assert!(!chain.continues(&header(2, 6, a)));
    }
}
