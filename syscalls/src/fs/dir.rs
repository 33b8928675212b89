//! Directories: entries found by name and listed by age, with cookies that stay good while entries come and go.
//!
//! POSIX asks of `readdir` that an entry that is there during the whole listing is returned exactly once. A cookie made
//! from a position in name order cannot promise that, because the entry that it stands for may be gone. So entries are
//! listed in the order in which they were added (the file image adds them sorted by name), and each has a *serial*
//! number of its directory that never changes while it lives. A cookie is a serial number and remains meaningful
//! whatever happens to the entry.
//!
//! ```text
//! cookie   63          32 31           0      position 0 is ".", 1 is "..", entries have 2 and more;
//!          |    end      |   position  |      end 0 means "no end known"
//! ```
//!
//! `end` is the serial number that the next new entry would have had when the listing began. A program that renames
//! each entry it sees would otherwise never finish, since a renamed entry is a new one at the end of the list. The
//! position is in the low half because `telldir` of wasm32 gives programs 32 bits only.

use super::inode::Ino;
use borsh::{BorshDeserialize, BorshSerialize};
use std::collections::BTreeMap;

/// Serial number of the first entry; smaller positions are `.` and `..`.
const FIRST: u32 = 2;

#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Directory {
    /// Where `..` leads: itself for the root, nowhere once the directory was removed.
    pub(super) parent: Option<Ino>,
    by_name: BTreeMap<Vec<u8>, Entry>,
    by_serial: BTreeMap<u32, Vec<u8>>,
    next_serial: u32,
}

#[derive(Clone, Copy, Debug, BorshSerialize, BorshDeserialize)]
struct Entry {
    ino: Ino,
    serial: u32,
}

/// A position in a listing.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    /// What comes next.
    position: u32,
    /// Entries from this serial number on are newer than the listing.
    end: u32,
}

impl Cursor {
    const fn cookie(self, position: u32) -> u64 {
        (self.end as u64) << 32 | position as u64
    }
}

impl Directory {
    pub(super) const fn new(parent: Option<Ino>) -> Self {
        Self { parent, by_name: BTreeMap::new(), by_serial: BTreeMap::new(), next_serial: FIRST }
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Ino> {
        self.by_name.get(name).map(|entry| entry.ino)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// What the entries lead to, by name.
    pub(super) fn inodes(&self) -> impl Iterator<Item = Ino> {
        self.by_name.values().map(|entry| entry.ino)
    }

    /// Makes `name` lead to `ino` and answers what it led to before. A name that is there keeps its place in the
    /// listing: it was there all the time, so a listing under way must show it once.
    pub(super) fn set(&mut self, name: &[u8], ino: Ino) -> Option<Ino> {
        if let Some(entry) = self.by_name.get_mut(name) {
            return Some(std::mem::replace(&mut entry.ino, ino));
        }
        if self.next_serial == u32::MAX {
            self.renumber();
        }
        let serial = self.next_serial;
        self.next_serial += 1;
        self.by_name.insert(name.to_vec(), Entry { ino, serial });
        self.by_serial.insert(serial, name.to_vec());
        None
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<Ino> {
        let entry = self.by_name.remove(name)?;
        self.by_serial.remove(&entry.serial);
        Some(entry.ino)
    }

    /// Numbers the entries afresh. Needed once in four thousand million additions; listings under way at that moment
    /// may repeat or miss entries.
    fn renumber(&mut self) {
        self.next_serial = FIRST;
        for name in std::mem::take(&mut self.by_serial).into_values() {
            if let Some(entry) = self.by_name.get_mut(&name) {
                entry.serial = self.next_serial;
                self.by_serial.insert(self.next_serial, name);
                self.next_serial += 1;
            }
        }
    }

    /// Where a cookie points. Guests may pass any number; there is no invalid one.
    pub(super) const fn cursor(&self, cookie: u64) -> Cursor {
        let (end, position) = ((cookie >> 32) as u32, cookie as u32);
        Cursor { position, end: if end == 0 { self.next_serial } else { end } }
    }

    /// `.` and `..` as far as they lie behind the cursor: whether it is `.`, and the cookie behind it.
    pub(super) fn dots(cursor: Cursor) -> impl Iterator<Item = (bool, u64)> {
        (cursor.position..FIRST).map(move |position| (position == 0, cursor.cookie(position + 1)))
    }

    /// The entries behind the cursor with the cookie behind each, oldest first.
    pub(super) fn list(&self, cursor: Cursor) -> impl Iterator<Item = (&[u8], Ino, u64)> {
        let from = cursor.position.max(FIRST);
        // A range whose start lies behind its end is not empty but a panic.
        let to = cursor.end.max(from);
        self.by_serial.range(from..to).filter_map(move |(serial, name)| {
            let entry = self.by_name.get(name)?;
            Some((name.as_slice(), entry.ino, cursor.cookie(serial.saturating_add(1))))
        })
    }

    /// Whether both indexes say the same.
    pub(super) fn is_sound(&self) -> bool {
        let agrees = |(name, entry): (&Vec<u8>, &Entry)| self.by_serial.get(&entry.serial) == Some(name);
        self.by_name.len() == self.by_serial.len()
            && self.by_name.iter().all(agrees)
            && self.by_serial.keys().all(|serial| (FIRST..self.next_serial).contains(serial))
    }
}

#[cfg(test)]
mod tests {
    use super::super::inode::{Body, Table};
    use super::super::time::FileTime;
    use super::*;

    fn some_ino() -> Ino {
        Table::new().insert(Body::Symlink(Vec::new()), FileTime::GENESIS).expect("an empty table has room")
    }

    fn names(directory: &Directory, cookie: u64) -> Vec<Vec<u8>> {
        directory.list(directory.cursor(cookie)).map(|(name, ..)| name.to_vec()).collect()
    }

    #[test]
    fn entries_are_numbered_afresh_when_serials_run_out() {
        let mut directory = Directory { next_serial: u32::MAX - 2, ..Directory::new(None) };
        for name in [b"c", b"a", b"b", b"d"] {
            assert_eq!(directory.set(name, some_ino()), None);
            assert!(directory.is_sound());
        }
        assert_eq!(names(&directory, 0), [b"c", b"a", b"b", b"d"]);
        assert_eq!(directory.next_serial, FIRST + 4);
    }

    #[test]
    fn any_number_is_a_cookie() {
        let mut directory = Directory::new(None);
        directory.set(b"a", some_ino());
        for cookie in [u64::MAX, 1 << 63, 1 << 32, u64::from(u32::MAX), 1 << 32 | 7, 9] {
            assert!(names(&directory, cookie).len() <= 1);
        }
        // A cookie that went through 32 bits, with its sign carried on, has lost the end but not the position.
        assert_eq!(names(&directory, 2), [b"a"]);
        assert_eq!(names(&directory, 0xffff_ffff_0000_0002), [b"a"]);
    }
}
