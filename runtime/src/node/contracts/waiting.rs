//! Who waits for which answer. Every node computes every answer; the one that was asked passes it on.

use replicode_log::{BatchIndex, Called, Output};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// What became of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    /// In which batch that was decided.
    pub batch: BatchIndex,
    /// What was decided.
    pub outcome: Called,
    /// The receipt, encoded, if there is one and it is still kept.
    pub receipt: Option<Arc<[u8]>>,
}

/// Waiting ends without an answer when this node cannot tell any more: what it offered may be lost, or not.
#[derive(Default)]
pub struct Waiting(Mutex<State>);

#[derive(Default)]
struct State {
    calls: BTreeMap<(u64, u64), Vec<oneshot::Sender<Answer>>>,
    opens: BTreeMap<u64, oneshot::Sender<Option<u64>>>,
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Whole at every moment at which its holder could panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Somebody waits for what becomes of a client's number.
    pub fn call(&self, client: u64, sequence: u64) -> oneshot::Receiver<Answer> {
        let (tell, told) = oneshot::channel();
        let mut state = self.lock();
        let waiting = state.calls.entry((client, sequence)).or_default();
        // Those who have gone leave no trace when they repeat themselves.
        waiting.retain(|waiting| !waiting.is_closed());
        waiting.push(tell);
        told
    }

    /// Somebody waits for a client's number.
    pub fn open(&self, token: u64) -> oneshot::Receiver<Option<u64>> {
        let (tell, told) = oneshot::channel();
        self.lock().opens.insert(token, tell);
        told
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        let state = self.lock();
        state.calls.len() + state.opens.len()
    }

    /// An output of a batch. `receipt` finds the one at a place.
    pub fn settle(&self, batch: BatchIndex, output: &Output, receipt: impl FnOnce(u64, u32) -> Option<Arc<[u8]>>) {
        match *output {
            Output::Client { token, client } => {
                if let Some(waiting) = self.lock().opens.remove(&token) {
                    // Whoever asked may have gone.
                    let _ = waiting.send(client);
                }
            }
            Output::Receipt { client, sequence, outcome } => {
                let Some(waiting) = self.lock().calls.remove(&(client, sequence)) else { return };
                let receipt = match outcome {
                    Called::Executed { position } => receipt(batch.0, position),
                    Called::Repeated { batch, position } => receipt(batch.0, position),
                    _ => None,
                };
                for waiting in waiting {
                    let _ = waiting.send(Answer { batch, outcome, receipt: receipt.clone() });
                }
            }
            _ => {}
        }
    }

    /// What this node has offered may be lost: everybody is told to ask again.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.calls.clear();
        state.opens.clear();
    }
}
