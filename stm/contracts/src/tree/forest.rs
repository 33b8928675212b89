//! All trees of a store, now and after each of the last batches.

use std::collections::{BTreeMap, VecDeque};

use super::crown::Root;
use super::lane::{Lane, Log};
use super::node::{CROWN, Inner, LANES, Ref};
use super::{Change, Name, Split};
use crate::hash::Hash;
use crate::proof::{End, Path, Step};

/// All trees of a store by name, now and after each of the last batches.
///
/// Changes go through [`update`](Forest::update) or [`split`](Forest::split); [`seal`](Forest::seal) ends a batch, and
/// [`discard`](Forest::discard) takes back what was changed since the last one. Past states are read through
/// [`at`](Forest::at) and returned to by [`rewind`](Forest::rewind). A tree that was never changed is empty, and its root
/// [`Hash::ZERO`].
pub struct Forest {
    lanes: Vec<Lane>,
    crown: Lane,
    trees: BTreeMap<Name, Root>,
    /// The roots that trees had when the last batch was sealed, where they have others now.
    undo: BTreeMap<Name, Root>,
    sealed: VecDeque<Sealed>,
    depth: usize,
    /// The oldest batch whose state is kept.
    oldest: u64,
}

/// What a batch did.
struct Sealed {
    batch: u64,
    undo: BTreeMap<Name, Root>,
    logs: Vec<Log>,
}

/// Why a tree does not do what is asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Changes of a tree must be in the order of their keys, each key once.
    #[error("the changes of {name} are not in the order of their keys, each key once")]
    Unsorted {
        /// Which tree.
        name: Name,
    },
    /// Changes of several trees must be in the order of their names, each name once.
    #[error("the trees to change are not in the order of their names, each once")]
    NamesUnsorted,
    /// A batch is sealed once, and later than those before.
    #[error("batch {batch} cannot be sealed after batch {newest}")]
    Sealed {
        /// What was to be sealed.
        batch: u64,
        /// The last one that was.
        newest: u64,
    },
    /// The state after this batch is not among those that are kept.
    #[error("the state after batch {batch} is not kept: those of batches {oldest} to {newest} are")]
    NotKept {
        /// What was asked for.
        batch: u64,
        /// The first that is kept.
        oldest: u64,
        /// The last.
        newest: u64,
    },
    /// No more nodes can be numbered.
    #[error("the trees have no room for more keys")]
    Full,
}

/// How large a forest is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Trees that are not empty.
    pub trees: usize,
    /// Leaves of all states that are kept.
    pub leaves: usize,
    /// Nodes of all states that are kept.
    pub nodes: usize,
    /// Bytes of memory for them, without the names.
    pub bytes: usize,
}

impl Forest {
    /// No tree holds anything, as of `batch`. The states of the last `depth` batches before the newest one are kept.
    pub fn new(batch: u64, depth: usize) -> Forest {
        Forest {
            lanes: (0..LANES).map(Lane::new).collect(),
            crown: Lane::new(CROWN),
            trees: BTreeMap::new(),
            undo: BTreeMap::new(),
            sealed: VecDeque::new(),
            depth,
            oldest: batch,
        }
    }

    /// The root of a tree as it is now, changes of the current batch included.
    pub fn root(&self, name: &Name) -> Hash {
        self.trees.get(name).map_or(Hash::ZERO, |root| root.1)
    }

    /// The value at `key` as it is now.
    pub fn get(&self, name: &Name, key: &Hash) -> Option<Hash> {
        self.now().get(name, key)
    }

    /// Changes a tree; its new root. `changes` are in the order of their keys, each key once.
    pub fn update(&mut self, name: Name, changes: &[Change]) -> Result<Hash, TreeError> {
        let roots = self.update_all(&[(name, changes.to_vec())])?;
        Ok(roots.first().copied().unwrap_or_default())
    }

    /// Changes several trees, in the order of their names; their new roots in the same order.
    pub fn update_all(&mut self, changes: &[(Name, Vec<Change>)]) -> Result<Vec<Hash>, TreeError> {
        Ok(self.split(changes)?.finish())
    }

