//! The store in memory.

use std::collections::BTreeMap;

use super::{Batch, KeyValue, KvError, Record};

/// An ordered map. Nothing survives the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    map: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Memory {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Memory {
        Memory::default()
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.map.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }
}

impl KeyValue for Memory {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, KvError> {
        Ok(self.map.get(key).cloned())
    }

    fn scan(&self, from: &[u8], limit: usize) -> Result<Vec<Record>, KvError> {
        let range = self.map.range(from.to_vec()..).take(limit);
        Ok(range.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), KvError> {
        for (key, value) in batch {
            match value {
                Some(value) => self.map.insert(key.clone(), value.clone()),
                None => self.map.remove(key),
            };
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), KvError> {
        Ok(())
    }

    fn bytes(&self) -> Result<u64, KvError> {
        Ok(self.map.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(changes: &[(&[u8], Option<&[u8]>)]) -> Batch {
        changes.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec))).collect()
    }

    #[test]
    fn keys_are_slices_of_bytes_and_so_are_values() {
        let mut kv = Memory::new();
        kv.write(&batch(&[(b"", Some(b"empty key")), (b"a", Some(b"")), (&[0xff; 300], Some(&[0; 70_000]))])).unwrap();
        assert_eq!(kv.get(b"").unwrap().as_deref(), Some(&b"empty key"[..]));
        assert_eq!(kv.get(b"a").unwrap().as_deref(), Some(&b""[..]), "empty is not absent");
        assert_eq!(kv.get(&[0xff; 300]).unwrap().map(|value| value.len()), Some(70_000));
        assert_eq!(kv.get(b"b").unwrap(), None);
        assert_eq!(kv.bytes().unwrap(), 9 + 1 + 300 + 70_000);
    }

    #[test]
    fn a_scan_is_in_order_and_stops() {
        let mut kv = Memory::new();
        kv.write(&batch(&[(b"c", Some(b"3")), (b"a", Some(b"1")), (b"b", Some(b"2"))])).unwrap();
        kv.write(&batch(&[(b"b", None), (b"d", Some(b"4"))])).unwrap();
        let keys =
            |from: &[u8], limit| kv.scan(from, limit).unwrap().into_iter().map(|(key, _)| key).collect::<Vec<_>>();
        assert_eq!(keys(b"", 9), [b"a", b"c", b"d"]);
        assert_eq!(keys(b"aa", 1), [b"c"]);
        assert_eq!(keys(b"c", 9), [b"c", b"d"]);
        assert_eq!(keys(b"e", 9), [] as [Vec<u8>; 0]);
        assert_eq!(keys(b"", 0), [] as [Vec<u8>; 0]);
    }
}
