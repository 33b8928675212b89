//! Fourth pass, over histories of all clients: every place between the first and the last is the place of a request.

use super::{Histories, Kind, Verdict};
use crate::history::{Ending, Place};

pub(super) fn check(histories: &Histories, order: &[u32], verdict: &mut Verdict) {
    let mut first = true;
    // A request without an answer may have been executed, and takes one place then.
    let mut unanswered = histories.requests.iter().filter(|request| request.end == Ending::Unknown).count() as u64;
    let mut before: Option<Place> = None;
    for at in order.iter().map(|at| *at as usize) {
        let Some(place) = histories.requests[at].place else { continue };
        let hole = before.map_or(0, |before| place.saturating_sub(before + 1));
        let excused = hole.min(unanswered);
        unanswered -= excused;
        for n in 0..hole - excused {
            verdict.add(Kind::Doubled, at, &mut first, || {
                format!(
                    "the place {} before it was told to no client: some request was executed there although it has another place, \
                     or a client asked whose history is not here",
                    place - 1 - n
                )
            });
        }
        before = Some(place);
    }
}
