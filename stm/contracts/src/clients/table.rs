//! A bounded table of who may number what they submit, and the rule by which one is forgotten.
//!
//! * A client is opened by the log, which numbers them 1, 2, 3, …; numbers are never used again. So one that is not in the table
//!   either was never opened (its number is still to come) or has expired: the two cannot be confused, and nothing that an
//!   expired client repeats is executed a second time.
//! * The table holds a bounded number. Opening one more forgets the one that was *named* longest ago, counted in blocks; of
//!   several in the same block, the one with the smallest number.
//!
//! Who is in the table follows from the log alone, read in order.

use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
struct Slot<P> {
    used: u64,
    progress: P,
}

/// A number, looked up.
#[derive(Debug)]
pub enum Found<'a, P> {
    /// What is kept of it.
    Known(&'a mut P),
    /// It was forgotten for others.
    Expired,
    /// It has not been given yet.
    Unknown,
}

/// The table. `P` is what is kept of each client.
#[derive(Clone, Debug)]
pub struct Table<P> {
    known: BTreeMap<u64, Slot<P>>,
    /// Block of last use, number: the first one is the next to be forgotten.
    by_use: BTreeSet<(u64, u64)>,
    next: u64,
    max: u64,
}

impl<P> Table<P> {
    /// Nobody is known; there is room for `max`, one at least.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self { known: BTreeMap::new(), by_use: BTreeSet::new(), next: 1, max: max.max(1) }
    }

    /// A new client, in this block, and what was kept of those that had to go for it.
    pub fn open(&mut self, block: u64, progress: P) -> (u64, Vec<P>) {
        let mut gone = Vec::new();
        while self.known.len() as u64 >= self.max {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            gone.extend(self.known.remove(&oldest).map(|slot| slot.progress));
        }
        let client = self.next;
        self.next += 1;
        self.known.insert(client, Slot { used: block, progress });
        self.by_use.insert((block, client));
        (client, gone)
    }

    /// The client that something of this block names.
    pub fn find(&mut self, client: u64, block: u64) -> Found<'_, P> {
        let Some(slot) = self.known.get_mut(&client) else {
            return if (1..self.next).contains(&client) { Found::Expired } else { Found::Unknown };
        };
        if slot.used != block {
            self.by_use.remove(&(slot.used, client));
            self.by_use.insert((block, client));
            slot.used = block;
        }
        Found::Known(&mut slot.progress)
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_named_longest_ago_goes_first() {
        let mut table = Table::new(2);
        assert_eq!(table.open(1, 'a'), (1, vec![]));
        assert_eq!(table.open(1, 'b'), (2, vec![]));
        assert!(matches!(table.find(1, 2), Found::Known('a')));
        assert_eq!(table.open(3, 'c'), (3, vec!['b']));
        assert!(matches!(table.find(2, 3), Found::Expired));
        assert!(matches!(table.find(4, 3), Found::Unknown) && matches!(table.find(0, 3), Found::Unknown));
        assert_eq!((table.open(4, 'd').1, table.open(4, 'e').1), (vec!['a'], vec!['c']));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn of_several_in_a_block_the_smallest_number_goes_first() {
        let mut table = Table::new(3);
        for name in ['a', 'b', 'c'] {
            table.open(1, name);
        }
        assert!(matches!(table.find(1, 1), Found::Known('a')), "in the block in which it was opened: nothing changes");
        assert_eq!(table.open(2, 'd').1, vec!['a']);
    }
}
