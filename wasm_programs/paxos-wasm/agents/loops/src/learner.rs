//! The learner's loop, with the kv-store.

use std::collections::VecDeque;

use crate::links::{INTAKE, Links, earlier, network_figures, open_storage, weight};
use crate::ports::{Host, Kv, LearnerCore, Level, Network, Outcome, Storage, kv_store, learner};
use paxos_bindings::fault;
use paxos_bindings::wit::agent_types::{Letter, Turned};
use paxos_bindings::wit::core_types::{Execution, Sending};
use paxos_bindings::wit::settings::Settings;
use paxos_bindings::wit::types::{FaultKind, Role};

/// Bytes of a snapshot that are read at once.
const PART: u32 = 4 << 20;

/// Bytes of batches that are applied at once, as long as it is more than one batch: few, since short commands may have long answers.
const PIECE: usize = 4 << 10;
/// Bytes of messages that are held back to share frames.
const HELD: usize = 1 << 20;

/// A learner at work.
pub struct LearnerAgent<P> {
    ports: P,
    links: Links,
    /// The snapshot that the kv-store is making.
    making: Option<Making>,
    /// Snapshots that the storage has whole and that are not durable yet.
    saving: Vec<u64>,
}

struct Making {
    slot: u64,
    total: u64,
    /// Bytes of it that have come.
    done: u64,
}

impl<P: LearnerCore + Kv + Host + Network + Storage> LearnerAgent<P> {
    /// Opens, restores, listens.
    pub fn start(mut ports: P, settings: &Settings) -> Outcome<Self> {
        let opened = open_storage(&mut ports, settings, Role::Learner, |_, _, _| Ok(()), |_, _| Ok(()))?;
        ports.configure_store(kv_store::Config {
            node: settings.node,
            sessions: settings.limits.sessions.into(),
            seed: settings.seed,
        })?;
        let mut snapshot = Vec::new();
        if opened.snapshot > 0 {
            snapshot = load(&mut ports)?;
            ports.restore(opened.snapshot, &snapshot)?;
            let text = format!("restored from the snapshot of slot {}, {} bytes", opened.snapshot, snapshot.len());
            ports.log(Level::Info, &text);
        }
        let config = learner::Config {
            node: settings.node,
            nodes: settings.nodes.iter().map(|node| node.node).collect(),
            snapshot: opened.snapshot,
            snapshot_every: settings.snapshot_every,
            heartbeat: settings.timeouts.heartbeat,
            retransmit: settings.timeouts.retransmit,
        };
        LearnerCore::configure(&mut ports, &config, &snapshot)?;
        let links = Links::start(&mut ports, settings, Role::Learner, opened.incarnation)?;
        Ok(LearnerAgent { ports, links, making: None, saving: Vec::new() })
    }

    /// One turn: messages in, what is chosen to the kv-store, its answers to the proposer, a piece at a time: a short batch may have
    /// long answers, and they are handed on before there are more. Of a snapshot a turn makes one part: no batch waits for more.
    pub fn turn(&mut self, now: u64, letters: Vec<Letter>) -> Outcome<Turned> {
        let (mail, more) = self.links.intake(&mut self.ports, now, letters, INTAKE);
        let mut inputs = learner::Inputs { mail, applied: None, part: self.part()?, saved: self.saved()? };
        let mut actions: VecDeque<learner::Action> = VecDeque::new();
        let mut sends: Vec<Sending> = Vec::new();
        let deadline = loop {
            let outputs = LearnerCore::step(&mut self.ports, now, &inputs)?;
            actions.extend(outputs.actions);
            sends.extend(outputs.send);
            if sends.iter().map(|sending| weight(&sending.message)).sum::<usize>() > HELD {
                self.links.dispatch(&mut self.ports, std::mem::take(&mut sends));
            }
            let applied = self.act(&mut actions)?;
            inputs = learner::Inputs { mail: Vec::new(), applied, part: None, saved: self.saved()? };
            if inputs.applied.is_none() && inputs.saved.is_none() {
                break outputs.deadline;
            }
        };
        self.links.crash_point(&mut self.ports, "learner-before-send");
        self.links.dispatch(&mut self.ports, sends);
        let local = self.links.pump(&mut self.ports, now);
        let more = more || self.making.is_some();
        Ok(Turned { deadline: earlier(deadline, self.links.deadline()), more, local })
    }

