//! eventfd: a counter that can be waited for (eventfd(2)).

use crate::abi::types::epoll::{IN, OUT};
use crate::slab::Slab;
use crate::watched::Waiters;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::Pid;

/// A counter: its position in [`Events`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct EventId(pub(crate) u32);

/// All counters of a cell.
pub(crate) type Events = Slab<Event>;

/// A counter.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Event {
    pub(crate) owner: Pid,
    count: u64,
    /// Reads take one instead of all.
    semaphore: bool,
    pub(crate) waiters: Waiters,
}

impl Event {
    pub(crate) const fn new(owner: Pid, count: u64, semaphore: bool) -> Self {
        Self { owner, count, semaphore, waiters: Waiters { interest: 0, wait: 0, watched: None } }
    }

    /// Takes what a read answers; `None` if it would have to wait.
    pub(crate) fn take(&mut self) -> Option<u64> {
        let taken = if self.semaphore { self.count.min(1) } else { self.count };
        self.count -= taken;
        (taken > 0).then_some(taken)
    }

    /// Adds a number below [`u64::MAX`]; false if it would have to wait, because the counter stays below that.
    pub(crate) const fn add(&mut self, number: u64) -> bool {
        let fits = u64::MAX - self.count > number;
        if fits {
            self.count += number;
        }
        fits
    }

    pub(crate) const fn readiness(&self) -> u32 {
        let mut bits = 0;
        if self.count > 0 {
            bits |= IN;
        }
        if self.count < u64::MAX - 1 {
            bits |= OUT;
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a counter wide enough never to overflow.
        #[test]
        fn a_counter_is_a_counter(
            initial in 0_u32..4,
            semaphore: bool,
            ops in prop::collection::vec(prop::option::of(prop_oneof![0_u64..4, u64::MAX - 4..u64::MAX]), 0..60),
        ) {
            let mut event = Event::new(Pid(1), initial.into(), semaphore);
            let mut model = u128::from(initial);
            for op in ops {
                match op {
                    Some(number) => {
                        let fits = model + u128::from(number) < u128::from(u64::MAX);
                        prop_assert_eq!(event.add(number), fits);
                        model += if fits { number.into() } else { 0 };
                    }
                    None => {
                        let want = if semaphore { model.min(1) } else { model };
                        prop_assert_eq!(event.take().map(u128::from), (want > 0).then_some(want));
                        model -= want;
                    }
                }
                prop_assert_eq!(event.readiness() & IN != 0, model > 0);
                prop_assert_eq!(event.readiness() & OUT != 0, event.clone().add(1));
            }
        }
    }
}
