//! Which events there are. A copy of what receipts say, kept to be asked; it can be made anew from receipts at any time.

use super::form::{Event, Topic};
use super::query::{Filter, Found};
use crate::account::Address;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// Where an event was emitted. Places are in the order of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The batch.
    pub batch: u64,
    /// The transaction's place in the batch.
    pub position: u32,
    /// The event's place in the receipt.
    pub number: u32,
}

impl Place {
    /// Before everything in a batch.
    #[must_use]
    pub const fn start_of(batch: u64) -> Self {
        Self { batch, position: 0, number: 0 }
    }
}

/// What events are found by, the narrowest first that a filter names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Account(Address),
    Name(Address, String),
    Topic(Address, String, u8, Topic),
}

/// The events that have not been reclaimed.
#[derive(Clone, Debug, Default)]
pub struct Index {
    events: BTreeMap<Place, Event>,
    by_key: BTreeMap<Key, BTreeSet<Place>>,
    by_expiry: BTreeSet<(u64, Place)>,
}

impl Index {
    /// No events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events are kept, expired ones among them.
    #[must_use]
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether none is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Takes an event in. One that stood at this place before is replaced.
    pub fn insert(&mut self, place: Place, event: Event) {
        self.remove(place);
        for key in keys(&event) {
            self.by_key.entry(key).or_default().insert(place);
        }
        self.by_expiry.insert((event.expires, place));
        self.events.insert(place, event);
    }

    fn remove(&mut self, place: Place) {
        let Some(event) = self.events.remove(&place) else { return };
        self.by_expiry.remove(&(event.expires, place));
        for key in keys(&event) {
            if let Some(places) = self.by_key.get_mut(&key) {
                places.remove(&place);
                if places.is_empty() {
                    self.by_key.remove(&key);
                }
            }
        }
    }

    /// Where the events were emitted that have expired at this time, the first to expire first, at most `limit` of them.
    #[must_use]
    pub fn expired(&self, now: u64, limit: usize) -> Vec<Place> {
        let expired = self.by_expiry.iter().take_while(|(expires, _)| *expires <= now);
        expired.take(limit).map(|(_, place)| *place).collect()
    }

    /// Frees the space of events that have expired at this time, at most `limit` of them, and says how many it were.
    /// No answer changes.
    pub fn reclaim(&mut self, now: u64, limit: usize) -> usize {
        let expired = self.expired(now, limit);
        expired.iter().for_each(|place| self.remove(*place));
        expired.len()
    }

    /// Forgets what was emitted after a batch: history was taken back to it.
    pub fn rewind(&mut self, batch: u64) {
        let first = Place::start_of(batch.saturating_add(1));
        let after: Vec<Place> = self.events.range(first..).map(|(place, _)| *place).collect();
        after.iter().for_each(|place| self.remove(*place));
    }

    /// The events that a filter takes, in the order of history, behind `after`, without those that have expired at
    /// `now`; at most `limit` of them. The work is in proportion to the events under the narrowest thing that the filter
    /// names and to the batches that it spans.
    #[must_use]
    pub fn query(&self, filter: &Filter, now: u64, after: Option<Place>, limit: usize) -> Vec<Found> {
        self.search(filter, now, after, limit, usize::MAX).0
    }

    /// The same in a piece of bounded work: after looking at `most` events it says behind which to go on, though it has found less than
    /// the limit, or nothing. None: there are no more.
    #[must_use]
    pub fn search(
        &self,
        filter: &Filter,
        now: u64,
        after: Option<Place>,
        limit: usize,
        most: usize,
    ) -> (Vec<Found>, Option<Place>) {
        let first = Place::start_of(filter.from.unwrap_or(0));
        let start = match after {
            Some(after) if after >= first => Bound::Excluded(after),
            _ => Bound::Included(first),
        };
        let end = match filter.to.map(|to| to.checked_add(1)) {
            Some(Some(next)) => Bound::Excluded(Place::start_of(next)),
            _ => Bound::Unbounded,
        };
        // A range whose end lies before its start is empty, and the ordered maps panic on it.
        if let (Bound::Excluded(start) | Bound::Included(start), Bound::Excluded(end)) = (start, end)
            && start >= end
        {
            return (Vec::new(), None);
        }
        let mut candidates: Box<dyn Iterator<Item = (&Place, &Event)>> = match narrowest(filter) {
            Some(key) => match self.by_key.get(&key) {
                Some(places) => {
                    Box::new(places.range((start, end)).filter_map(|place| self.events.get_key_value(place)))
                }
                None => return (Vec::new(), None),
            },
            None => Box::new(self.events.range((start, end))),
        };
        let (mut found, mut last) = (Vec::new(), after);
        for (place, event) in candidates.by_ref().take(most) {
            if found.len() == limit {
                return (found, last);
            }
            last = Some(*place);
            if event.expires > now && filter.takes(*place, event) {
                found.push(Found { place: *place, event: event.clone() });
            }
        }
        let more = candidates.next().and(last);
        (found, more)
    }
}

fn keys(event: &Event) -> Vec<Key> {
    let mut keys = vec![Key::Account(event.account), Key::Name(event.account, event.name.clone())];
    for (number, topic) in (0u8..).zip(&event.topics) {
        keys.push(Key::Topic(event.account, event.name.clone(), number, *topic));
    }
    keys
}

