//! Taking chunks in.

use std::collections::{BTreeMap, BTreeSet};

use borsh::{BorshDeserialize, BorshSerialize};

use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Contents;
use replicode_contracts::tree::{Change as TreeChange, Forest, Name, Schema, TreeError};

use super::{Chunk, ChunkError, Verified, Want};
use crate::Manifest;

/// A content that is new, or gone. It is for the caller to keep.
pub type Change = (Name, Hash, Option<Vec<u8>>);

/// An installation on its way. `C` gives the contents of the state that it began with.
pub struct Install<S, C> {
    schema: S,
    have: C,
    manifest: Manifest,
    forest: Forest,
    pending: Pending,
}

/// How far an installation is. Stored together with the contents so far, it lets one go on that was interrupted.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Pending {
    /// Subtrees that are not here yet, by tree and hash.
    wanted: BTreeMap<(Name, Hash), Want>,
    /// Trees that an old content referred to: they go in the end, unless a new content refers to them, as when a collection was moved.
    orphans: BTreeSet<Name>,
    /// Trees that new contents refer to.
    adopted: BTreeSet<Name>,
}

/// Why an installation does not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// The chunk is not believed. Another provider may have a better one.
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    /// The trees do not take what is installed.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A content of the state that it began with could not be read.
    #[error("the content at {key} of {name} could not be read: {why}")]
    Content {
        /// Of which tree.
        name: Name,
        /// At which key.
        key: Hash,
        /// Why not.
        why: String,
    },
    /// Something is still wanted.
    #[error("{0} subtrees are still missing")]
    Unfinished(usize),
    /// All is there, and the roots are others: the state that it began with was not complete.
    #[error("{name} has root {has} instead of {root}")]
    Root {
        /// Which tree.
        name: Name,
        /// What it has.
        has: Hash,
        /// What it should have.
        root: Hash,
    },
}

/// A subtree that a tree must have: its hash, what its keys begin with, and how the tree was found.
struct Must {
    hash: Hash,
    want: Want,
}

impl<S: Schema, C: Contents> Install<S, C> {
    /// Begins with the state that `forest` has now, which may be empty, and whose contents are `have`. The manifest must be known
    /// to be right, for instance by the digest of its batch.
    pub fn new(schema: S, manifest: Manifest, forest: Forest, have: C) -> Result<Install<S, C>, InstallError> {
        let mut out = Install { schema, have, manifest, forest, pending: Pending::default() };
        for (name, hash) in out.manifest.roots.clone() {
            let want = Want { way: Vec::new(), name, prefix: Hash::ZERO, bits: 0 };
            out.want(Must { hash, want }, &mut Vec::new())?;
        }
        Ok(out)
    }

    /// Goes on where an installation was interrupted, with the state as of then.
    pub fn resume(schema: S, manifest: Manifest, forest: Forest, have: C, pending: Pending) -> Install<S, C> {
        Install { schema, have, manifest, forest, pending }
    }

    /// How far it is.
    pub fn pending(&self) -> &Pending {
        &self.pending
    }

    /// What is missing. Nothing: [`finish`](Install::finish).
    pub fn wanted(&self) -> impl Iterator<Item = &Want> {
        self.pending.wanted.values()
    }

    /// Takes a chunk in; the contents that it changes. What nobody wanted is verified and left out.
    pub fn take(&mut self, chunk: &Chunk) -> Result<Vec<Change>, InstallError> {
        let verified = chunk.verify(&self.schema, &self.manifest.roots)?;
        let mut changes = Vec::new();
        for section in verified {
            self.section(section, &mut changes)?;
        }
        Ok(changes)
    }

