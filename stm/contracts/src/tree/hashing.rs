//! New nodes are hashed once, many at a time: first the leaves, then the nodes by their bit, the deepest first. A node's bit is
//! greater than that of the node above it, so those of one bit do not depend on each other.

use blake3::platform::Platform;

use super::lane::{Lane, To};
use super::node::Ref;
use crate::hash::{BlockKey, Hash, WIDTH, many};

impl Lane {
    /// Hashes all that is fresh; the hashes of roots go to `roots`, all others into the node above.
    pub(super) fn hash_fresh(&mut self, roots: &mut [(Ref, Hash)]) {
        let platform = Platform::detect();
        let leaves = std::mem::take(&mut self.scratch.fresh_leaves);
        self.hash_run(platform, BlockKey::leaf(), &leaves, roots);
        self.scratch.fresh_leaves = cleared(leaves);
        for bit in (0..=u8::MAX).rev() {
            let nodes = std::mem::take(&mut self.scratch.fresh_inner[bit as usize]);
            if !nodes.is_empty() {
                self.hash_run(platform, BlockKey::node(bit), &nodes, roots);
            }
            self.scratch.fresh_inner[bit as usize] = cleared(nodes);
        }
        self.scratch.fresh.clear();
    }

    fn hash_run(&mut self, platform: Platform, key: BlockKey, run: &[u32], roots: &mut [(Ref, Hash)]) {
        let mut out = [Hash::ZERO; WIDTH];
        for run in run.chunks(WIDTH) {
            let mut blocks = [&[0; 64]; WIDTH];
            for (block, fresh) in blocks.iter_mut().zip(run) {
                let node = self.scratch.fresh[*fresh as usize].node;
                *block = match node.is_leaf() {
                    true => &self.leaves.at(node.slot()).pair,
                    false => &self.inner.at(node.slot()).pair,
                };
            }
            many(platform, key, &blocks[..run.len()], &mut out);
            for (hash, fresh) in out.iter().zip(run) {
                match self.scratch.fresh[*fresh as usize].to {
                    To::Side(slot, side) => self.inner.at_mut(slot).set_hash(usize::from(side), hash),
                    To::Root(work) => roots[work as usize].1 = *hash,
                    To::Nowhere => {}
                }
            }
        }
    }
}

fn cleared(mut list: Vec<u32>) -> Vec<u32> {
    list.clear();
    list
}
