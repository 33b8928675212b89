//! Start: the newest checkpoint whose contents make the trees that it names.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};
use replicode_contracts::backend::account_of;
use replicode_contracts::hash::Hash;
use replicode_contracts::kv::KeyValue;
use replicode_contracts::proof::Batch;
use replicode_contracts::slice::Layout;
use replicode_contracts::template::{Limits, Template};
use replicode_contracts::tree::{Change, Forest, Name, Schema, View};

use crate::checkpoint::HERE;
use crate::place::{Kind, Place, open, read_key, tree_prefix};
use crate::{Checkpoints, Damage, StoreError};

/// What a checkpoint is of.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Manifest {
    /// Version of this format, 1.
    pub version: u8,
    /// What its batch left behind.
    pub batch: Batch,
    /// The roots of all trees that no other refers to: accounts, receipts, codes, and what is beside.
    pub roots: Vec<(Name, Hash)>,
}

/// Trees that no other refers to.
pub(crate) const TOPS: [Name; 4] = [Name::Accounts, Name::Receipts, Name::Codes, Name::Beside];

impl Manifest {
    pub(crate) fn of(batch: Batch, view: View<'_>) -> Manifest {
        Manifest { version: 1, batch, roots: TOPS.iter().map(|name| (*name, view.root(name))).collect() }
    }
}

/// A checkpoint that has verified.
pub struct Loaded {
    /// Its trees; the log behind its batch is to be applied to them.
    pub forest: Forest,
    /// What it is of.
    pub manifest: Manifest,
    /// What was damaged in newer ones that were passed over.
    pub passed: Vec<Damage>,
}

/// Changes that are gathered before they go into a tree.
const GATHER: usize = 1 << 16;

/// Damage that is listed at most.
const LISTED: usize = 64;

impl<K: KeyValue> Checkpoints<K> {
    /// The newest checkpoint whose contents have the hashes that they should and make the trees that its manifest names. Its forest
    /// keeps the states of the next `depth` batches. None: there is no checkpoint. Damaged: there are some, and none verifies.
    pub fn load(&self, schema: &impl Schema, depth: usize) -> Result<Option<Loaded>, StoreError> {
        let (mut manifests, mut damage) = (Vec::new(), Vec::new());
        self.each(b"m", |key, value| {
            let manifest = open(key, value).and_then(|bytes| borsh::from_slice::<Manifest>(bytes).ok());
            let fits = |manifest: &Manifest| {
                manifest.version == 1 && read_key(key) == Some(Kind::Manifest(manifest.batch.index))
            };
            match manifest.filter(fits) {
                Some(manifest) => manifests.push(manifest),
                None => damage.push(Damage::record(&self.file, key, &[], "it does not have its hash")),
            }
            Ok(())
        })?;
        while let Some(manifest) = manifests.pop() {
            let mut trees = Building::new(self, schema, &manifest, depth);
            trees.read()?;
            match trees.finish() {
                Ok(forest) => return Ok(Some(Loaded { forest, manifest, passed: damage })),
                Err(found) => damage.extend(found),
            }
        }
        match damage.is_empty() {
            true => Ok(None),
            false => {
                damage.truncate(LISTED);
                Err(StoreError::Damaged(damage))
            }
        }
    }
}

impl<K: KeyValue> Checkpoints<K> {
    /// The layouts of all contracts, read off their accounts and templates: what a page refers to depends on them. Of an account
    /// with several versions the newest that can be read counts: layouts only grow.
    pub fn layouts(&self, limits: &Limits) -> Result<BTreeMap<[u8; 20], Layout>, StoreError> {
        let mut templates: BTreeMap<Hash, Layout> = BTreeMap::new();
        self.each(&tree_prefix(&Name::Codes), |key, value| {
            let code = open(key, value).and_then(<[u8]>::split_first).filter(|(kind, _)| **kind == HERE);
            let layout = code.and_then(|(_, code)| {
                let template = Template::decode(code, limits).ok()?;
                Some((Template::hash_of(code), template.layout.to_storage().ok()?))
            });
            templates.extend(layout);
            Ok(())
        })?;
        let mut layouts = BTreeMap::new();
        self.each(&tree_prefix(&Name::Accounts), |key, value| {
            let account = open(key, value).and_then(<[u8]>::split_first).filter(|(kind, _)| **kind == HERE);
            let layout = account.and_then(|(_, content)| {
                let (address, record, _) = account_of(content)?;
                Some((*address.as_bytes(), templates.get(&record.template?)?.clone()))
            });
            // Versions of one account come in their order, so the newest stays.
            layouts.extend(layout);
            Ok(())
        })?;
        Ok(layouts)
    }
}

