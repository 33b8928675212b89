//! Contents, on demand.

use replicode_contracts::hash::Hash;
use replicode_contracts::kv::KeyValue;
use replicode_contracts::proof::Contents;
use replicode_contracts::tree::{Name, Schema};

use crate::checkpoint::HERE;
use crate::place::{Place, content_key, open};
use crate::{Checkpoints, Damage, StoreError};

impl<K: KeyValue> Checkpoints<K> {
    /// The content of tree `name` at `key` whose leaf has `value`: the tree says which value that is, so a version that is not what
    /// was written, or the wrong one, is never given out.
    pub fn content(&self, schema: &impl Schema, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, StoreError> {
        let place: Place = (*name, *key);
        let mut wrong = Vec::new();
        let versions = self.versions(&place)?;
        for (record, bytes) in versions.iter().rev() {
            match open(record, bytes).and_then(<[u8]>::split_first) {
                Some((&HERE, content)) if schema.leaf(name, content) == Some((*key, *value)) => {
                    return Ok(content.to_vec());
                }
                Some(_) => {}
                None => wrong.push(Damage::record(&self.file, record, &[], "it does not have its hash")),
            }
        }
        if wrong.is_empty() {
            let what = format!("no version of it has hash {value}, which the tree has");
            let record = versions.last().map_or_else(|| content_key(&place, 0), |(record, _)| record.clone());
            wrong.push(Damage::record(&self.file, &record, &[], what));
        }
        Err(StoreError::Damaged(wrong))
    }
}

/// Reads contents for proofs and snapshots.
pub struct Reader<'a, K, S> {
    /// Where from.
    pub store: &'a Checkpoints<K>,
    /// What they mean.
    pub schema: &'a S,
}

impl<K: KeyValue, S: Schema> Contents for Reader<'_, K, S> {
    fn content(&mut self, name: &Name, key: &Hash, value: &Hash) -> Result<Vec<u8>, String> {
        self.store.content(self.schema, name, key, value).map_err(|error| error.to_string())
    }
}
