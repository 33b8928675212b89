//! Clients by token, as the event queue knows them, and by number, as the log knows them.

use crate::client::Client;
use replicode_log::ConnId;
use std::collections::HashMap;

/// A place for a client; the same place serves another one later. An event that was on its way when its client went
/// may reach the next one, and does no harm: it only says that trying to read or write may be worth it.
pub(crate) type Slot = usize;

/// The clients.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    places: Vec<Option<Client>>,
    free: Vec<Slot>,
    by_conn: HashMap<ConnId, Slot>,
}

impl Slots {
    pub(crate) fn len(&self) -> usize {
        self.by_conn.len()
    }

    /// The place that the next client will have.
    pub(crate) fn next(&self) -> Slot {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    pub(crate) fn insert(&mut self, client: Client) -> Slot {
        let slot = self.next();
        self.by_conn.insert(client.conn(), slot);
        if self.free.pop().is_some() {
            self.places[slot] = Some(client);
        } else {
            self.places.push(Some(client));
        }
        slot
    }

    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Client> {
        let client = self.places.get_mut(slot)?.take()?;
        self.by_conn.remove(&client.conn());
        self.free.push(slot);
        Some(client)
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Client> {
        self.places.get_mut(slot)?.as_mut()
    }

    pub(crate) fn find(&mut self, conn: ConnId) -> Option<(Slot, &mut Client)> {
        let slot = *self.by_conn.get(&conn)?;
        Some((slot, self.places[slot].as_mut()?))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Client> {
        self.places.iter().flatten()
    }

    /// Takes all clients out.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Client> {
        self.by_conn.clear();
        self.free.clear();
        self.places.drain(..).flatten()
    }
}
