//! Where the slices of a contract stand.

use super::Kind;

/// One slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Page, from 0 within the contract.
    pub page: u32,
    /// First byte in the page.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
    /// What stands there.
    pub kind: Kind,
}

/// The slices of a contract, by index. No two overlap, none crosses a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    page_size: u32,
    slices: Vec<Slice>,
}

/// What is wrong with a layout.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The size of a page.
    #[error("a page of {page_size} bytes: from 1 to {most} are possible")]
    PageSize {
        /// As given.
        page_size: u32,
        /// The limit.
        most: u32,
    },
    /// A slice without bytes.
    #[error("slice {index} has no bytes")]
    Empty {
        /// Which slice.
        index: usize,
    },
    /// A slice that begins in one page and ends in another.
    #[error("slice {index} crosses its page: {length} bytes at offset {offset} do not fit into {page_size}")]
    CrossesPage {
        /// Which slice.
        index: usize,
        /// Where it begins.
        offset: u32,
        /// How long it is.
        length: u32,
        /// The size of a page.
        page_size: u32,
    },
    /// Counters and collections have a fixed length.
    #[error("slice {index} is {kind}: it takes {needed} bytes, and has {length}")]
    Length {
        /// Which slice.
        index: usize,
        /// What it is.
        kind: Kind,
        /// As given.
        length: u32,
        /// What the kind takes.
        needed: u32,
    },
    /// Two slices share bytes.
    #[error("slices {one} and {other} overlap in page {page}")]
    Overlap {
        /// One of them.
        one: usize,
        /// The other.
        other: usize,
        /// Their page.
        page: u32,
    },
}

impl Layout {
    /// A layout from its slices, in the order of their indices; or all that is wrong with it.
    pub fn new(page_size: u32, slices: Vec<Slice>) -> Result<Layout, Vec<LayoutError>> {
        let most = crate::hash::MAX_PAGE as u32;
        if page_size == 0 || page_size > most {
            return Err(vec![LayoutError::PageSize { page_size, most }]);
        }
        let mut wrong = Vec::new();
        for (index, &Slice { offset, length, kind, .. }) in slices.iter().enumerate() {
            if length == 0 {
                wrong.push(LayoutError::Empty { index });
            }
            if offset.checked_add(length).is_none_or(|end| end > page_size) {
                wrong.push(LayoutError::CrossesPage { index, offset, length, page_size });
            }
            if let Some(needed) = kind.slice_length().filter(|needed| *needed != length) {
                wrong.push(LayoutError::Length { index, kind, length, needed });
            }
        }
        wrong.extend(overlaps(&slices));
        if wrong.is_empty() { Ok(Layout { page_size, slices }) } else { Err(wrong) }
    }

    /// The layout that puts slices of these kinds and lengths one behind the other, each into the page begun last if it still fits.
    pub fn packed(page_size: u32, wanted: &[(Kind, u32)]) -> Result<Layout, Vec<LayoutError>> {
        let (mut page, mut offset) = (0_u32, 0_u32);
        let mut slices = Vec::with_capacity(wanted.len());
        for &(kind, length) in wanted {
            if offset > 0 && page_size.saturating_sub(offset) < length {
                (page, offset) = (page + 1, 0);
            }
            slices.push(Slice { page, offset, length, kind });
            offset = offset.saturating_add(length);
        }
        Layout::new(page_size, slices)
    }

    /// Bytes of a page.
    #[must_use]
    pub const fn page_size(&self) -> u32 {
        self.page_size
    }

    /// How many slices there are.
    #[must_use]
    pub fn len(&self) -> u32 {
        u32::try_from(self.slices.len()).unwrap_or(u32::MAX)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// The slice with this index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<&Slice> {
        self.slices.get(index as usize)
    }

    /// All slices, by index.
    #[must_use]
    pub fn slices(&self) -> &[Slice] {
        &self.slices
    }

    /// How many pages the slices take.
    #[must_use]
    pub fn pages(&self) -> u32 {
        self.slices.iter().map(|slice| slice.page.saturating_add(1)).max().unwrap_or(0)
    }
}

/// All pairs of neighbours that share bytes.
fn overlaps(slices: &[Slice]) -> Vec<LayoutError> {
    let mut order: Vec<(usize, &Slice)> = slices.iter().enumerate().collect();
    order.sort_by_key(|(index, slice)| (slice.page, slice.offset, *index));
    let mut wrong = Vec::new();
    // The slice that reaches furthest so far in this page.
    let mut furthest: Option<(usize, u32, u64)> = None;
    for (index, slice) in order {
        let end = u64::from(slice.offset) + u64::from(slice.length);
        match furthest {
            Some((one, page, reach)) if page == slice.page => {
                if u64::from(slice.offset) < reach && slice.length > 0 {
                    wrong.push(LayoutError::Overlap { one, other: index, page });
                }
                if end > reach {
                    furthest = Some((index, page, end));
                }
            }
            _ => furthest = Some((index, slice.page, end)),
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(page: u32, offset: u32, length: u32) -> Slice {
        Slice { page, offset, length, kind: Kind::Bytes }
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let slices = vec![
            bytes(0, 0, 4),
            bytes(0, 3, 2),
            bytes(1, 8, 3),
            bytes(2, 0, 0),
            Slice { kind: Kind::Map, ..bytes(3, 0, 8) },
            bytes(0, u32::MAX, 1),
        ];
        assert_eq!(
            Layout::new(10, slices),
            Err(vec![
                LayoutError::CrossesPage { index: 2, offset: 8, length: 3, page_size: 10 },
                LayoutError::Empty { index: 3 },
                LayoutError::Length { index: 4, kind: Kind::Map, length: 8, needed: 32 },
                LayoutError::CrossesPage { index: 5, offset: u32::MAX, length: 1, page_size: 10 },
                LayoutError::Overlap { one: 0, other: 1, page: 0 },
            ])
        );
        assert!(Layout::new(0, vec![]).is_err() && Layout::new(65_537, vec![]).is_err());
    }

    #[test]
    fn slices_up_to_the_edge_are_fine() {
        for slices in [vec![bytes(0, 0, 10)], vec![bytes(0, 5, 5), bytes(0, 0, 5)], vec![bytes(7, 9, 1)]] {
            assert!(Layout::new(10, slices).is_ok());
        }
        assert_eq!(Layout::new(10, vec![bytes(7, 9, 1)]).map(|layout| layout.pages()), Ok(8));
        assert_eq!(Layout::new(10, vec![]).map(|layout| layout.pages()), Ok(0));
    }

    #[test]
    fn a_long_slice_over_several_short_ones_overlaps_each() {
        let slices = vec![bytes(0, 0, 10), bytes(0, 1, 1), bytes(0, 8, 1)];
        let overlap = |other| LayoutError::Overlap { one: 0, other, page: 0 };
        assert_eq!(Layout::new(10, slices), Err(vec![overlap(1), overlap(2)]));
    }
}
