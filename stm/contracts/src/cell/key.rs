//! How the key of a cell is made. Keys are names inside one store: no state covers them.

use std::fmt;

use crate::hash::{self, Domain};

/// What a cell is for: the first byte of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Class {
    /// A slice as bytes.
    Slice = 0x01,
    /// A slice as a commutative sum.
    SliceSum = 0x02,
    /// An element of a collection: collection, key and content ([`crate::collection::Element`]).
    Element = 0x10,
    /// The sum of an element that is a counter. Its key differs from the element's in this byte only.
    ElementSum = 0x11,
    /// Where a collection made at run time stands.
    Place = 0x12,
    /// The key after this one.
    Next = 0x13,
    /// The key before this one.
    Previous = 0x14,
    /// What hangs below one side of a branch.
    Link = 0x15,
    /// Sum: how many keys are below a branch.
    Weight = 0x16,
    /// Sum: how many elements a collection has.
    Length = 0x17,
    /// A collection that stands nowhere any more and whose cells wait to be freed.
    Grave = 0x18,
}

impl Class {
    /// The class with this first byte. Bytes from 0x40 to 0x5f belong to accounts and are none of these.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Class> {
        Some(match byte {
            0x01 => Class::Slice,
            0x02 => Class::SliceSum,
            0x10 => Class::Element,
            0x11 => Class::ElementSum,
            0x12 => Class::Place,
            0x13 => Class::Next,
            0x14 => Class::Previous,
            0x15 => Class::Link,
            0x16 => Class::Weight,
            0x17 => Class::Length,
            0x18 => Class::Grave,
            _ => return None,
        })
    }

    /// Whether cells of this class hold a sum and no bytes.
    #[must_use]
    pub const fn is_sum(self) -> bool {
        matches!(self, Class::SliceSum | Class::ElementSum | Class::Weight | Class::Length)
    }
}

/// Key of a cell: the class, then either the place itself (slices) or 31 bytes of a hash (collections).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey(pub [u8; 32]);

impl CellKey {
    /// A slice of an account, as bytes.
    #[must_use]
    pub const fn slice(account: &[u8; 20], index: u32) -> CellKey {
        CellKey::of_slice(Class::Slice, account, index)
    }

    /// A slice of an account, as a sum.
    #[must_use]
    pub const fn slice_sum(account: &[u8; 20], index: u32) -> CellKey {
        CellKey::of_slice(Class::SliceSum, account, index)
    }

    const fn of_slice(class: Class, account: &[u8; 20], index: u32) -> CellKey {
        let mut key = [0; 32];
        key[0] = class as u8;
        key.split_at_mut(1).1.split_at_mut(20).0.copy_from_slice(account);
        key.split_at_mut(21).1.split_at_mut(4).0.copy_from_slice(&index.to_le_bytes());
        CellKey(key)
    }

    /// Account and index, if this is a slice's key (either class).
    #[must_use]
    pub fn as_slice(&self) -> Option<([u8; 20], u32)> {
        let (Some(Class::Slice | Class::SliceSum), Some(account), Some(index)) =
            (self.class(), self.0[1..].first_chunk::<20>(), self.0[21..].first_chunk::<4>())
        else {
            return None;
        };
        Some((*account, u32::from_le_bytes(*index)))
    }

    /// A cell of a collection. `name` tells it from the others of its class: one hash block for keys of up to 31 bytes.
    pub(crate) fn of_collection(class: Class, collection: &[u8; 32], name: &[&[u8]]) -> CellKey {
        // An element and its sum share the hash, so that one is found from the other.
        let hashed = if class == Class::ElementSum { Class::Element } else { class };
        let mut message = Message::of(hashed as u8, collection);
        for part in name {
            message.push(part);
        }
        let mut key = *hash::of(Domain::Cell, message.bytes()).as_bytes();
        key[0] = class as u8;
        CellKey(key)
    }

    /// The element whose sum this is, and back.
    pub(crate) const fn with_class(mut self, class: Class) -> CellKey {
        self.0[0] = class as u8;
        self
    }

    /// What the cell is for; none for cells of accounts.
    #[must_use]
    pub const fn class(&self) -> Option<Class> {
        Class::of(self.0[0])
    }
}

/// What is hashed, put together without the heap: class, collection, then a key or a prefix of at most [`LONGEST`] bytes.
struct Message {
    bytes: [u8; 1 + 32 + LONGEST],
    len: usize,
}

/// A tag, and the longest prefix of a position: its length and 2305 bits.
const LONGEST: usize = 1 + 2 + (crate::collection::MAX_KEY * 9 + 1).div_ceil(8);

impl Message {
    fn of(class: u8, collection: &[u8; 32]) -> Message {
        let mut bytes = [0; 1 + 32 + LONGEST];
        bytes[0] = class;
        bytes[1..33].copy_from_slice(collection);
        Message { bytes, len: 33 }
    }

    /// Every caller's parts are bounded by the limits on keys: what went beyond would be cut, and be another key's cell.
    fn push(&mut self, part: &[u8]) {
        let free = &mut self.bytes[self.len..];
        assert!(part.len() <= free.len(), "a cell's name is longer than any key allows");
        free[..part.len()].copy_from_slice(part);
        self.len += part.len();
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl fmt::Debug for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CellKey({self})")
    }
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_key_says_where_it_belongs() {
        for key in [CellKey::slice(&[7; 20], 0x0102_0304), CellKey::slice_sum(&[7; 20], 0x0102_0304)] {
            assert_eq!(key.as_slice(), Some(([7; 20], 0x0102_0304)));
        }
        assert_eq!(CellKey::of_collection(Class::Element, &[1; 32], &[b"k"]).as_slice(), None);
    }

    #[test]
    fn every_byte_and_class_agree() {
        for byte in 0..=u8::MAX {
            if let Some(class) = Class::of(byte) {
                assert_eq!(class as u8, byte);
                assert!(!(0x40..0x60).contains(&byte), "accounts have these");
            }
        }
    }

    #[test]
    fn an_element_is_found_from_its_sum() {
        let element = CellKey::of_collection(Class::Element, &[1; 32], &[b"k"]);
        let sum = CellKey::of_collection(Class::ElementSum, &[1; 32], &[b"k"]);
        assert_eq!(sum.with_class(Class::Element), element);
        assert_ne!(element, CellKey::of_collection(Class::Element, &[2; 32], &[b"k"]));
        assert_ne!(element.0[1..], CellKey::of_collection(Class::Next, &[1; 32], &[b"k"]).0[1..]);
    }
}
