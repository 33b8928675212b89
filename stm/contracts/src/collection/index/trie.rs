//! The trie: finds the place of a key that is not there, and ranks.

use super::{Bits, Index, Neighbours, Order};
use crate::cell::{Access, CellKey, Class, Error, Result, count, fetch, reset};

/// A place where something can hang: under the root, or on one side of a branch.
#[derive(Clone, Debug)]
enum Hook {
    Root,
    Side(Bits, bool),
}

/// What hangs there: `0 | key`, or `1 | length of the prefix in bits u16 LE | prefix`.
#[derive(Clone, Debug)]
enum Hung {
    Leaf(Vec<u8>),
    Branch(Bits),
}

const INSIDE_ITSELF: &str = "a branch hangs below itself";

/// The way from the root towards a position: each branch passed, with the hook that it hangs on; then the hook where the way ends, and
/// what hangs there: nothing (no keys at all), a leaf, or a branch whose prefix the position has not.
struct Way {
    passed: Vec<(Hook, Bits)>,
    hook: Hook,
    hung: Option<Hung>,
}

impl Index {
    fn hook_cell(&self, hook: &Hook) -> CellKey {
        match hook {
            Hook::Root => CellKey::of_collection(Class::Link, &self.id.name, &[&[2]]),
            Hook::Side(prefix, side) => {
                CellKey::of_collection(Class::Link, &self.id.name, &[&[u8::from(*side)], &prefix.encode()])
            }
        }
    }

    fn weight_cell(&self, prefix: &Bits) -> CellKey {
        CellKey::of_collection(Class::Weight, &self.id.name, &[&prefix.encode()])
    }

    fn hanging<A: Access + ?Sized>(&self, access: &mut A, hook: &Hook) -> Result<Option<Hung>, A> {
        let cell = self.hook_cell(hook);
        let Some(value) = fetch(access, &cell)? else { return Ok(None) };
        let hung = match value.split_first() {
            Some((0, key)) => Some(Hung::Leaf(key.to_vec())),
            Some((1, prefix)) => Bits::decode(prefix).map(Hung::Branch),
            _ => None,
        };
        Ok(Some(hung.ok_or(Error::Damaged { cell, what: "it is neither leaf nor branch" })?))
    }

    /// What hangs on one side of a branch that is there.
    fn side<A: Access + ?Sized>(&self, access: &mut A, prefix: &Bits, side: bool) -> Result<Hung, A> {
        let hook = Hook::Side(prefix.clone(), side);
        let damaged = |what| Error::Damaged { cell: self.hook_cell(&hook), what };
        match self.hanging(access, &hook)? {
            None => Err(damaged("one side of a branch is missing")),
            // Prefixes grow on the way down; a link that is damaged, or that a run sees which has read something stale, would
            // lead around for ever.
            Some(Hung::Branch(below)) if below.len() <= prefix.len() => Err(damaged(INSIDE_ITSELF)),
            Some(hung) => Ok(hung),
        }
    }

    fn put<A: Access + ?Sized>(&self, access: &mut A, hook: &Hook, hung: &Hung) -> Result<(), A> {
        let value = match hung {
            Hung::Leaf(key) => [&[0], key.as_slice()].concat(),
            Hung::Branch(prefix) => [[1].as_slice(), &prefix.encode()].concat(),
        };
        access.set(&self.hook_cell(hook), &value).map_err(Error::Access)
    }

    fn way<A: Access + ?Sized>(&self, access: &mut A, position: &Bits) -> Result<Way, A> {
        let (mut passed, mut hook) = (Vec::new(), Hook::Root);
        loop {
            match self.hanging(access, &hook)? {
                Some(Hung::Branch(prefix)) if prefix.begins(position) => {
                    let next = Hook::Side(prefix.clone(), position.bit(prefix.len()));
                    // As in `side`.
                    if passed.last().is_some_and(|(_, last): &(Hook, Bits)| last.len() >= prefix.len()) {
                        return Err(Error::Damaged { cell: self.hook_cell(&hook), what: INSIDE_ITSELF });
                    }
                    passed.push((hook, prefix));
                    hook = next;
                }
                hung => return Ok(Way { passed, hook, hung }),
            }
        }
    }

    fn position_of(&self, hung: &Hung) -> Bits {
        match hung {
            Hung::Leaf(key) => self.position(key),
            Hung::Branch(prefix) => prefix.clone(),
        }
    }

    /// How many keys hang there.
    fn weight<A: Access + ?Sized>(&self, access: &mut A, hung: &Hung) -> Result<i128, A> {
        match hung {
            Hung::Leaf(_) => Ok(1),
            Hung::Branch(prefix) => access.sum(&self.weight_cell(prefix)).map_err(Error::Access),
        }
    }

    /// The first key of what hangs there, or the last.
    fn edge<A: Access + ?Sized>(&self, access: &mut A, mut hung: Hung, last: bool) -> Result<Vec<u8>, A> {
        loop {
            match hung {
                Hung::Leaf(key) => return Ok(key),
                Hung::Branch(prefix) => hung = self.side(access, &prefix, last)?,
            }
        }
    }

