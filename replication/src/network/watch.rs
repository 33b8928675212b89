//! For how long a member has been silent, fairly counted. Pure: the clock is an argument.
//!
//! Silence is evidence only while somebody listens. So it counts from the moment at which this node began to lead (a
//! follower hears nobody but the leader), and from the end of its own last pause: a process that was stopped finds
//! answers late that were given in time.

use std::time::{Duration, Instant};

/// How often the thread that hears the peers looks at its watch.
pub const LOOK: Duration = Duration::from_millis(100);
/// A look that comes later than this after the one before tells of a pause of this node.
const PAUSE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// The term in which this node leads, at the last look.
    leads: Option<u64>,
    since: Instant,
    looked: Instant,
}

impl Watch {
    /// A watch that does not lead.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { leads: None, since: now, looked: now }
    }

    /// A look by the thread that hears the peers, every [`LOOK`]. `leads`: the term in which this node leads.
    pub fn look(&mut self, now: Instant, leads: Option<u64>) {
        if leads != self.leads || self.paused(now) {
            self.since = now;
        }
        (self.leads, self.looked) = (leads, now);
    }

    fn paused(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked) > PAUSE
    }

    /// For how long this node, leading in a term, has listened in vain to a member that it last heard at `contact`.
    #[must_use]
    pub fn silence(&self, now: Instant, term: u64, contact: Option<Instant>) -> Duration {
        if self.leads != Some(term) || self.paused(now) {
            return Duration::ZERO;
        }
        now.saturating_duration_since(contact.map_or(self.since, |contact| contact.max(self.since)))
    }
}

/// A look that comes later than this after the one before was held up: answers may have come that nobody has read.
const LATE: Duration = Duration::from_millis(300);

/// Whether a leader still hears of a quorum. One that does not decides nothing, and if its words are heard all the same it
/// keeps everybody else from leading.
#[derive(Clone, Copy, Debug)]
pub struct Quorum {
    leads: Option<u64>,
    since: Instant,
    looked: Instant,
}

impl Quorum {
    /// A watch that does not lead.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self { leads: None, since: now, looked: now }
    }

    /// For how long this node, leading in term `leads`, has listened in vain to a quorum that it last heard at `heard`. To
    /// be called every [`LOOK`] by the thread that hears the peers.
    pub fn look(&mut self, now: Instant, leads: Option<u64>, heard: Option<Instant>) -> Duration {
        if leads != self.leads || now.saturating_duration_since(self.looked) > LATE {
            self.since = now;
        }
        (self.leads, self.looked) = (leads, now);
        match leads {
            Some(_) => now.saturating_duration_since(heard.map_or(self.since, |heard| heard.max(self.since))),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_counts_from_the_last_contact_the_leadership_or_the_end_of_a_pause() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        let mut watch = Watch::new(start);
        let looks = |watch: &mut Watch, from: u64, to: u64, leads| {
            (from..=to).step_by(200).for_each(|ms| watch.look(at(ms), leads));
        };
        looks(&mut watch, 0, 10_000, None);
        assert_eq!(watch.silence(at(10_100), 7, None), ms(0), "it has not noticed yet that it leads");
        looks(&mut watch, 10_200, 12_000, Some(7));
        assert_eq!(watch.silence(at(12_100), 7, Some(at(50))), ms(1_900), "since it leads");
        assert_eq!(watch.silence(at(12_100), 7, None), ms(1_900));
        assert_eq!(watch.silence(at(12_100), 7, Some(at(11_000))), ms(1_100), "since the last contact");
        assert_eq!(watch.silence(at(20_000), 7, None), ms(0), "after a pause, before the next look");
        looks(&mut watch, 20_000, 21_000, Some(7));
        assert_eq!(watch.silence(at(21_100), 7, Some(at(11_000))), ms(1_100), "since the pause");
        looks(&mut watch, 21_200, 21_400, Some(9));
        assert_eq!(watch.silence(at(21_400), 9, None), ms(200), "another leadership");
    }

    #[test]
    fn a_leader_counts_the_time_in_which_it_listened_in_vain_to_a_quorum() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        let mut quorum = Quorum::new(start);
        assert_eq!(quorum.look(at(100), None, None), ms(0));
        assert_eq!(quorum.look(at(200), Some(3), None), ms(0), "it counts since it leads");
        assert_eq!(quorum.look(at(300), Some(3), None), ms(100));
        assert_eq!(quorum.look(at(400), Some(3), Some(at(350))), ms(50));
        assert_eq!(quorum.look(at(700), Some(3), Some(at(350))), ms(350));
        assert_eq!(quorum.look(at(1_100), Some(3), Some(at(350))), ms(0), "it was paused");
        assert_eq!(quorum.look(at(1_200), Some(3), Some(at(350))), ms(100));
        assert_eq!(quorum.look(at(1_300), Some(5), Some(at(350))), ms(0), "another leadership");
        assert_eq!(quorum.look(at(1_400), None, None), ms(0));
    }
}
