//! What stands in a slice or in an element.

use std::fmt;

/// What stands in a slice of a contract, or in an element of a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Bytes: numbers, addresses, whatever the contract makes of them.
    Bytes = 0,
    /// A sum of 128 bits, signed, that additions commute on.
    Counter = 1,
    /// A list.
    List = 2,
    /// A map.
    Map = 3,
    /// A set.
    Set = 4,
    /// A sorted set.
    SortedSet = 5,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 6] = [Kind::Bytes, Kind::Counter, Kind::List, Kind::Map, Kind::Set, Kind::SortedSet];

    /// The kind with this byte.
    #[must_use]
    pub const fn of(byte: u8) -> Option<Kind> {
        Some(match byte {
            0 => Kind::Bytes,
            1 => Kind::Counter,
            2 => Kind::List,
            3 => Kind::Map,
            4 => Kind::Set,
            5 => Kind::SortedSet,
            _ => return None,
        })
    }

    /// Whether it is a collection.
    #[must_use]
    pub const fn is_collection(self) -> bool {
        matches!(self, Kind::List | Kind::Map | Kind::Set | Kind::SortedSet)
    }

    /// Bytes that it takes in a page; none: as many as the layout says.
    #[must_use]
    pub const fn slice_length(self) -> Option<u32> {
        match self {
            Kind::Bytes => None,
            Kind::Counter => Some(16),
            Kind::List | Kind::Map | Kind::Set | Kind::SortedSet => Some(32),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Bytes => "bytes",
            Kind::Counter => "a counter",
            Kind::List => "a list",
            Kind::Map => "a map",
            Kind::Set => "a set",
            Kind::SortedSet => "a sorted set",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_and_kinds_agree() {
        for byte in 0..=u8::MAX {
            assert_eq!(Kind::of(byte).map(|kind| kind as u8), (byte < 6).then_some(byte));
        }
        for kind in Kind::ALL {
            assert_eq!(kind.is_collection(), kind.slice_length() == Some(32));
        }
    }
}
