//! What the driver waits for, and how long it does so without a word. Pure: the clock is an argument.
//!
//! Whatever can lose inputs or batches on their way is noticed where it happens, and they are sent again. This is for what
//! was not thought of: **every** state in which something is awaited has a deadline ([`Sight::wait`] names what is awaited
//! in each), and when that has passed the driver says so and does something about it. Repeats are harmless, the machine
//! knows inputs by their numbers, and a batch fits into one place of history; but they cost, so each one in vain doubles
//! the patience.

use crate::outgoing::Awaited;
use replicode_log::{BatchIndex, Mono};
use std::time::Duration;

/// Patience is doubled no more than so often: three seconds to a minute and a half.
const DOUBLINGS: u32 = 5;
/// A look that comes so much later than its deadline tells of a pause of this node: what was awaited may have come
/// meanwhile, and has not been looked at.
const LATE: Duration = Duration::from_millis(500);

/// Something that is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Anybody's leadership.
    Leader,
    /// The first entry of the term in which this node leads: before that is applied it knows no end of history.
    FirstEntry(u64),
    /// That a batch which this leader has proposed is in its own log.
    Log(BatchIndex),
    /// That a batch in this leader's log is agreed on.
    Quorum(BatchIndex),
    /// That this node's machine applies a batch which is agreed on.
    Machine(BatchIndex),
    /// That inputs which were sent are applied; the oldest of them.
    Inputs(Awaited),
}

impl Wait {
    /// How long it is awaited in silence for the first time.
    #[must_use]
    pub const fn patience(&self) -> Duration {
        Duration::from_millis(match self {
            // An engine that takes a proposal puts it into the log at once, and one that does not says so.
            Self::Log(_) => 300,
            Self::FirstEntry(_) | Self::Quorum(_) | Self::Inputs(_) => 3_000,
            Self::Leader => 5_000,
            Self::Machine(_) => 10_000,
        })
    }
}

/// Who leads, for one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lead {
    /// Nobody, as far as it knows.
    Nobody,
    /// Another node.
    Other,
    /// The node itself, in a term.
    Own(u64),
}

/// What the driver sees when it looks at everything.
#[derive(Clone, Copy, Debug)]
pub struct Sight {
    /// Who leads.
    pub lead: Lead,
    /// Whether this leader knows the end of history and makes batches.
    pub builds: bool,
    /// The oldest batch on its way.
    pub oldest: Option<BatchIndex>,
    /// The last batch of this leader that its log has taken.
    pub logged: BatchIndex,
    /// The last batch given to the machine above.
    pub delivered: BatchIndex,
    /// The oldest input of this node that was sent and is not applied.
    pub inputs: Option<Awaited>,
}

impl Sight {
    /// What is awaited. `None`: nothing but new inputs, or the machine's next deadline.
    #[must_use]
    pub fn wait(&self) -> Option<Wait> {
        match (self.lead, self.oldest) {
            (Lead::Nobody, _) => Some(Wait::Leader),
            (Lead::Own(term), _) if !self.builds => Some(Wait::FirstEntry(term)),
            (Lead::Own(_), Some(batch)) if batch <= self.delivered => Some(Wait::Machine(batch)),
            (Lead::Own(_), Some(batch)) if batch <= self.logged => Some(Wait::Quorum(batch)),
            (Lead::Own(_), Some(batch)) => Some(Wait::Log(batch)),
            (Lead::Own(_), None) | (Lead::Other, _) => self.inputs.map(Wait::Inputs),
        }
    }
}

/// Something that was awaited for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overdue {
    /// What.
    pub wait: Wait,
    /// How often it was overdue before.
    pub before: u32,
}

/// See the module. [`Stall::handle_sight`] is to be called whenever everything has been looked at, and at
/// [`Stall::deadline`] if nothing else happens; [`Stall::poll_overdue`] says once what has become overdue.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stall {
    /// What is awaited, since when, and how often it was overdue.
    awaited: Option<(Wait, Mono, u32)>,
    overdue: Option<Overdue>,
}

impl Stall {
    /// What is seen now.
    pub fn handle_sight(&mut self, sight: &Sight, now: Mono) {
        let deadline = self.deadline();
        let Some(wait) = sight.wait() else {
            self.awaited = None;
            return;
        };
        match &mut self.awaited {
            Some((awaited, since, before)) if *awaited == wait => {
                let Some(deadline) = deadline.filter(|deadline| now >= *deadline) else { return };
                *since = now;
                if now.since(deadline) < LATE {
                    self.overdue = Some(Overdue { wait, before: *before });
                    *before += 1;
                }
            }
            _ => self.awaited = Some((wait, now, 0)),
        }
    }

