//! What lies below the keyed containers of a test: two maps, written by nothing but the changes that an engine tells.

use replicode_stm::{Base, BaseError, Change, CounterBase, CounterChange};
use std::collections::BTreeMap;
use std::sync::Mutex;

type Key = [u8; 5];

#[derive(Default)]
struct Kept {
    memory: BTreeMap<Key, Vec<u8>>,
    wide: BTreeMap<Key, i128>,
}

/// The two maps.
pub struct Disk(Mutex<Kept>);

impl Disk {
    pub fn new(memory: BTreeMap<Key, Vec<u8>>, wide: BTreeMap<Key, i128>) -> Disk {
        Disk(Mutex::new(Kept { memory, wide }))
    }

    /// Checks changes against what is here, and takes them over if `keep`.
    pub fn take<'a>(
        &self,
        bytes: impl Iterator<Item = Change<'a, 5>>,
        sums: impl Iterator<Item = CounterChange<'a, 5>>,
        keep: bool,
    ) {
        let mut kept = self.0.lock().unwrap();
        let mut last = None;
        for change in bytes {
            assert!(last < Some(*change.key), "out of order: {change:?} after {last:?}");
            assert_ne!(change.old, change.new, "no change at {:?}", change.key);
            assert_eq!(kept.memory.get(change.key).map(Vec::as_slice), change.old, "old value of {:?}", change.key);
            last = Some(*change.key);
            match change.new {
                _ if !keep => {}
                Some(new) => drop(kept.memory.insert(*change.key, new.to_vec())),
                None => drop(kept.memory.remove(change.key)),
            }
        }
        last = None;
        for change in sums {
            assert!(last < Some(*change.key), "out of order: {change:?} after {last:?}");
            assert_ne!(change.old, change.new, "no change at {:?}", change.key);
            assert_eq!(kept.wide.get(change.key).copied(), change.old, "old sum of {:?}", change.key);
            last = Some(*change.key);
            match change.new {
                _ if !keep => {}
                Some(new) => drop(kept.wide.insert(*change.key, new)),
                None => drop(kept.wide.remove(change.key)),
            }
        }
    }

    /// All of it, under the names that the programs use.
    pub fn told(&self, number: impl Fn(&Key) -> u32) -> (BTreeMap<u32, Vec<u8>>, BTreeMap<u32, i128>) {
        let kept = self.0.lock().unwrap();
        let memory = kept.memory.iter().map(|(k, v)| (number(k), v.clone())).collect();
        (memory, kept.wide.iter().map(|(k, v)| (number(k), *v)).collect())
    }
}

impl Base<5> for Disk {
    fn load(&self, key: &Key, into: &mut Vec<u8>) -> Result<bool, BaseError> {
        let kept = self.0.lock().unwrap();
        let value = kept.memory.get(key);
        into.extend(value.into_iter().flatten());
        Ok(value.is_some())
    }
}

impl CounterBase<5> for Disk {
    fn load(&self, key: &Key) -> Result<Option<i128>, BaseError> {
        Ok(self.0.lock().unwrap().wide.get(key).copied())
    }
}