struct Building<'a, K, S> {
    store: &'a Checkpoints<K>,
    schema: &'a S,
    manifest: &'a Manifest,
    forest: Forest,
    /// The root that each tree must have, as told by what refers to it.
    roots: BTreeMap<Name, Hash>,
    gathered: BTreeMap<Name, Vec<Change>>,
    count: usize,
    damaged: Vec<(Vec<u8>, &'static str)>,
}

impl<'a, K: KeyValue, S: Schema> Building<'a, K, S> {
    fn new(store: &'a Checkpoints<K>, schema: &'a S, manifest: &'a Manifest, depth: usize) -> Building<'a, K, S> {
        Building {
            store,
            schema,
            manifest,
            forest: Forest::new(manifest.batch.index, depth),
            roots: manifest.roots.iter().copied().collect(),
            gathered: BTreeMap::new(),
            count: 0,
            damaged: Vec::new(),
        }
    }

    /// Of each content the last version up to the manifest's batch.
    fn read(&mut self) -> Result<(), StoreError> {
        let (store, until) = (self.store, self.manifest.batch.index);
        let mut last: Option<(Place, Vec<u8>, Vec<u8>)> = None;
        store.each(b"d", |key, value| {
            let Some(Kind::Content(place, batch)) = read_key(key) else {
                self.damaged.push((key.to_vec(), "there are no such records"));
                return Ok(());
            };
            if batch > until {
                return Ok(());
            }
            match last.replace((place, key.to_vec(), value.to_vec())) {
                Some((before, key, value)) if before != place => self.content(before, key, &value),
                _ => Ok(()),
            }
        })?;
        if let Some((place, key, value)) = last {
            self.content(place, key, &value)?;
        }
        self.flush();
        Ok(())
    }

    fn content(&mut self, (name, at): Place, key: Vec<u8>, value: &[u8]) -> Result<(), StoreError> {
        let Some((kind, content)) = open(&key, value).and_then(<[u8]>::split_first) else {
            self.damaged.push((key, "it does not have its hash"));
            return Ok(());
        };
        if *kind != HERE {
            return Ok(());
        }
        match self.schema.leaf(&name, content).filter(|(place, _)| *place == at) {
            Some((_, value)) => self.gathered.entry(name).or_default().push((at, Some(value))),
            None => self.damaged.push((key, "its content belongs elsewhere")),
        }
        self.roots.extend(self.schema.children(&name, content));
        self.count += 1;
        if self.count >= GATHER {
            self.flush();
        }
        Ok(())
    }

    fn flush(&mut self) {
        let changes: Vec<_> = std::mem::take(&mut self.gathered).into_iter().collect();
        self.count = 0;
        if let Err(error) = self.forest.update_all(&changes) {
            // Records come in the order of their keys, so only a store that is out of order gets here.
            let name = changes.first().map_or(Name::Accounts, |(name, _)| *name);
            self.damaged.push((
                crate::place::tree_prefix(&name),
                match error {
                    replicode_contracts::tree::TreeError::Full => "there are more contents than a tree can hold",
                    _ => "its records are out of order",
                },
            ));
        }
    }

    /// The forest, if all is as it should be.
    fn finish(mut self) -> Result<Forest, Vec<Damage>> {
        let file = &self.store.file;
        let accounts: BTreeSet<[u8; 20]> = self
            .roots
            .keys()
            .chain(&self.forest.now().names())
            .filter_map(|name| match name {
                Name::Pages { account } | Name::Collection { account, .. } => Some(*account),
                Name::Accounts | Name::Receipts | Name::Codes | Name::Beside => None,
            })
            .collect();
        let accounts: Vec<[u8; 20]> = accounts.into_iter().collect();
        let mut damage: Vec<Damage> = self
            .damaged
            .iter()
            .take(LISTED)
            .map(|(record, what)| Damage::record(file, record, &accounts, what))
            .collect();
        let view = self.forest.now();
        for (name, root) in &self.roots {
            let has = view.root(name);
            if has != *root {
                let what = format!(
                    "its contents have root {has} instead of {root} in checkpoint {}",
                    self.manifest.batch.index
                );
                damage.push(Damage::tree(file, *name, what));
            }
        }
        // What is left of removed collections. They are part of no state and no answer, so nothing is lost with them.
        let left: Vec<(Name, Vec<Change>)> = view
            .names()
            .into_iter()
            .filter(|name| !self.roots.contains_key(name))
            .map(|name| (name, view.leaves(&name).map(|(key, _)| (key, None)).collect()))
            .collect();
        if self.manifest.roots.iter().all(|(name, root)| *name != Name::Accounts || *root != self.manifest.batch.root) {
            damage.push(Damage::file(file, "the manifest names two roots"));
        }
        if damage.is_empty() {
            match self.forest.update_all(&left) {
                Ok(_) => {
                    self.forest.forget();
                    return Ok(self.forest);
                }
                Err(error) => damage.push(Damage::file(file, format!("what is left of removed collections: {error}"))),
            }
        }
        damage.truncate(LISTED);
        Err(damage)
    }
}
