//! What has changed since the last checkpoint, gathered without I/O.

use std::collections::{BTreeMap, BTreeSet};

use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Batch;
use replicode_contracts::tree::{Name, View};

use crate::Manifest;

/// Gathers the contents that batches change. Of a content that changes often only the last version is kept, so the trail is never larger
/// than the state, however far the disk is behind.
#[derive(Debug, Default)]
pub struct Trail {
    contents: BTreeMap<(Name, Hash), Option<Vec<u8>>>,
    cleared: BTreeSet<Name>,
    bytes: usize,
}

/// All that a checkpoint writes.
#[derive(Debug)]
pub struct Checkpoint {
    pub(crate) manifest: Manifest,
    pub(crate) contents: BTreeMap<(Name, Hash), Option<Vec<u8>>>,
    pub(crate) cleared: BTreeSet<Name>,
}

impl Trail {
    /// The content behind a leaf is another one now, or there is none.
    pub fn put(&mut self, name: Name, key: Hash, content: Option<Vec<u8>>) {
        self.bytes += 128 + content.as_ref().map_or(0, Vec::len);
        if let Some(Some(old)) = self.contents.insert((name, key), content) {
            self.bytes = self.bytes.saturating_sub(128 + old.len());
        }
    }

    /// A tree holds nothing any more.
    pub fn clear(&mut self, name: Name) {
        let first = (name, Hash::ZERO);
        let own: Vec<_> =
            self.contents.range(first..).map(|(place, _)| *place).take_while(|place| place.0 == name).collect();
        for place in own {
            let gone = self.contents.remove(&place);
            self.bytes = self.bytes.saturating_sub(128 + gone.flatten().map_or(0, |content| content.len()));
        }
        self.cleared.insert(name);
    }

    /// About how many bytes a checkpoint would write.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of it, as the checkpoint after `batch`, whose state `view` shows. The trail is empty afterwards.
    pub fn take(&mut self, batch: Batch, view: View<'_>) -> Checkpoint {
        let trail = std::mem::take(self);
        Checkpoint { manifest: Manifest::of(batch, view), contents: trail.contents, cleared: trail.cleared }
    }
}

impl Checkpoint {
    /// The batch whose state it is.
    pub fn batch(&self) -> u64 {
        self.manifest.batch.index
    }
}
