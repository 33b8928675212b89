//! Directories: what each name leads to, sorted by name.

use super::inode::Ino;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Directory {
    /// Where `..` leads: itself for the root, nowhere once the directory was removed.
    pub(super) parent: Option<Ino>,
    entries: BTreeMap<Vec<u8>, Ino>,
    /// Whether its entries are the descriptors of whoever looks: `/proc/self/fd`.
    pub(super) of_descriptors: bool,
}

/// The descriptor that a name in `/proc/self/fd` stands for.
fn descriptor(name: &[u8]) -> Option<Ino> {
    let digits = str::from_utf8(name).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    let fd: u32 = digits.parse().ok().filter(|fd| *fd < MOST_DESCRIPTORS)?;
    (digits.len() == 1 || !digits.starts_with('0')).then(|| Ino::of_descriptor(fd))
}

/// As many as the limit `descriptors` may allow.
const MOST_DESCRIPTORS: u32 = 1 << 20;

impl Directory {
    pub(super) const fn new(parent: Option<Ino>) -> Self {
        Self { parent, entries: BTreeMap::new(), of_descriptors: false }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Ino> {
        if self.of_descriptors { descriptor(name) } else { self.entries.get(name).copied() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The names, sorted by their bytes.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.entries.keys().map(Vec::as_slice)
    }

    /// What the entries lead to, by name.
    pub(super) fn inodes(&self) -> impl Iterator<Item = Ino> + Clone {
        self.entries.values().copied()
    }

    /// Makes `name` lead to `ino` and answers what it led to before.
    pub(super) fn set(&mut self, name: &[u8], ino: Ino) -> Option<Ino> {
        if let Some(entry) = self.entries.get_mut(name) {
            return Some(std::mem::replace(entry, ino));
        }
        self.entries.insert(name.to_vec(), ino)
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Ino> {
        self.entries.remove(name)
    }
}
