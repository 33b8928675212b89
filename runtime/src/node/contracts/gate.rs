//! Who has the state: the machine, which executes batches, goes before those who ask.
//!
//! ```text
//! machine   ── wants ───────────┬─ executes a batch ─┬─ leaves
//! question  ── step 1 ── step 2 ┘                    └─ step 3 ── ...
//! ```
//!
//! A lock alone would let one who asks take it again and again while the machine waits: the cell would go at the pace of whoever asks
//! most. So who asks does it in steps of bounded work, and begins none while the machine wants the state: the machine waits for the
//! end of one step, however long the question is and however many ask.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// See the module.
pub struct Gate<T> {
    state: Mutex<T>,
    /// Whether the machine waits for it.
    wanted: Mutex<bool>,
    had: Condvar,
}

/// The state, for the machine.
pub struct Taken<'a, T>(MutexGuard<'a, T>);

impl<T> Deref for Taken<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Taken<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// A backend that was left half way says so itself, and a flag has no half way.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<T> Gate<T> {
    /// A state that nobody has.
    pub const fn new(state: T) -> Self {
        Self { state: Mutex::new(state), wanted: Mutex::new(false), had: Condvar::new() }
    }

    /// From now on no step of a question begins. For the one thread that executes.
    pub fn want(&self) {
        *locked(&self.wanted) = true;
    }

    /// The state, as soon as the step is over that somebody has begun. For whoever wants it.
    pub fn take(&self) -> Taken<'_, T> {
        Taken(locked(&self.state))
    }

    /// The machine has had it for now.
    pub fn leave(&self) {
        *locked(&self.wanted) = false;
        self.had.notify_all();
    }

    /// One step of a question. The work in it is bounded.
    pub fn step<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        loop {
            let mut wanted = locked(&self.wanted);
            while *wanted {
                wanted = self.had.wait(wanted).unwrap_or_else(PoisonError::into_inner);
            }
            drop(wanted);
            let state = locked(&self.state);
            // It may be wanted since: what the machine has begun is not looked at in its middle.
            if !*locked(&self.wanted) {
                return f(&state);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::mpsc::channel;
    use std::time::Duration;

    /// Four who ask without end: the machine has its turn each time, and finds at most the steps done that had begun.
    #[test]
    fn the_machine_goes_before_those_who_ask() {
        let gate = Arc::new(Gate::new(0_u64));
        let (tell, told) = channel();
        for _ in 0..4 {
            let (gate, tell) = (gate.clone(), tell.clone());
            std::thread::spawn(move || while tell.send(gate.step(|turns| *turns)).is_ok() {});
        }
        for _ in 0..1000 {
            // While the machine wants it, a question that comes now waits; what had begun ends.
            gate.want();
            *gate.take() += 1;
            *gate.take() += 1;
            gate.leave();
        }
        let odd = told.iter().take_while(|turns| *turns < 2000).find(|turns| turns % 2 == 1);
        assert_eq!(odd, None, "somebody has asked in the middle of what the machine does");
        assert_eq!(told.iter().find(|turns| *turns == 2000), Some(2000), "those who ask come to their turn as well");
    }

    #[test]
    fn no_step_begins_while_the_machine_waits() {
        let gate = Arc::new(Gate::new(Vec::new()));
        let (go, begin) = channel::<()>();
        let (begun, began) = channel();
        // A step that lasts until it is told.
        let asks = gate.clone();
        let first = std::thread::spawn(move || {
            asks.step(|_: &Vec<&str>| {
                begun.send(()).ok();
                begin.recv().ok();
            });
        });
        began.recv_timeout(Duration::from_secs(60)).expect("the step begins");
        let machine = {
            let gate = gate.clone();
            std::thread::spawn(move || {
                gate.want();
                gate.take().push("machine");
                gate.leave();
            })
        };
        while !*locked(&gate.wanted) {
            std::thread::yield_now();
        }
        let late = {
            let gate = gate.clone();
            std::thread::spawn(move || gate.step(|done| done.clone()))
        };
        go.send(()).expect("the step waits");
        assert_eq!(late.join().expect("asks"), ["machine"], "it asked after the machine had wanted the state");
        first.join().expect("asks");
        machine.join().expect("takes");
    }
}
