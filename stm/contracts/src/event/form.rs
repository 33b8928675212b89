//! An event, and the topics that it can be found by.

use crate::abi::{Abi, EventForm, Field, Mismatch, Value};
use crate::account::Address;
use crate::hash::{self, Domain, Hash};
use crate::transaction::encode;
use borsh::{BorshDeserialize, BorshSerialize};

/// The longest data of an event, in bytes.
pub const MAX_DATA: usize = 16 << 10;

/// Bytes of all events of a transaction as its receipt has them. Whoever emits more has made a mistake.
pub const MAX_IN_TRANSACTION: usize = 8 << 20;

/// A field that an event can be found by: its encoding with zeros behind it, or its hash where that is longer than 32
/// bytes. Fields of one type have equal topics when they are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub struct Topic([u8; 32]);

impl Topic {
    /// The topic of a field with this encoding.
    #[must_use]
    pub fn of(encoded: &[u8]) -> Self {
        let mut bytes = [0; 32];
        match bytes.get_mut(..encoded.len()) {
            Some(start) => start.copy_from_slice(encoded),
            None => bytes = *hash::parts(Domain::Event, &[&[1], encoded]).as_bytes(),
        }
        Self(bytes)
    }

    /// The topic with these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Something that a contract has told the outside.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Event {
    /// Who has emitted it.
    pub account: Address,
    /// The template that ran: its document says what the data means, also after an upgrade.
    pub template: Hash,
    /// Its name.
    pub name: String,
    /// The fields marked as topics, in their order.
    pub topics: Vec<Topic>,
    /// All fields, encoded.
    pub data: Vec<u8>,
    /// The logical time in nanoseconds from which on it is gone.
    pub expires: u64,
}

impl Event {
    /// Bytes that it takes in a receipt.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        // Address, template and expiry, and a length before each of name, topics and data.
        20 + 32 + 8 + 3 * 4 + self.name.len() + 32 * self.topics.len() + self.data.len()
    }

    /// What covers it.
    #[must_use]
    pub fn hash(&self) -> Hash {
        hash::parts(Domain::Event, &[&[0], &encode(self)])
    }
}

impl EventForm {
    /// The topics of an event with these values.
    ///
    /// # Errors
    /// When a value is not of its field's type.
    pub fn topics(&self, abi: &Abi, values: &[Value]) -> Result<Vec<Topic>, Mismatch> {
        if values.len() != self.fields.len() {
            return Err(Mismatch { expected: self.name.clone() });
        }
        let marked = self.fields.iter().zip(values).filter(|(field, _)| field.topic);
        marked.map(|(field, value)| Ok(Topic::of(&abi.encode(&field.ty, value)?))).collect()
    }

    /// The fields that are topics, in their order: a topic's place is its field's place here.
    pub fn topic_fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| field.topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::tests_support::token;
    use crate::abi::{Type, U256};

    #[test]
    fn short_fields_are_their_own_topic_and_long_ones_a_hash() {
        let short = Topic::of(&[1; 32]);
        assert_eq!(short.as_bytes(), &[1; 32]);
        assert_eq!(Topic::of(&[7]).as_bytes()[..2], [7, 0]);
        let long = Topic::of(&[1; 33]);
        assert_ne!(long, short);
        assert_eq!(long.as_bytes(), hash::parts(Domain::Event, &[&[1], &[1; 33]]).as_bytes());
    }

    /// A text's encoding begins with its length, so zeros behind it are no other text.
    #[test]
    fn different_texts_have_different_topics() {
        let topic = |text: &str| Topic::of(&token().encode(&Type::Text, &Value::Text(text.into())).expect("a text"));
        let texts = ["", "\0", "a", "a\0", "a\0\0"];
        let topics: std::collections::BTreeSet<Topic> = texts.iter().map(|text| topic(text)).collect();
        assert_eq!(topics.len(), texts.len());
    }

    #[test]
    fn the_length_is_that_of_the_bytes() {
        let event = Event {
            account: Address::of_name("ann"),
            template: Hash::ZERO,
            name: "Transfer".into(),
            topics: vec![Topic::of(&[1]); 3],
            data: vec![7; 9],
            expires: 1,
        };
        assert_eq!(event.encoded_len(), encode(&event).len());
    }

    #[test]
    fn topics_are_the_marked_fields() {
        let abi = token();
        let form = &abi.events[0];
        let (ann, bob) = (Address::of_name("ann"), Address::of_name("bob"));
        let values = [Value::Address(ann), Value::Address(bob), Value::Uint(U256::from(30))];
        let topics = form.topics(&abi, &values).expect("of their types");
        assert_eq!(topics, [Topic::of(ann.as_bytes()), Topic::of(bob.as_bytes())]);
        let names: Vec<&str> = form.topic_fields().map(|field| field.name.as_str()).collect();
        assert_eq!(names, ["from", "to"]);
        assert!(form.topics(&abi, &values[..2]).is_err());
    }
}
