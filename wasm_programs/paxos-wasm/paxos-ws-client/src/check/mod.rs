//! The judge: is what all clients saw explained by one order in which every request was executed exactly once?
//!
//! The answer to a request says at which [place](crate::history::Place) it was executed and which version it found
//! there. So the order need not be searched for, as it must for histories without places (where the question is
//! NP-hard); it is only followed. After one sort by place each of three passes looks at every request once:
//!
//! 1. [`sessions`]: each logical client's requests are there without a gap, and executed in the order it asked;
//! 2. [`replay`]: all requests, executed in the order of their places on an empty map, give every client the answer that it got;
//! 3. [`realtime`]: a request that was answered before another one was sent stands before it.
//!
//! Where the histories are those of *all* clients (`whole`), a fourth pass, [`holes`], counts the places: one that no client
//! was told is a request that was executed once more, even if nobody ever saw its effect.
//!
//! The second and the third together are linearizability; with the first, exactly-once execution per session. The
//! clients' own words are all that is believed: a cluster that invents places is found out by the values, and one that
//! invents values by the requests, since each written value names the request that wrote it.

mod holes;
mod load;
mod realtime;
mod replay;
mod sessions;
#[cfg(test)]
mod tests;

pub use load::{Histories, Request};

use std::fmt;

/// What is wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// It was given up without an answer.
    Unanswered,
    /// It was refused.
    Refused,
    /// It did not find a write that had been acknowledged, and nobody found it later.
    Lost,
    /// It found traces of a request that was executed more than once.
    Doubled,
    /// It saw an older state than it had to.
    Stale,
    /// Its answer fits nothing that the clients did.
    Wrong,
}

impl Kind {
    /// All kinds, in the order in which they are reported.
    pub const ALL: [Self; 6] = [Self::Unanswered, Self::Refused, Self::Lost, Self::Doubled, Self::Stale, Self::Wrong];

    /// One word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unanswered => "unanswered",
            Self::Refused => "refused",
            Self::Lost => "lost",
            Self::Doubled => "doubled",
            Self::Stale => "stale",
            Self::Wrong => "wrong",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One operation that the order does not explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What is wrong.
    pub kind: Kind,
    /// Index of the request in [`Histories::requests`].
    pub request: usize,
    /// Why, in a sentence.
    pub text: String,
}

/// What has been found.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// The first fault of each pass.
    first: Vec<Fault>,
    /// How many of each kind, in the order of [`Kind::ALL`].
    counts: [u64; 6],
}

impl Verdict {
    fn add(&mut self, kind: Kind, request: usize, first_of_pass: &mut bool, text: impl FnOnce() -> String) {
        self.counts[kind as usize] += 1;
        if *first_of_pass {
            *first_of_pass = false;
            self.first.push(Fault { kind, request, text: text() });
        }
    }

    /// How many operations are wrong in this way.
    #[must_use]
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    /// Whether every operation is explained; unanswered ones too, unless they are allowed.
    #[must_use]
    pub fn is_good(&self, unanswered_allowed: bool) -> bool {
        Kind::ALL.iter().all(|kind| self.count(*kind) == 0 || (unanswered_allowed && *kind == Kind::Unanswered))
    }

    /// The wrong operation to look at first: the one that stands first in the order, a request that has no place after all others.
    #[must_use]
    pub fn first<'a>(&'a self, histories: &Histories, unanswered_allowed: bool) -> Option<&'a Fault> {
        self.first
            .iter()
            .filter(|fault| !(unanswered_allowed && fault.kind == Kind::Unanswered))
            .min_by_key(|fault| histories.requests[fault.request].place.map_or((1, None), |place| (0, Some(place))))
    }
}

/// Judges `histories`; `whole` says that they are those of all clients there were from the first request in them to the last.
#[must_use]
pub fn judge(histories: &Histories, whole: bool) -> Verdict {
    let mut verdict = Verdict::default();
    let mut order: Vec<u32> = (0..histories.requests.len() as u32).collect();
    order.retain(|at| histories.requests[*at as usize].place.is_some());
    order.sort_unstable_by_key(|at| histories.requests[*at as usize].place);
    sessions::check(histories, &mut verdict);
    replay::check(histories, &order, &mut verdict);
    realtime::check(histories, &mut verdict);
    if whole {
        holes::check(histories, &order, &mut verdict);
    }
    verdict
}
