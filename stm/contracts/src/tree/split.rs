//! An update in sixteen parts that know nothing of each other.

use std::collections::BTreeMap;

use super::crown::{Crown, Root};
use super::forest::TreeError;
use super::lane::{Lane, Work};
use super::node::{LANES, Ref};
use super::{Change, Name};
use crate::hash::Hash;

/// An update that has begun. Run each of its [`parts`](Split::parts), in any order and on any threads, then
/// [`finish`](Split::finish).
pub struct Split<'f> {
    parts: Vec<Part<'f>>,
    crown: &'f mut Lane,
    trees: &'f mut BTreeMap<Name, Root>,
    undo: &'f mut BTreeMap<Name, Root>,
    jobs: Vec<(Name, Root, Crown)>,
}

/// What an update does to the keys that begin with the same four bits.
pub struct Part<'f> {
    lane: &'f mut Lane,
    works: Vec<Work<'f>>,
    /// For each work, the tree that it belongs to.
    jobs: Vec<usize>,
    done: Option<Vec<Root>>,
    /// Where the lane's log stood before; none once the update is finished.
    before: Option<(usize, usize)>,
}

/// An update that is given up leaves nothing behind.
impl Drop for Part<'_> {
    fn drop(&mut self) {
        if let Some((made, replaced)) = self.before {
            let given_up: Vec<Ref> = self.lane.log.made.drain(made..).collect();
            given_up.into_iter().for_each(|node| self.lane.free(node));
            self.lane.log.replaced.truncate(replaced);
        }
    }
}

impl Part<'_> {
    /// Does it. A second time nothing happens.
    pub fn run(&mut self) {
        if self.done.is_none() {
            self.done = Some(self.lane.apply(&self.works));
        }
    }

    /// How many changes it has: its weight.
    pub fn changes(&self) -> usize {
        self.works.iter().map(|work| work.changes.len()).sum()
    }
}

impl<'f> Split<'f> {
    pub(super) fn new(
        lanes: &'f mut [Lane],
        crown: &'f mut Lane,
        trees: &'f mut BTreeMap<Name, Root>,
        undo: &'f mut BTreeMap<Name, Root>,
        changes: &'f [(Name, Vec<Change>)],
    ) -> Result<Split<'f>, TreeError> {
        check(changes)?;
        let part = |lane: &'f mut Lane| {
            let before = Some((lane.log.made.len(), lane.log.replaced.len()));
            Part { lane, works: Vec::new(), jobs: Vec::new(), done: None, before }
        };
        let mut parts: Vec<Part<'f>> = lanes.iter_mut().map(part).collect();
        let mut jobs = Vec::with_capacity(changes.len());
        for (at, (name, mut rest)) in changes.iter().map(|(name, changes)| (name, changes.as_slice())).enumerate() {
            let root = trees.get(name).copied().unwrap_or((Ref::NONE, Hash::ZERO));
            let crown = Crown::of(crown, root);
            for (lane, part) in parts.iter_mut().enumerate() {
                let own = rest.partition_point(|(key, _)| usize::from(key.as_bytes()[0] >> 4) <= lane);
                let (changes, after) = rest.split_at(own);
                rest = after;
                if !changes.is_empty() {
                    let (node, hash) = crown.slots[lane];
                    part.works.push(Work { node, hash, changes });
                    part.jobs.push(at);
                }
            }
            jobs.push((*name, root, crown));
        }
        parts.retain(|part| !part.works.is_empty());
        if parts.iter().any(|part| !part.lane.has_room(part.changes())) {
            return Err(TreeError::Full);
        }
        Ok(Split { parts, crown, trees, undo, jobs })
    }

    /// What there is to do, at most sixteen parts.
    pub fn parts(&mut self) -> &mut [Part<'f>] {
        &mut self.parts
    }

    /// The trees' new roots, in the order of the changes. Parts that nobody has run are run.
    pub fn finish(self) -> Vec<Hash> {
        let Split { parts, crown, trees, undo, mut jobs } = self;
        for mut part in parts {
            part.run();
            part.before = None;
            let lane = part.works[0].changes[0].0.as_bytes()[0] >> 4;
            for (job, root) in part.jobs.iter().zip(part.done.iter().flatten()) {
                jobs[*job].2.slots[usize::from(lane) % LANES] = *root;
            }
        }
        let close = |(name, old, slots): (Name, Root, Crown)| {
            let root = slots.close(crown);
            if root.0 != old.0 {
                undo.entry(name).or_insert(old);
                match root.0 == Ref::NONE {
                    true => trees.remove(&name),
                    false => trees.insert(name, root),
                };
            }
            root.1
        };
        jobs.into_iter().map(close).collect()
    }
}

fn check(changes: &[(Name, Vec<Change>)]) -> Result<(), TreeError> {
    if !changes.is_sorted_by(|a, b| a.0 < b.0) {
        return Err(TreeError::NamesUnsorted);
    }
    match changes.iter().find(|(_, changes)| !changes.is_sorted_by(|a, b| a.0 < b.0)) {
        Some((name, _)) => Err(TreeError::Unsorted { name: *name }),
        None => Ok(()),
    }
}
