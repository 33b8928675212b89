//! Where the slices of a contract's storage lie.
//!
//! A slice is what contracts address and what conflicts. It lies within one page and overlaps no other one.

use super::Limits;
use crate::slice;
use borsh::{BorshDeserialize, BorshSerialize};

/// What a slice holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
#[borsh(use_discriminant = true)]
#[repr(u8)]
pub enum SliceKind {
    /// Bytes as the contract writes them.
    Bytes = 0,
    /// A signed sum of 128 bits whose additions commute.
    Counter = 1,
    /// The state of a list.
    List = 2,
    /// The state of a map.
    Map = 3,
    /// The state of a set.
    Set = 4,
    /// The state of a sorted set.
    SortedSet = 5,
}

impl SliceKind {
    /// The kind as storage takes it.
    #[must_use]
    pub fn to_storage(self) -> slice::Kind {
        match self {
            Self::Bytes => slice::Kind::Bytes,
            Self::Counter => slice::Kind::Counter,
            Self::List => slice::Kind::List,
            Self::Map => slice::Kind::Map,
            Self::Set => slice::Kind::Set,
            Self::SortedSet => slice::Kind::SortedSet,
        }
    }

    /// The one length that slices of this kind have, in bytes; `None`: any.
    #[must_use]
    pub fn length(self) -> Option<u16> {
        match self {
            Self::Bytes => None,
            Self::Counter => Some(16),
            Self::List | Self::Map | Self::Set | Self::SortedSet => Some(32),
        }
    }
}

/// One slice: its number is its place in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SliceSpec {
    /// What it holds.
    pub kind: SliceKind,
    /// Page, from 0 within the contract.
    pub page: u32,
    /// First byte within the page.
    pub offset: u16,
    /// Bytes.
    pub length: u16,
}

/// All slices of a contract.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Layout {
    /// Bytes of a page.
    pub page_size: u32,
    /// By number.
    pub slices: Vec<SliceSpec>,
}

impl Layout {
    /// No slices, on pages of this size.
    #[must_use]
    pub fn empty(page_size: u32) -> Self {
        Self { page_size, slices: Vec::new() }
    }

    /// Lays slices one behind the other, in their order, each on the page where the one before ended if it fits there and
    /// otherwise on the next. What is added at the end later leaves the others where they are.
    ///
    /// # Errors
    /// The number of the first slice that no page has room for, or whose page has no number.
    pub fn place(sizes: &[(SliceKind, usize)], page_size: u32) -> Result<Self, usize> {
        let mut layout = Self::empty(page_size);
        let (mut page, mut used) = (0u32, 0u32);
        for (number, (kind, length)) in sizes.iter().enumerate() {
            let length = u16::try_from(*length).ok().filter(|len| u32::from(*len) <= page_size).ok_or(number)?;
            if used + u32::from(length) > page_size {
                (page, used) = (page.checked_add(1).ok_or(number)?, 0);
            }
            let offset = u16::try_from(used).map_err(|_| number)?;
            layout.slices.push(SliceSpec { kind: *kind, page, offset, length });
            used += u32::from(length);
        }
        Ok(layout)
    }

