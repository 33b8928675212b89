//! Clients by place, as sockets are known, and by number, as the log knows them.

use super::Slot;
use super::flow::Flow;
use replicode_log::ConnId;
use std::collections::BTreeMap;

/// The clients. A place is free for the next client once the end of the one before has been carried out, so that what is
/// asked for at a place is always about one client.
#[derive(Debug, Default)]
pub(crate) struct Places {
    places: Vec<Option<Flow>>,
    free: Vec<Slot>,
    by_conn: BTreeMap<ConnId, Slot>,
}

impl Places {
    /// Clients that are there.
    pub(crate) fn len(&self) -> usize {
        self.by_conn.len()
    }

    /// The place that the next client will have.
    pub(crate) fn next(&self) -> Slot {
        self.free.last().copied().unwrap_or(self.places.len())
    }

    pub(crate) fn insert(&mut self, flow: Flow) -> Slot {
        let slot = self.next();
        self.by_conn.insert(flow.conn(), slot);
        if self.free.pop().is_some() {
            self.places[slot] = Some(flow);
        } else {
            self.places.push(Some(flow));
        }
        slot
    }

    /// The client goes; its place is not free yet.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Flow> {
        let flow = self.places.get_mut(slot)?.take()?;
        self.by_conn.remove(&flow.conn());
        Some(flow)
    }

    /// The place of a client that went is free.
    pub(crate) fn release(&mut self, slot: Slot) {
        self.free.push(slot);
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Flow> {
        self.places.get_mut(slot)?.as_mut()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Flow> {
        self.places.get(slot)?.as_ref()
    }

    pub(crate) fn find(&mut self, conn: ConnId) -> Option<(Slot, &mut Flow)> {
        let slot = *self.by_conn.get(&conn)?;
        Some((slot, self.places[slot].as_mut()?))
    }

    /// The clients in the order of their numbers.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Flow> {
        self.by_conn.values().filter_map(|slot| self.places[*slot].as_ref())
    }

    /// All places that are taken.
    pub(crate) fn slots(&self) -> Vec<Slot> {
        self.by_conn.values().copied().collect()
    }
}
