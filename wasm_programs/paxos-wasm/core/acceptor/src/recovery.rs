//! From records back to an acceptor.

use crate::Acceptor;
use crate::log::Entry;
use paxos_types::{Bytes, Record, Slot, WireError};
use std::collections::BTreeMap;
use std::fmt;

/// Why the records of a storage make no acceptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveryError {
    /// The record's position.
    pub position: u64,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for RecoveryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "record {} of the acceptor's storage cannot be used: {}", self.position, self.reason)
    }
}

impl std::error::Error for RecoveryError {}

/// Accepted values on the way from the storage into the log. They need not be near each other: storages let go whole segments, so
/// values that a checkpoint made superfluous long ago may come before it.
pub(crate) type Recovered = BTreeMap<Slot, Entry>;

impl Acceptor {
    pub(crate) fn recover(
        &mut self,
        position: u64,
        bytes: &Bytes,
        recovered: &mut Recovered,
    ) -> Result<(), RecoveryError> {
        let error = |reason: String| RecoveryError { position, reason };
        if position <= self.appended {
            return Err(error(format!("it comes after record {}", self.appended)));
        }
        self.appended = position;
        match Record::decode(bytes).map_err(|e: WireError| error(e.to_string()))? {
            Record::Promise(ballot) => self.promised = self.promised.max(ballot),
            Record::Accept { ballot, slot, batch } => {
                self.promised = self.promised.max(ballot);
                if slot >= self.log.first() {
                    recovered.insert(slot, Entry { ballot, batch, position });
                }
            }
            Record::Known(node, incarnation) => self.registration.learn(node, incarnation),
            Record::Registered => self.registration.activate(),
            Record::Checkpoint { promised, first, registered, known } => {
                self.promised = self.promised.max(promised);
                self.log.trim(first);
                *recovered = recovered.split_off(&first);
                if registered {
                    self.registration.activate();
                }
                for (node, incarnation) in known {
                    self.registration.learn(node, incarnation);
                }
            }
            Record::Round(_) => return Err(error("it is a proposer's".into())),
        }
        Ok(())
    }

    /// Puts the values that are left after the last record into the log.
    pub(crate) fn remember(&mut self, recovered: Recovered) -> Result<(), RecoveryError> {
        for (slot, Entry { ballot, batch, position }) in recovered {
            if !self.log.has_room(slot, batch.len(), &self.config) {
                let (first, slots, bytes) = (self.log.first(), self.config.log_slots, self.config.log_bytes);
                let reason =
                    format!("slot {slot} is beyond the {slots} slots from {first} on and the {bytes} bytes that fit");
                return Err(RecoveryError { position, reason });
            }
            self.log.insert(slot, ballot, batch, position);
        }
        Ok(())
    }
}
