//! For how long a member, or a quorum, has been silent, fairly counted; and when a node takes itself for cut off.
//!
//! Silence is evidence only while somebody listens. So it counts from the moment at which this node began to lead (a
//! follower hears nobody but the leader), and from the end of its own last pause: a process that was stopped finds
//! answers late that were given in time.

use replicode_log::Mono;
use std::time::Duration;

/// How often the thread that hears the peers looks at its watch.
pub const LOOK: Duration = Duration::from_millis(100);
/// A look that comes later than this after the one before tells of a pause of this node.
const PAUSE: Duration = Duration::from_secs(1);
/// Longer than nobody leads when a leader is lost, with an election that has to be held twice.
const NOT_AN_ELECTION: Duration = Duration::from_millis(2500);

/// Whether a node that has listened in vain for `silence` should take itself for dead, as the others do after `node_down_after`:
/// its clients are better served by them, and could not be answered here. What they have asked for may have been heard or not.
#[must_use]
pub fn is_cut_off(silence: Duration, node_down_after: Duration) -> bool {
    silence >= node_down_after.max(NOT_AN_ELECTION)
}

/// A leader's watch over one member.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The term in which this node leads, at the last look.
    leads: Option<u64>,
    since: Mono,
    looked: Mono,
}

impl Watch {
    /// A watch that does not lead.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self { leads: None, since: now, looked: now }
    }

    /// A look by the thread that hears the peers, every [`LOOK`]. `leads`: the term in which this node leads.
    pub fn handle_look(&mut self, leads: Option<u64>, now: Mono) {
        if leads != self.leads || self.paused(now) {
            self.since = now;
        }
        (self.leads, self.looked) = (leads, now);
    }

    fn paused(&self, now: Mono) -> bool {
        now.since(self.looked) > PAUSE
    }

    /// For how long this node, leading in a term, has listened in vain to a member that it last heard at `contact`.
    #[must_use]
    pub fn silence(&self, term: u64, contact: Option<Mono>, now: Mono) -> Duration {
        if self.leads != Some(term) || self.paused(now) {
            return Duration::ZERO;
        }
        now.since(contact.map_or(self.since, |contact| contact.max(self.since)))
    }
}

/// A look that comes later than this after the one before was held up: answers may have come that nobody has read.
const LATE: Duration = Duration::from_millis(300);

/// Whether a leader still hears of a quorum. One that does not decides nothing, and if its words are heard all the same it
/// keeps everybody else from leading.
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    leads: Option<u64>,
    since: Mono,
    looked: Mono,
}

impl Quorum {
    /// A watch that does not lead.
    #[must_use]
    pub const fn new(now: Mono) -> Self {
        Self { leads: None, since: now, looked: now }
    }

    /// For how long this node, leading in term `leads`, has listened in vain to a quorum that it last heard at `heard`. To
    /// be called every [`LOOK`] by the thread that hears the peers.
    pub fn handle_look(&mut self, leads: Option<u64>, heard: Option<Mono>, now: Mono) -> Duration {
        if leads != self.leads || now.since(self.looked) > LATE {
            self.since = now;
        }
        (self.leads, self.looked) = (leads, now);
        match leads {
            Some(_) => now.since(heard.map_or(self.since, |heard| heard.max(self.since))),
            None => Duration::ZERO,
        }
    }
}

/// Whether a node whose machine is `behind` leaves an election to others for now, having heard of no leader for so long; the
/// others stand after `limit`, and a third of it later at most. Who has executed the history serves better: its programs' timers
/// are known, and its own clients are answered. If nobody has, a moment later is early enough.
#[must_use]
pub fn leaves_elections(behind: bool, silence: Duration, limit: Duration) -> bool {
    behind && silence < limit * 5 / 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Mono {
        Mono::from_nanos(3).plus(Duration::from_millis(ms))
    }

    #[test]
    fn silence_counts_from_the_last_contact_the_leadership_or_the_end_of_a_pause() {
        let ms = Duration::from_millis;
        let mut watch = Watch::new(at(0));
        let looks = |watch: &mut Watch, from: u64, to: u64, leads| {
            (from..=to).step_by(200).for_each(|ms| watch.handle_look(leads, at(ms)));
        };
        looks(&mut watch, 0, 10_000, None);
        assert_eq!(watch.silence(7, None, at(10_100)), ms(0), "it has not noticed yet that it leads");
        looks(&mut watch, 10_200, 12_000, Some(7));
        assert_eq!(watch.silence(7, Some(at(50)), at(12_100)), ms(1_900), "since it leads");
        assert_eq!(watch.silence(7, None, at(12_100)), ms(1_900));
        assert_eq!(watch.silence(7, Some(at(11_000)), at(12_100)), ms(1_100), "since the last contact");
        assert_eq!(watch.silence(7, None, at(20_000)), ms(0), "after a pause, before the next look");
        looks(&mut watch, 20_000, 21_000, Some(7));
        assert_eq!(watch.silence(7, Some(at(11_000)), at(21_100)), ms(1_100), "since the pause");
        looks(&mut watch, 21_200, 21_400, Some(9));
        assert_eq!(watch.silence(9, None, at(21_400)), ms(200), "another leadership");
    }

    #[test]
    fn a_leader_counts_the_time_in_which_it_listened_in_vain_to_a_quorum() {
        let ms = Duration::from_millis;
        let mut quorum = Quorum::new(at(0));
        assert_eq!(quorum.handle_look(None, None, at(100)), ms(0));
        assert_eq!(quorum.handle_look(Some(3), None, at(200)), ms(0), "it counts since it leads");
        assert_eq!(quorum.handle_look(Some(3), None, at(300)), ms(100));
        assert_eq!(quorum.handle_look(Some(3), Some(at(350)), at(400)), ms(50));
        assert_eq!(quorum.handle_look(Some(3), Some(at(350)), at(700)), ms(350));
        assert_eq!(quorum.handle_look(Some(3), Some(at(350)), at(1_100)), ms(0), "it was paused");
        assert_eq!(quorum.handle_look(Some(3), Some(at(350)), at(1_200)), ms(100));
        assert_eq!(quorum.handle_look(Some(5), Some(at(350)), at(1_300)), ms(0), "another leadership");
        assert_eq!(quorum.handle_look(None, None, at(1_400)), ms(0));
    }

    #[test]
    fn a_node_is_cut_off_when_the_others_give_it_up_but_not_by_an_election() {
        let ms = Duration::from_millis;
        assert!(!is_cut_off(ms(2_999), ms(3_000)) && is_cut_off(ms(3_000), ms(3_000)));
        assert!(!is_cut_off(ms(2_499), ms(100)) && is_cut_off(ms(2_500), ms(100)));
    }

    #[test]
    fn who_lags_stands_for_election_after_the_others_and_not_never() {
        let leaves = |behind, ms| leaves_elections(behind, Duration::from_millis(ms), Duration::from_millis(900));
        assert!(!leaves(false, 0) && !leaves(false, 5_000));
        assert!(leaves(true, 0) && leaves(true, 1_400) && !leaves(true, 1_500));
    }
}
