//! Timers, on virtual time.

use super::executor::{Event, Nanos, World};
use std::task::{Context, Poll, Waker};

pub(super) struct Timer {
    pub(super) life: u64,
    pub(super) due: Nanos,
    pub(super) waker: Option<Waker>,
}

impl World {
    pub(super) fn timer(&self, due: Nanos) -> (usize, u64) {
        let mut core = self.core();
        core.sequence += 1;
        let life = core.sequence;
        let timer = core.vacant_timers.pop().unwrap_or_else(|| {
            core.timers.push(None);
            core.timers.len() - 1
        });
        core.timers[timer] = Some(Timer { life, due, waker: None });
        core.push(due, Event::Timer(timer, life));
        (timer, life)
    }

    pub(super) fn reset_timer(&self, timer: (usize, u64), due: Nanos) {
        let mut core = self.core();
        if let Some(Some(held)) = core.timers.get_mut(timer.0)
            && held.life == timer.1
            && held.due != due
        {
            held.due = due;
            core.push(due, Event::Timer(timer.0, timer.1));
        }
    }

    pub(super) fn poll_timer(&self, timer: (usize, u64), context: &Context<'_>) -> Poll<()> {
        let mut core = self.core();
        let now = core.here();
        let Some(Some(held)) = core.timers.get_mut(timer.0) else { return Poll::Ready(()) };
        if held.due <= now {
            return Poll::Ready(());
        }
        match &mut held.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        Poll::Pending
    }

    pub(super) fn drop_timer(&self, timer: (usize, u64)) {
        let mut core = self.core();
        core.timers[timer.0] = None;
        core.vacant_timers.push(timer.0);
    }
}
