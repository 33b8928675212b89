//! What an operator wants of the cell's programs, on its way through the log and back.
//!
//! The thread that serves the operator offers the order and waits; the machine thread, which sees the answer among the
//! outputs of some batch, wakes it. Which order an answer is about is told by a number drawn here.

use crate::admin;
use crate::datadir;
use anyhow::{Result, bail};
use replicode_log::{ClusterConfig, Input, Order, Ordered};
use replicode_replication::Replica;
use std::collections::BTreeMap;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long an operator waits for the cluster to agree; less than the admin client waits for the node.
const PATIENCE: Duration = Duration::from_secs(8);

/// Orders under way, by token.
#[derive(Debug)]
pub struct Orders {
    waiting: Mutex<BTreeMap<u64, SyncSender<Ordered>>>,
    programs: Vec<String>,
}

impl Orders {
    /// Nothing is under way.
    #[must_use]
    pub fn new(config: &ClusterConfig) -> Self {
        let programs = config.programs.iter().map(|program| program.name.clone()).collect();
        Self { waiting: Mutex::default(), programs }
    }

    /// Gives an order to the cell and waits for what becomes of it; answers an [`admin::Ordered`].
    ///
    /// # Errors
    /// Why it was not carried out, for the operator.
    pub fn give(&self, replica: &Replica, order: Order) -> Result<serde_json::Value> {
        let token = u64::from_le_bytes(datadir::random()?);
        let (tell, told) = sync_channel(1);
        self.lock().insert(token, tell);
        replica.offer(&mut vec![Input::Order { token, order: order.clone() }]);
        let outcome = told.recv_timeout(PATIENCE);
        self.lock().remove(&token);
        let Ok(outcome) = outcome else {
            bail!(
                "the cluster has not carried it out within {} s, and may yet: no majority can be reached, or a batch \
                 takes long; 'replicode status' and 'ps' tell",
                PATIENCE.as_secs()
            )
        };
        Ok(serde_json::to_value(self.judge(&order, outcome)?)?)
    }

    /// The answer to an order is in a batch.
    pub fn settle(&self, token: u64, outcome: Ordered) {
        if let Some(waiting) = self.lock().remove(&token) {
            // Whoever asked may have lost patience.
            let _ = waiting.send(outcome);
        }
    }

    fn judge(&self, order: &Order, outcome: Ordered) -> Result<admin::Ordered> {
        let program = order.program().to_string();
        match outcome {
            Ordered::Done { pids } => Ok(admin::Ordered { program, pids: pids.iter().map(|pid| pid.0).collect() }),
            Ordered::Forgotten => Ok(admin::Ordered { program, pids: Vec::new() }),
            Ordered::Unknown => {
                bail!("there is no program '{program}' in the cell: it has {}", self.programs.join(", "))
            }
            Ordered::Runs { pid } => bail!("'{program}' runs already, as process {}", pid.0),
            Ordered::RunsNot => bail!("'{program}' does not run: 'replicode ps' tells how it ended"),
            Ordered::Full => bail!(
                "'{program}' cannot be started: the cell has as many processes as the limit 'processes' allows; end one \
                 of them first"
            ),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, SyncSender<Ordered>>> {
        // Whole at every moment at which its holder could panic.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
