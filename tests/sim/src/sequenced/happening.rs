//! What happens, and what follows for whom.

use super::node::Up;
use super::plan::{Act, Mistake};
use super::{Tcp, World};
use crate::outcome::Verdict;
use crate::plan::MS;
use crate::world::executor::Nanos;
use replicode_log::Input;
use replicode_nat::client::Readiness;
use replicode_pacing::Parcel;
use replicode_pacing::stall::Wait;
use replicode_store::sim_disk::Dice;
use std::time::Duration;

/// Something that happens at a moment. Nodes, clients and connections by number; runs of nodes too, so that what was for
/// an earlier one is for nobody.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    /// A client looks what there is to do.
    Client(usize),
    /// A node does.
    Node(usize, u64),
    /// Something has arrived at a node's end of a connection, or there is room again.
    Socket(usize),
    /// A node's inputs are where batches are made.
    Inputs(usize, u64, u32, Vec<u8>),
    /// A node hears how many batches there are, and how many are agreed on.
    News(usize, u64, u64, u64),
    /// A node's sync is through.
    Synced(usize, u64),
    /// It is known how many batches a node has made durable.
    Durable(usize, u64),
    /// A node hears that somebody else leads.
    Leader(usize, u64),
    /// A node that was cut off is not any more.
    Uncut(usize),
    /// Whoever watches over nodes looks who is silent.
    Watch,
    /// Batches are made, if any are due.
    Sequence,
}

impl Event {
    pub(super) const fn kind(&self) -> u64 {
        match self {
            Self::Client(..) => 1,
            Self::Node(..) => 2,
            Self::Socket(..) => 3,
            Self::Inputs(..) => 4,
            Self::News(..) => 5,
            Self::Synced(..) => 6,
            Self::Durable(..) => 7,
            Self::Leader(..) => 8,
            Self::Uncut(..) => 9,
            Self::Watch => 10,
            Self::Sequence => 11,
        }
    }

    pub(super) const fn about(&self) -> u64 {
        match self {
            Self::Client(who)
            | Self::Node(who, _)
            | Self::Socket(who)
            | Self::Inputs(who, ..)
            | Self::News(who, ..)
            | Self::Synced(who, _)
            | Self::Durable(who, _)
            | Self::Leader(who, _)
            | Self::Uncut(who) => *who as u64,
            Self::Watch | Self::Sequence => 0,
        }
    }

    /// The node to which it happens, if it waits for one that stands still.
    const fn waits_for(&self) -> Option<usize> {
        match self {
            Self::Node(node, _) | Self::News(node, ..) | Self::Synced(node, _) | Self::Leader(node, _) => Some(*node),
            _ => None,
        }
    }
}

