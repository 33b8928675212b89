//! Under which client and number an order goes into the log, and what has to be said again when it may have been lost. Pure.
//!
//! The log executes a client's numbers in their order, and remembers the last ones of each with what they came to. So as many may be on
//! their way under one client, and a server has several of them: lanes.

use replicode_contracts::clients::WINDOW;
use std::collections::{BTreeMap, VecDeque};

/// Clients of the log that a server has.
pub const LANES: usize = 8;

/// An order, to its server.
pub type Tag = u64;

/// One client of the log.
#[derive(Debug, Default)]
pub struct Lane {
    /// As the log numbers it; none while that is awaited.
    pub client: Option<u64>,
    next: u64,
    flying: BTreeMap<u64, Tag>,
}

impl Lane {
    /// What is on its way, in the order of its numbers.
    pub fn flying(&self) -> impl Iterator<Item = (u64, Tag)> {
        self.flying.iter().map(|(sequence, tag)| (*sequence, *tag))
    }
}

/// All lanes, and those who wait for room in one.
#[derive(Debug)]
pub struct Lanes {
    lanes: Vec<Lane>,
    waiting: VecDeque<Tag>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { lanes: (0..LANES).map(|_| Lane::default()).collect(), waiting: VecDeque::new() }
    }
}

/// Where an order goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The lane.
    pub lane: usize,
    /// Its client.
    pub client: u64,
    /// The number.
    pub sequence: u64,
}

impl Lanes {
    /// An order wants to go. It gets a number on a lane, or waits.
    pub fn board(&mut self, tag: Tag) -> Option<Assigned> {
        let open = self.lanes.iter_mut().enumerate().filter(|(_, lane)| lane.flying.len() < WINDOW);
        let known = open.filter_map(|(at, lane)| Some((at, lane.client?, lane)));
        let Some((at, client, lane)) = known.min_by_key(|(_, _, lane)| lane.flying.len()) else {
            self.waiting.push_back(tag);
            return None;
        };
        lane.next += 1;
        lane.flying.insert(lane.next, tag);
        Some(Assigned { lane: at, client, sequence: lane.next })
    }

    /// The next of those who wait, as far as there is room.
    pub fn next(&mut self) -> Option<(Tag, Assigned)> {
        let tag = self.waiting.pop_front()?;
        match self.board(tag) {
            Some(assigned) => Some((tag, assigned)),
            None => {
                // Back to where it was: at the head.
                let last = self.waiting.pop_back()?;
                self.waiting.push_front(last);
                None
            }
        }
    }

    /// It does not want to go any more. False: it has a number, and its number has to be used.
    pub fn give_up(&mut self, tag: Tag) -> bool {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| *waiting != tag);
        self.waiting.len() < before
    }

    /// It has been answered.
    pub fn landed(&mut self, assigned: Assigned) {
        if let Some(lane) = self.lanes.get_mut(assigned.lane).filter(|lane| lane.client == Some(assigned.client)) {
            lane.flying.remove(&assigned.sequence);
        }
    }

    /// A lane.
    #[must_use]
    pub fn lane(&self, at: usize) -> Option<&Lane> {
        self.lanes.get(at)
    }

    /// A lane has got its client.
    pub fn opened(&mut self, at: usize, client: u64) {
        if let Some(lane) = self.lanes.get_mut(at) {
            *lane = Lane { client: Some(client), ..Lane::default() };
        }
    }

    /// The log has forgotten a lane's client. What was on its way, and whose end cannot be told.
    pub fn expired(&mut self, at: usize) -> Vec<Tag> {
        let lane = self.lanes.get_mut(at).map(std::mem::take).unwrap_or_default();
        lane.flying.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_given_in_order_and_no_more_than_the_log_remembers() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.board(1), None, "nobody has a client yet");
        lanes.opened(3, 77);
        let first = Assigned { lane: 3, client: 77, sequence: 1 };
        assert_eq!(lanes.next(), Some((1, first)));
        assert_eq!(lanes.next(), None);
        for tag in 2..=WINDOW as u64 {
            assert_eq!(lanes.board(tag).map(|assigned| assigned.sequence), Some(tag));
        }
        assert_eq!((lanes.board(900), lanes.board(901), lanes.next()), (None, None, None));
        lanes.landed(first);
        assert!(lanes.give_up(901) && !lanes.give_up(5));
        assert_eq!(lanes.next(), Some((900, Assigned { lane: 3, client: 77, sequence: WINDOW as u64 + 1 })));
        let flying: Vec<_> = lanes.lane(3).expect("a lane").flying().map(|(sequence, _)| sequence).collect();
        assert!(flying.is_sorted() && flying.len() == WINDOW && flying[0] == 2);
        lanes.opened(0, 78);
        assert_eq!(lanes.board(902).map(|assigned| assigned.client), Some(78), "the emptiest lane");
        assert_eq!(lanes.expired(3).len(), WINDOW);
        assert_eq!(lanes.lane(3).and_then(|lane| lane.client), None);
    }
}
