//! Walks over the keys of a map in a transaction, and what certification repeats of them.

use super::{FETCH, Key, MapIndex, Span};
use crate::error::TxResult;
use crate::read_set::View;
use crate::spec::Spec;
use crate::tx::{RangeCheck, spend};
use crate::value::Value;
use std::borrow::Cow;
use std::collections::{VecDeque, btree_map};
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

/// Ranges that `BTreeMap::range` would panic on hold nothing.
pub(super) fn empty<K: Ord>(range: &Span<K>) -> bool {
    match (&range.0, &range.1) {
        (Bound::Included(a), Bound::Included(b)) => a > b,
        (Bound::Included(a) | Bound::Excluded(a), Bound::Excluded(b)) | (Bound::Excluded(a), Bound::Included(b)) => {
            a >= b
        }
        _ => false,
    }
}

/// Keys known before the block, merged with those first seen in it. The latter are fetched a few at a time, because no
/// lock may be held while a transaction reads; one that comes too late for this walk is found by certification.
pub(super) struct Walk<'i, K> {
    pub(super) index: &'i MapIndex<K>,
    pub(super) span: &'i Span<K>,
    pub(super) back: bool,
    pub(super) known: Option<btree_map::Range<'i, K, u32>>,
    pub(super) next: Option<(&'i K, u32)>,
    pub(super) ahead: VecDeque<(K, u32)>,
    /// Where to look for more of the running block's keys, if there may be any.
    pub(super) after: Option<K>,
    pub(super) fetch: usize,
}

impl<K: Key> Walk<'_, K> {
    pub(super) fn step(&mut self) {
        let back = self.back;
        let next = self.known.as_mut().and_then(|known| if back { known.next_back() } else { known.next() });
        self.next = next.map(|(key, cell)| (key, *cell));
    }

    pub(super) fn look_ahead(&mut self) {
        let fresh = self.index.fresh();
        if fresh.is_empty() {
            return;
        }
        let own = |(key, cell): (&K, &u32)| (key.clone(), *cell);
        let (from, to) = (self.span.0.as_ref(), self.span.1.as_ref());
        let last = self.after.take();
        if self.back {
            let to = last.as_ref().map_or(to, Bound::Excluded);
            if !empty(&(from, to)) {
                self.ahead.extend(fresh.range::<K, _>((from, to)).rev().take(self.fetch).map(own));
            }
        } else {
            let from = last.as_ref().map_or(from, Bound::Excluded);
            if !empty(&(from, to)) {
                self.ahead.extend(fresh.range::<K, _>((from, to)).take(self.fetch).map(own));
            }
        }
        if self.ahead.len() == self.fetch {
            self.after = self.ahead.back().map(|(key, _)| key.clone());
        }
        self.fetch = (self.fetch * 2).min(FETCH);
    }
}

impl<'i, K: Key> Iterator for Walk<'i, K> {
    type Item = (Cow<'i, K>, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let fresh = match (self.next, self.ahead.front()) {
            (Some((known, _)), Some((fresh, _))) => (fresh < known) != self.back,
            (None, Some(_)) => true,
            _ => false,
        };
        if !fresh {
            let (key, cell) = self.next?;
            self.step();
            return Some((Cow::Borrowed(key), cell));
        }
        let (key, cell) = self.ahead.pop_front()?;
        if self.ahead.is_empty() && self.after.is_some() {
            self.look_ahead();
        }
        Some((Cow::Owned(key), cell))
    }
}

/// A range that was iterated: nothing else may exist in it.
pub(super) struct Scan<K> {
    pub(super) part: u32,
    pub(super) span: Span<K>,
    pub(super) back: bool,
    /// Cells in the order in which they were met.
    pub(super) seen: Vec<u32>,
}

impl<K: Key> RangeCheck for Scan<K> {
    fn holds(&self, view: &View<'_>, txn: u32) -> bool {
        let Some(index) = view.store.part::<MapIndex<K>>(self.part) else { return false };
        // Cells that were looked at have observations of their own. Keys do not leave an index within a block, so they are
        // met again, in the same order.
        let mut seen = self.seen.iter();
        let mut next = seen.next();
        index.walk(&self.span, self.back).all(|(_, cell)| {
            if next == Some(&cell) {
                next = seen.next();
                return true;
            }
            !view.exists(cell, txn)
        })
    }
}

/// A scan under way. However it ends, by a panic of the user's `Clone` too, what it has covered is observed.
pub(super) struct Scanning<'s, 'a, K: Key> {
    pub(super) spec: &'s mut Spec<'a>,
    pub(super) scan: Option<Scan<K>>,
}

impl<K: Key> Drop for Scanning<'_, '_, K> {
    fn drop(&mut self) {
        if self.spec.record
            && let Some(scan) = self.scan.take()
        {
            self.spec.observe_range(Arc::new(scan));
        }
    }
}

/// Shows every existing entry of a range to `visit` until that has enough; returns the key at which it had.
pub(super) fn visit_all<K: Key, X>(
    walk: Walk<'_, K>,
    left: &mut u32,
    mut look: impl FnMut(u32) -> TxResult<Option<X>>,
    visit: &mut dyn FnMut(&K, X) -> bool,
) -> TxResult<Option<K>> {
    for (key, cell) in walk {
        if let Some(found) = look(cell)? {
            // Only entries count: which absent keys the index happens to hold depends on scheduling.
            spend(left)?;
            if !visit(&key, found) {
                return Ok(Some(key.into_owned()));
            }
        }
    }
    Ok(None)
}

/// How a scan looks at a cell.
pub(super) trait Look {
    type Found;
    fn direct(d: &crate::direct::Direct<'_>, cell: u32) -> TxResult<Option<Self::Found>>;
    fn spec(s: &mut Spec<'_>, cell: u32) -> TxResult<Option<Self::Found>>;
}

/// At its value.
pub(super) struct AtValue<V>(pub(super) PhantomData<V>);

impl<V: Value> Look for AtValue<V> {
    type Found = V;
    fn direct(d: &crate::direct::Direct<'_>, cell: u32) -> TxResult<Option<V>> {
        d.read(cell)
    }
    fn spec(s: &mut Spec<'_>, cell: u32) -> TxResult<Option<V>> {
        s.read(cell)
    }
}

/// Only whether there is one.
pub(super) struct AtPresence;

impl Look for AtPresence {
    type Found = ();
    fn direct(d: &crate::direct::Direct<'_>, cell: u32) -> TxResult<Option<()>> {
        Ok(d.exists(cell).then_some(()))
    }
    fn spec(s: &mut Spec<'_>, cell: u32) -> TxResult<Option<()>> {
        Ok(s.exists(cell)?.then_some(()))
    }
}
