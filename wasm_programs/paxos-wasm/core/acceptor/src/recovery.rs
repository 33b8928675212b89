//! From records back to an acceptor.

use crate::Acceptor;
use paxos_types::{Bytes, Record, WireError};
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

impl Acceptor {
    pub(crate) fn recover(&mut self, position: u64, bytes: &Bytes) -> Result<(), RecoveryError> {
        let error = |reason: String| RecoveryError { position, reason };
        if position <= self.appended {
            return Err(error(format!("it comes after record {}", self.appended)));
        }
        self.appended = position;
        match Record::decode(bytes).map_err(|e: WireError| error(e.to_string()))? {
            Record::Promise(ballot) => self.promised = self.promised.max(ballot),
            Record::Accept { ballot, slot, batch } => {
                self.promised = self.promised.max(ballot);
                // Records that a checkpoint made superfluous may still be there.
                if slot >= self.log.first() {
                    if !self.log.has_room(slot, batch.len(), &self.config) {
                        let reason = format!("slot {slot} is beyond the {} that fit", self.config.log_slots);
                        return Err(error(reason));
                    }
                    self.log.insert(slot, ballot, batch, position);
                }
            }
            Record::Known(node, incarnation) => self.registration.learn(node, incarnation),
            Record::Registered => self.registration.activate(),
            Record::Checkpoint { promised, first, registered, known } => {
                self.promised = self.promised.max(promised);
                self.log.trim(first);
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
}
