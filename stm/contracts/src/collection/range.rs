//! Iteration: where it begins and ends, which way it goes, how far.

use std::ops::Bound;

use super::index::Index;
use crate::cell::{Access, Result};

/// Which way an iteration goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the first to the last.
    Forward,
    /// From the last to the first.
    Backward,
}

/// Keys to visit. An iteration reads the gaps that it steps over and nothing else, so it meets only insertions into them and
/// removals next to them.
///
/// To go on where one stopped, exclude the last key seen: `from` of the next range forward, `to` of the next one backward. The key need
/// not be there any more.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    /// Lower bound.
    pub from: Bound<&'a [u8]>,
    /// Upper bound.
    pub to: Bound<&'a [u8]>,
    /// Which way.
    pub direction: Direction,
    /// How many keys at most.
    pub limit: usize,
}

impl<'a> Range<'a> {
    /// All keys in order, `limit` at most.
    #[must_use]
    pub const fn forward(limit: usize) -> Range<'a> {
        Range { from: Bound::Unbounded, to: Bound::Unbounded, direction: Direction::Forward, limit }
    }

    /// All keys in reverse order, `limit` at most.
    #[must_use]
    pub const fn backward(limit: usize) -> Range<'a> {
        Range { from: Bound::Unbounded, to: Bound::Unbounded, direction: Direction::Backward, limit }
    }

    /// The rest of an iteration whose last key was `cursor`.
    #[must_use]
    pub const fn beyond(mut self, cursor: &'a [u8]) -> Range<'a> {
        match self.direction {
            Direction::Forward => self.from = Bound::Excluded(cursor),
            Direction::Backward => self.to = Bound::Excluded(cursor),
        }
        self
    }
}

/// Calls `visit` with each key of the range until it has enough (`false`).
pub(crate) fn visit<A: Access + ?Sized>(
    access: &mut A,
    index: &Index,
    range: &Range<'_>,
    contains: impl Fn(&mut A, &[u8]) -> Result<bool, A>,
    mut visit: impl FnMut(&mut A, Vec<u8>) -> Result<(), A>,
) -> Result<(), A> {
    let (begin, end) = match range.direction {
        Direction::Forward => (range.from, range.to),
        Direction::Backward => (range.to, range.from),
    };
    let step = |access: &mut A, key: Option<&[u8]>| match range.direction {
        Direction::Forward => index.after(access, key),
        Direction::Backward => index.before(access, key),
    };
    let beyond = |key: &[u8]| {
        let order = |bound| match range.direction {
            Direction::Forward => index.compare(key, bound),
            Direction::Backward => index.compare(bound, key),
        };
        match end {
            Bound::Unbounded => false,
            Bound::Included(bound) => order(bound).is_gt(),
            Bound::Excluded(bound) => order(bound).is_ge(),
        }
    };
    if range.limit == 0 {
        return Ok(());
    }
    let mut key = match begin {
        Bound::Unbounded => step(access, None)?,
        Bound::Included(key) if contains(access, key)? => Some(key.to_vec()),
        Bound::Included(key) | Bound::Excluded(key) => step(access, Some(key))?,
    };
    for left in (0..range.limit).rev() {
        let Some(now) = key.filter(|key| !beyond(key)) else { return Ok(()) };
        // The step after the last key asked for is not taken: its gap is nobody's business.
        let last = left == 0 || matches!(end, Bound::Included(bound) if bound == now);
        key = if last { None } else { step(access, Some(&now))? };
        visit(access, now)?;
    }
    Ok(())
}
