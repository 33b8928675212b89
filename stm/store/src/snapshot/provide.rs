//! Making chunks from a state that is kept.

use replicode_contracts::hash::Hash;
use replicode_contracts::proof::Contents;
use replicode_contracts::tree::{Below, Name, Schema, View};

use super::{Chunk, Section, Want};

/// How large a chunk becomes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Leaves of a section.
    pub leaves: usize,
    /// Bytes of contents after which no further section is begun. One section is never split by bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 256 leaves, 256 KiB.
    fn default() -> Limits {
        Limits { leaves: 256, bytes: 256 << 10 }
    }
}

/// Why there is no chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotProvided {
    /// There is nothing of the kind in this state.
    #[error("there is nothing at the first {bits} bits of {prefix} in {name}")]
    Nothing {
        /// In which tree.
        name: Name,
        /// What its keys begin with.
        prefix: Hash,
        /// How many bits of that count.
        bits: u16,
    },
    /// A content could not be read.
    #[error("the content at {key} of {name} could not be read: {why}")]
    Content {
        /// Of which tree.
        name: Name,
        /// At which key.
        key: Hash,
        /// Why not.
        why: String,
    },
}

/// A chunk with the beginning of each subtree that is wanted: all of it, or where that is too much its first part, so that what
/// is still missing is wanted next. Small trees that its contents refer to come along. The first is always served.
pub fn provide(
    view: View<'_>,
    schema: &impl Schema,
    contents: &mut (impl Contents + ?Sized),
    wants: &[Want],
    limits: Limits,
) -> Result<Chunk, NotProvided> {
    let mut making = Making { view, schema, contents, sections: Vec::new(), bytes: 0, limits };
    for want in wants {
        if making.bytes >= limits.bytes {
            break;
        }
        for (name, key) in &want.way {
            let placed = making.sections.iter().any(|section| section.name == *name && section.prefix == *key);
            if !placed {
                making.section(*name, *key, 256)?;
            }
        }
        let (prefix, bits) = making.first_part(want)?;
        let children = making.section(want.name, prefix, bits)?;
        making.along(children)?;
    }
    Ok(Chunk { version: 1, sections: making.sections })
}

struct Making<'a, S, C: ?Sized> {
    view: View<'a>,
    schema: &'a S,
    contents: &'a mut C,
    sections: Vec<Section>,
    bytes: usize,
    limits: Limits,
}

impl<S: Schema, C: Contents + ?Sized> Making<'_, S, C> {
    fn below(&self, name: Name, prefix: Hash, bits: u16) -> Result<Below<'_>, NotProvided> {
        self.view.below(&name, &prefix, bits).ok_or(NotProvided::Nothing { name, prefix, bits })
    }

    /// What of a subtree fits into a section.
    fn first_part(&self, want: &Want) -> Result<(Hash, u16), NotProvided> {
        let (mut prefix, mut bits) = (want.prefix, want.bits);
        loop {
            let below = self.below(want.name, prefix, bits)?;
            let many = below.leaves().nth(self.limits.leaves.max(1)).is_some();
            match (below.bit().filter(|_| many), below.leaves().next()) {
                (Some(bit), Some((first, _))) => (prefix, bits) = (first, u16::from(bit) + 1),
                _ => return Ok((prefix, bits)),
            }
        }
    }

    /// Adds a section; the trees that its contents refer to.
    fn section(&mut self, name: Name, prefix: Hash, bits: u16) -> Result<Vec<(Name, Hash)>, NotProvided> {
        let below = self.view.below(&name, &prefix, bits).ok_or(NotProvided::Nothing { name, prefix, bits })?;
        let (mut contents, mut children) = (Vec::new(), Vec::new());
        for (key, value) in below.leaves() {
            let content = self.contents.content(&name, &key, &value);
            let content = content.map_err(|why| NotProvided::Content { name, key, why })?;
            self.bytes += content.len();
            children.extend(self.schema.children(&name, &content));
            contents.push(content);
        }
        self.sections.push(Section { name, prefix, bits, steps: below.steps, contents });
        Ok(children)
    }

    /// Adds the trees that are small, and those that they refer to.
    fn along(&mut self, mut trees: Vec<(Name, Hash)>) -> Result<(), NotProvided> {
        while let Some((name, state)) = trees.pop() {
            let small = self.view.leaves(&name).nth(self.limits.leaves).is_none();
            if state != Hash::ZERO && small && self.bytes < self.limits.bytes {
                trees.extend(self.section(name, Hash::ZERO, 0)?);
            }
        }
        Ok(())
    }
}

/// The subtrees, of at most `leaves` leaves each, in which two states of a store differ, for a receiver that has the old one.
/// `roots` are the trees that nothing refers to.
pub fn difference(
    old: View<'_>,
    new: View<'_>,
    schema: &impl Schema,
    contents: &mut (impl Contents + ?Sized),
    roots: &[Name],
    leaves: usize,
) -> Result<Vec<Want>, NotProvided> {
    let mut out = Differing { old, new, schema, contents, leaves: leaves.max(1), wants: Vec::new() };
    for name in roots {
        out.tree(Vec::new(), *name)?;
    }
    Ok(out.wants)
}

struct Differing<'a, S, C: ?Sized> {
    old: View<'a>,
    new: View<'a>,
    schema: &'a S,
    contents: &'a mut C,
    leaves: usize,
    wants: Vec<Want>,
}

impl<S: Schema, C: Contents + ?Sized> Differing<'_, S, C> {
    fn tree(&mut self, way: Vec<(Name, Hash)>, name: Name) -> Result<(), NotProvided> {
        self.subtree(&Want { way, name, prefix: Hash::ZERO, bits: 0 }).map(drop)
    }

    /// Whether it differs.
    fn subtree(&mut self, at: &Want) -> Result<bool, NotProvided> {
        let Some(new) = self.new.below(&at.name, &at.prefix, at.bits) else { return Ok(false) };
        let old = self.old.below(&at.name, &at.prefix, at.bits);
        if old.is_some_and(|old| old.hash == new.hash) {
            return Ok(false);
        }
        let Some(bit) = new.bit().filter(|_| new.leaves().nth(self.leaves).is_some()) else {
            self.wants.push(at.clone());
            for (key, value) in new.leaves() {
                self.children(at, &key, &value)?;
            }
            return Ok(true);
        };
        let Some((first, _)) = new.leaves().next() else { return Ok(false) };
        let mut differs = false;
        for side in [false, true] {
            let prefix = first.with_bit(bit, side);
            differs |= self.subtree(&Want { prefix, bits: u16::from(bit) + 1, ..at.clone() })?;
        }
        if !differs {
            // Something was removed from between the two: one leaf shows how the tree hangs together now.
            self.wants.push(Want { prefix: first, bits: 256, ..at.clone() });
        }
        Ok(true)
    }

    fn children(&mut self, at: &Want, key: &Hash, value: &Hash) -> Result<(), NotProvided> {
        if self.old.get(&at.name, key) == Some(*value) {
            return Ok(());
        }
        let content = self.contents.content(&at.name, key, value);
        let content = content.map_err(|why| NotProvided::Content { name: at.name, key: *key, why })?;
        for (child, _) in self.schema.children(&at.name, &content) {
            self.tree([at.way.as_slice(), &[(at.name, *key)]].concat(), child)?;
        }
        Ok(())
    }
}
