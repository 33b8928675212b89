//! Something that one thread serves, and that whoever brings little serves on the spot if nobody is at it.
//!
//! A hand-over to a thread that sleeps takes longer than the little that it would do. So who brings it looks whether the desk
//! is free; if it is not, whoever serves is awake already, and finds what is brought in the mailbox.

use crate::sync::{Mutex, MutexGuard, lock};

/// See the module.
#[derive(Debug, Default)]
pub struct Desk<S>(Mutex<S>);

/// The desk, while somebody serves it.
pub type Served<'a, S> = MutexGuard<'a, S>;

impl<S> Desk<S> {
    /// A desk that nobody serves yet.
    pub fn new(state: S) -> Self {
        Self(Mutex::new(state))
    }

    /// Takes the desk, after whoever serves it now.
    pub fn serve(&self) -> Served<'_, S> {
        // A panic while serving ends the thread that served, and with it whoever shares the desk.
        lock(&self.0)
    }

    /// Takes the desk if nobody serves it. Never waits. A desk at which somebody has panicked is served by nobody else.
    pub fn if_free(&self) -> Option<Served<'_, S>> {
        self.0.try_lock().ok()
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_desk_is_served_by_one_at_a_time_and_nobody_waits_who_need_not() {
        let desk = Desk::new(1);
        let served = desk.serve();
        assert!(desk.if_free().is_none());
        drop(served);
        *desk.if_free().expect("it is free") += 1;
        assert_eq!(*desk.serve(), 2);
    }
}
