//! What befalls disks in a run: rot, other directories, other nodes' disks; and how everything is healed.

use super::node::Node;
use super::{Run, node, rot};
use crate::checkers::logs::{Held, Logs};
use crate::plan::Rot;
use crate::toy::look;
use replicode_store::sim_disk::SimDisk;

impl Run<'_> {
    /// A node has started from a disk on which something had rotted. Fine, if nothing was amiss with what matters.
    pub(super) fn rotted_unnoticed(&mut self, node: usize, before: Result<Held, String>) {
        let place = self.nodes[node].rotten.clone().unwrap_or_default();
        let id = self.nodes[node].id;
        let sound = self.nodes[node].sound.clone();
        let what = match before {
            Ok(held) if Some(&held) == sound.as_ref() => return,
            Ok(held) => {
                format!("{} entries are left of {}", held.entries.len(), sound.map_or(0, |sound| sound.entries.len()))
            }
            Err(why) => why,
        };
        look(&self.oracle).broken("S7", format!("{id} has started although {place} has rotted: {what}"));
    }

    /// A node has another disk, or what is on it may have changed.
    pub(super) fn look_at_disk(&mut self, node: usize) {
        let held = &self.nodes[node];
        let mut oracle = look(&self.oracle);
        oracle.durable.disk(node, &held.disk);
        if held.founded && held.swapped.is_none() && held.rotten.is_none() && !held.stranger {
            if let Err(why) = oracle.logs.scan(self.owner(node), &held.disk) {
                oracle.broken("log matching", why);
            }
            let wrong = oracle.durable.wrong(node);
            oracle.judge("monotonic vote", wrong.map_or(Ok(()), |what| Err(format!("{}: {what}", held.id))));
        }
    }

    pub(super) fn rot(&mut self, node: usize, kind: Rot, number: u64) {
        let held = &self.nodes[node];
        if !held.founded || held.swapped.is_some() || held.stranger || held.rotten.is_some() || held.out {
            return;
        }
        self.crash(node);
        if self.is_over() {
            return;
        }
        look(&self.oracle).durable.loses(node);
        // As a start would leave it: what a crash has torn is cut.
        let sound = Logs::default().scan(self.owner(node), &self.nodes[node].disk).ok();
        let held = &mut self.nodes[node];
        (held.sound, held.rotten) = (sound, rot::rot(&held.disk, kind, number));
        if let Some(place) = held.rotten.clone() {
            self.tell(Some(node), format!("{kind:?} in {place}"));
        }
    }

    /// A node gets another directory than that of its last start: one of which all others know that it is over.
    pub(super) fn replace(&mut self, node: usize, disk: Option<SimDisk>, found: bool) {
        let held = &self.nodes[node];
        if !held.founded || held.swapped.is_some() || held.rotten.is_some() || held.stranger || held.out {
            return;
        }
        let (id, count) = (held.id, node::noted(&held.disk, held.id));
        let known = self.nodes.iter().filter(|other| other.id != id && other.swapped.is_none());
        let known = known.filter(|other| node::noted(&other.disk, id) >= count).count();
        if count == 0 || known + 1 < self.nodes.len() {
            return;
        }
        self.losses += 1;
        self.crash(node);
        look(&self.oracle).durable.loses(node);
        let held = &mut self.nodes[node];
        held.stranger = true;
        held.founded = disk.is_some() || !found;
        held.disk = disk.unwrap_or_default();
        self.tell(Some(node), "has another directory from now on");
        look(&self.oracle).strangers.insert(node);
        self.look_at_disk(node);
    }

    pub(super) fn swap(&mut self, one: usize, other: usize) {
        let fits = |node: &Node, with: usize| {
            node.founded
                && !node.stranger
                && !node.out
                && node.rotten.is_none()
                && node.swapped.is_none_or(|at| at == with)
        };
        if one == other || !fits(&self.nodes[one], other) || !fits(&self.nodes[other], one) {
            return;
        }
        let swapped = self.nodes[one].swapped.is_none();
        self.crash(one);
        self.crash(other);
        let (first, second) = (self.nodes[one].disk.clone(), self.nodes[other].disk.clone());
        (self.nodes[one].disk, self.nodes[other].disk) = (second, first);
        self.nodes[one].swapped = swapped.then_some(other);
        self.nodes[other].swapped = swapped.then_some(one);
        self.look_at_disk(one);
        self.look_at_disk(other);
    }

    /// Ends all faults.
    pub(super) fn heal(&mut self) {
        self.tell(None, "everything is healed");
        {
            let mut core = self.world.core();
            core.net.heal();
            core.net.weather = self.plan.calm;
            core.frozen.clear();
        }
        for node in 0..self.nodes.len() {
            if let Some(other) = self.nodes[node].swapped {
                self.swap(node, other);
            }
            if self.nodes[node].disk.is_failing() || self.nodes[node].disk.refused() > 0 {
                self.disks += 1;
                self.crash(node);
            }
            if let Some(running) = &self.nodes[node].running {
                self.world.resume(running.process);
            }
        }
    }
}
