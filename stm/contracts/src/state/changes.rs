//! What a batch, or a call, has changed.

use crate::cell::CellKey;

/// A cell with bytes that has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BytesChange<'a> {
    /// Which cell.
    pub key: CellKey,
    /// What was there.
    pub old: Option<&'a [u8]>,
    /// What is there now.
    pub new: Option<&'a [u8]>,
}

/// A sum that has changed. One that is absent is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SumChange {
    /// Which cell.
    pub key: CellKey,
    /// The sum before.
    pub old: i128,
    /// The sum now.
    pub new: i128,
}

/// All changes, sorted by key, each key once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes<'a> {
    bytes: Vec<BytesChange<'a>>,
    sums: Vec<SumChange>,
}

impl<'a> Changes<'a> {
    /// Changes in any order; those that change nothing are left out.
    #[must_use]
    pub fn new(mut bytes: Vec<BytesChange<'a>>, mut sums: Vec<SumChange>) -> Changes<'a> {
        bytes.retain(|change| change.old != change.new);
        sums.retain(|change| change.old != change.new);
        bytes.sort_by_key(|change| change.key);
        sums.sort_by_key(|change| change.key);
        Changes { bytes, sums }
    }

    /// Cells with bytes.
    #[must_use]
    pub fn bytes(&self) -> &[BytesChange<'a>] {
        &self.bytes
    }

    /// Sums.
    #[must_use]
    pub fn sums(&self) -> &[SumChange] {
        &self.sums
    }

    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.sums.is_empty()
    }

    /// The change of a cell with bytes.
    #[must_use]
    pub fn of(&self, key: &CellKey) -> Option<&BytesChange<'a>> {
        self.bytes.binary_search_by_key(key, |change| change.key).ok().map(|at| &self.bytes[at])
    }

    /// The change of a sum.
    #[must_use]
    pub fn of_sum(&self, key: &CellKey) -> Option<&SumChange> {
        self.sums.binary_search_by_key(key, |change| change.key).ok().map(|at| &self.sums[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_sorted_and_what_is_none_is_left_out() {
        let key = |n| CellKey([n; 32]);
        let change = |n, old, new| BytesChange { key: key(n), old, new };
        let (a, b): (&[u8], &[u8]) = (b"a", b"b");
        let changes = Changes::new(
            vec![
                change(3, None, Some(a)),
                change(2, Some(a), Some(a)),
                change(1, Some(a), Some(b)),
                change(0, None, None),
            ],
            vec![SumChange { key: key(9), old: 1, new: 0 }, SumChange { key: key(8), old: 4, new: 4 }],
        );
        assert_eq!(changes.bytes().iter().map(|change| change.key).collect::<Vec<_>>(), [key(1), key(3)]);
        assert_eq!(changes.of(&key(3)).map(|change| change.new), Some(Some(a)));
        assert_eq!(changes.of(&key(2)), None);
        assert_eq!(changes.of_sum(&key(9)).map(|change| change.new), Some(0));
        assert_eq!(changes.of_sum(&key(8)), None);
    }
}
