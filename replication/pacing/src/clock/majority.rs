//! What a majority of clocks shows. Pure.

use super::sample::Bounds;

/// Where the middle one of the members' clocks stands. Each clock counts with the interval in which it is known to stand,
/// one that is not known with all of time; `None` when that leaves no bound.
///
/// No minority of wrong clocks can move either bound beyond all the right ones: a majority stands at `low` or later, and
/// a majority at `high` or earlier, and every majority holds a right one.
#[must_use]
pub fn majority(clocks: &[Option<Bounds>]) -> Option<Bounds> {
    let most = clocks.len() / 2;
    let mut lows: Vec<u64> = clocks.iter().flatten().map(|clock| clock.low).collect();
    let mut highs: Vec<u64> = clocks.iter().flatten().map(|clock| clock.high).collect();
    lows.sort_unstable_by(|a, b| b.cmp(a));
    highs.sort_unstable();
    Some(Bounds { low: *lows.get(most)?, high: *highs.get(most)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn clock(low: u64, high: u64) -> Option<Bounds> {
        Some(Bounds { low, high })
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(majority(&[clock(5, 5)]), clock(5, 5), "alone");
        assert_eq!(majority(&[clock(9, 9), clock(1, 1), clock(7, 7)]), clock(7, 7));
        assert_eq!(majority(&[clock(9, 9), clock(4, 8), clock(5, 7)]), clock(5, 8));
        assert_eq!(majority(&[clock(9, 9), None, clock(7, 7)]), clock(7, 9), "the third may stand anywhere");
        assert_eq!(majority(&[clock(9, 9), None, None]), None);
        assert_eq!(majority(&[clock(3, 3), clock(8, 8)]), clock(3, 8), "two who disagree");
        assert_eq!(majority(&[clock(1, 1), clock(2, 2), clock(6, 6), clock(9, 9)]), clock(2, 6));
        assert_eq!(majority(&[]), None);
    }

    proptest! {
        #[test]
        fn a_minority_of_wrong_clocks_moves_nothing_beyond_the_right_ones(
            right in prop::collection::vec((1_000u64..2_000, 0u64..50), 1..5),
            wrong in prop::collection::vec(prop::option::of((any::<u32>(), 0u64..50)), 0..5),
            place in any::<prop::sample::Index>(),
        ) {
            let wrong = &wrong[..wrong.len().min(right.len() - 1)];
            let bounds = |(low, width): (u64, u64)| Bounds { low, high: low + width };
            let mut clocks: Vec<_> = right.iter().copied().map(bounds).map(Some).collect();
            let at = place.index(clocks.len());
            clocks.splice(at..at, wrong.iter().map(|wrong| wrong.map(|(low, width)| bounds((low.into(), width)))));
            let Some(Bounds { low, high }) = majority(&clocks) else {
                return Err(TestCaseError::fail("the right ones are a majority"));
            };
            prop_assert!(low <= high);
            prop_assert!(right.iter().any(|right| low <= right.0), "a right clock has reached it");
            prop_assert!(right.iter().any(|(low, width)| high >= low + width));
            let most = right.iter().map(|(low, width)| low + width).max();
            prop_assert!(low <= most.unwrap_or(0) && Some(high) >= right.iter().map(|right| right.0).min());
        }
    }
}
