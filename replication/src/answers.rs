//! What the engine answers to a proposal: each ends in exactly one of applied, refused, lost.
//!
//! That it is applied shows in what is delivered. The other two are told here: the engine refuses while it does not lead,
//! while its lease has run out (it has not heard of a quorum for a while), while it hands leadership over; and what it
//! drops without an answer is lost.

use crate::raft::TypeConfig;
use openraft::OptionalSend;
use openraft::raft::ClientWriteResult;
use openraft::raft::responder::Responder;
use replicode_log::BatchIndex;
use std::any::Any;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// A proposal that has come to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The batch.
    pub index: BatchIndex,
    /// Which proposal of it.
    pub attempt: u64,
    /// The engine's reason.
    pub why: String,
}

/// Refusals, until the driver takes them.
#[derive(Debug)]
pub struct Refusals {
    untold: Mutex<Vec<Refusal>>,
    wake: Arc<Notify>,
}

impl Refusals {
    /// None yet. `wake` is notified of each.
    #[must_use]
    pub fn new(wake: Arc<Notify>) -> Self {
        Self { untold: Mutex::default(), wake }
    }

    /// Those since the last call.
    #[must_use]
    pub fn take(&self) -> Vec<Refusal> {
        std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn tell(&self, index: BatchIndex, attempt: u64, why: String) {
        #[cfg(feature = "planted")]
        if replicode_store::planted::planted(replicode_store::planted::Mistake::Wedge) {
            return;
        }
        let refusal = Refusal { index, attempt, why };
        self.untold.lock().unwrap_or_else(PoisonError::into_inner).push(refusal);
        self.wake.notify_one();
    }
}

/// Waits for the answer to one proposal.
#[derive(Debug)]
pub struct Answer<T> {
    index: BatchIndex,
    attempt: u64,
    refusals: Arc<Refusals>,
    answered: bool,
    of: PhantomData<fn(T)>,
}

impl<T> Answer<T> {
    /// To a proposal of a batch.
    #[must_use]
    pub const fn new(index: BatchIndex, attempt: u64, refusals: Arc<Refusals>) -> Self {
        Self { index, attempt, refusals, answered: false, of: PhantomData }
    }
}

impl<T: OptionalSend + 'static> Responder<TypeConfig, T> for Answer<T> {
    fn on_complete(mut self, result: T) {
        self.answered = true;
        // The engine's trait is for answers of any type; those to proposals are of this one.
        if let Some(Err(error)) = (&result as &dyn Any).downcast_ref::<ClientWriteResult<TypeConfig>>() {
            self.refusals.tell(self.index, self.attempt, error.to_string());
        }
    }
}

impl<T> Drop for Answer<T> {
    fn drop(&mut self) {
        if !self.answered {
            self.refusals.tell(self.index, self.attempt, "it was dropped without an answer".to_string());
        }
    }
}
