//! Who is let in next, and when nobody is.
//!
//! Each published address is a door at which clients queue in the operating system. A door says once that somebody may be
//! there, and is remembered until it was found empty. A round takes so many from each door in turn. Nobody is let in while
//! the node has no boot, while the log is congested, and for a moment after the node ran out of descriptors or memory: then
//! clients wait where they are, at the cost of the operating system.

use replicode_log::Mono;
use std::time::Duration;

/// The most clients taken at one door in one round, so that those who are in get their turn.
const ROUND: usize = 256;
/// How long nobody is let in after the node ran out of descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);
/// How often that is told, however long it lasts.
const TOLD: Duration = Duration::from_secs(10);

/// The doors of one node.
#[derive(Debug)]
pub(crate) struct Doors {
    /// At which doors somebody may be waiting.
    ready: Vec<bool>,
    /// Whose turn it is in this round, and how many were taken there.
    turn: usize,
    taken: usize,
    again: Option<Mono>,
    told: Option<Mono>,
}

impl Doors {
    pub(crate) fn new(doors: usize) -> Self {
        Self { ready: vec![false; doors], turn: doors, taken: 0, again: None, told: None }
    }

    /// A round begins.
    pub(crate) fn handle_round(&mut self, now: Mono) {
        if self.again.is_some_and(|again| now < again) {
            return self.close();
        }
        (self.again, self.turn, self.taken) = (None, 0, 0);
    }

    /// Nobody is let in any more in this round.
    pub(crate) const fn close(&mut self) {
        self.turn = usize::MAX;
    }

    /// Somebody may be waiting.
    pub(crate) fn handle_ready(&mut self, door: usize) {
        if let Some(ready) = self.ready.get_mut(door) {
            *ready = true;
        }
    }

    /// Nobody waits there.
    pub(crate) fn handle_empty(&mut self, door: usize) {
        if let Some(ready) = self.ready.get_mut(door) {
            *ready = false;
        }
    }

    /// At no door anybody counts as waiting, until it is said anew.
    pub(crate) fn handle_unwatched(&mut self) {
        self.ready.fill(false);
    }

    /// The doors are closed for good.
    pub(crate) fn handle_drain(&mut self) {
        self.ready.clear();
    }

    /// Nobody can be let in for want of descriptors or memory. If that is worth a word, answers for how long it is not worth
    /// another one.
    pub(crate) fn handle_exhausted(&mut self, now: Mono) -> Option<Duration> {
        self.close();
        self.again = Some(now.plus(PAUSE));
        if self.told.is_some_and(|told| now < told.plus(TOLD)) {
            return None;
        }
        self.told = Some(now);
        Some(TOLD)
    }

    /// At which door the next one is to be let in.
    pub(crate) fn poll_door(&mut self) -> Option<usize> {
        while let Some(ready) = self.ready.get(self.turn) {
            if *ready && self.taken < ROUND {
                self.taken += 1;
                return Some(self.turn);
            }
            (self.turn, self.taken) = (self.turn + 1, 0);
        }
        None
    }

    /// Whether somebody may be let in by a further round at once.
    pub(crate) fn is_busy(&self) -> bool {
        self.again.is_none() && self.ready.contains(&true)
    }

    /// When a further round should let people in again.
    pub(crate) const fn deadline(&self) -> Option<Mono> {
        self.again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(doors: &mut Doors, now: Mono) -> Vec<usize> {
        doors.handle_round(now);
        std::iter::from_fn(|| doors.poll_door()).collect()
    }

    #[test]
    fn each_door_has_its_turn_and_no_more() {
        let (mut doors, now) = (Doors::new(3), Mono::LONG_AGO);
        assert_eq!(round(&mut doors, now), []);
        doors.handle_ready(0);
        doors.handle_ready(2);
        doors.handle_ready(7);
        let taken = round(&mut doors, now);
        assert_eq!(taken, [vec![0; ROUND], vec![2; ROUND]].concat(), "a full door does not keep the others waiting");
        assert!(doors.is_busy());
        doors.handle_round(now);
        assert_eq!(doors.poll_door(), Some(0));
        doors.handle_empty(0);
        assert_eq!(doors.poll_door(), Some(2));
        doors.handle_empty(2);
        assert_eq!(doors.poll_door(), None);
        assert!(!doors.is_busy());
    }

    #[test]
    fn who_cannot_be_let_in_waits_and_is_told_of_seldom() {
        let (mut doors, mut now) = (Doors::new(1), Mono::from_nanos(5));
        doors.handle_ready(0);
        let mut told = 0;
        for second in 0..25 {
            now = Mono::from_nanos(5).plus(Duration::from_secs(second));
            doors.handle_round(now);
            assert_eq!(doors.poll_door(), Some(0));
            told += usize::from(doors.handle_exhausted(now).is_some());
            assert_eq!((doors.poll_door(), doors.is_busy()), (None, false));
            assert_eq!(doors.deadline(), Some(now.plus(PAUSE)));
            assert_eq!(round(&mut doors, now.plus(PAUSE / 2)), []);
        }
        assert_eq!(told, 3);
        assert_eq!(round(&mut doors, now.plus(PAUSE)).len(), ROUND);
        doors.handle_drain();
        assert_eq!(round(&mut doors, now.plus(PAUSE)), []);
    }
}