    /// The same as [`update_all`](Forest::update_all), for callers with threads.
    pub fn split<'f>(&'f mut self, changes: &'f [(Name, Vec<Change>)]) -> Result<Split<'f>, TreeError> {
        Split::new(&mut self.lanes, &mut self.crown, &mut self.trees, &mut self.undo, changes)
    }

    /// Empties a tree.
    pub fn clear(&mut self, name: Name) {
        let Some(root) = self.trees.remove(&name) else { return };
        self.undo.entry(name).or_insert(root);
        let mut open = vec![root.0];
        while let Some(node) = open.pop() {
            if !node.is_leaf() {
                open.extend(self.inner(node).child);
            }
            self.lane_mut(node).log.replaced.push(node);
        }
    }

    /// Ends `batch`: its state is kept, and the oldest one is left behind when there are more than the depth.
    pub fn seal(&mut self, batch: u64) -> Result<(), TreeError> {
        let newest = self.newest();
        if batch <= newest {
            return Err(TreeError::Sealed { batch, newest });
        }
        let undo = std::mem::take(&mut self.undo);
        let logs = self.all_logs();
        self.sealed.push_back(Sealed { batch, undo, logs });
        while self.sealed.len() > self.depth {
            let Some(left) = self.sealed.pop_front() else { break };
            self.oldest = left.batch;
            self.leave(left.logs);
        }
        Ok(())
    }

    /// What is there now is the state after the oldest batch that is kept, and no earlier one is: for a state that was read
    /// from elsewhere.
    pub fn forget(&mut self) {
        self.oldest = self.newest();
        self.undo.clear();
        let logs = self.all_logs();
        self.sealed.push_back(Sealed { batch: self.oldest, undo: BTreeMap::new(), logs });
        for sealed in std::mem::take(&mut self.sealed) {
            self.leave(sealed.logs);
        }
    }

    fn all_logs(&mut self) -> Vec<Log> {
        self.all_lanes().map(|lane| std::mem::take(&mut lane.log)).collect()
    }

    fn leave(&mut self, logs: Vec<Log>) {
        for (lane, log) in self.all_lanes().zip(logs) {
            log.replaced.into_iter().for_each(|node| lane.free(node));
        }
    }

    /// Takes back all changes since the last batch was sealed.
    pub fn discard(&mut self) {
        let undo = std::mem::take(&mut self.undo);
        let logs = self.all_logs();
        self.take_back(undo, logs);
    }

    /// Goes back to the state after `batch`, or after the last batch before it. Later states are gone.
    pub fn rewind(&mut self, batch: u64) -> Result<(), TreeError> {
        self.kept(batch)?;
        self.discard();
        while self.newest() > batch {
            let Some(Sealed { undo, logs, .. }) = self.sealed.pop_back() else { break };
            self.take_back(undo, logs);
        }
        Ok(())
    }

    fn take_back(&mut self, undo: BTreeMap<Name, Root>, logs: Vec<Log>) {
        for (name, root) in undo {
            match root.0 == Ref::NONE {
                true => self.trees.remove(&name),
                false => self.trees.insert(name, root),
            };
        }
        for (lane, log) in self.all_lanes().zip(logs) {
            log.made.into_iter().for_each(|node| lane.free(node));
        }
    }

    /// The batch that was sealed last.
    pub fn newest(&self) -> u64 {
        self.sealed.back().map_or(self.oldest, |sealed| sealed.batch)
    }

    /// The oldest batch whose state is kept.
    pub fn oldest(&self) -> u64 {
        self.oldest
    }

