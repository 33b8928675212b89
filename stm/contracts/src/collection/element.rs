//! An element as it stands in its cell: it says itself where it belongs, so that a list of changed cells is enough to compute states.

use crate::slice::Kind;

/// Bytes before the key: version, kind, collection, length of the key.
pub const ELEMENT_HEADER: usize = 1 + 1 + 32 + 2;
const VERSION: u8 = 1;

/// `1 | kind | collection 32 | key length u16 LE | key | content`.
///
/// Content: the value (bytes), nothing (a counter; its sum has a cell of its own), or the name of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// What it is.
    pub kind: Kind,
    /// Name of the collection that it belongs to.
    pub collection: [u8; 32],
    /// Its key.
    pub key: &'a [u8],
    /// Its value, or name.
    pub content: &'a [u8],
}

impl<'a> Element<'a> {
    /// The bytes of its cell.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Keys are checked against MAX_KEY before anything is written.
        let length = u16::try_from(self.key.len()).unwrap_or(u16::MAX).to_le_bytes();
        [&[VERSION, self.kind as u8], self.collection.as_slice(), &length, self.key, self.content].concat()
    }

    /// None: the bytes are no element.
    #[must_use]
    pub fn decode(bytes: &'a [u8]) -> Option<Element<'a>> {
        let (&[version, kind], rest) = bytes.split_first_chunk::<2>()?;
        let (collection, rest) = rest.split_first_chunk::<32>()?;
        let (length, rest) = rest.split_first_chunk::<2>()?;
        let (key, content) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        let kind = Kind::of(kind)?;
        let fits = match kind {
            Kind::Bytes => true,
            Kind::Counter => content.is_empty(),
            Kind::List | Kind::Map | Kind::Set | Kind::SortedSet => content.len() == 32,
        };
        (version == VERSION && fits).then_some(Element { kind, collection: *collection, key, content })
    }

    /// Name of the collection that stands in this element, if one does.
    #[must_use]
    pub fn child(&self) -> Option<[u8; 32]> {
        match self.kind {
            Kind::Bytes | Kind::Counter => None,
            Kind::List | Kind::Map | Kind::Set | Kind::SortedSet => self.content.try_into().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_come_back() {
        let id = [1; 32];
        for (kind, content) in
            [(Kind::Bytes, &b"value"[..]), (Kind::Bytes, b""), (Kind::Counter, b""), (Kind::Map, &[2; 32])]
        {
            for key in [&b""[..], b"k", &[7; 256]] {
                let element = Element { kind, collection: id, key, content };
                assert_eq!(Element::decode(&element.encode()), Some(element));
            }
        }
    }

    #[test]
    fn what_was_cut_or_is_of_another_version_is_no_element() {
        let whole = Element { kind: Kind::List, collection: [1; 32], key: b"key", content: &[2; 32] }.encode();
        for end in 0..whole.len() {
            assert_eq!(Element::decode(&whole[..end]), None, "cut at {end}");
        }
        assert_eq!(Element::decode(&[&[2], &whole[1..]].concat()), None, "another version");
        assert_eq!(Element::decode(&[&[1, 99], &whole[2..]].concat()), None, "no such kind");
    }
}
