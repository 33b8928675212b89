//! One node of a run: its disk, and what may befall it. What it may die of is kept in mind, and nothing else excuses it.

use crate::checkers::logs::Held;
use crate::toy;
use crate::world::clock::Clock;
use crate::world::executor::ProcessId;
use crate::world::host::SimHost;
use replicode_log::NodeId;
use replicode_replication::{Replica, TlsIdentity};
use replicode_store::sim_disk::{REFUSED, SimDisk};
use std::sync::Arc;

/// A run of a node.
pub(super) struct Running {
    pub process: ProcessId,
    pub host: Arc<SimHost>,
    pub replica: Replica,
    pub toy: toy::Shared,
    /// Whether it was asked to stop.
    pub asked: bool,
}

/// A node.
pub(super) struct Node {
    pub id: NodeId,
    pub disk: SimDisk,
    pub tls: TlsIdentity,
    pub running: Option<Running>,
    pub clock: Clock,
    /// How often it was started.
    pub life: u64,
    /// Whether its log has been founded.
    pub founded: bool,
    /// The last number that was offered to it.
    pub offered: u64,
    /// Something on its disk has rotted: where.
    pub rotten: Option<String>,
    /// What its log held before that.
    pub sound: Option<Held>,
    /// It has a directory that is not that of its last start.
    pub stranger: bool,
    /// It has another node's disk, that node's place.
    pub swapped: Option<usize>,
    /// A copy of its disk, and the start after which it was made.
    pub kept: Option<(SimDisk, u64)>,
    /// It has stopped for good, as it should.
    pub out: bool,
}

/// What follows from a node's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// Its disk has failed: it comes back after a power cut.
    Disk,
    /// It has found out that it must not take part again.
    ForGood,
    /// It has another node's disk: it comes back with its own.
    Swapped,
}

impl Node {
    pub(super) fn new(id: NodeId, tls: TlsIdentity, clock: Clock) -> Self {
        Self {
            id,
            disk: SimDisk::new(),
            tls,
            running: None,
            clock,
            life: 0,
            founded: false,
            offered: id.get() << 32,
            rotten: None,
            sound: None,
            stranger: false,
            swapped: None,
            kept: None,
            out: false,
        }
    }

    /// Whether a node may die, by what it says. Only what was done to it explains that.
    pub(super) fn leave(&self, why: &str, contradicted: bool) -> Option<Leave> {
        let damage = ["is damaged at offset", "is missing", "there is no log"].iter().any(|words| why.contains(words));
        if self.rotten.is_some() && damage {
            return Some(Leave::ForGood);
        }
        if self.stranger && (contradicted || why.contains("there is no log")) {
            return Some(Leave::ForGood);
        }
        if self.swapped.is_some() && why.contains("belongs to node") {
            return Some(Leave::Swapped);
        }
        if !contradicted && self.disk.refused() > 0 && why.contains(REFUSED) {
            return Some(Leave::Disk);
        }
        None
    }
}

/// How often this node was started, by what another one has noted durably (`starts` on its disk; see
/// `replicode_replication::starts`).
pub(super) fn noted(disk: &SimDisk, node: NodeId) -> u64 {
    const HEAD: usize = 9;
    const ROW: usize = 16;
    let row = |row: &[u8]| {
        let id = row.first_chunk().map(|id| u64::from_le_bytes(*id))?;
        let count = row.get(8..12)?.first_chunk().map(|count| u32::from_le_bytes(*count))?;
        (id == node.get()).then_some(u64::from(count))
    };
    let count = disk.durable("starts", |bytes| {
        let rows = bytes.get(HEAD..bytes.len().saturating_sub(4)).unwrap_or_default();
        rows.chunks_exact(ROW).find_map(row)
    });
    count.flatten().unwrap_or(0)
}
