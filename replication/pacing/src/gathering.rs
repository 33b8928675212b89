//! Whether to wait for more, whom to wake for how much, and who carries out what an answer needs.
//!
//! A cluster with little to do should answer at once; one with much to do should let things gather, because a sync, a
//! wake-up and a message between threads cost the same for one input and for a hundred. No rule here knows how much there
//! is to do. Each looks at what is at hand at one place, and the load follows from it:
//!
//! - **Expected.** When the machine leaves many answers to the gateway's thread, their clients are about to ask again: the
//!   next batch waits for them, until that thread has served everybody, for [`EXPECT`] at most. On processors that have
//!   other work this makes one batch of what would have been two.
//! - **Woken above.** The thread that makes batches is woken by whoever brings inputs only once so much has gathered that a
//!   batch could set out ([`crate::Batcher::lacks`], [`crate::Outgoing::wake_above`]).
//! - **At once.** A few answers are written by whoever brings them: a hand-over to the gateway's thread would take longer. More
//!   are left to that thread, so that the machine can apply the next batch meanwhile ([`written_at_once`]).
//! - **In a group.** A machine that lags applies up to [`GROUP`] batches before it tells anybody what they amount to.

use replicode_log::Mono;
use std::time::Duration;

/// How long a batch waits for more at most: serving all clients of a batch takes a fraction of it.
pub const EXPECT: Duration = Duration::from_millis(2);
/// So many outputs at most are carried out by whoever brings them.
const AT_ONCE: usize = 4;
/// Batches applied in a row before the gateway and the replica hear of what they cause.
pub const GROUP: usize = 32;

/// Whether so many outputs are written to the clients by the machine's thread itself. If not, those who are answered will
/// have more to say soon.
#[must_use]
pub const fn written_at_once(outputs: usize) -> bool {
    outputs <= AT_ONCE
}

/// Until when a leader's next batch waits for inputs that somebody has promised.
///
/// Drive it with [`Gathering::handle_look`] before each batch; look again at [`Gathering::deadline`] if nothing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathering {
    until: Option<Mono>,
}

/// What follows from a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    /// The batch sets out.
    SetOut,
    /// It waits.
    Wait,
    /// It has waited for as long as it may: it sets out, and nothing counts as promised any more. Should whoever promised be
    /// held up, nobody else is to wait for it.
    GiveUp,
}

impl Gathering {
    /// `promised`: somebody is about to bring more. `heavy`: the batch is full.
    pub fn handle_look(&mut self, promised: bool, heavy: bool, now: Mono) -> Gather {
        if !promised || heavy {
            self.until = None;
            return Gather::SetOut;
        }
        if *self.until.get_or_insert(now.plus(EXPECT)) <= now {
            self.until = None;
            return Gather::GiveUp;
        }
        Gather::Wait
    }

    /// Nothing is waited for any more.
    pub const fn forget(&mut self) {
        self.until = None;
    }

    /// Until when the batch waits, if it does. Ticks wait with it.
    #[must_use]
    pub const fn deadline(&self) -> Option<Mono> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_waited_for_until_it_is_kept_full_or_too_old() {
        let (mut gathering, start) = (Gathering::default(), Mono::from_nanos(7));
        let at = |us| start.plus(Duration::from_micros(us));
        assert_eq!(gathering.handle_look(false, false, at(0)), Gather::SetOut);
        assert_eq!((gathering.handle_look(true, false, at(10)), gathering.deadline()), (Gather::Wait, Some(at(2_010))));
        assert_eq!(gathering.handle_look(true, false, at(2_009)), Gather::Wait, "it counts from the first look");
        assert_eq!((gathering.handle_look(false, false, at(2_009)), gathering.deadline()), (Gather::SetOut, None));
        assert_eq!(gathering.handle_look(true, false, at(5_000)), Gather::Wait);
        assert_eq!((gathering.handle_look(true, true, at(5_001)), gathering.deadline()), (Gather::SetOut, None));
        assert_eq!(gathering.handle_look(true, false, at(6_000)), Gather::Wait);
        assert_eq!((gathering.handle_look(true, false, at(8_000)), gathering.deadline()), (Gather::GiveUp, None));
        assert_eq!(gathering.handle_look(true, false, at(8_001)), Gather::Wait, "another promise");
        gathering.forget();
        assert_eq!(gathering.deadline(), None);
    }

    #[test]
    fn few_are_written_at_once() {
        assert!(written_at_once(1) && written_at_once(4) && !written_at_once(5));
    }
}
