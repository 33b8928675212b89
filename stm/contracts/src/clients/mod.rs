//! At most once: who submits, and what became of what they have submitted.
//!
//! A client numbers its transactions 1, 2, 3, … and repeats what was not answered, with its old number. Each number is executed
//! once, in order; a repeat is told in which batch and at which place. Gaps execute nothing. All of it follows from the log
//! alone, before anything is executed, so every node decides alike, and so does a replay.

mod table;

pub use table::{Found, Table};

use std::collections::VecDeque;

/// How many of a client's last numbers are remembered with their places: as many as it may have on their way.
pub const WINDOW: usize = 64;

/// Where a transaction was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Executed {
    /// In which batch.
    pub batch: u64,
    /// At which place in it.
    pub position: u32,
}

/// What a client's number is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It is the next one, and is now used up: execute it.
    Execute,
    /// It was executed there.
    Repeated(Executed),
    /// It was executed so long ago that it is forgotten where.
    Forgotten,
    /// An earlier number is missing: this one is due.
    Gap(u64),
    /// The client has expired.
    Expired,
    /// There is no such client yet.
    Unknown,
}

#[derive(Clone, Debug, Default)]
struct Progress {
    last: u64,
    /// Of the last numbers, ascending.
    places: VecDeque<Executed>,
}

/// Everybody who submits.
#[derive(Clone, Debug)]
pub struct Clients(Table<Progress>);

impl Clients {
    /// Nobody; there is room for `max`.
    #[must_use]
    pub fn new(max: u64) -> Self {
        Self(Table::new(max))
    }

    /// A new client's number.
    pub fn open(&mut self, batch: u64) -> u64 {
        self.0.open(batch, Progress::default()).0
    }

    /// A client submits something that would have this place.
    pub fn submit(&mut self, client: u64, sequence: u64, place: Executed) -> Turn {
        let progress = match self.0.find(client, place.batch) {
            Found::Known(progress) => progress,
            Found::Expired => return Turn::Expired,
            Found::Unknown => return Turn::Unknown,
        };
        if let Some(back) = progress.last.checked_sub(sequence) {
            let from_end = usize::try_from(back).ok();
            let at = from_end.and_then(|back| progress.places.len().checked_sub(back.checked_add(1)?));
            let found = at.and_then(|at| progress.places.get(at)).filter(|_| sequence > 0);
            return found.map_or(Turn::Forgotten, |place| Turn::Repeated(*place));
        }
        // The last number is below another u64, so one can be added.
        let due = progress.last + 1;
        if sequence != due {
            return Turn::Gap(due);
        }
        progress.last = due;
        if progress.places.len() == WINDOW {
            progress.places.pop_front();
        }
        progress.places.push_back(place);
        Turn::Execute
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const fn at(batch: u64, position: u32) -> Executed {
        Executed { batch, position }
    }

    #[test]
    fn a_number_is_executed_once_and_in_order() {
        let mut clients = Clients::new(10);
        let client = clients.open(1);
        let turns = [1, 1, 3, 2, 3, 0].map(|sequence| clients.submit(client, sequence, at(2, sequence as u32)));
        let repeated = Turn::Repeated(at(2, 1));
        assert_eq!(turns, [Turn::Execute, repeated, Turn::Gap(2), Turn::Execute, Turn::Execute, Turn::Forgotten]);
        assert_eq!(clients.submit(client, u64::MAX, at(2, 9)), Turn::Gap(4));
        assert_eq!((clients.submit(7, 1, at(2, 9)), clients.submit(0, 1, at(2, 9))), (Turn::Unknown, Turn::Unknown));
    }

    #[test]
    fn the_window_is_as_long_as_it_says() {
        let mut clients = Clients::new(10);
        let client = clients.open(1);
        for sequence in 1..=WINDOW as u64 + 1 {
            assert_eq!(clients.submit(client, sequence, at(sequence, 0)), Turn::Execute);
        }
        let batch = WINDOW as u64 + 2;
        assert_eq!(clients.submit(client, 1, at(batch, 0)), Turn::Forgotten);
        assert_eq!(clients.submit(client, 2, at(batch, 0)), Turn::Repeated(at(2, 0)));
        assert_eq!(clients.submit(client, batch - 1, at(batch, 0)), Turn::Repeated(at(batch - 1, 0)));
    }

    proptest! {
        /// Against a model that remembers everything: nothing is executed twice, and what is remembered is right.
        #[test]
        fn nothing_is_executed_twice(max in 1u64..4, steps in prop::collection::vec((0u64..7, 0u64..6), 1..200)) {
            let mut clients = Clients::new(max);
            let mut executed: BTreeMap<(u64, u64), Executed> = BTreeMap::new();
            for (batch, (client, sequence)) in (1..).zip(steps) {
                if sequence == 0 {
                    clients.open(batch);
                    continue;
                }
                match clients.submit(client, sequence, at(batch, 7)) {
                    Turn::Execute => {
                        prop_assert_eq!(executed.insert((client, sequence), at(batch, 7)), None);
                        prop_assert!(sequence == 1 || executed.contains_key(&(client, sequence - 1)));
                    }
                    Turn::Repeated(place) => prop_assert_eq!(executed.get(&(client, sequence)), Some(&place)),
                    Turn::Gap(due) => prop_assert!(due < sequence && !executed.contains_key(&(client, due))),
                    Turn::Unknown => prop_assert!(!executed.keys().any(|(known, _)| *known == client)),
                    Turn::Forgotten => prop_assert!(false, "there are fewer numbers than the window holds"),
                    Turn::Expired => {}
                }
                prop_assert!(clients.len() as u64 <= max);
            }
        }
    }
}