    /// Between which keys a position lies, given what hangs where its way ends; `greater`: it lies behind all of that.
    fn around<A: Access + ?Sized>(&self, access: &mut A, hung: Hung, greater: bool) -> Result<Neighbours, A> {
        let edge = self.edge(access, hung, greater)?;
        let other = if greater { self.next_of(access, Some(&edge))? } else { self.previous_of(access, Some(&edge))? };
        let cell = self.hook_cell(&Hook::Root);
        let other = other.ok_or(Error::Damaged { cell, what: "a key of the trie is not in the chain" })?;
        Ok(if greater { (Some(edge), other) } else { (other, Some(edge)) })
    }

    /// The neighbours of a key that is not there.
    pub(super) fn neighbours<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<Neighbours, A> {
        let position = self.position(key);
        let Some(hung) = self.way(access, &position)?.hung else { return Ok((None, None)) };
        let greater = position > self.position_of(&hung);
        self.around(access, hung, greater)
    }

    /// Hangs a key into the trie, and returns its neighbours.
    pub(super) fn hang<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<Neighbours, A> {
        let position = self.position(key);
        let Way { passed, hook, hung } = self.way(access, &position)?;
        let leaf = Hung::Leaf(key.to_vec());
        let Some(displaced) = hung else {
            self.put(access, &hook, &leaf)?;
            return Ok((None, None));
        };
        let other = self.position_of(&displaced);
        let shared = position.common(&other);
        if shared >= position.len().min(other.len()) {
            return Err(Error::Damaged { cell: self.hook_cell(&hook), what: "the trie has the key already" });
        }
        let (branch, side) = (position.prefix(shared), position.bit(shared));
        if self.order == Order::Keys {
            for (_, prefix) in &passed {
                count(access, &self.weight_cell(prefix), 1)?;
            }
            let weight = self.weight(access, &displaced)?;
            count(access, &self.weight_cell(&branch), weight + 1)?;
        }
        self.put(access, &Hook::Side(branch.clone(), side), &leaf)?;
        self.put(access, &Hook::Side(branch.clone(), !side), &displaced)?;
        self.put(access, &hook, &Hung::Branch(branch))?;
        self.around(access, displaced, side)
    }

    /// Takes a key out of the trie.
    pub(super) fn unhang<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<(), A> {
        let Way { mut passed, hook, hung } = self.way(access, &self.position(key))?;
        if !matches!(&hung, Some(Hung::Leaf(found)) if found == key) {
            return Err(Error::Damaged { cell: self.hook_cell(&hook), what: "the trie has not the key that is there" });
        }
        let Some((above, branch)) = passed.pop() else {
            return access.remove(&self.hook_cell(&hook)).map_err(Error::Access);
        };
        let Hook::Side(_, side) = hook else {
            return Err(Error::Damaged { cell: self.hook_cell(&hook), what: "a branch hangs above the root" });
        };
        let sibling = self.side(access, &branch, !side)?;
        self.put(access, &above, &sibling)?;
        for side in [false, true] {
            access.remove(&self.hook_cell(&Hook::Side(branch.clone(), side))).map_err(Error::Access)?;
        }
        if self.order == Order::Keys {
            reset(access, &self.weight_cell(&branch))?;
            for (_, prefix) in &passed {
                count(access, &self.weight_cell(prefix), -1)?;
            }
        }
        Ok(())
    }

    /// How many keys come before `key`, which need not be there. Only where keys are ranked.
    pub(crate) fn rank<A: Access + ?Sized>(&self, access: &mut A, key: &[u8]) -> Result<i128, A> {
        let position = self.position(key);
        let Way { passed, hung, .. } = self.way(access, &position)?;
        let mut rank = 0;
        for (_, prefix) in &passed {
            if position.bit(prefix.len()) {
                let left = self.side(access, prefix, false)?;
                rank += self.weight(access, &left)?;
            }
        }
        match hung {
            Some(hung) if position > self.position_of(&hung) => Ok(rank + self.weight(access, &hung)?),
            _ => Ok(rank),
        }
    }

    /// The key with `rank` others before it. Only where keys are ranked.
    pub(crate) fn at_rank<A: Access + ?Sized>(&self, access: &mut A, mut rank: i128) -> Result<Option<Vec<u8>>, A> {
        let Some(mut hung) = self.hanging(access, &Hook::Root)? else { return Ok(None) };
        if rank < 0 || rank >= self.weight(access, &hung)? {
            return Ok(None);
        }
        loop {
            let prefix = match hung {
                Hung::Leaf(key) => return Ok(Some(key)),
                Hung::Branch(prefix) => prefix,
            };
            let left = self.side(access, &prefix, false)?;
            let before = self.weight(access, &left)?;
            hung = if rank < before {
                left
            } else {
                rank -= before;
                self.side(access, &prefix, true)?
            };
        }
    }
}
