//! The machine of the `consensus` profile: it counts, and tells the checkers of everything.

use crate::checkers::Oracle;
use crate::world::executor::Nanos;
use crate::world::host::SimHost;
use crate::world::seeds::Stream;
use replicode_log::{Batch, BatchIndex, BootNo, ConnId, Input, LogicalTime, NodeId, Pid};
use replicode_replication::{Committed, Event, Events, Fault, Progress, Replica};
use replicode_store::segment::Owner;
use replicode_store::sim_disk::SimDisk;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is known of a node's boots.
#[derive(Clone, Copy, Debug, Default)]
struct Origin {
    boot: BootNo,
    next: u64,
    nonce: u64,
    over: bool,
}

/// A node's machine, as far as others look into it.
#[derive(Debug, Default)]
pub struct Toy {
    /// Batches executed.
    pub batches: u64,
    /// Numbers that inputs carried, in order.
    pub numbers: Vec<u64>,
    /// Why the node must stop.
    pub fault: Option<Fault>,
    /// Whether this node's boot is granted, and not over.
    pub booted: bool,
    origins: BTreeMap<NodeId, Origin>,
    time: LogicalTime,
    nonce: u64,
}

/// A machine that is shared with whoever looks.
pub type Shared = Arc<Mutex<Toy>>;

/// A look.
pub fn look<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An input that carries a number.
#[must_use]
pub fn data(number: u64) -> Input {
    Input::Data { conn: ConnId::console(Pid(1)), offset: number, bytes: number.to_le_bytes().to_vec() }
}

impl Toy {
    fn apply(&mut self, me: NodeId, committed: &Committed, replica: &Replica, oracle: &mut Oracle) {
        let Ok(batch) = Batch::decode(&committed.encoded) else {
            return oracle.broken("S1", format!("{me}: batch {} cannot be decoded", committed.index));
        };
        if batch.header.index != BatchIndex(self.batches + 1) {
            let (got, after) = (batch.header.index, self.batches);
            return oracle.broken("S1", format!("{me} was given batch {got} after {after}"));
        }
        if batch.header.time <= self.time {
            oracle.broken("S11", format!("{me}: time does not grow with batch {}", batch.header.index));
        }
        self.time = batch.header.time;
        self.batches += 1;
        for section in batch.sections {
            for (n, input) in section.inputs.into_iter().enumerate() {
                self.admit(me, section.origin, section.boot, section.first_seq + n as u64, &input, replica, oracle);
            }
        }
        let next_seq = self.origins.get(&me).map_or(1, |origin| origin.next);
        replica.applied(Progress { index: batch.header.index, next_deadline: None, next_seq });
    }

    #[allow(clippy::too_many_arguments, reason = "an input comes with its name")]
    fn admit(
        &mut self,
        me: NodeId,
        from: NodeId,
        boot: BootNo,
        seq: u64,
        input: &Input,
        replica: &Replica,
        oracle: &mut Oracle,
    ) {
        let origin = self.origins.entry(from).or_default();
        if let Input::Boot { nonce } = input {
            if origin.nonce != *nonce {
                *origin = Origin { boot: BootNo(origin.boot.0 + 1), next: 1, nonce: *nonce, over: false };
                let boot = origin.boot;
                if from == me && *nonce == self.nonce {
                    self.booted = true;
                    replica.booted(boot);
                } else if from == me && self.booted {
                    // A request of an earlier start came late, and ended this one's boot.
                    self.booted = false;
                    self.nonce = replica.boot();
                }
                if from != me
                    && let Err(why) = replica.started(from, *nonce)
                {
                    let what = "a start cannot be noted".to_string();
                    self.fault.get_or_insert(Fault { what, why, contradicted: false });
                }
                self.watch(replica);
            }
            return;
        }
        if origin.over || boot != origin.boot || seq != origin.next {
            return;
        }
        origin.next += 1;
        match input {
            Input::NodeDown { node, boot } => {
                let down = self.origins.entry(*node).or_default();
                if down.boot == *boot && !down.over {
                    down.over = true;
                    if *node == me && down.nonce == self.nonce {
                        self.booted = false;
                        self.nonce = replica.boot();
                    }
                    self.watch(replica);
                }
            }
            Input::Data { offset, .. } => {
                self.numbers.push(*offset);
                oracle.applied(me, from, *offset, self.numbers.len() as u64);
                if from == me && self.booted {
                    oracle.acknowledged(*offset);
                }
            }
            _ => {}
        }
    }

    fn watch(&self, replica: &Replica) {
        let alive = self.origins.iter().filter(|(_, origin)| !origin.over && origin.boot != BootNo(0));
        replica.watch_over(Some(alive.map(|(node, origin)| (*node, origin.boot)).collect()));
    }
}

/// Asks for the first boot of a process.
pub fn boot(shared: &Mutex<Toy>, replica: &Replica) {
    look(shared).nonce = replica.boot();
}

/// Who looks on.
pub struct Seen {
    /// Judges.
    pub oracle: Arc<Mutex<Oracle>>,
    /// Whose machine it is.
    pub owner: Owner,
    /// Its disk.
    pub disk: SimDisk,
}

/// Takes what a replica gives until it has stopped. A batch takes up to `effort`.
pub async fn drive(
    shared: Shared,
    seen: Seen,
    replica: Replica,
    mut events: Events,
    host: Arc<SimHost>,
    effort: Nanos,
    mut draws: Stream,
) {
    let me = seen.owner.node;
    while let Some(event) = events.next().await {
        match event {
            Event::Batch(committed) => {
                {
                    let mut oracle = look(&seen.oracle);
                    oracle.story.now = host.now();
                    oracle.delivered(me, &committed);
                }
                if effort > 0 {
                    host.nap(draws.range(0, effort)).await;
                }
                look(&shared).apply(me, &committed, &replica, &mut look(&seen.oracle));
            }
            Event::Leadership(leadership) => {
                let mut oracle = look(&seen.oracle);
                oracle.story.now = host.now();
                oracle.leadership(me, leadership, seen.owner, &seen.disk);
            }
            Event::Fatal(fault) => {
                look(&shared).fault.get_or_insert(fault);
            }
        }
    }
}
