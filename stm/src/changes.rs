//! What blocks have changed in a memory or in counters: key, old, new; sorted; the same in every mode.
//!
//! Changes add up over blocks until they are forgotten. What is as it was, whatever happened in between, is no change; so
//! the list depends on the committed values alone, and not on how often, where or by whom they were written.

use crate::counters::TxCounters;
use crate::engine::Stm;
use crate::keyed::{Held, Keyed};
use crate::memory::TxMemory;
use crate::vault::Blob;

/// One key of a memory whose value has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change<'a, const N: usize> {
    /// The key.
    pub key: &'a [u8; N],
    /// The value when changes were last forgotten; `None`: there was none.
    pub old: Option<&'a [u8]>,
    /// The value now; `None`: it has been removed.
    pub new: Option<&'a [u8]>,
}

/// One counter that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterChange<'a, const N: usize> {
    /// The key.
    pub key: &'a [u8; N],
    /// The sum when changes were last forgotten; `None`: there was none.
    pub old: Option<i128>,
    /// The sum now; `None`: the counter has been removed.
    pub new: Option<i128>,
}

type List<'a, const N: usize, V> = Vec<(&'a [u8; N], Option<&'a V>, Option<&'a V>)>;

/// The changes of a memory, in the order of keys.
pub struct Changes<'a, const N: usize>(List<'a, N, Blob>);

/// The changes of counters, in the order of keys.
pub struct CounterChanges<'a, const N: usize>(List<'a, N, i128>);

impl<'a, const N: usize> Changes<'a, N> {
    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Change<'a, N>> + '_ {
        self.0.iter().map(|(key, old, new)| Change { key, old: old.map(Blob::bytes), new: new.map(Blob::bytes) })
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a, const N: usize> CounterChanges<'a, N> {
    /// One after the other.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = CounterChange<'a, N>> + '_ {
        self.0.iter().map(|(key, old, new)| CounterChange { key, old: old.copied(), new: new.copied() })
    }
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Stm {
    fn list<const N: usize, V: Held>(&self, engine: u32, part: u32) -> List<'_, N, V> {
        let mine = engine == self.store.engine;
        self.store.part::<Keyed<N, V>>(part).filter(|_| mine).map_or_else(Vec::new, Keyed::changes)
    }

    fn forget<const N: usize, V: Held>(&mut self, engine: u32, part: u32) {
        if engine != self.store.engine {
            return;
        }
        let mut freed = Vec::new();
        if let Some(keyed) = self.store.part_mut::<Keyed<N, V>>(part) {
            keyed.forget(&mut freed);
            keyed.evict(&mut freed);
        }
        self.store.give_back(freed);
    }

    /// What has changed in `memory` since [`Stm::forget_changes`] (or since it was made). Nothing, for a memory of another
    /// engine.
    #[must_use]
    pub fn changes<const N: usize>(&self, memory: &TxMemory<N>) -> Changes<'_, N> {
        Changes(self.list(memory.engine, memory.part))
    }

    /// The changes so far are dealt with: later ones are told against what the values are now. If there is a base, it must
    /// give these values from now on; they may be evicted.
    pub fn forget_changes<const N: usize>(&mut self, memory: &TxMemory<N>) {
        self.forget::<N, Blob>(memory.engine, memory.part);
    }

    /// As [`Stm::changes`].
    #[must_use]
    pub fn counter_changes<const N: usize>(&self, counters: &TxCounters<N>) -> CounterChanges<'_, N> {
        CounterChanges(self.list(counters.engine, counters.part))
    }

    /// As [`Stm::forget_changes`].
    pub fn forget_counter_changes<const N: usize>(&mut self, counters: &TxCounters<N>) {
        self.forget::<N, i128>(counters.engine, counters.part);
    }
}
