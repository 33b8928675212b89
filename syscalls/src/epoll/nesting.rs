//! Sets that watch sets: neither in a circle nor too deep.

use super::{EpollId, Epolls};
use crate::abi::Errno;
use crate::watched::Source;
use std::collections::BTreeSet;

/// The most steps from a set to one that it watches, to one that that watches, and so on: five sets in a row, as on Linux
/// (`EP_MAX_NESTS`).
const DEEPEST: usize = 4;

impl Epolls {
    /// Whether `outer` may watch `inner`: `ELOOP` if a circle would close or a row of sets would become too long.
    pub(super) fn check_nesting(&self, outer: EpollId, inner: EpollId) -> Result<(), Errno> {
        let (below, circle) = steps(inner, outer, |id| self.watched_by(id));
        let (above, _) = steps(outer, inner, |id| self.watchers_of(id));
        if circle || below + 1 + above > DEEPEST { Err(Errno::Loop) } else { Ok(()) }
    }

    /// The sets that a set watches.
    fn watched_by(&self, id: EpollId) -> impl Iterator<Item = EpollId> {
        let set = self.sets.get(id.0).into_iter();
        set.flat_map(|set| {
            set.nested.iter().filter_map(|index| match set.watches.get(*index)?.source {
                Source::Epoll(id) => Some(id),
                _ => None,
            })
        })
    }

    /// The sets that watch a set.
    fn watchers_of(&self, id: EpollId) -> impl Iterator<Item = EpollId> {
        let list = self.sets.get(id.0).and_then(|set| self.lists.get(set.watched?.0)).into_iter();
        list.flat_map(|list| list.by.iter().map(|(id, _)| *id))
    }
}

/// The most steps that lead on from a set, and whether one of the ways comes to `sought`. Ways longer than any that there
/// can be are not followed.
fn steps<I: Iterator<Item = EpollId>>(from: EpollId, sought: EpollId, next: impl Fn(EpollId) -> I) -> (usize, bool) {
    let mut layer = BTreeSet::from([from]);
    let mut found = false;
    for steps in 0..=DEEPEST {
        found |= layer.contains(&sought);
        let further: BTreeSet<EpollId> = layer.into_iter().flat_map(&next).collect();
        if further.is_empty() {
            return (steps, found);
        }
        layer = further;
    }
    (DEEPEST + 1, found)
}
