//! What can be asked about events.

use super::form::{Event, Topic};
use super::index::Place;
use crate::abi::{Abi, document::MAX_TOPICS};
use crate::abi::{EventForm, Names, TextError};
use crate::account::Address;

/// Which events are wanted. Everything that is given has to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Emitted by this account.
    pub account: Option<Address>,
    /// Of this name.
    pub name: Option<String>,
    /// With these topics; places without one take any.
    pub topics: [Option<Topic>; MAX_TOPICS],
    /// From this batch on.
    pub from: Option<u64>,
    /// Up to this batch, itself included.
    pub to: Option<u64>,
}

/// An event and where it was emitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where: pass it on to go on behind it.
    pub place: Place,
    /// The event.
    pub event: Event,
}

impl Filter {
    /// Whether it takes an event that was emitted there.
    #[must_use]
    pub fn takes(&self, place: Place, event: &Event) -> bool {
        self.account.is_none_or(|account| account == event.account)
            && self.name.as_ref().is_none_or(|name| *name == event.name)
            && self.from.is_none_or(|from| place.batch >= from)
            && self.to.is_none_or(|to| place.batch <= to)
            && self.topics.iter().enumerate().all(|(i, wanted)| wanted.is_none_or(|t| event.topics.get(i) == Some(&t)))
    }

    /// Wants a field to have the value that a text stands for: `to=bob`.
    ///
    /// # Errors
    /// When the event has no such topic or the text is no value of its type.
    pub fn with_topic(
        mut self,
        abi: &Abi,
        form: &EventForm,
        field: &str,
        text: &str,
        names: &dyn Names,
    ) -> Result<Self, String> {
        let found = form.topic_fields().enumerate().find(|(_, topic)| topic.name == field);
        let Some((place, topic)) = found else {
            let known: Vec<&str> = form.topic_fields().map(|topic| topic.name.as_str()).collect();
            return Err(format!("{} cannot be found by {field:?}; by {}", form.name, known.join(", ")));
        };
        let value = abi.parse_value(field, &topic.ty, text, names).map_err(|error: TextError| error.to_string())?;
        let encoded = abi.encode(&topic.ty, &value).map_err(|error| error.to_string())?;
        if let Some(wanted) = self.topics.get_mut(place) {
            *wanted = Some(Topic::of(&encoded));
        }
        self.name = Some(form.name.clone());
        Ok(self)
    }
}
