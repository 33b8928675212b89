//! Where a record lies, and how it is read back.
//!
//! ```text
//! m | batch u64 BE                              manifest of a checkpoint
//! x | batch u64 BE | part u32 BE                what the checkpoint made superfluous for itself and later ones
//! d | tree | key 32 | batch u64 BE              a content, as of this checkpoint
//!
//! tree   0 accounts · 1 pages, account 20 · 2 collection, account 20, id 32 · 3 receipts · 4 codes · 5 beside
//! value  hash 32 of the record's key and what follows | what follows
//! ```
//!
//! Numbers in keys are big-endian, so that the order of bytes is their order.

use replicode_contracts::hash::{Domain, Hash, parts};
use replicode_contracts::tree::Name;

/// A content's place.
pub(crate) type Place = (Name, Hash);

const MANIFEST: u8 = b'm';
const OBSOLETE: u8 = b'x';
const CONTENT: u8 = b'd';

pub(crate) fn manifest_key(batch: u64) -> Vec<u8> {
    [&[MANIFEST], batch.to_be_bytes().as_slice()].concat()
}

pub(crate) fn obsolete_key(batch: u64, part: u32) -> Vec<u8> {
    [&[OBSOLETE], batch.to_be_bytes().as_slice(), &part.to_be_bytes()].concat()
}

/// What the keys of all contents of a tree begin with.
pub(crate) fn tree_prefix(name: &Name) -> Vec<u8> {
    let mut out = vec![CONTENT];
    match name {
        Name::Accounts => out.push(0),
        Name::Pages { account } => {
            out.push(1);
            out.extend_from_slice(account);
        }
        Name::Collection { account, id } => {
            out.push(2);
            out.extend_from_slice(account);
            out.extend_from_slice(id.as_bytes());
        }
        Name::Receipts => out.push(3),
        Name::Codes => out.push(4),
        Name::Beside => out.push(5),
    }
    out
}

/// What the keys of all versions of a content begin with.
pub(crate) fn place_prefix((name, key): &Place) -> Vec<u8> {
    let mut out = tree_prefix(name);
    out.extend_from_slice(key.as_bytes());
    out
}

pub(crate) fn content_key(place: &Place, batch: u64) -> Vec<u8> {
    let mut out = place_prefix(place);
    out.extend_from_slice(&batch.to_be_bytes());
    out
}

/// What a key is the key of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Manifest(u64),
    Obsolete(u64),
    Content(Place, u64),
}

/// None: nobody here wrote such a key.
pub(crate) fn read_key(bytes: &[u8]) -> Option<Kind> {
    let (kind, rest) = bytes.split_first()?;
    match *kind {
        MANIFEST => Some(Kind::Manifest(u64::from_be_bytes(rest.try_into().ok()?))),
        OBSOLETE => {
            let (batch, part) = rest.split_first_chunk()?;
            (part.len() == 4).then_some(Kind::Obsolete(u64::from_be_bytes(*batch)))
        }
        CONTENT => {
            let (tree, rest) = rest.split_first()?;
            let (name, rest) = match tree {
                0 => (Name::Accounts, rest),
                1 => {
                    let (account, rest) = rest.split_first_chunk()?;
                    (Name::Pages { account: *account }, rest)
                }
                2 => {
                    let (account, rest) = rest.split_first_chunk()?;
                    let (id, rest) = rest.split_first_chunk()?;
                    (Name::Collection { account: *account, id: Hash::new(*id) }, rest)
                }
                3 => (Name::Receipts, rest),
                4 => (Name::Codes, rest),
                5 => (Name::Beside, rest),
                _ => return None,
            };
            let (key, batch) = rest.split_first_chunk()?;
            Some(Kind::Content((name, Hash::new(*key)), u64::from_be_bytes(batch.try_into().ok()?)))
        }
        _ => None,
    }
}

/// A record's value.
pub(crate) fn seal(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    [parts(Domain::Record, &[key, bytes]).as_bytes().as_slice(), bytes].concat()
}

/// What was sealed under this key; none when it was not these bytes.
pub(crate) fn open<'v>(key: &[u8], value: &'v [u8]) -> Option<&'v [u8]> {
    let (hash, bytes) = value.split_first_chunk()?;
    (parts(Domain::Record, &[key, bytes]) == Hash::new(*hash)).then_some(bytes)
}

/// The first key behind all that begin with `prefix`.
pub(crate) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut out = prefix.to_vec();
    while out.last() == Some(&u8::MAX) {
        out.pop();
    }
    if let Some(last) = out.last_mut() {
        *last += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_and_sort_by_place_and_batch() {
        let id = Hash::new([9; 32]);
        let names = [
            Name::Accounts,
            Name::Pages { account: [1; 20] },
            Name::Collection { account: [1; 20], id },
            Name::Receipts,
            Name::Codes,
            Name::Beside,
        ];
        let mut keys = Vec::new();
        for name in names {
            for key in [Hash::ZERO, id, Hash::new([0xff; 32])] {
                for batch in [0, 1, 255, 256, u64::MAX] {
                    let bytes = content_key(&(name, key), batch);
                    assert_eq!(read_key(&bytes), Some(Kind::Content((name, key), batch)));
                    assert!(bytes < after(&tree_prefix(&name)));
                    keys.push(bytes);
                }
            }
        }
        assert!(keys.is_sorted());
        assert_eq!(read_key(&manifest_key(7)), Some(Kind::Manifest(7)));
        assert_eq!(read_key(&obsolete_key(7, 1)), Some(Kind::Obsolete(7)));
        for wrong in [&[][..], b"d", b"m1", b"y12345678", b"d\x06"] {
            assert_eq!(read_key(wrong), None);
        }
    }
}