impl World<'_> {
    pub(super) fn happens(&mut self, event: Event) {
        if let Some(node) = event.waits_for()
            && self.nodes[node].paused > self.now
        {
            return self.at(self.nodes[node].paused, event);
        }
        match event {
            Event::Client(client) => {
                self.clients[client].wake = self.clients[client].wake.filter(|wake| *wake > self.now);
                self.client(client);
            }
            Event::Node(node, run) => self.with(node, run, |world, node, up| {
                up.wake = up.wake.filter(|wake| *wake > world.now);
                world.look_after(node, up);
            }),
            Event::Socket(tcp) => self.socket(tcp),
            Event::Inputs(node, first_seq, count, bytes) => {
                if self.nodes[node].cut.is_none() {
                    self.sequencer.push(Parcel { first_seq, count, bytes: bytes.into() });
                    self.sequence();
                }
            }
            Event::News(node, run, len, agreed) => {
                if self.nodes[node].cut.is_none() {
                    self.with(node, run, |world, node, up| world.news(node, up, len, agreed));
                }
            }
            Event::Synced(node, run) => self.with(node, run, |world, node, up| world.synced(node, up)),
            Event::Durable(node, count) => {
                if self.sequencer.made_durable(node, count) {
                    self.tell_all();
                }
            }
            Event::Leader(node, run) => self.with(node, run, |world, node, up| {
                up.outgoing.rewind();
                world.look_after(node, up);
            }),
            Event::Uncut(node) => self.uncut(node),
            Event::Watch => self.watch(),
            Event::Sequence => self.sequence(),
        }
    }

    /// Does something with a run of a node, if that is the one that runs.
    fn with(&mut self, node: usize, run: u64, what: impl FnOnce(&mut Self, usize, &mut Up)) {
        let Some(mut up) = self.nodes[node].up.take_if(|up| up.run == run) else { return };
        what(self, node, &mut up);
        // Unless it has died of that.
        if std::mem::take(&mut self.nodes[node].dead) {
            self.leave(node, &up);
        } else {
            self.nodes[node].up = Some(up);
        }
    }

    pub(super) fn act(&mut self, act: Act) {
        if self.verdict.is_some() {
            return;
        }
        match act {
            Act::Start(node) => self.start(node),
            Act::Crash(node) => {
                if self.nodes[node].up.is_some() {
                    self.crashes += 1;
                    self.crash(node);
                }
            }
            Act::Stop(node) => {
                let run = self.nodes[node].starts;
                self.with(node, run, |world, node, up| {
                    up.core.handle_stop(super::node::mono(world.now));
                    world.look_after(node, up);
                });
            }
            Act::Pause(node, time) => {
                if self.nodes[node].paused <= self.now {
                    self.nodes[node].heard = self.now;
                }
                self.nodes[node].paused = self.nodes[node].paused.max(self.now + time);
            }
            Act::Cut(node, time) => {
                if self.nodes[node].cut.is_none() {
                    self.nodes[node].heard = self.now;
                    self.nodes[node].cut = Some((self.now, self.now + time));
                    self.at(self.now + time, Event::Uncut(node));
                }
            }
            Act::Disk(node, changes) => {
                self.nodes[node].failing = true;
                self.nodes[node].disk.stop_after(changes);
            }
            Act::Leader => {
                self.sequencer.forget();
                for node in 0..self.nodes.len() {
                    let (at, run) = (self.now + self.way(), self.nodes[node].starts);
                    self.at(at, Event::Leader(node, run));
                }
            }
        }
    }

    pub(super) fn way(&mut self) -> Nanos {
        self.draws.range(self.plan.way.0, self.plan.way.1)
    }

    /// When something that sets out now arrives at a node, behind what set out before.
    fn arrives(&mut self, node: usize) -> Nanos {
        let way = self.way();
        self.ways[node].0 = self.ways[node].0.max(self.now + way);
        self.ways[node].0
    }

    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].up.is_some() || self.nodes[node].paused > self.now || self.verdict.is_some() {
            return;
        }
        self.nodes[node].starts += 1;
        match Up::start(&self.nodes[node], &self.shared, self.plan, &self.sequencer.history) {
            Ok(up) => {
                let (told, held) = (self.sequencer.durable(node), up.log.len() as u64);
                let same = up.log.iter().zip(&self.sequencer.history).all(|(ours, all)| ours.1 == all.1);
                if held < told || held > self.sequencer.history.len() as u64 || !same {
                    let what = format!("node {} comes back with {held} batches, having told of {told}", node + 1);
                    return self.broken("S4", what);
                }
                self.nodes[node].founded = true;
                self.nodes[node].up = Some(Box::new(up));
                self.tell(node);
                let (run, at) = (self.nodes[node].starts, self.now + self.way());
                // What it has may be news: it may have gone before it could tell.
                self.at(at, Event::Durable(node, held));
                self.at(self.now, Event::Node(node, run));
            }
            Err(error) if self.nodes[node].failing => {
                drop(error);
                self.disks += 1;
                self.tear(node);
            }
            Err(error) => self.verdict = Some(Verdict::Died(format!("node {} cannot be started: {error}", node + 1))),
        }
    }

    /// A power cut.
    pub(super) fn crash(&mut self, node: usize) {
        if let Some(mut up) = self.nodes[node].up.take() {
            if let Some(upto) = up.syncing {
                // In the middle of it.
                self.nodes[node].disk.stop_after(self.draws.range(0, 6));
                let _ = up.sync(upto);
            }
            self.leave(node, &up);
        }
        self.tear(node);
    }

    fn tear(&mut self, node: usize) {
        let mut dice = Dice(self.draws.draw());
        self.nodes[node].disk = self.nodes[node].disk.crash(&mut dice);
        self.nodes[node].failing = false;
    }

    /// A run of a node is over: its kernel resets all its connections.
    fn leave(&mut self, node: usize, up: &Up) {
        self.nodes[node].heard = self.nodes[node].heard.max(self.now);
        let held: Vec<usize> = up.sockets.iter().flatten().chain(up.waiting.iter().flatten()).copied().collect();
        for tcp in held {
            self.hang_up(tcp, self.plan.mistake != Some(Mistake::FalseEnd));
        }
        if self.nodes[node].failing {
            self.disks += 1;
            self.tear(node);
        }
    }

    /// The node's end of a connection is closed.
    pub(super) fn hang_up(&mut self, tcp: usize, reset: bool) {
        let (at, now) = (self.now + self.way(), self.now);
        let Tcp { to_client, slot, client, .. } = &mut self.tcps[tcp];
        *slot = None;
        if reset {
            to_client.reset(at, now)
        } else {
            to_client.end(at)
        }
        let client = *client;
        let at = self.tcps[tcp].to_client.settled().max(at);
        self.wake_client(client, at);
    }

    /// A client is to look then, if not before.
    pub(super) fn wake_client(&mut self, client: usize, at: Nanos) {
        if self.clients[client].wake.is_none_or(|wake| at < wake) {
            self.clients[client].wake = Some(at);
            self.at(at, Event::Client(client));
        }
    }

    /// A node is to be looked after then, if not before.
    pub(super) fn wake_node(&mut self, node: usize, up: &mut Up, at: Nanos) {
        if up.wake.is_none_or(|wake| at < wake) {
            up.wake = Some(at);
            self.at(at, Event::Node(node, up.run));
        }
    }

    /// Makes the batches that are due, and has everybody hear of them.
    pub(super) fn sequence(&mut self) {
        if self.sequencer.work(self.now) {
            self.tell_all();
        }
    }

    fn tell_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.tell(node));
    }

    fn tell(&mut self, node: usize) {
        if self.nodes[node].up.is_none() || self.nodes[node].cut.is_some() {
            return;
        }
        let (at, run) = (self.arrives(node), self.nodes[node].starts);
        let (len, agreed) = (self.sequencer.history.len() as u64, self.sequencer.agreed);
        self.at(at, Event::News(node, run, len, agreed));
    }

    fn news(&mut self, node: usize, up: &mut Up, len: u64, agreed: u64) {
        let from = up.log.len();
        up.log.extend(self.sequencer.history.get(from..len as usize).unwrap_or_default().iter().cloned());
        up.agreed = up.agreed.max(agreed);
        self.begin_sync(node, up);
        self.look_after(node, up);
    }

    fn begin_sync(&mut self, node: usize, up: &mut Up) {
        let len = up.log.len() as u64;
        if up.syncing.is_none() && up.durable < len {
            up.syncing = Some(len);
            let at = self.now + self.draws.range(self.plan.sync.0, self.plan.sync.1);
            self.at(at, Event::Synced(node, up.run));
        }
    }

    fn synced(&mut self, node: usize, up: &mut Up) {
        let Some(upto) = up.syncing.take() else { return };
        if let Err(error) = up.sync(upto) {
            return self.dies(node, &error.to_string());
        }
        // On its way to whoever counts; who is cut off tells it later.
        if self.nodes[node].cut.is_none() {
            let at = self.now + self.way();
            self.at(at, Event::Durable(node, upto));
        }
        self.begin_sync(node, up);
        self.look_after(node, up);
    }

    /// A node stops because of something that is broken: with leave if its disk is bound to fail.
    pub(super) fn dies(&mut self, node: usize, why: &str) {
        if !self.nodes[node].failing {
            self.verdict = Some(Verdict::Died(format!("node {} has stopped: {why}", node + 1)));
        }
        self.nodes[node].dead = true;
    }

    pub(super) fn uncut(&mut self, node: usize) {
        if self.nodes[node].cut.take().is_none() {
            return;
        }
        self.tell(node);
        let Some(up) = &self.nodes[node].up else { return };
        let (run, durable) = (up.run, up.durable);
        let at = self.now + self.way();
        self.at(at, Event::Durable(node, durable));
        self.at(at, Event::Leader(node, run));
    }

    /// Somebody who lives tells the log of whoever has been silent for long.
    fn watch(&mut self) {
        self.at(self.now + 100 * MS, Event::Watch);
        self.sequence();
        let (now, after) = (self.now, self.plan.node_down_after);
        let silent = |world: &Self, node: usize| {
            let it = &world.nodes[node];
            let away = it.up.is_none() || it.cut.is_some() || it.paused > now;
            away && Duration::from_nanos(now - it.heard.min(now)) > after
        };
        let away = |world: &Self, node: usize| {
            let it = &world.nodes[node];
            it.up.is_none() || it.cut.is_some() || it.paused > now
        };
        for node in (0..self.nodes.len()).filter(|node| !away(self, *node)).collect::<Vec<_>>() {
            let run = self.nodes[node].starts;
            self.with(node, run, Self::look_for_stalls);
        }
        let Some(teller) = (0..self.nodes.len()).find(|node| !away(self, *node)) else { return };
        for node in (0..self.nodes.len()).filter(|node| silent(self, *node)).collect::<Vec<_>>() {
            let (id, run) = (self.nodes[node].id, self.nodes[teller].starts);
            self.with(teller, run, |world, teller, up| {
                let Some(boot) = up.watches.as_ref().and_then(|watches| watches.get(&id)).copied() else { return };
                if up.declared.contains(&(id, boot)) {
                    return;
                }
                up.declared.push((id, boot));
                up.outgoing.offer(&mut vec![Input::NodeDown { node: id, boot }]);
                world.look_after(teller, up);
            });
        }
    }

    /// What was sent and is not applied for long is sent again, as the driver of a real node does it.
    fn look_for_stalls(&mut self, node: usize, up: &mut Up) {
        let since = match (up.awaits, up.outgoing.awaited()) {
            (Some((before, since)), Some(oldest)) if before == oldest => since,
            (_, oldest) => {
                up.awaits = oldest.map(|oldest| (oldest, self.now));
                return;
            }
        };
        let patience = up.awaits.map_or(Duration::ZERO, |(oldest, _)| Wait::Inputs(oldest).patience());
        if Duration::from_nanos(self.now - since) >= patience {
            up.awaits = None;
            up.outgoing.rewind();
            self.look_after(node, up);
        }
    }

    /// What a node has to send.
    pub(super) fn send(&mut self, node: usize, up: &mut Up) {
        while let Some(parcel) = up.outgoing.take() {
            if self.nodes[node].cut.is_some() {
                continue;
            }
            let way = self.way();
            self.ways[node].1 = self.ways[node].1.max(self.now + way);
            let Parcel { first_seq, count, bytes } = parcel;
            self.at(self.ways[node].1, Event::Inputs(node, first_seq, count, bytes.to_vec()));
        }
    }

    /// Something is announced of a node's end of a connection.
    fn socket(&mut self, tcp: usize) {
        let Tcp { node, run, slot: Some(slot), .. } = self.tcps[tcp] else { return };
        if self.nodes[node].paused > self.now {
            return self.at(self.nodes[node].paused, Event::Socket(tcp));
        }
        let (failed, read_closed) =
            (self.tcps[tcp].to_node.is_reset(self.now), self.tcps[tcp].to_node.has_ended(self.now));
        let writable = self.tcps[tcp].to_client.has_room();
        self.with(node, run, |world, node, up| {
            up.announce(slot, Readiness { readable: true, read_closed, writable, failed, ..Readiness::default() });
            world.look_after(node, up);
        });
    }
}
