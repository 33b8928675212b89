//! What has changed since the last checkpoint, gathered without I/O.

use std::collections::{BTreeMap, BTreeSet};

use replicode_contracts::backend::Sealed;
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

    /// What a sealed batch has changed.
    pub fn seal(&mut self, sealed: &Sealed) {
        for (name, key, content) in &sealed.contents {
            self.put(*name, *key, content.clone());
        }
        self.clear(Name::Receipts);
        for (key, content) in sealed.receipt_contents() {
            self.put(Name::Receipts, key, Some(content));
        }
    }

    /// What was changed is something else now, because history was taken back: `view` shows what, and `read` gives contents.
    pub(crate) fn refresh<E>(
        &mut self,
        view: View<'_>,
        mut read: impl FnMut(&Name, &Hash, &Hash) -> Result<Vec<u8>, E>,
    ) -> Result<(), E> {
        for name in self.cleared.clone() {
            self.clear(name);
            for (key, value) in view.leaves(&name) {
                self.put(name, key, Some(read(&name, &key, &value)?));
            }
        }
        let places: Vec<(Name, Hash)> =
            self.contents.keys().filter(|(name, _)| !self.cleared.contains(name)).copied().collect();
        for (name, key) in places {
            let content = match view.get(&name, &key) {
                Some(value) => Some(read(&name, &key, &value)?),
                None => None,
            };
            self.put(name, key, content);
        }
        Ok(())
    }

    /// About how many bytes a checkpoint would write.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All of it, as the checkpoint after `batch`, whose state `view` shows. The trail is empty afterwards.
    pub fn take(&mut self, batch: Batch, view: View<'_>) -> Checkpoint {
        self.take_as(Manifest::of(batch, view))
    }

    /// The same with the manifest made already.
    pub(crate) fn take_as(&mut self, manifest: Manifest) -> Checkpoint {
        let trail = std::mem::take(self);
        Checkpoint { manifest, contents: trail.contents, cleared: trail.cleared }
    }
}

impl Checkpoint {
    /// The batch whose state it is.
    pub fn batch(&self) -> u64 {
        self.manifest.batch.index
    }
}