    fn section(&mut self, section: Verified, changes: &mut Vec<Change>) -> Result<(), InstallError> {
        let Verified { name, leaves, steps, hashes, way } = section;
        let Some(first) = leaves.first().map(|leaf| leaf.key) else { return Ok(()) };
        // Where the way comes through a wanted subtree, its two sides are wanted instead.
        for (step, two) in steps.iter().zip(hashes.windows(2)) {
            let Some(want) = self.pending.wanted.remove(&(name, two[0])) else { continue };
            self.leave_only(&want, &first, u16::from(step.bit), changes)?;
            for (side, hash) in [(first.bit(step.bit), two[1]), (!first.bit(step.bit), step.beside)] {
                let prefix = first.with_bit(step.bit, side);
                let want = Want { way: way.clone(), name, prefix, bits: u16::from(step.bit) + 1 };
                // The side that the section lies on is wanted in any case: what it holds is here now.
                match side == first.bit(step.bit) {
                    true => drop(self.pending.wanted.insert((name, hash), want)),
                    false => self.want(Must { hash, want }, changes)?,
                }
            }
        }
        let Some(own) = hashes.last() else { return Ok(()) };
        let Some(want) = self.pending.wanted.remove(&(name, *own)) else { return Ok(()) };
        let new: BTreeMap<Hash, Hash> = leaves.iter().map(|leaf| (leaf.key, leaf.value)).collect();
        let old: Vec<(Hash, Hash)> = match self.forest.now().below(&name, &want.prefix, want.bits) {
            Some(below) => below.leaves().collect(),
            None => Vec::new(),
        };
        let before: BTreeMap<Hash, Hash> = old.into_iter().collect();
        let removed = before.iter().filter(|(key, _)| !new.contains_key(key)).map(|(key, _)| (*key, None));
        let mut all: Vec<TreeChange> = removed.chain(new.iter().map(|(key, value)| (*key, Some(*value)))).collect();
        all.sort_unstable();
        self.orphan(&name, before.iter().filter(|(key, value)| new.get(key) != Some(value)))?;
        self.forest.update(name, &all)?;
        changes.extend(all.iter().filter(|(_, value)| value.is_none()).map(|(key, _)| (name, *key, None)));
        for leaf in leaves.into_iter().filter(|leaf| before.get(&leaf.key) != Some(&leaf.value)) {
            let way = [way.as_slice(), &[(name, leaf.key)]].concat();
            for (child, hash) in self.schema.children(&name, &leaf.content) {
                self.pending.adopted.insert(child);
                let want = Want { way: way.clone(), name: child, prefix: Hash::ZERO, bits: 0 };
                self.want(Must { hash, want }, changes)?;
            }
            changes.push((name, leaf.key, Some(leaf.content)));
        }
        Ok(())
    }

    /// Wants a subtree unless it is here.
    fn want(&mut self, Must { hash, want }: Must, changes: &mut Vec<Change>) -> Result<(), InstallError> {
        let here = self.forest.now().below(&want.name, &want.prefix, want.bits).map(|below| below.hash);
        if hash == Hash::ZERO {
            return self.clear(want.name, changes);
        }
        if here != Some(hash) {
            self.pending.wanted.insert((want.name, hash), want);
        }
        Ok(())
    }

    /// Of the keys that a want covers, only those that begin with the first `bits` bits of `key` are in the tree.
    fn leave_only(
        &mut self,
        want: &Want,
        key: &Hash,
        bits: u16,
        changes: &mut Vec<Change>,
    ) -> Result<(), InstallError> {
        let Some(below) = self.forest.now().below(&want.name, &want.prefix, want.bits) else { return Ok(()) };
        let gone: Vec<(Hash, Hash)> = below.leaves().filter(|(other, _)| !other.begins_like(key, bits)).collect();
        self.orphan(&want.name, gone.iter().map(|(key, value)| (key, value)))?;
        let removed: Vec<TreeChange> = gone.iter().map(|(key, _)| (*key, None)).collect();
        self.forest.update(want.name, &removed)?;
        changes.extend(gone.iter().map(|(key, _)| (want.name, *key, None)));
        Ok(())
    }

    /// These leaves go: what their contents refer to has lost its place.
    fn orphan<'l>(
        &mut self,
        name: &Name,
        leaves: impl Iterator<Item = (&'l Hash, &'l Hash)>,
    ) -> Result<(), InstallError> {
        for (key, value) in leaves {
            let content = self.have.content(name, key, value);
            let content = content.map_err(|why| InstallError::Content { name: *name, key: *key, why })?;
            self.pending.orphans.extend(self.schema.children(name, &content).into_iter().map(|(child, _)| child));
        }
        Ok(())
    }

    /// Empties a tree.
    fn clear(&mut self, name: Name, changes: &mut Vec<Change>) -> Result<(), InstallError> {
        let leaves: Vec<(Hash, Hash)> = self.forest.now().leaves(&name).collect();
        self.orphan(&name, leaves.iter().map(|(key, value)| (key, value)))?;
        self.forest.clear(name);
        changes.extend(leaves.into_iter().map(|(key, _)| (name, key, None)));
        Ok(())
    }

    /// The state, complete, with the last contents that go: the roots are those of the manifest.
    pub fn finish(mut self) -> Result<(Forest, Vec<Change>), InstallError> {
        if !self.pending.wanted.is_empty() {
            return Err(InstallError::Unfinished(self.pending.wanted.len()));
        }
        let mut changes = Vec::new();
        while let Some(name) = self.pending.orphans.pop_first() {
            if !self.pending.adopted.contains(&name) {
                self.clear(name, &mut changes)?;
            }
        }
        for (name, root) in &self.manifest.roots {
            let has = self.forest.root(name);
            if has != *root {
                return Err(InstallError::Root { name: *name, has, root: *root });
            }
        }
        Ok((self.forest, changes))
    }
}
