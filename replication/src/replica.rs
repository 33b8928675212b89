//! The handle of a running replica.

use crate::config::ReplicaConfig;
use crate::delivery::Delivery;
use crate::error::{AskError, ReplicaError};
use crate::status::ReplicaStatus;
use replicode_log::{BatchIndex, BootNo, Input, LogicalTime, NodeId};
use std::sync::Arc;
use std::time::Duration;

/// How far the machine above has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The last batch it applied.
    pub index: BatchIndex,
    /// When it wants to be given a batch even if nothing arrives; `None`: never.
    pub next_deadline: Option<LogicalTime>,
    /// The sequence number it expects next from this node's current boot (`Machine::origin`).
    pub next_seq: u64,
}

/// Starts a replica: its own thread for consensus and network, one more for the log's writes. Returns when the log has
/// been opened and the peer address is listened on. Batches already committed in the log are delivered again, from
/// the first, since nothing is kept of the machine's state.
///
/// # Errors
/// [`ReplicaError`] says what is wrong with the configuration, the credentials, the log or the address.
pub fn start(config: ReplicaConfig, delivery: impl Delivery) -> Result<Replica, ReplicaError> {
    let _ = delivery;
    Err(ReplicaError::NotAMember(config.node))
}

/// A running replica. Cheap to clone; all methods may be called from any thread and none of them waits, unless it
/// says so.
#[derive(Clone, Debug)]
pub struct Replica {
    shared: Arc<()>,
}

impl Replica {
    /// Offers inputs of this node's current boot, in order, and leaves `inputs` empty. They are numbered here and kept
    /// until [`Replica::applied`] says that the machine has them; they are sent again whenever they may have been lost.
    /// Inputs offered before the boot is granted wait for it.
    pub fn offer(&self, inputs: &mut Vec<Input>) {
        let _ = &self.shared;
        inputs.clear();
    }

    /// Asks the log for a boot number, again and again until [`Replica::booted`]. Inputs of an earlier boot that are not
    /// yet applied are dropped: their connections are gone.
    pub fn boot(&self, nonce: u64) {
        let _ = nonce;
    }

    /// The machine has granted this node's boot: numbering starts again at 1.
    pub fn booted(&self, boot: BootNo) {
        let _ = boot;
    }

    /// The machine has applied a batch.
    pub fn applied(&self, progress: Progress) {
        let _ = progress;
    }

    /// A picture of this moment.
    #[must_use]
    pub fn status(&self) -> ReplicaStatus {
        unimplemented!("the replica is under construction")
    }

    /// On the leader: members that have not answered, and for how long. Empty on other nodes.
    #[must_use]
    pub fn silent_peers(&self) -> Vec<(NodeId, Duration)> {
        Vec::new()
    }

    /// Asks another node something ([`Delivery::answer`]) and waits for the answer, at most `timeout`.
    ///
    /// # Errors
    /// [`AskError`] when the node is unknown, cannot be reached or does not answer in time.
    pub fn ask(&self, node: NodeId, question: &[u8], timeout: Duration) -> Result<Vec<u8>, AskError> {
        let _ = (question, timeout);
        Err(AskError::Unknown(node))
    }

    /// Hands leadership over when possible, flushes the log and stops; waits until that is done (a few seconds at most).
    /// Other clones of the handle become inert.
    pub fn shutdown(self) {}
}
