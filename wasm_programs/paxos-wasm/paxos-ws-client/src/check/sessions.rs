//! First pass: every session is whole and in order.

use super::{Histories, Kind, Verdict};
use crate::history::{Ending, Place};

pub(super) fn check(histories: &Histories, verdict: &mut Verdict) {
    let mut first = true;
    // Per session: the last number, and the last place.
    let mut last: Vec<(u64, Option<Place>)> = vec![(0, None); histories.sessions()];
    let mut unanswered = true;
    let mut refused = true;
    for (at, request) in histories.requests.iter().enumerate() {
        match request.end {
            Ending::Unknown => {
                verdict.add(Kind::Unanswered, at, &mut unanswered, || "it was never answered".to_owned());
            }
            Ending::Refused => {
                verdict.add(Kind::Refused, at, &mut refused, || format!("it was refused: {}", histories.why(at)))
            }
            Ending::Ok | Ending::Absent | Ending::Differs => {}
        }
        let (seq, place) = &mut last[request.session as usize];
        if request.seq != *seq + 1 {
            let before = *seq;
            verdict.add(Kind::Wrong, at, &mut first, || {
                format!("the history of this client has request {before} and then request {}", request.seq)
            });
        }
        *seq = request.seq;
        if request.place.is_some() {
            if request.place <= *place {
                let before = place.unwrap_or_default();
                verdict.add(Kind::Wrong, at, &mut first, || {
                    format!(
                        "it was executed not after the same client's request before it, which was executed at {before}"
                    )
                });
            }
            *place = request.place;
        }
    }
}
