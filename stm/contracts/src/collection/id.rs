//! The name of a collection, and where it stands.

use crate::cell::{CellKey, Class, Error};
use crate::slice::Kind;

/// Name of a collection, and whose storage it is in.
///
/// One that stands in a slice is named by its place, `1 | account 20 | slice u32 LE | 7 zero bytes`. Every other one has got its name
/// when it was made, `2 | 31 bytes of a fresh name`, and keeps it wherever it is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CollectionId {
    /// The contract in whose storage it is.
    pub account: [u8; 20],
    /// Its name, different from that of every other collection of every contract.
    pub name: [u8; 32],
}

const OF_SLICE: u8 = 1;
const MADE: u8 = 2;

impl CollectionId {
    /// The collection that stands in a slice, from the contract's birth to its end.
    #[must_use]
    pub const fn in_slice(account: &[u8; 20], index: u32) -> CollectionId {
        let mut name = CellKey::slice(account, index).0;
        name[0] = OF_SLICE;
        CollectionId { account: *account, name }
    }

    /// A collection made at run time.
    #[must_use]
    pub(crate) const fn made(account: &[u8; 20], mut name: [u8; 32]) -> CollectionId {
        name[0] = MADE;
        CollectionId { account: *account, name }
    }

    /// The slice whose collection has this name.
    #[must_use]
    pub fn slice_of(name: &[u8; 32]) -> Option<([u8; 20], u32)> {
        if name[0] != OF_SLICE {
            return None;
        }
        let account = name[1..].first_chunk::<20>()?;
        let index = name[21..].first_chunk::<4>()?;
        Some((*account, u32::from_le_bytes(*index)))
    }

    /// A name as it stands in a cell of this account.
    pub(crate) fn decode<E>(cell: &CellKey, account: &[u8; 20], bytes: &[u8]) -> Result<CollectionId, Error<E>> {
        match <[u8; 32]>::try_from(bytes) {
            Ok(name) if name[0] == OF_SLICE || name[0] == MADE => Ok(CollectionId { account: *account, name }),
            _ => Err(Error::Damaged { cell: *cell, what: "it is no collection's name" }),
        }
    }
}

/// Where a collection made at run time stands: its state is written there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The collection around it.
    pub parent: CollectionId,
    /// Key of the element that it is; of a list, the position as 8 bytes, little-endian.
    pub key: Vec<u8>,
}

impl Place {
    /// `account 20 | parent 32 | key`.
    pub(crate) fn encode(&self) -> Vec<u8> {
        [self.parent.account.as_slice(), &self.parent.name, &self.key].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Place> {
        let (account, rest) = bytes.split_first_chunk::<20>()?;
        let (name, key) = rest.split_first_chunk::<32>()?;
        Some(Place { parent: CollectionId { account: *account, name: *name }, key: key.to_vec() })
    }
}

/// A collection that stands nowhere any more: `kind | account 20 | name 32`, in a cell of its own until it has been swept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grave {
    /// Which collection.
    pub id: CollectionId,
    /// Its kind.
    pub kind: Kind,
}

impl Grave {
    /// The cell that says so.
    #[must_use]
    pub fn cell(id: &CollectionId) -> CellKey {
        CellKey::of_collection(Class::Grave, &id.name, &[])
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[self.kind as u8], self.id.account.as_slice(), &self.id.name].concat()
    }

    /// None: the bytes are no grave.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Grave> {
        let (kind, rest) = bytes.split_first()?;
        let (account, name) = rest.split_first_chunk::<20>()?;
        let id = CollectionId { account: *account, name: name.try_into().ok()? };
        Some(Grave { id, kind: Kind::of(*kind).filter(|kind| kind.is_collection())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_back() {
        for key in [&b""[..], b"key", &[7; 256]] {
            let place = Place { parent: CollectionId { account: [5; 20], name: [2; 32] }, key: key.to_vec() };
            assert_eq!(Place::decode(&place.encode()), Some(place));
        }
        assert_eq!(Place::decode(&[1; 51]), None);
    }

    #[test]
    fn only_a_slices_own_collection_is_named_by_it() {
        let first = CollectionId::in_slice(&[4; 20], 5);
        assert_eq!(CollectionId::slice_of(&first.name), Some(([4; 20], 5)));
        assert_eq!(CollectionId::slice_of(&CollectionId::made(&[4; 20], first.name).name), None);
    }

    #[test]
    fn graves_come_back() {
        let grave = Grave { id: CollectionId { account: [5; 20], name: [2; 32] }, kind: Kind::Set };
        assert_eq!(Grave::decode(&grave.encode()), Some(grave));
        assert_eq!(Grave::decode(&grave.encode()[1..]), None);
        assert_eq!(Grave::decode(&[&[0], &grave.encode()[1..]].concat()), None, "bytes are no collection");
    }
}