    /// Does what the core wants done, in its order, up to and including one piece for the kv-store; answers what that has applied.
    fn act(&mut self, actions: &mut VecDeque<learner::Action>) -> Outcome<Option<learner::Applied>> {
        while let Some(action) = actions.pop_front() {
            match action {
                learner::Action::Execute(mut slots) => {
                    let rest = slots.split_off(piece(&slots));
                    if !rest.is_empty() {
                        actions.push_front(learner::Action::Execute(rest));
                    }
                    let Some(upto) = slots.last().map(|slot| slot.slot) else { continue };
                    let replies = self.ports.apply(&slots)?;
                    return Ok(Some(learner::Applied { upto, replies }));
                }
                learner::Action::TakeSnapshot(slot) => {
                    let kv_store::Begun { slot: found, total } = self.ports.begin_state();
                    if found != slot {
                        let text = format!("a snapshot of slot {slot} is due, and the kv-store is at {found}");
                        return Err(fault(FaultKind::Contract, text));
                    }
                    self.ports.begin_snapshot(slot)?;
                    self.making = Some(Making { slot, total, done: 0 });
                }
                learner::Action::Install(snapshot) => {
                    // The kv-store has given up what it was making.
                    self.making = None;
                    self.ports.restore(snapshot.slot, &snapshot.bytes)?;
                    let text = format!("took the snapshot of slot {} from another learner", snapshot.slot);
                    self.ports.log(Level::Info, &text);
                    self.ports.begin_snapshot(snapshot.slot)?;
                    for part in snapshot.bytes.chunks(PART as usize) {
                        self.ports.add_to_snapshot(part)?;
                    }
                    self.finish(snapshot.slot)?;
                }
            }
        }
        Ok(None)
    }

    /// One part of the snapshot that is being made, to the storage and for the core.
    fn part(&mut self) -> Outcome<Option<learner::SnapshotPart>> {
        let Some(making) = &mut self.making else { return Ok(None) };
        let bytes = self.ports.state_part()?;
        if !bytes.is_empty() {
            self.ports.add_to_snapshot(&bytes)?;
        }
        making.done += bytes.len() as u64;
        let (slot, total) = (making.slot, making.total);
        if making.done >= total {
            self.making = None;
            self.finish(slot)?;
        }
        Ok(Some(learner::SnapshotPart { slot, total, bytes }))
    }

    fn finish(&mut self, slot: u64) -> Outcome<()> {
        self.links.crash_point(&mut self.ports, "learner-before-snapshot");
        self.ports.finish_snapshot()?;
        self.ports.flush()?;
        self.links.crash_point(&mut self.ports, "learner-after-snapshot");
        self.saving.push(slot);
        Ok(())
    }

    /// The next snapshot that has become durable.
    fn saved(&mut self) -> Outcome<Option<u64>> {
        if self.saving.is_empty() {
            return Ok(None);
        }
        let durable = self.ports.durable()?.snapshot;
        let ready = self.saving.first().is_some_and(|slot| *slot <= durable);
        Ok(ready.then(|| self.saving.remove(0)))
    }

    /// For the table of `status`.
    pub fn metrics(&mut self) -> Vec<(String, u64)> {
        let standing = LearnerCore::stand(&mut self.ports);
        let store = self.ports.stand_store();
        let mut figures = vec![
            ("slot".into(), standing.executed),
            ("snapshot-slot".into(), standing.snapshot),
            ("applied".into(), store.applied),
            ("commands".into(), store.index),
            ("keys".into(), store.keys),
            ("sessions".into(), store.sessions),
        ];
        figures.extend(network_figures(&mut self.ports, self.links.up().len()));
        figures
    }

    /// Syncs and ends.
    pub fn stop(&mut self) -> Outcome<()> {
        self.ports.close_network();
        self.ports.close()
    }
}

/// How many of the slots make a piece.
fn piece(slots: &[Execution]) -> usize {
    let mut bytes = 0;
    let fits = slots.iter().take_while(|slot| {
        bytes += slot.batch.len();
        bytes <= PIECE
    });
    fits.count().max(1).min(slots.len())
}

/// The whole snapshot.
fn load<P: Storage>(ports: &mut P) -> Outcome<Vec<u8>> {
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let part = ports.load_snapshot(bytes.len() as u64, PART)?;
        let Some(part) = part.filter(|part| !part.bytes.is_empty()) else { return Ok(bytes) };
        bytes.extend_from_slice(&part.bytes);
        if bytes.len() as u64 >= part.total {
            return Ok(bytes);
        }
    }
}