    /// What is there now, changes of the current batch included.
    pub fn now(&self) -> View<'_> {
        View { forest: self, later: None }
    }

    /// The state after `batch`, or after the last batch before it.
    pub fn at(&self, batch: u64) -> Result<View<'_>, TreeError> {
        self.kept(batch)?;
        Ok(View { forest: self, later: Some(self.sealed.partition_point(|sealed| sealed.batch <= batch)) })
    }

    fn kept(&self, batch: u64) -> Result<(), TreeError> {
        let (oldest, newest) = (self.oldest, self.newest());
        match (oldest..=newest).contains(&batch) {
            true => Ok(()),
            false => Err(TreeError::NotKept { batch, oldest, newest }),
        }
    }

    /// How large it is.
    pub fn stats(&self) -> Stats {
        let mut out = Stats { trees: self.trees.len(), ..Stats::default() };
        for lane in self.lanes.iter().chain([&self.crown]) {
            out.leaves += lane.leaves.used();
            out.nodes += lane.inner.used();
            out.bytes += lane.leaves.bytes() + lane.inner.bytes();
        }
        let logs = self.sealed.iter().flat_map(|sealed| &sealed.logs);
        out.bytes += logs.map(|log| (log.made.capacity() + log.replaced.capacity()) * size_of::<Ref>()).sum::<usize>();
        out
    }

    /// The logs of the batches that are kept and of the current one.
    #[cfg(test)]
    pub(super) fn logs(&self) -> impl Iterator<Item = &Log> {
        let current = self.lanes.iter().chain([&self.crown]).map(|lane| &lane.log);
        self.sealed.iter().flat_map(|sealed| &sealed.logs).chain(current)
    }

    fn all_lanes(&mut self) -> impl Iterator<Item = &mut Lane> {
        self.lanes.iter_mut().chain([&mut self.crown])
    }

    fn lane(&self, node: Ref) -> &Lane {
        self.lanes.get(node.lane()).unwrap_or(&self.crown)
    }

    fn lane_mut(&mut self, node: Ref) -> &mut Lane {
        self.lanes.get_mut(node.lane()).unwrap_or(&mut self.crown)
    }

    pub(super) fn inner(&self, node: Ref) -> &Inner {
        self.lane(node).inner.at(node.slot())
    }
}

/// One of the states that a forest keeps.
#[derive(Clone, Copy)]
pub struct View<'f> {
    forest: &'f Forest,
    /// The first sealed batch that does not belong to it; none of what is there now.
    later: Option<usize>,
}

impl<'f> View<'f> {
    pub(super) fn tree(&self, name: &Name) -> Root {
        let now = || self.forest.trees.get(name).copied().unwrap_or((Ref::NONE, Hash::ZERO));
        let Some(later) = self.later else { return now() };
        let mut after = self.forest.sealed.range(later..).map(|sealed| &sealed.undo).chain([&self.forest.undo]);
        after.find_map(|undo| undo.get(name).copied()).unwrap_or_else(now)
    }

    /// The root of a tree.
    pub fn root(&self, name: &Name) -> Hash {
        self.tree(name).1
    }

    /// The value at `key`.
    pub fn get(&self, name: &Name, key: &Hash) -> Option<Hash> {
        let mut node = self.tree(name).0;
        if node == Ref::NONE {
            return None;
        }
        while !node.is_leaf() {
            let inner = self.forest.inner(node);
            node = inner.child[usize::from(key.bit(inner.bit()))];
        }
        let leaf = self.forest.lane(node).leaves.at(node.slot());
        (leaf.key() == *key).then(|| leaf.value())
    }

    /// What stands at `key`, or that nothing does, in a form that needs the root only to be believed.
    pub fn prove(&self, name: &Name, key: &Hash) -> Path {
        let mut node = self.tree(name).0;
        let mut steps = Vec::new();
        if node == Ref::NONE {
            return Path { steps, end: End::Nothing };
        }
        while !node.is_leaf() {
            let inner = self.forest.inner(node);
            let side = usize::from(key.bit(inner.bit()));
            steps.push(Step { bit: inner.bit(), beside: inner.hash(1 - side) });
            node = inner.child[side];
        }
        let leaf = self.forest.lane(node).leaves.at(node.slot());
        let end = match leaf.key() == *key {
            true => End::Here,
            false => End::Other { key: leaf.key(), value: leaf.value() },
        };
        Path { steps, end }
    }

