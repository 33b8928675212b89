//! One sixteenth of all trees: the subtrees whose keys begin with the same four bits. Here a batch's changes are made.
//!
//! An update goes down all paths side by side, level by level ([`Lane::descend`]), so that the processor waits for many nodes at
//! once; then up again, replacing nodes ([`Lane::ascend`]); then the new nodes are hashed, the deepest bit first
//! (`hashing.rs`).

use std::hint::black_box;

use super::Change;
use super::node::{Inner, Leaf, Ref, SLOTS};
use super::slab::Slab;
use crate::hash::Hash;

/// What of a tree lies in this lane, and what shall become of it.
pub(super) struct Work<'c> {
    pub(super) node: Ref,
    pub(super) hash: Hash,
    /// Sorted by key, each key once, all of them of this lane.
    pub(super) changes: &'c [Change],
}

/// Nodes that were made and that were replaced, since the last seal.
#[derive(Default)]
pub(super) struct Log {
    pub(super) made: Vec<Ref>,
    pub(super) replaced: Vec<Ref>,
}

pub(super) struct Lane {
    index: usize,
    pub(super) inner: Slab<Inner>,
    pub(super) leaves: Slab<Leaf>,
    pub(super) log: Log,
    pub(super) scratch: Scratch,
}

/// What an update needs on its way; empty between updates.
pub(super) struct Scratch {
    /// New nodes, in the order in which they were made.
    pub(super) fresh: Vec<Fresh>,
    /// Which of them are leaves.
    pub(super) fresh_leaves: Vec<u32>,
    /// Which of them are nodes, by their bit.
    pub(super) fresh_inner: Vec<Vec<u32>>,
    frames: Vec<Frame>,
    /// Old subtrees that hang elsewhere now.
    moved: Vec<(Ref, Hash)>,
    items: Vec<Item>,
}

pub(super) struct Fresh {
    pub(super) node: Ref,
    /// Where its hash goes.
    pub(super) to: To,
}

#[derive(Clone, Copy)]
pub(super) enum To {
    Nowhere,
    Side(u32, u8),
    Root(u32),
}

/// What became of a subtree.
#[derive(Clone, Copy)]
enum Out {
    Same,
    Empty,
    Fresh(u32),
    Moved(u32),
}

/// A leaf on its way into a new subtree.
#[derive(Clone, Copy)]
struct Item {
    key: Hash,
    new: Option<Hash>,
    /// The leaf that is there already and stays.
    old: Out,
}

/// A place on the way down. There are several for each change, so they are kept small.
#[derive(Clone, Copy)]
struct Frame {
    node: Ref,
    /// Which changes concern it: those of this work, from here to there.
    work: u32,
    from: u32,
    to: u32,
    /// The frame above, where the outcome goes to this side; of a root the side is not used.
    parent: u32,
    side: u8,
    step: Step,
    /// Bits that the changes' keys and those below the node are known to have in common.
    known: u16,
    /// Where the hash of `node` stands: in an old node, or at the root of a work.
    hash: To,
    outs: [Out; 2],
}

impl Frame {
    fn changes<'c>(&self, works: &[Work<'c>]) -> &'c [Change] {
        &works[self.work as usize].changes[self.from as usize..self.to as usize]
    }
}

#[derive(Clone, Copy)]
enum Step {
    /// `outs[0]` is the outcome.
    Done,
    /// The outs belong to the sides of the node.
    Node,
    /// The node is on side `side`, keys that part from it at `bit` on the other.
    Fork { bit: u8, side: u8 },
}

const NO_FRAME: u32 = u32::MAX;

/// Frames whose nodes are asked for together.
const AHEAD: usize = 32;

impl Lane {
    pub(super) fn new(index: usize) -> Lane {
        Lane {
            index,
            inner: Slab::new(),
            leaves: Slab::new(),
            log: Log::default(),
            scratch: Scratch {
                fresh: Vec::new(),
                fresh_leaves: Vec::new(),
                fresh_inner: (0..256).map(|_| Vec::new()).collect(),
                frames: Vec::new(),
                moved: Vec::new(),
                items: Vec::new(),
            },
        }
    }