    /// Pages that the slices lie on.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.slices.iter().map(|slice| slice.page.saturating_add(1)).max().unwrap_or(0)
    }

    /// Page, offset and length by slice, as [`crate::abi::compare`] takes them.
    #[must_use]
    pub fn places(&self) -> Vec<crate::abi::compare::Place> {
        self.slices.iter().map(|s| (s.page, s.offset, s.length)).collect()
    }

    /// The layout as storage takes it.
    ///
    /// # Errors
    /// What is wrong with it; nothing is, in a template that was decoded.
    pub fn to_storage(&self) -> Result<slice::Layout, Vec<slice::LayoutError>> {
        let slices = self.slices.iter().map(|s| slice::Slice {
            page: s.page,
            offset: s.offset.into(),
            length: s.length.into(),
            kind: s.kind.to_storage(),
        });
        slice::Layout::new(self.page_size, slices.collect())
    }

    /// Everything that is wrong with it: the number of a slice (none for the layout as a whole), and why.
    #[must_use]
    pub fn check(&self, limits: &Limits) -> Vec<(Option<usize>, String)> {
        let mut wrong = Vec::new();
        if self.page_size != limits.page_size {
            wrong.push((
                None,
                format!("pages of {} bytes; those of this cell have {}", self.page_size, limits.page_size),
            ));
        }
        if self.slices.len() > limits.slices {
            wrong.push((None, format!("{} slices, more than the {} allowed", self.slices.len(), limits.slices)));
        }
        for (number, slice) in self.slices.iter().enumerate() {
            let end = u32::from(slice.offset) + u32::from(slice.length);
            let mut say = |why: String| wrong.push((Some(number), format!("slice {number} {why}")));
            if slice.length == 0 {
                say("has no bytes".into());
            }
            if end > self.page_size {
                say(format!("ends at byte {end} of its page, which has {}", self.page_size));
            }
            if slice.page >= limits.pages {
                say(format!("lies on page {}, and contracts have {} pages", slice.page, limits.pages));
            }
            if let Some(length) = slice.kind.length().filter(|length| *length != slice.length) {
                say(format!("has {} bytes; one of kind {:?} has {length}", slice.length, slice.kind));
            }
        }
        let mut order: Vec<(usize, &SliceSpec)> = self.slices.iter().enumerate().collect();
        order.sort_by_key(|(number, slice)| (slice.page, slice.offset, *number));
        // The one that reaches furthest so far: a long one may cover more than its neighbour.
        let mut furthest: Option<(usize, u32, u32)> = None;
        for (number, slice) in order {
            let (start, end) = (u32::from(slice.offset), u32::from(slice.offset) + u32::from(slice.length));
            match furthest {
                Some((other, page, reach)) if page == slice.page && start < reach => {
                    wrong.push((Some(number), format!("slice {number} overlaps slice {other} on page {page}")));
                    if end > reach {
                        furthest = Some((number, page, end));
                    }
                }
                _ => furthest = Some((number, slice.page, end)),
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slice(page: u32, offset: u16, length: u16) -> SliceSpec {
        SliceSpec { kind: SliceKind::Bytes, page, offset, length }
    }

    fn said(slices: &[SliceSpec]) -> Vec<String> {
        let layout = Layout { page_size: 4096, slices: slices.to_vec() };
        layout.check(&Limits::STANDARD).into_iter().map(|(_, why)| why).collect()
    }

    #[test]
    fn slices_stay_within_pages_and_apart() {
        assert_eq!(said(&[slice(0, 0, 4096), slice(1, 0, 1), slice(1, 1, 4095)]), Vec::<String>::new());
        assert_eq!(said(&[slice(0, 4095, 2)]), ["slice 0 ends at byte 4097 of its page, which has 4096"]);
        assert_eq!(said(&[slice(0, 4, 4), slice(0, 0, 5)]), ["slice 0 overlaps slice 1 on page 0"]);
        let covered = [slice(0, 0, 100), slice(0, 10, 5), slice(0, 50, 5)];
        assert_eq!(said(&covered), ["slice 1 overlaps slice 0 on page 0", "slice 2 overlaps slice 0 on page 0"]);
        assert_eq!(said(&[slice(255, 0, 1)]), Vec::<String>::new());
        assert_eq!(
            said(&[slice(256, 0, 0)]),
            ["slice 0 has no bytes", "slice 0 lies on page 256, and contracts have 256 pages"]
        );
        let counter = SliceSpec { kind: SliceKind::Counter, ..slice(0, 0, 8) };
        assert_eq!(said(&[counter]), ["slice 0 has 8 bytes; one of kind Counter has 16"]);
        assert!(said(&vec![slice(0, 0, 1); 1025])[0].contains("1025 slices, more than the 1024 allowed"));
    }

    #[test]
    fn variables_of_four_bytes_on_pages_of_ten_leave_the_rest_of_a_page_free() {
        let layout = Layout::place(&[(SliceKind::Bytes, 4); 5], 10).expect("they fit");
        let places: Vec<(u32, u16)> = layout.slices.iter().map(|s| (s.page, s.offset)).collect();
        assert_eq!(places, [(0, 0), (0, 4), (1, 0), (1, 4), (2, 0)]);
        assert_eq!(layout.pages(), 3);
        assert_eq!(Layout::place(&[(SliceKind::Bytes, 10), (SliceKind::Bytes, 11)], 10), Err(1));
    }

    #[test]
    fn twenty_one_byte_variables_take_two_pages_of_ten_and_thirty_two_take_four() {
        let pages = |count: usize| Layout::place(&vec![(SliceKind::Bytes, 1); count], 10).map(|l| l.pages());
        assert_eq!(pages(20), Ok(2));
        assert_eq!(pages(32), Ok(4));
    }

    proptest! {
        #[test]
        fn what_is_placed_is_well_placed(sizes in prop::collection::vec(1usize..=64, 0..60), more in 1usize..=64) {
            let limits = Limits { page_size: 64, ..Limits::STANDARD };
            let mut sizes: Vec<(SliceKind, usize)> = sizes.into_iter().map(|len| (SliceKind::Bytes, len)).collect();
            let layout = Layout::place(&sizes, 64).expect("each fits a page");
            prop_assert_eq!(layout.check(&limits), vec![]);
            sizes.push((SliceKind::Bytes, more));
            let longer = Layout::place(&sizes, 64).expect("each fits a page");
            prop_assert_eq!(&longer.slices[..layout.slices.len()], &layout.slices[..]);
        }

        /// The model: a page as a row of bytes that each belong to at most one slice.
        #[test]
        fn overlaps_are_those_of_painted_bytes(
            slices in prop::collection::vec((0u32..3, 0u16..64, 1u16..16), 0..12)
        ) {
            let slices: Vec<SliceSpec> = slices.into_iter().map(|(page, at, len)| slice(page, at, len)).collect();
            let mut painted = std::collections::BTreeSet::new();
            let mut clean = true;
            for slice in &slices {
                for byte in slice.offset..slice.offset + slice.length {
                    clean &= painted.insert((slice.page, byte)) && byte < 64;
                }
            }
            let limits = Limits { page_size: 64, ..Limits::STANDARD };
            let layout = Layout { page_size: 64, slices };
            prop_assert_eq!(layout.check(&limits).is_empty(), clean);
            prop_assert_eq!(layout.to_storage().is_ok(), clean, "storage has the same rules");
        }
    }
}