    /// What has become overdue.
    pub const fn poll_overdue(&mut self) -> Option<Overdue> {
        self.overdue.take()
    }

    /// When to look again.
    #[must_use]
    pub fn deadline(&self) -> Option<Mono> {
        self.awaited.map(|(wait, since, before)| since.plus(wait.patience() * (1 << before.min(DOUBLINGS))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use replicode_log::BootNo;

    fn at(ms: u64) -> Mono {
        Mono::LONG_AGO.plus(Duration::from_millis(ms))
    }

    /// What a look says.
    fn look(stall: &mut Stall, sight: &Sight, now: Mono) -> Option<Overdue> {
        stall.handle_sight(sight, now);
        let overdue = stall.poll_overdue();
        assert_eq!(stall.poll_overdue(), None, "once");
        overdue
    }

    fn seq(first_seq: u64) -> Awaited {
        Awaited { boot: BootNo(1), first_seq }
    }

    #[test]
    fn progress_renews_patience_and_waiting_in_vain_doubles_it() {
        let mut stall = Stall::default();
        let s = |seconds: u64| at(1000 * seconds);
        let nothing = BatchIndex(0);
        let waits = |inputs: Option<u64>| Sight {
            lead: Lead::Other,
            builds: false,
            oldest: None,
            logged: nothing,
            delivered: nothing,
            inputs: inputs.map(seq),
        };
        let overdue = |first_seq, before| Some(Overdue { wait: Wait::Inputs(seq(first_seq)), before });
        assert!(look(&mut stall, &waits(None), s(0)).is_none() && stall.deadline().is_none());
        assert_eq!(look(&mut stall, &waits(Some(1)), s(100)), None);
        assert_eq!(stall.deadline(), Some(s(103)));
        assert_eq!(look(&mut stall, &waits(Some(4)), s(103)), None, "it has moved");
        assert_eq!(look(&mut stall, &waits(Some(4)), s(105)), None);
        assert_eq!(look(&mut stall, &waits(Some(4)), s(106)), overdue(4, 0));
        assert_eq!(look(&mut stall, &waits(Some(4)), s(111)), None);
        assert_eq!(look(&mut stall, &waits(Some(4)), s(112)), overdue(4, 1));
        assert_eq!(look(&mut stall, &waits(None), s(113)), None);
        assert_eq!(stall.deadline(), None);
    }

    #[test]
    fn who_was_paused_looks_first() {
        let mut stall = Stall::default();
        let (oldest, zero) = (Some(BatchIndex(7)), BatchIndex(0));
        let sight = Sight { lead: Lead::Own(3), builds: true, oldest, logged: zero, delivered: zero, inputs: None };
        assert_eq!(look(&mut stall, &sight, at(0)), None);
        assert_eq!(look(&mut stall, &sight, at(5_000)), None, "a look that late tells of a pause");
        assert!(look(&mut stall, &sight, at(5_310)).is_some());
    }

    /// All states that the driver can be in, as far as they differ here.
    fn states() -> impl Iterator<Item = Sight> {
        let leads = [Lead::Nobody, Lead::Other, Lead::Own(3)];
        (0..3usize * 2 * 4 * 4 * 4 * 2).map(move |mut n| {
            let mut pick = |of: usize| {
                let at = n % of;
                n /= of;
                at
            };
            Sight {
                lead: leads[pick(3)],
                builds: pick(2) == 1,
                oldest: [None, Some(1), Some(2), Some(3)][pick(4)].map(BatchIndex),
                logged: BatchIndex(pick(4) as u64),
                delivered: BatchIndex(pick(4) as u64),
                inputs: [None, Some(seq(5))][pick(2)],
            }
        })
    }

    #[test]
    fn no_state_waits_without_a_deadline() {
        for sight in states() {
            let own = matches!(sight.lead, Lead::Own(_));
            let waits = sight.lead == Lead::Nobody
                || sight.inputs.is_some()
                || own && (!sight.builds || sight.oldest.is_some());
            let mut stall = Stall::default();
            let mut now = at(1_000);
            assert_eq!(look(&mut stall, &sight, now), None);
            assert_eq!(stall.deadline().is_some(), waits, "{sight:?}");
            // However often it is looked at in between: as long as nothing moves it becomes overdue, again and again.
            for before in 0..8 {
                let Some(deadline) = stall.deadline() else { break };
                assert!(deadline > now && deadline.since(now) <= Duration::from_secs(10) * 32, "{sight:?}");
                let step = Duration::from_millis(70);
                while now.plus(step) < deadline {
                    now = now.plus(step);
                    assert_eq!(look(&mut stall, &sight, now), None);
                }
                now = deadline;
                assert_eq!(look(&mut stall, &sight, now).map(|overdue| overdue.before), Some(before));
            }
        }
    }
}
