//! The accepted values that are remembered: a window of slots that moves forward.

use crate::Config;
use paxos_types::{AcceptedValue, Ballot, Bytes, Slot};
use std::collections::VecDeque;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) ballot: Ballot,
    pub(crate) batch: Bytes,
    /// Where the record stands in the storage.
    pub(crate) position: u64,
}

/// Neighbouring slots that were accepted under one ballot.
pub(crate) struct Run {
    pub(crate) ballot: Ballot,
    pub(crate) first: Slot,
    pub(crate) count: u32,
    pub(crate) batches: Vec<Bytes>,
}

/// Slots `first..end`, some of them without a value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    first: Slot,
    entries: VecDeque<Option<Entry>>,
    bytes: usize,
}

impl Default for Log {
    fn default() -> Self {
        Log { first: Slot::FIRST, entries: VecDeque::new(), bytes: 0 }
    }
}

impl Log {
    pub(crate) fn first(&self) -> Slot {
        self.first
    }

    pub(crate) fn end(&self) -> Slot {
        self.first.plus(self.entries.len() as u64)
    }

    fn offset(&self, slot: Slot) -> Option<usize> {
        slot.0.checked_sub(self.first.0).and_then(|o| usize::try_from(o).ok())
    }

    #[inline]
    pub(crate) fn get(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(self.offset(slot)?)?.as_ref()
    }

    /// Whether a value of `len` bytes may be put into `slot`.
    pub(crate) fn has_room(&self, slot: Slot, len: usize, config: &Config) -> bool {
        let Some(offset) = self.offset(slot).filter(|o| *o < config.log_slots) else { return false };
        // What it replaces goes: a full log still takes the same value under a higher ballot.
        let old = self.entries.get(offset).and_then(|e| e.as_ref()).map_or(0, |e| e.batch.len());
        (self.bytes - old).saturating_add(len) <= config.log_bytes
    }

    /// Puts a value into a slot that [`Log::has_room`].
    pub(crate) fn insert(&mut self, slot: Slot, ballot: Ballot, batch: Bytes, position: u64) {
        let Some(offset) = self.offset(slot) else { return };
        if offset >= self.entries.len() {
            self.entries.resize(offset + 1, None);
        }
        self.bytes += batch.len();
        if let Some(old) = self.entries[offset].replace(Entry { ballot, batch, position }) {
            self.bytes -= old.batch.len();
        }
    }

    /// Forgets slots below `first`.
    pub(crate) fn trim(&mut self, first: Slot) {
        while self.first < first {
            match self.entries.pop_front() {
                Some(entry) => {
                    self.bytes -= entry.map_or(0, |e| e.batch.len());
                    self.first = self.first.next();
                }
                None => self.first = first,
            }
        }
    }

    /// The oldest record that is still needed. Walks over all entries; asked once per snapshot.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        self.entries.iter().flatten().map(|e| e.position).min()
    }

    /// Values from `from` on, up to `limit` bytes but at least one; and whether there are more.
    pub(crate) fn chunk(&self, from: Slot, limit: usize) -> (Vec<AcceptedValue>, bool) {
        let skip = self.offset(from).unwrap_or(0);
        let mut list = Vec::new();
        let mut bytes = 0usize;
        for (i, entry) in self.entries.iter().enumerate().skip(skip) {
            let Some(entry) = entry else { continue };
            if !list.is_empty() && bytes + entry.batch.len() > limit {
                return (list, true);
            }
            bytes += entry.batch.len() + 22;
            let slot = self.first.plus(i as u64);
            list.push(AcceptedValue { slot, ballot: entry.ballot, batch: entry.batch.clone() });
        }
        (list, false)
    }

    /// Durable values of `first..=to` as runs, until `budget` bytes are used up.
    pub(crate) fn runs(&self, first: Slot, to: Slot, durable: u64, values: bool, budget: &mut usize) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let skip = self.offset(first).unwrap_or(0);
        for (i, entry) in self.entries.iter().enumerate().skip(skip) {
            let slot = self.first.plus(i as u64);
            if slot > to || *budget == 0 {
                break;
            }
            let Some(entry) = entry.as_ref().filter(|e| e.position <= durable) else { continue };
            *budget = budget.saturating_sub(16 + if values { entry.batch.len() } else { 0 });
            match runs.last_mut() {
                Some(run) if run.ballot == entry.ballot && run.first.plus(u64::from(run.count)) == slot => {
                    run.count += 1;
                }
                _ => runs.push(Run { ballot: entry.ballot, first: slot, count: 1, batches: Vec::new() }),
            }
            if values && let Some(run) = runs.last_mut() {
                run.batches.push(entry.batch.clone());
            }
        }
        runs
    }

    /// `count` slots from `first` on, which were accepted under `ballot`, with their batches in pieces of at most `limit` bytes.
    /// Where the batch is no longer there (trimmed, or replaced under a higher ballot), the slots go without.
    pub(crate) fn with_batches(
        &self,
        ballot: Ballot,
        first: Slot,
        count: u32,
        limit: usize,
    ) -> Vec<(Slot, Vec<Bytes>, u32)> {
        let mut pieces: Vec<(Slot, Vec<Bytes>, u32)> = Vec::with_capacity(1);
        let mut bytes = 0usize;
        for i in 0..count {
            let slot = first.plus(u64::from(i));
            let batch = self.get(slot).filter(|e| e.ballot == ballot).map(|e| &e.batch);
            let len = batch.map_or(0, Bytes::len);
            match pieces.last_mut() {
                Some((_, batches, n)) if bytes + len <= limit && batches.is_empty() == batch.is_none() => {
                    batches.extend(batch.cloned());
                    *n += 1;
                    bytes += len;
                }
                _ => {
                    let mut batches = Vec::with_capacity((count - i) as usize);
                    batches.extend(batch.cloned());
                    pieces.push((slot, batches, 1));
                    bytes = len;
                }
            }
        }
        pieces
    }
}
