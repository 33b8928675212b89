//! `TxBag`: append-only list whose pushes commute and land in transaction order.

use crate::arena::Arena;
use crate::error::{Stop, TxResult};
use crate::reclaim::{Chore, Spare};
use crate::store::Part;
use crate::tx::{Mode, Tx};
use crate::value::Value;
use std::any::Any;
use std::marker::PhantomData;
use std::sync::OnceLock;

/// The items of one bag. A pending list is a chain of items, newest first, so a savepoint is just an older head.
pub(crate) struct BagPart<T> {
    items: Vec<T>,
    pending: Arena<OnceLock<(T, u64)>>,
    spare: Spare<(T, u64)>,
}

impl<T: Value> BagPart<T> {
    pub(crate) fn new() -> Self {
        BagPart { items: Vec::new(), pending: Arena::new(1), spare: Spare::new() }
    }

    /// All committed items.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        std::mem::take(&mut self.items)
    }

    fn link(&self, item: T, before: u64) -> u64 {
        let at = self.pending.claim(1);
        let _ = self.pending.get(at).set((item, before));
        u64::from(at)
    }

    /// Copies of the items of a pending list, oldest first.
    fn unroll(&self, mut head: u64) -> Vec<T> {
        let mut out = Vec::new();
        while head != 0
            && let Some((item, before)) = self.pending.get(head as u32).get()
        {
            out.push(item.clone());
            head = *before;
        }
        out.reverse();
        out
    }
}

impl<T: Value> Part for BagPart<T> {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
    fn append(&mut self, words: &[u64]) {
        for &head in words {
            // A list is some transaction's own, so its items are moved: nothing of the user's is called out here.
            let (before, mut head) = (self.items.len(), head);
            while head != 0
                && let Some((item, older)) = self.pending.get_mut(head as u32).take()
            {
                self.items.push(item);
                head = older;
            }
            self.items[before..].reverse();
        }
    }
    fn overdrawn(&self) -> bool {
        self.pending.overdrawn()
    }
    fn end_block(&mut self) -> Option<Chore> {
        self.spare.empty(&mut self.pending, &mut Vec::new())
    }
    fn undo(&mut self) {
        self.items.pop();
    }
}

/// A list that transactions append to without conflicting: items land in the order of the batch (and, within a
/// transaction, in the order of the pushes), whatever order the workers ran in.
///
/// Reading the whole bag inside a batch is possible and conflicts with every push below.
pub struct TxBag<T> {
    pub(crate) engine: u32,
    pub(crate) part: u32,
    pub(crate) id: u32,
    pub(crate) of: PhantomData<fn(T) -> T>,
}

impl<T: Value> TxBag<T> {
    /// Appends an item.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn push(&self, tx: &mut Tx<'_>, item: T) -> TxResult<()> {
        tx.charge(self.engine)?;
        tx.admit(&item)?;
        match &mut tx.mode {
            Mode::Direct(d) => {
                if let Some(bag) = d.store.part_mut::<BagPart<T>>(self.part) {
                    bag.items.push(item);
                    d.undo.item(self.part);
                }
            }
            Mode::Spec(s) => {
                let Some(bag) = s.shared.store.part::<BagPart<T>>(self.part) else {
                    return Err(Stop::broken("a bag has lost its items"));
                };
                let list = bag.link(item, s.pending_list(self.id));
                s.append(self.id, list);
            }
        }
        Ok(())
    }

    /// All items as this transaction sees them, its own pushes last.
    ///
    /// # Errors
    /// A stop to be passed on.
    pub fn items(&self, tx: &mut Tx<'_>) -> TxResult<Vec<T>> {
        tx.charge(self.engine)?;
        match &mut tx.mode {
            Mode::Direct(d) => Ok(d.store.part::<BagPart<T>>(self.part).map_or_else(Vec::new, |b| b.items.clone())),
            Mode::Spec(s) => {
                let lists = s.lists(self.id)?;
                let own = s.pending_list(self.id);
                let Some(bag) = s.shared.store.part::<BagPart<T>>(self.part) else {
                    return Err(Stop::broken("a bag has lost its items"));
                };
                let mut all = bag.items.clone();
                for &list in lists.iter().rev().chain(std::iter::once(&own)) {
                    all.extend(bag.unroll(list));
                }
                Ok(all)
            }
        }
    }
}