    /// The subtree of the keys that begin with the first `bits` bits of `prefix`; none when there is no such key.
    pub fn below(&self, name: &Name, prefix: &Hash, bits: u16) -> Option<Below<'f>> {
        let (mut node, mut hash) = self.tree(name);
        if node == Ref::NONE {
            return None;
        }
        let mut steps = Vec::new();
        while !node.is_leaf() && u16::from(self.forest.inner(node).bit()) < bits {
            let inner = self.forest.inner(node);
            let side = usize::from(prefix.bit(inner.bit()));
            steps.push(Step { bit: inner.bit(), beside: inner.hash(1 - side) });
            (node, hash) = (inner.child[side], inner.hash(side));
        }
        let below = Below { forest: self.forest, steps, node, hash };
        let first = below.leaves().next();
        first.filter(|(key, _)| key.begins_like(prefix, bits)).map(|_| below)
    }

    /// All leaves of a tree, in the order of their keys.
    pub fn leaves(&self, name: &Name) -> Leaves<'f> {
        let open = Some(self.tree(name).0).filter(|node| *node != Ref::NONE);
        Leaves { forest: self.forest, open: open.into_iter().collect() }
    }

    /// The leaves of a tree behind a key, which need not be there any more, in the order of their keys.
    pub fn leaves_behind(&self, name: &Name, key: &Hash) -> Leaves<'f> {
        let root = self.tree(name).0;
        let mut open = Vec::new();
        if root == Ref::NONE {
            return Leaves { forest: self.forest, open };
        }
        let mut nearest = root;
        while !nearest.is_leaf() {
            let inner = self.forest.inner(nearest);
            nearest = inner.child[usize::from(key.bit(inner.bit()))];
        }
        let found = self.forest.lane(nearest).leaves.at(nearest.slot()).key();
        // All keys below the place where `key` would stand differ from it in the same bit first.
        let parts = found.first_difference(key);
        let mut node = root;
        while !node.is_leaf() {
            let inner = self.forest.inner(node);
            if parts.is_some_and(|bit| bit < inner.bit()) {
                break;
            }
            let [left, right] = inner.child;
            node = match key.bit(inner.bit()) {
                true => right,
                false => {
                    open.push(right);
                    left
                }
            };
        }
        if parts.is_some_and(|bit| !key.bit(bit)) {
            open.push(node);
        }
        Leaves { forest: self.forest, open }
    }

    /// The trees that are not empty, in order.
    pub fn names(&self) -> Vec<Name> {
        let forest = self.forest;
        let mut names: Vec<Name> = forest.trees.keys().copied().collect();
        if let Some(later) = self.later {
            names.extend(forest.sealed.range(later..).flat_map(|sealed| sealed.undo.keys()));
            names.extend(forest.undo.keys());
            names.sort_unstable();
            names.dedup();
            names.retain(|name| self.tree(name).0 != Ref::NONE);
        }
        names
    }
}

/// A subtree of a tree.
#[derive(Clone)]
pub struct Below<'f> {
    forest: &'f Forest,
    node: Ref,
    /// The way to it from the root.
    pub steps: Vec<Step>,
    /// Its hash.
    pub hash: Hash,
}

impl<'f> Below<'f> {
    /// The bit in which its keys part; none when it is one leaf.
    pub fn bit(&self) -> Option<u8> {
        (!self.node.is_leaf()).then(|| self.forest.inner(self.node).bit())
    }

    /// Its leaves, in the order of their keys.
    pub fn leaves(&self) -> Leaves<'f> {
        Leaves { forest: self.forest, open: vec![self.node] }
    }
}

/// Leaves, key and value, in the order of their keys.
#[derive(Clone)]
pub struct Leaves<'f> {
    forest: &'f Forest,
    open: Vec<Ref>,
}

impl Iterator for Leaves<'_> {
    type Item = (Hash, Hash);

    fn next(&mut self) -> Option<(Hash, Hash)> {
        let mut node = self.open.pop()?;
        while !node.is_leaf() {
            let [left, right] = self.forest.inner(node).child;
            self.open.push(right);
            node = left;
        }
        let leaf = self.forest.lane(node).leaves.at(node.slot());
        Some((leaf.key(), leaf.value()))
    }
}
