//! Between messages and the types of contracts. What does not fit is named.

use crate::proto;
use replicode_contracts::account::{Account, Address};
use replicode_contracts::backend::AccountNow;
use replicode_contracts::event::{Event, Filter, Found, Place, Topic};
use replicode_contracts::hash::Hash;

/// A field that cannot be what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadField {
    /// Which.
    pub field: &'static str,
    /// What is wrong with it.
    pub why: String,
}

type Result<T> = std::result::Result<T, BadField>;

fn exactly<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N]> {
    bytes.try_into().map_err(|_| BadField { field, why: format!("expected {N} bytes, got {}", bytes.len()) })
}

/// An address.
///
/// # Errors
/// When it has another length.
pub fn address(field: &'static str, bytes: &[u8]) -> Result<Address> {
    exactly(field, bytes).map(Address::from_bytes)
}

/// A hash.
///
/// # Errors
/// When it has another length.
pub fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash> {
    exactly(field, bytes).map(Hash::new)
}

/// An encoded value of contracts.
///
/// # Errors
/// When it is none, or more than one.
pub fn decode<T: borsh::BorshDeserialize>(field: &'static str, bytes: &[u8]) -> Result<T> {
    borsh::from_slice(bytes).map_err(|error| BadField { field, why: error.to_string().to_lowercase() })
}

/// An account as a message.
#[must_use]
pub fn account(address: &Address, now: &AccountNow) -> proto::AccountReply {
    proto::AccountReply {
        account: address.as_bytes().to_vec(),
        template: now.record.template.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
        nonce: now.record.nonce,
        spawned: now.record.spawned,
        balance: now.balance.to_le_bytes().to_vec(),
        state: now.state.as_bytes().to_vec(),
    }
}

/// An account of a message.
///
/// # Errors
/// The field that does not fit.
pub fn account_of(it: &proto::AccountReply) -> Result<(Address, AccountNow)> {
    let template = if it.template.is_empty() { None } else { Some(hash("template", &it.template)?) };
    let record = Account { template, nonce: it.nonce, spawned: it.spawned };
    let balance = u128::from_le_bytes(exactly("balance", &it.balance)?);
    Ok((address("account", &it.account)?, AccountNow { record, balance, state: hash("state", &it.state)? }))
}

/// A place as a message.
#[must_use]
pub const fn place(it: Place) -> proto::Place {
    proto::Place { batch: it.batch, position: it.position, number: it.number }
}

/// A place of a message.
#[must_use]
pub const fn place_of(it: &proto::Place) -> Place {
    Place { batch: it.batch, position: it.position, number: it.number }
}

/// An event as a message.
#[must_use]
pub fn event(found: &Found) -> proto::Event {
    let Event { account, template, name, topics, data, expires } = &found.event;
    proto::Event {
        place: Some(place(found.place)),
        account: account.as_bytes().to_vec(),
        template: template.as_bytes().to_vec(),
        name: name.clone(),
        topics: topics.iter().map(|topic| topic.as_bytes().to_vec()).collect(),
        data: data.clone(),
        expires: *expires,
    }
}

/// An event of a message.
///
/// # Errors
/// The field that does not fit.
pub fn event_of(it: proto::Event) -> Result<Found> {
    let topics = it.topics.iter().map(|topic| exactly("topic", topic).map(Topic::new)).collect::<Result<_>>()?;
    let event = Event {
        account: address("account", &it.account)?,
        template: hash("template", &it.template)?,
        name: it.name,
        topics,
        data: it.data,
        expires: it.expires,
    };
    Ok(Found { place: place_of(&it.place.unwrap_or_default()), event })
}

/// Which events are wanted, as a message.
#[must_use]
pub fn filter(it: &Filter, after: Option<Place>, limit: usize) -> proto::EventsRequest {
    let topics = it.topics.iter().map(|topic| topic.map(|topic| topic.as_bytes().to_vec()).unwrap_or_default());
    proto::EventsRequest {
        account: it.account.map(|account| account.as_bytes().to_vec()).unwrap_or_default(),
        name: it.name.clone().unwrap_or_default(),
        topics: topics.collect(),
        from: it.from,
        to: it.to,
        after: after.map(place),
        limit: u32::try_from(limit).unwrap_or(0),
        follow: false,
    }
}

/// Which events are wanted.
///
/// # Errors
/// The field that does not fit.
pub fn filter_of(it: &proto::EventsRequest) -> Result<Filter> {
    let mut filter = Filter { from: it.from, to: it.to, ..Filter::default() };
    if !it.account.is_empty() {
        filter.account = Some(address("account", &it.account)?);
    }
    filter.name = Some(it.name.clone()).filter(|name| !name.is_empty());
    let room = filter.topics.len();
    if it.topics.len() > room {
        return Err(BadField {
            field: "topics",
            why: format!("{} of them: an event has at most {room}", it.topics.len()),
        });
    }
    for (place, topic) in filter.topics.iter_mut().zip(&it.topics) {
        if !topic.is_empty() {
            *place = Some(exactly("topics", topic).map(Topic::new)?);
        }
    }
    Ok(filter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_events_round_trip() {
        let address = Address::of_name("ann");
        for template in [None, Some(Hash::new([7; 32]))] {
            let record = Account { template, nonce: 3, spawned: 4 };
            let now = AccountNow { record, balance: u128::MAX, state: Hash::new([9; 32]) };
            assert_eq!(account_of(&account(&address, &now)), Ok((address, now)));
        }
        let topics = vec![Topic::of(b"a"), Topic::of(b"b")];
        let event_itself =
            Event { account: address, template: Hash::ZERO, name: "Moved".into(), topics, data: vec![1], expires: 5 };
        let found = Found { place: Place { batch: 1, position: 2, number: 3 }, event: event_itself };
        assert_eq!(event_of(event(&found)), Ok(found));
    }

    #[test]
    fn filters_round_trip_and_what_does_not_fit_is_named() {
        let mut wanted = Filter { account: Some(Address::of_name("ann")), from: Some(3), ..Filter::default() };
        wanted.topics[1] = Some(Topic::of(b"x"));
        assert_eq!(filter_of(&filter(&wanted, None, 5)), Ok(wanted));
        let bad = proto::EventsRequest { account: vec![1, 2], ..proto::EventsRequest::default() };
        assert_eq!(filter_of(&bad).map_err(|error| error.to_string()), Err("account: expected 20 bytes, got 2".into()));
        let many = proto::EventsRequest { topics: vec![vec![]; 9], ..proto::EventsRequest::default() };
        assert!(filter_of(&many).is_err());
    }
}