fn narrowest(filter: &Filter) -> Option<Key> {
    let account = filter.account?;
    let Some(name) = &filter.name else { return Some(Key::Account(account)) };
    let topic = (0u8..).zip(&filter.topics).find_map(|(number, topic)| topic.map(|topic| (number, topic)));
    Some(match topic {
        Some((number, topic)) => Key::Topic(account, name.clone(), number, topic),
        None => Key::Name(account, name.clone()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::NoNames;
    use crate::abi::tests_support::token;
    use crate::hash::Hash;
    use proptest::prelude::*;

    fn event(account: u8, name: u8, topics: &[u8], expires: u64) -> Event {
        Event {
            account: Address::from_bytes([account; 20]),
            template: Hash::ZERO,
            name: format!("E{name}"),
            topics: topics.iter().map(|byte| Topic::of(&[*byte])).collect(),
            data: vec![account, name],
            expires,
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(Place, Event),
        Reclaim(u64, usize),
        Rewind(u64),
    }

    fn place() -> impl Strategy<Value = Place> {
        (0u64..6, 0u32..3, 0u32..3).prop_map(|(batch, position, number)| Place { batch, position, number })
    }

    fn step() -> impl Strategy<Value = Step> {
        let event = (0u8..3, 0u8..3, prop::collection::vec(0u8..3, 0..=4), 0u64..10);
        prop_oneof![
            8 => (place(), event).prop_map(|(p, (a, n, t, e))| Step::Insert(p, self::event(a, n, &t, e))),
            1 => (0u64..10, 0usize..4).prop_map(|(now, limit)| Step::Reclaim(now, limit)),
            1 => (0u64..6).prop_map(Step::Rewind),
        ]
    }

    fn filter() -> impl Strategy<Value = Filter> {
        let topic = || prop::option::weighted(0.3, (0u8..3).prop_map(|byte| Topic::of(&[byte])));
        (
            prop::option::of((0u8..4).prop_map(|a| Address::from_bytes([a; 20]))),
            prop::option::of((0u8..4).prop_map(|n| format!("E{n}"))),
            [topic(), topic(), topic(), topic()],
            prop::option::of(0u64..8),
            prop::option::of(prop_oneof![0u64..8, Just(u64::MAX)]),
        )
            .prop_map(|(account, name, topics, from, to)| Filter { account, name, topics, from, to })
    }

    proptest! {
        /// The model: a map of all events that were ever emitted, walked from end to end. It reclaims nothing, so this
        /// also shows that reclaiming changes no answer.
        #[test]
        fn queries_answer_as_a_walk_through_all_events(
            steps in prop::collection::vec(step(), 0..60),
            questions in prop::collection::vec((filter(), prop::option::of(place()), 0usize..6), 1..8),
        ) {
            let mut index = Index::new();
            let mut all: BTreeMap<Place, Event> = BTreeMap::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Insert(place, event) => {
                        index.insert(place, event.clone());
                        all.insert(place, event);
                    }
                    // Time only grows.
                    Step::Reclaim(time, limit) => {
                        now = now.max(time);
                        index.reclaim(now, limit);
                    }
                    Step::Rewind(batch) => {
                        index.rewind(batch);
                        all.retain(|place, _| place.batch <= batch);
                    }
                }
            }
            for (filter, after, limit) in questions {
                let expected: Vec<Found> = all
                    .iter()
                    .filter(|(place, event)| {
                        event.expires > now && filter.takes(**place, event) && after.is_none_or(|after| **place > after)
                    })
                    .take(limit)
                    .map(|(place, event)| Found { place: *place, event: event.clone() })
                    .collect();
                prop_assert_eq!(&index.query(&filter, now, after, limit), &expected);
                // In pieces of two events, found or not.
                let (mut pieces, mut at) = (Vec::new(), after);
                loop {
                    let (some, more) = index.search(&filter, now, at, limit - pieces.len(), 2);
                    pieces.extend(some);
                    at = more;
                    if more.is_none() || pieces.len() == limit {
                        break;
                    }
                }
                prop_assert_eq!(pieces, expected);
            }
            index.reclaim(now, usize::MAX);
            let kept = all.values().filter(|event| event.expires > now).count();
            prop_assert_eq!(index.len(), kept, "all space of expired events is free");
            index.reclaim(u64::MAX, usize::MAX);
            prop_assert!(index.is_empty() && index.by_key.is_empty() && index.by_expiry.is_empty());
        }
    }

    #[test]
    fn an_event_is_gone_at_the_time_it_states() {
        let mut index = Index::new();
        index.insert(Place::start_of(1), event(1, 1, &[], 100));
        assert_eq!(index.query(&Filter::default(), 99, None, 10).len(), 1);
        assert_eq!(index.query(&Filter::default(), 100, None, 10).len(), 0);
        assert_eq!(index.reclaim(99, 10), 0);
        assert_eq!(index.reclaim(100, 10), 1);
    }

    #[test]
    fn fields_are_asked_for_by_name() {
        let abi = token();
        let form = &abi.events[0];
        let bob = Address::of_name("bob");
        let filter = Filter::default().with_topic(&abi, form, "to", &bob.to_string(), &NoNames).expect("a topic");
        assert_eq!(filter.topics, [None, Some(Topic::of(bob.as_bytes())), None, None]);
        assert_eq!(filter.name.as_deref(), Some("Transfer"));
        let error = |field: &str, text: &str| {
            Filter::default().with_topic(&abi, form, field, text, &NoNames).expect_err("refused")
        };
        assert_eq!(error("amount", "1"), "Transfer cannot be found by \"amount\"; by from, to");
        assert!(error("to", "bob").starts_with("to: expected address, got \"bob\""));
    }
}