    /// Whether so many changes surely find room.
    pub(super) fn has_room(&self, changes: usize) -> bool {
        let copied = self.inner.used().min(changes.saturating_mul(256));
        self.inner.used().saturating_add(copied).saturating_add(changes) < SLOTS as usize
            && self.leaves.used().saturating_add(changes) < SLOTS as usize
    }

    pub(super) fn free(&mut self, node: Ref) {
        match node.is_leaf() {
            true => self.leaves.free(node.slot()),
            false => self.inner.free(node.slot()),
        }
    }

    /// Makes the changes; what each tree has in this lane afterwards, with its hash.
    pub(super) fn apply(&mut self, works: &[Work<'_>]) -> Vec<(Ref, Hash)> {
        let mut frames = std::mem::take(&mut self.scratch.frames);
        frames.extend((0..).zip(works).map(|(at, work)| Frame {
            node: work.node,
            work: at,
            from: 0,
            to: work.changes.len() as u32,
            parent: NO_FRAME,
            side: 0,
            step: Step::Done,
            known: u16::from(super::node::LANE_BITS),
            hash: To::Root(at),
            outs: [Out::Same; 2],
        }));
        self.descend(&mut frames, works);
        let mut roots = self.ascend(&mut frames, works);
        self.hash_fresh(&mut roots);
        self.scratch.moved.clear();
        frames.clear();
        self.scratch.frames = frames;
        roots
    }

    fn descend(&mut self, frames: &mut Vec<Frame>, works: &[Work<'_>]) {
        let mut at = 0;
        while at < frames.len() {
            let end = (at + AHEAD).min(frames.len());
            // Nothing is made of what this reads; it brings the nodes near, all at the same time.
            black_box(frames[at..end].iter().fold(0_u32, |sum, frame| sum.wrapping_add(self.touch(frame.node))));
            for now in at..end {
                self.visit(frames, now, works);
            }
            at = end;
        }
    }

    fn touch(&self, node: Ref) -> u32 {
        match (node == Ref::NONE, node.is_leaf()) {
            (true, _) => 0,
            (_, true) => u32::from(self.leaves.at(node.slot()).pair[0]),
            (_, false) => {
                let inner = self.inner.at(node.slot());
                u32::from(inner.pair[0]).wrapping_add(inner.window())
            }
        }
    }

    fn visit(&mut self, frames: &mut Vec<Frame>, now: usize, works: &[Work<'_>]) {
        let frame = frames[now];
        if frame.node == Ref::NONE || frame.node.is_leaf() {
            frames[now].outs[0] = self.at_leaf(&frame, works);
            return;
        }
        let changes = frame.changes(works);
        let Some((first, last)) = changes.first().zip(changes.last()) else { return };
        let inner = self.inner.at(frame.node.slot());
        let (bit, child) = (inner.bit(), inner.child);
        let parting = match self.parts_at(inner, frame.known, &first.0) {
            None if changes.len() == 1 => None,
            parting => parting.into_iter().chain(self.parts_at(inner, frame.known, &last.0)).min(),
        };
        let below = Frame { parent: now as u32, step: Step::Done, outs: [Out::Same; 2], ..frame };
        let Some(parting) = parting else {
            frames[now].step = Step::Node;
            let middle = frame.from + changes.partition_point(|(key, _)| !key.bit(bit)) as u32;
            for (side, from, to) in [(0, frame.from, middle), (1, middle, frame.to)] {
                if from < to {
                    let hash = To::Side(frame.node.slot(), side);
                    let (node, known) = (child[usize::from(side)], u16::from(bit) + 1);
                    frames.push(Frame { node, from, to, side, known, hash, ..below });
                }
            }
            return;
        };
        // Some keys are not below this node: they get a subtree of their own beside it.
        let side = u8::from(self.prefix_bit(frame.node, parting));
        let middle = changes.partition_point(|(key, _)| !key.bit(parting));
        let both = [(frame.from, frame.from + middle as u32), (frame.from + middle as u32, frame.to)];
        let (from, to) = both[usize::from(side)];
        if from < to {
            frames.push(Frame { from, to, side, known: u16::from(parting) + 1, ..below });
        }
        let beside = if side == 0 { &changes[middle..] } else { &changes[..middle] };
        self.scratch.items.clear();
        self.scratch.items.extend(beside.iter().filter_map(insert));
        frames[now].outs[usize::from(1 - side)] = self.build(0, self.scratch.items.len());
        frames[now].step = Step::Fork { bit: parting, side };
    }

    /// The first bit before the node's own in which the key differs from all keys below it.
    fn parts_at(&self, inner: &Inner, known: u16, key: &Hash) -> Option<u8> {
        let bit = inner.bit();
        let gap = u16::from(bit).saturating_sub(known);
        if gap > 24 {
            return some_leaf(self, inner).key().first_difference(key).filter(|parting| *parting < bit);
        }
        let differ = (inner.window() ^ super::node::window(key, bit)) & ((1 << gap) - 1);
        (differ != 0).then(|| bit - 1 - differ.ilog2() as u8)
    }

    fn prefix_bit(&self, node: Ref, bit: u8) -> bool {
        let inner = self.inner.at(node.slot());
        match inner.bit() - bit {
            back @ 1..=24 => inner.window() >> (back - 1) & 1 == 1,
            _ => some_leaf(self, inner).key().bit(bit),
        }
    }

    /// Where the way ends at a leaf, or at nothing.
    fn at_leaf(&mut self, frame: &Frame, works: &[Work<'_>]) -> Out {
        let (node, changes) = (frame.node, frame.changes(works));
        let old = (node != Ref::NONE).then(|| self.leaves.at(node.slot()).clone());
        self.scratch.items.clear();
        let Some(old) = old else {
            self.scratch.items.extend(changes.iter().filter_map(insert));
            return self.build(0, self.scratch.items.len());
        };
        let (key, value) = (old.key(), old.value());
        let place = changes.partition_point(|(other, _)| *other < key);
        let own = changes.get(place).filter(|(other, _)| *other == key);
        let stays = own.is_none_or(|(_, new)| *new == Some(value));
        if stays && changes.iter().all(|(other, new)| *other == key || new.is_none()) {
            return Out::Same;
        }
        self.scratch.items.extend(changes[..place].iter().filter_map(insert));
        if stays {
            let hash = self.hash_at(frame.hash, works);
            let old = self.moved(node, hash);
            self.scratch.items.push(Item { key, new: None, old });
        } else {
            self.log.replaced.push(node);
            self.scratch.items.extend(own.and_then(insert));
        }
        self.scratch.items.extend(changes[place + usize::from(own.is_some())..].iter().filter_map(insert));
        self.build(0, self.scratch.items.len())
    }

    /// A subtree of `scratch.items[from..to]`, which are sorted.
    fn build(&mut self, from: usize, to: usize) -> Out {
        let Some((first, last)) = self.scratch.items[from..to].first().zip(self.scratch.items[from..to].last()) else {
            return Out::Empty;
        };
        let Some(bit) = first.key.first_difference(&last.key) else {
            let Item { key, new, old } = *first;
            let Some(value) = new else { return old };
            let slot = self.leaves.put(Leaf::new(&key, &value));
            let out = self.fresh(Ref::leaf(self.index, slot));
            self.scratch.fresh_leaves.push(self.scratch.fresh.len() as u32 - 1);
            return out;
        };
        let node = Inner::new(bit, &first.key);
        let middle = from + self.scratch.items[from..to].partition_point(|item| !item.key.bit(bit));
        let outs = [self.build(from, middle), self.build(middle, to)];
        self.join(node, outs, Ref::NONE, Hash::ZERO)
    }

    fn fresh(&mut self, node: Ref) -> Out {
        self.log.made.push(node);
        self.scratch.fresh.push(Fresh { node, to: To::Nowhere });
        Out::Fresh(self.scratch.fresh.len() as u32 - 1)
    }

    fn moved(&mut self, node: Ref, hash: Hash) -> Out {
        self.scratch.moved.push((node, hash));
        Out::Moved(self.scratch.moved.len() as u32 - 1)
    }

    /// A new node over two subtrees; where an out is the same, `same` with its hash, or what `node` has there when that is none.
    fn join(&mut self, mut node: Inner, outs: [Out; 2], same: Ref, hash: Hash) -> Out {
        for (side, out) in outs.into_iter().enumerate() {
            match out {
                Out::Fresh(fresh) => node.child[side] = self.scratch.fresh[fresh as usize].node,
                Out::Moved(at) => {
                    let (child, hash) = self.scratch.moved[at as usize];
                    node.child[side] = child;
                    node.set_hash(side, &hash);
                }
                Out::Same if same != Ref::NONE => {
                    node.child[side] = same;
                    node.set_hash(side, &hash);
                }
                Out::Same | Out::Empty => {}
            }
        }
        let bit = node.bit();
        let slot = self.inner.put(node);
        for (side, out) in outs.into_iter().enumerate() {
            if let Out::Fresh(fresh) = out {
                self.scratch.fresh[fresh as usize].to = To::Side(slot, side as u8);
            }
        }
        let out = self.fresh(Ref::inner(self.index, slot));
        self.scratch.fresh_inner[bit as usize].push(self.scratch.fresh.len() as u32 - 1);
        out
    }

    fn ascend(&mut self, frames: &mut [Frame], works: &[Work<'_>]) -> Vec<(Ref, Hash)> {
        let mut roots = vec![(Ref::NONE, Hash::ZERO); works.len()];
        for now in (0..frames.len()).rev() {
            let frame = frames[now];
            let out = self.outcome(&frame, works);
            if frame.parent != NO_FRAME {
                frames[frame.parent as usize].outs[usize::from(frame.side)] = out;
                continue;
            }
            let work = &works[frame.work as usize];
            roots[frame.work as usize] = match out {
                Out::Same => (work.node, work.hash),
                Out::Empty => (Ref::NONE, Hash::ZERO),
                Out::Moved(at) => self.scratch.moved[at as usize],
                Out::Fresh(fresh) => {
                    let fresh = &mut self.scratch.fresh[fresh as usize];
                    fresh.to = To::Root(frame.work);
                    (fresh.node, Hash::ZERO)
                }
            };
        }
        roots
    }

    fn outcome(&mut self, frame: &Frame, works: &[Work<'_>]) -> Out {
        match (frame.step, frame.outs) {
            (Step::Done, outs) => outs[0],
            (Step::Node, [Out::Same, Out::Same]) => Out::Same,
            (Step::Node, outs) => {
                self.log.replaced.push(frame.node);
                let old = self.inner.at(frame.node.slot());
                let stays = |side: usize| (old.child[side], old.hash(side));
                match outs {
                    [Out::Empty, Out::Same] => {
                        let (node, hash) = stays(1);
                        self.moved(node, hash)
                    }
                    [Out::Same, Out::Empty] => {
                        let (node, hash) = stays(0);
                        self.moved(node, hash)
                    }
                    [Out::Empty, out] | [out, Out::Empty] => out,
                    _ => self.join(old.clone(), outs, Ref::NONE, Hash::ZERO),
                }
            }
            (Step::Fork { bit, side }, outs) => match (outs[usize::from(side)], outs[usize::from(1 - side)]) {
                (out, Out::Empty) | (Out::Empty, out) => out,
                _ => {
                    // Any key that parts at `bit` from what is below has the prefix up to there.
                    let Some((key, _)) = frame.changes(works).first() else { return Out::Same };
                    let hash = self.hash_at(frame.hash, works);
                    self.join(Inner::new(bit, key), outs, frame.node, hash)
                }
            },
        }
    }

    fn hash_at(&self, place: To, works: &[Work<'_>]) -> Hash {
        match place {
            To::Side(slot, side) => self.inner.at(slot).hash(usize::from(side)),
            To::Root(work) => works[work as usize].hash,
            To::Nowhere => Hash::ZERO,
        }
    }
}

fn insert((key, value): &Change) -> Option<Item> {
    value.map(|value| Item { key: *key, new: Some(value), old: Out::Empty })
}

fn some_leaf<'l>(lane: &'l Lane, inner: &Inner) -> &'l Leaf {
    let mut node = inner.child[0];
    while !node.is_leaf() {
        node = lane.inner.at(node.slot()).child[0];
    }
    lane.leaves.at(node.slot())
}
