//! Whether what was sent to the leader is getting anywhere. Pure: the clock is an argument.
//!
//! Whatever can lose inputs on their way is noticed where it happens, and they are sent again. This is for what was not
//! thought of: when the oldest input that was sent has waited for seconds, all are sent again. Repeats are harmless,
//! the machine knows them by their numbers; but they cost, so each one in vain doubles the patience.

use crate::outgoing::Awaited;
use std::time::Duration;

/// The first patience.
const PATIENCE: Duration = Duration::from_secs(3);
/// Patience is doubled no more than so often: to a minute and a half.
const DOUBLINGS: u32 = 5;

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stall {
    /// What is awaited, since when, and how often it was sent again.
    awaited: Option<(Awaited, Duration, u32)>,
}

impl Stall {
    /// Whether everything should be sent again, given the oldest input that was sent and is not applied, and the time
    /// since any fixed moment.
    pub fn is_overdue(&mut self, oldest: Option<Awaited>, now: Duration) -> bool {
        let Some(oldest) = oldest else {
            self.awaited = None;
            return false;
        };
        match &mut self.awaited {
            Some((awaited, since, repeats)) if *awaited == oldest => {
                let overdue = now.saturating_sub(*since) >= PATIENCE * (1 << *repeats);
                if overdue {
                    (*since, *repeats) = (now, (*repeats + 1).min(DOUBLINGS));
                }
                overdue
            }
            _ => {
                self.awaited = Some((oldest, now, 0));
                false
            }
        }
    }

    /// When to ask again.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.awaited.map(|(_, since, repeats)| since + PATIENCE * (1 << repeats))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::BootNo;

    #[test]
    fn progress_renews_patience_and_repeats_in_vain_double_it() {
        let mut stall = Stall::default();
        let at = Duration::from_secs;
        let seq = |first_seq| Some(Awaited { boot: BootNo(1), first_seq });
        assert!(!stall.is_overdue(None, at(0)) && stall.deadline().is_none());
        assert!(!stall.is_overdue(seq(1), at(100)));
        assert_eq!(stall.deadline(), Some(at(103)));
        assert!(!stall.is_overdue(seq(4), at(103)), "it has moved");
        assert!(!stall.is_overdue(seq(4), at(105)));
        assert!(stall.is_overdue(seq(4), at(106)));
        assert!(!stall.is_overdue(seq(4), at(111)));
        assert!(stall.is_overdue(seq(4), at(112)));
        assert!(!stall.is_overdue(None, at(113)) && stall.deadline().is_none());
    }
}
