//! All stream sockets of a cell: a slab, and the map from the numbers that the NAT table knows.

use crate::socket::Socket;
use borsh::{BorshDeserialize, BorshSerialize};
use replicode_log::SockId;
use std::collections::BTreeMap;

/// Position of a socket in the slab. Positions are used again, numbers ([`SockId`]) never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, BorshSerialize, BorshDeserialize)]
pub(crate) struct Slot(u32);

/// The sockets. Descriptors hold a [`Slot`], so that a call finds its socket by an index.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Sockets {
    slab: Vec<Option<Box<Socket>>>,
    free: Vec<Slot>,
    by_id: BTreeMap<SockId, Slot>,
    last_id: SockId,
}

impl Sockets {
    /// Adds a socket; the constructor gets its number.
    pub(crate) fn insert(&mut self, make: impl FnOnce(SockId) -> Socket) -> Slot {
        self.last_id = self.last_id.next();
        let socket = Some(Box::new(make(self.last_id)));
        let slot = if let Some(slot) = self.free.pop() {
            self.slab[slot.0 as usize] = socket;
            slot
        } else {
            self.slab.push(socket);
            // Descriptor and connection limits keep the slab far below 2^32.
            Slot((self.slab.len() - 1) as u32)
        };
        self.by_id.insert(self.last_id, slot);
        slot
    }

    /// Removes a socket. Descriptors and queues must not name it any more.
    pub(crate) fn remove(&mut self, slot: Slot) -> Option<Box<Socket>> {
        let socket = self.slab.get_mut(slot.0 as usize)?.take()?;
        self.by_id.remove(&socket.id);
        self.free.push(slot);
        Some(socket)
    }

    pub(crate) fn slot_of(&self, id: SockId) -> Option<Slot> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn get(&self, slot: Slot) -> Option<&Socket> {
        self.slab.get(slot.0 as usize)?.as_deref()
    }

    pub(crate) fn get_mut(&mut self, slot: Slot) -> Option<&mut Socket> {
        self.slab.get_mut(slot.0 as usize)?.as_deref_mut()
    }

    /// How many sockets there are.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }
}
