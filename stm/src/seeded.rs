//! The seeded executor's scheduler: of all workers exactly one moves at a time, and a seed decides who is next.
//!
//! Each worker has a stack of its own (a parked thread), because a closure may be interrupted at any read; but only
//! the holder of the baton runs, and it passes the baton on at every shared step: claim, read, publish, certify. So an
//! interleaving is a function of the seed and of the closures, and every failing one can be run again.

use crate::chaos::{mix, xorshift};
use crate::sync::{Condvar, Mutex, lock};

struct Round {
    current: usize,
    alive: Vec<bool>,
    rng: u64,
    steps: u64,
}

/// Passes control between workers.
pub(crate) struct Baton {
    round: Mutex<Round>,
    turns: Vec<Condvar>,
}

impl Round {
    fn draw(&mut self) -> Option<usize> {
        self.rng = xorshift(self.rng);
        let alive = self.alive.iter().filter(|a| **a).count();
        if alive == 0 {
            return None;
        }
        let pick = (self.rng >> 33) as usize % alive;
        self.alive.iter().enumerate().filter(|(_, a)| **a).nth(pick).map(|(w, _)| w)
    }
}

impl Baton {
    pub(crate) fn new(seed: u64, workers: usize) -> Self {
        let mut round = Round { current: 0, alive: vec![true; workers], rng: mix(seed) | 1, steps: 0 };
        round.current = round.draw().unwrap_or(0);
        Baton { round: Mutex::new(round), turns: (0..workers).map(|_| Condvar::new()).collect() }
    }

    /// Waits for the first turn.
    pub(crate) fn enter(&self, me: usize) {
        let mut round = lock(&self.round);
        while round.current != me {
            round = self.turns[me].wait(round).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// A point where the seed may choose another worker.
    pub(crate) fn step(&self, me: usize) {
        let mut round = lock(&self.round);
        round.steps += 1;
        let Some(next) = round.draw() else { return };
        if next == me {
            return;
        }
        round.current = next;
        self.turns[next].notify_one();
        while round.current != me {
            round = self.turns[me].wait(round).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// This worker is done.
    pub(crate) fn leave(&self, me: usize) {
        let mut round = lock(&self.round);
        round.alive[me] = false;
        if let Some(next) = round.draw() {
            round.current = next;
            self.turns[next].notify_one();
        }
    }
}
