//! Third pass: the order keeps real time. A request that was answered before another one was sent stands before it.

use super::{Histories, Kind, Verdict};
use crate::history::{Op, Place};

pub(super) fn check(histories: &Histories, verdict: &mut Verdict) {
    let mut first = true;
    for clock in 0..histories.clocks() as u32 {
        let mut by_sent: Vec<(u64, u32)> = Vec::new();
        let mut by_end: Vec<(u64, u32)> = Vec::new();
        for (at, request) in histories.requests.iter().enumerate() {
            if request.place.is_some() && histories.clock(request) == clock {
                by_sent.push((request.sent, at as u32));
                by_end.push((request.ended, at as u32));
            }
        }
        by_sent.sort_unstable();
        by_end.sort_unstable();
        // The furthest place among those answered before the present one was sent.
        let mut furthest: Option<(Place, u32)> = None;
        let mut ends = by_end.into_iter().peekable();
        for (sent, at) in by_sent {
            while let Some((_, earlier)) = ends.next_if(|(ended, _)| *ended < sent) {
                if let Some(place) = histories.requests[earlier as usize].place
                    && furthest.is_none_or(|(far, _)| far < place)
                {
                    furthest = Some((place, earlier));
                }
            }
            let request = &histories.requests[at as usize];
            if let (Some(place), Some((far, earlier))) = (request.place, furthest)
                && place < far
            {
                let kind = if request.op == Op::Get { Kind::Stale } else { Kind::Wrong };
                verdict.add(kind, at as usize, &mut first, || {
                    format!(
                        "it was executed at {place}, before {far}, although it was sent {} ns after that one had been answered: {}",
                        request.sent - histories.requests[earlier as usize].ended,
                        histories.describe(earlier as usize)
                    )
                });
            }
        }
    }
}
